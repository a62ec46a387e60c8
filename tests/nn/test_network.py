"""Sequential: by hand, the door, caches as values, both entrances, no promotion."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.nn import (
    ACTIVATIONS, BatchNorm, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, Identity, Layer,
    LeakyReLU, Logistic, MaxPool2D, Momentum, NonFiniteError, ReLU, Reshape, Sequential, Tanh, sgd,
)
from avanet.nn.gradcheck import check_network
from avanet.nn.losses import LOSSES, half_squared_error

DTYPES = [np.float32, np.float64]
LN3 = math.log(3)


def small(rng=0, dtype=np.float64):
    layers = [Dense(3, 5), Tanh(), Dense(5, 4), Logistic(0.5, 0.5), Dense(4, 2), Logistic()]
    return Sequential(layers, np.random.default_rng(rng), dtype, "small")


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-15)])
def test_one_sgd_step_of_a_2_2_1_network_by_hand(dtype, tolerance):
    # x = (1, 2), t = 1, rate 4/5; logistic(0) = 1/2, logistic(ln 3) = 3/4.
    #
    # W1 = [[2, 1], [-1, -1/2]], b1 = (0, ln 3):  v1 = (2 - 2, 1 - 1 + ln 3),  h = (1/2, 3/4)
    # W2 = [[2], [-4]],          b2 = 2:          v2 = 1 - 3 + 2 = 0,           y = 1/2
    # L = (1/2 - 1)^2 / 2 = 1/8,   dy = -1/2,   dv2 = -1/2 * 1/4 = -1/8
    # dW2 = h dv2 = (-1/16, -3/32),             db2 = -1/8
    # dh = W2 dv2 = (-1/4, 1/2),   dv1 = (-1/4 * 1/4, 1/2 * 3/16) = (-1/16, 3/32)
    # dW1 = x^T dv1 = [[-1/16, 3/32], [-1/8, 3/16]],   db1 = (-1/16, 3/32)
    # dx = dv1 W1^T = (-1/8 + 3/32, 1/16 - 3/64) = (-1/32, 1/64)
    # params -= 4/5 of these:  W1 = [[2.05, 0.925], [-0.9, -0.65]],  b1 = (0.05, ln 3 - 0.075),
    #                          W2 = (2.05, -3.925),                  b2 = 2.1
    network = Sequential([Dense(2, 2), Logistic(), Dense(2, 1), Logistic()], dtype=dtype)
    network.params[:] = [2, 1, -1, -0.5, 0, LN3, 2, -4, 2]
    y, caches = network.forward(np.array([[1, 2]], dtype))
    loss, dy = half_squared_error(y, np.array([[1]], dtype))
    dx = network.backward(dy, caches)
    sgd(network.params, network.grads, 0.8)
    np.testing.assert_allclose(y, [[0.5]], rtol=tolerance)
    np.testing.assert_allclose(loss, 0.125, rtol=tolerance)
    np.testing.assert_allclose(dx, [[-1/32, 1/64]], rtol=10 * tolerance)
    np.testing.assert_allclose(
        network.grads, [-1/16, 3/32, -1/8, 3/16, -1/16, 3/32, -1/16, -3/32, -1/8],
        rtol=10 * tolerance)
    np.testing.assert_allclose(
        network.params, [2.05, 0.925, -0.9, -0.65, 0.05, LN3 - 0.075, 2.05, -3.925, 2.1],
        rtol=10 * tolerance)


def test_parameters_are_one_vector_in_the_order_of_the_layers():
    network = small()
    assert network.params.shape == network.grads.shape == (20 + 24 + 10,)
    assert [(p.start, p.stop) for p in network.slices] == [
        (0, 20), (20, 20), (20, 44), (44, 44), (44, 54), (54, 54)]
    network.params[20] = 42
    assert network.layers[2].W[0, 0] == 42
    assert network.n_in == 3


def test_start_values_come_from_the_generator_alone():
    np.testing.assert_array_equal(small(3).params, small(3).params)
    assert (small(3).params != small(4).params).any()
    assert not Sequential([Dense(2, 2)]).params.any()
    assert Sequential([Dense(2, 2)]).params.dtype == np.float32


@pytest.mark.parametrize("shape", [(3,), (2, 4), (1, 2, 3), ()])
def test_another_shape_is_refused_at_the_door(shape):
    with pytest.raises(ValueError, match=r"small expects input of shape \(B, 3\), got \("):
        small().forward(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.complex128])
def test_another_dtype_is_refused_at_the_door(dtype):
    with pytest.raises(ValueError, match=f"small computes in float64, got {np.dtype(dtype)} input"):
        small().forward(np.zeros((1, 3), dtype))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_non_finite_value_names_the_layer_where_it_appears(bad):
    network = small()
    network.layers[2].W[1, 1] = bad
    with pytest.raises(NonFiniteError, match="NaN or overflow in small, dense 5-4") as caught:
        network.forward(np.ones((2, 3)))
    assert caught.value.where == "small, dense 5-4"
    network = small()
    _, caches = network.forward(np.ones((2, 3)))
    network.layers[0].W[0, 0] = bad
    with pytest.raises(NonFiniteError, match="small, dense 3-5"), np.errstate(invalid="ignore"):
        network.backward(np.ones((2, 2)), caches)


def test_overflow_is_caught_too():
    network = Sequential([Dense(1, 1), Identity()], dtype=np.float32)
    network.params[:] = 3e38, 3e38
    with pytest.raises(NonFiniteError, match="dense 1-1"), np.errstate(over="ignore"):
        network.forward(np.ones((1, 1), np.float32))


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_caches_are_values(seed, first, second, swapped):
    """Two evaluations before either goes back, in either order, as if each were alone."""
    rng = np.random.default_rng(seed)
    network = small(seed % 5)
    x = [rng.standard_normal((batch, 3)) for batch in (first, second)]
    dy = [rng.standard_normal((batch, 2)) for batch in (first, second)]
    alone = []
    for a, da in zip(x, dy):
        network.grads[:] = 0
        dx = network.backward(da, network.forward(a)[1])
        alone.append((dx, network.grads.copy()))
    network.grads[:] = 0
    caches = [network.forward(a)[1] for a in x]
    for k in (1, 0) if swapped else (0, 1):
        np.testing.assert_array_equal(network.backward(dy[k], caches[k]), alone[k][0])
    np.testing.assert_allclose(network.grads, alone[0][1] + alone[1][1], rtol=1e-12, atol=1e-13)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_below_the_output_the_slope_is_already_in(seed, batch):
    rng = np.random.default_rng(seed)
    network, dy = small(), rng.standard_normal((batch, 2))
    y, caches = network.forward(rng.standard_normal((batch, 3)))
    above = network.backward(dy, caches)
    grads = network.grads.copy()
    network.grads[:] = 0
    below = network.backward(dy * y * (1 - y), caches, below_output=True)
    np.testing.assert_allclose(below, above, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(network.grads, grads, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("below_output", [False, True])
def test_propagate_returns_the_same_and_leaves_the_gradients_alone(below_output):
    network, rng = small(), np.random.default_rng(1)
    _, caches = network.forward(rng.standard_normal((3, 3)))
    dy = rng.standard_normal((3, 2))
    dx = network.propagate(dy, caches, below_output)
    assert not network.grads.any()
    np.testing.assert_array_equal(dx, network.backward(dy, caches, below_output))
    assert network.grads.all()


@settings(max_examples=25)
@given(st.data())
def test_gradients_of_whole_networks(data):
    widths = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    names = st.sampled_from(sorted(ACTIVATIONS))
    seed, batch = data.draw(st.integers(0, 2**32)), data.draw(st.integers(1, 4))
    layers = []
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [Dense(n_in, n_out), ACTIVATIONS[data.draw(names)]()]
    rng = np.random.default_rng(seed)
    network = Sequential(layers, rng, data.draw(st.sampled_from(DTYPES)))
    x = rng.standard_normal((batch, widths[0]))
    for below_output in (False, True):
        report = check_network(network, x, seed, below_output)
        assert report.passed, str(report)


def test_an_activation_alone_may_come_first():
    network = Sequential([ReLU(), Dense(2, 1)], dtype=np.float64)
    network.params[:] = 1, 10, 100
    np.testing.assert_array_equal(network.forward(np.array([[-3.0, 2.0]]))[0], [[120]])


class Unpromoted(np.ndarray):
    """float32 that raises as soon as an operation answers in a wider type."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if out is not None:
            options["out"] = tuple(_plain(a) for a in out)
        return _watched(getattr(ufunc, method)(*map(_plain, inputs), **options), ufunc.__name__)

    def __array_function__(self, function, types, args, options):
        return _watched(function(*map(_plain, args), **options), function.__name__)


