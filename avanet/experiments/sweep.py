"""Independent cells over worker processes: each finished cell is a line in the output folder.

A cell is a dict of JSON scalars, its work a function `work(cell, shared) -> Outcome` that a worker
process can import. What has a line is not done again, so that the same command goes on after any
interruption, and `results.jsonl` comes out the same whatever the number of workers.
"""

import pickle
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any, Protocol

from avanet.errors import InputError
from avanet.experiments.store import RunFolder
from avanet.files import told
from avanet.folder import Line, encode
from avanet.interrupts import interrupts
from avanet.processes import started

Cell = dict[str, Any]
TRIES = 3
TICK = 0.1  # seconds within which an interrupt is seen, between two writes, and for quick cells
MOST = 128  # cells that a worker is given at once
GRACE = 5.0  # seconds that a worker has to end by itself


@dataclass(frozen=True)
class Outcome:
    """What the work on one cell gives.

    line: deterministic results (JSON, no NaN); seconds: the time it took, kept apart from them;
    files: contents of files by their path in the output folder, written before the line.
    """

    line: Line
    seconds: float
    files: Mapping[str, bytes] = field(default_factory=dict)


Answer = Outcome | Exception  # the exception is raised where the sweep is run


class Pool(Protocol):
    """Where cells run: a concurrent.futures executor that knows the work."""

    def submit(self, cells: Sequence[Cell]) -> "Future[list[Answer]]":
        """Do the first of the cells, one at least; the others are handed in again."""


Work = Callable[[Cell, Any], Outcome]
OpenPool = Callable[[Work, Any, int], AbstractContextManager[Pool]]


