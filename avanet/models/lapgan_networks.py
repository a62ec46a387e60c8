"""The networks of LAPGAN: dense ones at the coarsest level of the pyramid, convolutions above."""

import math

from avanet.errors import InputError
from avanet.models.dcgan import discriminator_layers
from avanet.models.dense import batch_normed, dropped
from avanet.nn import BatchNorm, Conv2D, Flatten, Layer, LeakyReLU, Reshape, Tanh


def pyramid_layers(c, shape: tuple[int, int, int]) -> dict[str, list[Layer]]:
    """The layers of every level's generator and discriminator, by name; c is LAPGAN's config."""
    last = c.levels - 1
    height, width, channels = shape
    if height % 2**last or width % 2**last:
        raise InputError(f"{c.levels} levels need sides that are multiples of {2**last}, got "
                         f"{height} x {width}; set levels")
    players = {}
    for k in range(last):
        size = height >> k, width >> k
        players[f"generator{k}"] = detail_layers(channels, c.width)
        players[f"discriminator{k}"] = discriminator_layers(
            (*size, 2 * channels), c.width, c.dropout)
    coarse = height >> last, width >> last, channels
    m = math.prod(coarse)
    players[f"generator{last}"] = [*batch_normed(c.latent, c.hidden, 2 * c.hidden, m), Tanh(),
                                   Reshape(coarse)]
    players[f"discriminator{last}"] = [
        Flatten(), *dropped(m, 2 * c.hidden, c.hidden, 1, rate=c.dropout)]
    return players


def detail_layers(channels: int, width: int):
    """From l_k and a plane of noise to details of the same size."""
    layers = []
    for n_in in (channels + 1, width):
        layers += [Conv2D(n_in, width, 5, 1, "same", biases=None), BatchNorm(width),
                   LeakyReLU(0.2)]
    return [*layers, Conv2D(width, channels, 5, 1, "same")]
