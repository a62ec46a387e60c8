"""The variational encoder classifier: step 1 of the semi-supervised adversarial VAE."""

from dataclasses import dataclass

import numpy as np

from avanet.models import base
from avanet.models.labels import one_hot
from avanet.models.latent import reparameterise_backward, split_code
from avanet.models.savae_encoder import FeatureEncoder, joined
from avanet.models.savae_networks import ENCODER, classifier, encoder
from avanet.nn import Sequential, Softmax
from avanet.nn.losses import (
    categorical_cross_entropy_from_logits, gaussian_kl_from_log_variance, half_squared_error,
)
from avanet.tensors import Tensors, fitting

FIRST = (*ENCODER, "classifier")  # the players that step 1 trains


@dataclass(frozen=True)
class Config(base.Config):
    """kl: weight of L_kl (Eq. 6); latent: K_z; classes; width and hidden: channels of the first
    layer and units of the dense ones (both open in the paper)."""

    kl: float = 0.01
    latent: int = 2
    classes: int = 10
    width: int = 8
    hidden: int = 128

    def __post_init__(self):
        super().__post_init__()
        self.at_least(0, "kl")
        self.at_least(1, "latent", "width", "hidden")
        self.at_least(2, "classes")


class VEC(FeatureEncoder):
    """Algorithm 1:   L_VEC = kl KL(q(z|x) || N(0, I)) - E[y log Class(z)]   (Eqs. 6, 7).

    Eq. 6 has no weight kl. But E KL >= I(z; y) >= H(y) - L_cat: with kl = 1, L_VEC is at least
    H(y), and a code that says nothing attains that; training finds it.
    """

    def build(self, shape, rng):
        c = self._config
        layers = dict(zip(ENCODER, encoder(shape, c.width, c.hidden, c.latent)))
        layers["classifier"] = classifier(c.latent, c.hidden, c.classes)
        return {name: Sequential(part, rng, self.dtype, name) for name, part in layers.items()}

    def vec_gradients(self, batch, rng):
        """Add dL_VEC by encoder and classifier, Eqs. 6 and 7."""
        c, classifier = self._config, self.players_["classifier"]
        _, code, caches = self.features(batch.x)
        z, epsilon = self.drawn(code, rng)
        v, class_caches = classifier.forward(z, True, rng)
        y = one_hot(batch.labels, c.classes, self.name, self.dtype)
        categorical, dv = categorical_cross_entropy_from_logits(v, y)
        mu, log_var = split_code(code)
        kl, dkl = gaussian_kl_from_log_variance(mu, log_var)
        dz = classifier.backward(dv, class_caches)
        back = joined(reparameterise_backward(dz, log_var, epsilon)) + c.kl * joined(dkl)
        for name, cache in zip(reversed(ENCODER), reversed(caches)):
            back = self.players_[name].backward(back, cache)
        return {"kl": float(kl), "categorical": float(categorical)}

    def latent_loss(self, code_hat, z, rng):
        """(L_latent, its derivative by the code of x^), Eq. 11."""
        classifier, softmax = self.players_["classifier"], Softmax()
        z_hat, epsilon = self.drawn(code_hat, rng)
        v, caches = classifier.forward(z_hat)
        p, p_cache = softmax.forward(v)
        loss, dp = squared_error(p, softmax.forward(classifier.forward(z)[0])[0])
        dz = classifier.propagate(softmax.propagate(dp, p_cache), caches)
        return loss, joined(reparameterise_backward(dz, split_code(code_hat)[1], epsilon))

    def first_tensors(self) -> Tensors:
        """What step 1 trains: parameters and buffers of encoder and classifier."""
        return {name: array for name, array in self.tensors().items()
                if name.partition(".")[0] in FIRST}

    def adopt(self, tensors: Tensors) -> None:
        """Take over the `first_tensors` of a model of the same sizes; KeyError or ValueError if
        they are another's."""
        tensors = dict(tensors)
        for name, array in self.first_tensors().items():
            array[...] = fitting(tensors, name, array)

    def classify(self, X) -> np.ndarray:
        """Class(mu(x)), probabilities (N, classes)."""
        return Softmax().forward(self.players_["classifier"].forward(self.encode(X)[0])[0])[0]


def squared_error(y, target, values=1):
    """L = mean_b ||y - t||^2 / values.   dL/dy = 2 (y - t) / (B values)."""
    half, dy = half_squared_error(y, target)
    return 2 * half / values, 2 * dy / values
