"""Layers made of layers: by hand, both modes, names of what they hold, gradients."""

import numpy as np
import pytest
from layer_checks import (
    check, check_both_modes, copies_answer_the_same, draw, keeps_float32, network_of, plant,
    strides_do_not_matter,
)

from avanet.nn import (
    BatchNorm, Chain, Concatenate, Container, Conv2D, Dense, Dropout, Flatten, Identity, InTraining,
    MaxPool2D, ReLU, Reshape, Residual, Sequential, Tanh, Upsample2D,
)
from avanet.nn.gradcheck import check_layer, check_network

IMAGE = (2, 5, 4, 3)
SEVERAL = [
    Residual([Dense(6, 4), Tanh(), Dense(4, 6)]),
    Residual([Dense(6, 4), BatchNorm(4), Tanh(), Dropout(0.3)], Dense(6, 4)),
    Residual([Residual([Dense(6, 6), Tanh()]), Tanh()]),
    Concatenate([4, 2], [[Dense(4, 3), Tanh()], []]),
    Concatenate([1, 2, 3], [[], [BatchNorm(2), Dropout(0.3)], [Residual([Tanh()]), Dense(3, 1)]]),
    Chain([Dense(6, 3), Tanh(), Dropout(0.3)]), Chain([]),
]
ON_IMAGES = [
    Residual([Conv2D(3, 3, 3, 1, "same"), BatchNorm(3), Tanh()]),
    Residual([Conv2D(3, 2, 3, 2, "same"), BatchNorm(2), Dropout(0.3)], Conv2D(3, 2, 1, 2)),
    Concatenate([2, 1], [[Conv2D(2, 4, 3, 1, "same"), Tanh()], []]),
    Chain([Conv2D(3, 2, 3), MaxPool2D(2), Flatten()]),
]
CASES = [(layer, shape) for layer in SEVERAL for shape in ((3, 6), (2, 6))]
CASES += [(layer, shape) for layer in ON_IMAGES for shape in (IMAGE, (1, 5, 7, 3))]
cases = pytest.mark.parametrize("layer, shape", CASES, ids=lambda a: getattr(a, "name", str(a)))


# By hand ------------------------------------------------------------------------------------------


def test_residual_by_hand():
    network = Sequential([Residual([Dense(2, 2)])], dtype=np.float64)
    network.params[:] = 1, 2, 3, 4, 10, 0
    y, caches = network.forward(np.array([[1.0, -1.0]]))
    # (1 - 3 + 10, 2 - 4) + (1, -1)
    np.testing.assert_array_equal(y, [[9, -3]])
    dx = network.backward(np.array([[1.0, 2.0]]), caches)
    # (1 + 4, 3 + 8) + (1, 2)
    np.testing.assert_array_equal(dx, [[6, 13]])
    np.testing.assert_array_equal(network.grads, [1, 2, -1, -2, 1, 2])


def test_residual_with_projection_by_hand():
    network = Sequential([Residual([Dense(2, 1)], Dense(2, 1))], dtype=np.float64)
    network.params[:] = 1, 2, 3, 10, 20, 30
    y, caches = network.forward(np.array([[1.0, -1.0]]))
    np.testing.assert_array_equal(y, [[1 - 2 + 3 + 10 - 20 + 30]])
    np.testing.assert_array_equal(network.backward(np.array([[2.0]]), caches), [[22, 44]])
    np.testing.assert_array_equal(network.grads, [2, -2, 2, 2, -2, 2])


def test_concatenate_by_hand():
    network = Sequential([Concatenate([2, 1], [[Dense(2, 1)], []])], dtype=np.float64)
    network.params[:] = 3, 4, 10
    y, caches = network.forward(np.array([[1.0, -1.0, 7.0]]))
    np.testing.assert_array_equal(y, [[3 - 4 + 10, 7]])
    np.testing.assert_array_equal(network.backward(np.array([[2.0, 5.0]]), caches), [[6, 8, 5]])
    np.testing.assert_array_equal(network.grads, [2, -2, 2])


def test_a_discriminator_of_joint_inputs():
    """An image, read through a convolution, and a code, through a dense layer: D(x, z)."""
    eyes = [Reshape((4, 4, 1)), Conv2D(1, 2, 3, 2, "same"), Tanh(), Flatten()]
    network = network_of(Concatenate([16, 3], [eyes, [Dense(3, 2), Tanh()]]), Dense(8 + 2, 1))
    assert network.output_shape((19,)) == (1,)
    report = check_network(network, draw(2, 19))
    assert report.passed, str(report)


# Modes and names ----------------------------------------------------------------------------------


def test_the_mode_and_the_generator_reach_the_layers_inside():
    layer = Residual([Chain([BatchNorm(2), Dropout(0.5)])])
    network, x = network_of(layer), draw(6, 2)
    trained, _ = network.forward(x, True, np.random.default_rng(0))
    assert layer.inner.layers[0].layers[0].running_mean.any()
    again, _ = network.forward(x, True, np.random.default_rng(0))
    np.testing.assert_array_equal(trained, again)
    assert (trained != network.forward(x)[0]).any()
    with pytest.raises(ValueError, match="dropout 0.5 draws in training"):
        network.forward(x, True)


