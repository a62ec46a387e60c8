"""Dropout."""

import numpy as np

from avanet.nn.fused import flat, kernel
from avanet.nn.layers import Layer
from avanet.nn.memory import empty


class Dropout(Layer):
    """y = k x in training, k = 1 / (1 - rate) with probability 1 - rate, else 0; otherwise y = x.

    Every value draws its own k from the generator that the forward pass is given. The mean of k is
    1, so evaluation needs no scale (inverted dropout, as in Keras and PyTorch). The cache is k, or
    None in evaluation; dL/dx = k dL/dy.

    Parameters
    ----------
    rate : float
        Probability that a value is dropped, in [0, 1).

    Notes
    -----
    Source: Srivastava et al., "Dropout", 2014.
    """

    modal = True

    def __init__(self, rate: float):
        if not 0 <= rate < 1:
            raise ValueError(f"the rate of dropout must lie in [0, 1), got {rate}")
        self.rate = float(rate)
        self.name = f"dropout {self.rate:g}"

    def forward(self, x, train=False, rng=None):
        if not train:
            return x, None
        if rng is None:
            raise ValueError(f"{self.name} draws in training: forward(x, train=True, rng=...) "
                             "takes a numpy.random.Generator")
        real = x.real.dtype
        k, y = empty(x.shape, real), empty(x.shape, x.dtype)
        rng.random(dtype=real, out=k)
        kernel("drop", x)(flat(x), real.type(self.rate), real.type(1 / (1 - self.rate)),
                          flat(k), flat(y))
        return y, k

    def propagate(self, dy, k):
        return dy if k is None else np.multiply(k, dy, out=empty(dy.shape, dy.dtype))
