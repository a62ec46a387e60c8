"""The gradient checker: right gradients pass, planted errors are caught, kinks are counted."""

import ast
import copy
import doctest
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.nn import ACTIVATIONS, Dense, Layer, LeakyReLU, Logistic, ReLU, Sequential, Tanh
from avanet.nn import gradcheck, initialiser
from avanet.nn.gradcheck import (
    TOLERANCES, check_function, check_layer, check_loss, check_network,
)
from avanet.nn.losses import LOSSES, gaussian_kl, half_squared_error

COMPONENTWISE = ["complex", "central"]
LOSS_ARGUMENTS = {
    "half_squared_error": ("y",), "binary_cross_entropy": ("p",),
    "binary_cross_entropy_from_logits": ("v",), "gaussian_kl": ("mu", "var"),
    "categorical_cross_entropy_from_logits": ("v",),
    "gaussian_kl_from_log_variance": ("mu", "log_var"), "gan_discriminator": ("d_real", "d_fake"),
    "gan_generator_saturating": ("d_fake",), "gan_generator_non_saturating": ("d_fake",),
}


def waves(a, b):
    """f = sum_ij sin(a_ij) b_j;   df/da = cos(a) b,   df/db = sum_i sin(a_ij)."""
    return (np.sin(a) * b).sum()


def waves_at(seed, shape=(3, 4)):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal(shape), rng.standard_normal(shape[1])
    return {"a": a, "b": b}, {"a": np.cos(a) * b, "b": np.sin(a).sum(axis=0)}


def spoilt(gradient, index=None, by=1e-6):
    """A copy, wrong in one component by that share of the largest one."""
    wrong = np.array(gradient)
    wrong[np.unravel_index(0 if index is None else index, wrong.shape)] += by * abs(wrong).max()
    return wrong


# Functions with known gradients


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5), st.sampled_from([*TOLERANCES]))
def test_right_gradients_pass(seed, rows, columns, method):
    report = check_function(waves, *waves_at(seed, (rows, columns)), method, seed)
    assert report.passed, str(report)
    assert [(p.name, p.shape) for p in report.parameters] == [
        ("a", (rows, columns)), ("b", (columns,))]
    assert report.item == "waves" and not report.kinks


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 11),
       st.sampled_from(["complex", "central", "direction", "direction-central"]))
def test_one_component_wrong_by_a_millionth_of_the_largest_is_caught(seed, k, method):
    arguments, gradients = waves_at(seed)
    right = gradients["a"]
    report = check_function(waves, arguments, gradients | {"a": spoilt(right, k)}, method, seed)
    assert not report.passed
    a, b = report.parameters
    assert (a.trouble, b.trouble) == ("wrong", "")
    assert 0.4e-6 < a.error < 1.7e-6
    if method in COMPONENTWISE:
        index = np.unravel_index(k, (3, 4))
        assert a.index == index
        assert math.isclose(a.numerical, right[index], rel_tol=1e-6, abs_tol=1e-8)
        assert math.isclose(a.closed_form - right[index], 1e-6 * abs(right).max(), rel_tol=1e-3)


def test_central_differences_are_extrapolated_well_below_their_tolerance():
    arguments, gradients = waves_at(0)
    report = check_function(waves, arguments, gradients, "central")
    assert max(p.error for p in report.parameters) < 1e-10


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from(["direction", "direction-central"]))
def test_two_errors_of_equal_size_do_not_cancel_along_a_direction(seed, method):
    x = np.array([1.0, 2.0])
    wrong = {"x": np.array([1.01, 0.99])}
    report = check_function(lambda x: x.sum(), {"x": x}, wrong, method, seed)
    assert not report.passed


def test_each_method_sees_down_to_its_tolerance():
    arguments, gradients = waves_at(0)
    for method, seen, unseen in (("complex", 1e-11, 1e-13), ("central", 2e-7, 2e-8)):
        for by, passed in ((seen, False), (unseen, True)):
            wrong = gradients | {"b": spoilt(gradients["b"], by=by)}
            assert check_function(waves, arguments, wrong, method).passed is passed
    loose = check_function(waves, arguments, wrong | {"b": spoilt(gradients["b"], by=1e-4)},
                           tolerance=1e-3)
    assert loose.passed and loose.tolerance == 1e-3


