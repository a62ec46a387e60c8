"""What the models with a generator and a discriminator share besides their losses: sampling."""

import numpy as np

from avanet.errors import InputError
from avanet.models.base import Model
from avanet.models.labels import Asked
from avanet.nn import Adam, Logistic, Sequential

CHUNK = 500  # images that are generated at a time


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

    def asked(self, labels: np.ndarray | None = None) -> Sequential | Asked:
        """The discriminator, which a subclass may ask about images of these labels."""
        return self.players_["discriminator"]

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
        v, _ = self.asked(labels).forward(self.judged(self.inputs(X), labels))
        return Logistic().f(v[:, 0])
