"""Gathering and scattering patches: by hand, the compiled loops against their twins, adjoints."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.kernels.convolution import CONVOLUTION_KERNELS, PAIRS
from avanet.nn.conv import Patches

DTYPES = [np.float32, np.float64]
both = pytest.mark.parametrize("twin", [0, 1], ids=["compiled", "numpy"])
small = st.integers(1, 5)
pairs = st.tuples(small, small)
patches_ = st.builds(Patches, st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(
    st.integers(1, 3), st.integers(1, 3)), st.tuples(st.integers(0, 5), st.integers(0, 5)), pairs)


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_by_hand(twin, dtype):
    image = np.array([[1, 2], [3, 4]], dtype)[None, ..., None]
    patches = Patches((2, 2), (1, 2), (1, 1), (3, 2))  # from (-1, -1), (-1, 1), (0, -1), ...
    columns = np.full((6, 4), 9, dtype)
    PAIRS["gather"][twin](image, patches, 0, columns)
    np.testing.assert_array_equal(columns, [
        [0, 0, 0, 1], [0, 0, 2, 0], [0, 1, 0, 3], [2, 0, 4, 0], [0, 3, 0, 0], [4, 0, 0, 0]])
    total = np.full_like(image, 10)
    PAIRS["scatter"][twin](np.arange(24, dtype=dtype).reshape(6, 4), patches, 0, total)
    # 1 is the last of patch 0 and the second of patch 2: 3 + 9; 2: 6 + 12; 3: 11 + 17; 4: 14 + 20
    np.testing.assert_array_equal(total[0, ..., 0], [[22, 28], [38, 44]])


@settings(max_examples=50)
@given(patches_, pairs, st.integers(1, 3), st.integers(1, 3), st.sampled_from(DTYPES), st.data())
def test_twins_agree_on_any_stretch_of_lines(patches, size, images, depth, dtype, data):
    lines = images * patches.grid[0]
    first = data.draw(st.integers(0, lines - 1))
    count = data.draw(st.integers(1, lines - first)) * patches.grid[1]
    rng = np.random.default_rng(0)
    image = rng.standard_normal((images, *size, depth)).astype(dtype)
    columns = rng.standard_normal((count, depth * patches.size[0] * patches.size[1])).astype(dtype)
    gathered, summed = [columns.copy() for _ in "ab"], [image.copy() for _ in "ab"]
    for twin in (0, 1):
        PAIRS["gather"][twin](image, patches, first, gathered[twin])
        PAIRS["scatter"][twin](columns, patches, first, summed[twin])
    np.testing.assert_array_equal(*gathered)
    np.testing.assert_allclose(*summed, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-5)
    # <gather(image), columns> = <image, scatter(columns)>
    assert np.isclose((gathered[0] * columns).sum(), (image * (summed[0] - image)).sum(),
                      rtol=1e-3, atol=1e-3)


def test_the_table_follows_the_switch():
    twin = bool(numba.config.DISABLE_JIT)
    assert CONVOLUTION_KERNELS == {name: pair[twin] for name, pair in PAIRS.items()}
