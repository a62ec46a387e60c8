"""Dense layers that the fully connected models share; what the papers leave open."""

from avanet.nn import BatchNorm, Dense, Dropout, Layer, LeakyReLU, ReLU, initialiser
from avanet.nn.initialise import fan_in


def rectified(*widths: int) -> list[Layer]:
    """Dense layers of these widths, ReLU after all but the last."""
    layers: list[Layer] = []
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [Dense(n_in, n_out), ReLU()]
    return layers[:-1]


def batch_normed(*widths: int) -> list[Layer]:
    """Dense layers of these widths, batch norm and leaky ReLU after all but the last.

    Batch norm takes a bias before it away again, so only the last layer has one.
    """
    layers: list[Layer] = []
    for n_in, n_out in zip(widths[:-1], widths[1:-1]):
        layers += [Dense(n_in, n_out, biases=None), BatchNorm(n_out), LeakyReLU(0.2)]
    return [*layers, Dense(*widths[-2:])]


def dropped(*widths: int, rate: float) -> list[Layer]:
    """Dense layers of these widths, leaky ReLU and dropout after all but the last."""
    layers: list[Layer] = []
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [Dense(n_in, n_out), LeakyReLU(0.2), Dropout(rate)]
    return layers[:-2]


def uniform(n_in: int, n_out: int) -> Dense:
    """A dense layer that starts as PyTorch's do: U(-1/sqrt(n_in), 1/sqrt(n_in)), bias and all."""
    return Dense(n_in, n_out, fan_in, initialiser("uniform", bound=n_in**-0.5))
