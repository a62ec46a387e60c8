"""Batched models are traced by substitution too: nothing changes, and everything is told."""

import inspect
import json

import numpy as np
import pytest

from avanet.errors import InputError
from avanet.models import model_class, survey_vae
from avanet.nn import losses
from avanet.step import models, trace
from avanet.step.models import make_batch, trace_model
from avanet.step.page import notebook_html, page, view
from avanet.step.scenes import Ask, number
from avanet.step.small import grid, reduced_images, small_batched
from avanet.step.tracing import Trace
from avanet.step.walk import walk
from avanet.step.walk_models import _Shown, flat

X, LABELS = reduced_images("digits", 4)
DENSE = ("survey-vae", "gan", "cgan")


def small(name, dtype="float64"):
    model = small_batched(name)
    return type(model)(random_state=3, dtype=dtype, **model.settings)


@pytest.fixture(scope="module", params=DENSE)
def told(request):
    return trace_model(small_batched(request.param, seed=1), X, LABELS, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DENSE)
def test_traced_training_is_plain_training_bit_for_bit(name, dtype):
    plain, traced = small(name, dtype), small(name, dtype)
    plain.start((*grid(4), 1))
    for k in range(3):
        two = np.arange(2 * k, 2 * k + 2)
        plain.step(make_batch(plain, X[two, ..., None], LABELS[two], two))
    trace_model(traced, X, LABELS, 3, size=2)
    for player, network in plain.players_.items():
        np.testing.assert_array_equal(network.params, traced.players_[player].params)
        np.testing.assert_array_equal(network.grads, traced.players_[player].grads)
    assert plain._rng.random() == traced._rng.random()


def test_afterwards_nothing_is_wrapped():
    model = small("survey-vae")
    trace_model(model, X, steps=1)
    assert not {"apply", "elbo_gradients"} & set(vars(model))
    assert survey_vae.binary_cross_entropy_from_logits is losses.binary_cross_entropy_from_logits
    for player in model.players_.values():
        assert {type(layer).__module__.partition(".step")[1] for layer in player.layers} == {""}


def test_so_it_is_after_an_update_that_failed():
    model = small("survey-vae")
    model.start((*grid(4), 1))
    model.players_["decoder"].params[-1] = np.inf
    with pytest.raises(ArithmeticError):
        trace_model(model, X, steps=1)
    assert "apply" not in vars(model)
    assert survey_vae.binary_cross_entropy_from_logits is losses.binary_cross_entropy_from_logits


def test_every_player_s_gradient_is_the_numerical_derivative_of_what_it_lowers(told):
    for step in told.steps:
        for name, record in step["players"].items():
            if not any(np.any(part) for layer in record["gradient"] for part in layer.values()):
                continue
            assert record["agrees"] < 1e-8, name
            assert set(record["objective"]["weights"].values()) == {1.0}
            for layer, numerical in zip(record["gradient"], record["numerical"], strict=True):
                for key in layer:
                    np.testing.assert_allclose(numerical[key], layer[key], atol=1e-8)


def test_the_objectives_by_name():
    step = trace_model(small_batched("survey-vae"), X, steps=1).steps[0]
    assert {name: set(record["objective"]["weights"]) for name, record in step["players"].items()} \
        == {"encoder": {"reconstruction", "kl"}, "decoder": {"reconstruction"}}
    step = trace_model(small_batched("gan", seed=1), X, steps=1).steps[0]
    assert list(step["players"]) == ["discriminator", "generator"]


def test_a_wrong_gradient_is_not_explained_away():
    """A decoder whose gradient is wrong in one component has no objective."""
    class Wrong(survey_vae.SurveyVAE):
        def elbo_gradients(self, batch, rng):
            told = super().elbo_gradients(batch, rng)
            self.players_["decoder"].grads[-1] *= 1.001
            return told

    right = small_batched("survey-vae", seed=1)
    model = Wrong(random_state=1, dtype="float64", **right.settings)
    players = trace_model(model, X, steps=1).steps[0]["players"]
    assert players["decoder"]["objective"] is None and players["encoder"]["objective"]


def test_losses_are_told_with_their_terms():
    step = trace_model(small_batched("survey-vae", seed=1), X, steps=1).steps[0]
    events = [event for event in step["events"] if event["kind"] == "loss"]
    assert [event["where"] for event in events] == [
        "binary_cross_entropy_from_logits", "gaussian_kl_from_log_variance"]
    for event, name in zip(events, ("reconstruction", "kl")):
        assert event["result"]["value"] == step["losses"][name]
        value, _ = losses.LOSSES[event["where"]](
            *(np.array(rows) for rows in event["terms"].values()))
        assert value == pytest.approx(step["losses"][name])
        assert list(event["terms"]) == list(inspect.signature(
            losses.LOSSES[event["where"]]).parameters)


