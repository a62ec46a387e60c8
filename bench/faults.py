"""Kills and faults at random moments, over a sweep and over a training run: is anything lost?

    python bench/faults.py [--count 200] [--seed 0] [--kinds kill,write,...]

A job runs in a process of its own, is broken by a fault, and goes on, up to `ROUNDS` times in one
folder; then it ends undisturbed. What it had reported before a fault must be there after it, no
line may be there twice, and the end must equal, byte for byte, that of a job without a fault.
A fault that comes when the job is done is not counted. See README.md.
"""

import argparse
import itertools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

import avanet.kernels.elementwise  # noqa: F401 (once, with Numba, and not in each process)
import avanet.kernels.optimisers  # noqa: F401
from avanet import files, folder
from avanet.data import Dataset, Split
from avanet.errors import InputError
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import Outcome, SpawnedWorkers, attempt, run_cells
from avanet.models import model_class
from avanet.tensors import read_tensors
from avanet.train import loop
from avanet.train.callbacks import Callback, KeepBest, WriteCSV

ROUNDS = 5  # faults in one folder, at most
MOST = 10   # folders for each fault that shall strike, at most
CELLS, CELL_SECONDS = 40, 0.02
EPOCHS = 6
KEY = ("model", "seed")
LONGEST = {"sweep": 0.5, "workers": 2.0, "training": 0.4}  # seconds until a fault comes
TIMEOUT = 120
NOBODY = 65534


# The jobs -------------------------------------------------------------------------------------

def draw(cell: dict, shared: object) -> Outcome:
    """A number and a picture's worth of bytes; takes a moment, and memory if it is told to."""
    time.sleep(CELL_SECONDS)
    if isinstance(shared, str) and cell["seed"] == 7 and not os.path.exists(shared):
        Path(shared).touch()
        resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
        np.ones(2**32)
    value = random.Random(str(cell)).random()
    return Outcome({"value": value}, 0.5, {f"best/{cell['model']}.txt": b"%.17f" % value * 50})


def highest(name: str, old: bytes | None, new: bytes) -> bytes:
    return new if old is None else max(old, new)


@contextmanager
def threads(work, shared, jobs):
    """Cells in threads of this process: no start of workers to wait for."""
    class Pool(ThreadPoolExecutor):
        def submit(self, cells):
            return super().submit(attempt, work, cells, shared)

    with Pool(jobs) as pool:
        yield pool


def sweep(path: Path, report: Callable[[int], None], pool=threads, shared=None) -> None:
    cells = [{"model": f"m{i % 3}", "seed": i} for i in range(CELLS)]
    with RunFolder(path, KEY) as run:
        run.open_run({"cells": CELLS}, {})
        run_cells(cells, draw, run, 2, keep=highest, pool=pool, shared=shared,
                  progress=lambda done, total: report(done))


def workers(path: Path, report: Callable[[int], None]) -> None:
    sweep(path, report, SpawnedWorkers)


def starved(path: Path, report: Callable[[int], None]) -> None:
    """The first worker that comes to a certain cell has no memory left."""
    sweep(path, report, SpawnedWorkers, str(path.with_suffix(".exhausted")))


def training(path: Path, report: Callable[[int], None]) -> None:
    class Report(Callback):
        def step(self, training, losses):
            report((training.model.n_steps_ - 1) // len(training.batches))

    loop.EVERY = 0.02  # seconds between two checkpoints
    rng = np.random.default_rng(0)
    data = Dataset("x", {name: Split(rng.random((n, 6, 6, 1)).astype(np.float32))
                         for name, n in (("train", 80), ("test", 16))})
    model = model_class("survey-vae")(epochs=EPOCHS, batch=8, latent=2, hidden=8)
    loop.train(model, data, path, [Report(), WriteCSV(), KeepBest()])


JOBS = {"sweep": sweep, "workers": workers, "starved": starved, "training": training}


def kept(job: str, path: Path) -> int:
    """How many cells or epochs are safe in the folder."""
    if job == "training":
        last = [file for file in path.glob("last.*")]
        return read_tensors(last[0])[0]["n_steps"] // 10 if last else 0
    lines = folder.read_lines(path / "results.jsonl")[0]
    keys = [tuple(line[name] for name in KEY) for line in lines]
    if len(keys) != len(set(keys)):
        raise AssertionError("a cell is there twice")
    return len(keys)


def contents(path: Path) -> dict[str, bytes]:
    """The files that must not depend on how the run went."""
    skipped = {"timings.jsonl", "files.jsonl", "run.json", ".lock"}
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*"))
            if file.is_file() and file.name not in skipped}


# Processes ------------------------------------------------------------------------------------

