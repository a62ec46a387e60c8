"""What every reproduction says before it runs: other versions in the folder, the time it takes."""

import sys
from collections.abc import Mapping
from typing import Any

from avanet.experiments.recorded import other_versions
from avanet.progress import estimate


def tell_of_other_versions(run: Mapping[str, Any]) -> None:
    """Say on stderr if the run (the contents of run.json) was begun with other versions."""
    if other := other_versions(run):
        print(f"note: this folder was begun with {', '.join(other)}; "
              "last digits may differ between old and new cells", file=sys.stderr)


def tell_estimate(seconds_per_cell: float, cells: int, jobs: int) -> None:
    """Say on stderr how long the missing cells will take."""
    print(f"{cells} cells on {jobs} worker{'s' if jobs > 1 else ''}: "
          f"{estimate(seconds_per_cell, cells, jobs)}", file=sys.stderr)
