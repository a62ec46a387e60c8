"""The compiled step: the same plans and the same equations, one image at a time.

Every network has one hidden layer, as in the paper; each of its two matrices is held as
A : (wide, hidden). The wide ones, of which a row belongs to a pixel, take all the time, because
each step has to read them from memory. Three things keep them from being read more often:

- A sample's update is the rank-one matrix x^T y. Those of a block of `BLOCK` images stay pending,
  as (x, y) pairs, and are added at its end in one pass: u (A + X^T Y) = u A + (u X^T) Y.
- What the images of a block give with A as it is at the block's start is one pass over A, too.
- Where the decoder's error at a pixel needs that pixel alone, x', the error and what goes back to
  the hidden units come out of one pass, `ROWS` pixels at a time.

This changes the order of rounding, not the mathematics.
"""

from typing import NamedTuple

import numpy as np

from avanet.ava import rules
from avanet.ava.plans import DISCRIMINATOR, MEAN, OWN_OUTPUT, Plan
from avanet.ava.protocol import Protocol
from avanet.ava.step import Players
from avanet.kernels import KERNELS, jit, jit_inner
from avanet.nn import Dense, Sequential

BLOCK = 12  # images
PENDING = 2 * BLOCK  # updates: an image is up to two of them
STRIP = 64  # columns that are transposed at a time
ROWS = 128  # pixels: their rows of the decoder's matrix stay in the inner caches

to_hidden, from_hidden = KERNELS["to_hidden"], KERNELS["from_hidden"]
products, correct, flush = KERNELS["products"], KERNELS["correct"], KERNELS["flush"]
logistic, logistic_slope = KERNELS["logistic"], KERNELS["logistic_slope"]

mean_error = jit_inner(rules.mean_error)
variance_error = jit_inner(rules.variance_error)
own_output_pull = jit_inner(rules.own_output_pull)
pull_of = jit_inner(rules.pull)
decoder_error = jit_inner(rules.decoder_error)
real_error = jit_inner(rules.real_error)
fake_error = jit_inner(rules.fake_error)
sample_code = jit_inner(rules.sample_code)
exact_decoder_error = jit_inner(rules.exact_decoder_error)
exact_mean_error = jit_inner(rules.exact_mean_error)
exact_variance_error = jit_inner(rules.exact_variance_error)

F, G, PSI, LAMBDA = 1, 2, 3, 4  # networks, as a stop names them
HIDDEN, OUTPUT = 1, 2


class Needs(NamedTuple):
    """What follows from a plan."""

    d: bool  # d is evaluated at all
    D: bool  # D, and the encoder on x'
    error_by_pixel: bool  # the decoder's error at a pixel needs x and x' there, nothing else


class DelayedDense(NamedTuple):
    """A dense layer with pending rank-one updates X^T Y."""

    A: np.ndarray
    b: np.ndarray
    X: np.ndarray
    Y: np.ndarray


class Net(NamedTuple):
    """A network and the values of up to two evaluations, row 0 on the real and row 1 on x'."""

    hidden: DelayedDense
    output: DelayedDense
    pending: np.ndarray  # one number, of both layers
    known: np.ndarray  # (BLOCK, hidden): the block's images times the hidden layer's A
    x: np.ndarray
    h: np.ndarray
    slope_h: np.ndarray  # a'(.) at h
    y: np.ndarray
    slope: np.ndarray  # a'(.) at y
    e: np.ndarray  # errors at the output's net input
    product: np.ndarray  # e A of the output layer, without what is pending
    back: np.ndarray  # errors at the hidden units
    dx: np.ndarray  # errors at the input


@jit_inner
def copy(source, target):
    """target = source, element by element."""
    for i in range(len(target)):
        target[i] = source[i]


@jit_inner
def finite(v):
    """Whether every element is."""
    nothing = v[0] * 0
    for i in range(len(v)):
        nothing += v[i] * 0
    return not np.isnan(nothing)


@jit_inner
def hide(net, row, s, m):
    """h = a(v) from the hidden layer's v = b + x A, without what is pending, in place of h."""
    a = net.hidden
    correct(net.x[row], a.X, a.Y, net.pending[0], net.h[row])
    good = logistic(s, m, net.h[row])
    logistic_slope(net.h[row], s, net.slope_h[row])
    return good


@jit_inner
def start_output(net, row):
    """y = b + what is pending of h A."""
    c = net.output
    copy(c.b, net.y[row])
    correct(net.h[row], c.Y, c.X, net.pending[0], net.y[row])


@jit_inner
def finish_output(net, row, first, stop, s, m):
    """y = a(y + h A) for some outputs, and their slopes; whether all are finite."""
    y = net.y[row, first:stop]
    from_hidden(net.h[row], net.output.A[first:stop], y)
    good = logistic(s, m, y)
    logistic_slope(y, s, net.slope[row, first:stop])
    return good


