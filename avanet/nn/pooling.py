"""Layers that change the size of images (N, H, W, C): pooling and upsampling. No parameters."""

import numpy as np

from avanet.nn.conv import Pair, Size, over, pair
from avanet.nn.layers import Layer, values


class Pool2D(Layer):
    """What both poolings share: windows of `size` at every `stride`-th pixel, without padding.

    H' = floor((H - kh) / sh) + 1: rows and columns that fill no window are left out, which is the
    default of Keras and of PyTorch. The stride is the size unless it is given.
    """

    word = "pool"

    def __init__(self, size: Size = 2, stride: Size | None = None):
        self.size = pair(size, "size")
        self.stride = self.size if stride is None else pair(stride, "stride")
        self.name = f"{self.word} {self.size[0]}x{self.size[1]}"
        if self.stride != self.size:
            self.name += over(self.stride)

    @property
    def input_shape(self):
        return ("H", "W", "C")

    def output_shape(self, shape):
        self.check_shape(shape)
        rows, columns = ((n - k) // s + 1 for n, k, s in zip(shape, self.size, self.stride))
        if min(rows, columns) < 1:
            raise ValueError(f"{self.name} leaves nothing of {values(shape)}")
        return rows, columns, shape[2]

    def _views(self, x: np.ndarray) -> list[np.ndarray]:
        """For each place in the window, row by row, the pixels that lie there: (N, H', W', C)."""
        rows, columns, _ = self.output_shape(x.shape[1:])
        (kh, kw), (sh, sw) = self.size, self.stride
        return [x[:, a:a + sh * rows:sh, b:b + sw * columns:sw]
                for a in range(kh) for b in range(kw)]


class MaxPool2D(Pool2D):
    """y = the largest pixel of each window, channel by channel; of equal ones the first.

    x : (N, H, W, C), y : (N, H', W', C). The first is that of the upper row, then of the left
    column, as in PyTorch; complex numbers are compared by their real parts. The cache holds where
    in its window each maximum lies, and the shape of x. Around a point without ties y moves with
    that pixel alone:

    dL/dx = sum over the windows whose maximum x is of dy, and 0 for a pixel that is none.
    """

    word = "max pool"

    def forward(self, x):
        y, *others = self._views(x)
        where = np.zeros(y.shape, np.int16)
        for k, other in enumerate(others, 1):
            larger = other.real > y.real
            y = np.where(larger, other, y)
            where[larger] = k
        return y if others else y.copy(), (where, x.shape)

    def propagate(self, dy, cache):
        where, shape = cache
        dx = np.zeros(shape, dy.dtype)
        for k, view in enumerate(self._views(dx)):
            view += np.where(where == k, dy, dy.dtype.type(0))
        return dx


class AveragePool2D(Pool2D):
    """y = the mean of each window, channel by channel.

    x : (N, H, W, C), y : (N, H', W', C). The cache is the shape of x. Each pixel enters the means
    of the windows that it lies in with the weight 1 / (kh kw):

    dL/dx = sum over these windows of dy / (kh kw).
    """

    word = "average pool"

    def forward(self, x):
        views = self._views(x)
        total = views[0].copy()
        for view in views[1:]:
            total += view
        return total / len(views), x.shape

    def propagate(self, dy, shape):
        dx = np.zeros(shape, dy.dtype)
        views = self._views(dx)
        for view in views:
            view += dy / len(views)
        return dx


class Upsample2D(Layer):
    """Images `factor` times as high and wide: y = R x C^T, R and C the same for every channel.

    x : (N, H, W, D), y : (N, fh H, fw W, D). Pixel i of the output has its centre at
    (i + 1/2) / f - 1/2 in pixels of the input (half-pixel centres). "nearest" takes the pixel that
    it lies in, floor(i / f). "bilinear" weighs the two whose centres are around it by their
    nearness; beyond the outermost centre it takes the outermost pixel. This is Keras's
    UpSampling2D and PyTorch's Upsample(align_corners=False). No cache; y is linear in x:

    dL/dx = R^T dy C,

    the sum of what was taken from a pixel, with its weights.

    Parameters
    ----------
    factor : int or (rows, columns)
    how : {"nearest", "bilinear"}
    """

    def __init__(self, factor: Size = 2, how: str = "nearest"):
        if how not in ("nearest", "bilinear"):
            raise ValueError(f"upsampling is 'nearest' or 'bilinear', got {how!r}")
        self.factor, self.how = pair(factor, "factor"), how
        self.name = f"upsample {self.factor[0]}x{self.factor[1]} {how}"

    @property
    def input_shape(self):
        return ("H", "W", "C")

    def output_shape(self, shape):
        self.check_shape(shape)
        return shape[0] * self.factor[0], shape[1] * self.factor[1], shape[2]

    def forward(self, x):
        if self.how == "nearest":
            return x.repeat(self.factor[0], axis=1).repeat(self.factor[1], axis=2), None
        rows, columns = self._matrices(x.shape[1:3], x.real.dtype)
        return _on_both_axes(rows, x, columns), None

    def propagate(self, dy, cache):
        n, height, width, depth = dy.shape
        fh, fw = self.factor
        if self.how == "nearest":
            return dy.reshape(n, height // fh, fh, width // fw, fw, depth).sum(axis=(2, 4))
        rows, columns = self._matrices((height // fh, width // fw), dy.real.dtype)
        return _on_both_axes(rows.T, dy, columns.T)

    def _matrices(self, shape: Pair, dtype) -> list[np.ndarray]:
        """R and C."""
        return [interpolation(size, factor, dtype) for size, factor in zip(shape, self.factor)]


def interpolation(size: int, factor: int, dtype) -> np.ndarray:
    """(factor size, size) matrix of linear interpolation between `size` half-pixel centres."""
    centres = (np.arange(factor * size) + 0.5) / factor - 0.5
    centres = np.clip(centres, 0, size - 1)
    return np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(size))).astype(dtype)


def _on_both_axes(rows, x, columns):
    """rows x columns^T of each image and channel: two matrix products."""
    n, height, width, depth = x.shape
    y = np.matmul(rows, x.reshape(n, height, width * depth))
    return np.matmul(columns, y.reshape(n, len(rows), width, depth))
