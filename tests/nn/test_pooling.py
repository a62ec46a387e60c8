"""Pooling and upsampling: by hand, ties, gradients, PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_checks import (
    check_both_modes, copies_answer_the_same, draw, keeps_float32, network_of, plant,
    strides_do_not_matter,
)

from avanet.nn import AveragePool2D, MaxPool2D, Sequential, Upsample2D
from avanet.nn.gradcheck import check_layer
from avanet.nn.pooling import interpolation

SEVERAL = [MaxPool2D(2), MaxPool2D((3, 2), 1), MaxPool2D(1, 2), AveragePool2D(2),
           AveragePool2D((3, 2), (1, 2)), AveragePool2D(1), Upsample2D(2), Upsample2D((1, 3)),
           Upsample2D(2, "bilinear"), Upsample2D((3, 1), "bilinear")]
several = pytest.mark.parametrize("layer", SEVERAL, ids=lambda l: l.name)


def one_channel(layer, image, dy=None):
    """(y, dx) of one image of one channel."""
    network = Sequential([layer], dtype=np.float64)
    y, caches = network.forward(np.array(image, float)[None, ..., None])
    dy = np.ones(y.shape) if dy is None else np.array(dy, float).reshape(y.shape)
    return y[0, ..., 0], network.backward(dy, caches)[0, ..., 0]


# Values by hand -----------------------------------------------------------------------------------


def test_max_pool_by_hand():
    y, dx = one_channel(MaxPool2D(2), [[1, 5, 2], [3, 4, 9]], [[7]])
    np.testing.assert_array_equal(y, [[5]])  # the third column fills no window
    np.testing.assert_array_equal(dx, [[0, 7, 0], [0, 0, 0]])


def test_windows_that_overlap_add_up():
    y, dx = one_channel(MaxPool2D((1, 2), 1), [[1, 5, 2, 3]], [[10, 20, 40]])
    np.testing.assert_array_equal(y, [[5, 5, 3]])
    np.testing.assert_array_equal(dx, [[0, 30, 0, 40]])
    y, dx = one_channel(AveragePool2D((1, 2), 1), [[1, 5, 2, 3]], [[10, 20, 40]])
    np.testing.assert_array_equal(y, [[3, 3.5, 2.5]])
    np.testing.assert_array_equal(dx, [[5, 15, 30, 20]])


@pytest.mark.parametrize("window, place", [
    ([[2, 2], [2, 2]], (0, 0)), ([[1, 2], [2, 2]], (0, 1)), ([[1, 0], [2, 2]], (1, 0)),
    ([[-1, -1], [-1, -0.5]], (1, 1)),
])
def test_of_equal_ones_the_first_is_the_maximum(window, place):
    _, dx = one_channel(MaxPool2D(2), window)
    expected = np.zeros((2, 2))
    expected[place] = 1
    np.testing.assert_array_equal(dx, expected)


def test_average_pool_by_hand():
    y, dx = one_channel(AveragePool2D(2), [[1, 5, 2, 0], [3, 4, 9, 1]], [[4, 8]])
    np.testing.assert_array_equal(y, [[13 / 4, 3]])
    np.testing.assert_array_equal(dx, [[1, 1, 2, 2], [1, 1, 2, 2]])


def test_nearest_by_hand():
    y, dx = one_channel(Upsample2D((1, 2)), [[1, 2], [3, 4]], [[1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(y, [[1, 1, 2, 2], [3, 3, 4, 4]])
    np.testing.assert_array_equal(dx, [[3, 7], [11, 15]])


def test_bilinear_by_hand():
    # centres of the output at -1/4, 1/4, 3/4, 5/4 of the input: the outer two lie beyond it
    y, dx = one_channel(Upsample2D((1, 2), "bilinear"), [[0, 4]], [[1, 2, 3, 4]])
    np.testing.assert_array_equal(y, [[0, 1, 3, 4]])
    # dx = (1 + 3/4 2 + 1/4 3, 1/4 2 + 3/4 3 + 4)
    np.testing.assert_array_equal(dx, [[3.25, 6.75]])
    # three times: centres at -1/3, 0, 1/3, 2/3, 1, 4/3
    y, _ = one_channel(Upsample2D((3, 1), "bilinear"), [[0], [3]])
    np.testing.assert_allclose(y, np.array([[0, 0, 1, 2, 3, 3]]).T, rtol=1e-14, atol=1e-14)


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(1, 5))
def test_interpolation_keeps_constants_and_straight_lines(size, factor):
    matrix = interpolation(size, factor, np.float64)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-12)
    inside = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    np.testing.assert_allclose(matrix @ np.arange(size), inside, rtol=1e-12, atol=1e-12)


# Gradients ----------------------------------------------------------------------------------------


@several
@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (1, 3, 7, 1)])
def test_gradients(layer, shape):
    check_both_modes(layer, draw(*shape))
    check_both_modes(layer, draw(*shape), method="central")


@several
def test_planted_errors_are_caught(layer, monkeypatch):
    plant(monkeypatch, type(layer), "propagate")
    assert not check_layer(layer, draw(2, 5, 4, 3)).passed


@several
def test_float32_strides_and_copies(layer):
    keeps_float32(layer, (2, 5, 4, 3))
    strides_do_not_matter(layer, (2, 5, 4, 3))
    copies_answer_the_same(layer, (2, 5, 4, 3))


def test_a_tie_is_a_kink():
    report = check_layer(MaxPool2D(2), np.ones((1, 2, 2, 1)), method="central")
    assert report.passed and len(report.kinks) == 4


def test_the_output_is_no_view_of_the_input():
    for layer in SEVERAL:
        x = draw(1, 4, 4, 1)
        y, _ = layer.forward(x)
        assert not np.shares_memory(x, y), layer.name


# Shapes and bad input -----------------------------------------------------------------------------


@several
def test_output_shape_is_the_shape_of_the_output(layer):
    assert layer.forward(draw(2, 7, 6, 3))[0].shape[1:] == layer.output_shape((7, 6, 3))


@pytest.mark.parametrize("make, message", [
    (lambda: MaxPool2D(0), "size must be"), (lambda: AveragePool2D(2, 0), "stride must be"),
    (lambda: Upsample2D(1.5), "factor must be .* integers, 1 or more, got 1.5"),
    (lambda: Upsample2D(2, "cubic"), "'nearest' or 'bilinear', got 'cubic'"),
    (lambda: MaxPool2D(3).output_shape((2, 5, 1)), "max pool 3x3 leaves nothing of 2 x 5 x 1"),
    (lambda: MaxPool2D(2).output_shape((8,)), "max pool 2x2 takes H x W x C values, got 8 values"),
    (lambda: Upsample2D(2).output_shape((8, 8)), "takes H x W x C values, got 8 x 8 values"),
])
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# PyTorch ------------------------------------------------------------------------------------------


@several
def test_against_pytorch(layer):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x = draw(2, 7, 6, 3)
    network = network_of(layer)
    y, caches = network.forward(x)
    dy = draw(*y.shape, seed=2)
    dx = network.backward(dy, caches)
    there = torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)), requires_grad=True)
    if isinstance(layer, Upsample2D):
        align = {} if layer.how == "nearest" else {"align_corners": False}
        y_ = functional.interpolate(there, scale_factor=[float(f) for f in layer.factor],
                                    mode=layer.how, **align)
    else:
        pool = functional.max_pool2d if isinstance(layer, MaxPool2D) else functional.avg_pool2d
        y_ = pool(there, layer.size, layer.stride)
    y_.backward(torch.tensor(np.ascontiguousarray(dy.transpose(0, 3, 1, 2))))
    for ours, theirs in ((y, y_.detach()), (dx, there.grad)):
        np.testing.assert_allclose(ours.transpose(0, 3, 1, 2), theirs, rtol=1e-11, atol=1e-12)


def test_ties_are_pytorchs():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 3, (4, 6, 6, 2)).astype(float)
    network = network_of(MaxPool2D(3, 2))
    y, caches = network.forward(x)
    there = torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)), requires_grad=True)
    torch.nn.functional.max_pool2d(there, 3, 2).sum().backward()
    np.testing.assert_array_equal(network.backward(np.ones_like(y), caches).transpose(0, 3, 1, 2),
                                  there.grad)
