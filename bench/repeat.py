"""The same command, bit for bit: other workers, threads, folders, installations; other kernels.

    python bench/repeat.py [--python PATH ...] [--only sweep,trainings,...]

Runs two sweeps (of single steps, and of trainings) and two trainings (of dense layers, and of
convolutions) under each condition and compares what they leave with one worker on one thread:
results, pictures and codes; logs, weights, checkpoints and samples. --python names the interpreter
of an environment into which avanet was installed. NumPy kernels need only agree within `TOLERANCE`:
the first sweep in float64, by one cell of each rule set, because a rule set that is chaotic makes
any rounding of float32 large; the sweep of trainings not at all, because a bias before a batch norm
has a gradient of nothing but rounding, of which Adam makes whole steps. See README.md.
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
from typing import Any, NamedTuple

from avanet.tensors import SUFFIXES, read_tensors

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-5  # of a number of the results, compiled against NumPy kernels
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
KEPT_APART = ("run.json", "timings.jsonl", "files.jsonl", ".lock")  # from what repeats
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
    """Arguments, but for workers and folder, and what a run leaves that must not change."""

    arguments: list[str]
    folder: str  # the option that names it
    has_jobs: bool
    journal: str  # grows with what is done
    files: Callable[[Path], Files]


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
    """Results, and the pictures and codes of cells, which are in folders of their own."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*"))
            if path.name == "results.jsonl" or path.is_file() and path.parent != out
            and path.name not in KEPT_APART}


def training_files(out: Path) -> Files:
    """All but what the clock and the environment say; weights alike in either of their formats."""
    paths = [path for path in sorted(out.rglob("*"))
             if path.is_file() and path.name not in KEPT_APART]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths
            if path.suffix not in SUFFIXES} | {
        path.stem: arrays(path) for path in paths if path.suffix in SUFFIXES}


def arrays(path: Path) -> bytes:
    header, tensors = read_tensors(path)
    return json.dumps(header, sort_keys=True).encode() + b"".join(
        name.encode() + tensors[name].tobytes() for name in sorted(tensors))


def distance(one: Files, other: Files, journal: str) -> float:
    """The largest difference of a number, relative to numbers above 1."""
    pairs = zip(*(numbers(list(map(json.loads, files[journal].splitlines())))
                  for files in (one, other)), strict=True)
    return max(abs(a - b) / max(abs(a), 1.0) for a, b in pairs)


def numbers(value: Any) -> list[float]:
    """Every number of a JSON document, in its order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, (int, float)) else []


def sweep(*arguments: str) -> Command:
    return Command(["reproduce", *arguments], "--out", True, "results.jsonl", sweep_files)


def training(*arguments: str) -> Command:
    return Command(["train", *arguments], "--run", False, "log.jsonl", training_files)


COMMANDS = {
    "sweep": sweep("bm", "--models", "vae,ava5", "--rates", "0.5", "--seeds", "1"),
    "trainings": sweep("vaegan", "--scale", "quick", "--data", "digits"),
    "training": training("survey-vae", "--epochs", "6", "--set", "hidden=128", "--set", "batch=64",
                         "--set", "schedule=cosine"),
    "convolutions": training("dcgan", "--epochs", "3", "--set", "width=16", "--set", "batch=64")}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--only", default=",".join(COMMANDS))
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory(prefix="avanet-repeat-") as root:
        elsewhere = Path(root, "elsewhere")
        elsewhere.mkdir()
        print("| what | condition | beside 1 worker, 1 thread, source tree |\n| --- | --- | --- |")
        for what in args.only.split(","):
            command = COMMANDS[what]
            conditions = {f"{jobs} workers": Conditions(jobs=jobs) for jobs in (2, 4)
                          if command.has_jobs}
            conditions |= {f"{threads} threads": Conditions(threads=threads) for threads in (2, 4)}
            conditions |= {"2 kills": Conditions(kills=2),
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
            far = distance(first, plain, command.journal)
            if command.has_jobs:
                print(f"| {what} | NumPy kernels, float32 | within {far:.1e} (no limit) |",
                      flush=True)
            if what == "sweep":
                far = distance(double(True), double(False), command.journal)
            if what != "trainings":
                failed |= far > TOLERANCE
                print(f"| {what} | NumPy kernels | within {far:.1e} (at most {TOLERANCE:g}) |",
                      flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
