"""The compiled step: the same plans and the same equations, one image at a time.

Every network has one hidden layer, as in the paper. A sample's update of a dense layer is the
rank-one matrix x^T e; up to `PENDING` of them are kept as (x, e) pairs and added to W in one go,
so that W is read once per product and written once per `PENDING` updates:

    x (W + X^T E) = x W + (x X^T) E.

This changes the order of rounding, not the mathematics.
"""

from typing import Any, NamedTuple

import numpy as np

from avanet.ava import rules
from avanet.ava.plans import DISCRIMINATOR, MEAN, OWN_OUTPUT, Plan
from avanet.ava.protocol import Protocol
from avanet.ava.step import Players
from avanet.kernels import KERNELS, jit, jit_inner
from avanet.nn import Dense, Sequential

PENDING = 16

affine, propagate, flush = KERNELS["affine"], KERNELS["propagate"], KERNELS["flush"]
logistic, logistic_slope = KERNELS["logistic"], KERNELS["logistic_slope"]

mean_error = jit_inner(rules.mean_error)
variance_error = jit_inner(rules.variance_error)
own_output_pull = jit_inner(rules.own_output_pull)
pull_of = jit_inner(rules.pull)
decoder_error = jit_inner(rules.decoder_error)
real_error = jit_inner(rules.real_error)
fake_error = jit_inner(rules.fake_error)
leaning_sum = jit_inner(rules.leaning_sum)
exact_decoder_error = jit_inner(rules.exact_decoder_error)
exact_mean_error = jit_inner(rules.exact_mean_error)
exact_variance_error = jit_inner(rules.exact_variance_error)

F, G, PSI, LAMBDA = 1, 2, 3, 4  # networks, as a stop names them
HIDDEN, OUTPUT = 1, 2


class DelayedDense(NamedTuple):
    """A dense layer with pending rank-one updates; `pending` holds their number."""

    W: np.ndarray
    b: np.ndarray
    X: np.ndarray
    E: np.ndarray
    pending: np.ndarray


class Net(NamedTuple):
    """A network and the values of up to two evaluations, row 0 on the real and row 1 on x'."""

    hidden: DelayedDense
    output: DelayedDense
    x: np.ndarray
    h: np.ndarray
    slope_h: np.ndarray  # a'(.) at h
    y: np.ndarray
    slope: np.ndarray  # a'(.) at y
    e: np.ndarray  # errors at the output's net input
    back: np.ndarray  # errors at the hidden units
    dx: np.ndarray  # errors at the input


@jit_inner
def push(layer, x, e, rate):
    """W += rate x^T e, delayed; b += rate e."""
    k = layer.pending[0]
    layer.X[k] = x
    layer.E[k] = rate * e
    layer.b[:] += layer.E[k]
    layer.pending[0] = k + 1
    if k + 1 == len(layer.X):
        settle(layer)


@jit_inner
def settle(layer):
    """Add what is pending to W."""
    flush(layer.X, layer.E, layer.pending[0], layer.W)
    layer.pending[0] = 0


@jit_inner
def forward(net, row, s, m):
    """y = a(a(x W1 + b1) W2 + b2) for one row; 0, or the layer that is not finite."""
    a, c = net.hidden, net.output
    affine(net.x[row], a.W, a.b, a.X, a.E, a.pending[0], net.h[row])
    if not logistic(s, m, net.h[row]):
        return HIDDEN
    logistic_slope(net.h[row], s, net.slope_h[row])
    affine(net.h[row], c.W, c.b, c.X, c.E, c.pending[0], net.y[row])
    if not logistic(s, m, net.y[row]):
        return OUTPUT
    logistic_slope(net.y[row], s, net.slope[row])
    return 0


@jit_inner
def back_to_hidden(net, row):
    """The error of one row at the hidden layer's net input, through the weights as they are."""
    c = net.output
    propagate(net.e[row], c.W, c.X, c.E, c.pending[0], net.back[row])
    net.back[row] *= net.slope_h[row]


@jit_inner
def carry(net, row):
    """B_N: the error of one row, carried to the network's input."""
    a = net.hidden
    back_to_hidden(net, row)
    propagate(net.back[row], a.W, a.X, a.E, a.pending[0], net.dx[row])


