"""Work value by value: compiled loops against their NumPy twins, and the layers that use them."""

import inspect

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.kernels.elementwise import ELEMENTWISE_KERNELS, PAIRS
from avanet.nn import (
    BatchNorm, Dense, Dropout, InTraining, LeakyReLU, Logistic, ReLU, Sequential, fused,
)
from avanet.nn.gradcheck import check_layer, check_loss
from avanet.nn.losses import binary_cross_entropy_from_logits

names = pytest.mark.parametrize("name", PAIRS)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
BY_ROWS = {"moments", "scale_and_shift", "normal_sums", "normal_back"}
SCALARS = {"alpha", "rate", "scale", "s", "share"}
COLUMNS = {"mean", "var", "a", "b", "r", "along", "sums"}


def arguments(name, rows, n, dtype, seed=0):
    """Random arguments; k and what lies in [0, 1] too."""
    rng = np.random.default_rng(seed)
    given = {}
    for key in inspect.signature(PAIRS[name][1]).parameters:
        shape = () if key in SCALARS else n if key in COLUMNS else (
            (rows, n) if name in BY_ROWS else rows * n)
        positive = key in ("e", "k", "rate", "target", "r")
        given[key] = (rng.uniform(0.1, 1, shape) if positive else
                      rng.standard_normal(shape) * 2)
        given[key] = dtype(given[key]) if key in SCALARS else given[key].astype(dtype)
    return given


def close(ours, theirs, dtype):
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ours, theirs, rtol=tolerance,
                               atol=tolerance * max(1, np.abs(theirs).max(initial=0)))


@names
@dtypes
@pytest.mark.parametrize("rows, n", [(1, 1), (3, 5), (64, 2), (129, 7), (1000, 3)])
def test_twins_agree(name, dtype, rows, n):
    given = arguments(name, rows, n, dtype)
    results = []
    for kernel in PAIRS[name]:
        own = {key: value.copy() for key, value in given.items()}
        results.append((kernel(*own.values()), own))
    (ours_value, ours), (theirs_value, theirs) = results
    for key in given:
        close(ours[key], theirs[key], dtype)
        assert theirs[key].dtype == dtype
    if theirs_value is not None:
        close(ours_value, theirs_value, dtype)
    changed = {key for key in given if not np.array_equal(theirs[key], given[key])}
    outputs = {"moments": {"mean", "var"}, "normal_sums": {"along", "sums"},
               "drop": {"k", "y"}}.get(name, {list(given)[-1]})
    assert changed <= outputs


@names
def test_twins_have_one_signature(name):
    signatures = [list(inspect.signature(getattr(f, "py_func", f)).parameters)
                  for f in PAIRS[name]]
    assert signatures[0] == signatures[1]


def test_the_table_follows_the_switch():
    twin = bool(numba.config.DISABLE_JIT)
    assert ELEMENTWISE_KERNELS == {name: pair[twin] for name, pair in PAIRS.items()}


@settings(max_examples=25)
@given(st.floats(-1e4, 1e4), st.integers(2, 300), st.integers(0, 2**32))
def test_moments_far_from_zero(centre, rows, seed):
    """Mean and variance of values that lie close together, far from zero."""
    x = (centre + np.random.default_rng(seed).standard_normal((rows, 2))).astype(np.float32)
    mean, var = np.empty((2, 2), np.float32)
    PAIRS["moments"][0](x, mean, var)
    exact = x.astype(float)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(var, exact.var(axis=0), rtol=2e-3, atol=1e-6)


@dtypes
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_go_through(bad, dtype):
    x = np.ones((70, 2), dtype)
    x[65, 1] = bad
    flat, y = x.reshape(-1), np.empty(140, dtype)
    with np.errstate(invalid="ignore"):
        for twin in (0, 1):
            PAIRS["rectify"][twin](flat, dtype(0.5), y)
            assert y[131] == bad or np.isnan(y[131])
            mean, var = np.empty((2, 2), dtype)
            PAIRS["moments"][twin](x, mean, var)
            assert np.isfinite(mean[0]) and not np.isfinite(mean[1])
            total = PAIRS["cross_entropy"][twin](flat, np.exp(-np.abs(flat)), 0 * y + 1,
                                                 dtype(1), y.copy())
            assert not np.isfinite(total) or bad == np.inf


