"""Memory that is used again: large arrays of one training step serve in the next.

A fresh array of some megabytes costs more than it looks: the system hands out its pages one by one,
zeroed, at the first touch. `empty` gives memory that was given before, once nothing refers to it
any more; whoever still holds an array, or a view of it, is never disturbed.
"""

import math
import threading
import weakref

import numpy as np

from avanet.nn.pieces import in_pieces, multiply

LARGE = 1 << 18  # bytes; smaller arrays are NumPy's own


class Pool:
    """Memory of arrays that have died, by size."""

    def __init__(self):
        self._free: list[np.ndarray] = []
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A contiguous array of that shape, with whatever is in it."""
        count = math.prod(shape)
        size = count * dtype.itemsize
        if size < LARGE:
            return np.empty(shape, dtype)
        memory = self._take(size)
        array = np.frombuffer(memory.data, dtype, count)
        # every view of the array holds the array itself: it dies after the last of them
        weakref.finalize(array, self._give, memory).atexit = False
        return array.reshape(shape)

    def _take(self, size: int) -> np.ndarray:
        """The smallest free memory that fits and does not waste half of itself, or new memory."""
        with self._lock:
            fitting = [k for k, memory in enumerate(self._free) if size <= memory.size <= 2 * size]
            if fitting:
                return self._free.pop(min(fitting, key=lambda k: self._free[k].size))
        return np.empty(size, np.uint8)

    def _give(self, memory: np.ndarray) -> None:
        self._free.append(memory)


class Workspace(threading.local):
    """Memory of a thread for one purpose: each array that is taken ends the life of the last."""

    memory = np.empty(0, np.uint8)

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array of that shape, with whatever is in it, until the next one is taken."""
        size = math.prod(shape) * dtype.itemsize
        if size > self.memory.size:
            self.memory = np.empty(size, np.uint8)
        return self.memory[:size].view(dtype).reshape(shape)


_POOL = Pool()
empty = _POOL.empty
PRODUCT = Workspace()


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b, an array of its own."""
    ab = empty((len(a), b.shape[1]), np.result_type(a, b))
    multiply(a, b, ab)
    return ab


def add_product(total: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """total += a b, cut along the rows: what is added is still in the cache."""
    def piece(rows):
        ab = PRODUCT.take(total[rows].shape, total.dtype)
        np.matmul(a[rows], b, out=ab)
        total[rows] += ab

    in_pieces(piece, len(total), a.size * b.shape[1])