def _plain(a):
    return a.view(np.ndarray) if isinstance(a, Unpromoted) else a


def _watched(result, name):
    if np.asarray(result).dtype.kind in "fc" and np.asarray(result).dtype != np.float32:
        raise TypeError(f"{name} was promoted to {np.asarray(result).dtype}")
    return result.view(Unpromoted) if isinstance(result, np.ndarray) else result


def unpromoted(a):
    return np.asarray(a, np.float32).view(Unpromoted)


def test_the_watch_sees_promotion():
    for widen in (lambda a: a * np.float64(2), lambda a: a @ np.ones((2, 2)),
                  lambda a: np.where(a > 0, a, np.zeros(2)), lambda a: a.sum() * np.ones(2)):
        with pytest.raises(TypeError, match="promoted to float64"):
            _watched(widen(unpromoted([[1, 2]])), "last")


@pytest.mark.parametrize("activation", [cls() for cls in ACTIVATIONS.values()] + [Logistic(.5, .5)],
                         ids=repr)
def test_layers_do_not_promote(activation):
    """Watched within the activation; products are written into arrays of a given type."""
    x = unpromoted(np.random.default_rng(1).standard_normal((4, 3)))
    y, cache = activation.forward(x)
    dx = activation.backward(unpromoted(np.ones((4, 3))), cache)
    assert y.dtype == dx.dtype == np.float32
    network = Sequential([Dense(3, 2), activation, Dense(2, 2)], np.random.default_rng(0))
    y, caches = network.forward(x)
    dx = network.backward(unpromoted(np.ones((4, 2))), caches)
    assert y.dtype == dx.dtype == network.grads.dtype == np.float32


