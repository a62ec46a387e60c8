"""Memory that is used again: nobody's array is disturbed, and a training step allocates little."""

import gc
import tracemalloc

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.data import Batch
from avanet.models import model_class
from avanet.nn import memory
from avanet.nn.memory import Pool, Workspace, add_product, product

SIZE = memory.LARGE // 4 + 1
FLOAT = np.dtype(np.float32)


def test_memory_comes_back_when_the_last_view_dies():
    pool = Pool()
    array = pool.empty((2, SIZE), FLOAT)
    address, view = array.ctypes.data, array[1:, ::2].T
    del array
    held = pool.empty((2, SIZE), FLOAT)
    assert held.ctypes.data != address
    del view
    assert pool.empty((2, SIZE), FLOAT).ctypes.data == address


def test_arrays_are_as_asked_for():
    pool = Pool()
    for shape in ((3, SIZE), (0, 4), (), (2, 2)):
        array = pool.empty(shape, np.dtype(float))
        assert array.shape == shape and array.dtype == float
        assert array.flags.c_contiguous and array.flags.writeable


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 9)), max_size=40))
def test_no_two_living_arrays_share_memory(actions):
    pool, living = Pool(), []
    for born, scale, which in actions:
        if born:
            array = pool.empty((scale, SIZE), FLOAT)
            array[...] = len(living)
            living.append((array[:, 1:], len(living)))
        elif living:
            living.pop(which % len(living))
        assert all((view == value).all() for view, value in living)


def test_a_workspace_grows_and_stays():
    work = Workspace()
    first = work.take((2, 3), FLOAT)
    assert np.shares_memory(first, work.take((6,), FLOAT))
    assert not np.shares_memory(first, work.take((7,), FLOAT))


def test_products():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(product(a, b), a @ b)
    total = np.ones((2, 4))
    add_product(total, a, b)
    np.testing.assert_array_equal(total, 1 + a @ b)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NumPy's twins take temporaries")
@pytest.mark.parametrize("name, settings_", [
    ("survey-vae", {}), ("vaegan", {}), ("dcgan", {"width": 16})])
def test_a_warm_step_allocates_no_large_array(name, settings_):
    """At its worst a step holds less new memory than one array of hidden units takes."""
    model = model_class(name)(batch=512, **settings_)
    x = np.random.default_rng(0).random((512, 28, 28, 1), np.float32)
    batch = Batch(x, x, None, np.arange(len(x)))
    model.start(x.shape[1:])
    for _ in range(3):
        model.step(batch)
    gc.collect()
    tracemalloc.start()
    model.step(batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 512 * 400 * x.itemsize