@pytest.mark.parametrize("f, x, slope, order", [
    (lambda x: (x ** 2).sum(), [1.0, 2.0], [2, 4], 2),
    (lambda x: np.exp(x).sum(), [0.0, 1.0], [1, math.e], 2),
    (lambda x: (x ** 3).sum(), [0.0, 0.0], [0, 0], 3),
    (lambda x: (2 * x).sum(), [1.0, 2.0], [2, 2], math.inf),
])
def test_taylor_remainder_falls_with_the_order_of_the_first_missing_term(f, x, slope, order):
    x, slope = np.array(x), np.array(slope, float)
    right = check_function(f, {"x": x}, {"x": slope}, "taylor")
    wrong = check_function(f, {"x": x}, {"x": slope + [0.01, 0]}, "taylor")
    assert right.passed and right.parameters[0].order == pytest.approx(order, abs=0.1)
    assert not wrong.passed and wrong.parameters[0].order == pytest.approx(1, abs=0.1)
    assert "order 1" in str(wrong)


def test_taylor_of_a_piecewise_linear_function_away_from_its_kinks():
    x = np.array([0.01, -0.001, 3.0])
    report = check_function(lambda x: np.abs(x).sum(), {"x": x}, {"x": np.sign(x)}, "taylor")
    assert report.passed and report.parameters[0].order == math.inf


def test_central_differences_choose_their_step_near_the_end_of_the_domain():
    for var in (1e-7, 1e-5, 1e-2, 1, 1e3):
        point = {"mu": np.ones((1, 2)), "var": np.full((1, 2), var)}
        report = check_loss(gaussian_kl, point, ("mu", "var"), "central")
        assert report.passed and not report.kinks, str(report)


def test_a_gradient_that_is_zero_but_for_rounding_passes():
    """A constant added to all of x changes nothing after its mean has been taken off."""
    def f(x, c):
        centred = x + c - (x + c).mean()
        return (centred ** 3).sum()

    x = np.random.default_rng(0).standard_normal(50)
    dx = 3 * (x - x.mean()) ** 2
    for method in TOLERANCES:
        report = check_function(f, {"x": x, "c": np.array(0.3)},
                                {"x": dx - dx.mean(), "c": np.array(1e-16)}, method)
        assert report.passed, str(report)


def test_zero_gradients_that_should_not_be_zero_are_caught():
    arguments, gradients = waves_at(0)
    for method in TOLERANCES:
        report = check_function(waves, arguments, gradients | {"b": np.zeros(4)}, method)
        assert [p.trouble for p in report.parameters] == ["", "wrong"]
    # At a point where f itself is zero too.
    x = np.array([1.0, -1.0])
    report = check_function(lambda x: x.sum(), {"x": x}, {"x": np.zeros(2)})
    assert not report.passed and report.parameters[0].error == 1


def test_arguments_without_gradient_are_held_fixed_and_passed_on():
    def power(x, n, label):
        assert label == "as it is" and isinstance(n, int)
        return (x ** n).sum()

    x = np.array([1.0, 2.0])
    assert check_function(power, {"x": x, "n": 3, "label": "as it is"}, {"x": 3 * x**2}).passed


def test_the_arguments_are_left_alone():
    arguments, gradients = waves_at(0)
    before = copy.deepcopy((arguments, gradients))
    for method in TOLERANCES:
        check_function(waves, arguments, gradients, method)
    for mine, was in zip((arguments, gradients), before):
        for name in mine:
            np.testing.assert_array_equal(mine[name], was[name])


def test_non_contiguous_arrays():
    arguments, gradients = waves_at(0, (6, 8))
    report = check_function(waves, {"a": arguments["a"][::2, ::-2], "b": arguments["b"][::-2]},
                            {"a": gradients["a"][::2, ::-2],
                             "b": np.sin(arguments["a"][::2, ::-2]).sum(axis=0)})
    assert report.passed, str(report)


