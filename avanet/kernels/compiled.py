"""The kernels in Numba. See `avanet.kernels.reference` for what each computes.

The weights of the wide layers do not fit the inner caches, so what counts is how often they are
read: four rows of W a pass over v, and pending updates instead of a write per step.
"""

import math

import numpy as np

from avanet.kernels import jit

COLUMNS = 1024  # of W per block in `flush`: K rows of E then stay in the innermost cache


@jit
def affine(x, W, b, X, E, k, v):
    n_in, n_out = W.shape
    v[:] = b
    wide = n_in - n_in % 4
    for i in range(0, wide, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(n_out):
            v[j] += (x0 * W[i, j] + x1 * W[i + 1, j]) + (x2 * W[i + 2, j] + x3 * W[i + 3, j])
    for i in range(wide, n_in):
        x0 = x[i]
        for j in range(n_out):
            v[j] += x0 * W[i, j]
    for row in range(k):
        overlap = x[0] * X[row, 0]
        for i in range(1, n_in):
            overlap += x[i] * X[row, i]
        for j in range(n_out):
            v[j] += overlap * E[row, j]


@jit
def propagate(dv, W, X, E, k, dx):
    n_in, n_out = W.shape
    for i in range(n_in):
        total = dv[0] * W[i, 0]
        for j in range(1, n_out):
            total += dv[j] * W[i, j]
        dx[i] = total
    for row in range(k):
        overlap = dv[0] * E[row, 0]
        for j in range(1, n_out):
            overlap += dv[j] * E[row, j]
        for i in range(n_in):
            dx[i] += overlap * X[row, i]


@jit
def flush(X, E, k, W):
    n_in, n_out = W.shape
    wide = k - k % 4
    for start in range(0, n_out, COLUMNS):
        stop = min(start + COLUMNS, n_out)
        for i in range(n_in):
            for row in range(0, wide, 4):
                x0, x1, x2, x3 = X[row, i], X[row + 1, i], X[row + 2, i], X[row + 3, i]
                for j in range(start, stop):
                    W[i, j] += ((x0 * E[row, j] + x1 * E[row + 1, j])
                                + (x2 * E[row + 2, j] + x3 * E[row + 3, j]))
            for row in range(wide, k):
                x0 = X[row, i]
                for j in range(start, stop):
                    W[i, j] += x0 * E[row, j]


@jit
def logistic(s, m, v):
    one = v.dtype.type(1)
    nothing = v.dtype.type(0)
    for j in range(len(v)):
        nothing += v[j] * v.dtype.type(0)
        v[j] = one / (one + math.exp(-s * (v[j] - m)))
    return not np.isnan(nothing)


@jit
def logistic_slope(y, s, slope):
    one = y.dtype.type(1)
    for j in range(len(y)):
        slope[j] = s * y[j] * (one - y[j])
