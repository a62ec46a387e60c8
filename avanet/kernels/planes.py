"""Convolutions of stride 1 as sums of shifted planes: compiled loops beside their NumPy twins.

The channels of an image are laid out as planes: the rows of each one after the other, `pitch`
pixels apart, in zeros. A step of the kernel to the right is then a shift of all the plane by one, a
step down by `pitch`. With x_t the plane of x that belongs to t = (channel, row, column), shifted,

    y_f = b_f + sum over t of w_f(t) x_t,    w_f(t) += <y_f, x_t>

are a convolution and its derivative: sums and products of vectors of all pixels of an image, or of
several small ones below each other. What lies between rows and images of y is computed for nothing.

Four planes of y and three shifts at a time keep twelve weights, or twelve sums, in registers;
`PIECE` pixels at a time keep y in the innermost cache.

Images x, y are (N, H, W, C). `planes` and `sums`, of x and of y, are workspaces (C, pixels) for
`group` images each; pixel (i, j) of image n lies at n step + i pitch + j there, in `planes` behind
`before`. `place` is (before, pitch, step, group, shifts). w : (F, T), b : (F,) and shifts : (T,)
have a multiple of three columns; F may be more than the channels of y. All arrays are contiguous,
of one dtype but for the shifts.

Indices are unsigned where the compiler would else allow for those that count from the end.
"""

import numpy as np

from avanet.kernels import jit, jit_inner, pick

PIECE = 512


@jit
def correlate(x, place, w, b, planes, sums, y):
    before, pitch, step, group, shifts = place
    height, images = y.shape[1], len(x)
    planes[:] = 0
    for first in range(0, images, group):
        count = min(group, images - first)
        for n in range(count):
            to_planes(x[first + n], before + n * step, pitch, planes)
        pixels = (count - 1) * step + height * pitch
        for start in range(0, pixels, PIECE):
            stop = min(start + PIECE, sums.shape[1])
            for f in range(len(sums)):
                sums[f, start:stop] = b[f]
            add_shifted(planes.reshape(-1), shifts, w, start, stop, sums)
        for n in range(count):
            from_planes(sums, n * step, pitch, y[first + n])


@jit
def add_products(x, place, y, planes, sums, w):
    before, pitch, step, group, shifts = place
    height, images = y.shape[1], len(x)
    planes[:] = 0
    for first in range(0, images, group):
        count = min(group, images - first)
        sums[:] = 0
        for n in range(count):
            to_planes(x[first + n], before + n * step, pitch, planes)
            to_planes(y[first + n], n * step, pitch, sums)
        pixels = (count - 1) * step + height * pitch
        for start in range(0, pixels, PIECE):
            add_dots(planes.reshape(-1), shifts, sums, start, min(start + PIECE, sums.shape[1]), w)


@jit_inner
def to_planes(image, start, pitch, planes):
    height, width, depth = image.shape
    pixels, cells, plane = image.reshape(-1), planes.reshape(-1), np.uintp(planes.shape[1])
    for i in range(height):
        source, to = np.uintp(i * width * depth), np.uintp(start + i * pitch)
        for c in range(np.uintp(depth)):
            for j in range(np.uintp(width)):
                cells[to + c * plane + j] = pixels[source + j * np.uintp(depth) + c]


@jit_inner
def from_planes(planes, start, pitch, image):
    height, width, depth = image.shape
    pixels, cells, plane = image.reshape(-1), planes.reshape(-1), np.uintp(planes.shape[1])
    for i in range(height):
        to, source = np.uintp(i * width * depth), np.uintp(start + i * pitch)
        for c in range(np.uintp(depth)):
            for j in range(np.uintp(width)):
                pixels[to + j * np.uintp(depth) + c] = cells[source + c * plane + j]


@jit_inner
def add_shifted(x, shifts, w, start, stop, y):
    """y_f += sum over t of w_f(t) x_t, from pixel `start` to `stop`."""
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
def add_dots(x, shifts, y, start, stop, w):
    """w_f(t) += <y_f, x_t> from pixel `start` to `stop`."""
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


def correlate_numpy(x, place, w, b, planes, sums, y):
    """y_f = b_f + sum over t of w_f(t) x_t, image by image."""
    for image, result in zip(x, y):
        sums[:] = w @ _shifted(image, place, planes, sums) + b[:, None]
        result[:] = _rows(sums, 0, place[1], result)


def add_products_numpy(x, place, y, planes, sums, w):
    """w_f(t) += <y_f, x_t>, summed over all images."""
    for image, result in zip(x, y):
        sums[:] = 0
        _rows(sums, 0, place[1], result)[:] = result
        w += sums @ _shifted(image, place, planes, sums).T


def _shifted(image, place, planes, sums):
    """All x_t of an image, (T, pixels)."""
    before, pitch, _, _, shifts = place
    planes[:] = 0
    _rows(planes, before, pitch, image)[:] = image
    return planes.reshape(-1)[shifts[:, None] + np.arange(sums.shape[1])]


def _rows(planes, start, pitch, image):
    """The place of an image in its planes, (H, W, C)."""
    height, width, depth = image.shape
    lines = planes[:depth, start:start + height * pitch].reshape(depth, height, pitch)
    return lines[:, :, :width].transpose(1, 2, 0)


PAIRS = {"correlate": (correlate, correlate_numpy),
         "add_products": (add_products, add_products_numpy)}
PLANE_KERNELS = pick(PAIRS)
