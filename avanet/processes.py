"""Processes of one thread that do not see Ctrl-C and end with their parent."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from avanet.threads import ONE_THREAD


def started(target: Callable[..., object], *args: object) -> BaseProcess:
    """A new process that runs `target(*args)`, both picklable."""
    process = get_context("spawn").Process(target=_run, args=(target, args), daemon=True)
    with _its_environment():
        process.start()
    return process


@contextmanager
def _its_environment() -> Iterator[None]:
    """A process that is started in here computes on one thread and does not see Ctrl-C."""
    old, mask = dict(os.environ), None
    os.environ.update(ONE_THREAD)
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # it unblocks the signal when it starts
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name in ONE_THREAD:
            os.environ.pop(name)
            if name in old:
                os.environ[name] = old[name]


def _run(target: Callable[..., object], args: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    target(*args)


def _end_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
