"""Numbers of single images and of the classes that a classifier sees in them."""

import math

import numpy as np


def squared_error(x: np.ndarray, x_: np.ndarray) -> np.ndarray:
    """mean over pixels and channels of (x - x')^2, one value an image: (N,).

    x, x_ : (N, H, W, C) in [0, 1].
    """
    difference = np.asarray(x, np.float64) - x_
    return (difference * difference).reshape(len(x), -1).mean(axis=1)


def sharpness(x: np.ndarray) -> np.ndarray:
    """var(L), L = x_N + x_S + x_W + x_E - 4 x: the variance of the Laplacian, one an image: (N,).

    Of the mean over channels, at the pixels that have four neighbours. High for sharp edges and
    for noise, low for blur. x : (N, H, W, C), H, W > 2. Source: Pech-Pacheco et al., "Diatom
    autofocusing in brightfield microscopy: a comparative study", 2000.
    """
    grey = np.asarray(x, np.float64).mean(axis=3)
    laplacian = (grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
                 - 4 * grey[:, 1:-1, 1:-1])
    return laplacian.reshape(len(x), -1).var(axis=1)


def pooled(x: np.ndarray, side: int = 8) -> np.ndarray:
    """The means over side x side areas of equal size, as features of an image: (N, side side C).

    What an image is like without its details, where there is no classifier to give features.
    x : (N, H, W, C); a side of fewer pixels keeps them all.
    """
    means = np.asarray(x, np.float64)
    for axis in (1, 2):
        n = means.shape[axis]
        starts = np.arange(min(side, n)) * n // min(side, n)
        areas = np.diff(np.append(starts, n)).reshape(-1, *[1] * (3 - axis))
        means = np.add.reduceat(means, starts, axis=axis) / areas
    return means.reshape(len(means), -1)


def class_shares(labels: np.ndarray, classes: int) -> np.ndarray:
    """p_k, the share of each class among the labels: (K,).   labels : (N,) int below K."""
    return np.bincount(labels, minlength=classes) / len(labels)


def entropy(p: np.ndarray) -> float:
    """H = -sum_k p_k log p_k, nats: log K if all classes are as frequent, 0 if all are one."""
    return float(-(p * np.log(np.where(p > 0, p, 1))).sum())


def kl_to_uniform(p: np.ndarray) -> float:
    """KL(p || uniform) = log K - H(p): 0 without mode collapse, log K if only one mode is left."""
    return math.log(len(p)) - entropy(p)


def modes(p: np.ndarray) -> int:
    """How many classes occur at least a tenth as often as if all were equally frequent.

    A classifier's stray errors do not make a mode.
    """
    return int((p >= 0.1 / len(p)).sum())
