"""Objectives of the models of batches, written from the papers in plain NumPy.

Each is a function of a scene, and minimised. Random draws come in the order of the model's method;
nothing is taken from its losses or its backward pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from avanet.data import Batch
from avanet.models.base import Model
from avanet.nn import Sequential


@dataclass(frozen=True)
class Scene:
    """What an objective is evaluated on: complex twins of the players, a batch, a generator."""

    model: Model
    players: dict[str, Sequential]
    batch: Batch
    rng: np.random.Generator

    @property
    def config(self) -> Any:
        """The model's settings."""
        return self.model.config

    def run(self, player: str, x: np.ndarray) -> np.ndarray:
        """A player's output in training."""
        return self.players[player].forward(x.astype(np.complex128), True, self.rng)[0]

    def frozen(self, player: str, x: np.ndarray) -> np.ndarray:
        """A player's output in evaluation."""
        return self.players[player].forward(x.astype(np.complex128))[0]

    def normal(self, n: int) -> np.ndarray:
        """N(0, 1) draws, n for each image of the batch."""
        return self.rng.standard_normal((len(self.batch.target), n))

    @property
    def y(self) -> np.ndarray:
        """The labels as rows of an identity matrix; none for a model without classes."""
        classes = getattr(self.config, "classes", 0)
        return np.array([[float(k == label) for k in range(classes)]
                         for label in self.batch.labels])


Objective = Callable[[Scene], Any]


def log_logistic(v):
    """log of 1 / (1 + exp(-v))."""
    return -np.log(1 + np.exp(-v))


def cross_entropy(v, t):
    """-sum of t log p + (1 - t) log(1 - p), p = 1 / (1 + exp(-v)), as a mean over the batch."""
    p = 1 / (1 + np.exp(-v))
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum() / len(v)


# Classifying --------------------------------------------------------------------------------------

def classifier(s: Scene):
    """-E[log p(y|x)], p a softmax"""
    v = s.run("classifier", s.batch.x)
    return -np.mean([np.log(np.exp(row[label]) / np.exp(row).sum())
                     for row, label in zip(v, s.batch.labels)])


# Variational --------------------------------------------------------------------------------------

def _inferred(s: Scene):
    """The net inputs of x', and KL(q(z|x) || N(0, I))."""
    n = s.config.latent
    code = s.run("encoder", s.batch.x)
    mu, sigma = code[:, :n], np.exp(code[:, n:] / 2)
    kl = (mu * mu + sigma * sigma - 1 - 2 * np.log(sigma)).sum() / 2 / len(mu)
    return s.run("decoder", mu + sigma * s.normal(n)), kl


def elbo(s: Scene):
    """-E_q[log p(x|z)] + beta KL(q(z|x) || N(0, I))"""
    v, kl = _inferred(s)
    beta = min(2 * s.model.n_steps_ / s.model.total_steps_, 1)  # linear annealing
    return cross_entropy(v, s.batch.target) + beta * kl


def squared(s: Scene):
    """||x - g(f(x))||^2"""
    v = s.run("decoder", s.run("encoder", s.batch.x))
    return _square(s.batch.target - 1 / (1 + np.exp(-v)))


def _gaussian_elbo(s: Scene):
    """-E_q[log p(x|z)] without its constant, KL(q(z|x) || N(0, I)), and mu, sigma, z."""
    n = s.config.latent
    code = s.run("encoder", s.batch.x)
    mu, sigma = code[:, :n], np.exp(code[:, n:] / 2)
    z = mu + sigma * s.normal(n)
    misfit = s.batch.target - 1 / (1 + np.exp(-s.run("decoder", z)))
    kl = _square(mu) / 2 + (sigma**2 - 1 - np.log(sigma**2)).sum() / 2 / len(mu)
    return _square(misfit) / 2 / s.config.scale**2, kl, (mu, sigma, z)


def gaussian_elbo(s: Scene):
    """-E_q[log p(x|z)] + beta KL(q(z|x) || N(0, I)), p(x|z) = N(g(z), sigma^2 I)"""
    error, kl, _ = _gaussian_elbo(s)
    return error + getattr(s.config, "beta", 1) * kl


def gaussian_elbo_tc(s: Scene):
    """-E_q[log p(x|z)] + KL(q(z|x) || N(0, I)) + (beta - 1) TC, the densities of q multiplied"""
    error, kl, (mu, sigma, z) = _gaussian_elbo(s)
    M, N = len(z), len(z) if s.config.estimate == "stratified" else 1000
    tc = 0
    for i in range(M):
        weight = [1 / (N * M)] * M  # as printed, or by the strata
        if s.config.estimate == "stratified":
            weight = [1 / N if j == i else (N - M + 1) / N / (M - 1) if j == (i + 1) % M
                      else 1 / (M - 1) for j in range(M)]
        density = [np.exp(-(z[i] - mu[j])**2 / 2 / sigma[j]**2) / sigma[j] / np.sqrt(2 * np.pi)
                   for j in range(M)]
        tc += np.log(sum(w * p.prod() for w, p in zip(weight, density))) / M
        tc -= np.log(sum(w * p for w, p in zip(weight, density))).sum() / M
    return error + kl + (s.config.beta - 1) * tc


