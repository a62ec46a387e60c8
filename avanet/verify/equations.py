"""Every rule of `avanet.ava.rules` against the numerical derivative of its objective.

The rules arrive as a table, so that a test can plant an error in one. A rule that is not exact
must also differ from the true gradient: nobody is to repair the paper quietly.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from avanet.ava.rules import EXACT, RULES, Rule
from avanet.nn.gradcheck import TOLERANCES, check_function
from avanet.verify import objectives as o
from avanet.verify.result import (
    Item, Outcome, of_report, relative_error, relative_norm, together, within,
)

Rules = Mapping[str, Rule]

B, M, N, HIDDEN = 3, 6, 4, 5
S, MIDPOINT = 0.7, 0.4
DIFFERS = 1e-3  # what a rule that is not exact must differ by from the true gradient, in norm
TOLERANCE = TOLERANCES["complex"]


class World:
    """An AVA5 with random weights on random images: where the rules are checked."""

    def __init__(self, seed: int):
        rng = np.random.default_rng((seed, 5))
        self.a = o.logistic(S, MIDPOINT)
        self.w = o.Weights(*(self._network(rng, *widths) for widths in (
            (M, HIDDEN, 2 * N), (N, HIDDEN, M), (M, HIDDEN, 1), (N, HIDDEN, 1))))
        self.x, self.r = rng.random((B, M)), rng.standard_normal((B, N))
        self.C = rng.standard_normal((B, 1))
        self.weight = rng.standard_normal((B, N))
        below = np.tril(rng.uniform(-1, 1, (B, N, N)), -1)
        self.L = below + np.eye(N) * rng.uniform(0.3, 1, (B, 1, N))
        self.u = o.net_input(self.w.f, self.x, self.a)
        self.u_mu, self.u_var = self.u[:, :N], self.u[:, N:]
        self.mu, self.var = self.a(self.u_mu), self.a(self.u_var)
        self.v_g = o.net_input(self.w.g, self.z(self.u), self.a)
        self.x_ = self.a(self.v_g)
        self.v_d = o.net_input(self.w.d, self.x_, self.a)
        self.v_D = o.net_input(self.w.D, o.output(self.w.f, self.x_, self.a)[:, :N], self.a)

    @staticmethod
    def _network(rng, *widths):
        return [(rng.standard_normal((i, k)), 0.3 * rng.standard_normal(k))
                for i, k in zip(widths, widths[1:])]

    def slope(self, v):
        """a'(v)."""
        return o.derivative(lambda t: self.a(v + t))

    def z(self, u):
        """The code, from the encoder's net input."""
        return o.sample(self.a(u[:, :N]), self.a(u[:, N:]), self.r)

    def rest(self, x_):
        """Minus the loss without the KL, from x'."""
        return -o.loss_of_image(self.w, self.x, x_, self.a)

    def believed(self, u):
        """-log(1 - D(mu(x'))), from the encoder's net input on x'."""
        return -np.log(1 - o.verdict(self.w.D, self.a(u[:, :N]), self.a))

    def gain(self, u):
        """Minus the whole loss, from the encoder's net input on x."""
        return self.rest(o.output(self.w.g, self.z(u), self.a)) \
            - o.kl(*o.unpack(self.a(u), N, False))

    def literal_pull(self, v):
        """a'_d / (1 - d), as printed."""
        return self.slope(v) / (1 - self.a(v))

    def code_error(self):
        """h, minus the gradient of the loss without the KL by z."""
        return o.gradient(lambda z: self.rest(o.output(self.w.g, z, self.a)), self.z(self.u))


def _compare(objective: Callable, at, error) -> Outcome:
    """An error against the derivative of an objective of one argument."""
    return of_report(check_function(lambda v: objective(v).sum(), {"v": at}, {"v": error}))


def _mean_error(rules: Rules, w: World):
    alone = rules["mean_error"](w.mu, 0, w.slope(w.u_mu))
    surrogate = partial(o.encoder_surrogate, frozen_mu=w.mu, V0=w.v_D[:, 0], a=w.a)
    return together(
        _compare(lambda u: -o.kl(w.a(u), w.var), w.u_mu, alone),
        _compare(lambda u: surrogate(w.a(u), w.var), w.u_mu, _pulled_mean_error(rules, w)))


