"""What every reproduction needs before it runs: where its cells run, and what there is to say."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avanet.data.named import locate
from avanet.experiments.recorded import other_versions
from avanet.experiments.sweep import OpenPool, SpawnedWorkers
from avanet.progress import estimate


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
