"""How far numbers are from draws of N(0, 1): moments, and the Kolmogorov-Smirnov distance."""

from math import erf, sqrt
from typing import NamedTuple

import numpy as np


class Normality(NamedTuple):
    """Of each dimension, (n,); of N(0, I) these are 0, 1, 0, 0, 0, but for chance."""

    mean: np.ndarray
    sd: np.ndarray
    skewness: np.ndarray
    kurtosis: np.ndarray  # in excess of a normal one's 3
    distance: np.ndarray


def normality(z: np.ndarray) -> Normality:
    """m, s, E[u^3], E[u^4] - 3 with u = (z - m) / s, and sup_t |F(t) - Phi(t)|, column by column.

    F is the share of values up to t: the Kolmogorov-Smirnov distance from N(0, 1), which also sees
    a wrong mean or scale. z : (N, n).
    """
    z = np.asarray(z, np.float64)
    m, s = z.mean(axis=0), z.std(axis=0)
    u = (z - m) / np.where(s > 0, s, 1)
    return Normality(m, s, (u**3).mean(axis=0), (u**4).mean(axis=0) - 3,
                     np.array([_distance(column) for column in z.T]))


def _distance(z: np.ndarray) -> float:
    """sup_t |F(t) - Phi(t)|: it is reached at a value, from the left or from the right."""
    N = len(z)
    phi = np.array([(1 + erf(value / sqrt(2))) / 2 for value in np.sort(z).tolist()])
    k = np.arange(N)
    return float(max((phi - k / N).max(), ((k + 1) / N - phi).max()))
