"""Shifted planes: by hand, and the compiled loops against their twins."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.kernels.planes import PAIRS, PLANE_KERNELS

DTYPES = [np.float32, np.float64]
both = pytest.mark.parametrize("twin", [0, 1], ids=["compiled", "numpy"])


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_by_hand(twin, dtype):
    """A 2x2 image with a column of zeros to its right, w = 1, 10, 100 here, to the right, below."""
    x = np.array([[1, 2], [3, 4]], dtype)[None, ..., None]
    place = 0, 3, 9, 2, np.array([0, 1, 3])
    planes, sums = np.full((1, 32), 9, dtype), np.full((1, 16), 9, dtype)
    y = np.empty_like(x)
    PAIRS["correlate"][twin](
        x, place, np.array([[1, 10, 100]], dtype), np.array([1000], dtype), planes, sums, y)
    np.testing.assert_array_equal(y[0, ..., 0], [[1321, 1402], [1043, 1004]])
    w = np.array([[0, 5, 0]], dtype)
    PAIRS["add_products"][twin](x, place, np.array([[1, 0], [0, 2]], dtype)[None, ..., None],
                                planes, sums, w)
    np.testing.assert_array_equal(w, [[1 + 2 * 4, 5 + 2, 3]])


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 4), st.tuples(st.integers(1, 9), st.integers(1, 90)),
       st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), st.sampled_from(DTYPES),
       st.integers(0, 99))
def test_twins_agree(images, group, size, depth, channels, threes, dtype, seed):
    """The twin takes one image at a time, and looks no further than it reaches."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)
    pitch, below, before = size[1] + int(rng.integers(0, 3)), 5, int(rng.integers(0, 5))
    step = (size[0] + below) * pitch
    pixels = (group - 1) * step + size[0] * pitch
    planes = np.zeros((depth, before + pixels + below * pitch), dtype)
    x, y = draw(images, *size, depth), draw(images, *size, channels)
    sums = np.zeros((channels + rng.integers(0, 2), pixels), dtype)
    w, b = draw(len(sums), 3 * threes), draw(len(sums))
    shifts = (planes.shape[1] * rng.integers(0, depth, 3 * threes)
              + rng.integers(0, before + (below - 1) * pitch + 1, 3 * threes))
    place = before, pitch, step, group, shifts
    results, weights = [], []
    for twin in (0, 1):
        results.append(np.empty_like(y))
        PAIRS["correlate"][twin](x, place, w, b, planes, sums, results[-1])
        weights.append(w.copy())
        PAIRS["add_products"][twin](x, place, y, planes, sums, weights[-1])
    close = {"rtol": 1e-4, "atol": 1e-3} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(*results, **close)
    np.testing.assert_allclose(*weights, **close)


def test_the_table_follows_the_switch():
    twin = bool(numba.config.DISABLE_JIT)
    assert PLANE_KERNELS == {name: pair[twin] for name, pair in PAIRS.items()}