def run_cells(
    cells: Sequence[Cell],
    work: Work,
    folder: RunFolder,
    jobs: int,
    *,
    shared: Any = None,
    keep: Callable[[str, bytes | None, bytes], bytes] = lambda name, old, new: new,
    progress: Callable[[int, int], None] = lambda done, total: None,
    pool: OpenPool | None = None,
) -> list[Line]:
    """Do the cells that have no line in the folder yet; the lines of all, in the order asked.

    Parameters
    ----------
    cells : list of dict
        Each has exactly the key fields of the folder.
    work : function (cell, shared) -> Outcome
        Defined at the top of a module. A cell that fails by its nature returns a line that says so.
    folder : RunFolder
        Entered, with its run opened.
    jobs : int
        Number of worker processes; about twice as many batches of cells are in flight. A batch is
        one cell, or several where cells take much less than a `TICK`.
    shared : picklable
        Handed to each worker once.
    keep : function (path, old or None, new) -> bytes
        What a file of an outcome shall contain if there is one already, at best whatever the order
        (a maximum); by default the new contents.
    progress : function (cells done, cells in all)
    pool : function (work, shared, jobs) -> context manager of a Pool
        `SpawnedWorkers` unless given.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C or SIGTERM; its text counts the cells that are kept.
    InputError
        The folder cannot be written, or the worker of a cell died `TRIES` times; with the number
        of cells that are kept.
    RuntimeError
        The work raised; with the cell and the worker's traceback.
    """
    asked = {folder.key_of(cell): cell for cell in cells}
    todo = deque(cell for key, cell in asked.items() if key not in folder.results)
    done = len(asked) - len(todo)
    in_flight: dict[Future[list[Answer]], list[Cell]] = {}
    ready: list[tuple[Cell, Answer]] = []
    due, size = 0.0, 1
    progress(done, len(asked))
    with (folder.counted(), interrupts() as came,
          (pool or SpawnedWorkers)(work, shared, jobs) as workers):
        while todo or in_flight or ready:
            while todo and len(in_flight) < 2 * jobs:
                share = -(-len(todo) // (2 * jobs))
                batch = [todo.popleft() for _ in range(min(size, share))]
                in_flight[workers.submit(batch)] = batch
            for future in wait(in_flight, TICK, FIRST_COMPLETED).done:
                batch, answers = in_flight.pop(future), _answers(future)
                ready += zip(batch, answers)
                todo.extendleft(reversed(batch[len(answers):]))
                size = _next_size(len(batch), answers)
            if ready and (monotonic() >= due or came or not in_flight):
                done += _record(folder, ready, keep)
                progress(done, len(asked))
                ready, due = [], monotonic() + TICK
            if came:
                raise KeyboardInterrupt(
                    f"{done} of {len(asked)} cells are kept; the same command goes on"
                )
    with folder.counted():
        folder.finish()
    return [folder.results[key] for key in asked]


def _answers(future: "Future[list[Answer]]") -> list[Answer]:
    try:
        return future.result()
    except Exception as failure:
        return [failure]


def _next_size(size: int, answers: Sequence[Answer]) -> int:
    """Twice as many cells if all of a batch took half a `TICK`; one if it was too much for one."""
    if len(answers) < size:
        return 1
    seconds = sum(answer.seconds for answer in answers if isinstance(answer, Outcome))
    return min(2 * size, MOST) if seconds < TICK / 2 else size


def _record(folder: RunFolder, ready: Sequence[tuple[Cell, Answer]], keep) -> int:
    """Write what has come out, then raise what has gone wrong; the number of new lines."""
    lines, timings, failures = [], [], []
    for cell, outcome in ready:
        try:
            if isinstance(outcome, Exception):
                raise outcome
            line = dict(zip(folder.key, folder.key_of(cell))) | outcome.line
            if folder.key_of(line) != folder.key_of(cell):
                raise ValueError(f"the line {line} is not of cell {cell}")
            encode(line)
            for name, new in outcome.files.items():
                old = folder.read(name)
                if (kept := keep(name, old, new)) != old:
                    folder.write(name, kept)
            lines.append(line)
            timings.append(cell | {"seconds": outcome.seconds})
        except Exception as failure:
            failures.append(failure)
    if lines:
        folder.append(lines, timings)
    if failures:
        raise failures[0]
    return len(lines)


class SpawnedWorkers:
    """Up to `jobs` spawned processes, each behind a pipe and a thread of its own.

    `concurrent.futures.ProcessPoolExecutor` has one pipe for all results. A worker that is killed
    halfway through one makes it wait for ever, and any death costs it all workers and all cells in
    flight. Here a death is the end of one pipe, and a new process tries its first cell alone.
    """

    def __init__(self, work: Work, shared: Any, jobs: int):
        self._task = work, shared
        self._threads = ThreadPoolExecutor(jobs)
        self._lock = threading.Lock()
        self._alive: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._stopped = False

    def submit(self, cells: Sequence[Cell]) -> "Future[list[Answer]]":
        return self._threads.submit(self._call, cells)

    def _call(self, cells: Sequence[Cell]) -> list[Answer]:
        for _ in range(TRIES):
            worker = self._idle_or_new()
            try:
                answers = worker.call(cells)
            except (EOFError, OSError):
                self._end(worker)
                cells = cells[:1]
                continue
            self._idle.append(worker)
            return answers
        raise InputError(f"the worker of cell {cells[0]} died {TRIES} times (killed? out of "
                         "memory?)")

    def _idle_or_new(self) -> "_Worker":
        with self._lock:
            if self._stopped:
                raise BrokenExecutor("interrupted")
            if self._idle:
                return self._idle.pop()
            with told("start", "a worker process", "; give fewer --jobs"):
                worker = _Worker(self._task)
            self._alive.add(worker)
            return worker

    def _end(self, worker: "_Worker") -> None:
        with self._lock:
            self._alive.remove(worker)
            worker.end()

    def __enter__(self) -> "SpawnedWorkers":
        return self

    def __exit__(self, kind, *_) -> None:
        """Let the workers end, or kill them if the sweep is broken off."""
        with self._lock:
            self._stopped = kind is not None
            for worker in self._alive if self._stopped else ():
                worker.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._alive:
            worker.end()


class _Worker:
    """A process of one thread, from the parent's side."""

    def __init__(self, task: tuple[Work, Any]):
        self._pipe, its_pipe = get_context("spawn").Pipe()
        self._unsent: tuple | None = task
        self.process = started(_serve, its_pipe)
        its_pipe.close()

    def call(self, cells: Sequence[Cell]) -> list[Answer]:
        """What the process answers. Raises EOFError or OSError if it has died."""
        if self._unsent is not None:
            self._pipe.send(self._unsent)
            self._unsent = None
        self._pipe.send(cells)
        return self._pipe.recv()

    def end(self) -> None:
        """An idle process ends with its pipe, a busy one is killed after a while."""
        self._pipe.close()
        self.process.join(GRACE)
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection) -> None:
    """What a worker process does: answer each batch until the pipe ends."""
    with suppress(EOFError, OSError):
        work, shared = pipe.recv()
        while True:
            pipe.send_bytes(pickle.dumps(attempt(work, pipe.recv(), shared)))


def attempt(work: Work, cells: Sequence[Cell], shared: Any) -> list[Answer]:
    """Do the first of the cells: until a `TICK` is over, or one has failed."""
    answers: list[Answer] = []
    end = monotonic() + TICK
    for cell in cells:
        answers.append(_attempt(work, cell, shared))
        if isinstance(answers[-1], Exception) or monotonic() > end:
            break
    return answers


def _attempt(work: Work, cell: Cell, shared: Any) -> Answer:
    try:
        return work(cell, shared)
    except InputError as error:
        return error
    except MemoryError:
        return InputError(f"out of memory in cell {cell}: free some, or give fewer --jobs")
    except Exception:
        return RuntimeError(f"cell {cell}\n{traceback.format_exc()}")
