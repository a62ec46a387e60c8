"""Optimisers, step by step by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avanet.errors import InputError
from avanet.nn import Momentum, NonFiniteError, sgd
from avanet.nn.optim import (
    OPTIMISERS, SGD, Adam, AdamW, RMSprop, clip_by_norm, clip_by_value,
)

vectors = arrays(np.float64, 4, elements=st.floats(-10, 10))
every = pytest.mark.parametrize("make", [
    SGD, Momentum, lambda: Momentum(0.9, nesterov=True), RMSprop, Adam,
    lambda: Adam(epsilon_hat=True), AdamW,
], ids=["sgd", "momentum", "nesterov", "rmsprop", "adam", "adam, epsilon hat", "adamw"])


def walk(step, gradients, rates, start=1.0, dtype=np.float64):
    """The one parameter after each step."""
    params, path = np.array([start], dtype), []
    for gradient, rate in zip(gradients, rates):
        step(params, np.array([gradient], dtype), rate)
        path.append(params[0])
    return path


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


@settings(max_examples=40)
@given(vectors, st.lists(vectors, min_size=1, max_size=5), st.floats(0.01, 1))
def test_momentum_zero_is_plain_gradient_descent(start, gradients, rate):
    plain, heavy, step = start.copy(), start.copy(), Momentum(0)
    for gradient in gradients:
        sgd(plain, gradient, rate)
        step(heavy, gradient, rate)
    np.testing.assert_array_equal(plain, heavy)


@settings(max_examples=40)
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


# By hand --------------------------------------------------------------------------------------

def test_nesterov_by_hand():
    # v = 1:        1 - .25 (1 + .5)    = .625
    # v = .5:       .625 - .25 (0 + .25) = .5625
    # v = .25 - 2:  .5625 - .5 (-2 - .875) = 2
    assert walk(Momentum(0.5, nesterov=True), [1, 0, -2], [0.25, 0.25, 0.5]) == [0.625, 0.5625, 2]


def test_rmsprop_by_hand():
    # s = 16/4 = 4:             1 - .5 * 4 / (2 + 1) = 1/3
    # s = 3/4 * 4 + 4/4 = 4:    1/3 - .5 * 2 / (2 + 1) = 0
    path = walk(RMSprop(0.75, epsilon=1), [4, 2], [0.5, 0.5])
    np.testing.assert_allclose(path, [1 / 3, 0], atol=1e-16)


def test_adam_by_hand():
    # m = 1.5, v = 2.25;  m_hat = 1.5 / .5 = 3,  v_hat = 2.25 / .25 = 9:     1 - .5 * 3 / (3 + 1)
    # m = .75 + .25 = 1,  v = 1.6875 + .0625 = 1.75;
    # m_hat = 1 / .75,    v_hat = 1.75 / .4375 = 4:                - .5 * (4/3) / (2 + 1) = - 2/9
    path = walk(Adam(0.5, 0.75, epsilon=1), [3, 0.5], [0.5, 0.5])
    np.testing.assert_allclose(path, [0.625, 0.625 - 2 / 9], rtol=1e-15)


def test_adam_with_epsilon_beside_the_uncorrected_v_by_hand():
    # as above, but      .5 * (sqrt(.25) / .5) * 1.5 / (1.5 + 1) = .3, then
    # .5 * sqrt(.4375) / .75 * 1 / (sqrt(1.75) + 1) = .4409585 / 2.3228757
    path = walk(Adam(0.5, 0.75, epsilon=1, epsilon_hat=True), [3, 0.5], [0.5, 0.5])
    np.testing.assert_allclose(path, [0.7, 0.7 - 0.4409585 / 2.3228757], rtol=1e-7)


def test_adamw_by_hand():
    # Adam's steps .375 and 2/9, after the parameter has shrunk by 1 - .5 * .5 = 3/4
    path = walk(AdamW(0.5, 0.5, 0.75, epsilon=1), [3, 0.5], [0.5, 0.5])
    np.testing.assert_allclose(path, [0.375, 0.375 * 0.75 - 2 / 9], rtol=1e-14)


@settings(max_examples=30)
@given(st.floats(1e-3, 1e3), st.floats(1e-4, 1))
def test_the_first_step_of_adam_is_the_rate(gradient, rate):
    (moved,) = walk(Adam(), [gradient], [rate], start=0)
    assert moved == pytest.approx(-rate, rel=2e-5)


# Against PyTorch ------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("make, name, options", [
    (SGD, "SGD", {}),
    (lambda: Momentum(0.9), "SGD", {"momentum": 0.9}),
    (lambda: Momentum(0.9, nesterov=True), "SGD", {"momentum": 0.9, "nesterov": True}),
    (RMSprop, "RMSprop", {}),
    (Adam, "Adam", {}),
    (lambda: Adam(0.5, 0.9, 1e-3), "Adam", {"betas": (0.5, 0.9), "eps": 1e-3}),
    (lambda: AdamW(0.1), "AdamW", {"weight_decay": 0.1}),
], ids=["sgd", "momentum", "nesterov", "rmsprop", "adam", "adam 2", "adamw"])
def test_the_steps_are_those_of_pytorch(make, name, options, dtype, tolerance):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    params, step = rng.standard_normal(50).astype(dtype), make()
    tensor = torch.tensor(params.copy(), requires_grad=True)
    theirs = getattr(torch.optim, name)([tensor], lr=1.0, **options)
    for rate in np.linspace(0.1, 0.01, 40):
        grads = rng.standard_normal(50).astype(dtype)
        theirs.param_groups[0]["lr"] = rate
        tensor.grad = torch.tensor(grads)
        theirs.step()
        step(params, grads, rate)
    np.testing.assert_allclose(params, tensor.detach().numpy(), rtol=tolerance, atol=tolerance)


# Saving and restoring -------------------------------------------------------------------------

@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_restored_optimiser_goes_on_bit_for_bit(make, dtype):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((6, 9)).astype(dtype)
    step, params = make(), np.ones(9, dtype)
    for k, gradient in enumerate(gradients):
        if k == 3:
            state, copy = step.state(), params.copy()
        step(params, gradient, 0.01)
    again = make()
    again.restore(state)
    assert again.steps == 3
    for gradient in gradients[3:]:
        again(copy, gradient, 0.01)
    np.testing.assert_array_equal(copy, params)
    assert all(type(v) is int or v.dtype == dtype for v in state.values())


@every
def test_a_state_is_a_value(make):
    step = make()
    fresh = step.state()
    assert fresh == {"steps": 0}
    step(np.ones(3), np.ones(3), 0.1)
    state = step.state()
    before = {name: np.copy(value) for name, value in state.items()}
    step(np.ones(3), np.ones(3), 0.1)
    other = make()
    other.restore(state)
    other(np.ones(3), np.ones(3), 0.1)
    for name, value in before.items():
        np.testing.assert_array_equal(state[name], value)
    other.restore(fresh)
    assert other.state() == fresh


def test_the_state_of_another_optimiser_is_refused():
    step = Adam()
    step(np.ones(3), np.ones(3), 0.1)
    with pytest.raises(InputError, match=r"state of Momentum \(steps, velocity\), got m, steps, v"):
        Momentum().restore(step.state())
    for wrong in ({}, {"steps": -1}, {"steps": 2}, {"steps": 0, "v": np.ones(3)}):
        with pytest.raises(InputError, match="state of Adam"):
            Adam().restore(wrong)


# Bad arguments --------------------------------------------------------------------------------

@every
def test_vectors_that_do_not_fit_are_refused_and_leave_no_trace(make):
    step, params = make(), np.ones(3)
    for grads in (np.ones(4), np.ones(2), np.ones(3, np.float32), np.ones((3, 1))):
        with pytest.raises(ValueError, match=r"steps float64 parameters of shape \(3,\), got"):
            step(params, grads, 0.1)
    assert step.steps == 0
    np.testing.assert_array_equal(params, np.ones(3))
    step(params, np.ones(3), 0.1)
    if step.slots:
        with pytest.raises(ValueError, match=r"of shape \(3,\)"):
            step(np.ones(2), np.ones(2), 0.1)


@pytest.mark.parametrize("cls, options, message", [
    (RMSprop, {"rho": 1}, r"rho must lie in \[0, 1\), got 1"),
    (Adam, {"beta1": 1}, "beta1 must lie"),
    (Adam, {"beta2": -0.1}, "beta2 must lie"),
    (Adam, {"epsilon": 0}, "epsilon must be positive and finite, got 0"),
    (RMSprop, {"epsilon": np.nan}, "epsilon must be positive"),
    (AdamW, {"weight_decay": -1}, "weight_decay must not be negative, got -1"),
    (AdamW, {"weight_decay": np.nan}, "weight_decay must not be negative"),
])
def test_hyperparameters_outside_their_range_are_refused(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**options)


def test_the_table_names_them_all():
    assert {name: cls.__name__.lower() for name, cls in OPTIMISERS.items()} == {
        name: name for name in ("sgd", "momentum", "rmsprop", "adam", "adamw")}


# Clipping -------------------------------------------------------------------------------------

def test_clipping_by_norm_by_hand():
    grads = np.array([3, -4], np.float32)  # norm 5
    assert clip_by_norm(grads, 5) == 5
    np.testing.assert_array_equal(grads, [3, -4])
    assert clip_by_norm(grads, 2.5) == 5
    np.testing.assert_array_equal(grads, [1.5, -2])
    assert grads.dtype == np.float32


@settings(max_examples=40)
@given(vectors, st.floats(0.01, 20))
def test_clipping_by_norm_keeps_the_direction(grads, limit):
    clipped = grads.copy()
    norm = clip_by_norm(clipped, limit)
    assert norm == pytest.approx(np.linalg.norm(grads))
    np.testing.assert_allclose(clipped * max(norm, limit), grads * limit, rtol=1e-12, atol=1e-200)
    assert np.linalg.norm(clipped) <= limit * (1 + 1e-12)


def test_clipping_by_norm_does_not_overflow():
    grads = np.array([3e30, -4e30], np.float32)
    assert clip_by_norm(grads, 1) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(grads, [0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_cannot_be_clipped_by_norm(value):
    with pytest.raises(NonFiniteError, match="NaN or overflow in the gradient"):
        clip_by_norm(np.array([1, value]), 1)


def test_clipping_by_value_by_hand():
    grads = np.array([3, -4, 0.5, np.nan, -np.inf], np.float32)
    clip_by_value(grads, 2)
    np.testing.assert_array_equal(grads, np.array([2, -2, 0.5, np.nan, -2], np.float32))


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
@pytest.mark.parametrize("limit", [0, -1, np.nan, np.inf])
def test_a_limit_must_be_positive(clip, limit):
    with pytest.raises(ValueError, match="the limit must be positive"):
        clip(np.ones(2), limit)