@jit_inner
def ascend(net, first, stop, rate, back_to_front):
    """Update both layers by the errors of some rows; 0, or the layer that is not finite."""
    if not back_to_front:
        for row in range(first, stop):
            back_to_hidden(net, row)
    for row in range(first, stop):
        if not np.isfinite(net.e[row].sum()):
            return OUTPUT
        push(net.output, net.h[row], net.e[row], rate)
    if back_to_front:
        for row in range(first, stop):
            back_to_hidden(net, row)
    for row in range(first, stop):
        if not np.isfinite(net.back[row].sum()):
            return OUTPUT
        push(net.hidden, net.x[row], net.back[row], rate)
    return 0


@jit_inner
def evaluate(f, g, d, D, plan, needs_d, needs_D, x, r, s, m):
    """All forward passes of a step; 0, or 10 * network + layer."""
    n = len(r)
    if plan.encoder:
        f.x[0] = x
        bad = forward(f, 0, s, m)
        if bad:
            return 10 * F + bad
        g.x[0] = f.y[0, :n] + np.sqrt(f.y[0, n:]) * r
    else:
        g.x[0] = r
    bad = forward(g, 0, s, m)
    if bad:
        return 10 * G + bad
    if needs_d:
        d.x[0], d.x[1] = x, g.y[0]
        for row in range(2):
            bad = forward(d, row, s, m)
            if bad:
                return 10 * PSI + bad
    if needs_D:
        f.x[1] = g.y[0]
        bad = forward(f, 1, s, m)
        if bad:
            return 10 * F + bad
        D.x[0], D.x[1] = f.y[0, :n], f.y[1, :n]
        for row in range(2):
            bad = forward(D, row, s, m)
            if bad:
                return 10 * LAMBDA + bad
    return 0


@jit_inner
def printed_errors(f, g, d, D, plan, x, s):
    """Eqs. 5, 6 and 14."""
    n = D.x.shape[1]
    mu, var, x_ = f.y[:1, :n], f.y[:1, n:], g.y
    if plan.encoder:
        mean_pull = np.zeros_like(mu)
        if plan.mean_pull == DISCRIMINATOR:
            mean_pull[:] = pull_of(D.y[1:], s)
        elif plan.mean_pull == OWN_OUTPUT:
            mean_pull[:] = own_output_pull(mu)
        f.e[:1, :n] = mean_error(plan.mean_factor * mu, mean_pull, f.slope[:1, :n])
        f.e[:1, n:] = variance_error(var, f.slope[:1, n:], plan.identity)
    decoder_pull = np.zeros_like(x_)
    if plan.decoder_pull == DISCRIMINATOR:
        decoder_pull[:] = pull_of(d.y[1:], s)
    elif plan.decoder_pull == OWN_OUTPUT:
        decoder_pull[:] = own_output_pull(x_)
    g.e[:] = decoder_error(x, x_, decoder_pull, g.slope)


@jit_inner
def exact_errors(f, g, d, D, plan, needs_d, needs_D, x, r, s):
    """The true gradients of Eq. 12, at the old parameters."""
    n = D.x.shape[1]
    e = np.zeros_like(g.y)
    if plan.reconstruct:
        e[:] = x - g.y
    if needs_d:
        d.e[1:] = pull_of(d.y[1:], s)
        carry(d, 1)
        e += d.dx[1:]
    if needs_D:
        D.e[1:] = pull_of(D.y[1:], s)
        carry(D, 1)
        f.e[1, :n] = D.dx[1] * f.slope[1, :n]
        f.e[1, n:] = 0
        carry(f, 1)
        e += f.dx[1:]
    g.e[:] = exact_decoder_error(e, g.slope)
    if plan.encoder:
        carry(g, 0)
        f.e[:1, :n] = exact_mean_error(f.y[:1, :n], g.dx, f.slope[:1, :n])
        f.e[:1, n:] = exact_variance_error(f.y[:1, n:], g.dx, r, f.slope[:1, n:])


@jit_inner
def discriminator_errors(net, plan, lean, s):
    """Eqs. 7 and 10, or 13 and 16, with C = lean; the row from which errors go back."""
    net.e[:1] = real_error(net.y[:1], s)
    net.e[1:] = fake_error(net.y[1:], s) + net.slope[1:] * lean
    if plan.one_pass:
        net.e[1:] += net.e[:1]
        return 1
    return 0


@jit_inner
def recode(f, g, s, m):
    """Decode the last z and encode it again, which leaves that code behind; 0, or the stop."""
    bad = forward(g, 0, s, m)
    if bad:
        return 10 * G + bad
    f.x[0] = g.y[0]
    bad = forward(f, 0, s, m)
    return 10 * F + bad if bad else 0