def _pulled_mean_error(rules, w):
    return rules["mean_error"](w.mu, w.literal_pull(w.v_D), w.slope(w.u_mu))


def _variance_error(rules, w):
    error = rules["variance_error"](w.var, w.slope(w.u_var))
    lost = rules["variance_error"](w.var, w.slope(w.u_var), 0.0)
    return together(_compare(lambda u: -o.kl(w.mu, w.a(u)), w.u_var, error),
                    _compare(lambda u: np.log(w.a(u)) / 2, w.u_var, lost))


def _cholesky_error(rules, w):
    rows, columns = np.tril_indices(N)

    def factor(entries):
        L = np.zeros((B, N, N), entries.dtype)
        L[:, rows, columns] = entries
        return L

    error, lost = rules["cholesky_error"](w.L), rules["cholesky_error"](w.L, 0.0)
    entries = w.L[:, rows, columns]
    return together(
        _compare(lambda e: -o.kl_cholesky(w.mu, factor(e)), entries, error[:, rows, columns]),
        _compare(lambda e: np.log(np.linalg.det(factor(e))), entries, lost[:, rows, columns]),
        within(float(np.abs(np.triu(error, 1)).max()), 0))


def _pull(rules, w):
    return _compare(lambda v: -np.log(1 - w.a(v)), w.v_d, rules["pull"](w.a(w.v_d), S))


def _own_output_pull(rules, w):
    return _compare(lambda y: (y ** 2).sum(axis=1) / 4, w.x_, rules["own_output_pull"](w.x_))


def _decoder_error(rules, w):
    surrogate = partial(o.decoder_surrogate, frozen_x_=w.x_, v0=w.v_d[:, 0], a=w.a)
    return _compare(lambda v: surrogate(w.x, w.a(v)), w.v_g, _pulled_decoder_error(rules, w))


def _pulled_decoder_error(rules, w):
    return rules["decoder_error"](w.x, w.x_, w.literal_pull(w.v_d), w.slope(w.v_g))


def _real_error(rules, w):
    return _compare(lambda v: np.log(w.a(v)), w.v_d, rules["real_error"](w.a(w.v_d), S))


def _fake_error(rules, w):
    return _compare(lambda v: np.log(1 - w.a(v)), w.v_d, rules["fake_error"](w.a(w.v_d), S))


def _sample_code(rules, w):
    """The sample is affine in mu and r, with Jacobians I and the root whose square is Sigma."""
    sd = np.sqrt(w.var)
    report = check_function(
        lambda mu, r: (w.weight * rules["sample_code"](mu, sd ** 2, r)).sum(),
        {"mu": w.mu, "r": w.r}, {"mu": w.weight, "r": w.weight * sd})
    at_zero = rules["sample_code"](w.mu, sd ** 2, np.zeros_like(w.r))
    return together(of_report(report), within(relative_error(at_zero, w.mu), TOLERANCE))


def _leaning_sum(rules, w):
    C = rules["leaning_sum"](w.x, w.x_, w.slope(w.v_g))
    return _compare(lambda t: -o.half_squared_error(w.x, w.a(w.v_g + t)), np.zeros((B, 1)), C)


def _leaning_error(rules, w):
    return _compare(lambda v: np.log(1 - w.a(v)) + w.C * w.a(v), w.v_d, _leant_error(rules, w))


def _leant_error(rules, w):
    return rules["leaning_error"](w.a(w.v_d), w.slope(w.v_d), w.C, S)


def _exact_image_error(rules, w):
    """The three terms apart, each by its own formula."""
    q = o.gradient(lambda x_: -np.log(1 - o.verdict(w.w.d, x_, w.a)), w.x_)
    P = o.gradient(lambda x_: w.believed(o.net_input(w.w.f, x_, w.a)), w.x_)
    return _compare(w.rest, w.x_, rules["exact_image_error"](w.x - w.x_, q, P))


def _exact_fake_mean_error(rules, w):
    u = o.net_input(w.w.f, w.x_, w.a)[:, :N]
    Q = o.gradient(lambda mu: -np.log(1 - o.verdict(w.w.D, mu, w.a)), w.a(u))
    return _compare(w.believed, u, rules["exact_fake_mean_error"](Q, w.slope(u)))


def _exact_decoder_error(rules, w):
    error = rules["exact_decoder_error"](o.gradient(w.rest, w.x_), w.slope(w.v_g))
    return _compare(lambda v: w.rest(w.a(v)), w.v_g, error)


