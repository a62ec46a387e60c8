"""The denoising form of the VAE-GAN."""

from dataclasses import dataclass

from avanet.data.batches import gaussian_noise
from avanet.models import vaegan


@dataclass(frozen=True)
class Config(vaegan.Config):
    """noise: standard deviation of the normal noise on the input, clipped to [0, 1] (open in the
    paper); the others as for `vaegan`."""

    noise: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        self.at_least(0, "noise")


class DenoisingVAEGAN(vaegan.VAEGAN):
    """The VAE-GAN on noisy images x + noise N(0, I), its target x clean (Sec. 4.2).

    The same losses, players and update; only the encoder sees the noisy image.
    """

    name = "denoising-vaegan"
    paper = "vaegan-batchnorm-denoising, Sec. 4.2"
    Config = Config

    def corrupt(self):
        return (gaussian_noise(self._config.noise),)
