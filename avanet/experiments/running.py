"""What every reproduction needs before it runs: where its cells run, and what there is to say."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from avanet.data import Dataset, Split, load_dataset
from avanet.data.named import locate
from avanet.errors import InputError
from avanet.experiments.recorded import other_versions
from avanet.experiments.sweep import OpenPool, Outcome, SpawnedWorkers
from avanet.folder import Line, first_difference
from avanet.nn import DivergedError, NonFiniteError
from avanet.progress import estimate


@dataclass(frozen=True)
class SweepRequest:
    """What the user asked for; None leaves the choice to `scale`."""

    scale: str = "default"
    seeds: int | None = None
    jobs: int = 2
    out: str | None = None
    fresh: bool = False
    scheduler: str | None = None


@dataclass(frozen=True)
class DataRequest(SweepRequest):
    """The same of a reproduction on a data set."""

    data: str | None = None
    data_dir: str | None = None


@contextmanager
def workers(scheduler: str | None, jobs: int) -> Iterator[tuple[OpenPool, int]]:
    """Where the cells run and how many at once: this machine's processes, or a Dask cluster."""
    if scheduler is None:
        yield SpawnedWorkers, jobs
    else:
        from avanet.experiments.cluster import cluster
        with cluster(scheduler) as found:
            yield found


def tell_of_other_versions(run: Mapping[str, Any]) -> None:
    """Say on stderr if the run (the contents of run.json) was begun with other versions."""
    if other := other_versions(run.get("environment")):
        print(f"note: this folder was begun with {', '.join(other)}; "
              "last digits may differ between old and new cells", file=sys.stderr)


def tell_estimate(seconds_per_cell: float, cells: int, jobs: int) -> None:
    """Say on stderr how long the missing cells will take."""
    print(f"{cells} cells on {jobs} worker{'s' if jobs > 1 else ''}: "
          f"{estimate(seconds_per_cell, cells, jobs)}", file=sys.stderr)


def data_of(run: Mapping[str, Any], place: str | None) -> Dataset | None:
    """The data set of a recorded run, None if it names none; `place` is where it is now."""
    begun = run.get("environment")
    begun = begun if isinstance(begun, dict) else {}
    source = place or begun.get("data")
    return load_dataset(source, root=begun.get("data_dir")) if isinstance(source, str) else None


def check_protocol(run: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """InputError, with the first difference, unless a run on a data set was made as `here`."""
    if different := first_difference(run["protocol"], here):
        name, recorded, now = different
        raise InputError(f"the run was made with {name} = {recorded!r}, here it is {now!r}; "
                         "give --data")


def some(split: Split, n: int) -> Split:
    """At most n images of a split, the same every time."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(split))[:n])
    labels = None if split.labels is None else split.labels[chosen]
    return Split(split.images[chosen], labels, split.source)


def check_seed(cell: Mapping[str, Any]) -> None:
    """InputError unless the cell's seed is one."""
    if type(cell["seed"]) is not int or cell["seed"] < 0:
        raise InputError(f"expected a seed as a whole number of at least 0, got {cell['seed']!r}")


class Course(Protocol):
    """The training of one cell's model: its line so far, and files."""

    line: Line
    files: dict[str, bytes]

    def run(self) -> None:
        """Train and score."""


def outcome(course: Course) -> Outcome:
    """What a course comes to; a NaN or an overflow becomes the line's `stopped`."""
    begun = time.perf_counter()
    try:
        course.run()
    except (DivergedError, NonFiniteError) as error:
        course.line["stopped"] = str(error)
    return Outcome(course.line, time.perf_counter() - begun, course.files)


def found(names: Sequence[str], root: str | None) -> list[str]:
    """Those of the named sets that are in the root folder, else the bundled digits, with a note."""
    there = [name for name in names if locate(name, root)]
    if not there:
        print(f"note: {' or '.join(names)} not found (--data-dir, AVANET_DATA, or avanet data "
              f"download {names[0]}): running on digits, the bundled set", file=sys.stderr)
    return there or ["digits"]


def slug(source: str) -> str:
    """A data set's name or path as part of a file name."""
    return Path(source).resolve().stem