def test_adams_numbers_give_the_weights_after():
    for step in trace_model(small_batched("survey-vae", seed=1), X, steps=3).steps:
        for record in step["players"].values():
            o, t = record["optimiser"], step["step"]
            assert (o["name"], o["t"], o["rate"]) == ("Adam", t, 1e-3)
            m, v = (np.array(o["slots"][slot][1][-1]["W"]) for slot in "mv")
            g, m0 = (np.array(part[-1]["W"]) for part in (record["gradient"], o["slots"]["m"][0]))
            np.testing.assert_allclose(m, 0.9 * m0 + 0.1 * g, rtol=1e-12)
            moved = 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            np.testing.assert_allclose(np.array(record["before"][-1]["W"]) - moved,
                                       record["after"][-1]["W"], rtol=1e-9)


def test_a_trace_comes_back_from_json(told):
    assert Trace.from_json(told.to_json()) == Trace(told.model, json.loads(told.to_json())["steps"])


def test_one_function_traces_both_kinds():
    assert trace(small_batched("survey-vae"), X, 1).model["kind"] == "batches"


def test_the_walk_shows_the_traces_numbers(told):
    text = "\n".join(map(str, walk(told)))
    step = told.steps[1]
    for record in step["players"].values():
        if record["objective"]:
            assert number(record["objective"]["before"]) in text
    asks = [line for scene in walk(told) for line in scene.lines if isinstance(line, Ask)]
    assert len(asks) > 10 and all(np.isfinite(ask.value) for ask in asks)
    for name in step["players"]:
        alone = walk(told, name)
        assert {scene.player for scene in alone} == {"", name}


def test_a_sum_on_the_walk_is_the_weight_s_gradient():
    """The algebra written out is the number behind it."""
    told = trace_model(small_batched("vaegan", "4-2-2"), X, steps=1)
    scene = next(s for s in walk(told, "decoder") if "gradient of one neuron" in s.title)
    ask = next(line for line in scene.lines if isinstance(line, Ask))
    terms = [term.replace("(", "").replace(")", "").split(" · ")
             for term in ask.text.strip().split(" + ")]
    assert len(terms) == 4  # batch norm: four samples
    assert sum(float(a) * float(b) for a, b in terms) == pytest.approx(ask.value, abs=2e-3)


def test_the_page_holds_the_trace(told):
    text = page(told)
    assert "@@" not in text and told.model["name"] in text and len(text) < 2_000_000
    assert view(told)["model"]["players"]


@pytest.mark.parametrize("name, net, about", [
    ("dcgan", "16-1-2", "draws dense networks"), ("survey-vae", "4-70-2", "too large to draw")])
def test_what_the_page_cannot_draw_is_one_line(name, net, about):
    images, labels = reduced_images("digits", int(net.split("-")[0]))
    told = trace_model(small_batched(name, net), images, labels, 1)
    with pytest.raises(InputError, match=about) as error:
        page(told)
    assert "\n" not in str(error.value)
    assert about in notebook_html(told) and "<table>" in notebook_html(told)
    assert walk(told)


def test_a_model_of_convolutions_walks_too():
    images, _ = reduced_images("digits", 16)
    told = trace_model(small_batched("dcgan", "16-1-2"), images, steps=1)
    assert all(record["agrees"] < 1e-7 for record in told.steps[0]["players"].values())


def test_algorithms_that_follow_each_other_are_both_walked(monkeypatch):
    monkeypatch.setattr(models, "CHECKED", 8)
    traced = trace_model(small_batched("savae", steps=2), *reduced_images("digits", 16), 2)
    first, second = (set(step["players"]) for step in traced.steps)
    assert first == {"stage 1", "stage 2", "stage 3", "code", "classifier"}
    assert second == {"discriminator", "discriminator-2", "decoder"}
    assert traced.players() == [*traced.steps[0]["players"], *traced.steps[1]["players"]]
    for name, record in traced.steps[0]["players"].items():
        assert record["objective"]["weights"] == {"categorical": 1} | (
            {"kl": 0.01} if name != "classifier" else {})
    decoder = traced.steps[1]["players"]["decoder"]
    assert decoder["objective"]["weights"] == {
        "reconstruction": 1, "adversarial": 0.005, "latent": 0.1}
    assert decoder["checked"] == sum(value is not None for value in flat(
        [list(layer.values()) for layer in decoder["numerical"]])) < 64
    titles = [scene.title for scene in walk(traced, "stage 1")]
    assert "step 1: stage 1: the gradient of one channel" in titles


@pytest.mark.parametrize("kind, axis", [("Conv2D", 3), ("ConvTranspose2D", 2)])
def test_a_channel_has_the_weights_of_its_kernel(kind, axis):
    W = np.random.default_rng(0).random((2, 3, 4, 5))
    model = {"name": "m", "players": {"g": {"layers": [
        {"kind": kind, "parameters": ["W"], "name": "conv"}]}}}
    shown, parts = _Shown(model, "g"), [{"W": W.tolist()}]
    assert shown.units(parts) == W.shape[axis]
    for unit in range(W.shape[axis]):
        assert shown.into(parts, unit) == np.moveaxis(W, axis, 0)[unit].ravel().tolist()
    assert shown.sources(parts)[1] == "(1,1) of 2"
    assert len(shown.sources(parts)) == W.size // W.shape[axis]


def test_a_model_class_is_known_by_name():
    assert small_batched("survey-vae").name == model_class("survey-vae").name