# Adversarial --------------------------------------------------------------------------------------

def _generated(s: Scene):
    """G(z), or G(z|y)."""
    y = np.sqrt(s.y.shape[1]) * s.y
    return s.run("generator", np.concatenate([s.normal(s.config.latent), y], axis=1))


def _judged(s: Scene, x):
    """The logits of D(x), or D(x|y): y beside a flat image, or the label's of a logit a class."""
    if s.players["discriminator"].input_shape[1:]:
        v = s.run("discriminator", x)
        return np.array([row[label] if len(row) > 1 else row[0]
                         for row, label in zip(v, s.batch.labels)])
    y = np.sqrt(s.y.shape[1]) * s.y
    return s.run("discriminator", np.concatenate([x.reshape(len(x), -1), y], axis=1))


def gan_discriminator(s: Scene):
    """-E[log D(x)] - E[log(1 - D(G(z)))]"""
    fake = _generated(s)
    v_real = _judged(s, s.batch.target)
    v_fake = _judged(s, fake)
    return -np.mean(log_logistic(v_real)) - np.mean(log_logistic(-v_fake))


def gan_generator(s: Scene):
    """-E[log D(G(z))], or E[log(1 - D(G(z)))] if saturating"""
    v = _judged(s, _generated(s))
    if s.config.loss == "saturating":
        return np.mean(log_logistic(-v))
    return -np.mean(log_logistic(v))


def dcgan_generator(s: Scene):
    """-E[log D(G(z))]"""
    fake = _generated(s)
    _judged(s, s.batch.target)  # which draws its dropout first
    return -np.mean(log_logistic(_judged(s, fake)))


def lapgan_discriminator(level: int) -> Objective:
    """L_Dk of a level of the pyramid."""
    def objective(s: Scene):
        """-E[log D_k(h_k, l_k)] - E[log(1 - D_k(G_k(z_k, l_k), l_k))]"""
        v_real, v_fake = _lapgan_logits(s, level)
        return -np.mean(log_logistic(v_real)) - np.mean(log_logistic(-v_fake))
    return objective


def lapgan_generator(level: int) -> Objective:
    """L_Gk of a level of the pyramid."""
    def objective(s: Scene):
        """-E[log D_k(G_k(z_k, l_k), l_k)]"""
        return -np.mean(log_logistic(_lapgan_logits(s, level)[1]))
    return objective


def _lapgan_logits(s: Scene, level: int):
    """Those of a level of the pyramid, real and generated; the finer levels draw before it."""
    image, last = s.batch.target, s.config.levels - 1
    for k in range(level + 1):
        n, height, width, channels = image.shape
        if k == last:
            below, real = np.zeros((n, height, width, 0)), image
            fake = s.run(f"generator{k}", s.normal(s.config.latent))
        else:
            coarse = (image[:, ::2, ::2] + image[:, 1::2, ::2] + image[:, ::2, 1::2]
                      + image[:, 1::2, 1::2]) / 4
            below = _twice(_twice(coarse, 1), 2)
            real, image = image - below, coarse
            plane = s.rng.standard_normal((n, height, width, 1))
            fake = s.run(f"generator{k}", np.concatenate([below, plane], axis=3))
        logits = [s.run(f"discriminator{k}", np.concatenate([x, below], axis=3))
                  for x in (real, fake)]
    return logits


def _twice(x, axis):
    """Twice as many pixels along an axis, each 3/4 of the nearest and 1/4 of the next."""
    first, last = np.take(x, [0], axis), np.take(x, [-1], axis)
    before = np.concatenate([first, np.delete(x, -1, axis)], axis)
    after = np.concatenate([np.delete(x, 0, axis), last], axis)
    pairs = np.stack([(3 * x + before) / 4, (3 * x + after) / 4], axis + 1)
    shape = list(x.shape)
    shape[axis] *= 2
    return pairs.reshape(shape)


def _bigan_logits(s: Scene):
    """Of D(x, E(x)) and of D(G(z), z)."""
    z = s.normal(s.config.latent)
    x, x_of_z = s.batch.target.reshape(len(z), -1), s.run("generator", z)
    pairs = (x, s.run("encoder", s.batch.x)), (x_of_z, z)
    return [s.run("discriminator", np.concatenate(pair, axis=1)) for pair in pairs]


def bigan_discriminator(s: Scene):
    """-E[log D(x, E(x))] - E[log(1 - D(G(z), z))]"""
    v_real, v_fake = _bigan_logits(s)
    return -np.mean(log_logistic(v_real)) - np.mean(log_logistic(-v_fake))


