"""The fully connected GAN, trained by Goodfellow's Algorithm 1."""

import math
from dataclasses import dataclass

from avanet.models import base
from avanet.models.adversarial import AdversarialModel
from avanet.models.adversarial_losses import GENERATOR_LOSSES, tell_apart
from avanet.models.dense import batch_normed, dropped
from avanet.nn import Momentum, Sequential, Tanh


@dataclass(frozen=True)
class Config(base.Config):
    """latent, hidden: units of z and of the narrower hidden layers; k: discriminator steps for one
    of the generator; loss of the generator: saturating (Algorithm 1) or non-saturating; momentum,
    of the optimiser of that name; dropout in the discriminator."""

    batch: int = 100
    rate: float = 0.05
    optimiser: str = "momentum"
    latent: int = 100
    hidden: int = 256
    k: int = 1
    loss: str = "non-saturating"
    momentum: float = 0.5
    dropout: float = 0.4

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "hidden", "k")
        self.fractions("momentum", "dropout")
        self.one_of(GENERATOR_LOSSES, "loss")


class GAN(AdversarialModel):
    """L_D = -E[log D(x)] - E[log(1 - D(G(z)))], minimised by k steps, then one step down

    L_G = E[log(1 - D(G(z)))] (saturating) or -E[log D(G(z))] (non-saturating).

    Players generator 100-256-512-784 (batch norm, leaky ReLU, tanh output) and discriminator
    784-512-256-1 (leaky ReLU, dropout): widths and layers are open in the survey, and without batch
    norm this generator lost to its discriminator. Every step has a mini-batch and a draw of z of
    its own: the discriminator learns from every batch, the generator from every k-th.

    Source: Goodfellow et al., "Generative adversarial nets", 2014, Algorithm 1; survey, 3.4, 3.9.1.
    """

    name = "gan"
    paper = "vae-gan-survey, Sec. 3.9.1"
    Config = Config
    low = -1.0

    def build(self, shape, rng):
        c, m = self._config, math.prod(shape)
        return {
            "generator": Sequential(
                [*batch_normed(c.latent + self.extra, c.hidden, 2 * c.hidden, m), Tanh()],
                rng, self.dtype, "generator"),
            "discriminator": Sequential(
                dropped(m + self.extra, 2 * c.hidden, c.hidden, 1, rate=c.dropout),
                rng, self.dtype, "discriminator"),
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