@pytest.mark.parametrize("name", LOSSES)
def test_losses_do_not_promote(name):
    points = [unpromoted([[0.25, 0.5], [0.75, 0.5]])] * LOSSES[name].__code__.co_argcount
    value, gradients = LOSSES[name](*points)
    assert value.dtype == np.float32
    for gradient in gradients if isinstance(gradients, tuple) else (gradients,):
        assert gradient.dtype == np.float32


def test_optimisers_do_not_promote():
    params, grads = unpromoted([1, 2]), unpromoted([3, 4])
    sgd(params, grads, 0.1)
    Momentum(0.9)(params, grads, 0.1)
    assert params.dtype == np.float32


def test_a_layer_of_ones_own_serves_in_a_network():
    class Square(Layer):
        """y = x^2, with a cache that is neither input nor output."""

        def forward(self, x):
            return x * x, {"slope": 2 * x}

        def propagate(self, dy, cache):
            return dy * cache["slope"]

    network = Sequential([Dense(2, 3), Square(), Dense(3, 1)], np.random.default_rng(0))
    assert check_network(network, np.array([[1.0, -2.0]])).passed


def two_layers():
    return Sequential([Dense(2, 3), Logistic(), Dense(3, 1)], np.random.default_rng(0), np.float64)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_trains_by_itself(copied):
    net, x = two_layers(), np.ones((1, 2))
    twin = copied(net)
    before = net.forward(x)[0]
    twin.params += 1  # reaches the layers only if their views are into the copy's vector
    assert twin.forward(x)[0] != before
    np.testing.assert_array_equal(net.forward(x)[0], before)


