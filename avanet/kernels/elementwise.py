"""What a layer does value by value, in one pass: compiled loops beside their NumPy twins.

Arrays are contiguous and of one dtype, flat unless a shape is given; scalars are of that dtype.
Each kernel writes into its last arguments and leaves the others alone. The NumPy twins also take
complex numbers, whose real part decides.
"""

import math

import numpy as np

from avanet.kernels import jit, jit_inner, pick
from avanet.kernels.compiled import exp_series

ROWS = 64     # of a block whose sums are taken in the arrays' own dtype
FACTORS = 64  # between 1 and 2 each: their product is far from overflow
PART = 1024   # values whose exponents are held at a time


@jit
def rectify(x, alpha, y):
    for i in range(len(x)):
        v = x[i]
        y[i] = v if v > 0 else alpha * v


@jit
def rectify_back(dy, y, alpha, dx):
    for i in range(len(y)):
        dx[i] = dy[i] if y[i] > 0 else alpha * dy[i]


@jit
def falling(x, y):
    if x.itemsize == 4:
        falling_in_vectors(x, y)
    else:
        for i in range(len(x)):
            y[i] = math.exp(-abs(x[i]))


@jit_inner
def falling_in_vectors(x, y):
    """In float32: exp(-u) = 2^-k exp(r), |r| <= ln 2 / 2, without a call for each value."""
    zero, half, last = np.float32(0), np.float32(0.5), np.float32(87)
    log2_e, ln_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)
    bits = np.empty(PART, np.int32)
    powers = bits.view(np.float32)
    for start in range(0, len(x), PART):
        v, e = x[start:start + PART], y[start:start + PART]
        for j in range(len(v)):
            u = abs(v[j])
            k = np.int32(np.floor((u if u < last else last) * log2_e + half))  # of a NaN too
            bits[j] = (127 - k) << 23
        for j in range(len(v)):
            u = abs(v[j])
            r = np.float32(127 - (bits[j] >> 23)) * ln_2 - u
            e[j] = zero if u > last else exp_series(r) * powers[j]


@jit
def total(x):
    value = x.dtype.type(0)
    for i in range(len(x)):
        value += x[i]
    return value


@jit
def squash(x, e, y):
    one = x.dtype.type(1)
    for i in range(len(x)):
        y[i] = (e[i] if x[i] < 0 else one) / (one + e[i])


@jit
def drop(x, rate, scale, k, y):
    zero = x.dtype.type(0)
    for i in range(len(x)):
        kept = scale if k[i] >= rate else zero
        k[i] = kept
        y[i] = kept * x[i]


@jit
def squash_back(dy, y, s, dx):
    one = y.dtype.type(1)
    for i in range(len(y)):
        dx[i] = dy[i] * (s * y[i] * (one - y[i]))


@jit
def cross_entropy(v, e, target, share, dv):
    zero, one = v.dtype.type(0), v.dtype.type(1)
    total = 0.0
    for start in range(0, len(v), FACTORS):
        stop = min(start + FACTORS, len(v))
        linear, factors = zero, one
        for i in range(start, stop):
            linear += (v[i] if v[i] > 0 else zero) - target[i] * v[i]
        for i in range(start, stop):
            factors *= one + e[i]
        for i in range(start, stop):
            dv[i] = ((e[i] if v[i] < 0 else one) / (one + e[i]) - target[i]) * share
        total += linear + math.log(factors)
    return total


@jit
def moments(x, mean, var):
    rows, n = x.shape
    total, square = np.zeros(n, x.dtype), np.zeros(n, x.dtype)
    centre = np.zeros(n, np.float64)   # of all rows so far; var holds their squares around it
    spread = np.zeros(n, np.float64)
    for start in range(0, rows, ROWS):
        stop = min(start + ROWS, rows)
        count = stop - start
        total[:], square[:] = 0, 0
        for i in range(start, stop):
            for j in range(n):
                total[j] += x[i, j]
        for j in range(n):
            total[j] /= count
        for i in range(start, stop):
            for j in range(n):
                off = x[i, j] - total[j]
                square[j] += off * off
        part = count / stop
        for j in range(n):
            step = total[j] - centre[j]
            centre[j] += step * part
            spread[j] += square[j] + step * step * part * start
    for j in range(n):
        mean[j], var[j] = centre[j], spread[j] / rows


@jit
def scale_and_shift(x, a, b, y):
    rows, n = x.shape
    for i in range(rows):
        for j in range(n):
            y[i, j] = a[j] * x[i, j] + b[j]


