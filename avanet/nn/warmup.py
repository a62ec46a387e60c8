"""Compile the kernels of layers, losses and optimisers ahead of time."""

from collections.abc import Sequence

import numpy as np

from avanet.nn import (
    OPTIMISERS, BatchNorm, Conv2D, Dropout, LeakyReLU, Logistic, Momentum, Sequential,
)
from avanet.nn.fused import LARGE
from avanet.nn.losses import binary_cross_entropy_from_logits

SIDE = 8  # of the images


def warmup(dtypes: Sequence[str] = ("float32", "float64")) -> None:
    """Train one small network per dtype, for a step of every optimiser.

    Its layers are those that work by compiled kernels, its batch just large enough for them.
    """
    rng = np.random.default_rng(0)
    for dtype in dtypes:
        network = Sequential([Conv2D(1, 4, 3, padding="same"), Conv2D(4, 4, 3, 2, "same"),
                              BatchNorm(4), LeakyReLU(0.2), Dropout(0.5), Logistic()],
                             rng, np.dtype(dtype).type)
        x = np.full((LARGE // SIDE**2, SIDE, SIDE, 1), 0.5, dtype)
        y, caches = network.forward(x, True, rng)
        network.backward(binary_cross_entropy_from_logits(y, y)[1], caches)
        for optimiser in [*(new() for new in OPTIMISERS.values()), Momentum(nesterov=True)]:
            optimiser(network.params, network.grads, 0.0)
