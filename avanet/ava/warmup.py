"""Compile the AVA kernels ahead of time, so that no later run has to wait for it."""

import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from avanet.ava.model import AVA
from avanet.errors import InputError
from avanet.processes import started


def prepare(*dtypes: str) -> None:
    """Compile the kernels of these dtypes, unless they are on disk, and say so on stderr.

    A process of its own compiles, which Ctrl-C ends at once: the compiler takes most of a minute in
    one call, and sees no signal before its end. Raises InputError if the process is killed.
    """
    cold = [dtype for dtype in dtypes if not is_warm(dtype)]
    if not cold:
        return
    print("compiling the kernels, once after each change of version "
          "(`avanet warmup` does it ahead of time)", file=sys.stderr)
    process = started(warmup, cold)
    try:
        process.join()
    finally:
        process.kill()
        process.join()
    if process.exitcode:
        raise InputError(f"the process that compiles the kernels ended with {process.exitcode} "
                         "(killed? out of memory?): free some memory and try again")


def warmup(dtypes=("float32", "float64")) -> tuple[float, str]:
    """Train a tiny model per dtype; the seconds it took, and the folder of compiled kernels."""
    start = time.perf_counter()
    for dtype in dtypes:
        AVA("ava5", latent_dim=2, hidden_dim=2, dtype=dtype).fit(np.full((1, 4), 0.5))
        with suppress(OSError):
            _mark(dtype).touch()
    from numba import config
    return time.perf_counter() - start, config.CACHE_DIR


def is_warm(dtype: str) -> bool:
    """Whether `warmup` has left the kernels of this version and dtype on disk."""
    from avanet import kernels
    return bool(kernels.numba.config.DISABLE_JIT) or _mark(dtype).exists()


def _mark(dtype: str) -> Path:
    """An empty file beside the kernels; the folder may be the user's own, for many versions."""
    from avanet import kernels
    return Path(kernels.numba.config.CACHE_DIR, f"warm-{dtype}-{kernels.source_state()}")
