"""One update of one AVA model, written so that it reads like the paper's lists.

This is the plain NumPy path: any dtype, any batch size. `avanet.ava.fast` does the same for one
image at a time, compiled; the tests hold the two together parameter by parameter.
"""

from typing import Any, NamedTuple

import numpy as np

from avanet.ava.plans import DISCRIMINATOR, MEAN, OWN_OUTPUT, Plan
from avanet.ava.protocol import Protocol, ascend
from avanet.ava.rules import RULES
from avanet.nn import Dense, Layer, Logistic, Sequential, initialiser


class Players(NamedTuple):
    """The networks of one colour channel; what a model lacks is None."""

    f: Sequential | None  # encoder, Theta: x -> (mu, Sigma)
    g: Sequential  # decoder, Phi: z -> x'
    d: Sequential | None  # decoder discriminator, Psi: x -> [0, 1]
    D: Sequential | None  # encoder discriminator, Lambda: mu -> [0, 1]


class Pass(NamedTuple):
    """A network's output on one input, and what its backward pass needs."""

    y: np.ndarray
    caches: list[Any]


def player_widths(m: int, n: int, hidden: int, plan: Plan, head_width) -> dict[str, tuple]:
    """(inputs, hidden units, outputs) of every network that a model has."""
    there = {"f": plan.encoder, "g": True, "d": plan.needs_d, "D": plan.needs_D}
    widths = {"f": (m, hidden, head_width(n)), "g": (n, hidden, m), "d": (m, hidden, 1),
              "D": (n, hidden, 1)}
    return {name: widths[name] for name in widths if there[name]}


NAMES = {"f": "encoder f", "g": "decoder g", "d": "discriminator d", "D": "discriminator D"}


def build_players(m, n, hidden, plan: Plan, protocol: Protocol, rng, dtype, head) -> Players:
    """The networks of one channel: every one has one hidden layer, every unit is logistic."""
    networks: dict[str, Sequential | None] = dict.fromkeys("fgdD")
    for name, widths in player_widths(m, n, hidden, plan, head.width_of).items():
        layers: list[Layer] = []
        for n_in, n_out in zip(widths, widths[1:]):
            layers += [Dense(n_in, n_out, initialiser(protocol.start)),
                       Logistic(protocol.s, protocol.m)]
        networks[name] = Sequential(layers, rng, dtype, NAMES[name])
    return Players(**networks)