def test_other_layers_on_the_same_parameters():
    net, x = two_layers(), np.ones((1, 2))
    twin = net.with_layers(net.layers[:1])
    twin.params[:] = 0
    assert not net.layers[0].W.any()
    assert twin.forward(x)[0].shape == (1, 3) and net.forward(x)[0].shape == (1, 1)


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="dense 2-3 gives 3 values, dense 4-1 takes 4"):
        Sequential([Dense(2, 3), Tanh(), Dense(4, 1)])


def test_one_layer_object_twice_is_refused():
    layer = Dense(2, 2)
    with pytest.raises(ValueError, match="twice"):
        Sequential([layer, layer])


def test_a_network_without_widths_takes_any_input():
    y, caches = (net := Sequential([Tanh()], dtype=np.float64)).forward(np.zeros((2, 5)))
    assert net.backward(np.ones((2, 5)), caches).shape == y.shape == (2, 5)


def test_errors_are_checked_at_the_door():
    net = two_layers()
    _, caches = net.forward(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"error of shape \(B, 1\), got \(2, 3\)"):
        net.backward(np.ones((2, 3)), caches)
    with pytest.raises(ValueError, match="computes in float64, got float32 error"):
        net.backward(np.ones((2, 1), np.float32), caches)


def test_a_nan_in_the_input_is_called_input():
    with pytest.raises(NonFiniteError, match="network, input"):
        two_layers().forward(np.full((1, 2), np.nan))


def test_a_non_finite_error_survives_pickling():
    error = pickle.loads(pickle.dumps(NonFiniteError("net, dense")))
    assert str(error) == "NaN or overflow in net, dense" and error.where == "net, dense"


# Images, modes, buffers ---------------------------------------------------------------------------


def discriminator(dtype=np.float64):
    layers = [Conv2D(1, 4, 3, 2, "same"), LeakyReLU(), Dropout(0.3), Conv2D(4, 3, 3), BatchNorm(3),
              MaxPool2D(2), Flatten(), Dense(3, 1)]
    return Sequential(layers, np.random.default_rng(0), dtype, "D")


def generator():
    layers = [Dense(3, 12), Reshape((2, 2, 3)), BatchNorm(3), ConvTranspose2D(3, 1, 5, 2, "same")]
    return Sequential(layers, np.random.default_rng(0), np.float64, "G")


def test_images_pass_the_door_and_gradients_hold():
    rng = np.random.default_rng(1)
    for network, shape in ((discriminator(), (2, 8, 7, 1)), (generator(), (3, 3))):
        report = check_network(network, rng.standard_normal(shape))
        assert report.passed, str(report)
    assert (discriminator().n_in, discriminator().n_out) == (None, 1)
    assert (generator().n_in, generator().n_out) == (3, None)


def test_output_shapes_follow_the_layers():
    assert generator().output_shape((3,)) == (4, 4, 1)
    assert discriminator().output_shape((8, 8, 1)) == (1,)
    assert generator().input_shape == (3,) and discriminator().input_shape == ("H", "W", 1)


@pytest.mark.parametrize("shape, message", [
    ((2, 8, 8), r"D expects input of shape \(B, H, W, 1\), got \(2, 8, 8\)"),
    ((2, 64), r"D expects input of shape \(B, H, W, 1\), got \(2, 64\)"),
    ((2, 8, 8, 3), r"D expects input of shape \(B, H, W, 1\), got \(2, 8, 8, 3\)"),
    ((2, 12, 8, 1), "D: flatten gives 6 values, dense 3-1 takes 3 values"),
    ((2, 3, 3, 1), "conv 3x3 4-3 leaves nothing of 2 x 2 x 4 values"),
])
def test_images_that_do_not_fit_are_refused_at_the_door(shape, message):
    with pytest.raises(ValueError, match=message):
        discriminator().forward(np.zeros(shape))


