"""Ctrl-C and SIGTERM, noted instead of breaking something off halfway."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """A list of the Ctrl-C and SIGTERM that have come; meanwhile they break nothing off."""
    came: list[int] = []
    old = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                old[number] = signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield came
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """A Ctrl-C or SIGTERM that comes meanwhile comes at the end."""
    came: list[int] = []
    try:
        with interrupts() as came:
            yield
    finally:
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
