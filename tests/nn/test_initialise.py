"""Start values: ranges, spread, dtype, reproducibility."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.nn import INITIALISERS, initialiser
from avanet.nn.initialise import fans

names = st.sampled_from(sorted(INITIALISERS))
sizes = st.integers(1, 9)
MANY = (200, 300)


def draw(name, shape=MANY, seed=0, dtype=np.float64, **options):
    return initialiser(name, **options)(np.random.default_rng(seed), shape, dtype)


@settings(max_examples=40)
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


@pytest.mark.parametrize("name, options, sd", [
    ("normal", {}, 0.01), ("normal", {"sd": 0.3}, 0.3), ("he", {}, 0.1)])  # sqrt(2 / 200)
def test_normal_has_the_spread_asked_for(name, options, sd):
    values = draw(name, **options)
    # 60,000 draws: the standard error of the mean is sd / 245, of the deviation sd / 346.
    assert abs(values.mean()) < 5 * sd / 245
    assert abs(values.std() - sd) < 5 * sd / 346


@pytest.mark.parametrize("name, options, bound", [
    ("uniform", {}, 0.05), ("uniform", {"bound": 2.0}, 2.0),
    ("glorot", {}, math.sqrt(6 / 500)),  # fan_in + fan_out = 200 + 300
    ("fan_in", {}, 1 / math.sqrt(200)),
])
def test_uniform_ranges_are_filled_and_kept(name, options, bound):
    values = draw(name, **options)
    assert -bound <= values.min() < -0.99 * bound and 0.99 * bound < values.max() <= bound
    assert abs(values.var() - bound**2 / 3) < 0.03 * bound**2 / 3


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'xavier'.*zeros, normal, uniform, glorot"):
        initialiser("xavier")


@pytest.mark.parametrize("shape, expected", [
    ((5, 7), (5, 7)), ((7,), (7, 7)),
    # 3 x 4 cells; each output sums 12 x 5 products, each input enters 12 x 7
    ((3, 4, 5, 7), (60, 84)), ((1, 1, 5, 7), (5, 7)),
])
def test_fans(shape, expected):
    assert fans(shape) == expected


@pytest.mark.parametrize("name, bound", [("glorot", math.sqrt(6 / (60 + 84 * 10))),
                                         ("fan_in", 1 / math.sqrt(60))])
def test_kernels_are_drawn_by_their_fans(name, bound):
    values = draw(name, (3, 4, 5, 70))
    assert 0.99 * bound < np.abs(values).max() <= bound
    assert abs(draw("he", (3, 4, 5, 700)).std() / math.sqrt(2 / 60) - 1) < 0.02


@pytest.mark.parametrize("shape", [(6, 5), (3, 2, 4, 5)])
def test_fans_against_pytorch(shape):
    """Weights of the same layers, in PyTorch's order of the axes."""
    torch = pytest.importorskip("torch")
    theirs = torch.empty(*(shape[i] for i in (3, 2, 0, 1)) if len(shape) == 4 else shape[::-1])
    assert fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(theirs)
