"""The residual convolution networks of the semi-supervised adversarial VAE (Sec. 3.2, Fig. 6).

Widths are open in the paper: `w` channels in the first layer, doubled after each pooling, and `h`
units in a dense layer. Images have sides divisible by 4.
"""

import math
from collections.abc import Sequence

from avanet.errors import InputError
from avanet.nn import (
    BatchNorm, Conv2D, Dense, Flatten, LeakyReLU, MaxPool2D, Reshape, Residual, Upsample2D,
)
from avanet.nn.initialise import he, initialiser
from avanet.nn.layers import Layer

SLOPE = 0.2
SMALL = initialiser("uniform", bound=1e-3)
ENCODER = ("stage 1", "stage 2", "stage 3", "code")  # the encoder's networks, in a row


def activation() -> LeakyReLU:
    """max(v, SLOPE v)."""
    return LeakyReLU(SLOPE)


def conv(channels_in: int, channels_out: int) -> Conv2D:
    """3x3, stride 1, the size kept."""
    return Conv2D(channels_in, channels_out, 3, padding="same", weights=he)


def residual(width: int, layer) -> Residual:
    """y = x + layer(a(layer(x)))."""
    return Residual([layer(width, width), activation(), layer(width, width)])


def stage(channels_in: int, channels_out: int) -> list[Layer]:
    """A convolution, a residual block, an activation."""
    return [conv(channels_in, channels_out), residual(channels_out, conv), activation()]


def encoder(shape: Sequence[int], w: int, h: int, latent: int) -> list[list[Layer]]:
    """The layers of `ENCODER`: three stages, whose outputs are the features F_1, F_2, F_3 of
    Eq. 9, and the rest up to (mu, log sigma^2), whose weights start small: q(z|x) near N(0, I).
    Residual blocks double the variance; with Glorot's a log sigma^2 began at 90 and overflowed."""
    height, width, channels = shape
    if height % 4 or width % 4:
        raise InputError(f"savae takes images with sides divisible by 4, got {height} x {width}; "
                         "resize them")
    flat = height // 4 * (width // 4) * 4 * w
    return [
        stage(channels, w),
        stage(w, w),
        [MaxPool2D(2), *stage(w, 2 * w)],
        [*stage(2 * w, 2 * w), MaxPool2D(2), *stage(2 * w, 4 * w), *stage(4 * w, 4 * w),
         Flatten(), *dense(flat, h), *dense(h, h), *dense(h, h), Dense(h, 2 * latent, SMALL)],
    ]


def dense(n_in: int, n_out: int) -> list[Layer]:
    """A dense layer and an activation."""
    return [Dense(n_in, n_out, he), activation()]


def normalised(layer: Layer, width: int) -> list[Layer]:
    """The layer, batch norm, an activation."""
    return [layer, BatchNorm(width), activation()]


def decoder(shape: Sequence[int], w: int, h: int, latent: int) -> list[Layer]:
    """Three dense layers, seven convolutions, two upsamplings; ends below the logistic output."""
    height, width, channels = shape
    rows, columns = height // 4, width // 4

    def block(channels_in, channels_out):
        return [*normalised(conv(channels_in, channels_out), channels_out),
                residual(channels_out, conv)]

    flat = math.prod((rows, columns, 4 * w))
    return [
        *normalised(Dense(latent, h, he), h), *normalised(Dense(h, h, he), h),
        *normalised(Dense(h, flat, he), flat), Reshape((rows, columns, 4 * w)),
        *block(4 * w, 4 * w), *block(4 * w, 4 * w), Upsample2D(2),
        *block(4 * w, 2 * w), *block(2 * w, 2 * w), Upsample2D(2),
        *block(2 * w, w), *block(w, w), conv(w, channels),
    ]


def discriminator(shape: Sequence[int], w: int, h: int) -> list[Layer]:
    """Three convolutions, two poolings, four dense layers, one linear unit."""
    height, width, channels = shape
    flat = height // 4 * (width // 4) * 4 * w
    return [
        conv(channels, w), activation(), MaxPool2D(2), conv(w, 2 * w), activation(), MaxPool2D(2),
        conv(2 * w, 4 * w), activation(), Flatten(),
        *dense(flat, h), *dense(h, h), *dense(h, h), *dense(h, h), Dense(h, 1),
    ]


def classifier(latent: int, h: int, classes: int) -> list[Layer]:
    """Three dense layers, each with batch norm, an activation and a residual block; net inputs
    of the softmax."""
    layers: list[Layer] = []
    for n_in in (latent, h, h):
        layers += [*normalised(Dense(n_in, h, he), h), residual(h, dense_layer)]
    return [*layers, Dense(h, classes)]


def dense_layer(n_in: int, n_out: int) -> Dense:
    """A dense layer with He's start values."""
    return Dense(n_in, n_out, he)