def test_errors_of_images_are_checked_too():
    network = generator()
    y, caches = network.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"error of shape \(B, 4, 4, 1\), got \(2, 16\)"):
        network.backward(np.ones((2, 16)), caches)
    assert network.backward(np.ones_like(y), caches).shape == (2, 3)


def test_layers_of_images_that_do_not_fit_are_refused_when_made():
    with pytest.raises(ValueError, match="reshape 2 x 2 x 3 gives 2 x 2 x 3 values, conv 3x3 1-2 "
                                         "takes H x W x 1 values"):
        Sequential([Dense(2, 12), Reshape((2, 2, 3)), ReLU(), Conv2D(1, 2, 3)])


class Mode(Layer):
    """y = x + 1 in training, x otherwise: a modal layer of one's own."""

    modal = True

    def forward(self, x, train=False, rng=None):
        return x + train, None

    def propagate(self, dy, cache):
        return dy


def test_modal_layers_hear_the_mode_and_others_do_not():
    network = Sequential([Tanh(), Mode(), Identity()], dtype=np.float64)
    x = np.zeros((1, 2))
    np.testing.assert_array_equal(network.forward(x)[0], [[0, 0]])
    np.testing.assert_array_equal(network.forward(x, train=True)[0], [[1, 1]])


def test_dropout_draws_from_the_generator_alone():
    network, x = discriminator(), np.ones((2, 8, 8, 1))
    once, again, other = (
        network.forward(x, True, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()
    np.testing.assert_array_equal(discriminator().forward(x)[0], discriminator().forward(x)[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_buffers_are_copied_and_keep_their_dtype(copied):
    network, x = discriminator(np.float32), np.ones((2, 8, 8, 1), np.float32)
    network.forward(x, True, np.random.default_rng(0))
    twin = copied(network)
    assert list(twin.buffers()) == ["4 batch norm 3 running_mean", "4 batch norm 3 running_var"]
    for name, value in twin.buffers().items():
        np.testing.assert_array_equal(value, network.buffers()[name])
        assert value.dtype == np.float32 and not np.shares_memory(value, network.buffers()[name])


def test_a_network_without_state_has_no_buffers():
    assert two_layers().buffers() == {}


def test_other_layers_check_shapes_of_their_own():
    """Remembered shapes belong to the layers, not to the parameters."""
    net = two_layers()
    net.forward(np.ones((1, 2)))
    twin = net.with_layers(net.layers[:1])
    _, caches = twin.forward(np.ones((1, 2)))
    assert twin.backward(np.ones((1, 3)), caches).shape == (1, 2)


def test_accumulate_makes_no_error_that_serves_no_gradient(monkeypatch):
    """Neither dL/dx of the first layer with parameters nor of what stands before it."""
    layers = [Flatten(), Dense(6, 3), Tanh(), Dense(3, 2)]
    network = Sequential(layers, np.random.default_rng(0), np.float64)
    x, dy = np.random.default_rng(1).standard_normal((4, 8, 2, 3))[:, :4], np.ones((4, 2))
    _, caches = network.forward(x[0])
    network.backward(dy, caches)
    expected = network.grads.copy()
    network.grads[:] = 0
    gone_back = []
    for cls in (Flatten, Dense, Tanh):
        real = cls.propagate
        monkeypatch.setattr(cls, "propagate", lambda self, dy, cache, real=real: gone_back.append(
            self.name) or real(self, dy, cache))
    network.accumulate(dy, caches)
    np.testing.assert_array_equal(network.grads, expected)
    assert gone_back == ["dense 3-2", "tanh"]
