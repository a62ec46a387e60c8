"""Convolutions of stride 1 as sums of shifted planes: compiled loops beside their NumPy twins.

The channels of an image are laid out as planes: the rows of each one after the other, `pitch`
pixels apart, in zeros. A step of the kernel to the right is then a shift of all the plane by one, a
step down by `pitch`. With x_t the plane of x that belongs to t = (channel, row, column), shifted,

    y_f = sum over t of w_f(t) x_t,    w_f(t) += <y_f, x_t>

are a convolution and its derivative: sums and products of vectors of all pixels of an image. What
lies between the end of a row of y and the next is computed for nothing.

Four planes of y and three shifts at a time keep twelve weights, or twelve sums, in registers;
`PIECE` pixels at a time keep y in the innermost cache.

Images x, y are (N, H, W, C). `planes` and `sums`, of x and of y, are workspaces (C, pixels) that
`Layout` measures. Pixel (i, j) of x lies in its plane at i pitch + j + `before`. `w` : (F, T) and
`shifts` : (T,) have a multiple of three columns; F may be more than the channels of y. All arrays
are contiguous, of one dtype but for the shifts.
"""

import numpy as np

from avanet.kernels import jit, jit_inner, pick

PIECE = 512


@jit
def correlate(x, before, pitch, shifts, w, planes, sums, y):
    planes[:] = 0
    for n in range(len(x)):
        to_planes(x[n], before, pitch, planes)
        sums[:] = 0
        for start in range(0, sums.shape[1], PIECE):
            add_shifted(planes.reshape(-1), shifts, w, start, sums)
        from_planes(sums, pitch, y[n])


@jit
def add_products(x, before, pitch, shifts, y, planes, sums, w):
    planes[:] = 0
    sums[:] = 0
    for n in range(len(x)):
        to_planes(x[n], before, pitch, planes)
        to_planes(y[n], 0, pitch, sums)
        for start in range(0, sums.shape[1], PIECE):
            add_dots(planes.reshape(-1), shifts, sums, start, w)


