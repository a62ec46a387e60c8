"""Start values of weights: functions of a generator, a shape (fan_in, fan_out) and a dtype."""

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
    return uniform(rng, shape, dtype, np.sqrt(6 / (shape[0] + shape[-1])))


INITIALISERS = {"zeros": zeros, "normal": normal, "uniform": uniform, "glorot": glorot}


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
