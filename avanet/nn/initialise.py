"""Start values of weights: functions of a generator, a shape and a dtype.

A shape is (n_in, n_out), or (kh, kw, n_in, n_out) for the kernel of a convolution.
"""

import math
from functools import partial

import numpy as np


def zeros(rng: np.random.Generator, shape, dtype) -> np.ndarray:
    """Zero everywhere: what AVA's published numbers start from. Hidden units then stay equal."""
    return np.zeros(shape, dtype)


def normal(rng: np.random.Generator, shape, dtype, sd: float = 0.01) -> np.ndarray:
    """N(0, sd^2)."""
    return (sd * rng.standard_normal(shape)).astype(dtype)


def uniform(rng: np.random.Generator, shape, dtype, bound: float = 0.05) -> np.ndarray:
    """U(-bound, bound)."""
    return rng.uniform(-bound, bound, shape).astype(dtype)


def glorot(rng: np.random.Generator, shape, dtype) -> np.ndarray:
    """U(-c, c) with c = sqrt(6 / (fan_in + fan_out)), which keeps the variance of both passes.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010, Eq. 16.
    """
    return uniform(rng, shape, dtype, math.sqrt(6 / sum(fans(shape))))


def he(rng: np.random.Generator, shape, dtype) -> np.ndarray:
    """N(0, 2 / fan_in), which keeps the variance of the forward pass through ReLUs.

    Source: He et al., "Delving Deep into Rectifiers", 2015, Eq. 10. Keras's `he_normal` also cuts
    the tails off, at two standard deviations.
    """
    return normal(rng, shape, dtype, math.sqrt(2 / fans(shape)[0]))


def fan_in(rng: np.random.Generator, shape, dtype) -> np.ndarray:
    """U(-c, c) with c = 1 / sqrt(fan_in), what PyTorch's dense and convolutional layers start from.

    PyTorch draws the biases from the same interval, of the weights' fan-in: for a layer's `biases`
    that is `initialiser("uniform", bound=c)`.
    """
    return uniform(rng, shape, dtype, 1 / math.sqrt(fans(shape)[0]))


def fans(shape) -> tuple[int, int]:
    """(fan_in, fan_out) of weights (n_in, n_out) or of a kernel (kh, kw, n_in, n_out).

    Each output of a convolution sums kh kw n_in products, and each input enters kh kw n_out of
    them. A vector counts its length both ways.
    """
    cells = math.prod(shape[:-2])
    return cells * shape[max(len(shape) - 2, 0)], cells * shape[-1]


INITIALISERS = {"zeros": zeros, "normal": normal, "uniform": uniform, "glorot": glorot, "he": he,
                "fan_in": fan_in}


def initialiser(name: str, **options):
    """The initialiser of that name, with its options bound: `initialiser("normal", sd=0.02)`.

    Raises
    ------
    ValueError
        If there is no initialiser of that name.
    """
    if name not in INITIALISERS:
        raise ValueError(f"unknown initialiser {name!r}: known are {', '.join(INITIALISERS)}")
    return partial(INITIALISERS[name], **options) if options else INITIALISERS[name]
