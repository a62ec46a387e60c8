"""Patches of images as rows of a matrix, and back: compiled loops beside their NumPy twins.

Patch (i, j) of an image (N, height, width, depth) holds `size` pixels from row i stride - before
and column j stride - before on; what lies outside of the image is zero. The patches of all images
form N x rows lines of `cols` patches, (rows, cols) = grid; `columns` : (lines * cols, kh kw depth)
takes one or more whole lines, from line `first` on. `patches` is `avanet.nn.conv.Patches`, a tuple
of pairs (size, stride, before, grid); arrays are contiguous and of one dtype.

Indices are unsigned, so that the compiler need not allow for those that count from the end.
"""

import numpy as np

from avanet.kernels import jit, pick


@jit
def gather(image, patches, first, columns):
    _, height, width, depth = image.shape
    (kh, kw), (sh, sw), (top, left), (rows, cols) = patches
    pixels, cells = image.reshape(-1), columns.reshape(-1)
    run, zero = np.uintp(kw * depth), image.dtype.type(0)
    to = np.uintp(0)
    for line in range(first, first + len(columns) // cols):
        n, i = line // rows, line % rows
        for j in range(cols):
            x = j * sw - left
            start, stop = min(max(0, -x), kw), max(0, min(kw, width - x))
            for a in range(kh):
                y = i * sh + a - top
                if 0 <= y < height and start < stop:
                    source = np.uintp(((n * height + y) * width + x + start) * depth)
                    inside = np.uintp((stop - start) * depth)
                    edge = np.uintp(start * depth)
                    for c in range(edge):
                        cells[to + c] = zero
                    for c in range(inside):
                        cells[to + edge + c] = pixels[source + c]
                    for c in range(edge + inside, run):
                        cells[to + c] = zero
                else:
                    for c in range(run):
                        cells[to + c] = zero
                to += run


@jit
def scatter(columns, patches, first, image):
    _, height, width, depth = image.shape
    (kh, kw), (sh, sw), (top, left), (rows, cols) = patches
    pixels, cells = image.reshape(-1), columns.reshape(-1)
    run = np.uintp(kw * depth)
    source = np.uintp(0)
    for line in range(first, first + len(columns) // cols):
        n, i = line // rows, line % rows
        for j in range(cols):
            x = j * sw - left
            start, stop = min(max(0, -x), kw), max(0, min(kw, width - x))
            for a in range(kh):
                y = i * sh + a - top
                if 0 <= y < height and start < stop:
                    to = np.uintp(((n * height + y) * width + x + start) * depth)
                    edge = np.uintp(start * depth)
                    for c in range(np.uintp((stop - start) * depth)):
                        pixels[to + c] += cells[source + edge + c]
                source += run


def gather_numpy(image, patches, first, columns):
    """columns = the patches of the lines from `first` on, zero outside of the image."""
    (kh, kw), (sh, sw), (top, left), (_, cols) = patches
    n, i, padded = _lines(image, patches, first, len(columns))
    padded[:, top:top + image.shape[1], left:left + image.shape[2]] = image[n[0]:n[-1] + 1]
    cells = columns.reshape(len(n), cols, kh, kw, -1)
    for a, b in np.ndindex(kh, kw):
        cells[:, :, a, b] = padded[n - n[0], i * sh + a, b:b + sw * cols:sw]


def scatter_numpy(columns, patches, first, image):
    """image += the patches, each pixel the sum of the cells that `gather` fills from it."""
    (kh, kw), (sh, sw), (top, left), (_, cols) = patches
    n, i, padded = _lines(image, patches, first, len(columns))
    cells = columns.reshape(len(n), cols, kh, kw, -1)
    for a, b in np.ndindex(kh, kw):
        padded[n - n[0], i * sh + a, b:b + sw * cols:sw] += cells[:, :, a, b]
    image[n[0]:n[-1] + 1] += padded[:, top:top + image.shape[1], left:left + image.shape[2]]


def _lines(image, patches, first, count):
    """Image and row of each line, and zeros in the place of these images, edges included."""
    size, stride, before, (rows, cols) = patches
    n, i = np.divmod(np.arange(first, first + count // cols), rows)
    edges = [max(m + b, (g - 1) * s + k) for k, s, b, g, m in zip(
        size, stride, before, (rows, cols), image.shape[1:3])]
    return n, i, np.zeros((n[-1] - n[0] + 1, *edges, image.shape[3]), image.dtype)


PAIRS = {"gather": (gather, gather_numpy), "scatter": (scatter, scatter_numpy)}
CONVOLUTION_KERNELS = pick(PAIRS)
