"""Large work in pieces, on as many threads as there are.

Where the cuts are depends on the size of the work alone, and each piece is computed by one thread:
no result depends on the number of threads, not even in its last bit. The library behind NumPy's
products should have one thread for that (`OPENBLAS_NUM_THREADS=1`, which the command line sets).
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

import numpy as np

MOST = 4           # pieces of a whole
ENOUGH = 1 << 24   # multiplications of a product for each piece, some 0.4 ms
A_VALUE = 1 << 6   # what work value by value costs, in multiplications of a product

_pools: dict[int, ThreadPoolExecutor] = {}  # by their threads
_here = threading.local()                   # .busy in the threads of a pool
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # their threads are the parent's


def in_pieces(work: Callable[[slice], Any], length: int, cost: int) -> list[Any]:
    """Call `work` for slices that make up range(length), beside each other if there are threads.

    Returns what it gave for each, in their order.

    Parameters
    ----------
    work : callable
        Computes one piece; releases Python's lock while it does. Pieces share nothing they change.
    length : int
        Of what is cut.
    cost : int
        Multiplications in all, of which a piece is worth `ENOUGH`.
    """
    count = max(1, min(MOST, cost // ENOUGH, length))
    if count == 1:
        return [work(slice(0, length))]
    parts = [slice(k * length // count, (k + 1) * length // count) for k in range(count)]
    threads = 1 if getattr(_here, "busy", False) else min(_threads(), count)
    if threads == 1:
        return [work(part) for part in parts]
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads - 1, "avanet", _begin)
    # a context each: NumPy's errstate is part of it
    given = [_pools[threads].submit(copy_context().run, work, part) for part in parts[1:]]
    try:
        found = [work(parts[0])]
        # what no thread has begun, from the last on, is done here
        own = {k: work(parts[k]) for k in range(count - 1, 0, -1) if given[k - 1].cancel()}
    finally:
        # where one raises, none goes on writing behind the caller's back
        wait([one for one in given if not one.cancelled()])
    return found + [own[k] if k in own else given[k - 1].result() for k in range(1, count)]


def by_value(work: Callable[..., Any], inputs: Sequence[np.ndarray], constants: Sequence[Any] = (),
             outputs: Sequence[np.ndarray] = ()) -> list[Any]:
    """work(*inputs, *constants, *outputs), these arrays, all of one length, cut along it.

    Returns what it gave for each piece, in their order.
    """
    def piece(part):
        return work(*(values[part] for values in inputs), *constants,
                    *(values[part] for values in outputs))

    return in_pieces(piece, len(inputs[0]), A_VALUE * inputs[0].size)


def multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out = a b, cut along the longer side of out."""
    def piece(part):
        if along_rows:
            np.matmul(a[part], b, out=out[part])
        else:
            np.matmul(a, b[:, part], out=out[:, part])

    along_rows = out.shape[0] > out.shape[1]
    in_pieces(piece, max(out.shape), a.size * b.shape[1])


def _begin() -> None:
    _here.busy = True


def _threads() -> int:
    from numba import get_num_threads
    return get_num_threads()
