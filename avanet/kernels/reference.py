"""The kernels in NumPy: what the compiled ones are tested against.

A dense layer with delayed updates holds W : (n_in, n_out), b : (n_out,) and k pending rank-one
updates X : (K, n_in), E : (K, n_out); its weights are W + X[:k]^T E[:k]. Each kernel writes into
its last argument and leaves everything else alone.
"""

import numpy as np


def affine(x, W, b, X, E, k, v):
    """v = x (W + X[:k]^T E[:k]) + b.   x : (n_in,), v : (n_out,)."""
    v[:] = x @ W + (X[:k] @ x) @ E[:k] + b


def propagate(dv, W, X, E, k, dx):
    """dx = (W + X[:k]^T E[:k]) dv.   dv : (n_out,), dx : (n_in,)."""
    dx[:] = W @ dv + (E[:k] @ dv) @ X[:k]


def flush(X, E, k, W):
    """W += X[:k]^T E[:k], the pending updates in one pass over the weights."""
    W += X[:k].T @ E[:k]


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