@jit
def train(f, g, d, D, plan, needs_d, needs_D, images, r, s, m, rate, back_to_front):
    """One pass over the images; (updates made, 0 or 10 * network + layer of the first stop)."""
    n = r.shape[1]
    made, bad = 0, 0
    while made < len(images):
        x = images[made: made + 1]
        bad = evaluate(f, g, d, D, plan, needs_d, needs_D, x[0], r[made], s, m)
        if bad:
            break
        if plan.exact:
            exact_errors(f, g, d, D, plan, needs_d, needs_D, x, r[made: made + 1], s)
        else:
            printed_errors(f, g, d, D, plan, x, s)
        if plan.encoder:
            bad = ascend(f, 0, 2 if plan.exact and needs_D else 1, rate, back_to_front)
            if bad:
                bad += 10 * F
                break
        bad = ascend(g, 0, 1, rate, back_to_front)
        if bad:
            bad += 10 * G
            break

        lean = s * 0
        if plan.lean_d:
            lean = leaning_sum(x, g.y, g.slope)[0, 0]
            if plan.lean_d == MEAN:
                lean /= s * 0 + x.shape[1]
        if plan.train_d:
            bad = ascend(d, discriminator_errors(d, plan, lean, s), 2, rate, back_to_front)
            if bad:
                bad += 10 * PSI
                break
        if plan.train_D:
            lean_D = lean if plan.lean_D_on_x else s * 0
            if plan.lean_D:
                C = leaning_sum(f.y[:1, :n], f.y[1:, :n], f.slope[1:, :n])[0, 0]
                lean_D += C / (s * 0 + n) if plan.lean_D == MEAN else C
            bad = ascend(D, discriminator_errors(D, plan, lean_D, s), 2, rate, back_to_front)
            if bad:
                bad += 10 * LAMBDA
                break
        made += 1
    if plan.recode and not bad:
        bad = recode(f, g, s, m)
    for net in (f, g, d, D):
        settle(net.hidden)
        settle(net.output)
    return made, bad


def run(players: Players, plan: Plan, protocol: Protocol, images, r, rate: float):
    """Train one channel's players in place, one image at a time in order.

    Parameters
    ----------
    images : (N, m), r : (N, n) arrays of the players' dtype

    Returns
    -------
    code : (mu, Sigma), each (1, n)
        The encoder's last output, of which scoring draws.
    made : int
        Updates made, all images' unless training stopped.
    where : str
        The layer of the first NaN or overflow, which stopped it; or empty.
    """
    dtype = images.dtype
    n = r.shape[1]
    s, m, rate = (dtype.type(value) for value in (protocol.s, protocol.m, rate))
    f, g, d, D = nets = [
        _net(player, dtype, rows, widths) for player, rows, widths in zip(
            players, (2, 1, 2, 2), ((1, 1, 2 * n), (n, 1, 1), (1, 1, 1), (n, 1, 1)))]
    made, bad = train(*nets, plan, plan.needs_d, plan.needs_D, images, r, s, m, rate,
                      protocol.order == "back-to-front")
    code = f.y[:1, :n].copy(), f.y[:1, n:].copy()
    return code, made, _name(players, bad) if bad else ""


def _net(player: Sequential | None, dtype, rows: int, widths) -> Net:
    """The arrays of one network; a small network of zeros where the model has none."""
    if player is None:
        layers: list[Any] = [(np.zeros(w, dtype), np.zeros(w[-1:], dtype))
                             for w in zip(widths, widths[1:])]
    else:
        layers = [(layer.W, layer.b) for layer in player.layers if isinstance(layer, Dense)]
    (W1, _), (W2, _) = layers
    sizes = W1.shape[0], W1.shape[1], W2.shape[1]
    values = (np.zeros((rows, width), dtype) for width in np.take(sizes, (0, 1, 1, 2, 2, 2, 1, 0)))
    hidden, output = (_delayed(W, b) for W, b in layers)
    return Net(hidden, output, *values)


def _delayed(W, b) -> DelayedDense:
    return DelayedDense(W, b, np.zeros((PENDING, W.shape[0]), W.dtype),
                        np.zeros((PENDING, W.shape[1]), W.dtype), np.zeros(1, np.int64))


def _name(players: Players, code: int) -> str:
    player = players[code // 10 - 1]
    return f"{player.name}, {player.layers[2 * (code % 10) - 2].name}"
