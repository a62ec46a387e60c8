"""Priors of codes that are given by draws alone."""

import numpy as np

RADIUS, LENGTH, BREADTH = 4.0, 1.0, 0.4  # of a petal: where it is, and its standard deviations


def gaussian(epsilon: np.ndarray, components: np.ndarray, count: int) -> np.ndarray:
    """z = epsilon, N(0, I); it has no components."""
    return epsilon


def mixture(epsilon: np.ndarray, components: np.ndarray, count: int) -> np.ndarray:
    """z from the components of a mixture of `count` Gaussians: petals around the origin.

    In the first two values, component k is N((4, 0), diag(1, 0.4^2)) turned by 2 pi k / count about
    the origin; the other values are N(0, 1). epsilon ~ N(0, I) : (N, n), components : (N,).

    Source: after Makhzani et al., 2015, Figs. 2 and 4, who print no numbers.
    """
    angle = 2 * np.pi * components / count
    along, across = RADIUS + LENGTH * epsilon[:, 0], BREADTH * epsilon[:, 1]
    turned = (along * np.cos(angle) - across * np.sin(angle),
              along * np.sin(angle) + across * np.cos(angle))
    return np.concatenate([np.stack(turned, axis=1).astype(epsilon.dtype), epsilon[:, 2:]], axis=1)


PRIORS = {"gaussian": gaussian, "mixture": mixture}
