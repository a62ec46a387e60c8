"""What the models with a generator and a discriminator share: their losses, and sampling.

A discriminator ends in a logit v, D = 1 / (1 + exp(-v)), so that losses are stable.
"""

from typing import Any, NamedTuple

import numpy as np

from avanet.errors import InputError
from avanet.models.base import Model
from avanet.nn import Adam, Logistic, Sequential
from avanet.nn.losses import binary_cross_entropy_from_logits

CHUNK = 500  # images that are generated at a time


def as_real(v: np.ndarray):
    """-mean log D: what it costs not to be taken for real.

    v : (B, 1) logits. Returns (value, its derivative by v).
    """
    return binary_cross_entropy_from_logits(v, np.ones_like(v))


def as_fake(v: np.ndarray):
    """-mean log(1 - D): what it costs not to be taken for generated.

    v : (B, 1) logits. Returns (value, its derivative by v).
    """
    return binary_cross_entropy_from_logits(v, np.zeros_like(v))


def not_as_fake(v: np.ndarray):
    """mean log(1 - D), which saturates where D is near 0. Returns (value, derivative by v)."""
    value, dv = as_fake(v)
    return -value, -dv


# Goodfellow et al., 2014: what the generator minimises, in Algorithm 1 and as Section 3 advises
GENERATOR_LOSSES = {"saturating": not_as_fake, "non-saturating": as_real}


class Verdicts(NamedTuple):
    """A discriminator's logits of what is real and of what is generated, with their caches."""

    real: np.ndarray
    real_caches: list[Any]
    fake: np.ndarray
    fake_caches: list[Any]


def tell_apart(discriminator: Sequential, real: np.ndarray, fake: np.ndarray,
               rng: np.random.Generator) -> tuple[float, Verdicts]:
    """Add the derivative of L_D = -E[log D(x)] - E[log(1 - D(x'))] to the discriminator's grads.

    Returns the loss, and the verdicts, through which a generator's gradient may go back.
    """
    verdicts = Verdicts(*discriminator.forward(real, True, rng),
                        *discriminator.forward(fake, True, rng))
    real_loss, dv_real = as_real(verdicts.real)
    fake_loss, dv_fake = as_fake(verdicts.fake)
    discriminator.accumulate(dv_real, verdicts.real_caches)
    discriminator.accumulate(dv_fake, verdicts.fake_caches)
    return float(real_loss + fake_loss), verdicts


class AdversarialModel(Model):
    """A model with a `generator` of images from z ~ N(0, I) and a `discriminator`.

    `seed` says what the generator is given, `judged` what the discriminator; both begin with z or
    x along the last axis, so that a subclass may join conditions to them.
    """

    @property
    def extra(self) -> int:
        """How many values join z, and each pixel or image."""
        return 0

    def seed(self, z: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """The generator's input."""
        return z

    def judged(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """The discriminator's input."""
        return x

    def new_optimiser(self, player):
        """Adam with beta1 = 1/2, by which two players swing less (Radford et al., 2016)."""
        if self._config.optimiser == "adam":
            return Adam(beta1=0.5)
        return super().new_optimiser(player)

    def noise(self, batch, rng) -> np.ndarray:
        """A seed for every image of a batch, z ~ N(0, I)."""
        return self.seed(self.normal(rng, len(batch.target), self._config.latent), batch.labels)

    def generate(self, z, labels=None) -> np.ndarray:
        """Images (N, H, W, C) in [0, 1] of draws z (N, n)."""
        self.check_fitted()
        seeds = self.seed(np.asarray(z, self.dtype), labels)
        parts = [self.players_["generator"].forward(seeds[k:k + CHUNK])[0]
                 for k in range(0, max(len(seeds), 1), CHUNK)]
        return self.images(np.concatenate(parts))

    def decode(self, Z, labels=None) -> np.ndarray:
        """The same; InputError, with expected and got, if Z has another shape."""
        self.check_fitted()
        Z, n = np.asarray(Z), self._config.latent
        if Z.ndim != 2 or Z.shape[1] != n:
            raise InputError(f"expected draws z of shape (N, {n}), got {Z.shape}")
        return self.generate(Z, labels)

    def sample(self, n: int, random_state: int = 0) -> np.ndarray:
        """n images G(z), z ~ N(0, I)."""
        return self.generate(self.draw(n, random_state))

    def draw(self, n: int, random_state: int) -> np.ndarray:
        """n draws z ~ N(0, I)."""
        self.check_fitted()
        return np.random.default_rng(random_state).standard_normal((n, self._config.latent))

    def discriminate(self, X, labels=None) -> np.ndarray:
        """D(x), the probability that an image is real: (N,)."""
        self.check_fitted()
        v, _ = self.players_["discriminator"].forward(self.judged(self.inputs(X), labels))
        return Logistic().f(v[:, 0])
