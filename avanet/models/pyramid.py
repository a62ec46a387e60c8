"""The Laplacian pyramid: an image as its coarsest copy and the details of every finer level."""

import numpy as np

from avanet.nn import AveragePool2D, Upsample2D

DOWN, UP = AveragePool2D(2), Upsample2D(2, "bilinear")


def down(images: np.ndarray) -> np.ndarray:
    """d(I): the mean of every 2x2 pixels.   (N, H, W, C) to (N, H/2, W/2, C)."""
    return DOWN.forward(images)[0]


def up(images: np.ndarray) -> np.ndarray:
    """u(I): twice as high and wide, interpolated."""
    return UP.forward(images)[0]


def pyramid(images: np.ndarray, levels: int) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """(h_k, l_k) from the finest level to the coarsest: h_k = I_k - l_k, l_k = u(I_{k+1}),
    I_{k+1} = d(I_k); of the coarsest (I_K, None).

    Source: Burt and Adelson, "The Laplacian pyramid as a compact image code", 1983; d and u as
    simple as they can be.
    """
    parts: list[tuple[np.ndarray, np.ndarray | None]] = []
    for _ in range(levels - 1):
        coarser = down(images)
        below = up(coarser)
        parts.append((images - below, below))
        images = coarser
    return [*parts, (images, None)]
