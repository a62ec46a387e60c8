"""The semi-supervised adversarial VAE: an encoder with a classifier first, then its decoder."""

from dataclasses import dataclass

import numpy as np

from avanet.errors import InputError
from avanet.models import base, savae_networks
from avanet.models.latent import (
    LatentModel, reparameterise, reparameterise_backward, split_code,
)
from avanet.models.savae_networks import ENCODER, encode, encode_back
from avanet.nn import Sequential, Softmax
from avanet.nn.losses import (
    categorical_cross_entropy_from_logits, gaussian_kl_from_log_variance, half_squared_error,
)
from avanet.tensors import Tensors, fitting

FIRST = (*ENCODER, "classifier")  # the players that step 1 trains


@dataclass(frozen=True)
class Config(base.Config):
    """kl, beta, gamma: weights of L_kl (Eq. 6), L_adv and L_latent (Eq. 8); alpha: of the features in Eq. 9,
    alpha_i = alpha^(i - 1); n_dis: discriminator cycles a step; first: the share of the training
    that step 1 takes; latent K_z, classes, width and hidden: sizes (the last two are open in the
    paper)."""

    kl: float = 0.05
    alpha: float = 0.1
    beta: float = 0.005
    gamma: float = 0.1
    n_dis: int = 1
    first: float = 0.5
    latent: int = 2
    classes: int = 10
    width: int = 8
    hidden: int = 128

    def __post_init__(self):
        super().__post_init__()
        if min(self.n_dis, self.latent, self.width, self.hidden) < 1 or self.classes < 2:
            raise InputError("n_dis, latent, width and hidden must be at least 1, classes at least "
                             f"2, got {self.n_dis}, {self.latent}, {self.width}, {self.hidden} "
                             f"and {self.classes}")
        self.at_least(0, "kl", "alpha", "beta", "gamma")
        if not 0 <= self.first <= 1:
            raise InputError(f"first must be in [0, 1], got {self.first}")


