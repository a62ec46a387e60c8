"""Layers that only arrange values anew: Flatten, Reshape; and functions of the last axis."""

import math
from collections.abc import Sequence

import numpy as np

from avanet.nn.layers import Layer, Shape, values


class Reshape(Layer):
    """y = x with the same values of each sample, in the same order, in another shape.

    x : (B, ...), y : (B, *shape). The cache is the shape of x; dL/dx = dL/dy in that shape.

    Parameters
    ----------
    shape : sequence of int
        Of a sample; images are (H, W, C), channels last.
    """

    tame = True

    def __init__(self, shape: Sequence[int]):
        self.shape = tuple(shape)
        if not all(isinstance(size, int) and size > 0 for size in self.shape):
            raise ValueError(f"a shape is made of positive integers, got {self.shape}")
        self.name = f"reshape {' x '.join(map(str, self.shape))}"

    @property
    def input_shape(self):
        return (...,)

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"{self.name} takes {math.prod(self.shape)} values in any shape, got "
                             f"{values(shape)}")
        return self.shape

    def forward(self, x):
        return x.reshape(len(x), *self.shape), x.shape

    def propagate(self, dy, shape):
        return dy.reshape(shape)


class Flatten(Layer):
    """y = x with each sample's values in a row.

    x : (B, ...), y : (B, n). The cache is the shape of x; dL/dx = dL/dy in that shape. An image
    (H, W, C) is read row by row, the channels of a pixel together, as in Keras; PyTorch's images
    (C, H, W) give another order, which matters where a dense layer's weights are carried over.
    """

    name = "flatten"
    tame = True

    @property
    def input_shape(self):
        return (...,)

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, x):
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def propagate(self, dy, shape):
        return dy.reshape(shape)


def sum_to_last(x: np.ndarray) -> np.ndarray:
    """Sum over all axes but the last, one after the other: short sums, which float32 can add."""
    while x.ndim > 1:
        x = x.sum(axis=0)
    return x


def split(joint: np.ndarray, widths: Sequence[int]) -> list[np.ndarray]:
    """The parts of those widths along the last axis: what np.concatenate(parts, -1) has joined.

    Each is the backward pass of the other: dL/dparts = split(dL/djoint), and the reverse.

    Raises
    ------
    ValueError
        If the widths do not add up to the last axis.
    """
    if sum(widths) != joint.shape[-1]:
        raise ValueError(f"widths {tuple(widths)} add up to {sum(widths)}, the last axis has "
                         f"{joint.shape[-1]}")
    return np.split(joint, np.cumsum(widths)[:-1], axis=-1)
