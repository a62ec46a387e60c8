"""One step of each of the seven models, avanet beside PyTorch, and the whole table's time.

    python bench/bm.py [--models ava5,ava-vae] [--parts exact,as-run,table,import] [--json FILE]

Both sides train on the same images from the same random start weights, on the same threads, and
must end at the same parameters, in float32 and in float64, or nothing is timed. See README.md.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avanet.ava import AVA, Protocol, fast
from avanet.ava.plans import VARIANTS, Plan
from avanet.data import load

ORDERS = {"exact": "simultaneous", "as-run": "back-to-front"}
GOALS = {"exact": 8.0, "as-run": 3.0}  # times PyTorch
AGREEMENT = {"float32": 1e-4, "float64": 1e-10}
FLOAT64_STEPS = 4
RATE = 0.1
TABLE_GOALS = {"cold kernel cache": 60.0, "warm": 30.0}  # seconds
MEMORY_GOAL = 400.0  # MB, of a worker
IMPORT_GOAL = 0.4  # seconds
PARTS = ("exact", "as-run", "table", "import")


class Task(NamedTuple):
    """What both sides are to train: start players, data and draws."""

    players: list
    plan: Plan
    protocol: Protocol
    rate: float
    images: np.ndarray  # (N, C, m)
    r: np.ndarray  # (N, n)


class Compiled:
    """avanet's side: the compiled pass of `AVA.fit`, without the drawing of start values."""

    def __init__(self, model: str, rules: str, X, dtype: str):
        protocol = Protocol(start="glorot", order=ORDERS[rules])
        self.ava = AVA(model, rules=rules, rate=RATE, protocol=protocol, dtype=dtype)
        self.ava._start(X.shape[1:])
        channels, r = self.ava._channels(self.ava._as_array(X)), self.ava._draw(len(X))
        self.task = Task(self.ava.players_, self.ava._plan, protocol, RATE,
                         np.ascontiguousarray(channels), r)
        self.start = {key: params.copy() for key, params in self._params()}

    def _params(self):
        return [((name, c), player.params) for c, players in enumerate(self.ava.players_)
                for name, player in players._asdict().items() if player is not None]

    def restart(self) -> None:
        """Put the start values back."""
        for key, params in self._params():
            params[:] = self.start[key]

    def run(self) -> None:
        """One pass over the images."""
        self.ava._fit_compiled(self.task.images, self.task.r)

    def difference(self, side) -> float:
        """How far the parameters of another side are, relative to the largest of a network."""
        return max(float(np.abs(side.flat(*key) - params).max() / np.abs(params).max())
                   for key, params in self._params())


class Unequal(ArithmeticError):
    """The two sides do not train alike, so their times cannot be compared."""


def can_compile() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs."""
    return any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++")))


def sides_of(rules: str, task: Task, compiled: bool) -> list:
    """PyTorch's ways to do the task, with or without torch.compile."""
    import torch_models
    if rules == "as-run":
        return torch_models.as_run_sides(task)
    return torch_models.exact_sides(task, compiled)


def check(compiled: Compiled, sides, limit: float) -> float:
    """Train all from the start; the largest difference, or `Unequal` beyond the limit."""
    worst = 0.0
    compiled.restart()
    compiled.run()
    for side in sides:
        side.restart()
        side.run()
        difference = compiled.difference(side)
        if not difference <= limit:
            raise Unequal(f"{compiled.ava.model}, {compiled.ava.rules}: {side.name!r} ends "
                          f"{difference:.1e} from avanet, allowed are {limit:.0e}")
        worst = max(worst, difference)
    return worst


def best_times(runners, repeats: int) -> list[float]:
    """Best wall time of each in seconds; they take turns, so that a busy machine hits all."""
    best = [np.inf] * len(runners)
    for _ in range(repeats):
        for i, runner in enumerate(runners):
            runner.restart()
            start = time.perf_counter()
            runner.run()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def traffic(task: Task) -> tuple[int, int]:
    """(bytes of wide weights moved per image step, bytes of wide weights of one channel).

    Counted from the algorithm for the m x h matrices of f, g and d; the rest is small. A product
    reads its matrix once, that of a block's images and the pending updates once a block.
    """
    plan, (_, channels, m) = task.plan, task.images.shape
    hidden = task.players[0].g.layers[0].W.shape[1]
    matrix = m * hidden * task.images.itemsize
    twice = not fast.needs_of(plan).error_by_pixel  # x' first, its error later
    reads = {"f": plan.needs_D + (plan.exact and plan.needs_D), "g": 1 + twice,
             "d": 1 + plan.exact}
    per_block = {"f": 3, "g": 2, "d": 3}  # the images' product, and reading and writing
    present = [name for name in reads if getattr(task.players[0], name)]
    passes = sum(reads[name] + per_block[name] / fast.BLOCK for name in present)
    return round(channels * passes * matrix), len(present) * matrix