class SAVAE(LatentModel):
    """Algorithm 1 trains encoder and classifier, Algorithm 2 then a decoder against both, frozen.

    Step 1 (Eqs. 6, 7):   L_VEC = kl KL(q(z|x) || N(0, I)) - E[y log Class(z)].
    Step 2 (Eqs. 8-11):   L_Dec = L_rec + beta L_adv + gamma L_latent, with
        L_rec = sum_i alpha_i E ||F_i - F_i^||^2,   F_i the encoder's i-th features of x and x^,
        L_adv = E (Dis(x) - Dis(x^))^2,   L_latent = E ||Class(z) - Class(z^)||^2,   z^ ~ Enc(x^);
        L_dis = E (1 - Dis(x))^2, then E (-1 - Dis(x^))^2, n_dis times before each decoder step.

    Eq. 6 has no weight kl. But E KL >= I(z; y) >= H(y) - L_cat: with kl = 1, L_VEC is at least
    H(y), and a code that says nothing attains that; training finds it.
    E in L_rec also goes over the values of a feature (open in the paper), so that beta weighs
    losses of one size. Wherever a step takes a new random mini-batch, it takes the same one here.
    """

    name = "savae"
    paper = "semi-supervised-avae, Sec. 2"
    Config = Config

    def build(self, shape, rng):
        c = self._config
        layers = dict(zip(ENCODER, savae_networks.encoder(shape, c.width, c.hidden, c.latent)))
        layers["classifier"] = savae_networks.classifier(c.latent, c.hidden, c.classes)
        layers["decoder"] = savae_networks.decoder(shape, c.width, c.hidden, c.latent)
        layers["discriminator"] = savae_networks.discriminator(shape, c.width, c.hidden)
        return {name: Sequential(part, rng, self.dtype, name) for name, part in layers.items()}

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

    def input_shape(self, player):
        if player not in ENCODER:
            return super().input_shape(player)
        shape: tuple[int, ...] = self.shape_
        for name in ENCODER[:ENCODER.index(player)]:
            shape = self.players_[name].output_shape(shape)
        return shape

    def first_tensors(self) -> Tensors:
        """What step 1 trains: parameters and buffers of encoder and classifier."""
        return {name: array for name, array in self.tensors().items()
                if name.rpartition(".")[0] in FIRST}

    def adopt(self, tensors: Tensors) -> None:
        """Take over the `first_tensors` of a model of the same sizes.

        Raises
        ------
        ValueError, KeyError
            If they are another model's.
        """
        tensors = dict(tensors)
        for name, array in self.first_tensors().items():
            array[...] = fitting(tensors, name, array)

    def vec_gradients(self, batch, rng):
        """Add dL_VEC by encoder and classifier, Eqs. 6 and 7."""
        c, classifier = self._config, self.players_["classifier"]
        _, code, caches = encode(self.players_, batch.x)
        z, epsilon = self._drawn(code, rng)
        v, class_caches = classifier.forward(z, True, rng)
        categorical, dv = categorical_cross_entropy_from_logits(v, self._one_hot(batch.labels))
        mu, log_var = split_code(code)
        kl, dkl = gaussian_kl_from_log_variance(mu, log_var)
        dz = classifier.backward(dv, class_caches)
        back = _joined(reparameterise_backward(dz, log_var, epsilon)) + c.kl * _joined(dkl)
        for name, cache in zip(reversed(ENCODER), reversed(caches)):
            back = self.players_[name].backward(back, cache)
        return {"kl": float(kl), "categorical": float(categorical)}

    def real_gradients(self, batch, rng):
        """Add the derivative of E (1 - Dis(x))^2 by the discriminator."""
        return {"real": self._judge(batch.x, 1)}

    def generated_gradients(self, batch, rng):
        """Add the derivative of E (-1 - Dis(x^))^2 by the discriminator."""
        return {"generated": self._judge(self._regenerated(batch.x, rng)[0], -1)}

    def decoder_gradients(self, batch, rng):
        """Add dL_Dec by the decoder, back through discriminator, encoder and classifier."""
        c, players = self._config, self.players_
        x_hat, z, decoder_caches, features = self._regenerated(batch.x, rng)
        alphas = [c.alpha**i for i in range(len(features))]
        features_hat, code_hat, caches = encode(players, x_hat)
        parts = [squared_error(f_hat, f, f[0].size) for f_hat, f in zip(features_hat, features)]
        verdict, verdict_caches = players["discriminator"].forward(x_hat)
        adv, dverdict = squared_error(verdict, players["discriminator"].forward(batch.x)[0])
        latent, dcode = self._latent(code_hat, z, rng)
        dx = encode_back(players, c.gamma * dcode, caches,
                         [alpha * df for alpha, (_, df) in zip(alphas, parts)])
        dx += players["discriminator"].propagate(c.beta * dverdict, verdict_caches)
        players["decoder"].accumulate(self.output.propagate(dx, x_hat), decoder_caches)
        reconstruction = sum(alpha * loss for alpha, (loss, _) in zip(alphas, parts))
        return {"reconstruction": float(reconstruction), "adversarial": float(adv),
                "latent": float(latent)}

    def _latent(self, code_hat, z, rng):
        """(L_latent, its derivative by the code of x^), Eq. 11."""
        z_hat, epsilon = self._drawn(code_hat, rng)
        v, caches = self.players_["classifier"].forward(z_hat)
        p, p_cache = Softmax().forward(v)
        loss, dp = squared_error(p, Softmax().forward(self.players_["classifier"].forward(z)[0])[0])
        dz = self.players_["classifier"].propagate(Softmax().propagate(dp, p_cache), caches)
        return loss, _joined(reparameterise_backward(dz, split_code(code_hat)[1], epsilon))

    def _judge(self, x, label):
        discriminator = self.players_["discriminator"]
        verdict, caches = discriminator.forward(x, True)
        loss, dverdict = squared_error(verdict, np.full_like(verdict, label))
        discriminator.accumulate(dverdict, caches)
        return float(loss)

    def _drawn(self, code, rng):
        """(z, the draw epsilon) of a code (mu, log sigma^2)."""
        mu, log_var = split_code(code)
        epsilon = self.normal(rng, *mu.shape)
        return reparameterise(mu, log_var, epsilon), epsilon

    def _regenerated(self, x, rng):
        """(x^, z, the decoder's caches, features of x)."""
        features, code, _ = encode(self.players_, x)
        z, _ = self._drawn(code, rng)
        v, caches = self.players_["decoder"].forward(z, True, rng)
        return self.output.forward(v)[0], z, caches, features

    def _one_hot(self, labels):
        if labels is None or labels.ndim != 1 or labels.max() >= self._config.classes:
            raise InputError(f"savae needs a label from 0 to {self._config.classes - 1} for every "
                             "image; set classes to their number")
        return np.eye(self._config.classes, dtype=self.dtype)[labels]

    def encode(self, X):
        """(mu, sigma^2) of q(z|x), each (N, K_z)."""
        self.check_fitted()
        mu, log_var = split_code(encode(self.players_, self.inputs(X))[1])
        return mu, np.exp(log_var)

    def classify(self, X) -> np.ndarray:
        """Class(mu(x)), probabilities (N, classes)."""
        return Softmax().forward(self.players_["classifier"].forward(self.encode(X)[0])[0])[0]


def squared_error(y, target, values=1):
    """L = mean_b ||y - t||^2 / values.   dL/dy = 2 (y - t) / (B values)."""
    half, dy = half_squared_error(y, target)
    return 2 * half / values, 2 * dy / values


def _joined(pair):
    return np.concatenate(pair, axis=1)
