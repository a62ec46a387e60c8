"""The objectives against values worked out by hand, and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.verify import objectives as o

values = st.floats(-3, 3)


@settings(max_examples=50)
@given(values, st.floats(0.1, 3), st.floats(-1, 1))
def test_logistic(v, s, m):
    a = o.logistic(s, m)
    assert np.isclose(a(v), 1 - a(2 * m - v), rtol=1e-14)
    np.testing.assert_allclose(a(m + np.log(3) / s), 0.75, rtol=1e-14)


def test_derivative_and_gradient():
    # d (v^3) / dv = 12 at 2;  d (x y) = (y, x).
    assert o.derivative(lambda t: (2 + t) ** 3) == pytest.approx(12, rel=1e-15)
    gradient = o.gradient(lambda x: x[0] * x[1], np.array([3.0, 5.0]))
    np.testing.assert_allclose(gradient, [5, 3], rtol=1e-15)


def test_network_by_hand():
    # a(v) = v: (2 * 3 + 1) * 5 - 4 = 31.
    network = [(np.array([[3.0]]), np.array([1.0])), (np.array([[5.0]]), np.array([-4.0]))]
    assert o.net_input(network, np.array([[2.0]]), lambda v: v).tolist() == [[31]]
    assert o.verdict(network, np.array([[2.0]]), lambda v: 2 * v)[0] == 2 * (5 * 2 * 7 - 4)


def test_terms_by_hand():
    x, x_ = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    assert o.half_squared_error(x, x_).tolist() == [0.25]
    # (1 + 1 - 1 - 0) / 2 + (0 + e - 1 - 1) / 2
    kl = o.kl(np.array([[1.0, 0.0]]), np.array([[1.0, np.e]]))
    np.testing.assert_allclose(kl, [0.5 + (np.e - 2) / 2], rtol=1e-15)
    np.testing.assert_allclose(o.balance(0.5, 0.75), np.log(0.125), rtol=1e-15)
    np.testing.assert_allclose(o.leaning_balance(0.5, 0.75, 2), np.log(0.125) + 1.5, rtol=1e-15)


def test_full_kl_of_a_diagonal_is_the_diagonal_kl():
    rng = np.random.default_rng(0)
    mu, var = rng.standard_normal((3, 4)), rng.uniform(0.2, 2, (3, 4))
    Sigma = var[:, :, None] * np.eye(4)
    np.testing.assert_allclose(o.kl_full(mu, Sigma), o.kl(mu, var), rtol=1e-13)
    np.testing.assert_allclose(o.kl_cholesky(mu, np.sqrt(Sigma)), o.kl(mu, var), rtol=1e-13)
    assert o.kl_of_code(mu, var)[0] == o.kl(mu, var)[0]


def test_kl_against_its_integral():
    """KL in one dimension, summed over a fine grid."""
    mu, var = 0.7, 0.4
    z = np.linspace(-12, 12, 200_001)
    log_q = -(z - mu) ** 2 / (2 * var) - np.log(2 * np.pi * var) / 2
    log_p = -z ** 2 / 2 - np.log(2 * np.pi) / 2
    integral = (np.exp(log_q) * (log_q - log_p)).sum() * (z[1] - z[0])
    assert o.kl(np.array([[mu]]), np.array([[var]]))[0] == pytest.approx(integral, rel=1e-9)


def test_leaning_coefficient_is_the_printed_sum():
    a, v = o.logistic(0.5, 0.5), np.array([[0.3, -1.0, 2.0]])
    x, x_ = np.array([[1.0, 0.2, 0.5]]), a(np.array([[0.3, -1.0, 2.0]]))
    printed = ((x - x_) * 0.5 * x_ * (1 - x_)).sum()
    np.testing.assert_allclose(o.leaning_coefficient(x, v, a), [printed], rtol=1e-14)


def test_loss_has_the_terms_of_the_networks_that_are_there():
    """All networks are zero: every unit is a(0), and all the terms are known."""
    a, half = o.logistic(1.0, 0.0), 0.5
    zero = lambda *w: [(np.zeros(s), np.zeros(s[1])) for s in zip(w, w[1:])]
    f, g, d, D = zero(2, 3, 2), zero(1, 3, 2), zero(2, 3, 1), zero(1, 3, 1)
    x, r = np.array([[1.0, 0.5]]), np.array([[0.3]])
    kl = o.kl(np.array([[half]]), np.array([[half]]))[0]
    error, log = 0.125, np.log(half)
    for w, expected in (
        (o.Weights(f, g, None, None), kl + error),
        (o.Weights(f, g, d, None), kl + error + log),
        (o.Weights(f, g, None, D), kl + error + log),
        (o.Weights(f, g, d, D), kl + error + 2 * log),
        (o.Weights(None, g, d, None), log),
    ):
        np.testing.assert_allclose(o.loss(w, x, r, a), [expected], rtol=1e-14)


def test_leaning_leaves_the_gradient_of_the_balance_alone():
    rng = np.random.default_rng(1)
    a, b = o.logistic(0.5, 0.5), rng.standard_normal(1)
    x, x_, W = rng.random((2, 3)), rng.random((2, 3)), rng.standard_normal((3, 1))
    plain, leaning = (o.gradient(lambda W: o.balance_of([(W, b)], x, x_, a, lean), W)
                      for lean in (False, True))
    np.testing.assert_array_equal(plain, leaning)