class Step:
    """One SGD step of a model under a plan and a protocol.

    Parameters
    ----------
    plan : Plan
    protocol : Protocol
    head : DiagonalHead or CholeskyHead
    rules : mapping name -> Rule
        The table of equations.
    """

    def __init__(self, plan: Plan, protocol: Protocol, head, rules=RULES):
        self.plan, self.protocol, self.head, self.rules = plan, protocol, head, rules
        self.slope = Logistic(protocol.s, protocol.m).slope

    def __call__(self, players: Players, x, r, rate: float):
        """Update every player once, on the batch x with the draws r.

        Parameters
        ----------
        x : (B, m), r : (B, n) arrays of the players' dtype

        Returns
        -------
        code : (mu, Sigma or L)
            The encoder's last output, which scoring draws from; None without an encoder.
        """
        code, z, errors = self.errors(players, x, r)
        for name, backs in errors.items():
            ascend(getattr(players, name), backs, rate, self.protocol.order)
        if self.plan.recode:
            x_, _ = players.g.forward(z)
            code = self.head.unpack(players.f.forward(x_)[0])
        return code

    def rules_of(self, player: str):
        """The equations by name, as one player uses them: the same for all."""
        return self.rules

    def errors(self, players: Players, x, r):
        """Evaluate every network and return (code, z, {player: [(error, caches), ...]})."""
        plan = self.plan
        f = code = None
        z = r
        if plan.encoder:
            f = Pass(*players.f.forward(x))
            code = self.head.unpack(f.y)
            z = self.head.sample(*code, r, self.rules_of("f"))
        g = Pass(*players.g.forward(z))
        x_ = g.y
        d = d_ = f_ = D = D_ = None
        if plan.needs_d:
            d, d_ = Pass(*players.d.forward(x)), Pass(*players.d.forward(x_))
        if plan.needs_D:
            f_ = Pass(*players.f.forward(x_))
            D = Pass(*players.D.forward(code[0]))
            D_ = Pass(*players.D.forward(self.head.unpack(f_.y)[0]))

        compose = self._exact_errors if plan.exact else self._printed_errors
        errors = compose(players, x, r, code, f, f_, g, d_, D_)
        lean = self._lean("d", plan.lean_d, x, x_)
        if plan.train_d:
            errors["d"] = self._discriminator_errors("d", d, d_, lean)
        if plan.train_D:
            lean_D = self._lean("D", plan.lean_D, code[0], self.head.unpack(f_.y)[0])
            if plan.lean_D_on_x:
                lean_D = lean_D + lean
            errors["D"] = self._discriminator_errors("D", D, D_, lean_D)
        return code, z, errors

    def _printed_errors(self, players, x, r, code, f, f_, g, d_, D_):
        """Eqs. 5, 6 and 14."""
        plan, slope = self.plan, self.slope
        errors = {}
        if plan.encoder:
            rule, (mu, Sigma) = self.rules_of("f"), code
            a_mu, a_Sigma = np.split(slope(f.y), [mu.shape[1]], axis=1)
            pull = self._pull("f", plan.mean_pull, D_, mu)
            errors["f"] = [(np.concatenate([
                rule["mean_error"](plan.mean_factor * mu, pull, a_mu),
                self.head.kl_error(Sigma, a_Sigma, plan.identity, rule),
            ], axis=1), f.caches)]
        pull = self._pull("g", plan.decoder_pull, d_, g.y)
        error = self.rules_of("g")["decoder_error"](x, g.y, pull, slope(g.y))
        errors["g"] = [(error, g.caches)]
        return errors

    def _exact_errors(self, players, x, r, code, f, f_, g, d_, D_):
        """The true gradients of Eq. 12 (absent terms 0), all at the old parameters."""
        slope, s, rule = self.slope, self.protocol.s, self.rules_of("f")
        q = P = 0
        if d_ is not None:
            q = self.carried("q", players.d, self.rules_of("g")["pull"](d_.y, s), d_)
        if D_ is not None:
            Q = self.carried("Q", players.D, rule["pull"](D_.y, s), D_)
            n = Q.shape[1]
            fake_mean = np.zeros_like(f_.y)
            fake_mean[:, :n] = rule["exact_fake_mean_error"](Q, slope(f_.y)[:, :n])
            P = self.carried("P", players.f, fake_mean, f_)
        difference = x - g.y if self.plan.reconstruct else 0
        e = self.rules_of("g")["exact_image_error"](difference, q, P)
        error = self.rules_of("g")["exact_decoder_error"](e, slope(g.y))
        errors = {}
        if self.plan.encoder:
            mu, Sigma = code
            h = self.carried("h", players.g, error, g)
            a_mu, a_Sigma = np.split(slope(f.y), [mu.shape[1]], axis=1)
            errors["f"] = [(np.concatenate([
                rule["exact_mean_error"](mu, h, a_mu),
                self.head.exact_error(Sigma, h, r, a_Sigma, rule),
            ], axis=1), f.caches)]
            if D_ is not None:
                errors["f"].append((fake_mean, f_.caches))
        errors["g"] = [(error, g.caches)]
        return errors

    def _discriminator_errors(self, player: str, real: Pass, fake: Pass, lean):
        """Eqs. 7 and 10, or 13 and 16: two passes go back, or (the letter) one sum on one."""
        rule, s = self.rules_of(player), self.protocol.s
        on_real = rule["real_error"](real.y, s)
        on_fake = rule["leaning_error"](fake.y, self.slope(fake.y), lean, s) \
            if lean is not None else rule["fake_error"](fake.y, s)
        if self.plan.one_pass:
            return [(on_real + on_fake, fake.caches)]
        return [(on_real, real.caches), (on_fake, fake.caches)]

    def _pull(self, player: str, source: int, verdict: Pass, own):
        """What stands for a'_d / (1 - d) in Eq. 6 and for a'_D / (1 - D) in Eq. 14."""
        if source == DISCRIMINATOR:
            return self.rules_of(player)["pull"](verdict.y, self.protocol.s)
        if source == OWN_OUTPUT:
            return self.rules_of(player)["own_output_pull"](own)
        return 0

    def _lean(self, player: str, reading: int, x, x_):
        """C of Eqs. 10 and 16, as a sum or as a mean; None without leaning."""
        if not reading:
            return None
        C = self.rules_of(player)["leaning_sum"](x, x_, self.slope(x_))
        return C / x.shape[1] if reading == MEAN else C

    def carried(self, name: str, network: Sequential, error, at: Pass):
        """B_N: an error at a network's output, carried to its input at the old parameters.

        `name` is the letter that the result has in the exact rules: q, Q, P or h.
        """
        return network.propagate(error, at.caches, below_output=True)
