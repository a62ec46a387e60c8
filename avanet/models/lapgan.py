"""LAPGAN: a GAN for each level of a Laplacian pyramid, conditional on the level below."""

from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from avanet.models import base
from avanet.models.adversarial import CHUNK
from avanet.models.adversarial_losses import as_real, tell_apart
from avanet.models.base import Losses, Model
from avanet.models.lapgan_networks import pyramid_layers
from avanet.models.pyramid import pyramid, up
from avanet.nn import Adam, Sequential


@dataclass(frozen=True)
class Config(base.Config):
    """levels: of the pyramid; latent, hidden: units of the coarsest level's z and hidden layers;
    width: channels of the other levels' networks; dropout in the discriminators."""

    rate: float = 1e-3
    levels: int = 3
    latent: int = 32
    hidden: int = 256
    width: int = 16
    dropout: float = 0.3

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "levels", "latent", "hidden", "width")
        self.fractions("dropout")


class LAPGAN(Model):
    """I_K = G_K(z_K),   I_k = l_k + G_k(z_k, l_k),   l_k = u(I_{k+1}),   k = K-1, ..., 0.

    An image is its coarsest copy I_K and the details h_k = I_k - u(d(I_k)) of every finer level
    (see `avanet.models.pyramid`). Level k has a GAN of its own,

        L_Dk = -E[log D_k(h_k, l_k)] - E[log(1 - D_k(G_k(z_k, l_k), l_k))],
        L_Gk = -E[log D_k(G_k(z_k, l_k), l_k)],

    in training with the real l_k; at the coarsest level h_K = I_K and there is no l. Players:
    dense networks as in `gan` there, convolutions elsewhere, z_k one plane of noise. All levels
    learn from every batch, each player by a step of Adam, beta1 = 1/2, from one pass.

    Source: Denton et al., "Deep generative image models using a Laplacian pyramid of adversarial
    networks", 2015, Eqs. 3-5; survey, 3.9.3.
    """

    name = "lapgan"
    paper = "vae-gan-survey, Sec. 3.9.3"
    Config = Config
    low = -1.0

    def build(self, shape, rng):
        return {name: Sequential(layers, rng, self.dtype, name)
                for name, layers in pyramid_layers(self._config, shape).items()}

    def input_shape(self, player):
        shape, k = super().input_shape(player), int(player.lstrip(ascii_lowercase))
        return shape if len(shape) < 3 else (shape[0] >> k, shape[1] >> k, shape[2])

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply(*self.players_)
        return losses

    def gradients(self, batch, rng):
        """Add the derivatives of every L_Gk and L_Dk, finest level first."""
        losses: Losses = {}
        for k, (detail, below) in enumerate(pyramid(batch.target, self._config.levels)):
            generator, discriminator = self.level(k)
            fake, caches = generator.forward(self.seed(below, len(detail), rng), True, rng)
            loss, verdicts = tell_apart(discriminator, joined(detail, below), joined(fake, below),
                                        rng)
            generator_loss, dv = as_real(verdicts.fake)
            dfake = discriminator.propagate(dv, verdicts.fake_caches)[..., :fake.shape[-1]]
            generator.accumulate(dfake, caches)
            losses |= {f"generator{k}": float(generator_loss), f"discriminator{k}": loss}
        return losses

    def new_optimiser(self, player):
        if self._config.optimiser == "adam":
            return Adam(beta1=0.5)
        return super().new_optimiser(player)

    def level(self, k: int) -> tuple[Sequential, Sequential]:
        """G_k and D_k."""
        return self.players_[f"generator{k}"], self.players_[f"discriminator{k}"]

    def seed(self, below, n, rng) -> np.ndarray:
        """A generator's input: z_K, or l_k with a plane of noise behind its channels."""
        if below is None:
            return self.normal(rng, n, self._config.latent)
        return joined(below, self.normal(rng, *below.shape[:3], 1))

    def sample(self, n: int, random_state: int = 0) -> np.ndarray:
        """n images, from the coarsest level up; pixels beyond [0, 1] are cut off."""
        self.check_fitted()
        rng = np.random.default_rng(random_state)
        chunks = [self._sample(min(CHUNK, n - start), rng) for start in range(0, max(n, 1), CHUNK)]
        return np.clip(self.images(np.concatenate(chunks)), 0, 1)

    def _sample(self, n, rng):
        below = None
        for k in reversed(range(self._config.levels)):
            detail, _ = self.level(k)[0].forward(self.seed(below, n, rng))
            image = detail if below is None else below + detail
            below = up(image)
        return image


def joined(x: np.ndarray, below: np.ndarray | None) -> np.ndarray:
    """x with l_k behind its channels, if there is one."""
    return x if below is None else np.concatenate([x, below], axis=-1)
