"""The AVA paper's update equations, one short function each.

All are written as ascent, as the paper prints them: parameter += gamma * error carried back
through the network. An error already contains the slope of the output activation: it enters the
network at the output's net input.

Letters: x, x_ = x' : (B, m); mu, var = Sigma : (B, n); r, z : (B, n); d, D : (B, 1). A `slope` is
a'(.) at the output named beside it, of that output's shape; s is the slope of the discriminator's
logistic. For that logistic, whatever its midpoint, a' = s a (1 - a), so

    a'_d / d = s (1 - d)        a'_d / (1 - d) = s d

which stay finite at d = 0 and d = 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def mean_error(mu, pull, slope):
    """-(mu - a'_D(D(mu(x'))) / (1 - D(mu(x')))) a'_f.    AVA, Eq. 14; with pull = 0, Eq. 5.

    mu, slope = a'_f(mu) : (B, n). pull : (B, 1), see `pull`; or (B, n).
    """
    return -(mu - pull) * slope


def variance_error(var, slope, identity=1.0):
    """(Sigma^-1 - I) / 2 a'_f.    AVA, Eq. 5, diagonal Sigma.

    var, slope = a'_f(Sigma) : (B, n). `identity` = 0 loses the I, as the authors' program does.
    """
    return (1 / var - identity) / 2 * slope


def cholesky_error(L, identity=1.0):
    """diag(1 / L_ii) - L, the gradient of -KL for Sigma = L L^T.    AVA, Eq. 5, full Sigma.

    L : (B, n, n), lower triangular with a positive diagonal; so is the result. It is the gradient
    by L itself: the head multiplies it by the slope of L in the encoder's net input.
    """
    inverse = np.zeros_like(L)
    i = np.arange(L.shape[-1])
    inverse[:, i, i] = 1 / L[:, i, i]
    return inverse - identity * L


def pull(d, s):
    """a'_d(d(x')) / (1 - d(x')) = s d.    The discriminator's part of AVA, Eqs. 6 and 14.

    d : (B, 1), the discriminator's verdict on the generated x' (D: on its mean mu(x')).
    """
    return s * d


def own_output_pull(y):
    """y / 2: what the authors' program has where Eqs. 6 and 14 have `pull`.

    y : the player's own output, x' : (B, m) for Eq. 6 and mu : (B, n) for Eq. 14.
    """
    return y / 2


def decoder_error(x, x_, pull, slope):
    """((x - x') + a'_d(d(x')) / (1 - d(x'))) a'_g(x').    AVA, Eq. 6.

    x, x_, slope = a'_g(x') : (B, m). pull : (B, 1), see `pull`; or (B, m).
    """
    return ((x - x_) + pull) * slope


def real_error(d, s):
    """a'_d(d(x)) / d(x) = s (1 - d).    AVA, Eqs. 7 and 13, on the pass of x.  d : (B, 1)."""
    return s * (1 - d)


def fake_error(d, s):
    """-a'_d(d(x')) / (1 - d(x')) = -s d.    AVA, Eqs. 7 and 13, on the pass of x'.  d : (B, 1)."""
    return -s * d


def sample_code(mu, var, r):
    """z = mu + Sigma^(1/2) r, the root element by element.    AVA, Eq. 8.  All (B, n)."""
    return mu + np.sqrt(var) * r


def leaning_sum(x, x_, slope):
    """C = sum_i (x_i - x'_i) a'_g(x'_i).    AVA, Eq. 10; with the means in place of x, Eq. 16.

    x, x_, slope : (B, m). Returns (B, 1).
    """
    return np.sum((x - x_) * slope, axis=1).reshape(-1, 1)


def leaning_error(d, slope, C, s):
    """-a'_d(d(x')) / (1 - d(x')) + a'_d(d_0) C.    AVA, Eqs. 10 and 16, on the pass of x'.

    d, slope = a'_d(d_0) on x' 's pass, C (see `leaning_sum`) : (B, 1).
    """
    return fake_error(d, s) + slope * C


def exact_image_error(difference, q, P):
    """e = (x - x') + q + P.    Minus the gradient of AVA, Eq. 12, by x'.

    q carries log(1 - d(x')) back through d, P carries log(1 - D(mu(x'))) back through D and the
    encoder's pass on x'. All (B, m); 0 for a term that the model lacks.
    """
    return difference + q + P


def exact_decoder_error(e, slope):
    """e a'_g(x'),  e = (x - x') + q + P.    The gradient of AVA, Eq. 12, by Phi.

    e (see `exact_image_error`), slope = a'_g(x') : (B, m).
    """
    return e * slope


def exact_fake_mean_error(Q, slope):
    """Q a'_f(mu(x')).    Minus the gradient of AVA, Eq. 12, by the net input of mu(x').

    Q : (B, n), log(1 - D(mu(x'))) carried back through D. slope = a'_f(mu(x')) : (B, n).
    """
    return Q * slope


def exact_mean_error(mu, h, slope):
    """(h - mu) a'_f.    The gradient of AVA, Eq. 12, by the mean head of Theta.

    h : (B, n), the loss without the KL carried back through the decoder to z.
    """
    return (h - mu) * slope


def exact_variance_error(var, h, r, slope):
    """[h r / (2 Sigma^(1/2)) + (Sigma^-1 - I) / 2] a'_f.    Eq. 12 by the variance head of Theta.

    h r / (2 Sigma^(1/2)) is h carried through Eq. 8. All (B, n).
    """
    return (h * r / (2 * np.sqrt(var)) + (1 / var - 1) / 2) * slope


@dataclass(frozen=True)
class Rule:
    """One printed equation: the function, and what it is the gradient of.

    `grade` is "exact" (gradient of the objective through the real networks), "unit-weight" (exact
    once the discriminator's Jacobian is taken as all ones) or "heuristic" (gradient of nothing
    that depends on the player). `tests` and `avanet verify` hold each rule to its grade.
    """

    equation: str
    player: str
    f: Callable
    objective: str
    grade: str

    def __call__(self, *terms):
        """The error, from the named terms of `f`."""
        return self.f(*terms)


EXACT, UNIT_WEIGHT, HEURISTIC = "exact", "unit-weight", "heuristic"

KL = "-KL(N(mu, Sigma) || N(0, I))"
BALANCE = "log d(x) + log(1 - d(x'))"

RULES = {
    "mean_error": Rule("5, 14", "Theta", mean_error, (
        f"{KL} - log(1 - a_D(V0 + sum_i (mu_i - mu_i at the point)))"), UNIT_WEIGHT),
    "variance_error": Rule("5", "Theta", variance_error, KL, EXACT),
    "cholesky_error": Rule("5, full Sigma", "Theta", cholesky_error, KL, EXACT),
    "pull": Rule("6, 14", "Phi, Theta", pull, "-log(1 - a_d(v)), by v", EXACT),
    "own_output_pull": Rule(
        "6, 14 as run", "Phi, Theta", own_output_pull, "||y||^2 / 4", HEURISTIC),
    "decoder_error": Rule("6", "Phi", decoder_error, (
        "-||x - x'||^2 / 2 - log(1 - a_d(v0 + sum_i (x'_i - x'_i at the point)))"), UNIT_WEIGHT),
    "real_error": Rule("7, 13", "Psi, Lambda", real_error, "log d(x)", EXACT),
    "fake_error": Rule("7, 13", "Psi, Lambda", fake_error, "log(1 - d(x'))", EXACT),
    "sample_code": Rule("8", "-", sample_code, "sampling", EXACT),
    "leaning_sum": Rule("10, 16", "-", leaning_sum, "-||x - x'||^2 / 2 at unit weights", HEURISTIC),
    "leaning_error": Rule("10, 16", "Psi, Lambda", leaning_error, (
        "log(1 - d(x')) + C d(x'), C frozen"), HEURISTIC),
    "exact_image_error": Rule("12", "-", exact_image_error, "-Eq. 12, by x'", EXACT),
    "exact_decoder_error": Rule("12", "Phi", exact_decoder_error, "-Eq. 12", EXACT),
    "exact_fake_mean_error": Rule(
        "12", "Theta", exact_fake_mean_error, "-Eq. 12, by the net input of mu(x')", EXACT),
    "exact_mean_error": Rule("12", "Theta", exact_mean_error, "-Eq. 12", EXACT),
    "exact_variance_error": Rule("12", "Theta", exact_variance_error, "-Eq. 12", EXACT),
}
