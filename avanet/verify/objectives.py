"""The objectives of the AVA paper, as plain formulas on explicit weights.

Nothing here knows a layer, a backward pass or a rule: the checks differentiate these formulas
numerically. All are analytic, so that weights and inputs may be complex. Each returns one value
per row of the batch, (B,), in the paper's signs: losses are minimised, balances maximised.

A network is a list of (W, b), W : (n_in, n_out); `a` is the activation of all its units.
x, x_ = x' : (B, m); mu, var : (B, n); Sigma, L : (B, n, n); d, D : (B,).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Network = Sequence[tuple[np.ndarray, np.ndarray]]
Activation = Callable[[np.ndarray], np.ndarray]

STEP = 1e-30  # of the complex step: nothing is lost to rounding, however small it is


def logistic(s: float, m: float) -> Activation:
    """a(v) = 1 / (1 + exp(-s (v - m)))."""
    return lambda v: 1 / (1 + np.exp(-s * (v - m)))


def net_input(network: Network, x: np.ndarray, a: Activation) -> np.ndarray:
    """v, the weighted sum that enters the output units: (B, n_out)."""
    *hidden, (W, b) = network
    for V, c in hidden:
        x = a(x @ V + c)
    return x @ W + b


def output(network: Network, x: np.ndarray, a: Activation) -> np.ndarray:
    """y = a(v): (B, n_out)."""
    return a(net_input(network, x, a))


def verdict(network: Network, x: np.ndarray, a: Activation) -> np.ndarray:
    """d(x), or D(mu): (B,)."""
    return output(network, x, a)[:, 0]


def derivative(function: Callable[[complex], np.ndarray]) -> np.ndarray:
    """d function(t) / dt at t = 0, by the complex step."""
    return np.imag(function(STEP * 1j)) / STEP


def gradient(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """The gradient of sum(function) by every component of x, by the complex step."""
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[index] = 1
        result[index] = derivative(lambda t: function(x + t * unit).sum())
    return result


# The terms -------------------------------------------------------------------------------------


def half_squared_error(x, x_) -> np.ndarray:
    """||x - x'||^2 / 2."""
    return ((x - x_) ** 2).sum(axis=1) / 2


def kl(mu, var) -> np.ndarray:
    """KL(N(mu, diag var) || N(0, I)) = sum_i (mu_i^2 + var_i - 1 - log var_i) / 2."""
    return (mu ** 2 + var - 1 - np.log(var)).sum(axis=1) / 2


def kl_full(mu, Sigma) -> np.ndarray:
    """KL(N(mu, Sigma) || N(0, I)) = (tr Sigma + mu'mu - n - log det Sigma) / 2."""
    trace = np.trace(Sigma, axis1=1, axis2=2)
    return (trace + (mu ** 2).sum(axis=1) - mu.shape[1] - np.log(np.linalg.det(Sigma))) / 2


def kl_cholesky(mu, L) -> np.ndarray:
    """The same at Sigma = L L^T (transposed, not conjugated)."""
    return kl_full(mu, L @ np.swapaxes(L, 1, 2))


def kl_of_code(mu, root) -> np.ndarray:
    """The KL, `root` being Sigma's diagonal or its factor L."""
    return kl(mu, root) if root.ndim == 2 else kl_cholesky(mu, root)


def balance(real, fake) -> np.ndarray:
    """log d(x) + log(1 - d(x')): Eqs. 2 and 4, with D Eq. 11."""
    return np.log(real) + np.log(1 - fake)


def leaning_coefficient(x, v, a: Activation) -> np.ndarray:
    """C = sum_i (x_i - x'_i) a'(v_i), x' = a(v): (B,). Eqs. 10 and 16.

    It is the derivative of -||x - a(v + t)||^2 / 2 by one shift t of all net inputs: what the
    leaning term of Eq. 9 passes to a unit that reaches each output through a weight of 1.
    """
    return derivative(lambda t: -half_squared_error(x, a(v + t)))


# What the printed rules maximise -----------------------------------------------------------------


