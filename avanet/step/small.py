"""A model and data small enough to be read number by number."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
from PIL import Image

from avanet import data
from avanet.ava.model import AVA
from avanet.ava.protocol import Protocol
from avanet.errors import InputError

TEACHING = Protocol(start="glorot", s=1.0, m=0.0, order="simultaneous", channels="joint")
LARGEST = 4096  # parameters of a network that a person can still look at
UNITS = ("hidden", "discriminator_hidden", "width", "channels")  # how wide a batched model is
NET = "4-3-2"  # unless a model needs larger images
NETS = {"classifier": "16-3-2", "dcgan": "16-1-2", "cdcgan": "16-1-2", "lapgan": "16-2-2",
        "savae": "16-1-2",
        **{f"overview-{kind}": "64-1-2" for kind in ("ae", "vae", "beta-vae", "beta-tcvae")}}


def small_model(name: str, net: str = NET, rules: str = "printed", rate: float = 0.5,
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


def small_batched(name: str, net: str | None = None, rate: float | None = None, seed: int = 0,
                  steps: int = 0):
    """A batched model with few units, in float64, started on images of m pixels.

    Parameters
    ----------
    net : str, optional
        "m-hidden-n": pixels, hidden units (or what the model has in their place), dimension of z;
        the smallest that shows everything unless given.
    rate : float, optional
        The model's own unless given.
    steps : int
        How many updates the training will have, for schedules and for what comes after another.

    Raises
    ------
    InputError
        If there is no such model, it does not take such images, or it stays too large.
    """
    from avanet.models import model_class
    net = net or default_net(name)
    m, hidden, n = widths(net)
    kind = model_class(name)
    known = {field.name for field in fields(kind.Config)}
    settings: dict[str, Any] = {key: hidden for key in UNITS if key in known}
    settings |= {"latent": n} if "latent" in known else {}
    settings |= {} if rate is None else {"rate": rate}
    model = kind(random_state=seed, dtype="float64", **settings)
    model.start((*grid(m), 1), steps)
    size = sum(player.params.size for player in model.players_.values())
    if size > LARGEST:
        raise InputError(f"{name} with net {net} has {size} weights, too many to be stepped "
                         f"through; keep them below {LARGEST} with a smaller --net")
    return model


def default_net(name: str) -> str:
    """The small net that a model is stepped through with."""
    return NETS.get(name, NET)


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
    return _reduced(data.load(name).pixels.mean(axis=3), m)


def reduced_images(name: str, m: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The same of what a batched model learns from: images (N, h, w), and labels if there are any.

    At most 100 images.
    """
    split = data.load_dataset(name).splits["train"]
    images = split.read(slice(0, 100)).mean(axis=3)
    labels = None if split.labels is None else np.asarray(split.labels[:100])
    return _reduced(images, m).reshape(-1, *grid(m)), labels


def _reduced(gray: np.ndarray, m: int) -> np.ndarray:
    h, w = grid(m)
    small = np.stack([np.asarray(Image.fromarray(image.astype(np.float32)).resize(
        (w, h), Image.Resampling.BOX)) for image in gray]).astype(np.float64).reshape(len(gray), m)
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
