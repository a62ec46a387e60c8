"""The balance metric BM of the AVA paper, as printed and as its published numbers were made."""

from typing import NamedTuple

import numpy as np


class Balance(NamedTuple):
    """Both readings of Eq. 17; the published tables are `absolute`."""

    absolute: float  # mean over pixels of |d (1 - d)|
    printed: float  # mean over pixels of d (1 - d), negative where distances exceed 1


def balance(generated: np.ndarray, images: np.ndarray) -> np.ndarray:
    """BM_i = mean_j d_ij (1 - d_ij),  d_ij = ||generated[j] - images[i][j]||.    AVA, Eq. 17.

    Parameters
    ----------
    generated, images : (..., H, W, C) arrays that broadcast, values in [0, 1]

    Returns
    -------
    (..., 2) float64 array
        The absolute and the printed reading per pair of images. The norm of an RGB difference
        reaches sqrt(3), so that the printed reading may be negative.
    """
    difference = generated - images
    d = np.sqrt(np.einsum("...c,...c->...", difference, difference))
    product = d * (1 - d)
    return np.stack([np.abs(product).mean(axis=(-2, -1), dtype=np.float64),
                     product.mean(axis=(-2, -1), dtype=np.float64)], axis=-1)


class Score(NamedTuple):
    """A trained model's BM, and the generated image whose own BM is highest."""

    balance: Balance
    best: float
    best_image: np.ndarray


def score(model, images: np.ndarray, rng: np.random.Generator, per_image: int = 10) -> Score:
    """BM of a fitted model: `per_image` generated images against each image, all averaged.

    This is how the published numbers were made: mu and Sigma are those left from training, every
    generated image has a fresh r, and the paper's N = 10 counts generated images, not test images.

    Parameters
    ----------
    images : (N, H, W, C) array in [0, 1], of the model's dtype
    """
    values = np.empty((len(images), per_image, 2))
    best, best_image = -np.inf, images[0]
    for i, image in enumerate(images):
        generated = model.sample_near_code(rng.standard_normal((per_image, model.latent_dim)))
        values[i] = balance(generated, image)
        k = values[i, :, 0].argmax()
        if values[i, k, 0] > best:
            best, best_image = float(values[i, k, 0]), generated[k]
    absolute, printed = values.mean(axis=(0, 1))
    return Score(Balance(float(absolute), float(printed)), best, best_image)


def trivial_images(images: np.ndarray, s: float = 0.5, m: float = 0.5) -> dict[str, np.ndarray]:
    """Images that no model had to learn, by name: what any BM has to be read against.

    The untrained model's gray is what all-zero parameters give, a(0) = 1 / (1 + exp(s m)).
    """
    shape = images.shape[1:]
    return {
        "black": np.zeros(shape),
        "mid-gray": np.full(shape, 0.5),
        "white": np.ones(shape),
        "mean image": images.mean(axis=0, dtype=np.float64),
        "untrained": np.full(shape, 1 / (1 + np.exp(s * m))),
    }


def score_trivial(images: np.ndarray, s: float = 0.5, m: float = 0.5) -> dict[str, Balance]:
    """BM of the trivial images, under both readings."""
    return {name: Balance(*balance(image, images).mean(axis=0).tolist())
            for name, image in trivial_images(images, s, m).items()}
