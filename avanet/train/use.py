"""What a trained model is used for: samples, reconstructions, codes and the way between images.

Each function returns the content of a file.
"""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from avanet.data import Split
from avanet.errors import InputError
from avanet.models import AVA_MODELS, MODELS, model_class
from avanet.models.base import Model
from avanet.plots import grid_pixels, image_grid
from avanet.tables import csv_text

LEAST = 56     # pixels that a small image is enlarged to
CHUNK = 500    # images that pass a model at a time
FRAME = 80     # milliseconds


def needs(model: Model, *abilities: str) -> None:
    """InputError, with the models that can, unless the model has these methods."""
    for ability in abilities:
        if not hasattr(model, ability):
            able = [name for name in (*MODELS, *AVA_MODELS) if hasattr(model_class(name), ability)]
            raise InputError(f"{model.name} cannot {ability}; those that can: {', '.join(able)}")


def samples(model: Any, n: int, seed: int = 0) -> np.ndarray:
    """n images (n, H, W, C) in [0, 1]."""
    needs(model, "sample")
    return model.sample(n, seed)


def reconstructed(model: Any, images: np.ndarray) -> np.ndarray:
    """The images as the model gives them back, in portions."""
    needs(model, "reconstruct")
    return np.concatenate([model.reconstruct(images[at:at + CHUNK])
                           for at in range(0, len(images), CHUNK)])


def pairs_picture(images: np.ndarray, reconstructions: np.ndarray, columns: int = 8) -> bytes:
    """Rows of images, each above the row of its reconstructions; a PNG."""
    rows = [each for at in range(0, len(images), columns)
            for each in (images[at:at + columns], reconstructions[at:at + columns])]
    blank = np.ones((columns, *images.shape[1:]), np.float32)
    filled = [np.concatenate([row, blank[len(row):]]) for row in rows]
    return image_grid(np.concatenate(filled), columns, least=LEAST)


def codes(model: Any, split: Split) -> dict[str, np.ndarray]:
    """mu and sigma^2 (N, n) of every image of a split, its index, and its label if known."""
    needs(model, "encode")
    parts = [model.encode(split.read(slice(at, at + CHUNK)))
             for at in range(0, len(split), CHUNK)]
    mu, var = (np.concatenate(part) for part in zip(*parts))
    labels = {} if split.labels is None else {"labels": split.labels}
    return {"mu": mu, "var": var, "indices": np.arange(len(split)), **labels}


def codes_csv(found: dict[str, np.ndarray]) -> bytes:
    """Codes as a table: a line an image."""
    columns = {name: found[name].reshape(len(found["mu"]), -1)
               for name in ("indices", "labels", "mu", "var") if name in found}
    names = [f"{name}{k}" if values.shape[1] > 1 or name in ("mu", "var") else name[:-1]
             for name, values in columns.items() for k in range(values.shape[1])]
    names = ["index" if name == "indice" else name for name in names]
    rows = zip(*(values[:, k].tolist() for values in columns.values()
                 for k in range(values.shape[1])))
    return csv_text([names, *rows]).encode()


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as the content of an npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def line(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """(1 - t) a + t b for t from 0 to 1: (steps, n)."""
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * a + t * b


def slerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """sin((1 - t) w) / sin w a + sin(t w) / sin w b, w the angle between a and b: (steps, n).

    The way along the sphere, which keeps to the lengths that N(0, I) has in many dimensions; the
    line where a and b lie in one direction. Source: Shoemake, 1985; White, "Sampling generative
    networks", 2016.
    """
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    w = np.arccos(np.clip(np.dot(a, b) / lengths, -1, 1)) if lengths > 0 else 0.0
    if np.sin(w) < 1e-6:
        return line(a, b, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return (np.sin((1 - t) * w) * a + np.sin(t * w) * b) / np.sin(w)


PATHS = {"line": line, "slerp": slerp}


def traversals(model: Any, images: np.ndarray, dimensions: Sequence[int] | np.ndarray,
               values: np.ndarray) -> np.ndarray:
    """The images' codes with one dimension set to each value in turn, decoded.

    Images (n, D, T, H, W, C) of n codes, D dimensions and T values, each in [0, 1].
    """
    needs(model, "encode", "decode")
    mu = np.asarray(model.encode(images)[0])
    Z = np.tile(mu[:, None, None], (1, len(dimensions), len(values), 1))
    for k, d in enumerate(dimensions):
        Z[:, k, :, d] = values
    flat = Z.reshape(-1, mu.shape[1])
    decoded = [model.decode(flat[at:at + CHUNK]) for at in range(0, len(flat), CHUNK)]
    return np.concatenate(decoded).reshape(*Z.shape[:3], *images.shape[1:])


def plane(model: Any, side: int, reach: float) -> np.ndarray:
    """side x side images over the plane of two-dimensional codes in [-reach, reach], the first
    axis across, the second up."""
    along = np.linspace(-reach, reach, side)
    across, down = np.meshgrid(along, -along)
    return model.decode(np.column_stack([across.ravel(), down.ravel()]))


def strip(images: np.ndarray) -> bytes:
    """Images in one row; a PNG."""
    return image_grid(images, len(images), least=LEAST)


def gif(images: np.ndarray) -> bytes:
    """Images one after the other, there and back, without end; a GIF."""
    return film(grid_pixels(image[None], 1, 0, 2 * LEAST) for image in images)


def film(pictures: Iterable[np.ndarray]) -> bytes:
    """The same of pictures as uint8 pixels."""
    forth = [Image.fromarray(pixels) for pixels in pictures]
    frames = [*forth, *forth[-2:0:-1]]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=FRAME, loop=0)
    return file.getvalue()