def test_code_that_is_not_analytic_is_named_and_central_differences_do():
    x = np.array([1.0, -2.0])
    right = {"x": np.sign(x)}
    report = check_function(lambda x: np.abs(x).sum(), {"x": x}, right)
    assert not report.passed and "not analytic" in report.parameters[0].trouble
    assert check_function(lambda x: np.abs(x).sum(), {"x": x}, right, "central").passed
    # The complex step loses the term, and so does this gradient: still no pass.
    lost = check_function(lambda x: x.real.sum(), {"x": x}, {"x": np.zeros(2)})
    assert not lost.passed and "differences give 1" in str(lost)
    assert lost.parameters[0].error == math.inf


# Kinks


@pytest.mark.parametrize("method", COMPONENTWISE)
@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(), LeakyReLU(0.5)])
def test_kinks_are_listed_counted_and_not_failed(layer, method):
    x = np.array([[0.0, 1.0, -1.0], [2.0, -1e-3, 0.0]])
    report = check_layer(layer, x, method=method)
    assert report.passed
    assert report.kinks == (("x", (0, 0)), ("x", (1, 2)))
    assert report.parameters[0].kinks == 2
    assert "2 at kinks, not judged: x at (0, 0), x at (1, 2)" in str(report)


@pytest.mark.parametrize("method", ["direction", "direction-central", "taylor"])
def test_a_direction_through_a_kink_is_not_judged(method):
    report = check_layer(ReLU(), np.array([[0.0, 1.0]]), method=method)
    assert report.passed and report.kinks == (("x", ()),)


@pytest.mark.parametrize("method", COMPONENTWISE)
@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6])
def test_beside_a_kink_is_judged(method, distance):
    x = np.array([[distance, -distance, 1.0]])
    slopes = np.array([[1.0, 0.0, 1.0]])
    relu = lambda x: ReLU().f(x).sum()
    right = check_function(relu, {"x": x}, {"x": slopes}, method)
    assert right.passed and not right.kinks
    assert not check_function(relu, {"x": x}, {"x": spoilt(slopes, 1)}, method).passed


@pytest.mark.parametrize("method", COMPONENTWISE)
def test_a_wrong_component_beside_kinks_is_still_caught(method):
    x = np.array([0.0, 0.0, 1.0])
    report = check_function(lambda x: ReLU().f(x).sum(), {"x": x},
                            {"x": np.array([0.0, 0.0, 1 + 1e-6])}, method)
    assert not report.passed and report.parameters[0].index == (2,) and len(report.kinks) == 2


@pytest.mark.parametrize("method", COMPONENTWISE)
def test_strong_curvature_is_no_kink(method):
    x = np.array([1e-4, 1.0, 30.0])
    report = check_function(lambda x: np.log(x).sum(), {"x": x}, {"x": 1 / x}, method)
    assert report.passed and not report.kinks, str(report)
    edge = {"x": np.array([1e-12, 1.0])}
    report = check_function(lambda x: np.log(x).sum(), edge, {"x": 1 / edge["x"]}, method)
    assert not report.kinks and report.passed is (method == "complex")
    steep = check_function(lambda x: np.tanh(1e3 * x).sum(), {"x": np.array([0.0, 1e-3])},
                           {"x": 1e3 * (1 - np.tanh([0, 1.0]) ** 2)}, method)
    assert steep.passed and not steep.kinks, str(steep)


def test_a_zero_start_puts_a_whole_relu_network_at_kinks():
    network = Sequential([Dense(2, 3), ReLU(), Dense(3, 1)], dtype=np.float64)
    network.params[-4:-1] = 1  # the output's weights
    report = check_network(network, np.ones((1, 2)))
    assert report.passed
    assert sum(name != "x" for name, _ in report.kinks) == 6 + 3
    assert "9 at kinks" in str(report) and str(report).endswith(", ...")


