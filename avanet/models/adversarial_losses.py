"""What a discriminator's verdicts cost it and its generator.

A discriminator ends in a logit v, D = 1 / (1 + exp(-v)), so that losses are stable.
"""

from typing import Any, NamedTuple

import numpy as np

from avanet.models.labels import Asked
from avanet.nn import Sequential
from avanet.nn.losses import binary_cross_entropy_from_logits


def as_real(v: np.ndarray):
    """-mean log D: what it costs not to be taken for real.

    v : (B, 1) logits. Returns (value, its derivative by v).
    """
    return binary_cross_entropy_from_logits(v, np.ones_like(v))


def as_fake(v: np.ndarray):
    """-mean log(1 - D): what it costs not to be taken for generated.

    v : (B, 1) logits. Returns (value, its derivative by v).
    """
    return binary_cross_entropy_from_logits(v, np.zeros_like(v))


def not_as_fake(v: np.ndarray):
    """mean log(1 - D), which saturates where D is near 0. Returns (value, derivative by v)."""
    value, dv = as_fake(v)
    return -value, -dv


# Goodfellow et al., 2014: what the generator minimises, in Algorithm 1 and as Section 3 advises
GENERATOR_LOSSES = {"saturating": not_as_fake, "non-saturating": as_real}


class Verdicts(NamedTuple):
    """A discriminator's logits of what is real and of what is generated, with their caches."""

    real: np.ndarray
    real_caches: list[Any]
    fake: np.ndarray
    fake_caches: list[Any]


def tell_apart(discriminator: Sequential | Asked, real: np.ndarray, fake: np.ndarray,
               rng: np.random.Generator) -> tuple[float, Verdicts]:
    """Add the derivative of L_D = -E[log D(x)] - E[log(1 - D(x'))] to the discriminator's grads.

    Returns the loss, and the verdicts, through which a generator's gradient may go back.
    """
    verdicts = Verdicts(*discriminator.forward(real, True, rng),
                        *discriminator.forward(fake, True, rng))
    real_loss, dv_real = as_real(verdicts.real)
    fake_loss, dv_fake = as_fake(verdicts.fake)
    discriminator.accumulate(dv_real, verdicts.real_caches)
    discriminator.accumulate(dv_fake, verdicts.fake_caches)
    return float(real_loss + fake_loss), verdicts
