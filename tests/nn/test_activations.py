"""Activations: values and slopes by hand, extremes, conventions at kinks, gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from avanet.nn import (
    ACTIVATIONS, Identity, LeakyReLU, Logistic, ReLU, Softmax, Softplus, Tanh,
)
from avanet.nn.activations import Activation
from avanet.nn.gradcheck import check_layer

LN3 = math.log(3)
EACH = [Identity(), Logistic(), Logistic(0.5, 0.5), Tanh(), ReLU(), LeakyReLU(), LeakyReLU(0.3),
        Softplus()]
DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation, v, y, slope", [
    (Identity(), [-2, 0, 3], [-2, 0, 3], [1, 1, 1]),
    # 1 / (1 + exp(-ln 3)) = 1 / (1 + 1/3) = 3/4, and a (1 - a) = 3/16
    (Logistic(), [0, LN3, -LN3], [1/2, 3/4, 1/4], [1/4, 3/16, 3/16]),
    (Logistic(0.5, 0.5), [0.5, 0.5 + 2 * LN3], [1/2, 3/4], [1/8, 3/32]),
    # a network of zeros answers 1 / (1 + e^(1/4)), the gray of an untrained AVA
    (Logistic(0.5, 0.5), [0], [0.4378235], [0.5 * 0.4378235 * 0.5621765]),
    # tanh(ln 3 / 2) = (3 - 1) / (3 + 1) = 1/2, and 1 - 1/4 = 3/4
    (Tanh(), [0, LN3 / 2, -LN3 / 2], [0, 1/2, -1/2], [1, 3/4, 3/4]),
    (ReLU(), [-3, 0, 2], [0, 0, 2], [0, 0, 1]),
    (LeakyReLU(0.25), [-4, 0, 2], [-1, 0, 2], [0.25, 0.25, 1]),
    (LeakyReLU(), [-100], [-1], [0.01]),
    # log(1 + 1) = ln 2, log(1 + 3) = 2 ln 2, and the logistic of v
    (Softplus(), [0, LN3, -LN3], [math.log(2), math.log(4), math.log(4 / 3)],
     [1/2, 3/4, 1/4]),
])
def test_values_and_slopes_by_hand(activation, v, y, slope, dtype):
    v = np.array([v], dtype)
    output, cache = activation.forward(v)
    np.testing.assert_allclose(output, [y], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(activation.slope(output), [slope], rtol=1e-6)
    np.testing.assert_allclose(activation.backward(2 * np.ones_like(v), cache),
                               2 * np.array([slope]), rtol=1e-6)
    assert output.dtype == activation.slope(output).dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", EACH)
def test_extremes_stay_finite(activation, dtype):
    top = np.finfo(dtype).max / 4
    v = np.array([[-top, -1e4, -100, -1e-30, 1e-30, 100, 1e4, top]], dtype)
    output, cache = activation.forward(v)
    assert np.isfinite(output).all()
    assert np.isfinite(activation.backward(np.ones_like(v), cache)).all()
    assert (np.diff(output) >= 0).all()


@settings(max_examples=50)
@given(st.floats(-600, 600), st.floats(0.1, 2), st.floats(-3, 3))
def test_logistic_against_the_textbook_form(v, s, m):
    y = Logistic(s, m).f(np.array([v]))[0]
    expected = 1 / (1 + math.exp(-s * (v - m))) if -s * (v - m) < 700 else 0
    assert math.isclose(y, expected, rel_tol=1e-12, abs_tol=1e-300)
    mirrored = Logistic(s, m).f(np.array([2 * m - v]))[0]
    assert math.isclose(y + mirrored, 1, rel_tol=1e-12)


@settings(max_examples=40)
@given(arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(-8, 8)),
       st.sampled_from(EACH))
def test_gradients_at_any_point_and_shape(v, activation):
    v = v.round(3)  # at a kink or clearly beside it
    report = check_layer(activation, v)
    assert report.passed, str(report)
    assert bool(report.kinks) == (isinstance(activation, (ReLU, LeakyReLU)) and (v == 0).any())


@pytest.mark.parametrize("activation", EACH)
@pytest.mark.parametrize("method", ["central", "direction", "direction-central", "taylor"])
def test_gradients_by_every_other_method(activation, method):
    v = np.random.default_rng(0).standard_normal((3, 5))
    report = check_layer(activation, v, method=method)
    assert report.passed, str(report)


@pytest.mark.parametrize("kinked", [ReLU(), LeakyReLU()])
def test_kinked_ones_decide_complex_input_by_the_real_part(kinked):
    v = np.array([-1 + 5j, 1 - 5j])
    np.testing.assert_array_equal(kinked.f(v)[1], v[1])
    np.testing.assert_allclose(kinked.f(v)[0], kinked.slope(kinked.f(v))[0] * v[0])
    assert kinked.slope(kinked.f(v))[1] == 1


def test_the_table_lists_each_by_its_name():
    assert {name: cls.__name__ for name, cls in ACTIVATIONS.items()} == {
        "identity": "Identity", "logistic": "Logistic", "tanh": "Tanh", "relu": "ReLU",
        "leaky relu": "LeakyReLU", "softplus": "Softplus",
    }


def test_an_unfinished_activation_says_what_is_missing():
    class Half(Activation):
        pass

    with pytest.raises(TypeError, match="Half defines no function"):
        Half().forward(np.zeros((1, 1)))
    with pytest.raises(TypeError, match="Half defines no slope"):
        Half().backward(np.zeros((1, 1)), np.zeros((1, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_by_hand(dtype):
    v = np.array([[0, LN3], [7, 7]], dtype)
    y, cache = Softmax().forward(v)
    np.testing.assert_allclose(y, [[1/4, 3/4], [1/2, 1/2]], rtol=1e-6)
    dv = Softmax().backward(np.array([[4, 0], [1, 1]], dtype), cache)
    # y (dy - sum y dy): sum = 1, so 1/4 (4 - 1), 3/4 (0 - 1); equal errors move nothing
    np.testing.assert_allclose(dv, [[3/4, -3/4], [0, 0]], atol=1e-6)
    assert y.dtype == dv.dtype == dtype


@settings(max_examples=40)
@given(arrays(np.float64, (2, 3, 4), elements=st.floats(-700, 700)), st.floats(-1e3, 1e3))
def test_softmax_sums_to_one_and_knows_no_offset(v, offset):
    y, _ = Softmax().forward(v)
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(Softmax().forward(v + offset)[0], y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 3, 2, 4)])
@pytest.mark.parametrize("method", ["complex", "central"])
def test_gradients_of_softmax(shape, method):
    v = np.random.default_rng(0).standard_normal(shape)
    report = check_layer(Softmax(), v, method=method)
    assert report.passed, str(report)


def test_a_softmax_treated_as_if_element_by_element_is_caught(monkeypatch):
    monkeypatch.setattr(Softmax, "propagate", lambda self, dy, y: dy * y * (1 - y))
    assert not check_layer(Softmax(), np.random.default_rng(0).standard_normal((3, 5))).passed


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_extremes_is_finite(dtype):
    top = np.finfo(dtype).max / 4
    y, cache = Softmax().forward(np.array([[-top, 0, top], [top, top, -1]], dtype))
    np.testing.assert_array_equal(y, [[0, 0, 1], [0.5, 0.5, 0]])
    assert np.isfinite(Softmax().backward(np.ones_like(y), cache)).all()
