"""Losses: each returns its value and its gradient.

A value is the mean over the batch of the sum over the features; the batch mean is taken here and
nowhere else, so dL/dy is already divided by B. Losses are minimised.
"""

import numpy as np

from avanet.nn.fused import falling, flat, kernel
from avanet.nn.memory import empty
from avanet.nn.pieces import by_value


def half_squared_error(y: np.ndarray, target: np.ndarray):
    """L = mean_b ||y - t||^2 / 2.   dL/dy = (y - t) / B.

    Source: the first term of AVA, Eq. 1. y, target : (B, m).
    """
    _same_shape(y, target)
    difference = y - target
    return (difference * difference).sum() / (2 * len(y)), difference / len(y)


def binary_cross_entropy(p: np.ndarray, target: np.ndarray):
    """L = -mean_b sum_i [t log p + (1 - t) log(1 - p)].   dL/dp = [(1-t)/(1-p) - t/p] / B.

    p : (B, m) in (0, 1), target : (B, m) in [0, 1]. At p = 0 or 1 against a target that differs
    the loss is infinite; `binary_cross_entropy_from_logits` stays finite.
    """
    _same_shape(p, target)
    value = -(_times_log(target, p) + _times_log(1 - target, 1 - p)).sum() / len(p)
    return value, (_ratio(1 - target, 1 - p) - _ratio(target, p)) / len(p)


def binary_cross_entropy_from_logits(v: np.ndarray, target: np.ndarray):
    """L = mean_b sum_i [softplus(v) - t v].   dL/dv = (sigmoid(v) - t) / B.

    The same as `binary_cross_entropy` at p = 1 / (1 + exp(-v)), finite for every finite v.
    """
    _same_shape(v, target)
    dv, share = empty(v.shape, v.dtype), v.real.dtype.type(1 / max(len(v), 1))
    total = sum(by_value(kernel("cross_entropy", v), [*map(flat, (v, falling(v), target))],
                         [share], [flat(dv)]))
    return v.dtype.type(total / max(len(v), 1)), dv


def categorical_cross_entropy_from_logits(v: np.ndarray, target: np.ndarray):
    """L = -mean_b sum_k t_k log s_k, s = softmax(v).   dL/dv = (s sum_k t_k - t) / B.

    Written with log s_k = v_k - log sum_j exp v_j, finite whatever the size of v. Its derivative
    by v_k is s_k sum_j t_j - t_k: s - t where the targets of a sample sum to 1.

    v : (B, K) net inputs, target : (B, K), one class with a 1 or probabilities of classes.
    """
    _same_shape(v, target)
    shifted = v - v.real.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=-1, keepdims=True)
    value = (target * (np.log(total) - shifted)).sum() / len(v)
    return value, (e / total * target.sum(axis=-1, keepdims=True) - target) / len(v)


def gaussian_kl(mu: np.ndarray, var: np.ndarray):
    """KL(N(mu, var) || N(0, I)) = mean_b sum_i [mu^2 + var - 1 - log var] / 2.

    dKL/dmu = mu / B,   dKL/dvar = (1 - 1/var) / (2 B). Source: AVA, Eq. 1; its gradient is Eq. 5.

    mu, var : (B, n), var > 0. Returns (value, (dmu, dvar)).
    """
    _same_shape(mu, var)
    B = len(mu)
    value = (mu * mu + var - 1 - np.log(var)).sum() / (2 * B)
    return value, (mu / B, (1 - 1 / var) / (2 * B))


def gaussian_kl_from_log_variance(mu: np.ndarray, log_var: np.ndarray):
    """KL(N(mu, exp l) || N(0, I)) = mean_b sum_i [mu^2 + exp l - 1 - l] / 2.

    dKL/dmu = mu / B,   dKL/dl = (exp l - 1) / (2 B). Returns (value, (dmu, dl)).
    """
    _same_shape(mu, log_var)
    B = len(mu)
    excess = np.expm1(log_var)
    value = (mu * mu + (excess - log_var)).sum() / (2 * B)
    return value, (mu / B, excess / (2 * B))


def gan_discriminator(d_real: np.ndarray, d_fake: np.ndarray):
    """L = -mean_b [log d(x) + log(1 - d(x'))], the negative of AVA, Eqs. 2 and 4.

    dL/dd(x) = -1 / d(x) / B,   dL/dd(x') = 1 / (1 - d(x')) / B.

    d_real, d_fake : (B, 1) in (0, 1). Returns (value, (dreal, dfake)).
    """
    _same_shape(d_real, d_fake)
    B = len(d_real)
    value = -(np.log(d_real) + np.log(1 - d_fake)).sum() / B
    return value, (-1 / d_real / B, 1 / (1 - d_fake) / B)


def gan_generator_saturating(d_fake: np.ndarray):
    """L = mean_b log(1 - d(x')), the generator's term of AVA, Eqs. 2 and 3.

    dL/dd = -1 / (1 - d) / B. Its slope in the net input vanishes as d -> 0: it saturates.
    """
    return np.log(1 - d_fake).sum() / len(d_fake), -1 / (1 - d_fake) / len(d_fake)


def gan_generator_non_saturating(d_fake: np.ndarray):
    """L = -mean_b log d(x').   dL/dd = -1 / d / B.

    Source: Goodfellow et al., "Generative Adversarial Nets", 2014, section 3.
    """
    return -np.log(d_fake).sum() / len(d_fake), -1 / d_fake / len(d_fake)


def _same_shape(a, b):
    if a.shape != b.shape:
        raise ValueError(f"the loss compares arrays of one shape, got {a.shape} and {b.shape}")


def _ratio(t, p):
    """t / p, with 0 / 0 = 0."""
    return t / np.where(t == 0, 1, p)


def _times_log(t, p):
    """t log p, with 0 log 0 = 0."""
    return t * np.log(np.where(t == 0, 1, p))


LOSSES = {
    loss.__name__: loss
    for loss in (
        half_squared_error, binary_cross_entropy, binary_cross_entropy_from_logits,
        categorical_cross_entropy_from_logits, gaussian_kl, gaussian_kl_from_log_variance,
        gan_discriminator, gan_generator_saturating, gan_generator_non_saturating,
    )
}
