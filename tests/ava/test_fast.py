"""The compiled step against the readable one, and what stops either."""

import numba
import numpy as np
import pytest

from avanet.ava import AVA, RULE_SETS, VARIANTS, Protocol, fast
from avanet.ava.heads import DiagonalHead
from avanet.ava.model import DivergedError
from avanet.ava.plans import plan
from avanet.ava.protocol import ORDERS
from avanet.ava.step import Step, build_players
from avanet.nn import NonFiniteError
from avanet.verify import compiled
from avanet.verify.models import copies

NO_JIT = bool(numba.config.DISABLE_JIT)
# Inside the first block of images, at its end and in the next.
STEPS = (1, 12, 17) if NO_JIT else range(1, compiled.N_STEPS + 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rules", RULE_SETS)
def test_compiled_equals_readable_after_each_step(rules, dtype):
    outcome = compiled.check_steps(rules, dtype, steps=STEPS)
    assert outcome.passed, outcome


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_slightly_wrong_compiled_rate_is_caught(dtype, monkeypatch):
    """A relative change of 1e-4 (float32) or 1e-10 (float64) in what the compiled step learns."""
    run, off = fast.run, {"float32": 1e-3, "float64": 1e-10}[dtype]
    monkeypatch.setattr(fast, "run", lambda players, p, protocol, images, r, rate:
                        run(players, p, protocol, images, r, rate * (1 + off)))
    assert not compiled.check_steps("printed", dtype, steps=(5,)).passed


@pytest.mark.parametrize("model", VARIANTS)
def test_fit_is_many_steps(model):
    """`AVA.fit` on separate channels and `AVA.step` with the same draws, two passes."""
    X = np.random.default_rng(1).random((9, 4, 3, 3))
    protocol = Protocol("normal", passes=2)
    options = dict(latent_dim=3, hidden_dim=4, protocol=protocol, dtype="float64")
    fitted, stepped = AVA(model, **options).fit(X), AVA(model, **options)
    for i in range(18):
        stepped.step(X[[i % 9]])
    assert fitted.n_steps_ == stepped.n_steps_ == 18
    for one, other in zip(fitted.players_, stepped.players_):
        for a, b in zip(one, other):
            if a is not None:
                np.testing.assert_allclose(a.params, b.params, rtol=0, atol=1e-12)
    assert (fitted.code_ is None) == (model == "ava-gan")
    for one, other in zip(fitted.code_ or (), stepped.code_ or ()):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_hidden_units_stay_equal_from_zeros_alone():
    """No kernel relies on it: from random weights they differ, and the paths still agree."""
    X = np.random.default_rng(2).random((5, 6))
    for start, equal in (("zeros", True), ("glorot", False)):
        model = AVA("ava1", latent_dim=2, hidden_dim=4, protocol=Protocol(start)).fit(X)
        W = model.players_[0].g.layers[2].W
        assert (np.ptp(W, axis=0).max() == 0) == equal


# A NaN in either dense layer of any network is met by both paths in the same place.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rules", ["printed", "exact"])
@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("player", "fgdD")
def test_both_paths_name_the_same_layer(player, layer, rules, order):
    players, step, p, protocol = small_ava5(rules, order)
    getattr(players, player).layers[layer].b[0] = np.inf
    where = f"{getattr(players, player).name}, {getattr(players, player).layers[layer].name}"
    x, r = np.full((1, 6), 0.5), np.ones((1, 3))
    other = copies(players)
    with pytest.raises(NonFiniteError) as error:
        step(players, x, r, 0.5)
    assert error.value.where == where
    _, made, stopped = fast.run(other, p, protocol, x, r, 0.5)
    assert (made, stopped) == (0, where)


# Sigma = a(-10^4) underflows to 0, and Sigma^-1 a'_f to inf * 0.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("order", ORDERS)
def test_both_paths_name_the_encoder_where_sigma_vanishes(order):
    players, step, p, protocol = small_ava5("printed", order)
    players.f.layers[2].b[3:] = -1e4
    x, r = np.full((2, 6), 0.5), np.ones((2, 3))
    other = copies(players)
    with pytest.raises(NonFiniteError, match="encoder f, dense 4-6"):
        step(players, x[:1], r[:1], 0.5)
    _, made, stopped = fast.run(other, p, protocol, x, r, 0.5)
    assert (made, stopped) == (0, "encoder f, dense 4-6")


def small_ava5(rules, order):
    protocol, p, head = Protocol("glorot", order=order), plan("ava5", rules), DiagonalHead(3)
    players = build_players(6, 3, 4, p, protocol, np.random.default_rng(3), np.dtype(float), head)
    return players, Step(p, protocol, head), p, protocol


# Values of a million, which were never scaled to [0, 1]: the exact rules' decoder gradient drives
# the encoder so far that Sigma underflows on the second image.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("model", ["ava1", "ava3", "ava5", "ava-vae"])
def test_a_diverging_run_names_step_and_layer(model, order):
    X = np.random.default_rng(0).random((8, 6)) * 1e6
    options = dict(latent_dim=3, hidden_dim=4, rules="exact", rate=1.0,
                   protocol=Protocol("glorot", order=order))
    with pytest.raises(DivergedError) as of_fit:
        AVA(model, **options).fit(X)
    stepped = AVA(model, **options)
    with pytest.raises(DivergedError) as of_step:
        for x in X:
            stepped.step(x)
    for error in of_fit.value, of_step.value:
        assert (error.step, error.where) == (2, "encoder f, dense 4-6")
        assert str(error) == f"{model}: NaN or overflow at step 2 in encoder f, dense 4-6"
