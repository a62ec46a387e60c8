"""Batch and layer normalisation: by hand, both modes, running statistics, gradients, PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_checks import (
    check, check_both_modes, copies_answer_the_same, draw, keeps_float32, network_of, plant,
    strides_do_not_matter,
)

from avanet.nn import BatchNorm, Dense, InTraining, LayerNorm, ReLU, Sequential
from avanet.nn.gradcheck import check_layer, check_network

SHAPES = [(4, 3), (2, 3), (3, 5, 4, 3), (1, 3, 7, 3), (1, 1, 2, 3)]
shapes = pytest.mark.parametrize("shape", SHAPES)


def started(layer, dtype=np.float64):
    return Sequential([layer], np.random.default_rng(0), dtype)


# By hand ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_by_hand(dtype):
    layer = BatchNorm(1, momentum=0.75, epsilon=3)
    network = started(layer, dtype)
    network.params[:] = 10, 1
    # x = 1, 2, 6: m = 3, v = (4 + 1 + 9) / 3; x = 0, 2: m = 1, v = 1, r = 1 / sqrt(1 + 3) = 1/2
    x = np.array([[0], [2]], dtype)
    y, caches = network.forward(x, train=True)
    np.testing.assert_array_equal(y, [[1 - 10 / 2], [1 + 10 / 2]])
    # u = -1/2, 1/2; g = 10 dy = 10, 30; mean g = 20, mean g u = 5
    # dx = 1/2 (10 - 20 + 5/2, 30 - 20 - 5/2)
    dx = network.backward(np.array([[1], [3]], dtype), caches)
    np.testing.assert_array_equal(dx, [[-3.75], [3.75]])
    np.testing.assert_array_equal(network.grads, [-1 / 2 + 3 / 2, 1 + 3])
    # running mean 0 + 1/4 1, running variance 3/4 1 + 1/4 (1 2/1)
    assert layer.running_mean == [0.25] and layer.running_var == [1.25]
    # evaluation: r = 1 / sqrt(1.25 + 3)
    y, caches = network.forward(x)
    np.testing.assert_allclose(y, 1 + 10 * (x - 0.25) / np.sqrt(4.25), rtol=1e-6)
    dx = network.backward(np.ones_like(x), caches)
    np.testing.assert_allclose(dx, np.full((2, 1), 10 / np.sqrt(4.25)), rtol=1e-6)
    assert layer.running_mean == [0.25] and y.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layer_norm_by_hand(dtype):
    network = started(LayerNorm(2, epsilon=3), dtype)
    network.params[:] = 10, 20, 1, 2
    # each row: m = 1 or 11, v = 1, r = 1/2, u = -1/2, 1/2
    y, caches = network.forward(np.array([[0, 2], [12, 10]], dtype))
    np.testing.assert_array_equal(y, [[1 - 5, 2 + 10], [1 + 5, 2 - 10]])
    # g = (10, 20) dy = 10, 60; mean 35, mean g u = 12.5; dx = 1/2 (10 - 35 + 6.25, 60 - 35 - 6.25)
    dx = network.backward(np.array([[1, 3], [0, 0]], dtype), caches)
    np.testing.assert_array_equal(dx, [[-9.375, 9.375], [0, 0]])
    np.testing.assert_array_equal(network.grads, [-0.5, 1.5, 1, 3])


def test_keras_and_pytorch_count_momentum_from_opposite_ends():
    """PyTorch's momentum 0.1 keeps 0.9 of the running mean: ours and Keras's 0.9."""
    layer = BatchNorm(1, momentum=0.9)
    started(layer).forward(np.array([[9.0], [11.0]]), train=True)
    np.testing.assert_allclose(layer.running_mean, [1])


@settings(max_examples=30)
@given(st.sampled_from(SHAPES), st.integers(0, 99), st.floats(-50, 50), st.floats(0.1, 20))
def test_a_trained_batch_has_the_statistics_asked_for(shape, seed, shift, scale):
    network = started(BatchNorm(3, epsilon=1e-12))
    network.params[:] = 2, 3, 4, -1, 0, 1
    y, _ = network.forward(shift + scale * draw(*shape, seed=seed), train=True)
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(y.mean(axis=axes), [-1, 0, 1], atol=1e-8)
    np.testing.assert_allclose(y.std(axis=axes), [2, 3, 4], rtol=1e-6)


def test_running_statistics_come_to_those_of_the_data():
    layer, rng = BatchNorm(2), np.random.default_rng(0)
    network = started(layer)
    for _ in range(300):
        network.forward(rng.normal([5, -1], [2, 0.5], (64, 2)), train=True)
    np.testing.assert_allclose(layer.running_mean, [5, -1], atol=0.2)
    np.testing.assert_allclose(layer.running_var, [4, 0.25], rtol=0.15)


def test_a_single_value_a_channel_gives_beta_and_no_gradient():
    layer = BatchNorm(2)
    network = started(layer)
    network.params[2:] = 7, 8
    y, caches = network.forward(np.array([[3.0, -4.0]]), train=True)
    np.testing.assert_array_equal(y, [[7, 8]])
    np.testing.assert_array_equal(network.backward(np.ones((1, 2)), caches), [[0, 0]])
    np.testing.assert_allclose(layer.running_var, [0.9, 0.9])


def test_statistics_of_a_large_float32_batch_keep_their_digits():
    layer = BatchNorm(1)
    x = np.full((400, 40, 40, 1), 0.1, np.float32)
    started(layer, np.float32).forward(x, train=True)
    np.testing.assert_allclose(layer.running_mean, [0.01], rtol=1e-5)


# Buffers ------------------------------------------------------------------------------------------


def test_buffers_are_named_saved_and_not_trained():
    network = Sequential([Dense(2, 3), BatchNorm(3), ReLU()], np.random.default_rng(0))
    assert list(network.buffers()) == ["1 batch norm 3 running_mean", "1 batch norm 3 running_var"]
    assert network.params.size == 6 + 3 + 6
    network.buffers()["1 batch norm 3 running_mean"][:] = 7
    np.testing.assert_array_equal(network.layers[1].running_mean, 7)
    assert all(b.dtype == np.float32 for b in network.buffers().values())


def test_start_values_begin_anew():
    layer = BatchNorm(2)
    network = started(layer)
    network.forward(draw(4, 2), train=True)
    network.params[:] = 5
    layer.initialise(np.random.default_rng(0))
    np.testing.assert_array_equal(network.params, [1, 1, 0, 0])
    np.testing.assert_array_equal(layer.running_mean, 0)
    np.testing.assert_array_equal(layer.running_var, 1)


# Gradients ----------------------------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("layer", [BatchNorm(3), BatchNorm(3, 0.5, 0.1), LayerNorm(3)],
                         ids=lambda l: l.name)
def test_gradients(layer, shape):
    check_both_modes(layer, draw(*shape))
    check(InTraining(layer), draw(*shape), method="central")


@shapes
def test_gradients_in_evaluation_at_statistics_that_have_moved(shape):
    network = network_of(BatchNorm(3))
    network.forward(5 + 3 * draw(*shape, seed=4), train=True)
    report = check_network(network, draw(*shape))
    assert report.passed, str(report)


@pytest.mark.parametrize("cls", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("method, target, wrong", [
    ("propagate", None, "x"), ("accumulate", "dgamma", "gamma"), ("accumulate", "dbeta", "beta")])
def test_planted_errors_are_caught(cls, method, target, wrong, monkeypatch):
    plant(monkeypatch, cls, method, target)
    for layer in (cls(3), InTraining(cls(3))):
        report = check_layer(layer, draw(4, 3))
        assert [p.name.split(".")[-1] for p in report.parameters if p.trouble] == [wrong]


def test_the_gradient_of_the_other_mode_is_caught(monkeypatch):
    """Evaluation's dL/dx in training leaves out how x moves the statistics."""
    monkeypatch.setattr(
        BatchNorm, "propagate", lambda self, dy, cache, sums: cache[2] * self.gamma * dy)
    assert check_layer(BatchNorm(3), draw(4, 3)).passed
    assert not check_layer(InTraining(BatchNorm(3)), draw(4, 3)).passed