def _exact_mean_error(rules, w):
    error = rules["exact_mean_error"](w.mu, w.code_error(), w.slope(w.u_mu))
    return _compare(lambda u: w.gain(np.hstack([u, w.u_var])), w.u_mu, error)


def _exact_variance_error(rules, w):
    error = rules["exact_variance_error"](w.var, w.code_error(), w.r, w.slope(w.u_var))
    return _compare(lambda u: w.gain(np.hstack([w.u_mu, u])), w.u_var, error)


CHECKS = {check.__name__[1:]: check for check in (
    _mean_error, _variance_error, _cholesky_error, _pull, _own_output_pull, _decoder_error,
    _real_error, _fake_error, _sample_code, _leaning_sum, _leaning_error, _exact_image_error,
    _exact_decoder_error, _exact_fake_mean_error, _exact_mean_error, _exact_variance_error,
)}

# Where the printed term and the term of the true gradient are not the same: both of them.
PRINTED_AND_TRUE: dict[str, Callable] = {
    "mean_error": lambda rules, w: (
        _pulled_mean_error(rules, w), o.gradient(w.gain, w.u)[:, :N]),
    "own_output_pull": lambda rules, w: (
        rules["own_output_pull"](w.x_),
        o.gradient(lambda y: -np.log(1 - o.verdict(w.w.d, y, w.a)), w.x_)),
    "decoder_error": lambda rules, w: (
        _pulled_decoder_error(rules, w), o.gradient(lambda v: w.rest(w.a(v)), w.v_g)),
    "leaning_sum": lambda rules, w: (
        rules["leaning_sum"](w.x, w.x_, w.slope(w.v_g)), np.zeros((B, 1))),
    "leaning_error": lambda rules, w: (
        _leant_error(rules, w), o.gradient(lambda v: np.log(1 - w.a(v)), w.v_d)),
}


def check_rule(name: str, seed: int = 0, rules: Rules = RULES) -> Outcome:
    """Hold one rule of the table to its objective and to its grade.

    Raises
    ------
    LookupError
        For a rule for which no objective has been written here.
    """
    if name not in CHECKS:
        raise LookupError(f"no objective is written for rule {name!r}")
    world = World(seed)
    outcome = CHECKS[name](rules, world)
    if name not in PRINTED_AND_TRUE:
        return together(outcome, Outcome(0, rules[name].grade == EXACT))
    printed, true = PRINTED_AND_TRUE[name](rules, world)
    off = relative_norm(printed, true)
    note = f"{off:.0%} off the true gradient" if true.any() else "the true gradient is zero"
    return together(outcome, Outcome(0, off > DIFFERS and rules[name].grade != EXACT, note))


def check_closed_form(name: str, seed: int = 0, rules: Rules = RULES) -> Outcome:
    """s d and s (1 - d) against the literal ratios on (0.01, 0.99), and finite at 0 and 1."""
    d = np.random.default_rng(seed).uniform(0.01, 0.99, 500)
    v = MIDPOINT + np.log(d / (1 - d)) / S
    a = o.logistic(S, MIDPOINT)
    slope = o.derivative(lambda t: a(v + t))
    literal = {"pull": slope / (1 - d), "real_error": slope / d, "fake_error": -slope / (1 - d)}
    ends = rules[name](np.array([0.0, 1.0]), S)
    outcome = within(relative_error(rules[name](d, S) / literal[name], 1), TOLERANCE)
    return together(outcome, Outcome(0, bool(np.isfinite(ends).all()), "finite at 0 and 1"))


def items(rules: Rules = RULES) -> list[Item]:
    """One item a rule, and the closed forms."""
    checked = [Item(f"rule {name}", f"Eq. {rule.equation}", rule.objective, rule.grade, "complex",
                    TOLERANCE, partial(check_rule, name, rules=rules))
               for name, rule in rules.items()]
    closed = [Item(f"rule {name}, closed form", f"Eq. {rules[name].equation}", ratio, EXACT,
                   "literal ratio", TOLERANCE, partial(check_closed_form, name, rules=rules))
              for name, ratio in (("pull", "a'_d / (1 - d)"), ("real_error", "a'_d / d"),
                                  ("fake_error", "-a'_d / (1 - d)"))]
    return checked + closed
