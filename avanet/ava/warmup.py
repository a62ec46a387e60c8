"""Compile the AVA kernels ahead of time, so that no later run has to wait for it."""

import time
from pathlib import Path

import numpy as np

from avanet.ava.model import AVA


def warmup(dtypes=("float32", "float64")) -> tuple[float, str]:
    """Train a tiny model per dtype; the seconds it took, and the folder of compiled kernels."""
    start = time.perf_counter()
    for dtype in dtypes:
        AVA("ava5", latent_dim=2, hidden_dim=2, dtype=dtype).fit(np.full((1, 4), 0.5))
    from numba import config
    return time.perf_counter() - start, config.CACHE_DIR


def is_warm() -> bool:
    """Whether compiled kernels of this version are already on disk."""
    from avanet import kernels  # sets the folder
    return bool(kernels.numba.config.DISABLE_JIT) or any(
        Path(kernels.numba.config.CACHE_DIR).rglob("*train*.nbc"))
