"""The adversarial autoencoder: a discriminator holds the codes to a prior."""

import math
from dataclasses import dataclass

import numpy as np

from avanet.errors import InputError
from avanet.models import base
from avanet.models.adversarial_losses import as_real, tell_apart
from avanet.models.dense import dropped, rectified
from avanet.models.labels import one_hot
from avanet.models.latent import Autoencoder
from avanet.models.priors import PRIORS
from avanet.nn import Flatten, Reshape, Sequential
from avanet.nn.losses import binary_cross_entropy_from_logits


@dataclass(frozen=True)
class Config(base.Config):
    """latent, hidden: units of z and of the hidden layers; prior: gaussian, or a mixture of
    `classes` Gaussians; labels: whether the discriminator is told each image's component;
    adversarial: the weight lambda; dropout in the discriminator."""

    latent: int = 8
    hidden: int = 400
    prior: str = "gaussian"
    labels: bool = False
    classes: int = 10
    adversarial: float = 20.0
    dropout: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "hidden", "classes")
        self.at_least(0, "adversarial")
        self.fractions("dropout")
        self.one_of(PRIORS, "prior")
        if self.prior == "mixture" and self.latent < 2:
            raise InputError(f"a mixture needs a latent of at least 2, got {self.latent}")
        if self.labels and self.prior != "mixture":
            raise InputError("labels name components: set prior=mixture too")


class AAE(Autoencoder):
    """L = -E[log p(x|z)] - lambda E[log D(z)],   z = f(x), minimised by encoder and decoder;

    L_D = -E_p(z)[log D(z)] - E[log(1 - D(f(x)))] by the discriminator, which tells draws of the
    prior p(z) from codes. Bernoulli p(x|z). The prior is N(0, I), or a mixture of Gaussians (see
    `avanet.models.priors`); with labels D(z|y) also sees the component, which is the label. Players
    encoder 784-400-400-8, decoder 8-400-400-784 (ReLU), discriminator 8-400-400-1 (leaky ReLU);
    all gradients from one pass, then an Adam step each: the survey's combined loss, where Makhzani
    takes the two terms in turn.

    Source: Makhzani et al., "Adversarial autoencoders", 2015, Secs. 2, 2.3; survey, 3.9.7.
    """

    name = "aae"
    paper = "vae-gan-survey, Sec. 3.9.7"
    Config = Config
    watch = ("reconstruction",)

    def build(self, shape, rng):
        c, m = self._config, math.prod(shape)
        players = {
            "encoder": [Flatten(), *rectified(m, c.hidden, c.hidden, c.latent)],
            "decoder": [*rectified(c.latent, c.hidden, c.hidden, m), Reshape(shape)],
            "discriminator": dropped(c.latent + c.labels * c.classes, c.hidden, c.hidden, 1,
                                     rate=c.dropout),
        }
        return {name: Sequential(layers, rng, self.dtype, name)
                for name, layers in players.items()}

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply("encoder", "decoder", "discriminator")
        return losses

    def gradients(self, batch, rng):
        """Add dL/df, dL/dg and dL_D/dD; z carries both terms of L back to the encoder."""
        encoder, decoder, discriminator = self.players_.values()
        z, encoder_caches = encoder.forward(batch.x, True, rng)
        v, decoder_caches = decoder.forward(z, True, rng)
        reconstruction, dv = binary_cross_entropy_from_logits(v, batch.target)
        fake = self.judged(z, batch.labels)
        drawn = self.prior(len(z), rng, batch.labels if self._config.labels else None)
        loss, verdicts = tell_apart(discriminator, self.judged(drawn, batch.labels), fake, rng)
        adversarial, d_adversarial = as_real(verdicts.fake)
        dz = discriminator.propagate(self._config.adversarial * d_adversarial,
                                     verdicts.fake_caches)[:, :z.shape[1]]
        encoder.accumulate(dz + decoder.backward(dv, decoder_caches), encoder_caches)
        return {"reconstruction": float(reconstruction), "adversarial": float(adversarial),
                "discriminator": loss}

    def judged(self, z, labels):
        """The discriminator's input: z, with the label if it is told."""
        c = self._config
        if not c.labels:
            return z
        return np.concatenate([z, one_hot(labels, c.classes, self.name, z.dtype)], axis=1)

    def prior(self, n: int, rng: np.random.Generator, components=None) -> np.ndarray:
        """n draws of p(z); of a mixture from the given components, or any."""
        c = self._config
        epsilon = self.normal(rng, n, c.latent)
        if components is None:
            components = rng.integers(c.classes, size=n)
        return PRIORS[c.prior](epsilon, components, c.classes)

    def evaluate(self, batch, rng):
        """-log p(x|z) at z = f(x), in evaluation mode."""
        z, _ = self.players_["encoder"].forward(batch.x)
        v, _ = self.players_["decoder"].forward(z)
        return {"reconstruction": float(binary_cross_entropy_from_logits(v, batch.target)[0])}

    def sample(self, n: int, random_state: int = 0, labels=None) -> np.ndarray:
        """n images g(z), z ~ p(z); of the mixture's components `labels`, one for all or n."""
        self.check_fitted()
        rng = np.random.default_rng(random_state)
        return self.decode(self.prior(n, rng, None if labels is None
                                      else np.broadcast_to(labels, n)))
