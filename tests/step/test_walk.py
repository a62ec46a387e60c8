"""The walk says the right numbers in the right order; they are computed again here, by hand."""

import copy
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.ava import AVA, RULE_SETS, VARIANTS, Protocol
from avanet.errors import InputError
from avanet.step import trace
from avanet.step.small import small_model
from avanet.step.scenes import Ask, dotted, number, vector
from avanet.step.walk import neurons, walk

X = np.random.default_rng(8).random((3, 4))
R = np.random.default_rng(9).standard_normal((3, 2))
RATE = 0.5


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


class ByHand:
    """One update of AVA5 in plain formulas, from weights read off the model before it."""

    def __init__(self, model, x, r):
        (W1, b1, W2, b2), (V1, c1, V2, c2), d, D = (
            [part.copy() for layer in player.layers[::2] for part in (layer.W, layer.b)]
            for player in model.players_[0])
        self.hf = sigmoid(x @ W1 + b1)
        y = sigmoid(self.hf @ W2 + b2)
        self.mu, self.var = y[:2], y[2:]
        self.z = self.mu + np.sqrt(self.var) * r
        self.hg = sigmoid(self.z @ V1 + c1)
        self.x_ = sigmoid(self.hg @ V2 + c2)
        mu_ = sigmoid(sigmoid(self.x_ @ W1 + b1) @ W2 + b2)[:2]
        self.d, self.d_ = (self.judge(d, v) for v in (x, self.x_))
        self.D, self.D_ = (self.judge(D, v) for v in (self.mu, mu_))
        slope = self.x_ * (1 - self.x_)
        self.decoder = ((x - self.x_) + self.d_) * slope
        self.mean = -(self.mu - self.D_) * self.mu * (1 - self.mu)
        self.variance = (1 / self.var - 1) / 2 * self.var * (1 - self.var)
        self.C = ((x - self.x_) * slope).sum()
        self.on_fake = -self.d_ + self.d_ * (1 - self.d_) * self.C
        self.hidden = self.hg * (1 - self.hg) * (V2 @ self.decoder)
        self.V2 = V2
        self.after = V2 + RATE * np.outer(self.hg, self.decoder)

    @staticmethod
    def judge(network, v):
        W, b, V, c = network
        return sigmoid(sigmoid(v @ W + b) @ V + c)[0]


@pytest.fixture(scope="module")
def by_hand():
    model = small_model("ava5", rate=RATE)
    model.step(X[:1], R[:1])
    expected = ByHand(model, X[1], R[1])
    return expected, trace(model, X[1:2], 1, R[1:2])


def asks(scenes, title):
    return [line for scene in scenes if title in scene.title for line in scene.lines
            if isinstance(line, Ask)]


@pytest.mark.parametrize("neuron", [1, 2])
def test_the_numbers_are_those_of_the_formulas(by_hand, neuron):
    hand, traced = by_hand
    k = neuron - 1
    scenes = walk(traced, neuron=neuron)
    for title, values in {
        "encoder f on x": [hand.mu[k]],
        "sampling": [hand.z[k]],
        "decoder g on z": [hand.x_[k]],
        "discriminator d on x'": [hand.d_],
        "discriminator D on μ(x)": [hand.D],
        "Θ, encoder f: the equations": [hand.D_, hand.mean[k], hand.variance[k]],
        "Φ, decoder g: the equations": [hand.d_, hand.decoder[k]],
        "Ψ, discriminator d: the equations": [hand.C, 1 - hand.d, hand.on_fake],
        "Φ, decoder g: the error": [hand.hidden[0]],
        "Φ, decoder g: the weights": [hand.after[0, k]],
    }.items():
        said = asks([scene for scene in scenes if scene.title.endswith(title)] or scenes, title)
        np.testing.assert_allclose([ask.value for ask in said], values, rtol=1e-12, err_msg=title)
        for ask, value in zip(said, values):
            assert str(ask).endswith(f"= {number(value)}")


