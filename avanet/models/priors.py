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


def unmixed(z: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(epsilon, components) that `mixture` makes z from, by the component where z is densest.

    Each is turned back to the first: epsilon = ((x - 4) / 1, y / 0.4) of (x, y) = z turned by
    -2 pi k / count. z : (N, n).
    """
    angle = 2 * np.pi * np.arange(count) / count
    along = z[:, :1] * np.cos(angle) + z[:, 1:2] * np.sin(angle)
    across = z[:, 1:2] * np.cos(angle) - z[:, :1] * np.sin(angle)
    epsilon = np.stack([(along - RADIUS) / LENGTH, across / BREADTH], axis=2)
    components = (epsilon**2).sum(axis=2).argmin(axis=1)
    own = epsilon[np.arange(len(z)), components]
    return np.concatenate([own, z[:, 2:]], axis=1), components


PRIORS = {"gaussian": gaussian, "mixture": mixture}
