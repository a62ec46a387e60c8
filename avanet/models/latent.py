"""Gaussian codes: what the encoders of all variational models share."""

import numpy as np

from avanet.errors import InputError
from avanet.models.base import Model
from avanet.nn import Logistic, Softplus


def split_code(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mu, log sigma^2), each (B, n), from the encoder's output (B, 2n)."""
    n = code.shape[1] // 2
    return code[:, :n], code[:, n:]


def reparameterise(mu, log_var, epsilon):
    """z = mu + exp(log sigma^2 / 2) epsilon. All (B, n).

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, section 2.4.
    """
    return mu + np.exp(log_var / 2) * epsilon


def reparameterise_backward(dz, log_var, epsilon):
    """(dL/dmu, dL/dlog sigma^2) from dL/dz.

    dz/dmu = 1,   dz/dlog sigma^2 = exp(log sigma^2 / 2) epsilon / 2.
    """
    return dz, dz * np.exp(log_var / 2) * epsilon / 2


class Autoencoder(Model):
    """A model with an `encoder` to codes z and a `decoder` from them, whose output is a net input.

    The decoder ends below its output activation `output`, so that losses can be written from net
    inputs (logits), which is stable.
    """

    output = Logistic()

    def encode(self, X) -> tuple[np.ndarray, np.ndarray]:
        """(z, 0), each (N, n): mean and variance of a code that is certain."""
        self.check_fitted()
        z, _ = self.players_["encoder"].forward(self.inputs(X))
        return z, np.zeros_like(z)

    def decode(self, Z) -> np.ndarray:
        """Images (N, H, W, C) in [0, 1] of codes (N, n)."""
        self.check_fitted()
        Z = np.asarray(Z, self.dtype)
        width = self.players_["decoder"].n_in
        if Z.ndim != 2 or Z.shape[1] != width:
            raise InputError(f"expected codes of shape (N, {width}), got {Z.shape}")
        v, _ = self.players_["decoder"].forward(Z)
        return self.images(self.output.forward(v)[0])

    def reconstruct(self, X) -> np.ndarray:
        """The decoded means, g(mu(x)); images in [0, 1]."""
        return self.decode(self.encode(X)[0])

    def sample(self, n: int, random_state: int = 0) -> np.ndarray:
        """n images g(z), z ~ N(0, I)."""
        self.check_fitted()
        rng = np.random.default_rng(random_state)
        return self.decode(rng.standard_normal((n, self.players_["decoder"].n_in)))


class LatentModel(Autoencoder):
    """An autoencoder whose encoder gives (mu, log sigma^2) of a Gaussian q(z|x)."""

    def encode(self, X) -> tuple[np.ndarray, np.ndarray]:
        """(mu, sigma^2) of q(z|x), each (N, n)."""
        self.check_fitted()
        mu, log_var = split_code(self.players_["encoder"].forward(self.inputs(X))[0])
        return mu, np.exp(log_var)

    def log_likelihood(self, X, Z) -> np.ndarray:
        """log p(x_i|z_i) of images and codes, in nats, one value an image: (N,) float64.

        p(x|z) is Bernoulli, sum over pixels of x v - log(1 + exp v) with v the decoder's output;
        for pixels between 0 and 1 minus the cross-entropy, as in the loss.
        """
        x = self.inputs(X)
        v, _ = self.players_["decoder"].forward(np.asarray(Z, self.dtype))
        terms = x * v - Softplus().f(v)
        return terms.reshape(len(x), -1).sum(axis=1, dtype=np.float64)