@jit_inner
def to_planes(image, before, pitch, planes):
    """As many rows as the planes have place for."""
    height, width, depth = image.shape
    for i in range(min(height, (planes.shape[1] - before) // pitch)):
        start = before + i * pitch
        for c in range(depth):
            row = planes[c, start:start + width]
            for j in range(len(row)):
                row[j] = image[i, j, c]


@jit_inner
def from_planes(planes, pitch, image):
    height, width, depth = image.shape
    for i in range(height):
        for c in range(depth):
            row = planes[c, i * pitch:i * pitch + width]
            for j in range(len(row)):
                image[i, j, c] = row[j]


@jit_inner
def add_shifted(x, shifts, w, start, y):
    """y_f += sum over t of w_f(t) x_t, for a piece from `start` on."""
    stop = min(start + PIECE, y.shape[1])
    fours = len(y) - len(y) % 4
    for f in range(0, fours, 4):
        y0, y1 = y[f, start:stop], y[f + 1, start:stop]
        y2, y3 = y[f + 2, start:stop], y[f + 3, start:stop]
        a, b, c, d = w[f], w[f + 1], w[f + 2], w[f + 3]
        for t in range(0, len(shifts), 3):
            x0, x1, x2 = x[shifts[t] + start:], x[shifts[t + 1] + start:], x[shifts[t + 2] + start:]
            a0, a1, a2, b0, b1, b2 = a[t], a[t + 1], a[t + 2], b[t], b[t + 1], b[t + 2]
            c0, c1, c2, d0, d1, d2 = c[t], c[t + 1], c[t + 2], d[t], d[t + 1], d[t + 2]
            for i in range(len(y0)):
                u, v, z = x0[i], x1[i], x2[i]
                y0[i] = ((y0[i] + a0 * u) + a1 * v) + a2 * z
                y1[i] = ((y1[i] + b0 * u) + b1 * v) + b2 * z
                y2[i] = ((y2[i] + c0 * u) + c1 * v) + c2 * z
                y3[i] = ((y3[i] + d0 * u) + d1 * v) + d2 * z
    for f in range(fours, len(y)):
        y0, a = y[f, start:stop], w[f]
        for t in range(0, len(shifts), 3):
            x0, x1, x2 = x[shifts[t] + start:], x[shifts[t + 1] + start:], x[shifts[t + 2] + start:]
            a0, a1, a2 = a[t], a[t + 1], a[t + 2]
            for i in range(len(y0)):
                y0[i] = ((y0[i] + a0 * x0[i]) + a1 * x1[i]) + a2 * x2[i]


@jit_inner
def add_dots(x, shifts, y, start, w):
    """w_f(t) += <y_f, x_t> over a piece from `start` on."""
    stop = min(start + PIECE, y.shape[1])
    fours = len(y) - len(y) % 4
    for f in range(0, fours, 4):
        y0, y1 = y[f, start:stop], y[f + 1, start:stop]
        y2, y3 = y[f + 2, start:stop], y[f + 3, start:stop]
        a, b, c, d = w[f], w[f + 1], w[f + 2], w[f + 3]
        for t in range(0, len(shifts), 3):
            x0, x1, x2 = x[shifts[t] + start:], x[shifts[t + 1] + start:], x[shifts[t + 2] + start:]
            a0, a1, a2, b0, b1, b2 = a[t], a[t + 1], a[t + 2], b[t], b[t + 1], b[t + 2]
            c0, c1, c2, d0, d1, d2 = c[t], c[t + 1], c[t + 2], d[t], d[t + 1], d[t + 2]
            for i in range(len(y0)):
                u, v, z = x0[i], x1[i], x2[i]
                e0, e1, e2, e3 = y0[i], y1[i], y2[i], y3[i]
                a0 += e0 * u
                a1 += e0 * v
                a2 += e0 * z
                b0 += e1 * u
                b1 += e1 * v
                b2 += e1 * z
                c0 += e2 * u
                c1 += e2 * v
                c2 += e2 * z
                d0 += e3 * u
                d1 += e3 * v
                d2 += e3 * z
            a[t], a[t + 1], a[t + 2], b[t], b[t + 1], b[t + 2] = a0, a1, a2, b0, b1, b2
            c[t], c[t + 1], c[t + 2], d[t], d[t + 1], d[t + 2] = c0, c1, c2, d0, d1, d2
    for f in range(fours, len(y)):
        y0, a = y[f, start:stop], w[f]
        for t in range(0, len(shifts), 3):
            x0, x1, x2 = x[shifts[t] + start:], x[shifts[t + 1] + start:], x[shifts[t + 2] + start:]
            a0, a1, a2 = a[t], a[t + 1], a[t + 2]
            for i in range(len(y0)):
                e0 = y0[i]
                a0 += e0 * x0[i]
                a1 += e0 * x1[i]
                a2 += e0 * x2[i]
            a[t], a[t + 1], a[t + 2] = a0, a1, a2


def correlate_numpy(x, before, pitch, shifts, w, planes, sums, y):
    """y_f = sum over t of w_f(t) x_t, image by image."""
    for image, result in zip(x, y):
        sums[:] = w @ _shifted(image, before, pitch, shifts, planes, sums)
        result[:] = _rows(sums, 0, pitch, result)


def add_products_numpy(x, before, pitch, shifts, y, planes, sums, w):
    """w_f(t) += <y_f, x_t>, summed over all images."""
    for image, result in zip(x, y):
        sums[:] = 0
        _rows(sums, 0, pitch, result)[:] = result
        w += sums @ _shifted(image, before, pitch, shifts, planes, sums).T


def _shifted(image, before, pitch, shifts, planes, sums):
    """All x_t of an image, (T, pixels)."""
    planes[:] = 0
    rows = _rows(planes, before, pitch, image)
    rows[:] = image[:len(rows)]
    return planes.reshape(-1)[shifts[:, None] + np.arange(sums.shape[1])]


def _rows(planes, before, pitch, image):
    """The place of an image in its planes, (rows, W, C)."""
    height, width, depth = image.shape
    height = min(height, (planes.shape[1] - before) // pitch)
    lines = planes[:depth, before:before + height * pitch].reshape(depth, height, pitch)
    return lines[:, :, :width].transpose(1, 2, 0)


PAIRS = {"correlate": (correlate, correlate_numpy),
         "add_products": (add_products, add_products_numpy)}
PLANE_KERNELS = pick(PAIRS)