@jit
def normal_sums(dy, x, mean, r, along, sums):
    rows, n = x.shape
    with_u, alone = np.zeros(n, x.dtype), np.zeros(n, x.dtype)
    far, near = np.zeros(n, np.float64), np.zeros(n, np.float64)
    for start in range(0, rows, ROWS):
        with_u[:], alone[:] = 0, 0
        for i in range(start, min(start + ROWS, rows)):
            for j in range(n):
                alone[j] += dy[i, j]
                with_u[j] += dy[i, j] * ((x[i, j] - mean[j]) * r[j])
        for j in range(n):
            far[j] += with_u[j]
            near[j] += alone[j]
    for j in range(n):
        along[j], sums[j] = far[j], near[j]


@jit
def normal_back(dy, x, mean, r, a, along, sums, dx):
    rows, n = x.shape
    for i in range(rows):
        for j in range(n):
            u = (x[i, j] - mean[j]) * r[j]
            dx[i, j] = a[j] * (dy[i, j] - sums[j] - u * along[j])


def rectify_numpy(x, alpha, y):
    """y = x where x > 0, alpha x elsewhere."""
    y[:] = np.where(x.real > 0, x, alpha * x)


def rectify_back_numpy(dy, y, alpha, dx):
    """dx = dy where y > 0, alpha dy elsewhere."""
    dx[:] = np.where(y.real > 0, dy, alpha * dy)


def falling_numpy(x, y):
    """y = exp(-|x|), which cannot overflow; of a complex number, |x| by the sign of x.real."""
    if x.dtype.kind == "c":
        y[:] = np.where(x.real < 0, x, -x)
    else:
        np.negative(np.abs(x, out=y), out=y)
    np.exp(y, out=y)


def total_numpy(x):
    """The sum of all values."""
    return x.sum()


def squash_numpy(x, e, y):
    """y = 1 / (1 + exp(-x)), e = exp(-|x|) given."""
    y[:] = np.where(x.real < 0, e, 1) / (1 + e)


def squash_back_numpy(dy, y, s, dx):
    """dx = dy (s y (1 - y))."""
    dx[:] = dy * (s * y * (1 - y))


def drop_numpy(x, rate, scale, k, y):
    """y = k x, k = scale where the draw in k is at least the rate, else 0."""
    k[:] = np.where(k >= rate, scale, 0)
    y[:] = k * x


def cross_entropy_numpy(v, e, target, share, dv):
    """dv = (1 / (1 + exp(-v)) - target) share, e = exp(-|v|) given.

    Returns the sum of log(1 + exp v) - target v = max(v, 0) - target v + log(1 + e). The compiled
    one takes the logarithm of products of 1 + e.
    """
    dv[:] = (np.where(v.real < 0, e, 1) / (1 + e) - target) * share
    return (np.where(v.real < 0, 0 * v, v) - target * v + np.log1p(e)).sum()


def moments_numpy(x, mean, var):
    """Mean and variance (divided by M) of each column of x : (M, n)."""
    mean[:] = x.sum(axis=0, dtype=_wide(x)) / len(x)
    var[:] = ((x - mean) * (x - mean)).sum(axis=0, dtype=_wide(x)) / len(x)


def scale_and_shift_numpy(x, a, b, y):
    """y = a x + b.   x, y : (M, n), a, b : (n,)."""
    y[:] = a * x + b


def normal_sums_numpy(dy, x, mean, r, along, sums):
    """along = column sums of dy u, u = (x - mean) r;   sums = column sums of dy."""
    along[:] = (dy * ((x - mean) * r)).sum(axis=0, dtype=_wide(x))
    sums[:] = dy.sum(axis=0, dtype=_wide(x))


def normal_back_numpy(dy, x, mean, r, a, along, sums, dx):
    """dx = a (dy - sums - u along), u = (x - mean) r.   dy, x, dx : (M, n), the others (n,)."""
    dx[:] = a * (dy - sums - (x - mean) * r * along)


def _wide(x):
    """What sums of many values are taken in."""
    return np.result_type(x, np.float64)


PAIRS = {
    "rectify": (rectify, rectify_numpy),
    "rectify_back": (rectify_back, rectify_back_numpy),
    "falling": (falling, falling_numpy),
    "total": (total, total_numpy),
    "squash": (squash, squash_numpy),
    "squash_back": (squash_back, squash_back_numpy),
    "drop": (drop, drop_numpy),
    "cross_entropy": (cross_entropy, cross_entropy_numpy),
    "moments": (moments, moments_numpy),
    "scale_and_shift": (scale_and_shift, scale_and_shift_numpy),
    "normal_sums": (normal_sums, normal_sums_numpy),
    "normal_back": (normal_back, normal_back_numpy),
}
ELEMENTWISE_KERNELS = pick(PAIRS)
