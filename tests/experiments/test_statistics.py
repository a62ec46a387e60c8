"""Student's t against printed tables and closed forms; verdicts and seed counts by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.experiments.statistics import (
    Cell, expected_misses, incomplete_beta, paired_t, sample_sd, seeds_needed, t_quantile,
    t_two_sided, welch_t,
)

# Two-sided 5 % and 1 % points of Student's t, from any printed table.
T_TABLE = [(1, 12.706, 63.657), (2, 4.303, 9.925), (3, 3.182, 5.841), (5, 2.571, 4.032),
           (9, 2.262, 3.250), (10, 2.228, 3.169), (30, 2.042, 2.750), (120, 1.980, 2.617)]
SAMPLE = st.lists(st.floats(-1, 1), min_size=2, max_size=12)


@pytest.mark.parametrize("df, five, one", T_TABLE)
def test_quantiles_of_the_printed_table(df, five, one):
    assert t_quantile(0.975, df) == pytest.approx(five, abs=6e-4)
    assert t_quantile(0.005, df) == pytest.approx(-one, abs=6e-4)


@settings(max_examples=50)
@given(st.floats(-50, 50))
def test_the_closed_forms_of_1_2_and_4_degrees_of_freedom(t):
    # The distribution functions for 1, 2 and 4 degrees of freedom, doubled to two sides.
    size, u = abs(t), abs(t) / math.sqrt(4 + t * t)
    assert t_two_sided(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(size), abs=1e-13)
    assert t_two_sided(t, 2) == pytest.approx(1 - size / math.sqrt(2 + t * t), abs=1e-13)
    assert t_two_sided(t, 4) == pytest.approx(1 - u * (3 - u * u) / 2, abs=1e-13)


def test_many_degrees_of_freedom_give_the_normal_distribution():
    assert t_two_sided(2.0, 1e6) == pytest.approx(math.erfc(math.sqrt(2)), abs=1e-6)


@settings(max_examples=50)
@given(st.floats(0.01, 0.99), st.sampled_from([1, 2, 7, 40.5, 1000]))
def test_the_quantile_inverts_the_probability(p, df):
    t = t_quantile(p, df)
    below = 1 - t_two_sided(t, df) / 2 if t > 0 else t_two_sided(t, df) / 2
    assert below == pytest.approx(p, abs=1e-12)


@settings(max_examples=50)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1))
def test_the_incomplete_beta_function_is_a_binomial_tail(a, b, x):
    n = a + b - 1
    tail = sum(math.comb(n, k) * x ** k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert incomplete_beta(a, b, x, 1 - x) == pytest.approx(tail, abs=1e-12)


def test_expected_misses_count_cells_with_a_spread():
    # P(|t_2| > 2) = 1 - 2 / sqrt 6, P(|t_1| > 2) = 1 - 2 atan(2) / pi; one seed has no verdict
    by_hand = 2 * (1 - 2 / math.sqrt(6)) + (1 - 2 / math.pi * math.atan(2))
    assert expected_misses([3, 3, 2, 1, 0]) == pytest.approx(by_hand, abs=1e-12)


def test_expected_misses_come_true_in_a_simulation():
    n, trials = 4, 20_000
    draws = np.random.default_rng(0).normal(0.2, 0.01, (trials, n + 1))
    outside = sum(Cell.of(row[n], list(row[:n])).verdict == "outside" for row in draws)
    expected = expected_misses([n] * trials)
    assert outside == pytest.approx(expected, abs=4 * math.sqrt(expected) + 0.01 * expected)


def test_a_verdict_by_hand():
    # mean .201, s = .001, n = 3: allowed 2 * .001 * sqrt(4/3) + .00005 = .002359...
    values = [0.200, 0.201, 0.202]
    assert Cell.of(0.20335, values).verdict == "inside"
    assert Cell.of(0.20337, values).verdict == "outside"
    assert Cell.of(0.19865, values).verdict == "inside"
    assert Cell.of(0.19863, values).verdict == "outside"


def test_cells_without_a_spread_say_why():
    assert Cell.of(0.2, [0.21]).verdict == "one seed"
    assert Cell.of(0.2, [None, None]) == (0.2, pytest.approx(math.nan, nan_ok=True),
                                          pytest.approx(math.nan, nan_ok=True), 0, 2)
    assert Cell.of(0.2, [None, None]).verdict == "stopped"
    assert Cell.of(0.2, [math.nan]).verdict == "–"
    assert Cell.of(0.2, [0.21, None, 0.23])[1:] == (
        pytest.approx(0.22), pytest.approx(0.02 / math.sqrt(2)), 2, 1)


def test_sample_sd():
    assert sample_sd([1, 2, 4]) == pytest.approx(math.sqrt(7 / 3))
    assert math.isnan(sample_sd([1.0]))


def test_a_paired_test_by_hand():
    # differences 1, 2, 3: mean 2, s = 1, t = 2 sqrt 3, and for 2 degrees p = 1 - t / sqrt(2 + t^2)
    test = paired_t([2, 4, 7], [1, 2, 4])
    assert (test.difference, test.sd, test.df) == (2, 1, 2)
    assert test.t == pytest.approx(2 * math.sqrt(3))
    assert test.p == pytest.approx(1 - math.sqrt(12 / 14))


def test_welch_by_hand():
    # variances 1 and 4 over 3 and 3: u = 1/3, w = 4/3, df = (5/3)^2 / (1/18 + 16/18) = 50/17
    test = welch_t([1, 2, 3], [2, 4, 6])
    assert test.difference == -2
    assert test.sd == pytest.approx(math.sqrt(5))
    assert test.t == pytest.approx(-2 / math.sqrt(5 / 3))
    assert test.df == pytest.approx(50 / 17)


@settings(max_examples=50)
@given(SAMPLE, SAMPLE)
def test_swapping_the_samples_turns_the_sign_alone(a, b):
    one, other = welch_t(a, b), welch_t(b, a)
    assert one.difference == -other.difference and one.p == pytest.approx(other.p, abs=1e-12)
    assert 0 <= one.p <= 1 and one.seeds >= 2


def test_equal_samples_are_identical_and_constant_gaps_certain():
    same = paired_t([0.1, 0.2], [0.1, 0.2])
    assert same.identical and same.p == 1 and math.isinf(same.seeds)
    gap = paired_t([1.5, 2.5], [1.0, 2.0])
    assert not gap.identical and gap.t == math.inf and gap.p == 0 and gap.seeds == 2
    assert welch_t([1, 1], [2, 2]).t == -math.inf


# Sample sizes for power 80 % and two-sided 5 % from standard tables of the t-test (Cohen's d).
@pytest.mark.parametrize("d, paired, per_group", [(0.2, 199, 394), (0.5, 34, 64), (0.8, 15, 26),
                                                  (1.0, 10, 17)])
def test_seeds_needed_of_standard_tables(d, paired, per_group):
    assert seeds_needed(d, 1, samples=1) == paired
    assert seeds_needed(-d, math.sqrt(2), samples=2) == per_group


def test_tiny_differences_need_very_many_seeds():
    # (1.959964 + 0.841621)^2 = 7.848880
    assert seeds_needed(1e-4, 1, samples=1) == pytest.approx(7.848880e8, rel=1e-6)
