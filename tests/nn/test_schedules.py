"""Schedules, step by step by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.nn.schedules import constant, cosine, step_decay, warm_up


def rates(schedule, *steps):
    return pytest.approx([schedule(step) for step in steps], rel=1e-12, abs=1e-15)


def test_constant():
    assert [0.1, 0.1, 0.1] == rates(constant(0.1), 0, 7, 10**9)


def test_step_decay():
    assert [8, 8, 4, 4, 2, 1] == rates(step_decay(8, 0.5, 10), 0, 9, 10, 19, 20, 30)


def test_cosine():
    # cos 0, 60, 90, 120 and 180 degrees are 1, 1/2, 0, -1/2, -1
    assert [1, 0.75, 0.5, 0.25, 0, 0] == rates(cosine(1, 6), 0, 2, 3, 4, 6, 100)
    assert [5, 3, 1, 1] == rates(cosine(5, 4, last=1), 0, 2, 4, 5)


def test_warm_up_hands_over():
    assert [2, 4, 6, 8, 8, 4, 2] == rates(
        warm_up(4, step_decay(8, 0.5, 2)), 0, 1, 2, 3, 5, 6, 8)
    assert [0.5, 1, 1, 0.5, 0] == rates(warm_up(2, cosine(1, 10)), 0, 1, 2, 7, 12)


def test_warm_ups_can_be_nested():
    assert [1, 2, 4, 8, 8] == rates(warm_up(2, warm_up(4, constant(8))), 0, 1, 3, 5, 6)


@settings(max_examples=50)
@given(st.floats(1e-6, 10), st.integers(1, 50), st.integers(1, 500), st.integers(0, 1000))
def test_rates_stay_between_zero_and_the_highest(rate, warm, steps, step):
    for then in (constant(rate), step_decay(rate, 0.3, steps), cosine(rate, steps)):
        assert 0 <= warm_up(warm, then)(step) <= rate * (1 + 1e-12)
        assert warm_up(warm, then)(warm - 1) == pytest.approx(then(0))


@pytest.mark.parametrize("make", [
    lambda n: step_decay(1, 0.5, n), lambda n: cosine(1, n), lambda n: warm_up(n, constant(1))])
@pytest.mark.parametrize("n", [0, -3, 1.5])
def test_lengths_are_whole_and_positive(make, n):
    with pytest.raises(ValueError, match=f"whole number of at least 1, got {n}"):
        make(n)


@pytest.mark.parametrize("factor", [-0.5, math.nan])
def test_a_factor_is_not_negative(factor):
    with pytest.raises(ValueError, match="factor must not be negative"):
        step_decay(1, factor, 10)
