"""Hot loops: compiled (Numba) and reference (NumPy) versions under the same names.

`jit` compiles lazily and caches on disk; importing this package imports Numba, so do it at first
use. With NUMBA_DISABLE_JIT=1 `KERNELS` holds the NumPy versions and `jit` leaves Python as it is.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numba

from avanet.interrupts import held_back

NAMES = ("to_hidden", "from_hidden", "products", "correct", "flush", "logistic", "logistic_slope")

_PACKAGE = Path(__file__).parents[1]


def source_state() -> str:
    """A digest of all that is compiled, and of where it is: Numba keeps copies apart by place."""
    digest = hashlib.sha256(str(_PACKAGE).encode())
    for name in ("kernels", "ava"):
        for path in sorted((_PACKAGE / name).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> str:
    """A folder of its own for each state of the source: Numba's cache sees no edits in imports."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home) / "avanet" / source_state()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return str(folder)
    except (OSError, RuntimeError):
        pass
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="avanet-kernels-")  # for workers too
    return os.environ["NUMBA_CACHE_DIR"]


if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _cache_folder()


def jit(function, **options):
    """Compile at first call, cached, with sums reordered and multiply-adds fused; NaN-safe."""
    return _cached(function, fastmath={"reassoc", "contract", "nsz"}, **options)


def _cached(function, **options):
    """Compile at first call, as a whole: an interrupt inside is lost, or breaks the compiler."""
    kernel = numba.njit(function, cache=True, nogil=True, error_model="numpy", **options)
    if not numba.config.DISABLE_JIT:
        compile_for = kernel.compile

        def compile_whole(signature):
            with held_back():
                return compile_for(signature)

        kernel.compile = compile_whole
    return kernel


def jit_inner(function):
    """`jit` for what compiled code alone calls: nothing to unpack Python's arguments with.

    A number written at the call is an argument like any other: Numba would compile the function
    again for each, which makes a third of the time that the AVA step takes to compile.
    """
    kernel = jit(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    if not numba.config.DISABLE_JIT:
        compile_for = kernel.get_call_template
        kernel.get_call_template = lambda args, kws: compile_for(
            [*map(numba.types.unliteral, args)], kws)
    return kernel


def jit_exact(function):
    """Compile as `jit` does, every operation rounded as written: equal to NumPy bit for bit."""
    return _cached(function)


def pick(pairs):
    """{name: kernel} from {name: (compiled, NumPy twin)}."""
    return {name: pair[bool(numba.config.DISABLE_JIT)] for name, pair in pairs.items()}


def _table():
    if numba.config.DISABLE_JIT:
        from avanet.kernels import reference
        return {name: getattr(reference, name) for name in NAMES}
    from avanet.kernels import compiled
    return {name: getattr(compiled, name) for name in NAMES}


KERNELS = _table()
