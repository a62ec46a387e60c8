"""What a cell costs besides its work, by the number of cells and of worker processes.

    python bench/sweep.py [--cells 100,1000,10000,100000] [--workers 1,2,4] [--json FILE] [--dask]

The cells do nothing. Timed are a whole sweep into an empty folder, the same command again (nothing
to do: reading and sorting), and going on when the last 1 % of the lines are gone. --dask takes the
workers of a local Dask cluster, over loopback, instead; they run before the clock. See README.md.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from avanet.experiments.cluster import cluster
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import OpenPool, Outcome, run_cells

KEY = ("model", "rate", "seed")


def nothing(cell: dict, shared: object) -> Outcome:
    return Outcome({"value": cell["seed"] / 7}, 0.0)


@contextmanager
def local_cluster(workers: int) -> Iterator[OpenPool]:
    """Worker processes of one thread, once all of them have joined."""
    from distributed import LocalCluster
    with LocalCluster(n_workers=workers, threads_per_worker=1, protocol="tcp",
                      dashboard_address=None) as there:
        there.wait_for_workers(workers)
        with cluster(there.scheduler_address) as (pool, _):
            yield pool


def sweep(path: Path, number: int, workers: int, pool: OpenPool | None) -> float:
    """Seconds of a sweep of so many cells, the folder's opening included."""
    start = time.perf_counter()
    cells = [{"model": f"m{i % 7}", "rate": i % 19 / 20, "seed": i} for i in range(number)]
    with RunFolder(path, KEY) as folder:
        folder.open_run({"cells": "nothing"}, {})
        lines = run_cells(cells, nothing, folder, workers, pool=pool)
    seconds = time.perf_counter() - start
    if [line["seed"] for line in lines] != list(range(number)):
        raise SystemExit("the sweep lost a cell")
    return seconds


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", default="100,1000,10000,100000")
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dask", action="store_true")
    args = parser.parse_args(argv)
    rows = []
    print("| cells | workers | sweep, s | a cell, us | again, s | last 1 % again, s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for number in map(int, args.cells.split(",")):
        for workers in map(int, args.workers.split(",")):
            with (tempfile.TemporaryDirectory(prefix="avanet-sweep-") as folder,
                  local_cluster(workers) if args.dask else nullcontext() as pool):
                path = Path(folder)
                whole, again = (sweep(path, number, workers, pool) for _ in range(2))
                lines = (path / "results.jsonl").read_bytes().splitlines(keepends=True)
                (path / "results.jsonl").write_bytes(b"".join(lines[:-(number // 100)]))
                rest = sweep(path, number, workers, pool)
            rows.append({"cells": number, "workers": workers, "dask": args.dask, "whole": whole,
                         "again": again, "rest": rest})
            kind = f"{workers}, Dask" if args.dask else workers
            print(f"| {number:,} | {kind} | {whole:.2f} | {whole / number * 1e6:.0f} | "
                  f"{again:.2f} | {rest:.2f} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
