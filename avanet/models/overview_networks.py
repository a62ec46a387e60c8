"""Encoder and decoder of the overview's models: six convolutions, for images of any size.

Source: the overview, Sec. VI-A ("a stack of six convolutional layers with leaky relu and batch
normalization layers inbetween", and its reverse); its program for what that leaves open, written
for 64 x 64 x 3 with 64 channels. Keras's conventions: "same" padding, Glorot start values, no
biases before a batch norm, leaky ReLU of slope 0.3, epsilon 1e-3 in batch norm. The running
statistics follow faster than Keras's (momentum 0.9 instead of 0.99), so that a short training too
is scored by its own.
"""

from itertools import pairwise

from avanet.models.base import Shape
from avanet.nn import (
    BatchNorm, Conv2D, ConvTranspose2D, Dense, Flatten, LeakyReLU, Reshape,
)
from avanet.nn.layers import Layer

DEPTHS = 1, 2, 2, 4, 8  # channels of the encoder's first five layers, in widths
SIZE = 4                # of a kernel


def encoder_layers(shape: Shape, width: int, n: int, heads: int) -> list[Layer]:
    """From an image to `heads` times n values: six strides of 2, and the heads, a dense layer.

    With width 64 and an image 64 x 64 x 3: 32 x 32 x 64, 16 x 16 x 128, 8 x 8 x 128, 4 x 4 x 256,
    2 x 2 x 512, 1 x 1 x 32: the last has as many channels as the code has values, n (32).
    """
    height, columns, channels = shape
    depths = [channels, *(depth * width for depth in DEPTHS)]
    layers: list[Layer] = []
    for n_in, n_out in pairwise(depths):
        layers += [Conv2D(n_in, n_out, SIZE, 2, "same", biases=None), *_normal(n_out)]
    return [*layers, Conv2D(depths[-1], n, SIZE, 2, "same"), Flatten(),
            Dense(-(-height // 64) * -(-columns // 64) * n, heads * n)]


def decoder_layers(shape: Shape, width: int, n_in: int) -> list[Layer]:
    """From n_in values to the net inputs of an image: the reverse, and a convolution 5x5.

    With width 64 and an image 64 x 64 x 3: 1 x 1 x 512, 4 x 4 x 256, 8 x 8 x 128, 16 x 16 x 128,
    32 x 32 x 64, 64 x 64 x 3, 64 x 64 x 3. The first, a transposed convolution 1x1 on one pixel, is
    written as the dense layer that it is. The last four strides undo convolutions with "same"
    padding: where such a one halves an odd number of rows it pads one more, which is taken off.
    """
    height, columns, channels = shape
    sizes = [(-(-height // k), -(-columns // k)) for k in (1, 2, 4, 8, 16)]
    depths = [depth * width for depth in reversed(DEPTHS)]
    layers = [Dense(n_in, depths[0], biases=None), Reshape((1, 1, depths[0])), *_normal(depths[0]),
              ConvTranspose2D(depths[0], depths[1], sizes[-1], biases=None), *_normal(depths[1])]
    for n, n_out, (rows, cols) in zip(depths[1:], [*depths[2:], channels], sizes[-2::-1]):
        taken = (1, 1 + rows % 2), (1, 1 + cols % 2)
        layers += [ConvTranspose2D(n, n_out, SIZE, 2, taken, biases=None), *_normal(n_out)]
    return [*layers, Conv2D(channels, channels, 5, padding="same")]


def _normal(n: int) -> tuple[BatchNorm, LeakyReLU]:
    return BatchNorm(n, momentum=0.9, epsilon=1e-3), LeakyReLU(0.3)