# Planted errors in the engine


def plant(monkeypatch, cls, method, index=0, target=None):
    """Change one component of what the real method returns, or adds to the view `target`."""
    real = getattr(cls, method)

    def planted(self, dy, cache):
        if target is None:
            return spoilt(real(self, dy, cache), index)
        view = getattr(self, target)
        before = view.copy()
        real(self, dy, cache)
        view[...] = before + spoilt(view - before, index)

    monkeypatch.setattr(cls, method, planted)


@pytest.mark.parametrize("method", COMPONENTWISE + ["direction", "direction-central"])
@pytest.mark.parametrize("index", [0, 7, 14])
@pytest.mark.parametrize("activation", ACTIVATIONS.values())
def test_an_error_planted_in_an_activation_is_caught(monkeypatch, activation, index, method):
    x = np.random.default_rng(2).standard_normal((5, 3))
    assert check_layer(activation(), x, method=method).passed
    plant(monkeypatch, activation, "propagate", index)
    report = check_layer(activation(), x, method=method)
    assert not report.passed
    if method in COMPONENTWISE:
        assert report.parameters[0].index == np.unravel_index(index, x.shape)


@pytest.mark.parametrize("method", COMPONENTWISE + ["direction", "direction-central"])
@pytest.mark.parametrize("name, part, target, size", [
    ("x", "propagate", None, 15), ("W", "accumulate", "dW", 12), ("b", "accumulate", "db", 4),
])
def test_an_error_planted_in_dense_is_caught(monkeypatch, name, part, target, size, method):
    x = np.random.default_rng(2).standard_normal((5, 3))
    assert check_layer(Dense(3, 4), x, method=method).passed
    for index in (0, size - 1):
        with monkeypatch.context() as patch:
            plant(patch, Dense, part, index, target)
            report = check_layer(Dense(3, 4), x, method=method)
        assert [p.name for p in report.parameters if p.trouble] == [name]


@pytest.mark.parametrize("method", COMPONENTWISE)
@pytest.mark.parametrize("layer", [0, 2, 4])
def test_an_error_planted_in_one_layer_of_a_network_is_caught_there(layer, method):
    class Planted(Dense):
        def accumulate(self, dy, x):
            self.dW += spoilt(x.T @ dy, 3)
            self.db += dy.sum(axis=0)

    layers = [Dense(3, 4), Tanh(), Dense(4, 4), Logistic(), Dense(4, 2)]
    network = Sequential(layers, np.random.default_rng(0), np.float64)
    network.layers[layer].__class__ = Planted
    report = check_network(network, np.ones((2, 3)), method=method)
    assert [p.name for p in report.parameters if p.trouble] == [f"{layer} {layers[layer].name} W"]


@pytest.mark.parametrize("method", COMPONENTWISE + ["direction", "direction-central"])
@pytest.mark.parametrize("name", LOSSES)
def test_an_error_planted_in_a_loss_is_caught(name, method):
    rng = np.random.default_rng(3)
    wrt = LOSS_ARGUMENTS[name]
    point = {a: rng.uniform(0.1, 0.9, (3, 2)) for a in wrt}
    if wrt[0] in ("y", "p", "v"):
        point["target"] = rng.uniform(0.1, 0.9, (3, 2))
    for part in range(len(wrt)):
        def planted(**arguments):
            value, gradients = LOSSES[name](**arguments)
            if not isinstance(gradients, tuple):
                return value, spoilt(gradients, 4)
            return value, tuple(spoilt(g, 4) if k == part else g for k, g in enumerate(gradients))

        assert check_loss(LOSSES[name], point, wrt, method).passed
        report = check_loss(planted, point, wrt, method)
        assert [p.name for p in report.parameters if p.trouble] == [wrt[part]]


def test_the_planted_losses_are_all_of_them():
    assert set(LOSS_ARGUMENTS) == set(LOSSES)


# Layers of one's own


