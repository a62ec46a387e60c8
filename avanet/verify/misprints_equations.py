"""Misprints of the equations, held against numerical gradients of small random networks."""

import numpy as np

from avanet.ava.plans import VARIANTS, plan
from avanet.ava.rules import RULES
from avanet.verify import objectives as o
from avanet.verify.equations import N, S, World
from avanet.verify.erratum import Erratum, notation
from avanet.verify.models import SETTINGS, Whole, flat
from avanet.verify.players import OBJECTIVES, Point
from avanet.verify.result import relative_norm


class Bench:
    """What the readings are tried on: one world of rules, and whole models at one image."""

    def __init__(self, seed: int):
        self.seed, self.world = seed, World(seed)

    def whole(self, model: str, rules: str) -> Whole:
        """A model under a rule set."""
        return Whole(model, rules, SETTINGS[0], self.seed)

    def point(self, model: str, rules: str) -> Point:
        """Its networks, for the formulas."""
        return self.whole(model, rules).point()

    def update(self, model: str, rules: str, player: str, **changes) -> np.ndarray:
        """What a step adds to a player, under the rule set with some terms changed."""
        return flat(self.whole(model, rules).update(plan(model, rules)._replace(**changes))[player])

    def gradient(self, model: str, rules: str, player: str, of: str = "exact") -> np.ndarray:
        """The numerical gradient of what the player maximises under the rule set `of`."""
        point = self.point(model, rules)
        return by_weights(getattr(OBJECTIVES[of](VARIANTS[model], point), player),
                          getattr(point.w, player))


def by_weights(function, network: o.Network) -> np.ndarray:
    """The gradient of a scalar by all weights and biases of a network, in one vector."""
    shapes = [part.shape for pair in network for part in pair]
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def at(vector):
        parts = [part.reshape(shape) for part, shape in zip(np.split(vector, cuts), shapes)]
        return np.asarray(function(list(zip(parts[::2], parts[1::2]))))

    return o.gradient(at, flat(network))


def _off(printed, corrected, true) -> tuple[float, float]:
    """The relative distances of both readings from the true gradient."""
    return relative_norm(printed, true), relative_norm(corrected, true)


def _dependence(b: Bench) -> Erratum:
    phi = b.gradient("ava-vae", "exact", "g")
    theta = b.gradient("ava-vae", "exact", "f")
    theta = theta - b.gradient("ava-vae", "exact", "f", of="printed")
    return Erratum(
        1, "after Eqs. 1 and 4", "Theta* = argmin over Phi, Phi* = argmin over Theta; ||x - x'|| "
        "is only dependent on Theta",
        "subscripts swapped; it depends on Phi, and through z on Theta",
        *_off(0 * phi, b.update("ava-vae", "exact", "g"), phi),
        f"its gradient has norm {np.linalg.norm(phi):.3f} by Phi, {np.linalg.norm(theta):.4f} by "
        "Theta")


def _norm_for_vector(b: Bench) -> Erratum:
    w = b.world
    pull, slope = w.literal_pull(w.v_d), w.slope(w.v_g)
    true = o.gradient(lambda v: o.decoder_surrogate(w.x, w.a(v), w.x_, w.v_d[:, 0], w.a), w.v_g)
    distance = np.linalg.norm(w.x - w.x_, axis=1, keepdims=True)
    return Erratum(
        2, "before Eq. 5", "||x - x'|| in Phi's gradient", "the vector x - x', as in Eq. 6",
        *_off((distance + pull) * slope, RULES["decoder_error"](w.x, w.x_, pull, slope), true),
        "the norm pushes every pixel up, whatever its sign")


def _one_pass(b: Bench) -> Erratum:
    true = b.gradient("ava1", "printed", "d")
    letter = b.update("ava1", "letter", "d")
    return Erratum(
        3, "Eq. 7", "the errors of x and x' as one sum", "each goes back on its own pass",
        *_off(letter, b.update("ava1", "printed", "d"), true),
        f"on one pass only the output bias is right (off by {abs(letter[-1] - true[-1]):.0e})")