@shapes
@pytest.mark.parametrize("cls", [BatchNorm, LayerNorm])
def test_float32_strides_and_copies(cls, shape):
    keeps_float32(cls(3), shape)
    strides_do_not_matter(cls(3), shape)
    copies_answer_the_same(cls(3), shape)


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make, message", [
    (lambda: BatchNorm(2, momentum=1), r"momentum must lie in \[0, 1\), got 1"),
    (lambda: BatchNorm(2, epsilon=0), "epsilon must be positive, got 0"),
    (lambda: LayerNorm(2, epsilon=-1), "epsilon must be positive, got -1"),
    (lambda: BatchNorm(2).output_shape((4, 4, 3)), "batch norm 2 takes ... x 2 values, got 4 x 4"),
    (lambda: started(LayerNorm(2)).forward(np.zeros((5, 3))), r"\(B, ..., 2\), got \(5, 3\)"),
])
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# PyTorch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 3), (3, 5, 4, 3)])
def test_batch_norm_against_pytorch(shape):
    """Three steps of training, then evaluation: outputs, gradients, running statistics."""
    torch = pytest.importorskip("torch")
    first = lambda a: torch.tensor(np.ascontiguousarray(np.moveaxis(a, -1, 1)), requires_grad=True)
    layer = BatchNorm(3)
    network = network_of(layer)
    theirs = (torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d)(3).double()
    with torch.no_grad():
        theirs.weight[:], theirs.bias[:] = torch.tensor(layer.gamma), torch.tensor(layer.beta)
    for k in range(4):
        x, dy = 2 + 3 * draw(*shape, seed=k), draw(*shape, seed=k + 9)
        train = k < 3
        theirs.train(train)
        there = first(x)
        y_ = theirs(there)
        y_.backward(first(dy))
        y, caches = network.forward(x, train)
        dx = network.backward(dy, caches)
        for a, b in ((y, y_.detach()), (dx, there.grad)):
            np.testing.assert_allclose(np.moveaxis(a, -1, 1), b, rtol=1e-10, atol=1e-11)
    pairs = ((layer.dgamma, theirs.weight.grad), (layer.dbeta, theirs.bias.grad),
             (layer.running_mean, theirs.running_mean), (layer.running_var, theirs.running_var))
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


def test_layer_norm_against_pytorch():
    torch = pytest.importorskip("torch")
    layer = LayerNorm(5)
    network, x, dy = network_of(layer), draw(4, 5), draw(4, 5, seed=1)
    y, caches = network.forward(x)
    dx = network.backward(dy, caches)
    there = torch.tensor(x, requires_grad=True)
    weights = [torch.tensor(a.copy(), requires_grad=True) for a in (layer.gamma, layer.beta)]
    y_ = torch.nn.functional.layer_norm(there, (5,), *weights)
    y_.backward(torch.tensor(dy))
    for a, b in ((y, y_.detach()), (dx, there.grad), (layer.dgamma, weights[0].grad),
                 (layer.dbeta, weights[1].grad)):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)