def test_the_example_in_the_docstring_runs():
    result = doctest.testmod(gradcheck, optionflags=doctest.ELLIPSIS)
    assert result.attempted >= 7 and result.failed == 0


class Scale(Layer):
    """y = a x for images (B, H, W): da = sum of x dy, dx = a dy; backward alone, odd cache."""

    def shapes(self):
        return {"a": ()}

    def forward(self, x):
        return self.a * x, {"kept": [x]}

    def backward(self, dy, cache):
        self.da += (cache["kept"][0] * dy).sum()
        return self.a * dy


@pytest.mark.parametrize("method", TOLERANCES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 5), (2, 7, 1)])
def test_backward_alone_any_cache_any_shape(shape, method):
    x = np.random.default_rng(0).standard_normal(shape)
    report = check_layer(Scale(), x, 3, method)
    assert report.passed, str(report)
    assert report.item == "Scale" and report.parameters[1].shape == ()


def test_a_cache_kept_in_the_layer_is_caught():
    class Forgetful(Scale):
        def forward(self, x):
            self.x = x
            return self.a * x, None

        def backward(self, dy, cache):
            return super().backward(dy, {"kept": [self.x]})

    report = check_layer(Forgetful(), np.ones((2, 2)))
    assert [p.trouble for p in report.parameters] == ["", "wrong"]


def test_gradients_that_are_replaced_instead_of_added_are_caught():
    class Replacing(Scale):
        def backward(self, dy, cache):
            self.da[...] = 0
            return super().backward(dy, cache)

    report = check_layer(Replacing(), np.ones((2, 2)))
    assert not report.passed and "must add into the gradients" in str(report)
    assert all(not p.trouble for p in report.parameters)


def test_gradients_put_elsewhere_than_into_the_views_are_caught():
    class Elsewhere(Scale):
        def backward(self, dy, cache):
            self.da = (cache["kept"][0] * dy).sum()
            return self.a * dy

    assert not check_layer(Elsewhere(), np.ones((2, 2))).passed


def test_a_cache_that_the_backward_pass_spoils_is_caught():
    class Spoiling(Scale):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            cache["kept"][0] = 2 * cache["kept"][0]
            return dx

    assert "when it goes back once more" in check_layer(Spoiling(), np.ones((2, 2))).trouble

    class SpoilingSquare(Layer):
        def forward(self, x):
            return x * x, 2 * x

        def propagate(self, dy, slope):
            dx = dy * slope
            slope += 1
            return dx

    assert "when it goes back once more" in check_layer(SpoilingSquare(), np.ones((2, 2))).trouble


@pytest.mark.parametrize("changed", ["x", "dy"])
def test_passes_that_change_what_they_are_given_are_caught(changed):
    class Square(Layer):
        def forward(self, x):
            cache = x.copy()
            return np.multiply(x, x, out=x if changed == "x" else None), cache

        def propagate(self, dy, x):
            return np.multiply(dy, 2 * x, out=dy if changed == "dy" else None)

    assert not check_layer(Square(), np.array([[1.0, 2.0]])).passed


@pytest.mark.parametrize("bad, where", [(np.nan, "x"), (np.inf, "x"), (np.nan, "a")])
def test_a_non_finite_gradient_is_named(bad, where):
    class Broken(Scale):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            if where == "a":
                self.da[...] = bad
                return dx
            return np.full_like(dy, bad)

    report = check_layer(Broken(), np.ones((2, 2)))
    assert not report.passed
    assert "NaN or overflow in Broken" in str(report) if where == "x" else "nan" in str(report)


def test_a_non_finite_function_or_gradient_is_named_with_its_place():
    x = np.ones((2, 2))
    for method in TOLERANCES:
        report = check_function(lambda x: x.sum() * np.nan, {"x": x}, {"x": x}, method)
        assert not report.passed and report.parameters[0].trouble == "not finite"
    gradient = np.array([[1.0, 1.0], [np.nan, 1.0]])
    report = check_function(lambda x: x.sum(), {"x": x}, {"x": gradient})
    assert report.parameters[0].index == (1, 0) and "closed form nan" in str(report)
    json.dumps(report.to_json(), allow_nan=False)


