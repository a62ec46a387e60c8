"""The door to work value by value in one pass: compiled for large real arrays, else NumPy's."""

from collections.abc import Callable
from typing import Any

import numpy as np

from avanet.nn.memory import empty
from avanet.nn.pieces import by_value

LARGE = 1 << 13  # values; fewer are not worth loading a compiled kernel for


def large(x: np.ndarray) -> bool:
    """Whether an array is for the compiled kernels: real, and not small."""
    return x.dtype.kind == "f" and x.size >= LARGE


def kernel(name: str, x: np.ndarray) -> Callable[..., Any]:
    """The kernel of that name in `avanet.kernels.elementwise` for arrays like x."""
    from avanet.kernels.elementwise import ELEMENTWISE_KERNELS, PAIRS
    chosen: Any = ELEMENTWISE_KERNELS[name] if large(x) else PAIRS[name][1]
    return chosen


def fused(name: str, x: np.ndarray, *arguments, scalars=()) -> np.ndarray:
    """y, of the shape of x, by `kernel(x, *arguments, *scalars, y)` on flat arrays."""
    y = empty(x.shape, x.dtype)
    by_value(kernel(name, x), [*map(flat, (x, *arguments))],
             [*map(x.real.dtype.type, scalars)], [flat(y)])
    return y


def rowwise(name: str, *tables: np.ndarray, vectors) -> np.ndarray:
    """y, of the tables' shape, by `kernel(*tables, *vectors, y)`: tables (M, n), vectors (n,)."""
    y = empty(tables[0].shape, tables[0].dtype)
    by_value(kernel(name, y), [*map(rows, tables)], vectors, [rows(y)])
    return y


def flat(x: np.ndarray) -> np.ndarray:
    """All values in a row; of a contiguous array a view."""
    return np.ascontiguousarray(x).reshape(-1)


def rows(x: np.ndarray) -> np.ndarray:
    """(M, n) from (..., n); of a contiguous array a view."""
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def falling(x: np.ndarray) -> np.ndarray:
    """exp(-|x|), which cannot overflow; of a complex number, |x| by the sign of its real part."""
    if large(x) and x.itemsize == 4:
        return fused("falling", x)
    from avanet.kernels.elementwise import falling_numpy
    e = empty(x.shape, x.dtype)
    falling_numpy(x, e)
    return e
