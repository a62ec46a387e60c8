"""Convolutions of stride 1 with few channels, without patches: sums of shifted planes.

For few channels a product of patches and kernel is thin, and gathering the patches takes longer
than multiplying them. See `avanet.kernels.planes` for how it is done instead.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from avanet.nn.memory import Workspace, empty
from avanet.nn.pieces import in_pieces

CHANNELS = 32  # at most, of either side: products of more columns are as fast
GROUP = 512    # pixels of small images that are worked on together, about
WHOLE = 16     # planes are multiples of it, so that vectors leave no rest

Pair = tuple[int, int]


class Patches(NamedTuple):
    """Where the patches of an image lie, (rows, columns) each.

    Patch (i, j) of the `grid` holds `size` pixels from (i, j) stride - before on; what lies
    outside of the image is zero.
    """

    size: Pair
    stride: Pair
    before: Pair
    grid: Pair


PLANES, SUMS = Workspace(), Workspace()


def suited(W: np.ndarray, patches: Patches) -> bool:
    """Whether planes are faster than patches.

    They are for stride 1, at most `CHANNELS` channels on both sides, kernels of more than one pixel
    and images of twice its size or more: on smaller ones much is computed beside the image.
    """
    size, stride, before, grid = patches
    return (stride == (1, 1) and size != (1, 1) and max(W.shape[2:]) <= CHANNELS
            and all(b < k <= g // 2 for b, k, g in zip(before, size, grid)))


def correlate(x: np.ndarray, W: np.ndarray, patches: Patches,
              b: np.ndarray | None = None) -> np.ndarray:
    """y = P(x) W + b.   x : (N, H, W, C), W : (kh, kw, C, F), b : (F,), y : (N, *grid, F)."""
    def piece(part):
        work(x[part], layout.place, w, biases, *layout.workspaces(x.dtype), y[part])

    layout = _layout(x.shape[1:3], W.shape, patches)
    x, y = np.ascontiguousarray(x), empty((len(x), *patches.grid, W.shape[3]), x.dtype)
    w, biases = layout.weights(x.dtype), np.zeros(layout.sums[0], x.dtype)
    w[:W.shape[3], :W[..., 0].size] = _by_channel(W).reshape(W.shape[3], -1)
    biases[:W.shape[3]] = 0 if b is None else b
    work = _kernel("correlate", x.dtype)
    in_pieces(piece, len(x), W.size * y[..., 0].size)
    return y


def spread(y: np.ndarray, W: np.ndarray, patches: Patches, size: Pair,
           b: np.ndarray | None = None) -> np.ndarray:
    """x = P^T(y W^T) + b, images of that size: a correlation with the kernel turned around."""
    before = patches.size[0] - 1 - patches.before[0], patches.size[1] - 1 - patches.before[1]
    return correlate(y, W[::-1, ::-1].transpose(0, 1, 3, 2),
                     Patches(patches.size, patches.stride, before, size), b)


def add_products(x: np.ndarray, y: np.ndarray, patches: Patches, dW: np.ndarray) -> None:
    """dW += P(x)^T y.   x : (N, H, W, C), y : (N, *grid, F), dW : (kh, kw, C, F)."""
    def piece(part):
        w = layout.weights(x.dtype)
        work(x[part], layout.place, y[part], *layout.workspaces(x.dtype), w)
        return w

    layout = _layout(x.shape[1:3], dW.shape, patches)
    x, y, total = np.ascontiguousarray(x), np.ascontiguousarray(y), _by_channel(dW)
    work = _kernel("add_products", x.dtype)
    for w in in_pieces(piece, len(x), dW.size * y[..., 0].size):
        total += w[:len(total), :total[0].size].reshape(total.shape)


class Layout(NamedTuple):
    """What the kernels take besides images: places in the planes, and the shapes of arrays."""

    place: tuple[int, int, int, int, np.ndarray]
    planes: Pair
    sums: Pair

    def weights(self, dtype) -> np.ndarray:
        """Zeros for the weights, one for each shift."""
        return np.zeros((self.sums[0], len(self.place[-1])), dtype)

    def workspaces(self, dtype) -> tuple[np.ndarray, np.ndarray]:
        """Planes of x and of y."""
        return PLANES.take(self.planes, dtype), SUMS.take(self.sums, dtype)


@lru_cache(1024)
def _layout(image: Pair, kernel: tuple[int, int, int, int], patches: Patches) -> Layout:
    """Planes for images (H, W) and kernels (kh, kw, C, F).

    One pitch serves x and y. What is padding at the end of a row is so at the start of the next
    one, too, and below an image above the next one. Three shifts a time leave no rest; nor do three
    planes of y, filled up to four.
    """
    (kh, kw, depth, channels), (top, left), grid = kernel, patches.before, patches.grid
    bottom, right = (g + k - 1 - b - m for g, k, b, m in zip(
        grid, kernel, patches.before, image))
    pitch = image[1] + max(left, right)
    step = (image[0] + max(top, bottom)) * pitch
    group = max(1, GROUP // step)
    pixels = _whole((group - 1) * step + grid[0] * pitch, WHOLE)
    plane = _whole(pixels + (kh - 1 + max(0, -bottom)) * pitch + kw, WHOLE)
    c, a, b = np.ogrid[:depth, :kh, :kw]
    shifts = np.zeros(_whole(depth * kh * kw, 3), np.int64)
    shifts[:depth * kh * kw] = (c * plane + a * pitch + b).ravel()
    return Layout((top * pitch + left, pitch, step, group, shifts),
                  (depth, plane), (channels + (channels % 4 == 3), pixels))


def _by_channel(W):
    """(F, C, kh, kw), a view."""
    return W.transpose(3, 2, 0, 1)


def _whole(n: int, unit: int) -> int:
    """The least multiple of the unit that is not less than n."""
    return -(-n // unit) * unit


def _kernel(name, dtype):
    """Compiled for real numbers; NumPy for the complex ones of a complex step."""
    from avanet.kernels.planes import PAIRS, PLANE_KERNELS
    return PLANE_KERNELS[name] if dtype.kind == "f" else PAIRS[name][1]
