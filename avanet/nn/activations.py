"""Activations: layers without parameters, whose slope is written in terms of their output.

Each has `f(v)`, the function, and `slope(y)`, its derivative a'(v) at y = a(v). As layers they
cache y, and dL/dv = dL/dy a'(v). All but the kinked ones are analytic, so they also take complex
input (for complex-step checks); the kinked ones decide by the real part. Large arrays go through
compiled kernels of the same functions. `Softmax`, each of whose outputs depends on all net inputs,
stands beside the table.
"""

from dataclasses import dataclass

import numpy as np

from avanet.nn.fused import falling, fused, large
from avanet.nn.layers import Layer
from avanet.nn.memory import empty


class Activation(Layer):
    """y = a(v), element by element; dL/dv = dL/dy a'(v) with a' taken from the cached y."""

    def f(self, v):
        """a(v)."""
        raise TypeError(f"{type(self).__name__} defines no function")

    def slope(self, y):
        """a'(v) at y = a(v)."""
        raise TypeError(f"{type(self).__name__} defines no slope")

    def forward(self, x):
        y = self.f(x)
        return y, y

    def propagate(self, dy, y):
        return np.multiply(dy, self.slope(y), out=empty(dy.shape, dy.dtype))


@dataclass
class Identity(Activation):
    """a(v) = v, a' = 1."""

    name = "identity"

    def f(self, v):
        return v

    def slope(self, y):
        return np.ones_like(y)


@dataclass
class Logistic(Activation):
    """a(v) = 1 / (1 + exp(-s (v - m))), a' = s a (1 - a).

    Parameters
    ----------
    s : float
        Slope; AVA's published numbers were made with 1/2.
    m : float
        Midpoint, where a = 1/2; AVA's published numbers were made with 1/2.

    Notes
    -----
    Written with exp(-|u|), which cannot overflow.
    """

    s: float = 1.0
    m: float = 0.0
    name = "logistic"

    def __post_init__(self):
        self.s, self.m = float(self.s), float(self.m)

    def f(self, v):
        u = v if (self.s, self.m) == (1, 0) else self.s * (v - self.m)
        e = falling(u)
        if large(u):
            return fused("squash", u, e)
        return np.where(u.real < 0, e, 1) / (1 + e)

    def slope(self, y):
        return self.s * y * (1 - y)

    def propagate(self, dy, y):
        if large(y):
            return fused("squash_back", dy, y, scalars=(self.s,))
        return super().propagate(dy, y)


@dataclass
class Tanh(Activation):
    """a(v) = tanh(v), a' = 1 - a^2."""

    name = "tanh"

    def f(self, v):
        return np.tanh(v, out=empty(v.shape, v.dtype))

    def slope(self, y):
        slope = np.multiply(y, y, out=empty(y.shape, y.dtype))
        return np.subtract(1, slope, out=slope)


class Rectifier(Activation):
    """a(v) = v for v > 0, alpha v otherwise."""

    alpha: float

    @property
    def tame(self) -> bool:  # type: ignore[override]
        return self.alpha <= 1

    def forward(self, x):
        if large(x):
            y = fused("rectify", x, scalars=(self.alpha,))
            return y, y
        return super().forward(x)

    def propagate(self, dy, y):
        if large(y):
            return fused("rectify_back", dy, y, scalars=(self.alpha,))
        return super().propagate(dy, y)


@dataclass
class LeakyReLU(Rectifier):
    """a(v) = v for v > 0, alpha v otherwise; a' = 1 or alpha. The slope at 0 is taken as alpha.

    Parameters
    ----------
    alpha : float
        Slope on the negative side, positive, so that the sign of y is the sign of v.
    """

    alpha: float = 0.01
    name = "leaky relu"

    def __post_init__(self):
        self.alpha = float(self.alpha)
        if not self.alpha > 0:
            raise ValueError(f"alpha must be positive, got {self.alpha}")

    def f(self, v):
        return np.where(v.real > 0, v, self.alpha * v)

    def slope(self, y):
        return np.where(y.real > 0, y.real.dtype.type(1), y.real.dtype.type(self.alpha))


@dataclass
class ReLU(Rectifier):
    """a(v) = max(v, 0), a' = 1 for v > 0 and 0 otherwise."""

    alpha = 0.0
    name = "relu"

    def f(self, v):
        return np.where(v.real > 0, v, 0 * v)

    def slope(self, y):
        return (y.real > 0).astype(y.real.dtype)


@dataclass
class Softplus(Activation):
    """a(v) = log(1 + exp v), a' = 1 / (1 + exp(-v)) = 1 - exp(-a): a smooth ReLU, positive.

    Written as max(v, 0) + log(1 + exp(-|v|)), which cannot overflow.
    """

    name = "softplus"

    def f(self, v):
        negative = v.real < 0
        return np.where(negative, 0 * v, v) + np.log1p(np.exp(np.where(negative, v, -v)))

    def slope(self, y):
        return -np.expm1(-y)


class Softmax(Layer):
    """y_k = exp v_k / sum_j exp v_j along the last axis: probabilities of classes.

    The cache is y. dy_j/dv_k = y_j ([j = k] - y_k), so each output's error moves every net input:

    dL/dv_k = y_k (dL/dy_k - sum_j y_j dL/dy_j).

    Written with v - max v, which changes nothing and cannot overflow. With a cross-entropy use
    `losses.categorical_cross_entropy_from_logits` instead of both.
    """

    name = "softmax"

    def forward(self, x):
        e = np.exp(x - x.real.max(axis=-1, keepdims=True))
        y = e / e.sum(axis=-1, keepdims=True)
        return y, y

    def propagate(self, dy, y):
        return y * (dy - (y * dy).sum(axis=-1, keepdims=True))


ACTIVATIONS = {a.name: a for a in (Identity, Logistic, Tanh, ReLU, LeakyReLU, Softplus)}
