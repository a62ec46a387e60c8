"""One update of one model: by hand, against AVA.step, and with planted errors."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest

from avanet.ava import AVA, RULE_SETS, VARIANTS, Protocol
from avanet.ava.heads import DiagonalHead
from avanet.ava.plans import plan
from avanet.ava.rules import RULES
from avanet.ava.step import Step, build_players
from avanet.nn import Sequential
from avanet.verify import models
from avanet.verify.models import check_model, copies

PLAYERS = {"f": "encoder f", "g": "decoder g", "d": "discriminator d", "D": "discriminator D"}
TRAINED = [(model, rules, player) for rules in RULE_SETS for model in VARIANTS
           for player, there in zip("fgdD", (
               plan(model, rules).encoder, True, plan(model, rules).train_d,
               plan(model, rules).train_D)) if there]


@pytest.fixture
def one_setting(monkeypatch):
    """A batch of three, diagonal Sigma: enough to see an error, and quick."""
    monkeypatch.setattr(models, "SETTINGS", models.SETTINGS[:1])


def ava5_by_hand(order="simultaneous"):
    """AVA5 with m = 2, n = 1, one hidden unit a network; logistics of slope 2 around 0.

    Zero everywhere, but for an encoder with h = 3/4 and mu = 3/4 at x, h = 1/2 and mu = 1/2 at x'.
    """
    protocol = Protocol(s=2.0, m=0.0, order=order)
    p = plan("ava5", "printed")
    players = build_players(2, 1, 1, p, protocol, None, np.dtype(np.float64), DiagonalHead(1))
    hidden, output = players.f.layers[0], players.f.layers[2]
    hidden.W[:], hidden.b[:] = [[log(3)], [0]], -log(3) / 2
    output.W[:], output.b[:] = [[2 * log(3), 0]], [-log(3), 0]
    return players, Step(p, protocol, DiagonalHead(1))


# x = (1, 1/2), r = sqrt(1/2), gamma = 0.4. a'(1/2) = 2/4 = 0.5, a'(3/4) = 2 * 3/16 = 0.375.
#   encoder  v_h = ln 3 - ln 3 / 2, h = 3/4; mu: v = 3/4 * 2 ln 3 - ln 3, mu = 3/4; Sigma = 1/2
#   z = 3/4 + sqrt(1/2) sqrt(1/2) = 5/4; decoder: all zero, x' = (1/2, 1/2)
#   d(x) = d(x') = 1/2; encoder on x': v_h = 0, h = 1/2, mu' = 1/2; D(mu) = D(mu') = 1/2
# Pulls s d = 1.
#   Eq. 14  mu:    -(3/4 - 1) 0.375               = 0.09375
#   Eq. 5   Sigma: (2 - 1) / 2 * 0.5              = 0.25
#   Eq. 6   (1 - 1/2 + 1) 0.5, (1/2 - 1/2 + 1) 0.5 = 0.75, 0.5
#   Eq. 10  C = (1 - 1/2) 0.5 + 0 = 0.25;  x: 2 (1 - 1/2) = 1;  x': -2/2 + 0.5 * 0.25 = -0.875
#   Eq. 16  C = (3/4 - 1/2) 0.5 = 0.125;   mu: 1;               mu': -1 + 0.5 * 0.125 = -0.9375
# Output biases move by 0.4 times the error, output weights by that times h (3/4 in the encoder,
# 1/2 elsewhere). The encoder's hidden error is 0.09375 * 2 ln 3 * 0.375 = 0.0703125 ln 3; the
# other networks have W2 = 0, so theirs are 0 with simultaneous updates.
def test_one_printed_step_of_ava5_by_hand():
    players, step = ava5_by_hand()
    before = copies(players)
    code = step(players, np.array([[1, 0.5]]), np.array([[sqrt(0.5)]]), 0.4)
    moved = [[(new.W - old.W, new.b - old.b) for new, old in
              zip(player.layers[::2], other.layers[::2])]
             for player, other in zip(players, before)]
    expected = {
        "f": ([[0.028125 * log(3)], [0.0140625 * log(3)]], [0.028125 * log(3)],
              [[0.028125, 0.075]], [0.0375, 0.1]),
        "g": ([[0]], [0], [[0.15, 0.1]], [0.3, 0.2]),
        "d": ([[0], [0]], [0], [[0.025]], [0.05]),
        "D": ([[0]], [0], [[0.0125]], [0.025]),
    }
    for name, (hidden, output) in zip("fgdD", moved):
        for got, value in zip((*hidden, *output), expected[name]):
            np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-15)
    assert code[0].shape == (1, 1) and code[0] != 0.75, "AVA5 leaves the code of x'"


# Back-to-front, the decoder's hidden error goes through W2 = (0.15, 0.1):
#   (0.75 * 0.15 + 0.5 * 0.1) a'(1/2) = 0.08125;  b1 += 0.0325, W1 += z 0.0325 = 0.040625
def test_the_same_step_back_to_front():
    players, step = ava5_by_hand("back-to-front")
    step(players, np.array([[1, 0.5]]), np.array([[sqrt(0.5)]]), 0.4)
    hidden = players.g.layers[0]
    np.testing.assert_allclose([hidden.b[0], hidden.W[0, 0]], [0.0325, 0.040625], rtol=1e-12)


@pytest.mark.parametrize("rules", RULE_SETS)
@pytest.mark.parametrize("model", VARIANTS)
def test_every_model_follows_its_objectives(model, rules):
    outcome = check_model(model, rules)
    assert outcome.passed, outcome
    assert outcome.error < 1e-12


@pytest.mark.parametrize("model, rules, player", TRAINED)
def test_planted_error_in_the_real_backward_is_caught(model, rules, player, monkeypatch,
                                                      one_setting):
    """One component of one player's gradient, off by 1e-6 of the largest."""
    backward = Sequential.backward

    def wrong(self, dy, caches, below_output=False):
        dx = backward(self, dy, caches, below_output)
        if self.name == PLAYERS[player]:
            self.grads[len(self.grads) // 2] += 1e-6 * np.abs(self.grads).max()
        return dx

    monkeypatch.setattr(Sequential, "backward", wrong)
    assert not check_model(model, rules).passed


@pytest.mark.parametrize("rules", ["printed", "letter", "as-run", "exact"])
@pytest.mark.parametrize("model", VARIANTS)
def test_planted_error_in_a_rule_is_caught_in_the_whole_model(model, rules, one_setting):
    used = set()

    def recording(name):
        return replace(RULES[name], f=lambda *terms: used.add(name) or RULES[name].f(*terms))

    def planted(name):
        def wrong(*terms):
            error = np.array(RULES[name].f(*terms))
            error.flat[-1] += 1e-6 * np.abs(error).max()
            return error
        return replace(RULES[name], f=wrong)

    check_model(model, rules, table={name: recording(name) for name in RULES})
    assert used
    for name in used:
        assert not check_model(model, rules, table=RULES | {name: planted(name)}).passed, name


@pytest.mark.parametrize("rules", ["printed", "letter", "as-run"])
@pytest.mark.parametrize("model", VARIANTS)
def test_a_repaired_rule_set_is_caught(model, rules, monkeypatch):
    """If a printed set became the exact one, the check would say so."""
    monkeypatch.setattr(models, "Step", lambda _, *rest: Step(plan(model, "exact"), *rest))
    assert not check_model(model, rules).passed


def test_players_are_updated_together():
    """Errors are all taken at the old parameters: the order of the players does not matter."""
    rng = np.random.default_rng(1)
    protocol, p = Protocol("glorot"), plan("ava5", "exact")
    players = build_players(5, 2, 3, p, protocol, rng, np.dtype(float), DiagonalHead(2))
    step = Step(p, protocol, DiagonalHead(2))
    x, r = rng.random((2, 5)), rng.standard_normal((2, 2))
    _, _, errors = step.errors(players, x, r)
    first = copies(players)
    step(first, x, r, 0.3)
    errors = dict(reversed(errors.items()))
    step.errors = lambda *_: (None, r, errors)
    step(players, x, r, 0.3)
    for one, other in zip(first, players):
        np.testing.assert_allclose(one.params, other.params, rtol=0, atol=1e-14)


@pytest.mark.parametrize("channels", ["separate", "joint"])
def test_ava_step_is_this_step_per_channel(channels):
    rng = np.random.default_rng(2)
    image, r = rng.random((3, 2, 3)), rng.standard_normal(4)
    protocol = Protocol("glorot", order="simultaneous", channels=channels)
    model = AVA("ava5", latent_dim=4, hidden_dim=5, rate=0.7, protocol=protocol, dtype="float64")
    model.step(image[None], r)
    players = [copies(one) for one in model.players_]
    model.step(image, r)
    step = Step(plan("ava5", "printed"), protocol, DiagonalHead(4))
    parts = [image] if channels == "joint" else [image[..., c] for c in range(3)]
    assert len(players) == len(parts)
    for one, part, expected in zip(players, parts, model.players_):
        step(one, part.reshape(1, -1), r[None], 0.7)
        for got, want in zip(one, expected):
            np.testing.assert_allclose(got.params, want.params, rtol=0, atol=1e-14)


def test_a_batch_is_the_mean_of_its_samples():
    """Simultaneous updates on three samples are the mean of three updates on one."""
    rng = np.random.default_rng(3)
    protocol, p = Protocol("glorot", order="simultaneous"), plan("ava5", "printed")
    head = DiagonalHead(2)
    start = build_players(5, 2, 3, p, protocol, rng, np.dtype(float), head)
    x, r = rng.random((3, 5)), rng.standard_normal((3, 2))
    step = Step(p, protocol, head)

    def moved(rows):
        players = copies(start)
        step(players, x[rows], r[rows], 0.3)
        return [after.params - before.params for after, before in zip(players, start)]

    alone = [moved([i]) for i in range(3)]
    for k, batch in enumerate(moved([0, 1, 2])):
        np.testing.assert_allclose(batch, sum(one[k] for one in alone) / 3, atol=1e-15)
