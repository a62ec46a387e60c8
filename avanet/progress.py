"""How far a long work is: what is done, how fast, the time left."""

import math
import sys
from time import monotonic
from typing import TextIO

INTERVAL = 5.0  # seconds between two plain lines


def duration(seconds: float) -> str:
    """A time as people say it: "12 s" (at least "1 s"), "3 min", "2 h 10 min"."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def estimate(seconds_per_cell: float, cells: int, jobs: int) -> str:
    """The time that `cells` take on `jobs` workers, as text: "about 12 s"."""
    return f"about {duration(math.ceil(cells / jobs) * seconds_per_cell)}"


class Progress:
    """Shows calls `progress(done, total, note)` on a stream, within a `with` block.

    A bar if rich is installed and the stream is a terminal; else a line, at most one every
    `INTERVAL` seconds and one at the end.

    Parameters
    ----------
    stream : text stream
        stderr unless given.
    unit : str
        What is counted, in the plural.
    """

    def __init__(self, stream: TextIO | None = None, unit: str = "cells"):
        self._stream, self._unit = stream or sys.stderr, unit
        self._first: tuple[int, float] | None = None
        self._shown = -math.inf

    def __enter__(self) -> "Progress":
        self._bar = self._open_bar() if self._stream.isatty() else None
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = monotonic()
        self._first = self._first or (done, now)
        text = describe(done, total, done - self._first[0], now - self._first[1],
                        self._unit, note)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=text)
        elif done == total or now - self._shown >= INTERVAL:
            self._shown = now
            print(text, file=self._stream, flush=True)

    def _open_bar(self):
        try:
            from rich.console import Console
            from rich.progress import BarColumn, Progress as Bar, TextColumn
        except ImportError:
            print("progress bar not drawn: install avanet[app]", file=self._stream, flush=True)
            return None
        bar = Bar(
            BarColumn(), TextColumn("{task.description}"), console=Console(file=self._stream)
        )
        self._task = bar.add_task("", total=None)
        bar.start()
        return bar


def describe(done: int, total: int, new: int, seconds: float, unit: str = "cells",
             note: str = "") -> str:
    """ "12 of 133 cells, 3.4 cells/s, 36 s left", the rate from `new` ones in `seconds`; a note
    stands behind."""
    text = f"{done} of {total} {unit}"
    if new and seconds > 0:
        text += f", {new / seconds:.3g} {unit}/s"
        if done < total:
            text += f", {duration((total - done) * seconds / new)} left"
    return f"{text}; {note}" if note else text
