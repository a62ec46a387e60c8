"""Cells on a Dask cluster, through the executor of its client; needs the optional extra `dask`.

The scheduler and its workers are trusted, as `dask` itself trusts them. A worker of `dask worker`
computes each cell on one thread, as a spawned process does. A task is a batch of cells: the way of
one task and its answer between client, scheduler and worker takes 5 to 15 ms.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from typing import Any

from avanet.environment import PACKAGES, environment
from avanet.errors import InputError
from avanet.experiments.sweep import TRIES, Answer, Cell, OpenPool, Work, attempt

TIMEOUT = 30  # seconds to find the scheduler, and a worker
SAME = ("avanet", *PACKAGES)


@contextmanager
def cluster(address: str) -> Iterator[tuple[OpenPool, int]]:
    """The pool of a cluster for `run_cells`, and how many cells its workers do at once.

    Raises
    ------
    InputError
        No package distributed, no scheduler at the address, no workers, or workers with another
        version of avanet or of a package that computes.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # a timeout is an OSError
        raise InputError(f"no Dask scheduler at {address} ({_brief(error)}); start one with "
                         "dask scheduler, and workers with dask worker") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=TIMEOUT)
            found = client.run(versions)
        except OSError:
            raise InputError(f"the scheduler at {address} has no workers; start some with dask "
                             f"worker {address}") from None
        except Exception as error:
            raise InputError(f"the workers of {address} cannot import this avanet "
                             f"({_brief(error)}); install it there") from None
        for worker, theirs in found.items():
            _check(worker, theirs)
        yield _pool_of(client), sum(client.nthreads().values())


def _pool_of(client) -> OpenPool:
    @contextmanager
    def pool(work: Work, shared: Any, jobs: int):
        yield _Cells(client, work, shared)
    return pool


class _Cells:
    """A Pool of one work.

    What the cells share is a task's result: it goes to each worker once, and is made again where
    the worker that has it dies, as scattered data would not be.
    """

    def __init__(self, client, work: Work, shared: Any):
        self._client, self._executor = client, client.get_executor(pure=False)
        self._work, self._versions = work, versions()
        self._shared = client.submit(_itself, shared, pure=False)

    def submit(self, cells: Sequence[Cell]) -> "Future[list[Answer]]":
        result: Future[list[Answer]] = Future()
        self._try(cells, result, TRIES)
        return result

    def _try(self, cells: Sequence[Cell], result: "Future[list[Answer]]", tries: int) -> None:
        """Do the cells, the first again if the cluster loses them: a worker may die with answers.
        """

        def done(inner: Future) -> None:
            try:
                answers = inner.result()
            except BaseException as error:
                if tries > 1 and not self._closing():
                    return self._try(cells[:1], result, tries - 1)
                answers = [InputError(f"the cluster gave up cell {cells[0]} ({_brief(error)})")]
            result.set_result(answers)

        inner = self._executor.submit(do, self._work, cells, self._shared, self._versions)
        inner.add_done_callback(done)

    def _closing(self) -> bool:
        return self._client.status != "running"


def _itself(shared: Any) -> Any:
    return shared


def do(work: Work, cells: Sequence[Cell], shared: Any, expected: dict[str, str]) -> list[Answer]:
    """On a worker: outcomes, or what went wrong; workers may have joined since the start."""
    try:
        _check("a worker", versions(), expected)
    except InputError as error:
        return [error]
    return attempt(work, cells, shared)


@cache
def versions() -> dict[str, str]:
    """Of avanet and of the packages that compute."""
    return {name: str(value) for name, value in environment().items() if name in SAME}


def _check(worker: str, theirs: dict[str, str], ours: dict[str, str] | None = None) -> None:
    for name, version in (ours or versions()).items():
        if theirs.get(name) != version:
            raise InputError(f"{worker} has {name} {theirs.get(name)}, not {version}: install the "
                             "same versions there")


def _brief(error: BaseException) -> str:
    text = str(error).splitlines()
    return (text[0] if text else type(error).__name__)[:200]


def _distributed():
    try:
        import distributed
    except ImportError:
        raise InputError("--scheduler needs the package distributed: pip install 'avanet[dask]'"
                         ) from None
    return distributed