@jit_inner
def forward(net, row, known, s, m):
    """y = a(a(x W1 + b1) W2 + b2); `known` is the image's place in the block, or -1.

    Returns 0, or the layer that is not finite.
    """
    a = net.hidden
    if known < 0:
        copy(a.b, net.h[row])
        to_hidden(net.x[row], a.A, net.h[row])
    else:
        for j in range(len(a.b)):
            net.h[row, j] = a.b[j] + net.known[known, j]
    if not hide(net, row, s, m):
        return HIDDEN
    start_output(net, row)
    return 0 if finish_output(net, row, 0, net.y.shape[1], s, m) else OUTPUT


@jit_inner
def decode(g, x, plan, needs, s, m):
    """x' of z, and if its error needs nothing else, the error and its product with A."""
    a, c = g.hidden, g.output
    copy(a.b, g.h[0])
    to_hidden(g.x[0], a.A, g.h[0])
    if not hide(g, 0, s, m):
        return HIDDEN
    start_output(g, 0)
    g.product[0, :] = 0
    good = True
    for first in range(0, len(x), ROWS):
        stop = min(first + ROWS, len(x))
        good = finish_output(g, 0, first, stop, s, m) and good
        if needs.error_by_pixel:
            decoder_errors(g, x, first, stop, plan, s * 0)
            to_hidden(g.e[0, first:stop], c.A[first:stop], g.product[0])
    return 0 if good else OUTPUT


@jit_inner
def decoder_errors(g, x, first, stop, plan, pull):
    """Eq. 6 for some pixels; the exact rule where the model has no discriminator."""
    x_, slope, e = g.y[0], g.slope[0], g.e[0]
    for i in range(first, stop):
        if plan.exact:
            e[i] = exact_decoder_error(x[i] - x_[i], slope[i])
        elif plan.decoder_pull == OWN_OUTPUT:
            e[i] = decoder_error(x[i], x_[i], own_output_pull(x_[i]), slope[i])
        else:
            e[i] = decoder_error(x[i], x_[i], pull, slope[i])


@jit_inner
def multiply_back(net, row):
    """The product of the output's error with A, for `back_to_hidden`."""
    net.product[row, :] = 0
    to_hidden(net.e[row], net.output.A, net.product[row])


@jit_inner
def back_to_hidden(net, row, pending):
    """The error at the hidden layer's net input, through the weights with so many updates."""
    c = net.output
    copy(net.product[row], net.back[row])
    correct(net.e[row], c.X, c.Y, pending, net.back[row])
    for j in range(net.back.shape[1]):
        net.back[row, j] *= net.slope_h[row, j]


@jit_inner
def carry(net, row):
    """B_N: the error of one row, carried to the network's input."""
    a = net.hidden
    back_to_hidden(net, row, net.pending[0])
    net.dx[row, :] = 0
    from_hidden(net.back[row], a.A, net.dx[row])
    correct(net.back[row], a.Y, a.X, net.pending[0], net.dx[row])


@jit_inner
def ascend(net, first, stop, rate, back_to_front):
    """Add the updates by the errors of some rows; 0, or the layer that is not finite.

    W += rate x^T e and b += rate e, layer by layer.
    """
    a, c, k = net.hidden, net.output, net.pending[0]
    for row in range(first, stop):
        if not finite(net.e[row]):
            return OUTPUT
        new = k + row - first
        for i in range(len(c.b)):
            c.X[new, i] = rate * net.e[row, i]
            c.b[i] += c.X[new, i]
        copy(net.h[row], c.Y[new])
    for row in range(first, stop):
        back_to_hidden(net, row, k + stop - first if back_to_front else k)
        if not finite(net.back[row]):
            return OUTPUT
        new = k + row - first
        copy(net.x[row], a.X[new])
        for j in range(len(a.b)):
            a.Y[new, j] = rate * net.back[row, j]
            a.b[j] += a.Y[new, j]
    net.pending[0] = k + stop - first
    return 0


@jit_inner
def settle(net):
    """Add what is pending to both matrices."""
    flush(net.hidden.X, net.hidden.Y, net.pending[0], net.hidden.A)
    flush(net.output.X, net.output.Y, net.pending[0], net.output.A)
    net.pending[0] = 0


