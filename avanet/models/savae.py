"""The semi-supervised adversarial VAE: an encoder with a classifier first, then its decoder."""

from dataclasses import dataclass

import numpy as np

from avanet.errors import InputError
from avanet.models import savae_vec
from avanet.models.savae_networks import decoder, discriminator
from avanet.models.savae_vec import FIRST, VEC, squared_error
from avanet.nn import Sequential


@dataclass(frozen=True)
class Config(savae_vec.Config):
    """alpha: of the features in Eq. 9, alpha_i = alpha^(i - 1); beta, gamma: weights of L_adv and
    L_latent (Eq. 8); n_dis: discriminator cycles a step; first: the share of the training that
    step 1 takes."""

    alpha: float = 0.1
    beta: float = 0.005
    gamma: float = 0.1
    n_dis: int = 1
    first: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        self.at_least(0, "alpha", "beta", "gamma")
        self.at_least(1, "n_dis")
        if not 0 <= self.first <= 1:
            raise InputError(f"first must be in [0, 1], got {self.first}")


class SAVAE(VEC):
    """Algorithm 1 trains encoder and classifier, Algorithm 2 then a decoder against both, frozen.

    Step 1 (Eqs. 6, 7):   L_VEC, see `VEC`.
    Step 2 (Eqs. 8-11):   L_Dec = L_rec + beta L_adv + gamma L_latent, with
        L_rec = sum_i alpha_i E ||F_i - F_i^||^2,   F_i the encoder's i-th features of x and x^,
        L_adv = E (Dis(x) - Dis(x^))^2,   L_latent = E ||Class(z) - Class(z^)||^2,   z^ ~ Enc(x^);
        L_dis = E (1 - Dis(x))^2, then E (-1 - Dis(x^))^2, n_dis times before each decoder step.

    E in L_rec also goes over the values of a feature (open in the paper), so that beta weighs
    losses of one size. Wherever a step takes a new random mini-batch, it takes the same one here.
    """

    name = "savae"
    paper = "semi-supervised-avae, Sec. 2"
    Config = Config

    def build(self, shape, rng):
        c = self._config
        players = super().build(shape, rng)
        for name, network in ("decoder", decoder(shape, c.width, c.hidden, c.latent)), \
                ("discriminator", discriminator(shape, c.width, c.hidden)):
            players[name] = Sequential(network, rng, self.dtype, name)
        return players

    def update(self, batch, rng):
        if self.moment() < self._config.first:
            losses = self.vec_gradients(batch, rng)
            self.apply(*FIRST)
            return losses
        losses = {}
        for _ in range(self._config.n_dis):
            losses |= self.real_gradients(batch, rng)
            self.apply("discriminator")
            losses |= self.generated_gradients(batch, rng)
            self.apply("discriminator")
        losses |= self.decoder_gradients(batch, rng)
        self.apply("decoder")
        return losses

    def real_gradients(self, batch, rng):
        """Add the derivative of E (1 - Dis(x))^2 by the discriminator."""
        return {"real": self._judge(batch.x, 1)}

    def generated_gradients(self, batch, rng):
        """Add the derivative of E (-1 - Dis(x^))^2 by the discriminator."""
        return {"generated": self._judge(self._regenerated(batch.x, rng)[0], -1)}

    def decoder_gradients(self, batch, rng):
        """Add dL_Dec by the decoder, back through discriminator, encoder and classifier."""
        c, dis = self._config, self.players_["discriminator"]
        x_hat, z, decoder_caches, features = self._regenerated(batch.x, rng)
        features_hat, code_hat, caches = self.features(x_hat)
        parts = [squared_error(f_hat, f, f[0].size) for f_hat, f in zip(features_hat, features)]
        alphas = [c.alpha**i for i in range(len(parts))]
        verdict, verdict_caches = dis.forward(x_hat)
        adv, dverdict = squared_error(verdict, dis.forward(batch.x)[0])
        latent, dcode = self.latent_loss(code_hat, z, rng)
        dx = self.features_back([alpha * df for alpha, (_, df) in zip(alphas, parts)],
                                c.gamma * dcode, caches)
        dx += dis.propagate(c.beta * dverdict, verdict_caches)
        self.players_["decoder"].accumulate(self.output.propagate(dx, x_hat), decoder_caches)
        reconstruction = sum(alpha * loss for alpha, (loss, _) in zip(alphas, parts))
        return {"reconstruction": float(reconstruction), "adversarial": float(adv),
                "latent": float(latent)}

    def _judge(self, x, label):
        discriminator = self.players_["discriminator"]
        verdict, caches = discriminator.forward(x, True)
        loss, dverdict = squared_error(verdict, np.full_like(verdict, label))
        discriminator.accumulate(dverdict, caches)
        return float(loss)

    def _regenerated(self, x, rng):
        """(x^, z, the decoder's caches, features of x)."""
        features, code, _ = self.features(x)
        z, _ = self.drawn(code, rng)
        v, caches = self.players_["decoder"].forward(z, True, rng)
        return self.output.forward(v)[0], z, caches, features
