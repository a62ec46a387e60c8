"""The bundled pictures: a balloon at varying places over a valley, drawn in integer arithmetic.

Whole numbers throughout, and random bits straight from the bit generator, whose stream (unlike that
of the methods of `numpy.random.Generator`) NumPy keeps from version to version: the same pictures
anywhere, bit for bit.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avanet.errors import InputError

Ints = NDArray[np.int64]

FILES = tuple(f"{i:02}.png" for i in range(1, 37))
WIDTH, HEIGHT = 1600, 1024  # of the scene, in its own units
SAMPLES = 4                 # per pixel and axis, averaged
RADIUS = 180                # of the balloon

# Name: colours where the shade is 0 and where it is 255.
PALETTE = {
    "sky": ((157, 199, 124), (241, 252, 191)),
    "cloud": ((241, 252, 191), (242, 255, 216)),
    "sun": ((255, 250, 180), (255, 250, 180)),
    "far": ((179, 209, 144), (210, 230, 168)),
    "middle": ((137, 179, 113), (180, 208, 139)),
    "middle fir": ((73, 123, 70), (137, 179, 113)),
    "near": ((89, 156, 75), (159, 195, 119)),
    "near fir": ((0, 74, 14), (89, 156, 75)),
    "field": ((72, 123, 62), (219, 216, 138)),
    "meadow": ((34, 103, 8), (154, 203, 73)),
    "red": ((84, 44, 24), (212, 35, 27)),
    "orange": ((84, 44, 24), (255, 141, 37)),
    "navy": ((40, 24, 60), (8, 54, 179)),
    "azure": ((40, 24, 60), (93, 159, 255)),
    "basket": ((73, 30, 21), (73, 30, 21)),
}
LIVERIES = (("red", "orange"), ("navy", "azure"))


def draw_orbit(n: int = 36, size: tuple[int, int] = (100, 64), seed: int = 0) -> NDArray[np.uint8]:
    """Draw `n` pictures, (n, height, width, 3) in 0..255: one landscape, one balloon in each.

    `size` is (width, height); `seed` decides the landscape, the places and the colours. The first
    pictures of a longer set are those of a shorter one.
    """
    bits = np.random.PCG64(seed)
    x, y = _axis(WIDTH, size[0])[None, :], _axis(HEIGHT, size[1])[:, None]
    landscape = _landscape(x, y, bits)
    low = (RADIUS - 10, RADIUS - 10, 0)
    high = (WIDTH - RADIUS + 10, HEIGHT - 2 * RADIUS + 10, len(LIVERIES))
    pictures = np.empty((n, size[1], size[0], 3), np.uint8)
    for picture, (centre_x, centre_y, livery) in zip(pictures, _draw(bits, low, high, n, 3)):
        canvas = landscape.copy()
        _balloon(canvas, x - centre_x, y - centre_y, LIVERIES[livery])
        picture[:] = _average(canvas, size)
    return pictures


def write_orbit(folder: str | Path) -> None:
    """Write the bundled set, `01.png` to `36.png`, into a folder that holds nothing else.

    Raises `InputError` when the folder holds other files or cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted({path.name for path in folder.iterdir()} - set(FILES))
        if others:
            raise InputError(f"expected an empty folder for the images, {folder} holds {others[0]}:"
                             " name a new folder")
        for name, picture in zip(FILES, draw_orbit(len(FILES))):
            Image.fromarray(picture).save(folder / name, optimize=True)
    except OSError as error:
        raise InputError(f"cannot write the images to {folder} ({error.strerror or error}):"
                         " name a folder that can be written") from error


def _axis(units: int, pixels: int) -> Ints:
    """The scene coordinates of the sample points along one axis."""
    samples = SAMPLES * pixels
    return (2 * np.arange(samples) + 1) * units // (2 * samples)


def _average(canvas: Ints, size: tuple[int, int]) -> Ints:
    """The mean over each pixel's samples, rounded to the nearest whole number."""
    width, height = size
    total = canvas.reshape(height, SAMPLES, width, SAMPLES, 3).sum((1, 3))
    return (2 * total + SAMPLES**2) // (2 * SAMPLES**2)


def _draw(bits: np.random.PCG64, low, high, *shape: int) -> Ints:
    """Random whole numbers from `low` up to, but not including, `high`."""
    raw = bits.random_raw(int(np.prod(shape))).reshape(shape)
    return low + (raw % np.subtract(high, low).astype(np.uint64)).astype(np.int64)


def _mix(a: Ints, b: Ints, t: Ints) -> Ints:
    """From a (t = 0) to b (t = 255)."""
    return a + (b - a) * t // 255


def _cell(v: Ints, length: int) -> tuple[Ints, Ints]:
    """The cell that `v` lies in, and how far in: 0 to 255 along the smooth step 3t^2 - 2t^3."""
    t = v % length
    return v // length, 255 * t * t * (3 * length - 2 * t) // length**3