def _discriminator_input(b: Bench) -> Erratum:
    whole = b.whole("ava3", "printed")
    assert whole.players.D is not None
    try:
        whole.players.D.forward(whole.x)
        error = 0.0
    except ValueError:
        error = np.inf
    true = b.gradient("ava3", "printed", "f", of="printed")
    return Erratum(
        4, "Eq. 14 and the lists of AVA3 to AVA5", "D(x'|Lambda)", "D(mu(x')|Lambda)",
        error, relative_norm(b.update("ava3", "printed", "f"), true),
        f"D takes {whole.r.shape[1]} values, x' has {whole.x.shape[1]}: it cannot be evaluated")


def _leaning_slope(b: Bench) -> Erratum:
    w = b.world
    true = o.gradient(lambda v: np.log(1 - w.a(v)) + w.C * w.a(v), w.v_d)
    printed, corrected = (RULES["leaning_error"](w.a(w.v_d), w.slope(v), w.C, S)
                          for v in (w.v_D, w.v_d))
    return Erratum(
        5, "AVA2's and AVA5's lists", "a'_d(D_0)", "a'_d(d_0), as in Eq. 10",
        *_off(printed, corrected, true),
        "AVA2 has no D; in AVA5 D's slope stands for d's")


def _missing_update(b: Bench) -> Erratum:
    true = b.gradient("ava5", "printed", "d", of="printed")
    return Erratum(
        7, "AVA5's list", "no Psi", "Psi by Eq. 10",
        *_off(b.update("ava5", "letter", "d"), b.update("ava5", "printed", "d"), true),
        "as printed Psi never moves")


def _foreign_term(b: Bench) -> Erratum:
    true = b.gradient("ava5", "printed", "D", of="printed")
    return Erratum(
        7, "AVA5's list", "Lambda with the decoder's leaning term", "Lambda by Eq. 16",
        *_off(b.update("ava5", "printed", "D", lean_D_on_x=True),
              b.update("ava5", "printed", "D"), true),
        "a sum over pixels, it grows with the image")


def _activation_of_means(b: Bench) -> Erratum:
    w = b.world
    u_ = o.net_input(w.w.f, w.x_, w.a)[:, :N]
    true = o.leaning_coefficient(w.mu, u_, w.a)[:, None]
    printed = RULES["leaning_sum"](w.mu, w.a(u_), 2 * w.slope(u_))
    corrected = RULES["leaning_sum"](w.mu, w.a(u_), w.slope(u_))
    return Erratum(
        8, "Eq. 16", "a'_g(mu(x'))", "a'_f(mu(x'))", *_off(printed, corrected, true),
        "with g's logistic twice as steep as f's; the same thing while both are alike")


def _two_heads(b: Bench) -> Erratum:
    w = b.world
    slope = w.slope(w.u)
    true = o.gradient(lambda u: -o.kl(*o.unpack(w.a(u), N, False)), w.u)
    printed = -np.tile(w.mu - 1 / w.var / 2 + 1 / 2, 2) * slope
    corrected = np.hstack([RULES["mean_error"](w.mu, 0, slope[:, :N]),
                           RULES["variance_error"](w.var, slope[:, N:])])
    return Erratum(
        12, "Eq. 5", "mu - Sigma^-1 / 2 + I / 2, a vector plus matrices, times a'_f(x)",
        "two heads: mu a'_f(mu) and (I - Sigma^-1) / 2 a'_f(Sigma)",
        *_off(printed, corrected, true),
        "as one sum, element by element, in both heads")


def _frozen_decoder(b: Bench) -> Erratum:
    true = b.gradient("ava-gan", "exact", "g")
    return Erratum(
        13, "Phi's estimate and gradient", "log(1 - d(g(z|Phi*)))", "log(1 - d(g(z|Phi)))",
        *_off(0 * true, b.update("ava-gan", "exact", "g"), true),
        f"with Phi* the gradient by Phi is 0, its norm is {np.linalg.norm(true):.3f}")


