"""Optimisers, step by step by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avanet.nn import Momentum, sgd

vectors = arrays(np.float64, 4, elements=st.floats(-10, 10))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sgd_by_hand_and_in_place(dtype):
    params, grads = np.array([1, -2, 0], dtype), np.array([0.5, -1, 4], dtype)
    same = params
    sgd(params, grads, 0.5)
    assert same is params and params.dtype == dtype
    np.testing.assert_array_equal(params, [0.75, -1.5, -2])  # 1 - .25, -2 + .5, 0 - 2
    np.testing.assert_array_equal(grads, [0.5, -1, 4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_momentum_by_hand(dtype):
    params = np.array([1, 1], dtype)
    step = Momentum(0.5)
    # v = (1, -2);               params = (1 - .25, 1 + .5)
    step(params, np.array([1, -2], dtype), 0.25)
    np.testing.assert_array_equal(params, [0.75, 1.5])
    # v = (.5 + 0, -1 + 4);      params = (.75 - .125, 1.5 - .75)
    step(params, np.array([0, 4], dtype), 0.25)
    np.testing.assert_array_equal(params, [0.625, 0.75])
    # v = (.25 + 1, 1.5 + 0);    params = (.625 - .625, .75 - .75): the rate may change
    step(params, np.array([1, 0], dtype), 0.5)
    np.testing.assert_array_equal(params, [0, 0])
    np.testing.assert_array_equal(step.velocity, [1.25, 1.5])
    assert params.dtype == step.velocity.dtype == dtype


@settings(deadline=None, max_examples=40)
@given(vectors, st.lists(vectors, min_size=1, max_size=5), st.floats(0.01, 1))
def test_momentum_zero_is_plain_gradient_descent(start, gradients, rate):
    plain, heavy, step = start.copy(), start.copy(), Momentum(0)
    for gradient in gradients:
        sgd(plain, gradient, rate)
        step(heavy, gradient, rate)
    np.testing.assert_array_equal(plain, heavy)


@settings(deadline=None, max_examples=40)
@given(st.lists(vectors, min_size=1, max_size=6), st.floats(0, 0.99))
def test_velocity_is_the_discounted_sum_of_gradients(gradients, momentum):
    step = Momentum(momentum)
    for gradient in gradients:
        step(np.zeros(4), gradient, 0.1)
    discounts = momentum ** np.arange(len(gradients))[::-1]
    np.testing.assert_allclose(step.velocity, discounts @ np.array(gradients), atol=1e-12)


@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, np.nan])
def test_momentum_outside_its_range_is_refused(momentum):
    with pytest.raises(ValueError, match=r"\[0, 1\), got"):
        Momentum(momentum)
