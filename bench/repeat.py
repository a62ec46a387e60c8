"""The same command, bit for bit: other workers, threads, folders, installations; other kernels.

    python bench/repeat.py [--python PATH ...] [--models vae,ava5] [--rates 0.5] [--only training]

Runs a sweep (`avanet reproduce bm`) and a training (`avanet train`) under each condition and
compares what they leave with one worker on one thread: results and best images; logs, weights,
checkpoints and samples. --python names the interpreter of an environment into which avanet was
installed. NumPy kernels need only agree within `TOLERANCE`: a sweep in float64, by one cell of each
rule set, because a rule set that is chaotic makes any rounding of float32 large. See README.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from avanet.tensors import SUFFIXES, read_tensors

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-5  # of a BM (float64) or of a loss (float32), compiled against NumPy kernels
DOUBLE = """import json, sys
from avanet import data
from avanet.ava import AVA
from avanet.ava.balance import score
from avanet.experiments.bm import generator
images = data.load("orbit").pixels
for rules in "as-run", "printed":
    rng = generator(0, "ava5", 0.5)
    model = AVA("ava5", latent_dim=10, hidden_dim=100, rules=rules, rate=0.5, random_state=rng,
                dtype="float64").fit(images)
    print(json.dumps({"bm_abs": score(model, images, rng, 10).balance.absolute}))
"""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
Files = dict[str, bytes]


class Conditions(NamedTuple):
    """How a command is run."""

    jobs: int = 1
    threads: int = 1
    cwd: Path = ROOT
    jit: bool = True
    python: str = ""  # of an installation; else the source tree
    kills: int = 0    # kill -9, each after something more was done; then it may go on to its end


class Command(NamedTuple):
    """Arguments, but for workers and folder; a run's files, and their distance from others."""

    arguments: list[str]
    folder: str  # the option that names it
    has_jobs: bool
    journal: str  # grows with what is done
    files: Callable[[Path], Files]
    distance: Callable[[Files, Files], float]


def run(command: Command, out: Path, how: Conditions) -> Files:
    """The files of a run that must not depend on how it was run."""
    environment = environment_of(how)
    words = [how.python or sys.executable, "-m", "avanet", *command.arguments,
             command.folder, str(out), *(["--jobs", str(how.jobs)] if command.has_jobs else [])]
    for number in range(how.kills):
        lines = size(out / command.journal)
        process = subprocess.Popen(words, cwd=how.cwd, env=environment, stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        while process.poll() is None and size(out / command.journal) <= lines:
            time.sleep(0.01)
        time.sleep(0.05 * number)
        process.kill()
        if process.wait() == 0:
            raise SystemExit(f"kill {number + 1} came after the end: give it more to do")
    ended = subprocess.run(words, cwd=how.cwd, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    return command.files(out)


def environment_of(how: Conditions) -> dict[str, str]:
    environment = os.environ | dict.fromkeys(THREADS, str(how.threads))
    if not how.jit:
        environment["NUMBA_DISABLE_JIT"] = "1"
    if not how.python:
        environment["PYTHONPATH"] = str(ROOT)
    return environment


def double(jit: bool) -> Files:
    """Lines of cells in float64."""
    return {"results.jsonl": subprocess.run(
        [sys.executable, "-c", DOUBLE], env=environment_of(Conditions(jit=jit)), check=True,
        stdout=subprocess.PIPE).stdout}


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def sweep_files(out: Path) -> Files:
    """Results, and the best images."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*"))
            if path.name == "results.jsonl" or path.parent.parent.name == "best"}


def training_files(out: Path) -> Files:
    """All but what the clock and the environment say; weights alike in either of their formats."""
    paths = [path for path in sorted(out.rglob("*"))
             if path.is_file() and path.name not in ("run.json", "timings.jsonl", ".lock")]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths
            if path.suffix not in SUFFIXES} | {
        path.stem: arrays(path) for path in paths if path.suffix in SUFFIXES}


def arrays(path: Path) -> bytes:
    header, tensors = read_tensors(path)
    return json.dumps(header, sort_keys=True).encode() + b"".join(
        name.encode() + tensors[name].tobytes() for name in sorted(tensors))


def bm_distance(one: Files, other: Files) -> float:
    """The largest difference of a BM."""
    lines = [[json.loads(line) for line in files["results.jsonl"].splitlines()]
             for files in (one, other)]
    return max(abs(a["bm_abs"] - b["bm_abs"]) for a, b in zip(*lines))


def loss_distance(one: Files, other: Files) -> float:
    """The largest relative difference of a loss of an epoch."""
    logs = [[json.loads(line) for line in files["log.jsonl"].splitlines()]
            for files in (one, other)]
    return max(abs(a[split][name] - b[split][name]) / max(abs(a[split][name]), 1.0)
               for a, b in zip(*logs) for split in ("train", "test") for name in a[split])


def commands(models: str, rates: str) -> dict[str, Command]:
    """A sweep, and a training with all that is drawn on the way."""
    return {
        "sweep": Command(["reproduce", "bm", "--models", models, "--rates", rates, "--seeds", "1"],
                         "--out", True, "results.jsonl", sweep_files, bm_distance),
        "training": Command(["train", "survey-vae", "--epochs", "6", "--set", "hidden=128", "--set",
                             "batch=64", "--set", "schedule=cosine"],
                            "--run", False, "log.jsonl", training_files, loss_distance)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--models", default="vae,ava5")
    parser.add_argument("--rates", default="0.5")
    parser.add_argument("--only", choices=("sweep", "training"))
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory(prefix="avanet-repeat-") as root:
        elsewhere = Path(root, "elsewhere")
        elsewhere.mkdir()
        print("| what | condition | beside 1 worker, 1 thread, source tree |\n| --- | --- | --- |")
        for what, command in commands(args.models, args.rates).items():
            if args.only not in (None, what):
                continue
            conditions = {f"{jobs} workers": Conditions(jobs=jobs) for jobs in (2, 4)
                          if command.has_jobs}
            conditions |= {"2 threads": Conditions(threads=2), "2 kills": Conditions(kills=2),
                           "another directory": Conditions(cwd=elsewhere)}
            conditions |= {f"installed: {path}": Conditions(python=path, cwd=elsewhere)
                           for path in args.python}
            first = run(command, Path(root, what), Conditions())
            for number, (name, how) in enumerate(conditions.items()):
                got = run(command, Path(root, f"{what}{number}"), how)
                other = [each for each in first.keys() | got if first.get(each) != got.get(each)]
                failed |= bool(other)
                print(f"| {what} | {name} | "
                      f"{f'DIFFERENT: {min(other)}' if other else 'bit for bit'} |", flush=True)
            plain = run(command, Path(root, f"{what}-numpy"), Conditions(jit=False))
            far = command.distance(first, plain)
            if what == "sweep":
                print(f"| {what} | NumPy kernels, float32 | within {far:.1e} (no limit) |")
                far = command.distance(double(True), double(False))
            failed |= far > TOLERANCE
            print(f"| {what} | NumPy kernels | within {far:.1e} (at most {TOLERANCE:g}) |",
                  flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