def test_an_infinite_gradient_does_not_hide_a_wrong_one():
    arguments, gradients = waves_at(0)
    gradients["a"][0, 0] = np.inf
    report = check_function(waves, arguments, gradients | {"b": spoilt(gradients["b"])})
    assert [p.trouble for p in report.parameters] == ["not finite", "wrong"]


def test_a_network_that_overflows_is_named():
    network = Sequential([Dense(1, 1, initialiser("normal", sd=1e308)), Dense(1, 1)],
                         np.random.default_rng(0), np.float64, "loud")
    with np.errstate(over="ignore"):
        report = check_network(network, np.full((1, 1), 1e10))
    assert not report.passed and report.trouble == "NaN or overflow in loud, dense 1-1"


def test_a_network_inside_a_function_that_stops_on_the_way_counts_as_not_finite():
    network = Sequential([Dense(1, 1), Tanh()], dtype=np.float64)
    network.params[:] = np.finfo(np.float64).max * (1 - 1e-12), 0

    def f(x):
        return network.forward(x[None])[0].sum()

    report = check_function(f, {"x": np.array([1.0])}, {"x": np.array([0.0])}, "central")
    assert report.parameters[0].trouble == "not finite"


def test_the_layer_and_the_network_are_left_alone():
    network = Sequential([Dense(2, 2), ReLU()], np.random.default_rng(0), np.float32)
    network.grads[:] = 3
    params, weights = network.params.copy(), network.layers[0].W
    check_network(network, np.ones((1, 2)), method="central")
    check_layer(network.layers[0], np.ones((1, 2)), method="central")
    np.testing.assert_array_equal(network.params, params)
    np.testing.assert_array_equal(network.grads, 3)
    assert network.layers[0].W is weights and np.shares_memory(weights, network.params)


# Networks


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 4), st.booleans(), st.sampled_from([*TOLERANCES]))
def test_networks_at_both_entrances(seed, batch, below_output, method):
    rng = np.random.default_rng(seed)
    network = Sequential([Dense(3, 5), Tanh(), Dense(5, 2), Logistic(0.5, 0.5)], rng, np.float64)
    report = check_network(network, rng.standard_normal((batch, 3)), rng, below_output, method)
    assert report.passed, str(report)
    assert [p.name for p in report.parameters] == [
        "x", "0 dense 3-5 W", "0 dense 3-5 b", "2 dense 5-2 W", "2 dense 5-2 b"]


def test_the_slope_applied_twice_is_caught(monkeypatch):
    """What goes wrong when an error that contains the output slope enters above it."""
    network = Sequential([Dense(3, 2), Logistic()], np.random.default_rng(0), np.float64)
    real = Sequential.backward
    monkeypatch.setattr(Sequential, "backward",
                        lambda self, dy, caches, below_output: real(self, dy, caches, False))
    assert check_network(network, np.ones((1, 3))).passed
    assert not check_network(network, np.ones((1, 3)), below_output=True).passed


def test_a_network_is_checked_at_its_own_parameters():
    network = Sequential([Dense(1, 1)], dtype=np.float64)
    network.params[:] = 3, 0
    report = check_network(network, np.array([[2.0]]))
    x, W, b = report.parameters
    assert x.numerical / b.numerical == pytest.approx(3)
    assert W.numerical / b.numerical == pytest.approx(2)


def test_a_wrong_width_is_refused_at_the_networks_door():
    with pytest.raises(ValueError, match=r"expects input of shape \(B, 3\)"):
        check_network(Sequential([Dense(3, 2)]), np.ones((1, 4)))


@pytest.mark.parametrize("method", ["direction", "direction-central", "taylor"])
def test_a_direction_needs_few_evaluations_however_large_the_parameter(method):
    x = np.random.default_rng(0).standard_normal(100_000)
    calls = []

    def f(x):
        calls.append(1)
        return np.sin(x).sum()

    assert check_function(f, {"x": x}, {"x": np.cos(x)}, method).passed
    assert len(calls) <= 50