def test_the_equation_is_shown_with_the_neurons_own_numbers(by_hand):
    hand, traced = by_hand
    lines = str(next(s for s in walk(traced, "g", 3) if "the equations" in s.title))
    numbers = [number(v) for v in (X[1, 2], hand.x_[2], hand.d_, hand.x_[2] * (1 - hand.x_[2]))]
    assert f"(({numbers[0]} - {numbers[1]}) + {numbers[2]})·{numbers[3]}" in lines
    assert "Eq. 6" in lines and "i = 3" in lines and "assumed to be 1" in lines


def test_the_table_of_weights(by_hand):
    hand, traced = by_hand
    lines = str(next(s for s in walk(traced, "g", 2) if "the weights" in s.title)).splitlines()
    row = next(line.split() for line in lines if line.split()[:1] == ["h3"])
    closed = hand.decoder[1] * hand.hg[2]
    assert row[1:5] == [number(v) for v in (hand.V2[2, 1], hand.after[2, 1], closed, closed)]
    assert row[5] == number(traced.steps[0]["players"]["g"]["true"][-1]["W"][2][1])
    assert row[5] != row[4]
    told = traced.steps[0]["players"]["g"]
    assert any(f"{told['cosine']:.4f}" in line and f"{told['ratio']:.4f}" in line for line in lines)


def test_the_objective_and_the_verdict(by_hand):
    _, traced = by_hand
    turned = copy.deepcopy(traced)
    value = turned.steps[0]["players"]["g"]["objective"]
    value["before"], value["after"] = value["after"], value["before"]
    for told, way in ((traced, "went up"), (turned, "went DOWN")):
        scene = next(s for s in walk(told, "g") if "the objective" in s.title)
        record = told.steps[0]["players"]["g"]["objective"]
        assert way in str(scene)
        assert number(record["before"]) in str(scene) and number(record["after"]) in str(scene)
        assert asks([scene], "")[0].value == record["after"] - record["before"]
        loss = told.steps[0]["players"]["g"]["loss"]
        assert f"Eq. {loss['equation']}, which Φ is to decrease" in str(scene)
        assert number(loss["before"]) in str(scene) and number(loss["after"]) in str(scene)
        assert asks([scene], "")[1].value == loss["after"] - loss["before"]
        assert ("the way the paper says" in str(scene)) and ("OTHER" in str(scene)) \
            == (loss["after"] > loss["before"])
    value["after"] = value["before"]
    assert "did not move" in str(next(s for s in walk(turned, "g") if "objective" in s.title))


def test_players_come_in_the_papers_order():
    scenes = walk(trace(small_model("ava5"), X, 2))
    order = [scene.player for scene in scenes]
    for step in (1, 2):
        of_step = [p for p, scene in zip(order, scenes) if scene.step == step and p]
        assert list(dict.fromkeys(of_step)) == ["f", "g", "d", "D"]
    forward = [scene.title for scene in scenes if scene.step == 1 and not scene.player]
    assert forward[0].endswith("encoder f on x") and forward[1].endswith("sampling node")
    assert "for scoring only" in forward[-1]


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
@pytest.mark.parametrize("rules", RULE_SETS)
def test_every_model_can_be_walked_through(rules, covariance):
    for name in VARIANTS:
        for order in ("simultaneous", "back-to-front"):
            model = AVA(name, latent_dim=3, hidden_dim=12, rules=rules, covariance=covariance,
                        protocol=Protocol("glorot", order=order, channels="joint"),
                        dtype="float64")
            traced = trace(model, np.full((1, 10), 0.4), 1)
            for neuron in (1, 3, 10):
                scenes = walk(traced, neuron=neuron)
                assert {scene.player for scene in scenes} == {"", *traced.players()}
                assert all(line == line.rstrip() for s in scenes for line in str(s).split("\n"))


