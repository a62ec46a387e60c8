"""MNIST-like digits, drawn by avanet: pen strokes over control points that wander.

Every class has a few ways of writing it; a way is a list of strokes, a stroke a list of control
points joined by a Catmull-Rom curve. A digit takes one way, moves its points, slants, turns and
stretches them, fits the result into 20 x 20 pixels about its centre of mass (as MNIST does) and
inks what lies within half the pen's width of the curve.

The random bits come straight from the bit generator, whose stream NumPy keeps from version to
version. The arithmetic is +, -, *, / and the square root on single float64 values, each rounded as
IEEE 754 says, and sums that are exact before they are rounded: the same digits anywhere, bit for
bit.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avanet.data.arrays import write_set
from avanet.errors import InputError

Floats = NDArray[np.float64]
Stroke = tuple[tuple[float, float], ...]

FILE = "digits.npz"
SIDE = 28          # pixels
BOX = 20.0         # pixels, the longer side of a digit with an average pen
STEPS = 6          # straight pieces between two control points
N_TRAIN, N_TEST = 2000, 500
DRAWS = 96         # random numbers for one digit
EDGE = 1.4         # pixels over which ink fades

# Control points (x to the right, y downwards) in a unit square; a point given twice is a corner.
WAYS: tuple[tuple[tuple[Stroke, ...], ...], ...] = (
    (  # 0
        (((.60, .03), (.24, .12), (.08, .52), (.30, .95), (.68, .94), (.92, .50), (.72, .07),
          (.42, .02)),),
        (((.56, .02), (.32, .10), (.22, .50), (.38, .95), (.62, .95), (.78, .50), (.64, .08),
          (.42, .03)),),
        (((.74, .12), (.36, .02), (.06, .50), (.32, .98), (.82, .86), (.94, .34), (.62, .02),
          (.40, .16)),),
    ),
    (  # 1
        (((.50, .0), (.50, .34), (.50, .67), (.50, 1.)),),
        (((.50, .0), (.52, .5), (.50, 1.)),),
        (((.28, .22), (.42, .12), (.54, .0), (.54, .0), (.53, .5), (.52, 1.)),),
        (((.30, .20), (.44, .10), (.54, .0), (.54, .0), (.53, .5), (.52, .98)),
         ((.28, .99), (.52, .98), (.78, .99))),
    ),
    (  # 2
        (((.14, .24), (.30, .04), (.62, .02), (.82, .22), (.70, .50), (.40, .78), (.12, .98),
          (.12, .98), (.50, .96), (.90, .97)),),
        (((.16, .20), (.42, .0), (.76, .10), (.78, .38), (.56, .66), (.26, .92), (.12, .84),
          (.28, .74), (.52, .90), (.76, 1.), (.94, .88)),),
        (((.20, .14), (.50, .0), (.80, .16), (.72, .46), (.46, .74), (.20, .98), (.20, .98),
          (.50, .90), (.86, .98)),),
    ),
    (  # 3
        (((.16, .14), (.42, .0), (.74, .08), (.78, .30), (.42, .47), (.42, .47), (.80, .58),
          (.84, .84), (.52, 1.), (.14, .88)),),
        (((.18, .04), (.48, .04), (.82, .02), (.82, .02), (.62, .22), (.44, .42), (.44, .42),
          (.78, .52), (.84, .80), (.54, 1.), (.16, .92)),),
        (((.22, .10), (.52, .0), (.76, .16), (.66, .38), (.40, .46), (.68, .52), (.82, .74),
          (.62, .96), (.30, .99), (.14, .86)),),
    ),
    (  # 4
        (((.20, .04), (.16, .30), (.14, .52), (.14, .52), (.48, .54), (.86, .50)),
         ((.72, .02), (.70, .35), (.67, .68), (.65, 1.))),
        (((.62, .0), (.40, .32), (.10, .66), (.10, .66), (.50, .66), (.92, .65)),
         ((.70, .22), (.67, .60), (.64, 1.))),
        (((.22, .08), (.18, .36), (.34, .52), (.60, .46), (.78, .28), (.80, .06), (.80, .06),
          (.76, .40), (.72, .70), (.66, 1.)),),
    ),
    (  # 5
        (((.82, .02), (.52, .04), (.26, .04), (.26, .04), (.22, .24), (.18, .44), (.18, .44),
          (.50, .36), (.82, .52), (.82, .82), (.50, 1.), (.12, .90)),),
        (((.30, .06), (.26, .24), (.22, .44), (.22, .44), (.54, .40), (.80, .60), (.70, .90),
          (.42, 1.), (.14, .90)), ((.30, .06), (.58, .05), (.86, .0))),
        (((.90, .0), (.60, .06), (.40, .08), (.40, .08), (.30, .26), (.24, .42), (.48, .44),
          (.66, .60), (.62, .84), (.40, .98), (.12, .94)),),
    ),
    (  # 6
        (((.66, .0), (.40, .16), (.20, .44), (.14, .76), (.36, .99), (.68, .94), (.80, .72),
          (.62, .54), (.36, .58), (.18, .78)),),
        (((.46, .0), (.28, .28), (.20, .62), (.30, .92), (.56, 1.), (.78, .84), (.72, .62),
          (.48, .56), (.26, .70)),),
        (((.84, .04), (.50, .10), (.24, .38), (.12, .72), (.30, .98), (.60, .94), (.72, .74),
          (.54, .60), (.32, .66), (.20, .84)),),
    ),
    (  # 7
        (((.12, .08), (.46, .06), (.84, .04), (.84, .04), (.66, .38), (.50, .70), (.38, 1.)),),
        (((.14, .20), (.18, .05), (.50, .06), (.86, .04), (.86, .04), (.70, .36), (.56, .68),
          (.50, 1.)),),
        (((.12, .06), (.48, .07), (.84, .03), (.84, .03), (.64, .40), (.50, .70), (.40, 1.)),
         ((.30, .52), (.54, .50), (.80, .46))),
        (((.10, .14), (.40, .02), (.72, .10), (.76, .34), (.62, .68), (.50, 1.)),),
    ),
    (  # 8
        (((.74, .10), (.46, .0), (.24, .18), (.38, .40), (.66, .58), (.76, .82), (.50, 1.),
          (.22, .84), (.34, .58), (.64, .40), (.78, .18), (.66, .05)),),
        (((.54, .48), (.28, .32), (.34, .06), (.64, .02), (.76, .26), (.54, .48), (.26, .66),
          (.26, .92), (.54, 1.), (.78, .84), (.70, .60), (.50, .46)),),
        (((.82, .06), (.50, .02), (.28, .18), (.40, .40), (.58, .60), (.60, .88), (.38, 1.),
          (.22, .82), (.40, .56), (.62, .34), (.84, .08)),),
    ),
    (  # 9
        (((.78, .16), (.50, .02), (.22, .16), (.22, .40), (.48, .50), (.76, .32), (.80, .12),
          (.80, .12), (.76, .55), (.72, 1.)),),
        (((.76, .22), (.58, .02), (.28, .08), (.20, .34), (.44, .48), (.70, .36), (.78, .14),
          (.80, .44), (.72, .80), (.46, 1.), (.20, .92)),),
        (((.74, .10), (.42, .04), (.22, .26), (.36, .46), (.64, .36), (.76, .08), (.66, .42),
          (.52, .72), (.40, 1.)),),
    ),
)


def draw_digits(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw `n` digits: images (n, 28, 28), white ink (255) on black (0), and their classes (n,).

    Classes, ways of writing and pens are drawn independently for each digit; the first digits of
    a longer set are those of a shorter one. Raises `InputError` when `n` is negative.
    """
    if n < 0:
        raise InputError(f"expected a number of digits of at least 0, got {n}")
    bits = np.random.PCG64(seed)
    images = np.empty((n, SIDE, SIDE), np.uint8)
    labels = np.empty(n, np.int64)
    for i in range(n):
        labels[i], curve = _write(bits.random_raw(DRAWS))
        images[i] = _ink(*curve)
    return images, labels


