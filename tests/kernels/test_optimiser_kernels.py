"""Each optimiser's compiled kernel against its NumPy twin: equal bit for bit.

With NUMBA_DISABLE_JIT=1 the compiled kernels run as the Python loops that they are.
"""

import inspect

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.kernels.optimisers import OPTIMISER_KERNELS, PAIRS

VECTORS = {"sgd": 2, "momentum": 3, "nesterov": 3, "rmsprop": 3, "adam": 4}
names = pytest.mark.parametrize("name", PAIRS)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def arguments(name, n, dtype, seed=0):
    """Vectors and scalars of one dtype; running means of squares are not negative."""
    rng = np.random.default_rng(seed)
    vectors = [rng.standard_normal(n).astype(dtype) for _ in range(VECTORS[name])]
    if name in ("rmsprop", "adam"):
        vectors[-1] = vectors[-1] ** 2
    n_scalars = len(inspect.signature(PAIRS[name][1]).parameters) - len(vectors)
    return vectors, [dtype(s) for s in rng.uniform(0.01, 0.99, n_scalars)]


def run_both(name, vectors, scalars, lay_out=np.copy):
    both = []
    for kernel in PAIRS[name]:
        own = [lay_out(vector) for vector in vectors]
        kernel(*own, *scalars)
        both.append(own)
    return both


@names
@dtypes
@pytest.mark.parametrize("n", [0, 1, 7, 8, 1000, 4099])
def test_twins_are_equal(name, dtype, n):
    vectors, scalars = arguments(name, n, dtype)
    ours, theirs = run_both(name, vectors, scalars)
    for k, (a, b) in enumerate(zip(ours, theirs)):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == dtype
        assert (a != vectors[k]).any() == (n > 0 and k != 1)  # all change but the gradient


@names
@dtypes
def test_twins_are_equal_on_every_second_element(name, dtype):
    def strided(vector):
        wide = np.zeros(2 * len(vector), dtype)
        wide[::2] = vector
        return wide[::2]

    vectors, scalars = arguments(name, 101, dtype)
    ours, theirs = run_both(name, vectors, scalars, strided)
    dense, _ = run_both(name, vectors, scalars)
    for a, b, c in zip(ours, theirs, dense):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


@names
@settings(max_examples=25)
@given(st.data())
def test_twins_are_equal_at_any_magnitude_and_on_nan(name, data):
    element = st.floats(-2.0**60, 2.0**60, width=32) | st.just(np.nan)
    vectors, scalars = arguments(name, 5, np.float32)
    vectors[1][:] = data.draw(st.lists(element, min_size=5, max_size=5))
    with np.errstate(all="ignore"):
        for a, b in zip(*run_both(name, vectors, scalars)):
            np.testing.assert_array_equal(a, b)


@names
def test_twins_have_one_signature(name):
    signatures = [list(inspect.signature(getattr(f, "py_func", f)).parameters)
                  for f in PAIRS[name]]
    assert signatures[0] == signatures[1]


def test_the_table_has_the_compiled_ones_unless_compiling_is_off():
    off = bool(numba.config.DISABLE_JIT)
    assert OPTIMISER_KERNELS == {name: pair[off] for name, pair in PAIRS.items()}


def test_numba_is_imported_at_the_first_step_only(python):
    program = """
import sys
import numpy as np
from avanet.nn.optim import Adam
step = Adam()
assert "numba" not in sys.modules
step(np.ones(2), np.ones(2), 0.1)
print("numba" in sys.modules)
"""
    assert python("-c", program)[:2] == (0, "True\n")
