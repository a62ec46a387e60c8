"""The deep convolutional GAN of the survey, as its program builds and trains it."""

from dataclasses import dataclass

from avanet.errors import InputError
from avanet.models import base
from avanet.models.adversarial import AdversarialModel
from avanet.models.adversarial_losses import as_real, tell_apart
from avanet.nn import (
    Adam, BatchNorm, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, LeakyReLU, Reshape,
    Sequential, Tanh,
)


@dataclass(frozen=True)
class Config(base.Config):
    """latent: units of z; width: channels of the discriminator's first layer, the others are its
    multiples; dropout: rate in the discriminator. The survey trains for 180 epochs."""

    batch: int = 256
    rate: float = 1e-4
    latent: int = 100
    width: int = 64
    dropout: float = 0.3

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "width")
        self.fractions("dropout")


class DCGAN(AdversarialModel):
    """L_D = -E[log D(x)] - E[log(1 - D(G(z)))],   L_G = -E[log D(G(z))], both minimised.

    Players generator 100-7x7x256-14x14x64-28x28x1 (transposed convolutions, batch norm, tanh) and
    discriminator 28x28x1-14x14x64-7x7x128-1 (convolutions, dropout); any image whose sides are
    multiples of 4. Both gradients come from the same pass, then each player takes an Adam step.

    Source: the survey's DCGAN (Sec. 3.9.2, 3.9.4); its program for what it leaves open, with
    Keras's conventions: "same" padding, Glorot start values, no biases in the generator, leaky
    ReLU of slope 0.3, batch norm with momentum 0.99 and epsilon 1e-3, Adam's epsilon hat of 1e-7.
    """

    name = "dcgan"
    paper = "vae-gan-survey, Sec. 3.9"
    Config = Config
    low = -1.0

    @property
    def verdicts(self) -> int:
        """How many logits the discriminator ends in."""
        return 1

    def build(self, shape, rng):
        c = self._config
        height, width, _ = shape
        if height % 4 or width % 4:
            raise InputError(f"{self.name} takes images whose sides are multiples of 4, got "
                             f"{height} x {width}; resize or crop them")
        return {
            "generator": Sequential(
                generator_layers(c.latent + self.extra, shape, c.width),
                rng, self.dtype, "generator"),
            "discriminator": Sequential(
                discriminator_layers(shape, c.width, c.dropout, self.verdicts),
                rng, self.dtype, "discriminator"),
        }

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply("generator", "discriminator")
        return losses

    def gradients(self, batch, rng):
        """Add dL_G/dG and dL_D/dD, both from one pass with one draw of z and of dropout."""
        generator, discriminator = self.players_["generator"], self.asked(batch.labels)
        fake, caches = generator.forward(self.noise(batch, rng), True, rng)
        loss, verdicts = tell_apart(discriminator, batch.target, fake, rng)
        generator_loss, dv = as_real(verdicts.fake)
        generator.accumulate(discriminator.propagate(dv, verdicts.fake_caches), caches)
        return {"generator": float(generator_loss), "discriminator": loss}

    def new_optimiser(self, player):
        if self._config.optimiser == "adam":
            return Adam(epsilon=1e-7, epsilon_hat=True)
        return super().new_optimiser(player)


def generator_layers(n_in, shape, width):
    """From n_in values to an image, upwards by two strides of 2; channels 4, 2, 1 times width."""
    height, columns, channels = shape
    start = height // 4, columns // 4, 4 * width
    n = start[0] * start[1] * start[2]
    up = lambda n_in, n_out, stride: ConvTranspose2D(n_in, n_out, 5, stride, "same", biases=None)
    norm = lambda n: BatchNorm(n, momentum=0.99, epsilon=1e-3)
    return [
        Dense(n_in, n, biases=None), norm(n), LeakyReLU(0.3), Reshape(start),
        up(4 * width, 2 * width, 1), norm(2 * width), LeakyReLU(0.3),
        up(2 * width, width, 2), norm(width), LeakyReLU(0.3),
        up(width, channels, 2), Tanh(),
    ]


def discriminator_layers(shape, width, dropout, n_out=1):
    """From an image to n_out logits, downwards by two strides of 2; channels 1 and 2 x width."""
    height, columns, channels = shape
    return [
        Conv2D(channels, width, 5, 2, "same"), LeakyReLU(0.3), Dropout(dropout),
        Conv2D(width, 2 * width, 5, 2, "same"), LeakyReLU(0.3), Dropout(dropout),
        Flatten(), Dense(-(-height // 4) * -(-columns // 4) * 2 * width, n_out),
    ]
