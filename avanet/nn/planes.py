"""Convolutions of stride 1 with few channels, without patches: sums of shifted planes.

For few channels a product of patches and kernel is thin, and gathering the patches takes longer
than multiplying them. See `avanet.kernels.planes` for how it is done instead.
"""

from typing import NamedTuple

import numpy as np

from avanet.nn.memory import Workspace, empty

CHANNELS = 32  # at most, of either side: products of more columns are as fast
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


def correlate(x: np.ndarray, W: np.ndarray, patches: Patches) -> np.ndarray:
    """y = P(x) W.   x : (N, H, W, C), W : (kh, kw, C, F), y : (N, *grid, F)."""
    y = empty((len(x), *patches.grid, W.shape[3]), x.dtype)
    w, place, planes, sums = _layout(x, W, patches)
    w[:W.shape[3], :W[..., 0].size] = _by_channel(W).reshape(W.shape[3], -1)
    _kernel("correlate", x.dtype)(np.ascontiguousarray(x), *place, w, planes, sums, y)
    return y


def spread(y: np.ndarray, W: np.ndarray, patches: Patches, size: Pair) -> np.ndarray:
    """x = P^T(y W^T), images of that size: the correlation of y with the kernel turned around."""
    before = patches.size[0] - 1 - patches.before[0], patches.size[1] - 1 - patches.before[1]
    return correlate(y, W[::-1, ::-1].transpose(0, 1, 3, 2),
                     Patches(patches.size, patches.stride, before, size))


def add_products(x: np.ndarray, y: np.ndarray, patches: Patches, dW: np.ndarray) -> None:
    """dW += P(x)^T y.   x : (N, H, W, C), y : (N, *grid, F), dW : (kh, kw, C, F)."""
    w, place, planes, sums = _layout(x, dW, patches)
    _kernel("add_products", x.dtype)(
        np.ascontiguousarray(x), *place, np.ascontiguousarray(y), planes, sums, w)
    total = _by_channel(dW)
    total += w[:len(total), :total[0].size].reshape(total.shape)


def _by_channel(W):
    """(F, C, kh, kw), a view."""
    return W.transpose(3, 2, 0, 1)


def _layout(x, W, patches):
    """What the kernels take: zeros for the weights, (before, pitch, shifts), planes and sums.

    One pitch serves x and y, the padding on the left of a row also as that on the right of the one
    above. Three shifts a time leave no rest; nor do three planes of y, filled up to four.
    """
    (kh, kw), _, (top, left), (rows, cols) = patches
    _, _, depth, channels = W.shape
    pitch = x.shape[2] + max(left, cols + kw - 1 - left - x.shape[2])
    pixels = _whole(rows * pitch, WHOLE)
    plane = _whole(pixels + (kh - 1) * pitch + kw, WHOLE)
    c, a, b = np.ogrid[:depth, :kh, :kw]
    shifts = np.zeros(_whole(depth * kh * kw, 3), np.int64)
    shifts[:depth * kh * kw] = (c * plane + a * pitch + b).ravel()
    padded = channels + (channels % 4 == 3)
    return (np.zeros((padded, len(shifts)), x.dtype), (top * pitch + left, pitch, shifts),
            PLANES.take((depth, plane), x.dtype), SUMS.take((padded, pixels), x.dtype))


def _whole(n: int, unit: int) -> int:
    """The least multiple of the unit that is not less than n."""
    return -(-n // unit) * unit


def _kernel(name, dtype):
    """Compiled for real numbers; NumPy for the complex ones of a complex step."""
    from avanet.kernels.planes import PAIRS, PLANE_KERNELS
    return PLANE_KERNELS[name] if dtype.kind == "f" else PAIRS[name][1]
