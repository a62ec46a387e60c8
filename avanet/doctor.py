"""`avanet doctor`: what a bug report needs, and whether gradients and kernels are right here."""

import os
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

DONE, FAILED = 0, 1
EXTRAS = {"app": ("rich", "matplotlib"), "data": ("pooch",), "weights": ("safetensors",),
          "dask": ("distributed",)}
QUICK = ("layer dense", "layer batch norm", "activation", "loss", "rule", "network")
BUDGET = 3.0  # seconds of gradient checks
SIDE = 512    # of the matrices whose product is timed

Facts = Iterator[tuple[str, str]]


def add_doctor(verbs) -> None:
    """Add `avanet doctor` to the command line."""
    doctor = verbs.add_parser("doctor", help="what a bug report needs, and a quick self check")
    doctor.set_defaults(verb=_doctor)


def _doctor(args) -> int:
    for name, value in facts():
        print(f"{name:12}{value}", flush=True)
    passed = True
    for name, value, right in checks():
        print(f"{name:12}{'ok' if right else 'FAILED':8}{value}", flush=True)
        passed &= right
    return DONE if passed else FAILED


# Facts ----------------------------------------------------------------------------------------

def facts() -> Facts:
    """(name, text) of everything that the numbers and the speed may depend on."""
    from avanet.environment import environment
    for name, value in environment().items():
        yield name, str(value)
    yield "installed", str(Path(__file__).parent)
    yield from threads()
    yield "blas", blas()
    yield from folders()
    for extra, packages in EXTRAS.items():
        yield f"[{extra}]", ", ".join(map(version, packages))


def version(package: str) -> str:
    """The package and its version, or that it is not there."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} not installed"


def threads() -> Facts:
    """What decides how many threads compute."""
    import numba
    given = [f"{name}={value}" for name, value in sorted(os.environ.items())
             if name.endswith("_NUM_THREADS")]
    yield "threads", f"Numba {numba.get_num_threads()}; {', '.join(given) or 'no limits set'}"


def blas() -> str:
    """The library of matrix products: as NumPy was built and, with threadpoolctl, as it runs."""
    import numpy as np
    built = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    text = f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return text
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            text += f"; runs {pool.get('architecture', '?')}, {pool['num_threads']} threads"
    return text


def folders() -> Facts:
    """Where compiled kernels are kept and data sets are looked for."""
    from avanet import kernels
    from avanet.ava.warmup import is_warm
    from avanet.data import data_root
    cache, root = Path(kernels.numba.config.CACHE_DIR), data_root()
    writable = "" if os.access(cache, os.W_OK) else ", NOT writable"
    state = "warm" if is_warm("float32") else "cold"
    yield "cache", f"{cache} ({state}{writable})"
    yield "data", f"{root}{'' if root.is_dir() else ' (not there)'}"


# Self check -----------------------------------------------------------------------------------

def checks() -> Iterator[tuple[str, str, bool]]:
    """(name, text, whether it is right): gradients, then kernels, then speed."""
    from avanet.ava.warmup import prepare, warmup
    prepare("float32", "float64")
    warmup()
    yield "gradients", *gradients()
    yield "kernels", *kernels_agree()
    yield "speed", *speed()


def gradients(budget: float = BUDGET) -> tuple[str, bool]:
    """The quick items of `avanet verify`, as many as the time allows."""
    from avanet.verify.items import items, run
    results, end = [], time.perf_counter() + budget
    for item in items():
        if item.name.startswith(QUICK) and time.perf_counter() < end:
            results.append(run(item))
    failed = [result.name for result in results if not result.passed]
    text = f"{len(results)} against numerical derivatives"
    return text + (f"; failed: {', '.join(failed)}" if failed else ""), not failed and bool(results)


def kernels_agree() -> tuple[str, bool]:
    """One model's compiled step against the readable one."""
    from avanet.verify.compiled import AGREEMENT, compare_steps
    errors = {dtype: compare_steps("ava5", "printed", "back-to-front", dtype, steps=(5,))
              for dtype in AGREEMENT}
    text = ", ".join(f"{error:.1e} in {dtype}" for dtype, error in errors.items())
    return f"compiled and readable step differ by {text}", all(
        error <= AGREEMENT[dtype] for dtype, error in errors.items())


def speed() -> tuple[str, bool]:
    """The time of a step at the AVA paper's size, and of a matrix product."""
    import numpy as np

    from avanet.ava.model import AVA
    X = np.full((1, 80, 80), 0.5, np.float32)
    step = best_time(AVA("ava5", rate=0.1).fit, np.repeat(X, 10, axis=0)) / 10
    A = np.ones((SIDE, SIDE), np.float32)
    product = best_time(A.__matmul__, A)
    return (f"{step * 1e3:.1f} ms a step of AVA5 (6400-100-20), "
            f"{2 * SIDE**3 / product / 1e9:.0f} GFLOP/s in a matrix product"), True


def best_time(function, argument, tries: int = 3) -> float:
    """The least of a few times, in seconds."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - start)
    return min(times)
