"""What each player maximises under each rule set, as a function of all its parameters.

One class a rule set, one method a player: `Printed(variant, point).g(network)` is the mean over
the batch of the objective whose gradient by the decoder's weights is the printed update of Phi,
everything but these weights frozen at the point. Written from the paper's lists, not from
`avanet.ava.plans`.
"""

from functools import cached_property

import numpy as np

from avanet.ava.plans import Variant
from avanet.verify import objectives as o


class Point:
    """A model's networks at one x and r, evaluated by the formulas and then frozen."""

    def __init__(self, w: o.Weights, x, r, a: o.Activation, full: bool):
        self.w, self.x, self.r, self.a, self.full = w, x, r, a, full
        self.n = r.shape[1]
        self.z = r
        if w.f is not None:
            self.mu, root = self.code(w.f, x)
            self.z = o.sample(self.mu, root, r)
        self.v = o.net_input(w.g, self.z, a)
        self.x_ = a(self.v)

    def code(self, encoder: o.Network, x):
        """mu and the root of Sigma."""
        return o.unpack(o.output(encoder, x, self.a), self.n, self.full)

    @cached_property
    def u(self):
        """The net input of mu(x')."""
        return o.net_input(self.w.f, self.x_, self.a)[:, : self.n]

    @cached_property
    def mu_(self):
        """mu(x')."""
        return self.a(self.u)

    @cached_property
    def v0(self):
        """d's net input on x'."""
        return o.net_input(self.w.d, self.x_, self.a)[:, 0]

    @cached_property
    def V0(self):
        """D's net input on mu(x')."""
        return o.net_input(self.w.D, self.mu_, self.a)[:, 0]

    @property
    def C(self):
        """The leaning coefficient of Eq. 10."""
        return o.leaning_coefficient(self.x, self.v, self.a)

    @property
    def C_mu(self):
        """The leaning coefficient of Eq. 16."""
        return o.leaning_coefficient(self.mu, self.u, self.a)


class Printed:
    """Eqs. 5, 6, 7, 10, 13, 14 and 16, with the variants' lists corrected."""

    def __init__(self, variant: Variant, point: Point):
        self.variant, self.p, self.a = variant, point, point.a

    @property
    def trained(self) -> list[str]:
        """The players that have an update."""
        v = self.variant
        return [name for name, there in zip("fgdD", (
            v.encoder, True, v.assess_decoder, v.assess_encoder)) if there]

    def f(self, network):
        """Theta: Eq. 5, with D Eq. 14."""
        mu, root = self.p.code(network, self.p.x)
        if self.variant.assess_encoder:
            return o.encoder_surrogate(mu, root, self.p.mu, self.p.V0, self.a).mean()
        return -o.kl_of_code(mu, root).mean()

    def g(self, network):
        """Phi: Eq. 6, without d the reconstruction alone."""
        x_ = o.output(network, self.p.z, self.a)
        if self.reads_d:
            return o.decoder_surrogate(self.p.x, x_, self.p.x_, self.p.v0, self.a).mean()
        return -o.half_squared_error(self.p.x, x_).mean()

    @property
    def reads_d(self) -> bool:
        """Whether Phi's error has the term of d."""
        return self.variant.assess_decoder

    def d(self, network):
        """Psi: Eq. 7, leaning Eq. 10."""
        return self.balance(network, self.p.x, self.p.x_, self.lean_d)

    def D(self, network):
        """Lambda: Eq. 13, leaning Eq. 16."""
        return self.balance(network, self.p.mu, self.p.mu_, self.lean_D)

    @property
    def lean_d(self):
        return self.p.C if self.variant.lean_decoder else 0

    @property
    def lean_D(self):
        return self.p.C_mu if self.variant.lean_encoder else 0

    def balance(self, network, real, fake, C):
        """The balance, on two passes, with C d(x')."""
        return o.leaning_balance(
            o.verdict(network, real, self.a), o.verdict(network, fake, self.a), C).mean()


class PrintedMean(Printed):
    """The leaning sums read as means."""

    @property
    def lean_d(self):
        return super().lean_d / self.p.x.shape[1]

    @property
    def lean_D(self):
        return super().lean_D / self.p.n


class Letter(Printed):
    """The lists exactly as printed."""

    @property
    def trained(self):
        """AVA5's list has no Psi."""
        both = self.variant.lean_decoder and self.variant.lean_encoder
        return [name for name in super().trained if not (both and name == "d")]

    @property
    def reads_d(self):
        """AVA3's and AVA4's lists have the term too."""
        return self.variant.assess_decoder or self.variant.assess_encoder

    @property
    def lean_D(self):
        """AVA5's Lambda has the decoder's leaning term beside its own."""
        return super().lean_D + super().lean_d

    def balance(self, network, real, fake, C):
        """The error a'_d(d(x)) / d(x), K, enters on the pass of x': K v(x') with K frozen."""
        at = self.p.w.d if real is self.p.x else self.p.w.D
        v = o.net_input(at, real, self.a)[:, 0]
        K = o.derivative(lambda t: np.log(self.a(v + t)))
        v_ = o.net_input(network, fake, self.a)[:, 0]
        return (K * v_ + np.log(1 - self.a(v_)) + C * self.a(v_)).mean()


class AsRun(Printed):
    """What the authors' program does: own outputs stand for discriminators, the I of Eq. 5 is lost.

    `mu_factor` multiplies mu in Eqs. 5 and 14.
    """

    mu_factor = 1.0

    @property
    def trained(self):
        return [name for name in super().trained if name in "fg"]

    def f(self, network):
        mu, root = self.p.code(network, self.p.x)
        variance = root if root.ndim == 2 else root[:, range(self.p.n), range(self.p.n)] ** 2
        own = (mu ** 2).sum(axis=1) / 4 if self.variant.assess_encoder else 0
        kl = self.mu_factor * (mu ** 2).sum(axis=1) / 2 - np.log(variance).sum(axis=1) / 2
        return (own - kl).mean()

    def g(self, network):
        x_ = o.output(network, self.p.z, self.a)
        own = (x_ ** 2).sum(axis=1) / 4 if self.variant.assess_decoder else 0
        return (own - o.half_squared_error(self.p.x, x_)).mean()


class AsRunMu4(AsRun):
    """The mu part of the KL's gradient times 4."""

    mu_factor = 4.0


class Exact(Printed):
    """The printed losses themselves: Eqs. 1, 3, 12 for Theta and Phi, Eqs. 9 and 15 for the rest.

    The leaning terms stand in Eqs. 9 and 15, and have no gradient in Psi and Lambda.
    """

    def loss(self, **player):
        p = self.p
        d = p.w.d if self.variant.assess_decoder else None
        D = p.w.D if self.variant.assess_encoder else None
        w = p.w._replace(d=d, D=D)._replace(**player)
        return -o.loss(w, p.x, p.r, self.a, p.full).mean()

    def f(self, network):
        return self.loss(f=network)

    def g(self, network):
        return self.loss(g=network)

    def balance(self, network, real, fake, C):
        lean = self.variant.lean_decoder if real is self.p.x else self.variant.lean_encoder
        return o.balance_of(network, real, fake, self.a, lean).mean()


OBJECTIVES = {
    "as-run": AsRun,
    "printed": Printed,
    "printed-mean": PrintedMean,
    "letter": Letter,
    "exact": Exact,
    "as-run-mu4": AsRunMu4,
}