def test_parameters_and_buffers_are_named_by_their_place():
    layer = Residual([Dense(2, 2), BatchNorm(2)], Dense(2, 2))
    assert list(layer.shapes()) == ["inner.0.W", "inner.0.b", "inner.1.gamma", "inner.1.beta",
                                    "projection.0.W", "projection.0.b"]
    network = Sequential([ReLU(), layer], np.random.default_rng(0))
    assert network.params.size == 4 + 2 + 4 + 4 + 2
    assert list(network.buffers())[0].startswith("1 residual (dense 2-2, batch norm 2) inner.1.run")
    layer.projection.layers[0].b[:] = 7
    np.testing.assert_array_equal(network.params[-2:], 7)


def test_start_values_reach_the_layers_inside():
    layer = Concatenate([2, 2], [[Dense(2, 2)], [BatchNorm(2)]])
    network = Sequential([layer], np.random.default_rng(0))
    assert layer.branches[0].layers[0].W.all()
    np.testing.assert_array_equal(network.params[-4:], [1, 1, 0, 0])


# Gradients ----------------------------------------------------------------------------------------


@cases
def test_gradients(layer, shape):
    check_both_modes(layer, draw(*shape), tolerance=1e-11)  # batch norm of few values is steep


@cases
def test_float32_strides_and_copies(layer, shape):
    keeps_float32(layer, shape)
    strides_do_not_matter(layer, shape)
    if layer.shapes():
        copies_answer_the_same(layer, shape)


@cases
def test_accumulate_and_propagate_are_the_halves_of_backward(layer, shape):
    network = network_of(layer)
    y, caches = network.forward(draw(*shape), True, np.random.default_rng(0))
    dy = draw(*y.shape, seed=1)
    dx = network.propagate(dy, caches)
    assert not network.grads.any()
    network.layers[0].accumulate(dy, caches[0])
    once = network.grads.copy()
    np.testing.assert_array_equal(network.backward(dy, caches), dx)
    np.testing.assert_allclose(network.grads, 2 * once, rtol=1e-12)


@pytest.mark.parametrize("layer", [SEVERAL[0], SEVERAL[1], SEVERAL[3], InTraining(SEVERAL[0])],
                         ids=lambda l: l.name)
def test_planted_errors_are_caught(layer, monkeypatch):
    plant(monkeypatch, type(layer), "backward")
    assert not check_layer(layer, draw(3, 6)).passed


def test_a_forgotten_shortcut_is_caught(monkeypatch):
    monkeypatch.setattr(Residual, "_back", lambda self, dy, caches, method:
                        getattr(self.inner, method)(dy, caches[0]))
    assert not check_layer(SEVERAL[0], draw(3, 6)).passed


def test_an_error_inside_is_caught(monkeypatch):
    plant(monkeypatch, Dense, "accumulate", "dW")
    report = check_layer(Residual([Dense(6, 6), Tanh()]), draw(3, 6))
    assert [p.name for p in report.parameters if p.trouble] == ["inner.0.W"]


def test_a_layer_in_training_is_a_plain_function():
    layer, x = InTraining(Dropout(0.5), seed=4), draw(3, 4)
    np.testing.assert_array_equal(layer.forward(x)[0], layer.forward(x)[0])
    assert not layer.modal and layer.name == "dropout 0.5 in training"
    check(InTraining(Chain([Dense(6, 4), BatchNorm(4), Tanh(), Dropout(0.5)])), draw(5, 6))


# Shapes and bad input -----------------------------------------------------------------------------


@cases
def test_output_shape_is_the_shape_of_the_output(layer, shape):
    assert network_of(layer).forward(draw(*shape))[0].shape[1:] == layer.output_shape(shape[1:])


@pytest.mark.parametrize("make, message", [
    (lambda: Residual([Dense(3, 2)]).output_shape((3,)),
     r"residual \(dense 3-2\) adds 2 values to 3 values: a projection must"),
    (lambda: Sequential([Dense(4, 3), Residual([Dense(3, 2)])]), "adds 2 values to 3 values"),
    (lambda: Concatenate([1], [[], []]), "1 widths for 2 branches"),
    (lambda: Concatenate([1, 2], [[], []]).output_shape((4,)), "takes ... x 3 values, got 4 val"),
    (lambda: Concatenate([1, 1], [[], [Upsample2D(2)]]).output_shape((2, 2, 2)),
     "cannot join 2 x 2 x 1 values, 4 x 4 x 1 values"),
    (lambda: Sequential([Dense(3, 5), Concatenate([2, 2], [[], []])]),
     "dense 3-5 gives 5 values, concatenate .* takes ... x 4 values"),
])
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_unfinished_container_says_what_is_missing():
    with pytest.raises(TypeError, match="Container defines no backward pass"):
        Container({"a": Identity()}).backward(np.ones((1, 1)), None)


def test_gradients_by_name_are_the_networks_gradient():
    rng = np.random.default_rng(0)
    network = Sequential([Residual([Dense(3, 3), Tanh()]), Dense(3, 2)], rng, np.float64)
    x = rng.standard_normal((4, 3))
    y, caches = network.forward(x)
    network.backward(np.ones_like(y), caches)
    named = [layer.gradients() for layer in network.layers]
    assert [set(names) for names in named] == [set(layer.shapes()) for layer in network.layers]
    flat = np.concatenate([part.ravel() for names in named for part in names.values()])
    assert np.array_equal(flat, network.grads) and network.grads.any()
