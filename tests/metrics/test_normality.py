"""Moments and the Kolmogorov-Smirnov distance: known samples, and a slow way to the same number."""

from math import erf, sqrt

import numpy as np
import pytest

from avanet.metrics.normality import normality


def phi(t):
    return (1 + erf(t / sqrt(2))) / 2


def test_moments_of_a_die_are_known():
    die = np.tile(np.arange(1.0, 7), 5)[:, None]
    found = normality(die)
    assert found.mean[0] == pytest.approx(3.5)
    assert found.sd[0] == pytest.approx(sqrt(35 / 12))
    assert found.skewness[0] == pytest.approx(0, abs=1e-12)
    assert found.kurtosis[0] == pytest.approx(-6 * 37 / (5 * 35))


def test_the_distance_is_the_largest_gap_anywhere():
    """Against a fine grid of t, which comes close from below."""
    z = np.random.default_rng(3).standard_normal((40, 2)) * [1.0, 1.5] + [0.3, 0.0]
    for k, column in enumerate(z.T):
        gaps = [abs((column <= t).mean() - phi(t)) for t in np.linspace(-6, 6, 40_001)]
        assert normality(z).distance[k] == pytest.approx(max(gaps), abs=3e-4)


def test_a_constant_is_far_and_finite():
    found = normality(np.zeros((10, 1)))
    assert found.distance[0] == pytest.approx(0.5)
    assert np.isfinite(np.array(found)).all()


def test_true_samples_rarely_exceed_the_known_limit():
    """1.358 / sqrt(N) is exceeded by one sample in twenty (Kolmogorov)."""
    N = 400
    distance = normality(np.random.default_rng(0).standard_normal((N, 400))).distance
    assert 0.02 < (distance > 1.358 / sqrt(N)).mean() < 0.08
