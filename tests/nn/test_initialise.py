"""Start values: ranges, spread, dtype, reproducibility."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.nn import INITIALISERS, initialiser

names = st.sampled_from(sorted(INITIALISERS))
sizes = st.integers(1, 9)
MANY = (200, 300)


def draw(name, shape=MANY, seed=0, dtype=np.float64, **options):
    return initialiser(name, **options)(np.random.default_rng(seed), shape, dtype)


@settings(deadline=None, max_examples=40)
@given(names, sizes, sizes, st.integers(0, 2**32), st.sampled_from([np.float32, np.float64]))
def test_shape_dtype_and_reproducibility(name, fan_in, fan_out, seed, dtype):
    first = draw(name, (fan_in, fan_out), seed, dtype)
    assert first.shape == (fan_in, fan_out) and first.dtype == dtype
    np.testing.assert_array_equal(first, draw(name, (fan_in, fan_out), seed, dtype))


@pytest.mark.parametrize("name", sorted(set(INITIALISERS) - {"zeros"}))
def test_another_seed_gives_other_values(name):
    assert (draw(name, seed=0) != draw(name, seed=1)).all()


def test_zeros():
    assert not draw("zeros").any()


@pytest.mark.parametrize("options, sd", [({}, 0.01), ({"sd": 0.3}, 0.3)])
def test_normal_has_the_spread_asked_for(options, sd):
    values = draw("normal", **options)
    # 60,000 draws: the standard error of the mean is sd / 245, of the deviation sd / 346.
    assert abs(values.mean()) < 5 * sd / 245
    assert abs(values.std() - sd) < 5 * sd / 346


@pytest.mark.parametrize("name, options, bound", [
    ("uniform", {}, 0.05), ("uniform", {"bound": 2.0}, 2.0),
    ("glorot", {}, math.sqrt(6 / 500)),  # fan_in + fan_out = 200 + 300
])
def test_uniform_ranges_are_filled_and_kept(name, options, bound):
    values = draw(name, **options)
    assert -bound <= values.min() < -0.99 * bound and 0.99 * bound < values.max() <= bound
    assert abs(values.var() - bound**2 / 3) < 0.03 * bound**2 / 3


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'xavier'.*zeros, normal, uniform, glorot"):
        initialiser("xavier")