def test_remarks_where_symbols_and_numbers_differ():
    said = {rules: "\n".join(map(str, walk(trace(small_model("ava5", rules=rules), X, 1))))
            for rules in RULE_SETS}
    assert "read as a mean" in said["printed-mean"] and "read as a mean" not in said["printed"]
    assert "one sum" in said["letter"] and "AVA5's list" in said["letter"]
    assert "four times" in said["as-run-mu4"] and "four times" not in said["as-run"]
    assert "it is the true gradient" in said["exact"]
    assert "another number for each i; with the weights of d assumed to be 1" in said["exact"]
    assert "the part of the loss that Eq. 5 leaves out" in said["exact"]
    assert "it is not the true gradient" in said["printed"]


def test_back_to_front_says_which_weights_the_error_went_through():
    model = AVA("ava1", latent_dim=2, hidden_dim=3, rate=RATE, dtype="float64",
                protocol=Protocol("glorot", channels="joint"))
    traced = trace(model, X, 1)
    scene = next(s for s in walk(traced, "g") if "carried back" in s.title)
    assert "w already updated" in str(scene)
    record, hidden = traced.steps[0]["players"]["g"], asks([scene], "")[0].value
    events = traced.steps[0]["events"]
    error = -np.array(next(e for e in events if e["kind"] == "gradient" and e["player"] == "g")
                      ["terms"]["dy"][0])
    h = next(e for e in events if e["player"] == "g" and e["layer"] == 1)["result"][0][0]
    updated = np.array(record["after"][-1]["W"][0])
    assert hidden == pytest.approx(0.5 * h * (1 - h) * (updated @ error), rel=1e-12)


SIGNS = {"·": "*", "½": "0.5*", "⁻¹": "**-1", "√": ""}


def evaluated(ask):
    """What stands on the right of the last equals sign, computed; None if it has symbols."""
    shown = re.sub(r"√([\d.]+)", r"\1**0.5", ask.text.rpartition("=")[2])
    for sign, python in SIGNS.items():
        shown = shown.replace(sign, python)
    return eval(shown) if re.fullmatch(r"[-+*/(). \d]+", shown) else None


@pytest.mark.parametrize("order", ["simultaneous", "back-to-front"])
@pytest.mark.parametrize("rules", RULE_SETS)
def test_what_is_written_out_adds_up(rules, order):
    """Every line of numbers, computed from the digits that are shown."""
    counted = 0
    for name in VARIANTS:
        model = AVA(name, latent_dim=2, hidden_dim=3, rules=rules, rate=RATE, dtype="float64",
                    protocol=Protocol("glorot", order=order, channels="joint"))
        for neuron in (1, 2):
            for ask in asks(walk(trace(model, X, 1), neuron=neuron), ""):
                value = evaluated(ask)
                if value is not None:
                    assert value == pytest.approx(ask.value, abs=1e-3), ask
                    counted += 1
    assert counted > 100


def test_unknown_players_and_neurons():
    traced = trace(small_model("ava1"), X, 1)
    for player in ("D", "x", ""):
        with pytest.raises(InputError, match="unknown player"):
            walk(traced, player)
    for player, neuron, most in ((None, 5, 4), ("f", 3, 2), ("d", 2, 1), ("g", 0, 4)):
        with pytest.raises(InputError, match=f"1 to {most}"):
            walk(traced, player, neuron)
    assert [neurons(traced, player) for player in "fgd"] == [2, 4, 1]


@given(st.floats(-1e6, 1e6))
@settings(max_examples=50)
def test_a_shown_number_is_the_number(value):
    assert float(number(value)) == pytest.approx(value, rel=0.006, abs=6e-5)
    assert number(-0.0) == "0.0000"


def test_long_vectors_are_cut_and_products_dotted():
    assert vector([0.5] * 9).endswith("... 9 in all]") and vector([0.5]) == "[0.5000]"
    assert dotted("((0.5 - 1.5) + 2.0) 0.1") == "((0.5 - 1.5) + 2.0)·0.1"
    assert dotted("0.5(1 - 0.25) + 0.5 (-0.2) 3.0") == "0.5·(1 - 0.25) + 0.5·(-0.2)·3.0"
