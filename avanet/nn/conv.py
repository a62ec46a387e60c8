"""Convolution and its transpose, by blocks of patches and one matrix product a block.

Images are (N, H, W, C), channels last. A kernel W : (kh, kw, C, F) is read as a matrix of kh kw C
rows, a patch of an image as a row of the same length. Three functions do all the work, and each
layer is two of them turned around:

- `correlate`: y = P(x) W + b, P(x) the matrix of the patches of x,
- `spread`, its adjoint but for b: x = P^T(y W^T) + b, each patch added to where it lies,
- `add_products`: dW += P(x)^T y, the derivative of <P(x) W, y> by W.

P(x) is never held as a whole: its blocks pass through one workspace of a thread, small enough to
stay in the cache, yet of enough patches that a matrix product spends its time on multiplying: each
one has to copy W into the order that it reads it in. `planes` has another way, which is faster for
few channels and stride 1.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from avanet.nn import planes
from avanet.nn.initialise import glorot, zeros
from avanet.nn.layers import Layer, values
from avanet.nn.memory import Workspace, add_product, empty
from avanet.nn.pieces import multiply
from avanet.nn.planes import Pair, Patches
from avanet.nn.shape import sum_to_last

BLOCK_BYTES, BLOCK_ROWS = 1 << 20, 384  # at least, of patches at a time
WORDS = ("valid", "same")

Size = int | Pair
Padding = str | int | Pair | tuple[Pair, Pair]
Start = Callable[..., np.ndarray]

PATCHES = Workspace()


def correlate(x: np.ndarray, W: np.ndarray, patches: Patches,
              b: np.ndarray | None = None) -> np.ndarray:
    """y = P(x) W + b.   x : (N, H, W, C), W : (kh, kw, C, F), b : (F,), y : (N, *grid, F)."""
    if planes.suited(W, patches):
        return planes.correlate(x, W, patches, b)
    x, matrix = np.ascontiguousarray(x), W.reshape(-1, W.shape[-1])
    y = empty((len(x), *patches.grid, W.shape[-1]), x.dtype)
    gather, rows = _kernel("gather", x.dtype), y.reshape(-1, W.shape[-1])
    for first, part, columns in _blocks(len(x), len(matrix), patches, x.dtype):
        gather(x, patches, first, columns)
        multiply(columns, matrix, rows[part])
        if b is not None:
            rows[part] += b
    return y


def spread(y: np.ndarray, W: np.ndarray, patches: Patches, size: Pair,
           b: np.ndarray | None = None) -> np.ndarray:
    """x = P^T(y W^T) + b, images of that size.   y : (N, *grid, F), b : (C,), x : (N, *size, C)."""
    if planes.suited(W, patches):
        return planes.spread(y, W, patches, size, b)
    matrix, rows = W.reshape(-1, W.shape[-1]), np.ascontiguousarray(y).reshape(-1, W.shape[-1])
    x = empty((len(y), *size, W.shape[2]), y.dtype)
    x[...] = 0 if b is None else b
    scatter = _kernel("scatter", x.dtype)
    for first, part, columns in _blocks(len(x), len(matrix), patches, x.dtype):
        multiply(rows[part], matrix.T, columns)
        scatter(columns, patches, first, x)
    return x


def add_products(x: np.ndarray, y: np.ndarray, patches: Patches, dW: np.ndarray) -> None:
    """dW += P(x)^T y.   x : (N, H, W, C), y : (N, *grid, F), dW : (kh, kw, C, F)."""
    if planes.suited(dW, patches):
        return planes.add_products(x, y, patches, dW)
    x, rows = np.ascontiguousarray(x), np.ascontiguousarray(y).reshape(-1, dW.shape[-1])
    matrix, gather = dW.reshape(-1, dW.shape[-1]), _kernel("gather", x.dtype)
    for first, part, columns in _blocks(len(x), len(matrix), patches, x.dtype):
        gather(x, patches, first, columns)
        add_product(matrix, columns.T, rows[part])


def _blocks(images, length, patches, dtype) -> Iterator[tuple[int, slice, np.ndarray]]:
    """(first line of patches, their rows, workspace), block by block; a patch has that length."""
    rows, cols = patches.grid
    lines = -(-max(BLOCK_ROWS, BLOCK_BYTES // (length * dtype.itemsize)) // cols)
    for first in range(0, images * rows, lines):
        stop = min(first + lines, images * rows)
        columns = PATCHES.take(((stop - first) * cols, length), dtype)
        yield first, slice(first * cols, stop * cols), columns


def _kernel(name: str, dtype: np.dtype) -> Callable[..., None]:
    """Compiled for real numbers; NumPy for the complex ones of a complex step."""
    module = import_module("avanet.kernels.convolution")
    return module.CONVOLUTION_KERNELS[name] if dtype.kind == "f" else module.PAIRS[name][1]


class Convolution(Layer):
    """What both convolutions share: kernel, bias, stride and padding, checked."""

    W: np.ndarray
    b: np.ndarray
    dW: np.ndarray
    db: np.ndarray
    word = "conv"

    def __init__(self, channels_in: int, channels_out: int, size: Size, stride: Size = 1,
                 padding: Padding = "valid", weights: Start = glorot, biases: Start | None = zeros):
        self.channels_in, self.channels_out = channels_in, channels_out
        self.size, self.stride = pair(size, "size"), pair(stride, "stride")
        self.padding = _padding(padding)
        self.weights, self.biases = weights, biases
        by = "" if self.stride == (1, 1) else over(self.stride)
        self.name = f"{self.word} {self.size[0]}x{self.size[1]}{by} {channels_in}-{channels_out}"

    @property
    def input_shape(self):
        return ("H", "W", self.channels_in)

    def shapes(self):
        bias = {} if self.biases is None else {"b": (self.channels_out,)}
        return {"W": (*self.size, *self._depths()), **bias}

    def initialise(self, rng):
        self.W[...] = self.weights(rng, self.W.shape, self.W.real.dtype)
        if self.biases is not None:
            self.b[...] = self.biases(rng, self.b.shape, self.b.real.dtype)

    def output_shape(self, shape):
        self.check_shape(shape)
        size = self._axes(shape[:2])[1]
        if min(size) < 1:
            raise ValueError(f"{self.name} leaves nothing of {values(shape)}")
        return (*size, self.channels_out)

    def _depths(self) -> Pair:
        """The last two axes of the kernel."""
        raise TypeError(f"{type(self).__name__} defines no kernel")

    def _axes(self, shape) -> tuple[Pair, Pair]:
        """(pixels of padding before the image, size of the output), each (rows, columns)."""
        raise TypeError(f"{type(self).__name__} defines no output size")

    def _bias(self) -> np.ndarray | None:
        return None if self.biases is None else self.b

    def _add_bias(self, dy: np.ndarray) -> None:
        if self.biases is not None:
            self.db += sum_to_last(dy)


class Conv2D(Convolution):
    """y_n(i, j) = sum over a, b of x_n(i sh + a - top, j sw + b - left) W(a, b) + b.

    x : (N, H, W, C), W : (kh, kw, C, F), b : (F,), y : (N, H', W', F); pixels outside of the image
    are zero. The kernel is not flipped (a cross-correlation, as in Keras and PyTorch). The cache
    is x. With P(x) the matrix of patches, y = P(x) W + b is linear in each factor, so

    dL/dW = P(x)^T dy,   dL/db = sum over images and pixels of dy,   dL/dx = P^T(dy W^T):

    what a pixel gave to each patch that it lies in comes back from there.

    Parameters
    ----------
    channels_in, channels_out : int
        C and F.
    size, stride : int or (rows, columns)
        (kh, kw) and (sh, sw).
    padding : "valid", "same", int, (rows, columns) or ((top, bottom), (left, right))
        Of zeros around the image. "valid": none, H' = floor((H - kh) / sh) + 1. "same", as Keras
        has it: H' = ceil(H / sh), by max((H' - 1) sh + kh - H, 0) rows, the odd one at the bottom.
        Explicit, as PyTorch has it: H' = floor((H + top + bottom - kh) / sh) + 1. With an odd
        kernel and stride 2 the two differ: on an even image "same" with 3x3 pads by (0, 1) where
        PyTorch's usual padding=1 pads by (1, 1) and looks one pixel further up and left.
    weights : callable (rng, shape, dtype) -> array
        Start values of W. Its fan-in is kh kw C, its fan-out kh kw F.
    biases : callable (rng, shape, dtype) -> array, or None
        Start values of b; None for a layer without.

    Notes
    -----
    Keras holds W in the same order; PyTorch as (F, C, kh, kw), which is W.transpose(3, 2, 0, 1).
    """

    def _depths(self):
        return self.channels_in, self.channels_out

    def _axes(self, shape):
        return _by_axis(_conv_axis, shape, self.size, self.stride, self.padding)

    def _patches(self, x) -> Patches:
        before, grid = self._axes(x.shape[1:3])
        return Patches(self.size, self.stride, before, grid)

    def forward(self, x):
        return correlate(x, self.W, self._patches(x), self._bias()), x

    def accumulate(self, dy, x):
        add_products(x, dy, self._patches(x), self.dW)
        self._add_bias(dy)

    def propagate(self, dy, x):
        return spread(dy, self.W, self._patches(x), x.shape[1:3])


class ConvTranspose2D(Convolution):
    """y = P^T(x W^T) + b: each pixel of x adds its multiple of the kernel to y.

    y_n(i sh + a - top, j sw + b - left) += sum over channels of x_n(i, j) W(a, b), what falls
    outside of y is dropped. x : (N, H, W, C), W : (kh, kw, F, C), b : (F,), y : (N, H', W', F). It
    is the backward pass of the convolution from F to C channels with the same kernel, stride and
    padding, so that its own backward passes are that convolution's forward ones. The cache is x.

    dL/dx = P(dy) W,   dL/dW = P(dy)^T x,   dL/db = sum over images and pixels of dy.

    Parameters
    ----------
    channels_in, channels_out : int
        C and F.
    size, stride : int or (rows, columns)
        (kh, kw) and (sh, sw).
    padding : "valid", "same", int, (rows, columns) or ((top, bottom), (left, right))
        Rows and columns taken off the output. As Keras has it, "valid": none,
        H' = (H - 1) sh + max(kh, sh); "same": H' = H sh, by max(kh - sh, 0) rows, the odd one at
        the bottom. Explicit, as PyTorch has it: H' = (H - 1) sh + kh - top - bottom + extra.
    output_padding : int or (rows, columns)
        `extra`, rows added at the bottom and columns at the right, less than the stride: convolved
        images of H' to H' + sh - 1 rows all have H rows, and this says which one to go back to.
        With explicit padding only.
    weights : callable (rng, shape, dtype) -> array
        Start values of W. Keras and PyTorch both take kh kw F for its fan-in and kh kw C for its
        fan-out, as of the convolution that it turns around; so do we.
    biases : callable (rng, shape, dtype) -> array, or None
        Start values of b; None for a layer without.

    Notes
    -----
    Keras holds W in the same order; PyTorch as (C, F, kh, kw), which is W.transpose(3, 2, 0, 1).
    With a 4x4 kernel and stride 2, "same" is PyTorch's padding=1. With 5x5 and stride 2 "same"
    takes off (1, 2), PyTorch's padding=2, output_padding=1 takes off (2, 1).
    """

    word = "conv transpose"

    def __init__(self, channels_in: int, channels_out: int, size: Size, stride: Size = 1,
                 padding: Padding = "valid", output_padding: Size = 0, weights: Start = glorot,
                 biases: Start | None = zeros):
        super().__init__(channels_in, channels_out, size, stride, padding, weights, biases)
        self.output_padding = pair(output_padding, "output_padding", least=0)
        if any(extra and extra >= s for extra, s in zip(self.output_padding, self.stride)):
            raise ValueError(f"output_padding must be less than the stride {self.stride}, got "
                             f"{self.output_padding}")
        if self.padding in WORDS and any(self.output_padding):
            raise ValueError(f"output_padding goes with explicit padding, got {self.padding!r}")

    def _depths(self):
        return self.channels_out, self.channels_in

    def _axes(self, shape):
        before, size = _by_axis(_transposed_axis, shape, self.size, self.stride, self.padding)
        return before, (size[0] + self.output_padding[0], size[1] + self.output_padding[1])

    def _patches(self, x) -> tuple[Patches, Pair]:
        before, size = self._axes(x.shape[1:3])
        return Patches(self.size, self.stride, before, x.shape[1:3]), size

    def forward(self, x):
        return spread(x, self.W, *self._patches(x), self._bias()), x

    def accumulate(self, dy, x):
        add_products(dy, x, self._patches(x)[0], self.dW)
        self._add_bias(dy)

    def propagate(self, dy, x):
        return correlate(dy, self.W, self._patches(x)[0])


def pair(value: Size, what: str, least: int = 1) -> Pair:
    """(value, value) from one number; ValueError if it is neither a number nor two of them."""
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(isinstance(v, int) and v >= least for v in both):
        raise ValueError(f"{what} must be one or two integers, {least} or more, got {value!r}")
    return both


def over(stride: Pair) -> str:
    """A stride in a layer's name: "/2", or "/2x1"."""
    return f"/{stride[0]}" if stride[0] == stride[1] else f"/{stride[0]}x{stride[1]}"


