"""What the models with a generator and a discriminator share: their losses, and sampling."""

import numpy as np

from avanet.models.base import Model
from avanet.nn.losses import binary_cross_entropy_from_logits

CHUNK = 500  # images that are generated at a time


def as_real(v: np.ndarray):
    """-mean log d, d = 1 / (1 + exp(-v)): what it costs not to be taken for real.

    v : (B, 1) logits. Returns (value, its derivative by v).
    """
    return binary_cross_entropy_from_logits(v, np.ones_like(v))


def as_fake(v: np.ndarray):
    """-mean log(1 - d), d = 1 / (1 + exp(-v)): what it costs not to be taken for generated.

    v : (B, 1) logits. Returns (value, its derivative by v).
    """
    return binary_cross_entropy_from_logits(v, np.zeros_like(v))


def not_as_fake(v: np.ndarray):
    """mean log(1 - d), which saturates where d is near 0. Returns (value, derivative by v)."""
    value, dv = as_fake(v)
    return -value, -dv


# Goodfellow et al., 2014: what the generator minimises, in Algorithm 1 and as Section 3 advises
GENERATOR_LOSSES = {"saturating": not_as_fake, "non-saturating": as_real}


class AdversarialModel(Model):
    """A model with a `generator` of images from z ~ N(0, I) and a `discriminator` (logits)."""

    def generate(self, z: np.ndarray) -> np.ndarray:
        """Images (N, H, W, C) in [0, 1] of draws z (N, n)."""
        return self.images(self.players_["generator"].forward(z)[0])

    def sample(self, n: int, random_state: int = 0) -> np.ndarray:
        """n images G(z), z ~ N(0, I)."""
        self.check_fitted()
        rng = np.random.default_rng(random_state)
        z = rng.standard_normal((n, self.players_["generator"].n_in)).astype(self.dtype)
        return np.concatenate([self.generate(z[k:k + CHUNK]) for k in range(0, max(n, 1), CHUNK)])

    def discriminate(self, X) -> np.ndarray:
        """D(x), the probability that an image is real: (N,)."""
        v, _ = self.players_["discriminator"].forward(self.inputs(X))
        return 1 / (1 + np.exp(-v[:, 0]))
