"""Intervals: formulas by hand, and that they hold the truth about 95 times in a hundred."""

import math

import numpy as np
import pytest

from avanet.metrics.intervals import bootstrap, mean, proportion


def test_the_mean_and_its_standard_error_by_hand():
    value, low, high = mean(np.array([1., 2, 6]))
    assert value == 3
    assert [high - 3, 3 - low] == pytest.approx([1.96 * math.sqrt(7 / 3)] * 2)
    assert mean(np.array([2.]))[0] == 2 and math.isnan(mean(np.array([2.])).low)


def test_wilson_stays_inside_and_is_never_certain():
    value, low, high = proportion(np.ones(20, bool))
    assert value == 1 and high == pytest.approx(1) and low == pytest.approx(20 / (20 + 1.96**2))
    assert proportion(np.array([True, False])).low > 0
    # by the quadratic that defines it: |p - q| = z sqrt(q (1 - q) / N)
    hits = np.arange(50) < 13
    for q in proportion(hits)[1:]:
        assert abs(0.26 - q) == pytest.approx(1.96 * math.sqrt(q * (1 - q) / 50))


def covers(estimate_of, truth, times=400):
    draws = np.random.default_rng(0).random((times, 60))
    inside = [low <= truth <= high for _, low, high in map(estimate_of, draws)]
    return np.mean(inside)


def test_they_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    assert 0.92 < covers(mean, 0.5) < 0.98
    assert 0.92 < covers(lambda u: proportion(u < 0.3), 0.3) < 0.98
    assert 0.9 < covers(lambda u: bootstrap(np.mean, u, rng=rng), 0.5, 200) < 0.99


def test_the_bootstrap_draws_each_sample_by_itself():
    seen = []

    def statistic(a, b):
        seen.append((a.copy(), b.copy()))
        return a.mean() - b.mean()

    a, b = np.arange(4.), np.arange(10., 17.)
    estimate = bootstrap(statistic, a, b, rng=np.random.default_rng(0), resamples=30)
    assert estimate.value == a.mean() - b.mean() and len(seen) == 31
    assert all(set(x) <= set(a) and set(y) <= set(b) and len(y) == 7 for x, y in seen)
    assert estimate.high - estimate.value == pytest.approx(
        1.96 * np.std([x.mean() - y.mean() for x, y in seen[1:]], ddof=1))