def _padding(value: Padding) -> str | tuple[Pair, Pair]:
    """A word as it is, or ((top, bottom), (left, right))."""
    if isinstance(value, str):
        if value not in WORDS:
            raise ValueError(f"padding must be 'valid', 'same' or in pixels, got {value!r}")
        return value
    both: Any = value
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        both = value, value
    rows, columns = both
    return pair(rows, "padding", least=0), pair(columns, "padding", least=0)


def _by_axis(rule, shape, size, stride, padding) -> tuple[Pair, Pair]:
    """A rule for rows and columns: ((top, left), (rows, columns))."""
    paddings: Any = (padding, padding) if isinstance(padding, str) else padding
    rows, columns = map(rule, shape, size, stride, paddings)
    return (rows[0], columns[0]), (rows[1], columns[1])


def _conv_axis(n, k, s, padding) -> Pair:
    """(pixels of padding before, size of the output) of a convolution along one axis."""
    if padding == "same":
        out = -(-n // s)
        return max((out - 1) * s + k - n, 0) // 2, out
    before, after = (0, 0) if padding == "valid" else padding
    return before, (n + before + after - k) // s + 1


def _transposed_axis(n, k, s, padding) -> Pair:
    """(pixels taken off before, size of the output) of a transposed convolution."""
    if padding == "same":
        return max(k - s, 0) // 2, n * s
    if padding == "valid":
        return 0, (n - 1) * s + max(k, s)
    before, after = padding
    return before, (n - 1) * s + k - before - after
