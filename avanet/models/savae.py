"""The semi-supervised adversarial VAE: an encoder with a classifier first, then its decoder."""

from dataclasses import dataclass

import numpy as np

from avanet.errors import InputError
from avanet.models import base, savae_networks
from avanet.models.latent import (
    LatentModel, reparameterise, reparameterise_backward, split_code,
)
from avanet.nn import Sequential, Softmax
from avanet.nn.losses import (
    categorical_cross_entropy_from_logits, gaussian_kl_from_log_variance, half_squared_error,
)

ENCODER = ("stage 1", "stage 2", "stage 3", "code")
ALPHA = (1.0, 0.1, 0.01)  # of the three features in Eq. 9


@dataclass(frozen=True)
class Config(base.Config):
    """beta, gamma: weights of L_adv and L_latent (Eq. 8); n_dis: discriminator cycles a step;
    first: the share of the training that Algorithm 1 takes; latent K_z, classes, width, hidden:
    sizes."""

    beta: float = 0.005
    gamma: float = 0.1
    n_dis: int = 1
    first: float = 0.5
    latent: int = 2
    classes: int = 10
    width: int = 8
    hidden: int = 128


class SAVAE(LatentModel):
    """Algorithm 1 trains encoder and classifier, Algorithm 2 then a decoder against both, frozen.

    Step 1 (Eqs. 6, 7):   L_VEC = KL(q(z|x) || N(0, I)) - E[y log Class(z)].
    Step 2 (Eqs. 8-11):   L_Dec = L_rec + beta L_adv + gamma L_latent,
        L_rec = sum_i alpha_i E ||F_i - F_i^||^2,   F_i the encoder's i-th features of x and x^,
        L_adv = E (Dis(x) - Dis(x^))^2,   L_latent = E ||Class(z) - Class(z^)||^2,   z^ ~ Enc(x^),
        L_dis = E (1 - Dis(x))^2, then E (-1 - Dis(x^))^2, n_dis times before each decoder step.

    E in L_rec is read as the mean over all values of a feature (open in the paper): beta then
    weighs losses of one size. The mini-batches of the inner loop are random halves of the batch.
    """

    name = "savae"
    paper = "semi-supervised-avae, Sec. 2"
    Config = Config

    def build(self, shape, rng):
        c = self._config
        sizes = c.width, c.hidden
        layers = dict(zip(ENCODER, savae_networks.encoder(shape, *sizes, c.latent)))
        layers["classifier"] = savae_networks.classifier(c.latent, c.hidden, c.classes)
        layers["decoder"] = savae_networks.decoder(shape, *sizes, c.latent)
        layers["discriminator"] = savae_networks.discriminator(shape, *sizes)
        return {name: Sequential(part, rng, self.dtype, name) for name, part in layers.items()}

    def update(self, batch, rng):
        if self.moment() < self._config.first:
            losses = self.vec_gradients(batch, rng)
            self.apply(*ENCODER, "classifier")
            return losses
        losses = {}
        for _ in range(self._config.n_dis):
            losses = self.real_gradients(batch, rng)
            self.apply("discriminator")
            losses |= self.generated_gradients(batch, rng)
            self.apply("discriminator")
        losses |= self.decoder_gradients(batch, rng)
        self.apply("decoder")
        return losses

    def adopt(self, other: "SAVAE") -> None:
        """Take over encoder and classifier of a model that has finished step 1."""
        for name in (*ENCODER, "classifier"):
            ours, theirs = self.players_[name], other.players_[name]
            ours.params[:] = theirs.params
            for key, buffer in ours.buffers().items():
                buffer[...] = theirs.buffers()[key]

    # Gradients ---------------------------------------------------------------------------------

    def vec_gradients(self, batch, rng):
        """L_VEC by encoder and classifier (Eqs. 6, 7)."""
        _, code, caches = self._encode(batch.x)
        mu, log_var = split_code(code)
        epsilon = self.normal(rng, *mu.shape)
        classifier = self.players_["classifier"]
        v, class_caches = classifier.forward(reparameterise(mu, log_var, epsilon), True, rng)
        categorical, dv = categorical_cross_entropy_from_logits(v, self._one_hot(batch.labels))
        kl, dkl = gaussian_kl_from_log_variance(mu, log_var)
        dz = reparameterise_backward(classifier.backward(dv, class_caches), log_var, epsilon)
        dcode = np.concatenate([dz[0] + dkl[0], dz[1] + dkl[1]], axis=1)
        self._encode_back(dcode, caches, method="backward")
        return {"kl": float(kl), "categorical": float(categorical)}

    def real_gradients(self, batch, rng):
        """E (1 - Dis(x))^2 by the discriminator."""
        return {"real": self._discriminate(batch.x[self._half(batch, rng)], 1.0)}

    def generated_gradients(self, batch, rng):
        """E (-1 - Dis(x^))^2 by the discriminator."""
        x = batch.x[self._half(batch, rng)]
        x_hat, _, _ = self._regenerate(self._encode(x)[1], rng)
        return {"generated": self._discriminate(x_hat, -1.0)}

    def decoder_gradients(self, batch, rng):
        """L_Dec by the decoder, back through the frozen discriminator, encoder and classifier."""
        c, decoder, discriminator = self._config, *map(
            self.players_.get, ("decoder", "discriminator"))
        features, code, _ = self._encode(batch.x)
        x_hat, z, decoder_caches = self._regenerate(code, rng)
        features_hat, code_hat, caches = self._encode(x_hat)

        parts = [squared_error(f_hat, f, f[0].size) for f_hat, f in zip(features_hat, features)]
        rec = sum(alpha * value for alpha, (value, _) in zip(ALPHA, parts))
        dfeatures = [alpha * gradient for alpha, (_, gradient) in zip(ALPHA, parts)]

        verdict, dis_caches = discriminator.forward(x_hat)
        adv, dverdict = squared_error(verdict, discriminator.forward(batch.x)[0])
        latent, dcode = self._latent(code_hat, z, rng)
        dx = self._encode_back(c.gamma * dcode, caches, dfeatures)
        dx += c.beta * discriminator.propagate(dverdict, dis_caches)
        decoder.accumulate(self.output.propagate(dx, x_hat), decoder_caches)
        return {"reconstruction": float(rec), "adversarial": float(adv), "latent": float(latent)}

    def _latent(self, code_hat, z, rng):
        """(L_latent, its gradient by the code of x^), Eq. 11."""
        mu, log_var = split_code(code_hat)
        epsilon = self.normal(rng, *mu.shape)
        classifier, softmax = self.players_["classifier"], Softmax()
        target = softmax.forward(classifier.forward(z)[0])[0]
        v, caches = classifier.forward(reparameterise(mu, log_var, epsilon))
        p, p_cache = softmax.forward(v)
        loss, dp = squared_error(p, target)
        dz = classifier.propagate(softmax.propagate(dp, p_cache), caches)
        return loss, np.concatenate(reparameterise_backward(dz, log_var, epsilon), axis=1)

    def _discriminate(self, x, label):
        discriminator = self.players_["discriminator"]
        verdict, caches = discriminator.forward(x, True)
        loss, dverdict = squared_error(verdict, np.full_like(verdict, label))
        discriminator.accumulate(dverdict, caches)
        return float(loss)

    # Networks ----------------------------------------------------------------------------------

    def _encode(self, x):
        """(features F_1 to F_3, code (mu, log sigma^2), caches)."""
        outputs, caches = [], []
        for name in ENCODER:
            x, cache = self.players_[name].forward(x)
            outputs.append(x)
            caches.append(cache)
        return outputs[:-1], outputs[-1], caches

    def _encode_back(self, dcode, caches, dfeatures=(0, 0, 0), method="propagate"):
        """dL/dx from dL/dcode and the dL/dF_i, which enter where the features come out."""
        back = dcode
        for name, cache, more in zip(reversed(ENCODER), reversed(caches),
                                     (0, *reversed(dfeatures))):
            back = getattr(self.players_[name], method)(back + more, cache)
        return back

    def _regenerate(self, code, rng):
        """(x^, z, the decoder's caches) of a sampled z."""
        mu, log_var = split_code(code)
        z = reparameterise(mu, log_var, self.normal(rng, *mu.shape))
        v, caches = self.players_["decoder"].forward(z, True, rng)
        return self.output.forward(v)[0], z, caches

    def _half(self, batch, rng):
        return rng.permutation(len(batch.x))[:max(1, len(batch.x) // 2)]

    def _one_hot(self, labels):
        if labels is None or labels.ndim != 1 or labels.max() >= self._config.classes:
            raise InputError(f"savae needs labels 0 to {self._config.classes - 1} (setting "
                             "classes), one an image")
        return np.eye(self._config.classes, dtype=self.dtype)[labels]

    # Use ---------------------------------------------------------------------------------------

    def encode(self, X):
        """(mu, sigma^2) of q(z|x), each (N, K_z)."""
        mu, log_var = split_code(self._encode(self.inputs(X))[1])
        return mu, np.exp(log_var)

    def classify(self, X) -> np.ndarray:
        """Class(mu(x)) : (N, classes), probabilities."""
        return Softmax().forward(self.players_["classifier"].forward(self.encode(X)[0])[0])[0]


def squared_error(y, target, values=1):
    """L = mean_b ||y - t||^2 / values.   dL/dy = 2 (y - t) / (B values)."""
    half, dy = half_squared_error(y, target)
    return 2 * half / values, 2 * dy / values