def decoder_surrogate(x, x_, frozen_x_, v0, a: Activation) -> np.ndarray:
    """-||x - x'||^2 / 2 - log(1 - a_d(v0 + sum_i (x'_i - x'_i at the point))). Eq. 6.

    v0 : (B,), d's net input at the point, frozen. "When weights are assumed to be 1", a change of
    any x'_i moves d's net input by as much.
    """
    return -half_squared_error(x, x_) + _unit_weight_reward(x_, frozen_x_, v0, a)


def encoder_surrogate(mu, root, frozen_mu, V0, a: Activation) -> np.ndarray:
    """-KL - log(1 - a_D(V0 + sum_i (mu_i - mu_i at the point))). Eq. 14.

    root : Sigma's diagonal, or its factor L. V0 : (B,), D's net input at mu(x'), frozen.
    """
    return -kl_of_code(mu, root) + _unit_weight_reward(mu, frozen_mu, V0, a)


def leaning_balance(real, fake, C) -> np.ndarray:
    """b + C d(x'), C frozen. Eqs. 10 and 16, with D in place of d."""
    return balance(real, fake) + C * fake


def _unit_weight_reward(y, frozen_y, v0, a):
    return -np.log(1 - a(v0 + (y - frozen_y).sum(axis=1)))


# The whole loss --------------------------------------------------------------------------------


class Weights(NamedTuple):
    """The networks of one model; what it lacks is None. f gives mu and what Sigma is made of."""

    f: Network | None
    g: Network
    d: Network | None
    D: Network | None


def unpack(y: np.ndarray, n: int, full: bool):
    """mu, and Sigma's diagonal or its factor L, from the encoder's output.

    The factor's entries follow row by row; diagonal ones are outputs as they are, those below
    are 2 y - 1.
    """
    mu, packed = y[:, :n], y[:, n:]
    if not full:
        return mu, packed
    L = np.zeros((len(y), n, n), y.dtype)
    k = 0
    for i in range(n):
        for j in range(i + 1):
            L[:, i, j] = packed[:, k] if i == j else 2 * packed[:, k] - 1
            k += 1
    return mu, L


def sample(mu, root, r) -> np.ndarray:
    """z = mu + Sigma^(1/2) r. Eq. 8; `root` is Sigma's diagonal, or L."""
    return mu + (np.sqrt(root) * r if root.ndim == 2 else (root * r[:, None, :]).sum(axis=2))


def loss(w: Weights, x, r, a: Activation, full: bool = False) -> np.ndarray:
    """What Theta and Phi minimise: Eq. 12 with the terms of the networks that the model has.

    Eq. 1 for VAE, Eq. 3 for AVA1 and AVA2, Eq. 12 without d for AVA3 and AVA4, Eq. 12 for AVA5,
    and the decoder's term of Eq. 2 for GAN, which has no encoder.
    """
    if w.f is None:
        return loss_of_image(w, x, output(w.g, r, a), a)
    mu, root = unpack(output(w.f, x, a), r.shape[1], full)
    return kl_of_code(mu, root) + loss_of_image(w, x, output(w.g, sample(mu, root, r), a), a)


def loss_of_image(w: Weights, x, x_, a: Activation) -> np.ndarray:
    """The terms of `loss` that x' enters: all but the KL."""
    value = 0 * x_[:, 0]
    if w.f is not None:
        value = value + half_squared_error(x, x_)
    if w.d is not None:
        value = value + np.log(1 - verdict(w.d, x_, a))
    if w.D is not None:
        fake_mu = output(w.f, x_, a)[:, : len(w.D[0][0])]
        value = value + np.log(1 - verdict(w.D, fake_mu, a))
    return value


def balance_of(network: Network, real, fake, a: Activation, lean: bool = False) -> np.ndarray:
    """log d(x) + log(1 - d(x')), Eqs. 4 and 11; leaning - ||x - x'||^2 / 2, Eqs. 9 and 15."""
    value = balance(verdict(network, real, a), verdict(network, fake, a))
    return value - half_squared_error(real, fake) if lean else value
