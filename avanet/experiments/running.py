"""What every reproduction needs before it runs: where its cells run, and what there is to say."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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
    if other := other_versions(run):
        print(f"note: this folder was begun with {', '.join(other)}; "
              "last digits may differ between old and new cells", file=sys.stderr)


def tell_estimate(seconds_per_cell: float, cells: int, jobs: int) -> None:
    """Say on stderr how long the missing cells will take."""
    print(f"{cells} cells on {jobs} worker{'s' if jobs > 1 else ''}: "
          f"{estimate(seconds_per_cell, cells, jobs)}", file=sys.stderr)
