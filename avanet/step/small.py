"""A model and data small enough to be read number by number."""

import math

import numpy as np
from PIL import Image

from avanet import data
from avanet.ava.model import AVA
from avanet.ava.protocol import Protocol
from avanet.errors import InputError

TEACHING = Protocol(start="glorot", s=1.0, m=0.0, order="simultaneous", channels="joint")
LARGEST = 4096  # parameters of a network that a person can still look at


def small_model(name: str, net: str = "4-3-2", rules: str = "printed", rate: float = 0.5,
                seed: int = 0) -> AVA:
    """An AVA model with plain logistic units, random start values and simultaneous updates.

    Parameters
    ----------
    net : str
        "m-hidden-n": inputs, hidden units of every network, dimension of z.

    Raises
    ------
    InputError
        If `net` is not of this form, or too large to be looked at.
    """
    m, hidden, n = widths(net)
    if (m + 2 * n) * hidden > LARGEST:
        raise InputError(f"net {net} has too many weights to be stepped through; "
                         f"keep (m + 2 n) x hidden below {LARGEST}")
    return AVA(name, latent_dim=n, hidden_dim=hidden, rules=rules, rate=rate, protocol=TEACHING,
               dtype="float64", random_state=seed)


def widths(net: str) -> tuple[int, int, int]:
    """(m, hidden, n) from "4-3-2"."""
    parts = net.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and 0 < int(part[:6]) < 10**5
                                  for part in parts):
        raise InputError(f"net is given as m-hidden-n, as in 4-3-2; got {net!r}")
    m, hidden, n = map(int, parts)
    return m, hidden, n


def reduced(name: str, m: int) -> np.ndarray:
    """Images as gray pictures of m pixels: (N, m) float64 in [0, 1].

    They are averaged down to the most nearly square h x w = m, then stretched so that the darkest
    and the brightest pixel of all become 0.05 and 0.95.
    """
    gray = data.load(name).pixels.mean(axis=3)
    h, w = grid(m)
    small = np.stack([np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BOX))
                      for image in gray]).astype(np.float64).reshape(len(gray), m)
    low, high = small.min(), small.max()
    return 0.05 + 0.9 * (small - low) / (high - low) if high > low else small


def grid(m: int) -> tuple[int, int]:
    """(h, w) with h w = m, as nearly square as m allows, h <= w."""
    h = next(h for h in range(math.isqrt(m), 0, -1) if m % h == 0)
    return h, m // h


def one_sample(text: str, m: int) -> np.ndarray:
    """(1, m) from "0.2,0.7,..."."""
    try:
        x = np.array([float(value) for value in text.split(",")])
    except ValueError:
        raise InputError(f"--x expects numbers separated by commas, got {text!r}") from None
    if len(x) != m:
        raise InputError(f"--x has {len(x)} values, the net takes {m}")
    if not (np.isfinite(x).all() and 0 <= x.min() and x.max() <= 1):
        raise InputError(f"--x expects values in [0, 1], got {text!r}")
    return x[None]
