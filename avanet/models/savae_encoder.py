"""The encoder of the semi-supervised adversarial VAE: four networks, their outputs as features."""

import numpy as np

from avanet.models.latent import LatentModel, reparameterise, split_code
from avanet.models.savae_networks import ENCODER


class FeatureEncoder(LatentModel):
    """A model whose encoder is the players `ENCODER`: F_i = stage_i(F_(i - 1)), F_0 = x, the code
    (mu, log sigma^2) of F_3."""

    def input_shape(self, player):
        if player not in ENCODER:
            return super().input_shape(player)
        shape: tuple[int, ...] = self.shape_
        for name in ENCODER[:ENCODER.index(player)]:
            shape = self.players_[name].output_shape(shape)
        return shape

    def features(self, x):
        """([F_1, F_2, F_3], code, caches) of images."""
        outputs, caches = [], []
        for name in ENCODER:
            x, cache = self.players_[name].forward(x)
            outputs.append(x)
            caches.append(cache)
        return outputs[:-1], outputs[-1], caches

    def features_back(self, dfeatures, dcode, caches) -> np.ndarray:
        """dL/dx from the dL/dF_i, which join where the features come out, and dL/dcode."""
        back = dcode
        for name, cache, more in zip(reversed(ENCODER), reversed(caches),
                                     (0, *reversed(dfeatures))):
            back = self.players_[name].propagate(back + more, cache)
        return back

    def drawn(self, code, rng):
        """(z, the draw epsilon) of a code."""
        mu, log_var = split_code(code)
        epsilon = self.normal(rng, *mu.shape)
        return reparameterise(mu, log_var, epsilon), epsilon

    def encode(self, X):
        """(mu, sigma^2) of q(z|x), each (N, K_z)."""
        self.check_fitted()
        mu, log_var = split_code(self.features(self.inputs(X))[1])
        return mu, np.exp(log_var)


def joined(pair) -> np.ndarray:
    """One array of a code's two halves, or of their derivatives."""
    return np.concatenate(pair, axis=1)