def bigan_generator_encoder(s: Scene):
    """-E[log D(G(z), z)] - E[log(1 - D(x, E(x)))]"""
    v_real, v_fake = _bigan_logits(s)
    return -np.mean(log_logistic(v_fake)) - np.mean(log_logistic(-v_real))


def _aae(s: Scene):
    """The decoder's logits, and those of D for draws of the prior and for codes."""
    c, z = s.config, s.run("encoder", s.batch.x)
    v = s.run("decoder", z)
    drawn = s.normal(c.latent)
    components = s.batch.labels if c.labels else s.rng.integers(c.classes, size=len(z))
    for row, k in zip(drawn, components):
        if c.prior == "mixture":
            turn = np.exp(2j * np.pi * k / c.classes) * complex(4 + row[0], 0.4 * row[1])
            row[:2] = turn.real, turn.imag
    told = s.y if c.labels else s.y[:, :0]
    return v, *(s.run("discriminator", np.concatenate([code, told], axis=1))
                for code in (drawn, z))


def aae_autoencoder(s: Scene):
    """-E[log p(x|z)] - lambda E[log D(f(x))]"""
    v, _, v_fake = _aae(s)
    return cross_entropy(v, s.batch.target) - s.config.adversarial * np.mean(log_logistic(v_fake))


def aae_discriminator(s: Scene):
    """-E_p(z)[log D(z)] - E[log(1 - D(f(x)))]"""
    _, v_real, v_fake = _aae(s)
    return -np.mean(log_logistic(v_real)) - np.mean(log_logistic(-v_fake))


# VAE-GAN ------------------------------------------------------------------------------------------

def vaegan_autoencoder(s: Scene):
    """BCE(x', x) + KL(q(z|x) || N(0, I)) + lambda BCE(d(x'), 1)"""
    v, kl = _inferred(s)
    judged = s.run("discriminator", 1 / (1 + np.exp(-v)))
    return (cross_entropy(v, s.batch.target) + kl
            - s.config.adversarial * np.mean(log_logistic(judged)))


def vaegan_discriminator(s: Scene):
    """BCE(d(x), 1) + BCE(d(x'), 0)"""
    v, _ = _inferred(s)
    v_real = s.run("discriminator", s.batch.target)
    v_fake = s.run("discriminator", 1 / (1 + np.exp(-v)))
    return -np.mean(log_logistic(v_real)) - np.mean(log_logistic(-v_fake))


# Semi-supervised adversarial ----------------------------------------------------------------------

def _seen(s: Scene, x):
    """The encoder's three features of x, then mu and sigma."""
    stages = []
    for name in ("stage 1", "stage 2", "stage 3", "code"):
        x = s.frozen(name, x)
        stages.append(x)
    n = s.config.latent
    return stages[:3], x[:, :n], np.exp(x[:, n:] / 2)


def _class(v):
    """The softmax of net inputs."""
    return np.exp(v) / np.exp(v).sum(axis=1, keepdims=True)


def _recreated(s: Scene):
    """z, x^ and the features of x."""
    features, mu, sigma = _seen(s, s.batch.x)
    z = mu + sigma * s.normal(s.config.latent)
    return z, 1 / (1 + np.exp(-s.run("decoder", z))), features


def _square(x):
    """Mean over the batch of the sum of squares."""
    return (x * x).sum() / len(x)


def savae_vec(s: Scene):
    """kl KL(q(z|x) || N(0, I)) - E[y log Class(z)]"""
    _, mu, sigma = _seen(s, s.batch.x)
    kl = (mu * mu + sigma * sigma - 1 - 2 * np.log(sigma)).sum() / 2 / len(mu)
    p = _class(s.run("classifier", mu + sigma * s.normal(s.config.latent)))
    return s.config.kl * kl - (s.y * np.log(p)).sum() / len(mu)


def savae_real(s: Scene):
    """E (1 - Dis(x))^2"""
    return _square(1 - s.run("discriminator", s.batch.x))


def savae_generated(s: Scene):
    """E (-1 - Dis(x^))^2"""
    return _square(-1 - s.run("discriminator", _recreated(s)[1]))


def savae_decoder(s: Scene):
    """L_rec + beta L_adv + gamma L_latent, Eqs. 8 to 11"""
    z, x_hat, features = _recreated(s)
    features_hat, mu, sigma = _seen(s, x_hat)
    rec = sum(alpha * np.mean((f - g) ** 2)
              for alpha, f, g in zip((1, 0.1, 0.01), features, features_hat))
    adv = _square(s.frozen("discriminator", s.batch.x) - s.frozen("discriminator", x_hat))
    z_hat = mu + sigma * s.normal(s.config.latent)
    latent = _square(_class(s.frozen("classifier", z)) - _class(s.frozen("classifier", z_hat)))
    return rec + s.config.beta * adv + s.config.gamma * latent
