"""The overview's plain autoencoder; its variational models are in `overview_vae`."""

from dataclasses import dataclass

import numpy as np

from avanet.models import base
from avanet.models.latent import Autoencoder
from avanet.models.overview_networks import decoder_layers, encoder_layers
from avanet.nn import Logistic, Sequential
from avanet.nn.losses import half_squared_error


@dataclass(frozen=True)
class Config(base.Config):
    """latent: units of z; width: channels of the first layer, the others are its multiples."""

    epochs: int = 30
    rate: float = 1e-4
    latent: int = 32
    width: int = 64

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "width")


class OverviewAE(Autoencoder):
    """L = ||x - g(f(x))||^2, minimised: a code that is certain, and no prior (Sec. II).

    Players encoder f and decoder g (see `avanet.models.overview_networks`), one Adam step of both
    on every batch. Its `sample` decodes N(0, I) all the same, to show what comes of it.
    """

    name = "overview-ae"
    paper = "vae-overview, Sec. II"
    Config = Config
    watch = ("reconstruction",)

    def build(self, shape, rng):
        return networks(shape, self._config, 1, rng, self.dtype)

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply("encoder", "decoder")
        return losses

    def gradients(self, batch, rng):
        """Add dL/df and dL/dg."""
        encoder, decoder = self.players_.values()
        z, encoder_caches = encoder.forward(batch.x, True, rng)
        v, decoder_caches = decoder.forward(z, True, rng)
        reconstruction, dv = misfit(v, batch.target, 2.0)
        encoder.accumulate(decoder.backward(dv, decoder_caches), encoder_caches)
        return {"reconstruction": float(reconstruction)}

    def evaluate(self, batch, rng):
        """The same in evaluation mode."""
        z, _ = self.players_["encoder"].forward(batch.x)
        v, _ = self.players_["decoder"].forward(z)
        return {"reconstruction": float(misfit(v, batch.target, 2.0)[0])}


def networks(shape, config, heads: int, rng, dtype) -> dict[str, Sequential]:
    """Encoder, with so many heads, and decoder of `avanet.models.overview_networks`."""
    return {
        "encoder": Sequential(encoder_layers(shape, config.width, config.latent, heads), rng, dtype,
                              "encoder"),
        "decoder": Sequential(decoder_layers(shape, config.width, config.latent), rng, dtype,
                              "decoder"),
    }


def misfit(v: np.ndarray, x: np.ndarray, precision: float):
    """p ||x - a(v)||^2 / 2, a the logistic function.   By v: p (a - x) a' / B.

    p = 1 / sigma^2 of p(x|z) = N(a(v), sigma^2 I); 2 for a plain squared error. The mean over the
    batch. v, x : (B, H, W, C). Returns (value, dv).
    """
    p = v.real.dtype.type(precision)
    y, cache = Logistic().forward(v)
    value, dy = half_squared_error(y, x)
    return p * value, Logistic().propagate(p * dy, cache)
