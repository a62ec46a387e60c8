"""BiGAN / ALI: a GAN with an inference network, its discriminator on pairs of image and code."""

import math
from dataclasses import dataclass

import numpy as np

from avanet.models import base
from avanet.models.adversarial import AdversarialModel
from avanet.models.adversarial_losses import as_fake, as_real, tell_apart
from avanet.models.dense import batch_normed, dropped
from avanet.nn import Flatten, Sequential, Tanh


@dataclass(frozen=True)
class Config(base.Config):
    """latent, hidden: units of z and of the narrower hidden layers; dropout in the
    discriminator."""

    rate: float = 2e-4
    latent: int = 50
    hidden: int = 256
    dropout: float = 0.2

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "hidden")
        self.fractions("dropout")


class BiGAN(AdversarialModel):
    """L_D = -E[log D(x, E(x))] - E[log(1 - D(G(z), z))], minimised by the discriminator;

    L_GE = -E[log D(G(z), z)] - E[log(1 - D(x, E(x)))] by generator and encoder, which then are each
    other's inverse. Players generator 50-256-512-784 and encoder 784-512-256-50 (batch norm, leaky
    ReLU) and discriminator 784+50-512-256-1 (dropout); all gradients from one pass, then a step of
    Adam each, with beta1 = 1/2. L_GE is the printed game with the roles exchanged, which does not
    saturate.

    Source: Donahue et al., "Adversarial feature learning", 2017, Sec. 3.4; Dumoulin et al.,
    "Adversarially learned inference", 2017; survey, 3.9.6.
    """

    name = "bigan"
    paper = "vae-gan-survey, Sec. 3.9.6"
    Config = Config
    low = -1.0
    watch = ("reconstruction",)

    def build(self, shape, rng):
        c, m = self._config, math.prod(shape)
        players = {
            "generator": [*batch_normed(c.latent, c.hidden, 2 * c.hidden, m), Tanh()],
            "encoder": [Flatten(), *batch_normed(m, 2 * c.hidden, c.hidden, c.latent)],
            "discriminator": dropped(m + c.latent, 2 * c.hidden, c.hidden, 1, rate=c.dropout),
        }
        return {name: Sequential(layers, rng, self.dtype, name)
                for name, layers in players.items()}

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply("generator", "encoder", "discriminator")
        return losses

    def gradients(self, batch, rng):
        """Add dL_GE/dG, dL_GE/dE and dL_D/dD, all from one pass with one draw of z."""
        generator, encoder, discriminator = self.players_.values()
        x = batch.target.reshape(len(batch.target), -1)
        z = self.noise(batch, rng)
        x_of_z, generator_caches = generator.forward(z, True, rng)
        z_of_x, encoder_caches = encoder.forward(batch.x, True, rng)
        loss, verdicts = tell_apart(discriminator, np.concatenate([x, z_of_x], axis=1),
                                    np.concatenate([x_of_z, z], axis=1), rng)
        of_generator, dv_fake = as_real(verdicts.fake)
        of_encoder, dv_real = as_fake(verdicts.real)
        m = x.shape[1]
        generator.accumulate(discriminator.propagate(dv_fake, verdicts.fake_caches)[:, :m],
                             generator_caches)
        encoder.accumulate(discriminator.propagate(dv_real, verdicts.real_caches)[:, m:],
                           encoder_caches)
        return {"generator": float(of_generator), "encoder": float(of_encoder),
                "discriminator": loss}

    def evaluate(self, batch, rng):
        """||x - G(E(x))||^2, mean over the images, in evaluation mode and pixels in [0, 1]."""
        z, _ = self.players_["encoder"].forward(batch.x)
        x_of_z, _ = self.players_["generator"].forward(z)
        difference = self.images(x_of_z) - self.images(batch.target)
        return {"reconstruction": float((difference**2).sum() / len(difference))}

    def encode(self, X) -> tuple[np.ndarray, np.ndarray]:
        """(E(x), 0), each (N, n): mean and variance of a code that is certain."""
        self.check_fitted()
        z, _ = self.players_["encoder"].forward(self.inputs(X))
        return z, np.zeros_like(z)

    def reconstruct(self, X) -> np.ndarray:
        """G(E(x)); images in [0, 1]."""
        return self.decode(self.encode(X)[0])

    def discriminate(self, X, labels=None) -> np.ndarray:
        """D(x, E(x)), the probability that a pair is an image and its code: (N,)."""
        return super().discriminate(X, labels)

    def judged(self, x, labels=None):
        z, _ = self.players_["encoder"].forward(x)
        return np.concatenate([x.reshape(len(x), -1), z], axis=1)
