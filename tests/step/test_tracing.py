"""Tracing changes nothing, tells everything, and comes back from JSON."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import avanet
from avanet.ava import AVA, RULE_SETS, VARIANTS, Protocol
from avanet.ava.model import DivergedError
from avanet.ava.protocol import ORDERS
from avanet.ava.step import Step
from avanet.errors import InputError
from avanet.nn import Dense, Identity, Sequential, Tanh
from avanet.step import Trace, trace
from avanet.step.small import small_model
from avanet.step.tracing import TracedLayer, traced_network

EQUATIONS_OF = {
    "ava-vae": {"f": "1", "g": "1"},
    "ava-gan": {"g": "2", "d": "2"},
    "ava1": {"f": "3", "g": "3", "d": "4"},
    "ava2": {"f": "3", "g": "3", "d": "9"},
    "ava3": {"f": "12", "g": "12", "D": "11"},
    "ava4": {"f": "12", "g": "12", "D": "15"},
    "ava5": {"f": "12", "g": "12", "d": "9", "D": "15"},
}
X = np.random.default_rng(4).random((5, 4))
DRAWS = np.random.default_rng(5).standard_normal((5, 2))


def model_of(name, rules, order="simultaneous", dtype="float64"):
    return AVA(name, latent_dim=2, hidden_dim=3, rules=rules, rate=0.3, dtype=dtype,
               protocol=Protocol("glorot", order=order, channels="joint"), random_state=3)


def weights(model):
    return [player.params for player in model.players_[0] if player is not None]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rules", RULE_SETS)
def test_traced_training_is_plain_training_bit_for_bit(rules, order, dtype):
    for name in VARIANTS:
        plain, traced = (model_of(name, rules, order, dtype) for _ in range(2))
        for x, r in zip(X, DRAWS):
            plain.step(x[None], r[None])
        trace(traced, X, draws=DRAWS.astype(dtype))
        for one, other in zip(weights(plain), weights(traced), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype == dtype


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rules", RULE_SETS)
def test_traced_training_is_compiled_training(rules, order):
    for name in VARIANTS:
        compiled, traced = (model_of(name, rules, order) for _ in range(2))
        compiled.fit(X)
        trace(traced, X)
        for one, other in zip(weights(compiled), weights(traced), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_the_comparison_can_fail():
    """Another draw, and the weights differ."""
    one, other = model_of("ava5", "printed"), model_of("ava5", "printed")
    trace(one, X, draws=DRAWS)
    trace(other, X, draws=DRAWS + 1e-9)
    assert any((a != b).any() for a, b in zip(weights(one), weights(other)))


def test_afterwards_the_model_is_as_plain_as_before():
    model = model_of("ava5", "printed")
    trace(model, X, 2)
    assert type(model._step) is Step
    for player in model.players_[0]:
        assert not any(isinstance(layer, TracedLayer) for layer in player.layers)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_so_it_is_after_an_update_that_failed():
    model = model_of("ava1", "printed")
    trace(model, X, 1)
    model.players_[0].g.params[-1] = 1e308
    model.players_[0].g.params[0] = np.inf
    with pytest.raises(DivergedError):
        model.step(X[:1])
    with pytest.raises(ArithmeticError):
        trace(model, X, 1)
    assert type(model._step) is Step
    assert not isinstance(model.players_[0].g.layers[0], TracedLayer)


@pytest.mark.parametrize("package", ["ava", "nn"])
def test_the_plain_path_knows_no_tracing(package):
    for path in (Path(avanet.__file__).parent / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                [f"{node.module}.{alias.name}" for alias in node.names] \
                if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("avanet.step") for name in names), path


# Any network ----------------------------------------------------------------------------------


def test_a_network_that_is_no_ava_is_traced_too():
    network = Sequential([Dense(3, 5), Tanh(), Dense(5, 2), Identity()],
                         np.random.default_rng(0), np.float64, "mine")
    x, dy = np.random.default_rng(1).random((2, 3)), np.ones((2, 2))
    y, caches = network.forward(x)
    dx = network.backward(dy, caches)
    gradients = network.grads.copy()

    events = []
    network.grads[:] = 0
    traced = traced_network(network, "mine", events.append)
    got, caches = traced.forward(x)
    np.testing.assert_array_equal(got, y)
    traced.forward(x + 1)
    np.testing.assert_array_equal(traced.backward(dy, caches), dx)
    np.testing.assert_array_equal(network.grads, gradients)

    kinds = [(event.kind, event.layer, event.on) for event in events]
    assert kinds[:8] == [("forward", k, f"input {i}") for i in (1, 2) for k in range(4)]
    assert kinds[8:] == [
        ("backward", 3, "input 1"), ("gradient", 2, "input 1"), ("backward", 2, "input 1"),
        ("backward", 1, "input 1"), ("gradient", 0, "input 1"), ("backward", 0, "input 1")]
    assert events[0].terms["x"] == x.tolist() and events[3].result == y.tolist()
    np.testing.assert_allclose(events[9].result["b"], dy.sum(axis=0))
    assert events[-1].result == dx.tolist()
    assert not any(isinstance(layer, TracedLayer) for layer in network.layers)


# What a trace says ----------------------------------------------------------------------------


def test_the_names_of_equations_players_and_terms():
    steps = {rules: trace(small_model("ava5", rules=rules), X, 1).steps[0]
             for rules in ("printed", "exact", "as-run")}
    told = {rules: [(e["where"], e["equation"], e["player"], tuple(e["terms"]))
                    for e in step["events"] if e["kind"] == "rule"]
            for rules, step in steps.items()}
    assert told["printed"] == [
        ("sample_code", "8", "f", ("mu", "var", "r")),
        ("pull_D", "14", "f", ("d", "s")),
        ("assessed_mean_error", "14", "f", ("mu", "pull", "slope")),
        ("variance_error", "5", "f", ("var", "slope", "identity")),
        ("pull_d", "6", "g", ("d", "s")),
        ("decoder_error", "6", "g", ("x", "x_", "pull", "slope")),
        ("leaning_sum_d", "10", "d", ("x", "x_", "slope")),
        ("real_error_d", "7", "d", ("d", "s")),
        ("leaning_error_d", "10", "d", ("d", "slope", "C", "s")),
        ("leaning_sum_D", "16", "D", ("x", "x_", "slope")),
        ("real_error_D", "13", "D", ("d", "s")),
        ("leaning_error_D", "16", "D", ("d", "slope", "C", "s")),
    ]
    assert {where for where, *_ in told["exact"]} == {
        "sample_code", "pull_d", "carried_q", "pull_D", "carried_Q", "exact_fake_mean_error",
        "carried_P", "exact_image_error", "exact_decoder_error", "carried_h", "exact_mean_error",
        "exact_variance_error", "real_error_d", "fake_error_d", "real_error_D", "fake_error_D"}
    assert {where for where, *_ in told["as-run"]} == {
        "sample_code", "own_pull_f", "assessed_mean_error", "variance_error", "own_pull_g",
        "decoder_error"}


@pytest.mark.parametrize("rules", RULE_SETS)
def test_update_numerical_derivative_and_objective_agree(rules):
    """To first order the objective changes by rate times the squared norm of the update."""
    for name in VARIANTS:
        model = small_model(name, rules=rules, rate=1e-6)
        for record in trace(model, X, 1).steps[0]["players"].values():
            update, numerical = (np.concatenate(
                [np.ravel(layer[key]) for layer in record[kind] for key in "Wb"])
                for kind in ("update", "numerical"))
            np.testing.assert_allclose(update, numerical, rtol=0, atol=1e-8)
            change = record["objective"]["after"] - record["objective"]["before"]
            assert change == pytest.approx(1e-6 * numerical @ numerical, rel=1e-3)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rules", RULE_SETS)
def test_the_gradients_of_all_passes_add_up_to_the_update(rules, order):
    """The engine descends, the paper ascends."""
    step = trace(model_of("ava5", rules, order), X, 1).steps[0]
    for player, record in step["players"].items():
        for layer, update in enumerate(record["update"]):
            passes = [event["result"] for event in step["events"]
                      if (event["kind"], event["player"], event["layer"])
                      == ("gradient", player, 2 * layer)]
            for key in "Wb":
                np.testing.assert_allclose(
                    -np.sum([one[key] for one in passes], axis=0), update[key], atol=1e-12)


def test_exact_rules_are_told_to_be_exact_and_others_not():
    for rules, exact in (("exact", True), ("printed", False)):
        record = trace(small_model("ava1", rules=rules), X, 1).steps[0]["players"]["g"]
        assert (abs(record["cosine"] - 1) < 1e-12 and abs(record["ratio"] - 1) < 1e-12) == exact


def test_steps_go_through_the_samples_again():
    told = trace(small_model("ava-vae"), X[:2], 5).steps
    assert [step["step"] for step in told] == [1, 2, 3, 4, 5]
    assert [step["x"] for step in told] == [X[k].tolist() for k in (0, 1, 0, 1, 0)]


def test_networks_for_each_channel_are_refused():
    model = AVA("ava1", latent_dim=2, hidden_dim=3)
    with pytest.raises(InputError, match="channel"):
        trace(model, np.random.default_rng(0).random((2, 3, 3, 3)))


@pytest.mark.parametrize("rules", RULE_SETS)
def test_the_papers_loss_stands_beside_the_rules_own_objective(rules):
    """Eqs. 1 to 4, 9, 11, 12 and 15, written here once more; the rule's is minus it where exact."""
    for name, equations in EQUATIONS_OF.items():
        model = small_model(name, rules=rules)
        step = trace(model, X, 1).steps[0]
        out = {(e["player"], e["on"]): np.array(e["result"][0]) for e in step["events"]
               if e["kind"] == "forward"}
        x, x_ = np.array(step["x"]), np.array(step["x_"])
        for player, record in step["players"].items():
            loss = record["loss"]
            if loss is None:
                assert name == "ava-gan" and rules.startswith("as-run")
                continue
            assert loss["equation"] == equations[player]
            assert loss["direction"] == ("up" if player in "dD" else "down")
            expected = 0.0
            if player in "dD":
                on = ("x", "x'") if player == "d" else ("μ(x)", "μ(x')")
                real, fake = (out[player, one][0] for one in on)
                expected = np.log(real) + np.log(1 - fake)
                if equations[player] in ("9", "15"):
                    a, b = (x, x_) if player == "d" else (
                        out["f", "x"][:2], out["f", "x'"][:2])
                    expected -= ((a - b) ** 2).sum() / 2
            else:
                if name != "ava-gan":
                    mu, var = np.split(out["f", "x"], 2)
                    expected += ((x - x_) ** 2).sum() / 2 \
                        + (mu**2 + var - 1 - np.log(var)).sum() / 2
                if ("d", "x'") in out and name in ("ava1", "ava2", "ava5", "ava-gan"):
                    expected += np.log(1 - out["d", "x'"][0])
                if ("D", "μ(x')") in out:
                    expected += np.log(1 - out["D", "μ(x')"][0])
            assert loss["before"] == pytest.approx(expected, rel=1e-12)
            if rules == "exact":
                sign = 1 if player in "dD" else -1
                for when in ("before", "after"):
                    assert loss[when] == sign * record["objective"][when]


# JSON -----------------------------------------------------------------------------------------

TRACED = trace(small_model("ava5"), X, 2)
TEXT = TRACED.to_json()


def test_a_trace_comes_back_from_its_file(tmp_path):
    TRACED.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json") == TRACED


@given(st.integers(0, len(TEXT) - 1))
@settings(max_examples=50)
def test_a_trace_cut_short_is_refused(length):
    with pytest.raises(InputError, match="not a trace"):
        Trace.from_json(TEXT[:length])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["format", "model", "steps", "x"]), inner, max_size=4), max_leaves=8)


@given(json_values)
@settings(max_examples=50)
def test_other_json_is_refused(value):
    with pytest.raises(InputError, match="not a trace"):
        Trace.from_json(json.dumps(value))


@given(st.binary(max_size=60))
@settings(max_examples=50)
def test_other_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("damaged") / "trace.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        Trace.load(path)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        Trace.load(tmp_path / "none.json")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot write"):
        TRACED.save(tmp_path / "file" / "trace.json")
