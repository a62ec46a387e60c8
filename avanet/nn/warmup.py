"""Compile the kernels of layers, losses and optimisers ahead of time."""

import numpy as np

from avanet.nn import OPTIMISERS
from avanet.nn.activations import LeakyReLU, Logistic
from avanet.nn.conv import Conv2D
from avanet.nn.dropout import Dropout
from avanet.nn.fused import LARGE
from avanet.nn.losses import binary_cross_entropy_from_logits
from avanet.nn.network import Sequential
from avanet.nn.normalise import BatchNorm

SIDE = 8  # of the images


def warmup(dtypes=("float32", "float64")) -> None:
    """Train one small network per dtype, for a step of every optimiser.

    Its layers are those that work by compiled kernels, its batch just large enough for them.
    """
    rng = np.random.default_rng(0)
    for dtype in dtypes:
        network = Sequential([Conv2D(1, 1, 3, padding="same"), BatchNorm(1), LeakyReLU(),
                              Dropout(0.5), Logistic()], rng, dtype)
        x = np.full((LARGE // SIDE**2, SIDE, SIDE, 1), 0.5, dtype)
        y, caches = network.forward(x, True, rng)
        network.backward(binary_cross_entropy_from_logits(y, x)[1], caches)
        for optimiser in OPTIMISERS.values():
            optimiser()(network.params, network.grads, 0.0)
