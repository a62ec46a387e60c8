"""Dense and the base class: by hand, and gradients over shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.nn import Dense, Layer, Sequential, initialiser
from avanet.nn.gradcheck import check_layer
from avanet.nn.layers import batch, fits, values

DTYPES = [np.float32, np.float64]


def dense(dtype=np.float64):
    """W = [[1, 2, 3], [4, 5, 6]], b = (1, 0, -1)."""
    layer = Dense(2, 3)
    network = Sequential([layer], dtype=dtype)
    network.params[:] = [1, 2, 3, 4, 5, 6, 1, 0, -1]
    return layer


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_by_hand(dtype):
    layer = dense(dtype)
    x = np.array([[1, 2], [0, -1]], dtype)
    y, cache = layer.forward(x)
    # (1 + 8 + 1, 2 + 10, 3 + 12 - 1), (-4 + 1, -5, -6 - 1)
    np.testing.assert_array_equal(y, [[10, 12, 14], [-3, -5, -7]])
    dx = layer.backward(np.array([[1, 0, -1], [2, 1, 0]], dtype), cache)
    # dx = dy W^T: (1 - 3, 4 - 6), (2 + 2, 8 + 5)
    np.testing.assert_array_equal(dx, [[-2, -2], [4, 13]])
    # dW = x^T dy: row 1 is 1 (1, 0, -1) + 0 (2, 1, 0), row 2 is 2 (1, 0, -1) - 1 (2, 1, 0)
    np.testing.assert_array_equal(layer.dW, [[1, 0, -1], [0, -1, -2]])
    np.testing.assert_array_equal(layer.db, [3, 1, -1])
    assert y.dtype == dx.dtype == layer.dW.dtype == dtype


def test_accumulate_and_propagate_are_the_halves_of_backward():
    layer, dy = dense(), np.ones((1, 3))
    _, cache = layer.forward(np.array([[1.0, -1.0]]))
    dx = layer.propagate(dy, cache)
    assert not layer.dW.any() and not layer.db.any()
    layer.accumulate(dy, cache)
    once = layer.dW.copy()
    np.testing.assert_array_equal(layer.backward(dy, cache), dx)
    np.testing.assert_array_equal(layer.dW, 2 * once)


def test_start_values():
    layer = Dense(3, 2, initialiser("uniform", bound=0.5))
    network = Sequential([layer], np.random.default_rng(4))
    expected = np.random.default_rng(4).uniform(-0.5, 0.5, (3, 2)).astype(np.float32)
    np.testing.assert_array_equal(layer.W, expected)
    np.testing.assert_array_equal(network.params, [*expected.ravel(), 0, 0])
    layer.b += 1
    layer.initialise(np.random.default_rng(4))
    np.testing.assert_array_equal(layer.b, 0)


@settings(max_examples=40)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32),
       st.sampled_from(["complex", "central", "direction", "direction-central", "taylor"]))
def test_gradients_over_batch_and_widths(batch, n_in, n_out, seed, method):
    x = np.random.default_rng(seed).standard_normal((batch, n_in))
    report = check_layer(Dense(n_in, n_out), x, seed, method)
    assert report.passed, str(report)
    assert [p.name for p in report.parameters] == ["x", "W", "b"]


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_non_contiguous_input_gives_the_same(batch, n_in, n_out, seed):
    rng = np.random.default_rng(seed)
    layer = Dense(n_in, n_out)
    network = Sequential([layer], rng, np.float64)
    x, dy = rng.standard_normal((2 * batch, 2 * n_in)), rng.standard_normal((n_out, batch))
    strided, transposed = x[::2, ::-2], dy.T
    y, cache = layer.forward(strided)
    dx = layer.backward(transposed, cache)
    grads = network.grads.copy()
    network.grads[:] = 0
    y_, cache = layer.forward(np.ascontiguousarray(strided))
    np.testing.assert_allclose(y, y_, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(layer.backward(np.ascontiguousarray(transposed), cache), dx,
                               rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(network.grads, grads, rtol=1e-13, atol=1e-14)


def test_a_bare_layer_has_nothing_and_says_so():
    layer = Layer()
    assert layer.shapes() == {}
    assert layer.initialise(np.random.default_rng(0)) is None
    with pytest.raises(TypeError, match="Layer defines no forward pass"):
        layer.forward(np.zeros((1, 1)))
    with pytest.raises(TypeError, match="Layer defines no backward pass"):
        layer.backward(np.zeros((1, 1)), None)


def test_binding_gives_views_by_name():
    class Two(Layer):
        def shapes(self):
            return {"a": (2,), "c": (1, 2)}

    layer = Two()
    network = Sequential([Dense(2, 1), layer], dtype=np.float64)
    layer.a[:], layer.dc[:] = 7, 9
    np.testing.assert_array_equal(network.params, [0, 0, 0, 7, 7, 0, 0])
    np.testing.assert_array_equal(network.grads, [0, 0, 0, 0, 0, 9, 9])


@pytest.mark.parametrize("shape, pattern, expected", [
    ((3,), None, True), ((3,), (3,), True), ((4,), (3,), False), ((), (3,), False),
    ((2, 3), (3,), False), ((5, 7, 3), ("H", "W", 3), True), ((5, 7, 3), ("H", "W", 1), False),
    ((7, 3), ("H", "W", 3), False), ((5, 7, 3), (..., 3), True), ((3,), (..., 3), True),
    ((), (..., 3), False), ((3, 1), (..., 3), False), ((5, 7), (...,), True), ((), (...,), True),
])
def test_shapes_fit_patterns(shape, pattern, expected):
    assert fits(shape, pattern) is expected


def test_shapes_in_words():
    assert values((3,)) == "3 values" and values(("H", "W", 1)) == "H x W x 1 values"
    assert values(()) == "no values"
    assert batch((3,)) == "(B, 3)" and batch((..., 2)) == "(B, ..., 2)"


def test_a_layer_tells_its_output_shape():
    assert Dense(3, 2).output_shape((3,)) == (2,) and Dense(3, 2).input_shape == (3,)
    assert Layer().output_shape((4, 5)) == (4, 5) and Layer().input_shape is None
    with pytest.raises(ValueError, match="dense 3-2 takes 3 values, got 4 values"):
        Dense(3, 2).output_shape((4,))


def test_a_layer_has_one_mode_and_no_buffers_unless_it_says_so():
    assert not Layer.modal and Layer().buffers() == {}