def copy_rate(size: int) -> float:
    """Bytes per second, read and written, of np.copyto within a working set of `size` bytes."""
    source, target = np.ones(size // 2, np.uint8), np.ones(size // 2, np.uint8)
    best = np.inf
    for _ in range(200):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return 2 * source.nbytes / best


def measure(rules: str, model: str, X, repeats: int, with_compile: bool) -> dict[str, Any]:
    """Check, then time one model on all sides."""
    double = Compiled(model, rules, X[:FLOAT64_STEPS], "float64")
    differences = {"float64": check(double, sides_of(rules, double.task, False),
                                    AGREEMENT["float64"])}
    compiled = Compiled(model, rules, X, "float32")
    sides = sides_of(rules, compiled.task, with_compile)
    differences["float32"] = check(compiled, sides, AGREEMENT["float32"])
    ours, *theirs = (1e3 * seconds / len(X)
                     for seconds in best_times([compiled, *sides], repeats))
    plain, graphs = ([time for time, side in zip(theirs, sides) if side.compiled == kind]
                     for kind in (False, True))
    bytes_per_step, working_set = traffic(compiled.task)
    rate = copy_rate(working_set)
    return {
        "model": model, "rules": rules, "avanet_ms": ours,
        "torch_ms": dict(zip((side.name for side in sides), theirs)),
        "plain_ms": min(plain), "compile_ms": min(graphs, default=None),
        "ratio": min(theirs) / ours, "goal": GOALS[rules], "difference": differences,
        "bytes_per_step": bytes_per_step, "working_set": working_set,
        "copy_rate": rate, "share_of_copy_rate": bytes_per_step / (ours / 1e3) / rate,
    }


# The command line ---------------------------------------------------------------------------


def python(*arguments: str, **environment: str) -> subprocess.Popen:
    """Start this Python with the arguments; its output is kept."""
    return subprocess.Popen([sys.executable, *arguments], env=os.environ | environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def measure_import(repeats: int) -> float:
    """Seconds of `import avanet` in a new process, best of several."""
    program = ("import time; t = time.perf_counter(); import avanet; "
               "print(time.perf_counter() - t)")
    return min(float(python("-c", program).communicate()[0]) for _ in range(repeats))


def measure_table() -> dict[str, Any]:
    """`avanet reproduce bm`, 133 cells, one seed, two jobs: first with no kernels, then warm."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for state in TABLE_GOALS:
            process = python(
                "-m", "avanet", "reproduce", "bm", "--rules", "as-run", "--seeds", "1", "--jobs",
                "2", "--fresh", "--out", str(Path(folder, "run")),
                NUMBA_CACHE_DIR=str(Path(folder, "kernels")), OPENBLAS_NUM_THREADS="1")
            results[state] = watch(process)
    return results


def watch(process: subprocess.Popen) -> dict[str, float | None]:
    """Wall and CPU time in seconds, and the peak memory in MB of any one process it starts."""
    start, cpu, peak = time.perf_counter(), children_cpu(), 0
    with process:
        while process.poll() is None:
            peak = max([peak, *map(peak_memory, children(process.pid))])
            time.sleep(0.05)
        output = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"avanet reproduce bm failed: {output[-500:]}")
    return {"seconds": time.perf_counter() - start, "cpu_seconds": children_cpu() - cpu,
            "peak_mb": peak / 1024 or None}


def children_cpu() -> float:
    """CPU seconds of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def children(pid: int) -> list[int]:
    """The processes that a process has started, at any depth; none where /proc is missing."""
    try:
        direct = [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
                  for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return direct + [grandchild for child in direct for grandchild in children(child)]


def peak_memory(pid: int) -> int:
    """The most resident memory that a process has had, in KB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines()
                 if line.startswith("VmHWM")), 0)


# Report ---------------------------------------------------------------------------------------


def verdict(value: float, goal: float, least: bool) -> str:
    """Whether a goal is reached, and by how much it is missed."""
    if value >= goal if least else value <= goal:
        return "reached"
    return f"missed by {100 * abs(value / goal - 1):.0f} %"


def report_models(rules: str, rows) -> str:
    """Three tables: times and ratios, PyTorch's variants, memory traffic."""
    kind = "modules, autograd, SGD" if rules == "exact" else "the same by hand, no autograd"
    lines = [f"{rules} rules, {ORDERS[rules]} updates, against PyTorch ({kind}); goal: the fastest "
             f"PyTorch takes {GOALS[rules]:.0f} times as long", "",
             f"{'ms per image step':18}{'avanet':>8}{'PyTorch':>9}{'ratio':>7}"
             f"{'compile':>9}{'ratio':>7}  {'goal':18}{'largest difference':>19}"]
    for row in rows:
        ours, graph = row["avanet_ms"], row["compile_ms"]
        lines.append(
            f"{row['model']:18}{ours:8.3f}{row['plain_ms']:9.2f}{row['plain_ms'] / ours:7.1f}"
            + (f"{graph:9.2f}{graph / ours:7.1f}" if graph else f"{'-':>9}{'-':>7}")
            + f"  {verdict(row['ratio'], row['goal'], True):18}"
            f"{row['difference']['float32']:10.0e}, {row['difference']['float64']:.0e}")
    lines += ["", f"{'PyTorch, ms per image step':58}" + "".join(
        f"{row['model']:>9}" for row in rows)]
    lines += [f"{name:58}" + "".join(f"{row['torch_ms'][name]:9.2f}" for row in rows)
              for name in rows[0]["torch_ms"]]
    lines += ["", f"{'weight traffic':18}{'MB/step':>8}{'GB/s':>7}{'copy GB/s':>10}{'share':>8}"]
    for row in rows:
        rate = row["bytes_per_step"] / row["avanet_ms"] / 1e6
        lines.append(f"{row['model']:18}{row['bytes_per_step'] / 1e6:8.1f}{rate:7.1f}"
                     f"{row['copy_rate'] / 1e9:10.1f}{100 * row['share_of_copy_rate']:6.0f} %")
    return "\n".join(lines)


def report_table(results) -> str:
    """Times and memory of the whole as-run table."""
    lines = ["avanet reproduce bm, as-run, 133 cells, one seed, two jobs"]
    for state, result in results.items():
        seconds, peak = result["seconds"], result["peak_mb"]
        memory = "memory not measured: no /proc" if peak is None else (
            f"a worker's peak {peak:.0f} MB, goal {MEMORY_GOAL:.0f} MB "
            f"{verdict(peak, MEMORY_GOAL, False)}")
        lines.append(f"  {state + ':':18} {seconds:5.1f} s, goal {TABLE_GOALS[state]:.0f} s "
                     f"{verdict(seconds, TABLE_GOALS[state], False)} "
                     f"({result['cpu_seconds']:.0f} s of CPU time); {memory}")
    return "\n".join(lines)


def parse(argv) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="for PyTorch and BLAS (default 1), and for channels here")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="best of (default 5)")
    parser.add_argument("--models", default=",".join(VARIANTS), metavar="A,B,...")
    parser.add_argument("--parts", default=",".join(PARTS), metavar="A,B,...",
                        help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here too")
    options = parser.parse_args(argv)
    for name, known in (("models", VARIANTS), ("parts", PARTS)):
        setattr(options, name, getattr(options, name).split(","))
        unknown = set(getattr(options, name)) - set(known)
        if unknown:
            parser.error(f"unknown in --{name}: {', '.join(sorted(unknown))}; "
                         f"known are {', '.join(known)}")
    return options


def main(argv=None) -> int:
    """Run the parts; 0 also when a goal is missed, 2 without PyTorch, 1 if the sides differ."""
    options = parse(argv)
    try:
        import numba
        import threadpoolctl
        import torch
    except ImportError as error:
        print(f"{error.name} is not installed: pip install 'avanet[bench]'", file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    numba.set_num_threads(min(options.threads, numba.config.NUMBA_NUM_THREADS))
    result: dict[str, Any] = {"machine": {
        "cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(),
        "threads": options.threads, "python": platform.python_version(),
        "numpy": np.__version__, "torch": torch.__version__}}
    X = load("orbit").pixels
    with threadpoolctl.threadpool_limits(options.threads):
        if "exact" in options.parts and not can_compile():
            print("torch.compile is left out: it needs a C++ compiler", end="\n\n")
        for rules in (part for part in options.parts if part in GOALS):
            try:
                result[rules] = [measure(rules, model, X, options.repeats, can_compile())
                                 for model in options.models]
            except Unequal as error:
                print(f"not timed: {error}", file=sys.stderr)
                return 1
            print(report_models(rules, result[rules]), end="\n\n", flush=True)
    if "table" in options.parts:
        result["table"] = measure_table()
        print(report_table(result["table"]), end="\n\n", flush=True)
    if "import" in options.parts:
        result["import_seconds"] = measure_import(options.repeats)
        print(f"import avanet: {result['import_seconds']:.3f} s, goal {IMPORT_GOAL} s "
              f"{verdict(result['import_seconds'], IMPORT_GOAL, False)}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