@jit_inner
def evaluate(f, g, d, D, plan, needs, x, r, place, s, m):
    """All forward passes of a step; 0, or 10 * network + layer."""
    n = len(r)
    if plan.encoder:
        copy(x, f.x[0])
        bad = forward(f, 0, place, s, m)
        if bad:
            return 10 * F + bad
        for i in range(n):
            g.x[0, i] = sample_code(f.y[0, i], f.y[0, n + i], r[i])
    else:
        copy(r, g.x[0])
    bad = decode(g, x, plan, needs, s, m)
    if bad:
        return 10 * G + bad
    if needs.d:
        copy(x, d.x[0])
        copy(g.y[0], d.x[1])
        for row in range(2):
            bad = forward(d, row, -1 if row else place, s, m)
            if bad:
                return 10 * PSI + bad
    if needs.D:
        copy(g.y[0], f.x[1])
        bad = forward(f, 1, -1, s, m)
        if bad:
            return 10 * F + bad
        for row in range(2):
            copy(f.y[row], D.x[row])
            bad = forward(D, row, -1, s, m)
            if bad:
                return 10 * LAMBDA + bad
    return 0


@jit_inner
def printed_errors(f, g, d, D, plan, needs, x, s):
    """Eqs. 5, 6 and 14."""
    n = D.x.shape[1]
    if plan.encoder:
        for i in range(n):
            mu, var, pull = f.y[0, i], f.y[0, n + i], s * 0
            if plan.mean_pull == DISCRIMINATOR:
                pull = pull_of(D.y[1, 0], s)
            elif plan.mean_pull == OWN_OUTPUT:
                pull = own_output_pull(mu)
            f.e[0, i] = mean_error(plan.mean_factor * mu, pull, f.slope[0, i])
            f.e[0, n + i] = variance_error(var, f.slope[0, n + i], plan.identity)
    if not needs.error_by_pixel:
        decoder_errors(g, x, 0, len(x), plan, pull_of(d.y[1, 0], s))
        multiply_back(g, 0)


@jit_inner
def exact_errors(f, g, d, D, plan, needs, x, r, s):
    """The true gradients of Eq. 12, at the old parameters."""
    n = len(r)
    if not needs.error_by_pixel:
        e = g.e[0]
        for i in range(len(x)):
            e[i] = x[i] - g.y[0, i] if plan.reconstruct else 0
        if needs.d:
            d.e[1, 0] = pull_of(d.y[1, 0], s)
            multiply_back(d, 1)
            carry(d, 1)
            for i in range(len(x)):
                e[i] += d.dx[1, i]
        if needs.D:
            D.e[1, 0] = pull_of(D.y[1, 0], s)
            multiply_back(D, 1)
            carry(D, 1)
            for i in range(n):
                f.e[1, i] = D.dx[1, i] * f.slope[1, i]
                f.e[1, n + i] = 0
            multiply_back(f, 1)
            carry(f, 1)
            for i in range(len(x)):
                e[i] += f.dx[1, i]
        for i in range(len(x)):
            e[i] = exact_decoder_error(e[i], g.slope[0, i])
        multiply_back(g, 0)
    if plan.encoder:
        carry(g, 0)
        for i in range(n):
            mu, var, h = f.y[0, i], f.y[0, n + i], g.dx[0, i]
            f.e[0, i] = exact_mean_error(mu, h, f.slope[0, i])
            f.e[0, n + i] = exact_variance_error(var, h, r[i], f.slope[0, n + i])


@jit_inner
def leaning(x, x_, slope, n, reading):
    """C of Eqs. 10 and 16, the sum of (x - x') a'(x'), or its mean; 0 without leaning."""
    C = slope[0] * 0
    if reading:
        for i in range(n):
            C += decoder_error(x[i], x_[i], slope[0] * 0, slope[i])
        if reading == MEAN:
            C /= slope[0] * 0 + n
    return C


@jit_inner
def teach(net, plan, C, s, rate, back_to_front):
    """Update a discriminator by Eqs. 7 and 10, or 13 and 16; 0, or the layer not finite."""
    net.e[0, 0] = real_error(net.y[0, 0], s)
    net.e[1, 0] = fake_error(net.y[1, 0], s) + net.slope[1, 0] * C
    if plan.one_pass:
        net.e[1, 0] += net.e[0, 0]
    first = 1 if plan.one_pass else 0
    for row in range(first, 2):
        multiply_back(net, row)
    return ascend(net, first, 2, rate, back_to_front)