class Process:
    """A job in a forked process, which tells through a pipe what it reports."""

    def __init__(self, job: str, path: Path, before: Callable[[], None] = lambda: None):
        self._reader, writer = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os._exit(self._run(job, path, before, writer))
        os.close(writer)

    @staticmethod
    def _run(job, path, before, writer) -> int:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            before()
            JOBS[job](path, lambda done: os.write(writer, b"%d\n" % done))
        except InputError:
            return 2
        except KeyboardInterrupt:
            return 130
        except BaseException:
            return 70
        return 0

    def end(self) -> tuple[int, int]:
        """(exit code or minus the signal, the last number reported)."""
        data, limit = b"", time.monotonic() + TIMEOUT
        while chunk := os.read(self._reader, 2**16):
            data += chunk
            if time.monotonic() > limit:
                os.killpg(self.pid, signal.SIGKILL)
        os.close(self._reader)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return code, int((data.split(b"\n")[-2:] or [b""])[0] or 0)

    def children(self) -> list[int]:
        """Worker processes: those that run Python's spawn."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                text, command = (entry / "stat").read_text(), (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(text.rpartition(")")[2].split()[1]) == self.pid and b"spawn_main" in command:
                found.append(int(entry.name))
        return found


# The faults -----------------------------------------------------------------------------------

def die_inside_a_write(rng: random.Random) -> Callable[[], None]:
    """The process kills itself at one of its writes: before, halfway, after, around a rename."""
    at, where = rng.randrange(40), rng.choice(("half", "before rename", "after rename"))
    count = itertools.count()

    def due() -> bool:
        return next(count) >= at

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    write_through, replace = files.write_through, os.replace

    def half(file, data):
        if where == "half" and due():
            file.write(data[: rng.randrange(len(data) + 1)])
            kill()
        write_through(file, data)

    def rename(old, new):
        if where == "before rename" and due():
            kill()
        replace(old, new)
        if where == "after rename" and due():
            kill()

    def patch() -> None:
        files.write_through = folder.write_through = half
        os.replace = rename

    return patch


def lose_permission(rng: random.Random) -> Callable[[], None]:
    """From one of its writes on, the process may no longer write to the folder."""
    at, write_through = rng.randrange(40), files.write_through
    count = itertools.count()

    def write(file, data):
        if next(count) == at:
            take_permission(Path(file.name).parent)
        write_through(file, data)

    def patch() -> None:
        files.write_through = folder.write_through = write

    return patch


def take_permission(path: Path) -> None:
    """Who may do everything becomes nobody; for others, the folder and its files are locked."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
        return
    for each in (*path.iterdir(), path):
        each.chmod(0o555 if each.is_dir() else 0o444)


def give_permission(rng: random.Random, path: Path) -> None:
    for each in (path, *path.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)


def full_disk(rng: random.Random) -> Callable[[], None]:
    """No file may grow beyond a size."""
    size = rng.choice((100, 1000, 2000, 4000))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    return limit


def kill_after(rng, process, path, job) -> bool:
    time.sleep(rng.uniform(0, LONGEST[job]))
    os.kill(process.pid, signal.SIGKILL)
    return False


def kill_worker(rng, process, path, job) -> bool:
    time.sleep(rng.uniform(0, LONGEST[job]))
    children = process.children()[:1]
    for child in children:
        os.kill(child, signal.SIGKILL)
    return bool(children)


def interrupt(rng, process, path, job) -> bool:
    time.sleep(rng.uniform(0, LONGEST[job]))
    os.kill(process.pid, rng.choice((signal.SIGINT, signal.SIGTERM)))
    return False


class Fault(NamedTuple):
    jobs: Sequence[str]
    codes: Sequence[int]  # that the process may end with
    before: Callable[[random.Random], Callable[[], None]] | None = None
    during: Callable[..., bool] | None = None  # True if it struck, whatever the process ends with
    after: Callable[[random.Random, Path], None] | None = None


def second_run(rng, process, path, job) -> bool:
    """Another process in the same folder is refused while the first one goes on."""
    time.sleep(rng.uniform(0, LONGEST[job]))
    second = Process(job, path).end()[0]
    if second not in (0, 2):  # 0: the first had ended
        raise AssertionError(f"a second run ends with {second}")
    return second == 2


def damage_last_line(rng: random.Random, path: Path) -> None:
    for name in ("results.jsonl", "log.jsonl", "timings.jsonl"):
        if (path / name).exists():
            with open(path / name, "ab") as file:
                file.write(rng.choice((b'{"model": "m0", "se', b"\0\0\0", b"}\n", b'{"a": NaN}\n',
                                       rng.randbytes(30).replace(b"\n", b""))))


