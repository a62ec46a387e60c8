"""The overview's VAE and beta-VAE."""

import math
from dataclasses import dataclass

import numpy as np

from avanet.models import overview
from avanet.models.correlation import LOG_2PI
from avanet.models.latent import (
    LatentModel, reparameterise, reparameterise_backward, split_code,
)
from avanet.models.overview import misfit, networks
from avanet.nn.losses import gaussian_kl_from_log_variance


@dataclass(frozen=True)
class Config(overview.Config):
    """scale: sigma of p(x|z) = N(g(z), sigma^2 I), whose -log is ||x - g(z)||^2 / (2 sigma^2) and a
    constant. The program's 0.01 makes that 5000 ||x - g(z)||^2; 0.70711 (sigma^2 = 1/2) is a plain
    squared error. What a beta does depends on it: errors are traded against the KL by beta sigma^2.
    """

    scale: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1e-4, "scale")


@dataclass(frozen=True)
class BetaConfig(Config):
    """beta: the weight of the KL; 1 is the VAE."""

    beta: float = 5.0

    def __post_init__(self):
        super().__post_init__()
        self.at_least(0, "beta")


class OverviewVAE(LatentModel):
    """L = -E_q[log p(x|z)] + KL(q(z|x) || N(0, I)), minimised; p(x|z) = N(g(z), sigma^2 I).

    Players encoder, to (mu, log sigma^2), and decoder g; one Adam step of both on every batch.
    Source: Sec. III, whose Eq. 3 prints L as the ELBO, which is -L.
    """

    name = "overview-vae"
    paper = "vae-overview, Sec. III"
    Config = Config
    watch = ("reconstruction", "kl")

    def build(self, shape, rng):
        return networks(shape, self._config, 2, rng, self.dtype)

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply("encoder", "decoder")
        return losses

    def gradients(self, batch, rng):
        """Add dL/dTheta and dL/dPhi; the prior's terms pull at mu, log sigma^2 and z itself."""
        encoder, decoder = self.players_.values()
        code, encoder_caches = encoder.forward(batch.x, True, rng)
        mu, log_var = split_code(code)
        epsilon = self.normal(rng, *mu.shape)
        z = reparameterise(mu, log_var, epsilon)
        v, decoder_caches = decoder.forward(z, True, rng)
        reconstruction, dv = misfit(v, batch.target, self._config.scale**-2)
        losses, (prior_z, prior_mu, prior_log_var) = self.prior(mu, log_var, z)
        dmu, dlog_var = reparameterise_backward(decoder.backward(dv, decoder_caches) + prior_z,
                                                log_var, epsilon)
        encoder.accumulate(np.concatenate([dmu + prior_mu, dlog_var + prior_log_var], axis=1),
                           encoder_caches)
        return {"reconstruction": float(reconstruction)} | losses

    def prior(self, mu, log_var, z):
        """KL: its value by name, and its slopes by z, mu and log sigma^2."""
        kl, slopes = gaussian_kl_from_log_variance(mu, log_var)
        return {"kl": float(kl)}, (np.zeros_like(z), *slopes)

    def evaluate(self, batch, rng):
        """Reconstruction error and KL at z = mu, in evaluation mode."""
        mu, log_var = split_code(self.players_["encoder"].forward(batch.x)[0])
        v, _ = self.players_["decoder"].forward(mu)
        return {"reconstruction": float(misfit(v, batch.target, self._config.scale**-2)[0]),
                "kl": float(gaussian_kl_from_log_variance(mu, log_var)[0])}

    def log_likelihood(self, X, Z):
        """log N(x_i; g(z_i), sigma^2 I) in nats, one value an image: (N,) float64."""
        difference = np.asarray(self.inputs(X), np.float64) - self.decode(Z)
        sigma, m = self._config.scale, math.prod(self.shape_)
        return (-(difference**2).reshape(len(difference), -1).sum(axis=1) / (2 * sigma**2)
                - m * (math.log(sigma) + LOG_2PI / 2))


class OverviewBetaVAE(OverviewVAE):
    """L = -E_q[log p(x|z)] + beta KL(q(z|x) || N(0, I)), minimised; beta = 1 is the VAE (Sec. IV).

    The same players and update.
    """

    name = "overview-beta-vae"
    paper = "vae-overview, Sec. IV"
    Config = BetaConfig

    def prior(self, mu, log_var, z):
        """beta KL, the value without beta."""
        losses, slopes = super().prior(mu, log_var, z)
        return losses, tuple(z.dtype.type(self._config.beta) * slope for slope in slopes)
