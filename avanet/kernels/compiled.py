"""The kernels in Numba. See `avanet.kernels.reference` for what each computes.

The weights of the wide layers do not fit the inner caches, so what counts is how often they are
read: four rows a pass over the hidden units, and many images or updates for each row.
"""

import math

import numpy as np

from avanet.kernels import jit, jit_inner


@jit
def to_hidden(u, A, v):
    n_wide, n_hidden = A.shape
    whole = n_wide - n_wide % 4
    for i in range(0, whole, 4):
        u0, u1, u2, u3 = u[i], u[i + 1], u[i + 2], u[i + 3]
        A0, A1, A2, A3 = A[i], A[i + 1], A[i + 2], A[i + 3]
        for j in range(n_hidden):
            v[j] += (u0 * A0[j] + u1 * A1[j]) + (u2 * A2[j] + u3 * A3[j])
    for i in range(whole, n_wide):
        u0 = u[i]
        for j in range(n_hidden):
            v[j] += u0 * A[i, j]


@jit
def from_hidden(u, A, v):
    """Four rows of A at a time."""
    n_wide, n_hidden = A.shape
    whole = n_wide - n_wide % 4
    for i in range(0, whole, 4):
        A0, A1, A2, A3 = A[i], A[i + 1], A[i + 2], A[i + 3]
        v0, v1, v2, v3 = v[i], v[i + 1], v[i + 2], v[i + 3]
        for j in range(n_hidden):
            u0 = u[j]
            v0 += u0 * A0[j]
            v1 += u0 * A1[j]
            v2 += u0 * A2[j]
            v3 += u0 * A3[j]
        v[i], v[i + 1], v[i + 2], v[i + 3] = v0, v1, v2, v3
    for i in range(whole, n_wide):
        total = v[i]
        for j in range(n_hidden):
            total += u[j] * A[i, j]
        v[i] = total


@jit
def products(U, A, V):
    """Two rows of U and four of A at a time: what is loaded is used at once for both.

    The two are half of U apart: the compiler then sees that what is written does not overlap.
    """
    n_wide, n_hidden = A.shape
    N, whole, half = len(U), n_wide - n_wide % 4, len(U) // 2
    for row in range(N):
        for j in range(n_hidden):
            V[row, j] = 0
    for i in range(0, whole, 4):
        A0, A1, A2, A3 = A[i], A[i + 1], A[i + 2], A[i + 3]
        for row in range(half):
            u, w = U[row], U[row + half]
            u0, u1, u2, u3 = u[i], u[i + 1], u[i + 2], u[i + 3]
            w0, w1, w2, w3 = w[i], w[i + 1], w[i + 2], w[i + 3]
            y, z = V[row], V[row + half]
            for j in range(n_hidden):
                a0, a1, a2, a3 = A0[j], A1[j], A2[j], A3[j]
                y[j] += (u0 * a0 + u1 * a1) + (u2 * a2 + u3 * a3)
                z[j] += (w0 * a0 + w1 * a1) + (w2 * a2 + w3 * a3)
    for row in range(N):
        for i in range(0 if row >= 2 * half else whole, n_wide):
            u0 = U[row, i]
            for j in range(n_hidden):
                V[row, j] += u0 * A[i, j]


@jit
def correct(u, X, Y, k, v):
    for row in range(k):
        x, y = X[row], Y[row]
        overlap = u[0] * x[0]
        for i in range(1, len(u)):
            overlap += u[i] * x[i]
        for j in range(len(v)):
            v[j] += overlap * y[j]


@jit
def flush(X, Y, k, A):
    """Two rows of A and four updates at a time."""
    n_wide, n_hidden = A.shape
    whole, even = k - k % 4, n_wide - n_wide % 2
    for i in range(0, even, 2):
        a, b = A[i], A[i + 1]
        for row in range(0, whole, 4):
            x0, x1, x2, x3 = X[row, i], X[row + 1, i], X[row + 2, i], X[row + 3, i]
            w0, w1, w2, w3 = X[row, i + 1], X[row + 1, i + 1], X[row + 2, i + 1], X[row + 3, i + 1]
            Y0, Y1, Y2, Y3 = Y[row], Y[row + 1], Y[row + 2], Y[row + 3]
            for j in range(n_hidden):
                y0, y1, y2, y3 = Y0[j], Y1[j], Y2[j], Y3[j]
                a[j] += (x0 * y0 + x1 * y1) + (x2 * y2 + x3 * y3)
                b[j] += (w0 * y0 + w1 * y1) + (w2 * y2 + w3 * y3)
    for i in range(n_wide):
        for row in range(0 if i >= even else whole, k):
            x0 = X[row, i]
            for j in range(n_hidden):
                A[i, j] += x0 * Y[row, j]


@jit_inner
def exp_series(r):
    """exp(r) in float32 for |r| <= ln 2 / 2."""
    one = np.float32(1)
    series = one + r * np.float32(1 / 7)
    series = one + r * series * np.float32(1 / 6)
    series = one + r * series * np.float32(1 / 5)
    series = one + r * series * np.float32(1 / 4)
    series = one + r * series * np.float32(1 / 3)
    series = one + r * series * np.float32(0.5)
    return one + r * series


@jit
def logistic(s, m, v):
    one, nothing = v.dtype.type(1), v.dtype.type(0)
    for j in range(len(v)):
        nothing += v[j] * v.dtype.type(0)
    if v.itemsize == 4:
        logistic_in_vectors(s, m, v)
    else:
        for j in range(len(v)):
            v[j] = one / (one + math.exp(-s * (v[j] - m)))
    return not np.isnan(nothing)


@jit_inner
def logistic_in_vectors(s, m, v):
    """In float32: exp(u) = 2^k exp(r), r = u - k ln 2 with |r| <= ln 2 / 2 by its series.

    2^k is k + 127 as the exponent's bits, infinite for k = 128. There is no call, so that eight
    values are worked on at once.
    """
    one, half, low, high = np.float32(1), np.float32(0.5), np.float32(-87), np.float32(89)
    log2_e, ln_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)
    bits = np.empty(len(v), np.int32)
    for j in range(len(v)):
        u = s * (m - v[j])
        u = u if u > low else low  # NaN too
        u = u if u < high else high
        v[j] = u
        bits[j] = (np.int32(np.floor(u * log2_e + half)) + 127) << 23
    powers = bits.view(np.float32)
    for j in range(len(v)):
        r = v[j] - np.float32((bits[j] >> 23) - 127) * ln_2
        v[j] = one / (one + exp_series(r) * powers[j])


@jit
def logistic_slope(y, s, slope):
    one = y.dtype.type(1)
    for j in range(len(y)):
        slope[j] = s * y[j] * (one - y[j])