def damage_checkpoint(rng: random.Random, path: Path) -> None:
    """A flipped byte is refused in words; with the whole file back, the run goes on."""
    for file in path.glob("last.*"):
        whole = file.read_bytes()
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        try:
            read_tensors(file)
        except InputError:
            code = Process("training", path).end()[0]
            if code != 2:
                raise AssertionError(f"a damaged checkpoint ends with {code}") from None
        file.write_bytes(whole)


KILLED = -signal.SIGKILL
BOTH = ("sweep", "training")
FAULTS = {
    "kill": Fault((*BOTH, "workers"), (KILLED, 0), during=kill_after),
    "write": Fault(BOTH, (KILLED, 0), before=die_inside_a_write),
    "interrupt": Fault(BOTH, (130, 0, -signal.SIGTERM), during=interrupt),
    "full disk": Fault(BOTH, (2, 0), before=full_disk),
    "read-only": Fault(BOTH, (2, 0), before=lose_permission, after=give_permission),
    "last line": Fault(BOTH, (KILLED, 0), during=kill_after, after=damage_last_line),
    "checkpoint": Fault(("training",), (KILLED, 0), during=kill_after, after=damage_checkpoint),
    "two runs": Fault(BOTH, (0, 2), during=second_run),
    "worker": Fault(("workers",), (0,), during=kill_worker),
    "memory": Fault(("starved",), (0, 2)),
}


def disturb(kind: str, job: str, path: Path, rng: random.Random) -> tuple[bool, bool]:
    """Whether a fault struck, and whether the job is done. Raises AssertionError if it loses or
    doubles anything."""
    fault = FAULTS[kind]
    before = kept(job, path) if path.exists() else 0
    process = Process(job, path, fault.before(rng) if fault.before else lambda: None)
    struck = fault.during(rng, process, path, job) if fault.during else False
    code, reported = process.end()
    if code not in fault.codes:
        raise AssertionError(f"ended with {code}")
    now = kept(job, path) if path.exists() else 0
    if now < max(before, reported):
        raise AssertionError(f"{before} kept and {reported} reported, {now} there")
    if fault.after and path.exists():
        fault.after(rng, path)
    return struck or code != 0, code == 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="faults of each kind and job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(FAULTS))
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory(prefix="avanet-faults-") as root:
        os.chmod(root, 0o711)  # within reach of nobody
        calm = {}
        print("| fault | job | faults that struck | folders | lost, doubled or different |")
        print("| --- | --- | ---: | ---: | ---: |")
        for kind in args.kinds.split(","):
            for job in FAULTS[kind].jobs:
                if job not in calm:
                    Process(job, Path(root, "calm", job)).end()
                    Process(job, Path(root, "calm", job)).end()  # what ran out of memory goes on
                    calm[job] = contents(Path(root, "calm", job))
                struck, folders, wrong = trials(kind, job, args, Path(root), calm[job])
                failed |= bool(wrong) or struck < args.count
                print(f"| {kind} | {job} | {struck} | {folders} | {sum(wrong.values())} |",
                      flush=True)
                for what, number in wrong.items():
                    print(f"    {number} x {what}")
    return 1 if failed else 0


def trials(kind: str, job: str, args, root: Path,
           calm: dict[str, bytes]) -> tuple[int, int, Counter]:
    """(faults that struck, folders they struck in, what went wrong and how often)."""
    struck = number = 0
    wrong: Counter = Counter()
    while struck < args.count and number < MOST * args.count:
        rng = random.Random(f"{kind} {job} {args.seed} {number}")
        path = root / f"{number}"
        number += 1
        try:
            struck += broken_and_ended(kind, job, path, rng, args.count - struck, calm)
        except (AssertionError, InputError) as error:
            wrong[str(error)[:300]] += 1
        shutil.rmtree(path, ignore_errors=True)
        path.with_suffix(".exhausted").unlink(missing_ok=True)
    return struck, number, wrong


def broken_and_ended(kind: str, job: str, path: Path, rng: random.Random, most: int,
                     calm: dict[str, bytes]) -> int:
    """How many faults struck a job that ended in spite of them. Raises AssertionError if it ends
    otherwise than without them."""
    struck, done = 0, False
    for _ in range(ROUNDS):
        if done or struck == most:
            break
        hit, done = disturb(kind, job, path, rng)
        struck += hit
    code, _ = Process(job, path).end()
    if code:
        raise AssertionError(f"ends with {code}")
    if (got := contents(path)) != calm:
        names = [name for name in {*got, *calm} if got.get(name) != calm.get(name)]
        raise AssertionError(f"other files in the end: {sorted(names)[:3]}")
    return struck


if __name__ == "__main__":
    sys.exit(main())