@jit_inner
def update(f, g, d, D, plan, needs, x, r, s, rate, back_to_front):
    """Errors and updates of all players; 0, or 10 * network + layer."""
    if plan.exact:
        exact_errors(f, g, d, D, plan, needs, x, r, s)
    else:
        printed_errors(f, g, d, D, plan, needs, x, s)
    if plan.encoder:
        multiply_back(f, 0)
        bad = ascend(f, 0, 2 if plan.exact and needs.D else 1, rate, back_to_front)
        if bad:
            return 10 * F + bad
    bad = ascend(g, 0, 1, rate, back_to_front)
    if bad:
        return 10 * G + bad
    lean = leaning(x, g.y[0], g.slope[0], len(x), plan.lean_d)
    if plan.train_d:
        bad = teach(d, plan, lean, s, rate, back_to_front)
        if bad:
            return 10 * PSI + bad
    if plan.train_D:
        lean_D = leaning(f.y[0], f.y[1], f.slope[1], len(r), plan.lean_D)
        if plan.lean_D_on_x:
            lean_D += lean
        bad = teach(D, plan, lean_D, s, rate, back_to_front)
        if bad:
            return 10 * LAMBDA + bad
    return 0


@jit_inner
def recode(f, g, x, plan, needs, s, m):
    """Decode the last z and encode it again, which leaves that code behind; 0, or the stop."""
    bad = decode(g, x, plan, needs, s, m)
    if bad:
        return 10 * G + bad
    copy(g.y[0], f.x[0])
    bad = forward(f, 0, -1, s, m)
    return 10 * F + bad if bad else 0


@jit
def train(f, g, d, D, plan, needs, images, r, s, m, rate, back_to_front):
    """One pass over the images; (updates made, 0 or 10 * network + layer of the first stop)."""
    made, bad = 0, 0
    while made < len(images) and not bad:
        place = made % BLOCK
        if place == 0:
            for net in (f, g, d, D):
                settle(net)
            if plan.encoder:
                products(images[made: made + BLOCK], f.hidden.A, f.known)
            if needs.d:
                products(images[made: made + BLOCK], d.hidden.A, d.known)
        x = images[made]
        bad = evaluate(f, g, d, D, plan, needs, x, r[made], place, s, m)
        if not bad:
            bad = update(f, g, d, D, plan, needs, x, r[made], s, rate, back_to_front)
        if not bad:
            made += 1
    if plan.recode and made and not bad:
        bad = recode(f, g, images[made - 1], plan, needs, s, m)
    for net in (f, g, d, D):
        settle(net)
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
        _net(player, dtype, widths) for player, widths in zip(
            players, ((1, 1, 2 * n), (n, 1, 1), (1, 1, 1), (n, 1, 1)))]
    made, bad = train(*nets, plan, needs_of(plan), np.ascontiguousarray(images),
                      np.ascontiguousarray(r), s, m, rate, protocol.order == "back-to-front")
    for player, net in zip(players, nets):
        if player is not None:
            transpose(net.output.A, _dense(player)[1].W)
    code = f.y[:1, :n].copy(), f.y[:1, n:].copy()
    return code, made, _name(players, bad) if bad else ""


def needs_of(plan: Plan) -> Needs:
    """What the compiled step evaluates for a plan."""
    by_pixel = (plan.reconstruct and not plan.needs_d and not plan.needs_D if plan.exact
                else plan.decoder_pull != DISCRIMINATOR)
    return Needs(plan.needs_d, plan.needs_D, by_pixel)


def _net(player: Sequential | None, dtype, widths) -> Net:
    """The arrays of one network; a small network of zeros where the model has none."""
    if player is None:
        (W1, b1), (W2, b2) = ((np.zeros(w, dtype), np.zeros(w[-1:], dtype))
                              for w in zip(widths, widths[1:]))
    else:
        (W1, b1), (W2, b2) = ((layer.W, layer.b) for layer in _dense(player))
    (n_in, hidden), n_out = W1.shape, W2.shape[1]
    A = np.empty((n_out, hidden), dtype)
    transpose(W2, A)
    values = (np.zeros((rows, width), dtype) for rows, width in (
        (BLOCK, hidden), (2, n_in), (2, hidden), (2, hidden), (2, n_out), (2, n_out), (2, n_out),
        (2, hidden), (2, hidden), (2, n_in)))
    return Net(_delayed(W1, b1), _delayed(A, b2), np.zeros(1, np.int64), *values)


def _dense(player: Sequential) -> list[Dense]:
    return [layer for layer in player.layers if isinstance(layer, Dense)]


def _delayed(A, b) -> DelayedDense:
    wide, hidden = A.shape
    return DelayedDense(A, b, np.zeros((PENDING, wide), A.dtype),
                        np.zeros((PENDING, hidden), A.dtype))


def transpose(source, target) -> None:
    """target = source^T, in strips of the longer side that the inner caches hold."""
    for first in range(0, max(source.shape), STRIP):
        strip = slice(first, first + STRIP)
        if len(source) > len(target):
            target[:, strip] = source[strip].T
        else:
            target[strip] = source[:, strip].T


def _name(players: Players, code: int) -> str:
    player = players[code // 10 - 1]
    return f"{player.name}, {player.layers[2 * (code % 10) - 2].name}"
