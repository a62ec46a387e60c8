"""The weight of the KL term over the training, and what a step makes of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avanet.data import Split
from avanet.errors import InputError
from avanet.models import model_class
from avanet.models.annealing import ANNEALING


@pytest.mark.parametrize("name, cycles, expected", [
    ("none", 4, [1, 1, 1, 1, 1, 1, 1, 1, 1]),
    ("linear", 4, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
    ("cyclical", 1, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
    ("cyclical", 2, [0, 0.5, 1, 1, 0, 0.5, 1, 1, 1]),
    ("cyclical", 4, [0, 1, 0, 1, 0, 1, 0, 1, 1])])
def test_by_hand_at_every_eighth(name, cycles, expected):
    got = [ANNEALING[name](k / 8, cycles) for k in range(9)]
    np.testing.assert_allclose(got, expected, atol=1e-12)


@given(st.sampled_from(list(ANNEALING)), st.floats(0, 1), st.integers(1, 9))
def test_it_stays_between_0_and_1_and_ends_at_1(name, moment, cycles):
    assert 0 <= ANNEALING[name](moment, cycles) <= 1
    assert ANNEALING[name](1.0, cycles) == 1


def test_the_model_follows_it_over_its_training():
    X = np.random.default_rng(0).random((8, 4, 4, 1))
    model = model_class("survey-vae")(annealing="linear", epochs=4, batch=4, latent=2, hidden=3)
    betas, step = [], model.step
    model.step = lambda batch: betas.append(step(batch)["beta"])
    model.fit(X)
    np.testing.assert_allclose(betas, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1], atol=1e-7)


@pytest.mark.parametrize("annealing", ANNEALING)
def test_beta_0_leaves_the_kl_out_of_the_gradient(annealing):
    """At the first step of an annealed training the encoder learns from the reconstruction alone:
    dL/dlog sigma^2 of a bias is what reaches it through z."""
    X = np.random.default_rng(0).random((4, 4, 4, 1))
    model = model_class("survey-vae")(annealing=annealing, dtype="float64", latent=2, hidden=3)
    model.start((4, 4, 1), 10)
    for player in model.players_.values():
        player.params[:] = 0
    model.players_["encoder"].layers[-1].b[:] = [3, -2, 1, -1]  # mu, log sigma^2
    batch = next(iter(model.batches(Split(X, None, "X"))))
    model.elbo_gradients(batch, np.random.default_rng(0))
    got = model.players_["encoder"].layers[-1].db
    kl = np.array([3, -2, np.expm1(1) / 2, np.expm1(-1) / 2])  # the decoder ignores z: all zero
    np.testing.assert_allclose(got, kl if annealing == "none" else 0 * kl, atol=1e-12)


def test_unknown_annealing_is_refused():
    with pytest.raises(InputError, match="annealing"):
        model_class("survey-vae")(annealing="linaer").start((4, 4, 1))
