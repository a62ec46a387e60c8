"""The fully connected GAN, trained by Goodfellow's Algorithm 1."""

import math
from dataclasses import dataclass

from avanet.errors import InputError, unknown_name
from avanet.models import base
from avanet.models.adversarial import GENERATOR_LOSSES, AdversarialModel, tell_apart
from avanet.nn import Dense, Dropout, LeakyReLU, Logistic, Momentum, ReLU, Sequential


@dataclass(frozen=True)
class Config(base.Config):
    """latent, hidden: units of z and of the hidden layers; k: discriminator steps for one of the
    generator; loss of the generator: saturating (Algorithm 1) or non-saturating; momentum, of the
    optimiser of that name; dropout in the discriminator."""

    batch: int = 100
    rate: float = 0.1
    optimiser: str = "momentum"
    latent: int = 100
    hidden: int = 256
    k: int = 1
    loss: str = "non-saturating"
    momentum: float = 0.5
    dropout: float = 0.3

    def __post_init__(self):
        super().__post_init__()
        if min(self.latent, self.hidden, self.k) < 1:
            raise InputError("latent, hidden and k must be at least 1, got "
                             f"{self.latent}, {self.hidden} and {self.k}")
        if not (0 <= self.momentum < 1 and 0 <= self.dropout < 1):
            raise InputError("momentum and dropout must lie in [0, 1), got "
                             f"{self.momentum} and {self.dropout}")
        if self.loss not in GENERATOR_LOSSES:
            raise unknown_name("loss", self.loss, GENERATOR_LOSSES)


class GAN(AdversarialModel):
    """L_D = -E[log D(x)] - E[log(1 - D(G(z)))], minimised by k steps, then one step down

    L_G = E[log(1 - D(G(z)))] (saturating) or -E[log D(G(z))] (non-saturating).

    Players generator 100-256-256-784 (ReLU, logistic output) and discriminator 784-256-256-1
    (leaky ReLU, dropout). Every step has a mini-batch and a draw of z of its own: the
    discriminator learns from every batch, the generator from every k-th.

    Source: Goodfellow et al., "Generative adversarial nets", 2014, Algorithm 1; survey, 3.4, 3.9.1.
    """

    name = "gan"
    paper = "vae-gan-survey, Sec. 3.9.1"
    Config = Config

    def build(self, shape, rng):
        c, m = self._config, math.prod(shape)
        return {
            "generator": Sequential(
                [Dense(c.latent + self.extra, c.hidden), ReLU(), Dense(c.hidden, c.hidden), ReLU(),
                 Dense(c.hidden, m), Logistic()], rng, self.dtype, "generator"),
            "discriminator": Sequential(
                [Dense(m + self.extra, c.hidden), LeakyReLU(0.2), Dropout(c.dropout),
                 Dense(c.hidden, c.hidden), LeakyReLU(0.2), Dropout(c.dropout),
                 Dense(c.hidden, 1)], rng, self.dtype, "discriminator"),
        }

    def judged(self, x, labels=None):
        return x.reshape(len(x), math.prod(self.shape_))

    def update(self, batch, rng):
        losses = self.discriminator_gradients(batch, rng)
        self.apply("discriminator")
        if (self.n_steps_ + 1) % self._config.k == 0:
            losses |= self.generator_gradients(batch, rng)
            self.apply("generator")
        return losses

    def discriminator_gradients(self, batch, rng):
        """Add dL_D/dD, with one draw of z."""
        fake, _ = self.players_["generator"].forward(self.noise(batch, rng), True, rng)
        loss, _ = tell_apart(self.players_["discriminator"],
                             self.judged(batch.target, batch.labels),
                             self.judged(fake, batch.labels), rng)
        return {"discriminator": loss}

    def generator_gradients(self, batch, rng):
        """Add dL_G/dG, with one draw of z: through the discriminator back to the image."""
        generator, discriminator = self.players_["generator"], self.players_["discriminator"]
        fake, caches = generator.forward(self.noise(batch, rng), True, rng)
        v, d_caches = discriminator.forward(self.judged(fake, batch.labels), True, rng)
        loss, dv = GENERATOR_LOSSES[self._config.loss](v)
        dfake = discriminator.propagate(dv, d_caches)[..., :fake.shape[-1]]
        generator.accumulate(dfake, caches)
        return {"generator": float(loss)}

    def new_optimiser(self, player):
        if self._config.optimiser == "momentum":
            return Momentum(self._config.momentum)
        return super().new_optimiser(player)
