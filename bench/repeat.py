"""The same command, bit for bit: other workers, threads, folders, installations; other kernels.

    python bench/repeat.py [--python PATH ...] [--models vae,ava5] [--rates 0.5]

Runs `avanet reproduce bm` under each condition and compares `results.jsonl` and the best images
with those of one worker on one thread. --python names the interpreter of an environment into which
avanet was installed. NumPy kernels need only agree within `TOLERANCE`. See README.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-5  # of a BM, compiled against NumPy kernels, float32
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def run(out: Path, args, *, jobs: int = 1, threads: int = 1, cwd: Path = ROOT, jit: bool = True,
        python: str | None = None) -> dict[str, bytes]:
    """The files of a run that must not depend on how it was run."""
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    if not jit:
        environment["NUMBA_DISABLE_JIT"] = "1"
    if python is None:
        environment["PYTHONPATH"] = str(ROOT)
    command = [python or sys.executable, "-m", "avanet", "reproduce", "bm", "--models", args.models,
               "--rates", args.rates, "--seeds", "1", "--jobs", str(jobs), "--out", str(out)]
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*"))
            if path.name == "results.jsonl" or path.parent.parent.name == "best"}


def distance(one: dict[str, bytes], other: dict[str, bytes]) -> float:
    """The largest difference of a BM."""
    lines = [[json.loads(line) for line in files["results.jsonl"].splitlines()]
             for files in (one, other)]
    return max(abs(a["bm_abs"] - b["bm_abs"]) for a, b in zip(*lines))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--models", default="vae,ava5")
    parser.add_argument("--rates", default="0.5")
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory(prefix="avanet-repeat-") as root:
        elsewhere = Path(root, "elsewhere")
        elsewhere.mkdir()
        conditions = {"2 workers": {"jobs": 2}, "4 workers": {"jobs": 4},
                      "2 threads": {"threads": 2}, "another directory": {"cwd": elsewhere}}
        conditions |= {f"installed: {path}": {"python": path, "cwd": elsewhere}
                       for path in args.python}
        print("| condition | beside 1 worker, 1 thread, source tree |\n| --- | --- |")
        first = run(Path(root, "first"), args)
        for number, (name, options) in enumerate(conditions.items()):
            same = run(Path(root, str(number)), args, **options) == first
            failed |= not same
            print(f"| {name} | {'bit for bit' if same else 'DIFFERENT'} |", flush=True)
        far = distance(first, run(Path(root, "numpy"), args, jit=False))
        failed |= far > TOLERANCE
        print(f"| NumPy kernels | within {far:.1e} of a BM (at most {TOLERANCE:g}) |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
