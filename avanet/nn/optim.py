"""Optimisers: plain functions and small states on flat vectors."""

import numpy as np


def sgd(params: np.ndarray, grads: np.ndarray, rate: float) -> None:
    """params -= rate grads, in place. Plain stochastic gradient descent."""
    params -= float(rate) * grads


class Momentum:
    """v = momentum v + grads;   params -= rate v, in place.

    Heavy-ball momentum as Goodfellow et al. use it for their GAN (Algorithm 1) and as PyTorch
    defines it: the rate multiplies the velocity.

    Parameters
    ----------
    momentum : float
        In [0, 1); 0 is plain gradient descent.

    Attributes
    ----------
    velocity : array or None
        v, of the parameters' shape and dtype; zero before the first step.
    """

    def __init__(self, momentum: float = 0.9):
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum}")
        self.momentum = float(momentum)
        self.velocity: np.ndarray | None = None

    def __call__(self, params: np.ndarray, grads: np.ndarray, rate: float) -> None:
        """Take one step, in place."""
        if self.velocity is None:
            self.velocity = np.zeros_like(params)
        self.velocity *= self.momentum
        self.velocity += grads
        params -= float(rate) * self.velocity
