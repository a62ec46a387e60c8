"""The flat vectors and the views into them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.nn import Store

shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)
layers = st.lists(st.dictionaries(st.sampled_from("WbUV"), shapes, max_size=3), max_size=4)


def test_views_are_shaped_stretches_of_the_flat_vectors():
    store = Store([{"W": (2, 3), "b": (3,)}, {}, {"W": (3, 1)}], np.float64)
    store.params[:] = np.arange(12)
    (first, views), (second, none), (third, last) = store.layers
    assert (first, second, third) == (slice(0, 9), slice(9, 9), slice(9, 12))
    assert none == {}
    np.testing.assert_array_equal(views["W"][0], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(views["b"][0], [6, 7, 8])
    np.testing.assert_array_equal(last["W"][0], [[9], [10], [11]])


def test_writing_a_view_writes_the_flat_vector_and_not_the_other_one():
    store = Store([{"W": (2, 2)}])
    value, gradient = store.layers[0][1]["W"]
    value[1, 0] = 5
    gradient += 1
    np.testing.assert_array_equal(store.params, [0, 0, 5, 0])
    np.testing.assert_array_equal(store.grads, [1, 1, 1, 1])


def test_a_scalar_parameter_is_a_view_too():
    store = Store([{"a": ()}], np.float64)
    value, _ = store.layers[0][1]["a"]
    value[...] = 3
    assert value.shape == () and store.params[0] == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_is_the_one_asked_for(dtype):
    store = Store([{"W": (1, 2)}], dtype)
    assert store.params.dtype == store.grads.dtype == dtype


def test_without_parameters_the_vectors_are_empty():
    assert Store([{}, {}]).params.shape == Store([]).grads.shape == (0,)


@settings(max_examples=50)
@given(layers)
def test_every_component_belongs_to_exactly_one_view(layers):
    store = Store(layers, np.float64)
    assert store.params.size == sum(math.prod(s) for layer in layers for s in layer.values())
    for part, views in store.layers:
        assert part.stop - part.start == sum(value.size for value, _ in views.values())
        for name, (value, gradient) in views.items():
            value += 1
            gradient += 1
    np.testing.assert_array_equal(store.params, 1)
    np.testing.assert_array_equal(store.grads, 1)
    assert [{n: v.shape for n, (v, _) in views.items()} for _, views in store.layers] == layers
