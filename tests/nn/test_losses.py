"""Losses: values and gradients by hand, forms that must agree, extremes, gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avanet.nn import Logistic, Softmax
from avanet.nn.gradcheck import TOLERANCES, check_loss
from avanet.nn.losses import (
    LOSSES, binary_cross_entropy, binary_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits, gan_discriminator, gan_generator_non_saturating,
    gan_generator_saturating, gaussian_kl, gaussian_kl_from_log_variance, half_squared_error,
)

LN2, LN3 = math.log(2), math.log(3)
# Names of the arguments with a gradient, and of those without.
WRT = {
    "half_squared_error": ("y",), "binary_cross_entropy": ("p",),
    "binary_cross_entropy_from_logits": ("v",), "gaussian_kl": ("mu", "var"),
    "categorical_cross_entropy_from_logits": ("v",),
    "gaussian_kl_from_log_variance": ("mu", "log_var"), "gan_discriminator": ("d_real", "d_fake"),
    "gan_generator_saturating": ("d_fake",), "gan_generator_non_saturating": ("d_fake",),
}
POSITIVE = {"p", "var", "d_real", "d_fake", "target"}


def arguments(name, rng, shape=(3, 4)):
    """A random point in the domain of the loss."""
    names = WRT[name] + ("target",) * (WRT[name][0] in ("y", "p", "v"))
    return {a: rng.uniform(0.05, 0.95, shape) if a in POSITIVE else rng.standard_normal(shape)
            for a in names}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss, inputs, value, gradients", [
    # differences ((1, 0), (2, 4)): (1 + 4 + 16) / (2 * 2)
    (half_squared_error, ([[1, 2], [3, 5]], [[0, 2], [1, 1]]), 5.25, [[[0.5, 0], [1, 2]]]),
    # -ln(1/2) - ln(3/4);  (1/2 - 1) / (1/4), (1/4) / (3/16)
    (binary_cross_entropy, ([[0.5, 0.25]], [[1, 0]]), 3 * LN2 - LN3, [[[-2, 4/3]]]),
    # the same point, v = logit p = (0, -ln 3);  p - t = (-1/2, 1/4)
    (binary_cross_entropy_from_logits, ([[0, -LN3]], [[1, 0]]), 3 * LN2 - LN3, [[[-0.5, 0.25]]]),
    # softmax(0, ln 3) = (1/4, 3/4): -ln(1/4) and -ln(3/4), half of s - t each
    (categorical_cross_entropy_from_logits, ([[0, LN3], [5, 5 + LN3]], [[1, 0], [0, 1]]),
     2 * LN2 - LN3 / 2, [[[-3/8, 3/8], [1/8, -1/8]]]),
    # a target that is twice a class counts twice: 2 ln 2,  2 (1/2, 1/2) - (2, 0)
    (categorical_cross_entropy_from_logits, ([[0, 0]], [[2, 0]]), 2 * LN2, [[[-1, 1]]]),
    # a soft target against itself: its entropy, and no gradient
    (binary_cross_entropy, ([[0.5], [0.5]], [[0.5], [0.5]]), LN2, [[[0], [0]]]),
    # (1 + 1 - 1 - 0) / 2 + (0 + 4 - 1 - ln 4) / 2;  (1 - 1/4) / 2
    (gaussian_kl, ([[1, 0]], [[1, 4]]), 2 - LN2, [[[1, 0]], [[0, 0.375]]]),
    # the same point, l = (0, ln 4);  (4 - 1) / 2
    (gaussian_kl_from_log_variance, ([[1, 0]], [[0, 2 * LN2]]), 2 - LN2, [[[1, 0]], [[0, 1.5]]]),
    (gaussian_kl, ([[1], [0]], [[1], [4]]), 1 - LN2 / 2, [[[0.5], [0]], [[0], [0.1875]]]),
    # -ln(1/2) - ln(3/4);  -1 / (1/2), 1 / (3/4)
    (gan_discriminator, ([[0.5]], [[0.25]]), 3 * LN2 - LN3, [[[-2]], [[4/3]]]),
    (gan_discriminator, ([[0.5], [0.5]], [[0.25], [0.25]]), 3 * LN2 - LN3,
     [[[-1], [-1]], [[2/3], [2/3]]]),
    (gan_generator_saturating, ([[0.25], [0.5]],), (LN3 - 3 * LN2) / 2, [[[-2/3], [-1]]]),
    (gan_generator_non_saturating, ([[0.25], [0.5]],), 3 * LN2 / 2, [[[-2], [-1]]]),
])
def test_values_and_gradients_by_hand(loss, inputs, value, gradients, dtype):
    got, returned = loss(*(np.array(a, dtype) for a in inputs))
    returned = returned if isinstance(returned, tuple) else (returned,)
    assert got.dtype == dtype and all(g.dtype == dtype for g in returned)
    assert math.isclose(got, value, rel_tol=1e-6)
    for mine, expected in zip(returned, gradients, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", TOLERANCES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (7, 1)])
def test_gradients(name, method, shape):
    report = check_loss(LOSSES[name], arguments(name, np.random.default_rng(1), shape), WRT[name],
                        method)
    assert report.passed, str(report)
    assert [p.name for p in report.parameters] == list(WRT[name])


@pytest.mark.parametrize("name", LOSSES)
def test_the_value_is_a_mean_over_the_batch(name):
    point = arguments(name, np.random.default_rng(2))
    value, gradients = LOSSES[name](**point)
    rows = [LOSSES[name](**{a: v[k:k + 1] for a, v in point.items()})[0] for k in range(3)]
    assert math.isclose(value, sum(rows) / 3, rel_tol=1e-12)
    twice, halved = LOSSES[name](**{a: np.tile(v, (2, 1)) for a, v in point.items()})
    assert math.isclose(value, twice, rel_tol=1e-12)
    np.testing.assert_allclose(np.asarray(halved)[..., :3, :], np.asarray(gradients) / 2)


@settings(max_examples=50)
@given(arrays(np.float64, (2, 3), elements=st.floats(-15, 15)),
       arrays(np.float64, (2, 3), elements=st.floats(0, 1)))
def test_both_cross_entropies_agree(v, target):
    p = Logistic().f(v)
    value, dp = binary_cross_entropy(p, target)
    from_logits, dv = binary_cross_entropy_from_logits(v, target)
    assert math.isclose(value, from_logits, rel_tol=1e-8)
    np.testing.assert_allclose(dp * p * (1 - p), dv, atol=1e-9)


@settings(max_examples=50)
@given(arrays(np.float64, (2, 3), elements=st.floats(-10, 10)),
       arrays(np.float64, (2, 3), elements=st.floats(-20, 20)))
def test_both_forms_of_the_kl_agree(mu, log_var):
    value, (dmu, dvar) = gaussian_kl(mu, np.exp(log_var))
    other, (dmu_, dl) = gaussian_kl_from_log_variance(mu, log_var)
    assert math.isclose(value, other, rel_tol=1e-10, abs_tol=1e-12)
    np.testing.assert_array_equal(dmu, dmu_)
    np.testing.assert_allclose(dvar * np.exp(log_var), dl, rtol=1e-9, atol=1e-12)
    assert value > -1e-12


def test_the_kl_of_a_standard_normal_is_zero():
    value, gradients = gaussian_kl(np.zeros((2, 3)), np.ones((2, 3)))
    assert value == 0 and not np.any(gradients)


def test_the_kl_against_an_integral():
    """KL = integral of q log(q / p), summed over a fine grid."""
    mu, var, step = 0.7, 0.3, 1e-3
    z = np.arange(-12, 12, step)
    log_q = -(z - mu)**2 / (2 * var) - np.log(2 * np.pi * var) / 2
    log_p = -z**2 / 2 - np.log(2 * np.pi) / 2
    expected = (np.exp(log_q) * (log_q - log_p)).sum() * step
    assert math.isclose(gaussian_kl(np.array([[mu]]), np.array([[var]]))[0], expected,
                        rel_tol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_from_logits_is_finite_for_every_finite_logit(dtype):
    top = np.finfo(dtype).max
    v = np.array([[-top], [-1e4], [0], [1e4], [top]], dtype)
    for target, expected in ((0, np.maximum(v, 0)), (1, np.maximum(-v, 0))):
        for row, loss in zip(v, expected):
            value, dv = binary_cross_entropy_from_logits(row[None], np.full((1, 1), target, dtype))
            assert math.isclose(value, loss[0] or (LN2 if row == 0 else 0), rel_tol=1e-6)
            assert np.isfinite(dv).all() and abs(dv).max() <= 1


def test_cross_entropy_at_the_ends_against_an_equal_target_is_zero():
    with np.errstate(invalid="ignore", divide="ignore"):
        assert binary_cross_entropy(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]))[0] == 0


@pytest.mark.parametrize("l", [-700.0, -50.0, 50.0, 700.0])
def test_the_kl_from_the_log_variance_stays_finite(l):
    value, gradients = gaussian_kl_from_log_variance(np.zeros((1, 1)), np.array([[l]]))
    assert math.isclose(value, (math.exp(l) - 1 - l) / 2) and np.isfinite(gradients).all()


@settings(max_examples=40)
@given(st.floats(0.01, 0.99))
def test_the_generators_pull_the_same_way_and_meet_at_one_half(d):
    saturating = gan_generator_saturating(np.array([[d]]))[1]
    non_saturating = gan_generator_non_saturating(np.array([[d]]))[1]
    assert saturating < 0 and non_saturating < 0
    assert math.isclose(saturating[0, 0] / non_saturating[0, 0], d / (1 - d), rel_tol=1e-9)
    assert math.isclose(gan_discriminator(np.array([[0.5]]), np.array([[d]]))[0],
                        LN2 - gan_generator_saturating(np.array([[d]]))[0], rel_tol=1e-12)


def test_the_table_is_complete():
    assert set(LOSSES) == set(WRT)


def test_cross_entropy_at_certain_and_right_probabilities():
    p = np.array([[0.0, 1.0, 0.5]])
    value, dp = binary_cross_entropy(p, np.array([[0.0, 1.0, 1.0]]))
    assert value == pytest.approx(np.log(2))
    np.testing.assert_allclose(dp, [[1, -1, -2]])  # (1-t)/(1-p) - t/p


def test_kl_keeps_its_digits_near_a_log_variance_of_zero():
    tiny = np.array([[1e-6]])  # (e^l - 1 - l) / 2 = l^2 / 4 + l^3 / 12
    value, _ = gaussian_kl_from_log_variance(np.zeros((1, 1)), tiny)
    assert value == pytest.approx(2.5e-13, rel=1e-3)


@pytest.mark.parametrize("loss", [name for name in LOSSES if "generator" not in name])
def test_arrays_of_two_shapes_are_refused(loss):
    with pytest.raises(ValueError, match="one shape"):
        LOSSES[loss](np.full((4, 1), 0.5), np.full((1, 1), 0.5))


@settings(max_examples=40)
@given(arrays(np.float64, (3, 4), elements=st.floats(-10, 10)),
       st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_categorical_cross_entropy_is_that_of_the_softmax(v, classes):
    target = np.eye(4)[classes]
    p, cache = Softmax().forward(v)
    value, dv = categorical_cross_entropy_from_logits(v, target)
    assert math.isclose(value, -np.log(p[target == 1]).mean(), rel_tol=1e-9, abs_tol=1e-12)
    np.testing.assert_allclose(Softmax().backward(-target / p / 3, cache), dv, atol=1e-9)


def test_two_classes_are_a_binary_cross_entropy():
    v = np.array([[-3.0], [0.5], [40.0]])
    t = np.array([[1.0], [0.0], [1.0]])
    value, dv = categorical_cross_entropy_from_logits(np.hstack([v, 0 * v]), np.hstack([t, 1 - t]))
    binary, dv_ = binary_cross_entropy_from_logits(v, t)
    assert math.isclose(value, binary, rel_tol=1e-12)
    np.testing.assert_allclose(dv, np.hstack([dv_, -dv_]), atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_categorical_cross_entropy_stays_finite(dtype):
    top = np.finfo(dtype).max / 4
    v = np.array([[top, -top, 0]], dtype)
    for k, expected in enumerate((0, 2 * top, top)):
        value, dv = categorical_cross_entropy_from_logits(v, np.eye(3, dtype=dtype)[k:k + 1])
        assert math.isclose(value, expected, rel_tol=1e-6) and np.isfinite(dv).all()
