"""Simple faces with known factors, drawn in whole numbers: every combination of the factors once.

A face is a stack of ellipses and bands on a canvas of colours by number; each pixel is the mean of
its samples. Nothing is random but which faces are kept for testing, and that comes straight from
the bit generator: the same faces anywhere, bit for bit.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avanet.data.arrays import write_set
from avanet.errors import InputError

Ints = NDArray[np.int64]

FILE = "faces.npz"
SIDE = 64
SAMPLES = 3   # per pixel and axis, averaged
UNITS = 1024  # of the scene's own, a side

FACTORS = {"skin": 5, "hair": 5, "glasses": 3, "mouth": 5, "pose": 5}  # name -> how many values
N_TEST = 275  # of the 1875

SKINS = ((255, 224, 196), (236, 188, 148), (205, 150, 106), (150, 98, 64), (94, 60, 40))
SHADES = tuple(tuple(8 * channel // 10 for channel in skin) for skin in SKINS)  # nose and ears
COLOURS = {"ground": (120, 160, 190), "shirt": (70, 90, 130), "hair": (72, 44, 28),
           "white": (245, 245, 245), "dark": (30, 26, 24), "lip": (176, 60, 64)}
PAINTS = ("ground", "shirt", "hair", "white", "dark", "lip", "skin", "shade")


def draw_faces(factors: Ints) -> NDArray[np.uint8]:
    """Draw the faces of factors (N, 5), the columns as in `FACTORS`: (N, 64, 64, 3) in 0..255.

    skin     from light to dark
    hair     from none to long
    glasses  none, clear ones, sunglasses
    mouth    from sad to glad
    pose     from looking to the left to looking to the right

    Raises `InputError` for values that are not there.
    """
    factors = np.asarray(factors, np.int64).reshape(-1, len(FACTORS))
    if (factors < 0).any() or (factors >= tuple(FACTORS.values())).any():
        raise InputError("expected factors below " + ", ".join(
            f"{count} ({name})" for name, count in FACTORS.items()))
    samples = SAMPLES * SIDE
    axis = (2 * np.arange(samples) + 1) * UNITS // (2 * samples)
    images = np.empty((len(factors), SIDE, SIDE, 3), np.uint8)
    for image, (skin, *rest) in zip(images, factors.tolist()):
        palette = np.array([*COLOURS.values(), SKINS[skin], SHADES[skin]])
        fine = palette[_face(axis[None, :], axis[:, None], *rest)]
        total = fine.reshape(SIDE, SAMPLES, SIDE, SAMPLES, 3).sum((1, 3))
        image[:] = (2 * total + SAMPLES**2) // (2 * SAMPLES**2)
    return images


def all_factors() -> Ints:
    """Every combination of the factors, (1875, 5), the last column changing fastest."""
    return np.stack(np.unravel_index(np.arange(np.prod([*FACTORS.values()])),
                                     tuple(FACTORS.values())), axis=1)


def write_faces(folder: str | Path) -> Path:
    """Write the bundled set, 1,600 faces to train on and 275 to test on, as `faces.npz`.

    Makes the folder if need be; returns the file's path. Raises `InputError` when it cannot be
    written.
    """
    factors = all_factors()
    test = np.zeros(len(factors), bool)
    test[np.argsort(np.random.PCG64(0).random_raw(len(factors)))[:N_TEST]] = True
    images, labels = draw_faces(factors), factors.astype(np.uint8)
    return write_set(Path(folder, FILE), x_train=images[~test], y_train=labels[~test],
                     x_test=images[test], y_test=labels[test],
                     latents_names=np.array([*FACTORS]))


def _face(x: Ints, y: Ints, hair: int, glasses: int, mouth: int, pose: int) -> Ints:
    """Which of `PAINTS` each sample has."""
    turn = pose - FACTORS["pose"] // 2
    canvas = np.zeros((y.size, x.size), np.int64)

    def paint(colour: str, where) -> None:
        canvas[where] = PAINTS.index(colour)

    head = _ellipse(x - 512, y - 500, 250, 330)
    if hair:
        long = 270 + 135 * hair
        paint("hair", _ellipse(x - 512 + 20 * turn, y - 450, 310, 350) & (y < long)
              | (abs(x - 512 + 20 * turn) < 300) & (y > 440) & (y < long))
    paint("shirt", _ellipse(x - 512, y - 1060, 420, 200))
    paint("shade", (abs(x - 512) < 85) & (y > 700) & (y < 900))
    for side in (-1, 1):
        paint("shade", _ellipse(x - 512 - side * 255 + 22 * turn, y - 520, 45, 75))
    paint("skin", head)
    if hair:
        paint("hair", head & (y < 210 + 26 * hair + (x - 512)**2 // 2400))
    middle = 512 + 44 * turn  # of what is in the face
    for side in (-1, 1):
        eye = middle + side * (110 - (8 * turn * side if turn * side > 0 else 0))
        paint("white", _ellipse(x - eye, y - 460, 52, 36))
        paint("dark", _ellipse(x - eye - 8 * turn, y - 460, 24, 26))
        paint("dark", (abs(x - eye) < 62) & (abs(y - 395) < 11))
        if glasses == 1:
            paint("dark", _ellipse(x - eye, y - 462, 98, 84) & ~_ellipse(x - eye, y - 462, 80, 66))
        if glasses == 2:
            paint("dark", _ellipse(x - eye, y - 466, 100, 84))
    if glasses:
        paint("dark", (abs(x - middle) < 40) & (abs(y - 445) < 12))
    paint("shade", _ellipse(x - middle - 14 * turn, y - 570, 34, 62))
    curve = 690 + (mouth - 2) * (30 - 60 * (x - middle)**2 // 110**2)
    paint("lip", (abs(x - middle) < 110) & (abs(y - curve) < 22))
    return canvas


def _ellipse(x: Ints, y: Ints, a: int, b: int) -> NDArray[np.bool_]:
    """Where x^2 / a^2 + y^2 / b^2 < 1."""
    return (b * x)**2 + (a * y)**2 < (a * b)**2
