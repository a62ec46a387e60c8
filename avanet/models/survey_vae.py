"""The dense variational autoencoder of the survey, with annealing of its KL term."""

import math
from dataclasses import dataclass

import numpy as np

from avanet.models import base
from avanet.models.annealing import ANNEALING
from avanet.models.latent import (
    LatentModel, reparameterise, reparameterise_backward, split_code,
)
from avanet.nn import Dense, Flatten, ReLU, Reshape, Sequential
from avanet.nn.losses import binary_cross_entropy_from_logits, gaussian_kl_from_log_variance


@dataclass(frozen=True)
class Config(base.Config):
    """latent, hidden: units of z and of the hidden layers; annealing of beta: none, linear or
    cyclical (Sec. 2.6), in `cycles` cycles."""

    latent: int = 20
    hidden: int = 400
    annealing: str = "none"
    cycles: int = 4

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "hidden", "cycles")
        self.one_of(ANNEALING, "annealing")


class SurveyVAE(LatentModel):
    """L = -E_q[log p(x|z)] + beta KL(q(z|x) || N(0, I)), minimised; Bernoulli p(x|z).

    Players encoder 784-400-(20, 20) and decoder 20-400-784, ReLU, logistic output; one Adam step
    of both on every batch. Source: the survey's VAE (Sec. 2.4); annealing: Sec. 2.6.
    """

    name = "survey-vae"
    paper = "vae-gan-survey, Sec. 2"
    Config = Config
    watch = ("reconstruction", "kl")

    def build(self, shape, rng):
        c, m = self._config, math.prod(shape)
        return {
            "encoder": Sequential([Flatten(), Dense(m, c.hidden), ReLU(),
                                   Dense(c.hidden, 2 * c.latent)], rng, self.dtype, "encoder"),
            "decoder": Sequential([Dense(c.latent, c.hidden), ReLU(), Dense(c.hidden, m),
                                   Reshape(shape)], rng, self.dtype, "decoder"),
        }

    def update(self, batch, rng):
        losses = self.elbo_gradients(batch, rng)
        self.apply("encoder", "decoder")
        return losses

    def elbo_gradients(self, batch, rng):
        """Add dL/dTheta and dL/dPhi; the gradient reaches the encoder through z and the KL."""
        encoder, decoder = self.players_["encoder"], self.players_["decoder"]
        beta = self.beta()
        code, encoder_caches = encoder.forward(batch.x, True, rng)
        mu, log_var = split_code(code)
        epsilon = self.normal(rng, *mu.shape)
        v, decoder_caches = decoder.forward(reparameterise(mu, log_var, epsilon), True, rng)
        reconstruction, dv = binary_cross_entropy_from_logits(v, batch.target)
        kl, (kl_mu, kl_log_var) = gaussian_kl_from_log_variance(mu, log_var)
        dz = decoder.backward(dv, decoder_caches)
        dmu, dlog_var = reparameterise_backward(dz, log_var, epsilon)
        encoder.accumulate(np.concatenate(
            [dmu + beta * kl_mu, dlog_var + beta * kl_log_var], axis=1), encoder_caches)
        return {"reconstruction": float(reconstruction), "kl": float(kl), "beta": float(beta)}

    def evaluate(self, batch, rng):
        """The same losses at z = mu, in evaluation mode."""
        mu, log_var = split_code(self.players_["encoder"].forward(batch.x)[0])
        v, _ = self.players_["decoder"].forward(mu)
        return {"reconstruction": float(binary_cross_entropy_from_logits(v, batch.target)[0]),
                "kl": float(gaussian_kl_from_log_variance(mu, log_var)[0])}

    def beta(self) -> float:
        """The weight of the KL term at this moment of the training."""
        return ANNEALING[self._config.annealing](self.moment(), self._config.cycles)