def _curve(x: Ints, knots: Ints) -> Ints:
    """A smooth curve through knots spread evenly over the scene's width."""
    i, t = _cell(x, -(-WIDTH // (len(knots) - 1)))
    return _mix(knots[i], knots[i + 1], t)


def _noise(x: Ints, y: Ints, bits: np.random.PCG64, width: int, height: int) -> Ints:
    """Value noise, 0 to 255: random values at the corners of cells, smooth steps between them."""
    corners = _draw(bits, 0, 256, HEIGHT // height + 2, WIDTH // width + 2)
    (i, s), (j, t) = _cell(y, height), _cell(x, width)
    upper = _mix(corners[i, j], corners[i, j + 1], t)
    lower = _mix(corners[i + 1, j], corners[i + 1, j + 1], t)
    return _mix(upper, lower, s)


def _paint(canvas: Ints, where: NDArray[np.bool_], colour: str, shade: Ints) -> None:
    """Fill the samples of `where` with a colour of the palette, shaded from 0 to 255."""
    dark, light = np.array(PALETTE[colour])
    level = np.broadcast_to(np.clip(shade, 0, 255), where.shape)[where]
    canvas[where] = _mix(dark, light, level[:, None])


def _landscape(x: Ints, y: Ints, bits: np.random.PCG64) -> Ints:
    """Sky, sun and clouds, three ridges, two of them with firs, a ploughed field and a meadow."""
    canvas = np.zeros((y.size, x.size, 3), np.int64)
    _paint(canvas, (x >= 0) & (y >= 0), "sky", y * 255 // 420)
    cloud = _noise(x, y, bits, 240, 44)
    _paint(canvas, cloud > 150, "cloud", (cloud - 150) * 3)
    _paint(canvas, (x - 1180)**2 + (y - 190)**2 < 84**2, "sun", y)
    crest = _curve(x, _draw(bits, 260, 380, 9))
    _paint(canvas, y > crest, "far", y - crest)
    _wooded_ridge(canvas, x, y, bits, "middle", _draw(bits, 380, 500, 8), 44, 100)
    _wooded_ridge(canvas, x, y, bits, "near", _draw(bits, 530, 680, 6), 34, 230)
    depth = y - _curve(x, _draw(bits, 700, 790, 5))
    furrow = (x - 620) * 260 // np.maximum(depth + 50, 1) % 150
    shade = abs(furrow - 75) * 4 - 20 + _noise(x, y, bits, 24, 12) // 3
    _paint(canvas, depth > 0, "field", shade)
    blade = _draw(bits, 0, 120, WIDTH // 12 + 1)[x // 12]
    edge = _curve(x, _draw(bits, 890, 970, 9))
    _paint(canvas, y > edge - blade, "meadow", blade + 930 - y)
    return canvas


def _wooded_ridge(canvas: Ints, x: Ints, y: Ints, bits: np.random.PCG64, name: str, knots: Ints,
                  firs: int, height: int) -> None:
    """Firs of up to `height` units, and before their feet a grassy ridge through the knots."""
    trees = _draw(bits, (0, height * 2 // 3, 0), (WIDTH, height, 200), firs, 3)
    for foot, tall, shade in trees:
        up = _curve(foot, knots) + 14 - y
        tier = tall // 4
        reach = (2 * (tall - up) + 3 * (tier - up % tier)) // 9
        fir = (up > 0) & (up < tall) & (abs(x - foot) < reach)
        _paint(canvas, fir, name + " fir", shade + 2 * (x - foot))
    grass = _noise(x, y, bits, 60, 18) - 128
    depth = y - _curve(x, knots)
    _paint(canvas, depth > 0, name, depth + grass * 3 // 4)


def _balloon(canvas: Ints, x: Ints, y: Ints, livery: tuple[str, str]) -> None:
    """A striped balloon about (0, 0), lit from the left, tapering to ropes and a basket."""
    r = RADIUS
    taper = np.maximum(8 * r // 10 - (y - 6 * r // 10) * 3 // 4, 1)
    half_squared = np.where(y < 6 * r // 10, r**2 - y**2, taper**2)
    envelope = (x**2 < half_squared) & (y < 14 * r // 10)
    gore = sum(49 * x**2 > q**2 * half_squared for q in (1, 3, 5))
    for parity, colour in enumerate(livery):
        _paint(canvas, envelope & (gore % 2 == parity), colour, 240 - (x + r) * 60 // r)
    ropes = (abs(abs(x) - r // 5) < 6) & (y >= 14 * r // 10) & (y < 16 * r // 10)
    basket = (abs(x) < r // 4) & (y >= 16 * r // 10) & (y < 2 * r)
    _paint(canvas, ropes | basket, "basket", y)
