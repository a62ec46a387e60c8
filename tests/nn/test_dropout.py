"""Dropout: its mask, both modes, gradients."""

import numpy as np
import pytest
from layer_checks import (
    check_both_modes, copies_answer_the_same, draw, keeps_float32, plant, strides_do_not_matter,
)

from avanet.nn import Dropout, InTraining, Sequential
from avanet.nn.gradcheck import check_layer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_kept_is_scaled_and_goes_back_the_same_way(dtype):
    layer, x = Dropout(0.75), np.arange(1, 9, dtype=dtype).reshape(2, 4)
    y, cache = layer.forward(x, True, np.random.default_rng(3))
    kept = np.random.default_rng(3).random((2, 4), dtype) >= 0.75
    assert kept.any() and not kept.all()
    np.testing.assert_array_equal(y, np.where(kept, 4 * x, 0))
    np.testing.assert_array_equal(layer.backward(10 * x, cache), np.where(kept, 40 * x, 0))
    assert y.dtype == dtype


@pytest.mark.parametrize("rate", [0, 0.3, 0.9])
def test_the_share_that_is_dropped_and_the_mean(rate):
    y, _ = Dropout(rate).forward(np.ones((400, 250)), True, np.random.default_rng(0))
    # 100,000 draws: standard errors of at most 0.0016, and of 0.0095 for the mean at rate 0.9
    assert abs((y == 0).mean() - rate) < 0.008
    assert abs(y.mean() - 1) < 0.05


def test_evaluation_changes_nothing_and_draws_nothing():
    x, rng = draw(3, 4), np.random.default_rng(0)
    state = rng.bit_generator.state
    y, cache = Dropout(0.5).forward(x, False, rng)
    assert y is x and rng.bit_generator.state == state
    np.testing.assert_array_equal(Dropout(0.5).backward(x, cache), x)


def test_every_evaluation_draws_anew_and_keeps_its_own_mask():
    layer, x, rng = Dropout(0.5), np.ones((4, 8)), np.random.default_rng(0)
    (first, a), (second, b) = (layer.forward(x, True, rng) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(layer.backward(x, a), first)
    np.testing.assert_array_equal(layer.backward(x, b), second)


@pytest.mark.parametrize("shape", [(4, 5), (1, 3), (2, 5, 4, 3)])
def test_gradients_float32_strides_and_copies(shape):
    check_both_modes(Dropout(0.4), draw(*shape))
    keeps_float32(Dropout(0.4), shape)
    strides_do_not_matter(Dropout(0.4), shape)
    copies_answer_the_same(Dropout(0.4), shape)


def test_planted_errors_are_caught(monkeypatch):
    plant(monkeypatch, Dropout, "propagate")
    for layer in (Dropout(0.4), InTraining(Dropout(0.4))):
        assert not check_layer(layer, draw(4, 5)).passed


def test_training_needs_a_generator():
    network = Sequential([Dropout(0.3)])
    with pytest.raises(ValueError, match=r"dropout 0.3 draws in training: .*rng=.*Generator"):
        network.forward(np.ones((1, 2), np.float32), train=True)


@pytest.mark.parametrize("rate", [-0.1, 1, 2, np.nan])
def test_a_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match=r"rate of dropout must lie in \[0, 1\), got"):
        Dropout(rate)
