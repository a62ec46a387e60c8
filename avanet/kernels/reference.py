"""The kernels in NumPy: what the compiled ones are tested against.

A dense layer beside a hidden layer is held as A : (wide, hidden), the hidden units last: A = W for
the layer that leads to them, A = W^T for the layer that leads from them. k pending rank-one updates
X : (K, wide), Y : (K, hidden) make it A + X[:k]^T Y[:k]. Each kernel writes into its last argument
and leaves everything else alone.
"""

import numpy as np


def to_hidden(u, A, v):
    """v += u A.   u : (wide,), v : (hidden,)."""
    v += u @ A


def from_hidden(u, A, v):
    """v += A u.   u : (hidden,), v : (wide,)."""
    v += A @ u


def products(U, A, V):
    """V[:N] = U A, many rows for one pass over A.   U : (N, wide), V : (at least N, hidden)."""
    V[: len(U)] = U @ A


def correct(u, X, Y, k, v):
    """v += (u X[:k]^T) Y[:k]: what the pending updates add to a product with u."""
    v += (X[:k] @ u) @ Y[:k]


def flush(X, Y, k, A):
    """A += X[:k]^T Y[:k], the pending updates in one pass over the weights."""
    A += X[:k].T @ Y[:k]


def logistic(s, m, v):
    """v <- 1 / (1 + exp(-s (v - m))) in place; returns whether every v was finite."""
    finite = bool(np.isfinite(v).all())
    u = s * (v - m)
    e = np.exp(-np.abs(u))
    v[:] = np.where(u < 0, e, 1) / (1 + e)
    return finite


def logistic_slope(y, s, slope):
    """slope = s y (1 - y), the logistic's derivative from its output."""
    slope[:] = s * y * (1 - y)
