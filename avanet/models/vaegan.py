"""The VAE-GAN with batch normalisation."""

import math
from dataclasses import dataclass

import numpy as np

from avanet.models import base
from avanet.models.adversarial_losses import as_real, tell_apart
from avanet.models.dense import uniform
from avanet.models.latent import (
    LatentModel, reparameterise, reparameterise_backward, split_code,
)
from avanet.nn import BatchNorm, Flatten, ReLU, Reshape, Sequential
from avanet.nn.losses import binary_cross_entropy_from_logits, gaussian_kl_from_log_variance


@dataclass(frozen=True)
class Config(base.Config):
    """latent: units d of z; hidden: hidden units of encoder and decoder, d^2 if 0;
    discriminator_hidden: those of the discriminator; batch_norm: with batch normalisation;
    adversarial: the weight lambda of the generator's term.

    Batch 2000 and rate 1e-2 are not in the paper: its "average loss" per batch of about 2000 times
    its loss per image gives the one, trying gave the other.
    """

    batch: int = 2000
    rate: float = 1e-2
    latent: int = 20
    hidden: int = 0
    discriminator_hidden: int = 256
    batch_norm: bool = True
    adversarial: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "discriminator_hidden")
        self.at_least(0, "hidden", "adversarial")


class VAEGAN(LatentModel):
    """Encoder f and decoder g of a VAE, whose x' = g(z) must also pass a discriminator d.

    z = mu + exp(log sigma^2 / 2) epsilon, x' = a(v) with v the decoder's output and a the logistic
    function, d(x) = a(discriminator's output). f and g minimise L, d minimises L_d, each a mean
    over the batch of losses of an image (Sec. 2.2, 2.3.1, 3.1; BCE is the binary cross-entropy,
    summed over pixels):

        L   = BCE(x', x) + KL(q(z|x) || N(0, I)) + lambda BCE(d(x'), 1)
        L_d = BCE(d(x), 1) + BCE(d(x'), 0)

    Players encoder 784-d^2-2d, decoder d-d^2-784, discriminator 784-256-1, ReLU, weights and biases
    from U(-1/sqrt(fan_in), 1/sqrt(fan_in)). Batch norm (Algorithm 1): after both layers of the
    encoder, the first of the decoder, the first of the discriminator, which sees x and x' as two
    batches. Update: one step of Adam of each player, all at the same x', so that the discriminator
    learns from the x' that it has judged.

    As printed, the loss lacks the minus before E log p(x|z) and its L_recon has q(z|x) for x; the
    pseudocode's std = sqrt(exp(logvar) / 2) is exp(logvar / 2) in Fig. 7, as here.
    """

    name = "vaegan"
    paper = "vaegan-batchnorm-denoising, Sec. 3.3"
    Config = Config
    watch = ("reconstruction", "kl")

    def build(self, shape, rng):
        c, m = self._config, math.prod(shape)
        hidden = c.hidden or c.latent**2
        players = {
            "encoder": [Flatten(), *self.block(m, hidden), ReLU(),
                        *self.block(hidden, 2 * c.latent)],
            "decoder": [*self.block(c.latent, hidden), ReLU(), uniform(hidden, m), Reshape(shape)],
            "discriminator": [Flatten(), *self.block(m, c.discriminator_hidden), ReLU(),
                              uniform(c.discriminator_hidden, 1)],
        }
        return {name: Sequential(layers, rng, self.dtype, name)
                for name, layers in players.items()}

    def block(self, n_in: int, n_out: int):
        """A dense layer, and batch norm if the model has it."""
        return [uniform(n_in, n_out), *([BatchNorm(n_out)] if self._config.batch_norm else [])]

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply("encoder", "decoder", "discriminator")
        return losses

    def gradients(self, batch, rng):
        """Add dL/df, dL/dg and dL_d/dd.

        The adversarial term reaches v through the discriminator and x' = a(v):

            dL/dv = (x' - x) / B + lambda dBCE(d(x'), 1)/dx' x' (1 - x').
        """
        encoder, decoder, discriminator = self.players_.values()
        weight = self._config.adversarial
        code, encoder_caches = encoder.forward(batch.x, True, rng)
        mu, log_var = split_code(code)
        epsilon = self.normal(rng, *mu.shape)
        v, decoder_caches = decoder.forward(reparameterise(mu, log_var, epsilon), True, rng)
        fake, _ = self.output.forward(v)
        apart, verdicts = tell_apart(discriminator, batch.target, fake, rng)

        reconstruction, dv = binary_cross_entropy_from_logits(v, batch.target)
        adversarial, d_adversarial = as_real(verdicts.fake)
        dfake = discriminator.propagate(weight * d_adversarial, verdicts.fake_caches)
        dv += self.output.propagate(dfake, fake)
        dz = decoder.backward(dv, decoder_caches)
        kl, (kl_mu, kl_log_var) = gaussian_kl_from_log_variance(mu, log_var)
        dmu, dlog_var = reparameterise_backward(dz, log_var, epsilon)
        encoder.accumulate(np.concatenate([dmu + kl_mu, dlog_var + kl_log_var], axis=1),
                           encoder_caches)
        return {"reconstruction": float(reconstruction), "kl": float(kl),
                "adversarial": float(adversarial), "discriminator": apart}

    def evaluate(self, batch, rng):
        """Reconstruction error and KL at z = mu, in evaluation mode: their sum is the test loss."""
        mu, log_var = split_code(self.players_["encoder"].forward(batch.x)[0])
        v, _ = self.players_["decoder"].forward(mu)
        return {"reconstruction": float(binary_cross_entropy_from_logits(v, batch.target)[0]),
                "kl": float(gaussian_kl_from_log_variance(mu, log_var)[0])}