# Layers, their arrays large enough ---------------------------------------------------------------

LAYERS = [ReLU(), LeakyReLU(0.3), Logistic(0.5, 0.5), BatchNorm(3), InTraining(BatchNorm(3)),
          InTraining(Dropout(0.4))]
layers = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


@pytest.fixture
def compiled(monkeypatch):
    """Every real array counts as large."""
    monkeypatch.setattr(fused, "LARGE", 0)


def draw(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@layers
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5, 3), (1, 3)])
def test_gradients_through_the_compiled_kernels(layer, shape, compiled):
    assert check_layer(layer, draw(*shape)).passed


def test_the_loss_through_the_compiled_kernel(compiled):
    report = check_loss(binary_cross_entropy_from_logits, {
        "v": 3 * draw(40, 3), "target": draw(40, 3, seed=1) ** 2}, "v")
    assert report.passed, str(report)


@pytest.mark.parametrize("name, layer", [
    ("rectify_back", ReLU()), ("rectify_back", LeakyReLU(0.3)), ("squash_back", Logistic()),
    ("squash", Logistic()), ("normal_sums", BatchNorm(3)), ("normal_sums", InTraining(
        BatchNorm(3))), ("normal_back", InTraining(BatchNorm(3))), ("moments", InTraining(
            BatchNorm(3))), ("scale_and_shift", BatchNorm(3)), ("drop", InTraining(Dropout(0.4)))])
def test_a_planted_error_is_caught(name, layer, compiled, monkeypatch):
    """The last value that a kernel writes is off by a millionth."""
    kernel = ELEMENTWISE_KERNELS[name]

    def wrong(*arguments):
        kernel(*arguments)
        for spoilt in arguments[-2:] if name in ("moments", "normal_sums") else arguments[-1:]:
            spoilt.flat[-1] += 1e-6 * max(1.0, np.abs(spoilt).max())

    monkeypatch.setitem(ELEMENTWISE_KERNELS, name, wrong)
    assert not passes(layer)


def passes(layer):
    """Whether the gradients are right and the large agrees with the small."""
    x = draw(5, 3)
    network = Sequential([layer], np.random.default_rng(0), np.float64)
    large = network.forward(x, True, np.random.default_rng(0))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "LARGE", 1 << 30)
        small = network.forward(x, True, np.random.default_rng(0))[0]
    return check_layer(layer, x).passed and np.allclose(large, small, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("layer", LAYERS[:-1], ids=lambda layer: layer.name)
def test_float32_agrees_with_float64(layer, compiled):
    x, dy = draw(300, 3), draw(300, 3, seed=1)
    results = []
    for dtype in (np.float32, np.float64):
        network = Sequential([layer], np.random.default_rng(0), dtype)
        y, caches = network.forward(x.astype(dtype), False)
        results.append((y, network.backward(dy.astype(dtype), caches), network.grads.copy()))
    for single, double in zip(*results):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-4)


def test_large_arrays_take_the_compiled_way(monkeypatch):
    called = []
    kernel = ELEMENTWISE_KERNELS["rectify"]
    monkeypatch.setitem(ELEMENTWISE_KERNELS, "rectify",
                        lambda *a: called.append(1) or kernel(*a))
    network = Sequential([Dense(2, 100), ReLU()], np.random.default_rng(0))
    for n, expected in ((1, 0), (100, 1)):
        network.forward(np.ones((n, 2), np.float32))
        assert len(called) == expected


def test_falling_keeps_nan_and_ends_at_zero():
    x = np.float32([0, -1, 86.5, -90, np.inf, -np.inf, np.nan])
    y = np.empty_like(x)
    ELEMENTWISE_KERNELS["falling"](x, y)
    np.testing.assert_allclose(y[:3], np.exp([0, -1, -86.5]), rtol=1e-6)
    assert np.all(y[3:6] < 1e-38) and np.isnan(y[6])
