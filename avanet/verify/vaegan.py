"""The VAE-GANs as a whole: each player's gradient against its loss, the others frozen.

The losses are written as formulas on named parameters, apart from layers and backward passes.
"""

from functools import partial

import numpy as np

from avanet.data import Batch
from avanet.models import model_class
from avanet.nn.gradcheck import TOLERANCES, check_function
from avanet.verify.result import Item, Outcome, of_report, together

EPSILON = 1e-5  # of batch norm
SHAPE, BATCH, LATENT, HIDDEN = (2, 3, 1), 4, 2, 3
PLAYERS = {"encoder": "autoencoder", "decoder": "autoencoder", "discriminator": "judge"}


class Losses:
    """L and L_d at one batch and one draw, as functions of each player's flat parameters."""

    def __init__(self, model, x, target, epsilon):
        self.x, self.target, self.epsilon = x, target, epsilon
        self.weight, self.batch_norm = model.config.adversarial, model.config.batch_norm
        self.shapes = {name: [shape for layer in player.layers for shape in layer.shapes().values()]
                       for name, player in model.players_.items()}

    def autoencoder(self, **at):
        """L = BCE(x', x) + KL + lambda BCE(d(x'), 1), summed over pixels, batch mean."""
        fake, mu, log_var = self.pass_on(at)
        kl = (mu**2 + np.exp(log_var) - 1 - log_var).sum() / (2 * len(fake))
        return (_cross_entropy(fake, self.target) + kl
                + self.weight * _cross_entropy(self.output(at, "discriminator", fake), 1))

    def judge(self, **at):
        """L_d = BCE(d(x), 1) + BCE(d(x'), 0)."""
        fake, _, _ = self.pass_on(at)
        return (_cross_entropy(self.output(at, "discriminator", self.target), 1)
                + _cross_entropy(self.output(at, "discriminator", fake), 0))

    def pass_on(self, at):
        """x', mu and log sigma^2."""
        code = self.net_input(at, "encoder", self.x)
        mu, log_var = code[:, :LATENT], code[:, LATENT:]
        z = mu + np.sqrt(np.exp(log_var)) * self.epsilon
        return self.output(at, "decoder", z), mu, log_var

    def output(self, at, player, x):
        """x' = g(z), or d(x)."""
        return 1 / (1 + np.exp(-self.net_input(at, player, x)))

    def net_input(self, at, player, x):
        """What comes out of a player's last layer: of batch norm for the encoder, if it has it."""
        W, b, *norm, V, c = self.unpacked(at, player)[:6 if self.batch_norm else 4]
        u = self.norm(x @ W + b, *norm)
        return self.norm(u * (u.real > 0) @ V + c, *self.unpacked(at, player)[6:])

    def unpacked(self, at, player):
        """The flat parameters as a list of arrays."""
        ends = np.cumsum([np.prod(shape) for shape in self.shapes[player]])
        return [part.reshape(shape) for part, shape in
                zip(np.split(at[player], ends[:-1]), self.shapes[player])]

    def norm(self, v, gamma=None, beta=None):
        """gamma (v - mean) / sqrt(variance + epsilon) + beta, or v where there is no batch norm."""
        if gamma is None:
            return v
        away = v - v.mean(axis=0)
        return gamma * away / np.sqrt((away**2).mean(axis=0) + EPSILON) + beta


def _cross_entropy(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum() / len(p)


def check_vaegan(name: str, batch_norm: bool, seed: int = 0) -> Outcome:
    """What `gradients` adds for each player equals the derivatives of the player's loss."""
    rng = np.random.default_rng((seed, 11))
    model = model_class(name)(random_state=seed, dtype="float64", latent=LATENT, hidden=HIDDEN,
                              discriminator_hidden=HIDDEN, batch_norm=batch_norm,
                              adversarial=0.7).start(SHAPE)
    for player in model.players_.values():
        player.params += 0.2 * rng.standard_normal(player.params.shape)
    x, other = rng.random((2, BATCH, *SHAPE))
    target = other if name.startswith("denoising") else x
    model.gradients(Batch(x, target, None, np.arange(BATCH)), np.random.default_rng(seed))
    epsilon = np.random.default_rng(seed).standard_normal((BATCH, LATENT))
    losses = Losses(model, x.reshape(BATCH, -1), target.reshape(BATCH, -1), epsilon)
    point = {name: player.params for name, player in model.players_.items()}
    return together(*(
        of_report(check_function(getattr(losses, loss), point,
                                 {player: model.players_[player].grads}), player)
        for player, loss in PLAYERS.items()))


def items() -> list[Item]:
    """One item for each of the two models, with and without batch norm."""
    return [Item(f"model {name}, {'with' if batch_norm else 'without'} batch norm",
                 "VAE-GAN, 2.2-2.3", "BCE + KL + lambda BCE(d(x'), 1); L_d", "exact", "complex",
                 TOLERANCES["complex"], partial(check_vaegan, name, batch_norm))
            for name in ("vaegan", "denoising-vaegan") for batch_norm in (True, False)]
