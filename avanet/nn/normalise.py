"""Normalisation by the statistics of a batch or of a sample."""

import math

import numpy as np

from avanet.nn.fused import kernel, rows, rowwise
from avanet.nn.layers import Layer
from avanet.nn.shape import sum_to_last


class BatchNorm(Layer):
    """y = gamma u + beta, u = (x - m) / sqrt(v + epsilon), channel by channel.

    x, y : (B, n) or (N, H, W, n); gamma, beta, m, v : (n,). The statistics go over all axes but
    the last, over M = B or N H W values of a channel; with r = 1 / sqrt(v + epsilon),

    dL/dgamma = sum of dy u,   dL/dbeta = sum of dy,   dL/du = gamma dy =: g.

    **In training** m and v are mean and variance (divided by M) of the batch, so x moves them too.
    By each x_i: du_j/dx_i = r ([i = j] - 1/M) + (x_j - m) dr/dx_i, where dv/dx_i = 2 (x_i - m) / M
    gives dr/dx_i = -r^3 (x_i - m) / M, so that du_j/dx_i = r ([i = j] - 1/M - u_j u_i / M), and

    dL/dx_i = r (g_i - mean of g - u_i (mean of g u)).

    The running statistics then move towards those of the batch:

    running_mean = momentum running_mean + (1 - momentum) m,
    running_var = momentum running_var + (1 - momentum) v M / (M - 1).

    **In evaluation** m and v are the running statistics, which x does not move:

    dL/dx = r g.

    A channel of a single value (M = 1) gives u = 0 and no gradient; its running variance moves
    towards 0.

    Parameters
    ----------
    n : int
        Width of a dense layer or number of channels.
    momentum : float
        The share that the running statistics keep, as Keras counts it (its default is 0.99).
        PyTorch counts the share of the batch: its default 0.1 is momentum=0.9 here.
    epsilon : float
        Added to the variance: 1e-5 in PyTorch, 1e-3 in Keras.

    Attributes
    ----------
    running_mean, running_var : (n,) arrays
        Buffers, 0 and 1 before training. The variance is the unbiased one, as in PyTorch; Keras
        leaves out M / (M - 1).

    Notes
    -----
    Source: Ioffe and Szegedy, "Batch Normalization", 2015, Algorithms 1 and 2.
    """

    modal = True
    gamma: np.ndarray
    beta: np.ndarray
    dgamma: np.ndarray
    dbeta: np.ndarray

    def __init__(self, n: int, momentum: float = 0.9, epsilon: float = 1e-5):
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum}")
        self.n, self.momentum, self.epsilon = n, float(momentum), _positive(epsilon)
        self.running_mean, self.running_var = (
            np.broadcast_to(start, n) for start in (0.0, 1.0))  # arrays once bound
        self.name = f"batch norm {n}"

    @property
    def input_shape(self):
        return (..., self.n)

    def shapes(self):
        return {"gamma": (self.n,), "beta": (self.n,)}

    def bind(self, views):
        super().bind(views)
        self.running_mean = self.running_mean.astype(self.gamma.real.dtype)
        self.running_var = self.running_var.astype(self.gamma.real.dtype)

    def initialise(self, rng):
        self.gamma[...], self.beta[...] = 1, 0
        self.running_mean[...], self.running_var[...] = 0, 1

    def buffers(self):
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    def forward(self, x, train=False, rng=None):
        m, v = self._moments(x) if train else (self.running_mean, self.running_var)
        r = 1 / np.sqrt(v + self.epsilon)
        y = rowwise("scale_and_shift", x,
                    vectors=(self.gamma * r, self.beta - self.gamma * r * m))
        return y, (x, m, r, train)

    def accumulate(self, dy, cache, sums=None):
        along, alone = sums or self._sums(dy, cache)
        self.dgamma += along
        self.dbeta += alone

    def propagate(self, dy, cache, sums=None):
        x, m, r, train = cache
        along, alone = sums or self._sums(dy, cache)
        M = _count(x) if train else np.inf
        return rowwise("normal_back", dy, x,
                       vectors=(m, r, self.gamma * r, along / M, alone / M))

    def backward(self, dy, cache):
        sums = self._sums(dy, cache)
        self.accumulate(dy, cache, sums)
        return self.propagate(dy, cache, sums)

    def _sums(self, dy, cache):
        """Sums of dy u and of dy, channel by channel."""
        x, m, r, _ = cache
        along, alone = np.empty_like(self.gamma), np.empty_like(self.gamma)
        kernel("normal_sums", dy)(rows(dy), rows(x), m, r, along, alone)
        return along, alone

    def _moments(self, x):
        """Mean and variance of the batch, which the running ones follow."""
        m, v = np.empty_like(self.gamma), np.empty_like(self.gamma)
        kernel("moments", x)(rows(x), m, v)
        count = _count(x)
        unbiased = count / max(count - 1, 1)
        self.running_mean += (1 - self.momentum) * (m.real - self.running_mean)
        self.running_var += (1 - self.momentum) * (unbiased * v.real - self.running_var)
        return m, v


class LayerNorm(Layer):
    """y = gamma u + beta, u = (x - m) / sqrt(v + epsilon), sample by sample, in both modes.

    x, y : (..., n); gamma, beta : (n,); m, v : (..., 1), mean and variance (divided by n) over the
    last axis: of a dense layer's sample, or of the channels of a pixel (PyTorch's LayerNorm(n),
    Keras's LayerNormalization()). As for `BatchNorm` in training, along the other axis: with
    r = 1 / sqrt(v + epsilon) and g = gamma dy,

    dL/dgamma = sum of dy u,   dL/dbeta = sum of dy,
    dL/dx_i = r (g_i - mean of g - u_i (mean of g u)).

    Parameters
    ----------
    n : int
    epsilon : float
        Added to the variance: 1e-5 in PyTorch, 1e-3 in Keras.

    Notes
    -----
    Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """

    gamma: np.ndarray
    beta: np.ndarray
    dgamma: np.ndarray
    dbeta: np.ndarray

    def __init__(self, n: int, epsilon: float = 1e-5):
        self.n, self.epsilon = n, _positive(epsilon)
        self.name = f"layer norm {n}"

    @property
    def input_shape(self):
        return (..., self.n)

    def shapes(self):
        return {"gamma": (self.n,), "beta": (self.n,)}

    def initialise(self, rng):
        self.gamma[...], self.beta[...] = 1, 0

    def forward(self, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        r = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.epsilon)
        u = centred * r
        return self.gamma * u + self.beta, (u, r)

    def accumulate(self, dy, cache):
        u, _ = cache
        self.dgamma += sum_to_last(dy * u)
        self.dbeta += sum_to_last(dy)

    def propagate(self, dy, cache):
        u, r = cache
        g = self.gamma * dy
        centred = g - g.mean(axis=-1, keepdims=True)
        return r * (centred - u * (g * u).mean(axis=-1, keepdims=True))


def _count(x: np.ndarray) -> int:
    """Number of values of a channel."""
    return math.prod(x.shape[:-1])


def _positive(epsilon: float) -> float:
    if not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    return float(epsilon)
