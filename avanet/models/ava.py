"""The AVA paper's models in the manners of the others, so that `avanet train ava1` works.

The model itself, its equations and its updates are `avanet.ava`; here it only gets players by name
and codes of one row an image.
"""

import numpy as np

from avanet.ava import AVA
from avanet.ava.plans import VARIANTS
from avanet.errors import InputError
from avanet.models import base
from avanet.models.ava_config import Config


class Generator(base.Model):
    """What all seven share: decoder players, one set per colour channel, and sampling."""

    paper = "ava, Sec. 3"
    Config = Config

    def build(self, shape, rng):
        c = self._config
        self.ava = AVA(self.name, latent_dim=c.latent, hidden_dim=c.hidden, rules=c.rules,
                       rate=c.rate, covariance=c.covariance, protocol=c.protocol(),
                       dtype=self.dtype, random_state=rng)
        self.ava._start(shape)
        return {f"{channel}.{name}": player for channel, players in enumerate(self.ava.players_)
                for name, player in players._asdict().items() if player is not None}

    def batches(self, split):
        """The images in their order, as the paper takes them."""
        return self._batches(split, self.batch_size(split), self._rng, shuffle=False)

    def update(self, batch, rng):
        losses = self.evaluate(batch, rng)
        self.ava.step(batch.x, self.ava._draw(len(batch.x)))
        return losses

    def evaluate(self, batch, rng):
        """d(x') of one sample, the same every time, if there is a discriminator of images."""
        if self.ava.players_[0].d is None:
            return {}
        return {"verdict": float(self.ava.discriminate(self.sample(1)).mean())}

    def decode(self, Z) -> np.ndarray:
        """Images (N, H, W, C) of codes (N, channels x n), the channels one after the other."""
        self.check_fitted()
        Z, width = np.asarray(Z), len(self.ava.players_) * self._config.latent
        if Z.ndim != 2 or Z.shape[1] != width:
            raise InputError(f"expected codes of shape (N, {width}), got {Z.shape}")
        return self.ava.decode(Z.reshape(len(Z), -1, self._config.latent))

    def draw(self, n: int, random_state: int) -> np.ndarray:
        """n draws z ~ N(0, I), shared by the channels."""
        self.check_fitted()
        z = np.random.default_rng(random_state).standard_normal((n, self._config.latent))
        return np.tile(z, len(self.ava.players_))

    def sample(self, n: int, random_state: int = 0) -> np.ndarray:
        """n images g(z), z ~ N(0, I)."""
        return self.decode(self.draw(n, random_state))


class Autoencoder(Generator):
    """The six with an encoder."""

    watch = ("squared_error",)

    def evaluate(self, batch, rng):
        """Sum over pixels of (x - g(mu(x)))^2, mean over the images."""
        error = batch.x - self.ava.reconstruct(batch.x)
        return {"squared_error": float((error * error).sum() / len(error))}

    def encode(self, X) -> tuple[np.ndarray, np.ndarray]:
        """(mu, diagonal of Sigma), each (N, channels x n)."""
        X = self.inputs(X)
        mu, Sigma = self.ava.encode(X)
        if self._config.covariance == "full":
            Sigma = np.diagonal(Sigma, axis1=-2, axis2=-1)
        return mu.reshape(len(X), -1), Sigma.reshape(len(X), -1)

    def reconstruct(self, X) -> np.ndarray:
        """The decoded means, g(mu(x))."""
        return self.decode(self.encode(X)[0])


CLASSES = {name: type(name.upper(), (Autoencoder if variant.encoder else Generator,),
                      {"name": name, "__doc__": f"{name} of the AVA paper; see `avanet.ava`."})
           for name, variant in VARIANTS.items()}