def write_digits(folder: str | Path) -> Path:
    """Write the bundled set, 2,000 digits to train on and 500 to test on, as `digits.npz`.

    Makes the folder if need be; returns the file's path. Raises `InputError` when it cannot be
    written.
    """
    x_train, y_train = draw_digits(N_TRAIN, seed=0)
    x_test, y_test = draw_digits(N_TEST, seed=1)
    return write_set(Path(folder, FILE), x_train=x_train, y_train=y_train.astype(np.uint8),
                     x_test=x_test, y_test=y_test.astype(np.uint8))


def _write(raw: NDArray[np.uint64]) -> tuple[int, tuple[Floats, Floats, Floats]]:
    """One digit: its class, and its curve as pieces (from, to, half the pen's width)."""
    label = int(raw[0] % 10)
    strokes = WAYS[label][int(raw[1] % len(WAYS[label]))]
    draws = iter((raw[2:] >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1)  # in [-1, 1)
    pen = 1.2 + .3 * _hill(draws)
    swell = .3 * next(draws)
    size = BOX - 1 + next(draws) - 2 * pen
    curves = [_smooth(_wander(stroke, draws)) for stroke in strokes]
    pieces = np.stack([np.concatenate([curve[:-1] for curve in curves]),
                       np.concatenate([curve[1:] for curve in curves])])
    pieces = _deform(pieces, draws)
    pieces = pieces * size / (pieces.max((0, 1)) - pieces.min((0, 1))).max()
    margin = pen + 2
    start, end = pieces + np.clip(SIDE / 2 - _centre(*pieces), margin - pieces.min((0, 1)),
                                  SIDE - margin - pieces.max((0, 1)))
    along = np.arange(len(start)) / len(start)
    return label, (start, end, pen * (1 + swell * (1 - 2 * along)))


def _hill(draws: Iterator[float]) -> float:
    """From -2 to 2, most often about 0."""
    return next(draws) + next(draws)


def _wander(stroke: Stroke, draws: Iterator[float]) -> Floats:
    """The control points, each moved a little; a corner stays one."""
    points: list[Floats] = []
    for previous, point in zip((None, *stroke), stroke):
        if point == previous:
            points.append(points[-1])
        else:
            points.append(np.array(point) + .046 * np.array([_hill(draws), _hill(draws)]))
    return np.array(points)


def _deform(points: Floats, draws: Iterator[float]) -> Floats:
    """Bend, widen, slant and turn; the turn by tan(angle / 2) = tilt needs no sine."""
    tilt, slant, width = .11 * _hill(draws), .10 + .24 * _hill(draws), .92 + .13 * _hill(draws)
    bend_x, bend_y = .10 * next(draws), .10 * next(draws)
    x, y = points[..., 0] - .5, points[..., 1] - .5
    x, y = x + bend_x * (1 - 4 * y * y), y + bend_y * (1 - 4 * x * x)
    x = width * x - slant * y
    cos, sin = (1 - tilt * tilt) / (1 + tilt * tilt), 2 * tilt / (1 + tilt * tilt)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _centre(start: Floats, end: Floats) -> Floats:
    """The centre of mass of a curve."""
    lengths = np.sqrt((end[:, 0] - start[:, 0])**2 + (end[:, 1] - start[:, 1])**2)
    middles = (start + end) / 2
    return np.array([math.fsum(lengths * middle) for middle in middles.T]) / math.fsum(lengths)


def _smooth(points: Floats) -> Floats:
    """The Catmull-Rom curve through the points, in straight pieces; a point twice is a corner."""
    result = [points[:1]]
    t = (np.arange(1, STEPS + 1) / STEPS)[:, None]
    for i in range(len(points) - 1):
        a, b = points[i], points[i + 1]
        if np.array_equal(a, b):
            continue
        before, after = points[max(i - 1, 0)], points[min(i + 2, len(points) - 1)]
        in_, out = (b - before) / 2, (after - a) / 2
        result.append(a + t * (in_ + t * ((3 * (b - a) - 2 * in_ - out)
                                          + t * (in_ + out - 2 * (b - a)))))
    return np.concatenate(result)


def _ink(start: Floats, end: Floats, radius: Floats) -> NDArray[np.uint8]:
    """The image of the pieces: full ink within the radius, fading at its edge."""
    centres = np.arange(SIDE) + .5
    px, py = centres[None, :, None], centres[:, None, None]
    dx, dy = end[:, 0] - start[:, 0], end[:, 1] - start[:, 1]
    x, y = px - start[:, 0], py - start[:, 1]
    along = np.clip((x * dx + y * dy) / np.maximum(dx * dx + dy * dy, 1e-12), 0, 1)
    x, y = x - along * dx, y - along * dy
    cover = (radius - np.sqrt(x * x + y * y)).max(axis=2) / EDGE + .5
    return np.rint(np.clip(cover, 0, 1) * 255).astype(np.uint8)