def _real_and_fake(b: Bench) -> Erratum:
    p = b.point("ava3", "printed")
    reversed_, true = (
        by_weights(lambda D: o.balance_of(D, real, fake, p.a).mean(), p.w.D)
        for real, fake in ((p.mu_, p.mu), (p.mu, p.mu_)))
    return Erratum(
        14, "before Eq. 11", "fake mean mu(x) from real mean mu(x')", "real mu(x), fake mu(x')",
        *_off(reversed_, b.update("ava3", "printed", "D"), true),
        "the more, the less mu(x) and mu(x') are alike")


def _independence(b: Bench) -> Erratum:
    true = b.gradient("ava1", "exact", "f")
    return Erratum(
        15, "before Eq. 5", "Theta is independent of Phi and Psi", "z carries both to Theta",
        *_off(b.update("ava1", "printed", "f"), b.update("ava1", "exact", "f"), true),
        "Theta's true gradient of Eq. 3")


def _variance_intact(b: Bench) -> Erratum:
    w = b.world
    true = o.gradient(w.gain, w.u)[:, N:]
    slope = w.slope(w.u_var)
    return Erratum(
        15, "before Eq. 14", "Theta_Sigma is kept intact", "Sigma moves z, and so the new terms",
        *_off(RULES["variance_error"](w.var, slope),
              RULES["exact_variance_error"](w.var, w.code_error(), w.r, slope), true),
        "Sigma head's true gradient of Eq. 12")


def _missing_path(b: Bench) -> Erratum:
    w = b.world
    true = o.gradient(lambda v: w.rest(w.a(v)), w.v_g)
    without = o.gradient(lambda x_: -o.loss_of_image(w.w._replace(D=None), w.x, x_, w.a), w.x_)
    slope = w.slope(w.v_g)
    printed = RULES["exact_decoder_error"](without, slope)
    corrected = RULES["exact_decoder_error"](o.gradient(w.rest, w.x_), slope)
    return Erratum(
        16, "Eq. 12 and the lists of AVA3 to AVA5", "Phi without D", "D depends on Phi through x'",
        *_off(printed, corrected, true), "Phi's true gradient of Eq. 12")


def _derivative_of_log(b: Bench) -> Erratum:
    w = b.world
    d, slope = w.a(w.v_d), w.slope(w.v_d)
    true = o.gradient(lambda v: -np.log(1 - w.a(v)), w.v_d)
    return Erratum(
        17, "after Figure 1", "error(d_0) = -d'(d_0) a'_d(d_0)", "d' = -1 / (1 - d), of log(1 - d)",
        *_off(-slope * slope, slope / (1 - d), true),
        "with d' the derivative of d the error even has the wrong sign")


def _which_pass(b: Bench) -> Erratum:
    p = b.point("ava2", "printed")
    on_x, on_x_ = (by_weights(lambda d: (p.C * o.verdict(d, x, p.a)).mean(), p.w.d)
                   for x in (p.x, p.x_))
    return notation(17, "Eqs. 10 and 16", "d_0, D_0, of no stated pass", "those of x' and mu(x')",
                    f"a choice; on x's pass the leaning term would be "
                    f"{relative_norm(on_x, on_x_):.0%} off")


CHECKS = (
    _dependence, _norm_for_vector, _one_pass, _discriminator_input, _leaning_slope,
    _missing_update, _foreign_term, _activation_of_means, _two_heads, _frozen_decoder,
    _real_and_fake, _independence, _variance_intact, _missing_path, _derivative_of_log,
    _which_pass,
)

NOTATION = (
    notation(14, "Eq. 15", "B(Phi, Lambda)", "B(Theta, Lambda), as in Eq. 11",
             "a name; mu(x') depends on Phi too"),
    notation(23, "before Eq. 8", "decoded data z", "encoded data z", "a word"),
    notation(23, "after Eq. 1", "Gaussian distribution of x with mu(x), Sigma(x)", "of z given x",
             "a word"),
)