# float32, seeds, reports, errors


def test_float32_is_refused_where_gradients_are_given():
    x = np.ones(2, np.float32)
    for arguments, gradients, who in (({"x": x}, {"x": np.ones(2)}, "x is float32"),
                                      ({"x": np.ones(2)}, {"x": x}, "gradient of x is float32"),
                                      ({"x": np.ones(2), "c": x}, {"x": np.ones(2)}, "c is")):
        with pytest.raises(ValueError, match=f"{who}.*float64"):
            check_function(lambda x, c=0: x.sum(), arguments, gradients)


def test_float32_is_converted_where_gradients_are_computed():
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    network = Sequential([Dense(3, 4), Tanh()], np.random.default_rng(0), np.float32)
    assert check_layer(Dense(3, 2), x).passed
    assert check_network(network, x).passed
    assert check_loss(half_squared_error, {"y": x, "target": 2 * x}, "y").passed


@pytest.mark.parametrize("method", TOLERANCES)
def test_the_seed_in_the_report_replays_it(method):
    x = np.random.default_rng(0).standard_normal((2, 3))
    generator = np.random.default_rng(5)
    first, second = (check_layer(Dense(3, 2), x, generator, method) for _ in range(2))
    assert first.seed != second.seed and first.parameters != second.parameters
    assert check_layer(Dense(3, 2), x, first.seed, method) == first
    arguments, gradients = waves_at(0)
    report = check_function(waves, arguments, gradients, method, generator)
    assert check_function(waves, arguments, gradients, method, report.seed) == report


def test_the_report_reads_well_and_survives_json():
    arguments, gradients = waves_at(0)
    report = check_function(waves, arguments, gradients, "taylor", rng=7, item="Eq. 0")
    head, a, b = str(report).splitlines()
    assert head == "Eq. 0: passed (taylor, tolerance 0.5, seed 7)"
    assert a.startswith("  a (3, 4): error 0 in all: closed form") or "order 2" in a
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["passed"] is True and data["seed"] == 7 and data["item"] == "Eq. 0"
    assert data["parameters"][0]["shape"] == [3, 4]
    assert data["parameters"][1]["order"] == "inf"  # f is linear in b
    assert data["parameters"][0]["numerical"] == report.parameters[0].numerical


@pytest.mark.parametrize("change, message", [
    ({"method": "forward"}, "unknown method 'forward': known are complex, central"),
    ({"tolerance": 0.0}, "tolerance must be positive"),
    ({"gradients": {}}, "nothing to check"),
    ({"gradients": {"c": np.ones(2)}}, "'c' has a gradient but is no argument: x"),
    ({"gradients": {"x": np.ones(3)}}, r"x has shape \(2,\), its gradient \(3,\)"),
    ({"gradients": {"x": np.ones(2, int)}}, "gradient of x is int64"),
    ({"arguments": {"x": np.ones(2, int)}}, "x is int64"),
    ({"arguments": {"x": np.ones(0)}, "gradients": {"x": np.ones(0)}}, "not empty"),
    ({"f": lambda x: 2 * x}, r"must return a scalar, got an array of shape \(2,\)"),
])
def test_what_cannot_be_checked_is_refused(change, message):
    usual = {"f": lambda x: x.sum(), "arguments": {"x": np.ones(2)}, "gradients": {"x": np.ones(2)}}
    with pytest.raises(ValueError, match=message):
        check_function(**usual | change)


def test_a_loss_must_return_as_many_gradients_as_are_named():
    point = {"mu": np.ones((1, 2)), "var": np.ones((1, 2))}
    with pytest.raises(ValueError, match="gaussian_kl returns 2 gradients, wrt names 1"):
        check_loss(gaussian_kl, point, "mu")


def test_it_stands_on_the_engine_alone():
    tree = ast.parse(Path(gradcheck.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {module for module in modules if module.startswith("avanet")}
    assert own == {"avanet.nn.layers", "avanet.nn.network"}
