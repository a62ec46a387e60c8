"""Optimisers: plain functions and small states on flat vectors."""

import numpy as np


def sgd(params: np.ndarray, grads: np.ndarray, rate: float) -> None:
    """params -= rate grads, in place. Plain stochastic gradient descent."""
    params -= rate * grads


class Momentum:
    """v = momentum v + grads;   params -= rate v, in place.

    Heavy-ball momentum as Goodfellow et al. use it for their GAN (Algorithm 1) and as PyTorch
    defines it: the rate multiplies the velocity.

    Parameters
    ----------
    size : int
        Number of parameters.
    momentum : float
        In [0, 1); 0 is plain gradient descent.
    dtype : dtype
        That of the parameters.
    """

    def __init__(self, size: int, momentum: float = 0.9, dtype=np.float32):
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum}")
        self.momentum = momentum
        self.velocity = np.zeros(size, dtype)

    def __call__(self, params: np.ndarray, grads: np.ndarray, rate: float) -> None:
        """Take one step, in place."""
        self.velocity *= self.momentum
        self.velocity += grads
        params -= rate * self.velocity
