"""Flatten, Reshape, split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_checks import (
    check_both_modes, copies_answer_the_same, draw, keeps_float32, plant, strides_do_not_matter,
)

from avanet.nn import Flatten, Reshape, split
from avanet.nn.gradcheck import check_layer
from avanet.nn.shape import sum_to_last

several = pytest.mark.parametrize("layer", [Flatten(), Reshape((6, 2, 5)), Reshape([60])],
                                  ids=lambda l: l.name)


def test_an_image_is_read_row_by_row_the_channels_of_a_pixel_together():
    x = np.arange(8.0).reshape(1, 2, 2, 2)  # pixel (i, j) holds 4 i + 2 j and the next
    y, cache = Flatten().forward(x)
    np.testing.assert_array_equal(y, [[0, 1, 2, 3, 4, 5, 6, 7]])
    np.testing.assert_array_equal(Flatten().backward(y, cache), x)
    y, _ = Reshape((2, 4)).forward(x)
    np.testing.assert_array_equal(y, [[[0, 1, 2, 3], [4, 5, 6, 7]]])


@several
@pytest.mark.parametrize("batch", [1, 3])
def test_gradients_float32_strides_and_copies(layer, batch):
    shape = (batch, 3, 4, 5)
    check_both_modes(layer, draw(*shape))
    keeps_float32(layer, shape)
    strides_do_not_matter(layer, shape)


@several
def test_planted_errors_are_caught(layer, monkeypatch):
    plant(monkeypatch, type(layer), "propagate")
    assert not check_layer(layer, draw(2, 3, 4, 5)).passed


def test_copies():
    for layer in (Flatten(), Reshape((6, 2, 5))):
        copies_answer_the_same(layer, (2, 3, 4, 5))


@several
def test_an_empty_batch_keeps_its_shape(layer):
    assert layer.forward(np.zeros((0, 3, 4, 5)))[0].shape == (0, *layer.output_shape((3, 4, 5)))


@pytest.mark.parametrize("make, message", [
    (lambda: Reshape((2, 0)), r"positive integers, got \(2, 0\)"),
    (lambda: Reshape((-1,)), r"positive integers, got \(-1,\)"),
    (lambda: Reshape((7, 7, 2)).output_shape((99,)),
     "reshape 7 x 7 x 2 takes 98 values in any shape, got 99 values"),
    (lambda: split(np.zeros((2, 5)), (2, 2)), r"\(2, 2\) add up to 4, the last axis has 5"),
])
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(1, 3))
def test_split_undoes_a_joint_and_is_its_adjoint(widths, batch):
    parts = [draw(batch, width, seed=k) for k, width in enumerate(widths)]
    joint = np.concatenate(parts, axis=-1)
    for part, back in zip(parts, split(joint, widths), strict=True):
        np.testing.assert_array_equal(back, part)
    dy = draw(*joint.shape, seed=9)
    inner = sum((p * d).sum() for p, d in zip(parts, split(dy, widths)))
    assert np.isclose((joint * dy).sum(), inner)


def test_a_sum_over_all_axes_but_the_last():
    x = draw(3, 4, 5, 2)
    np.testing.assert_allclose(sum_to_last(x), x.sum(axis=(0, 1, 2)))
    assert sum_to_last(np.zeros((0, 4, 2))).shape == (2,)
