"""Convolutions on planes: against patches, the door between them, gradients, planted errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_checks import check, draw, keeps_float32, network_of, plant, strides_do_not_matter

from avanet.nn import Conv2D, ConvTranspose2D, conv, pieces, planes
from avanet.nn.gradcheck import check_layer
from avanet.nn.planes import Patches

SHAPE = (2, 9, 8, 2)
SEVERAL = [
    Conv2D(2, 3, 3), Conv2D(2, 4, 3, padding="same"), Conv2D(2, 1, 2, padding="same"),
    Conv2D(2, 5, (3, 2), padding=1), Conv2D(2, 6, (1, 4), padding=((0, 0), (3, 1)), biases=None),
    ConvTranspose2D(2, 3, 3), ConvTranspose2D(2, 4, 3, padding="same"),
    ConvTranspose2D(2, 5, (3, 2), padding=1), ConvTranspose2D(2, 1, 4, padding=((0, 3), (1, 2))),
]
several = pytest.mark.parametrize("layer", SEVERAL, ids=lambda l: f"{l.name} {l.padding}")
sizes = st.integers(1, 4)


@st.composite
def geometries(draw_):
    """(images' size, patches), of stride 1, all padding less than the kernel."""
    size = draw_(st.tuples(sizes, sizes))
    before, after = (tuple(draw_(st.integers(0, k - 1)) for k in size) for _ in "ab")
    grid = tuple(draw_(st.integers(max(1, b + a - k + 2), 12)) for k, b, a in zip(
        size, before, after))
    return (tuple(g + k - 1 - b - a for g, k, b, a in zip(grid, size, before, after)),
            Patches(size, (1, 1), before, grid))


@settings(max_examples=60)
@given(geometries(), st.integers(1, 20), st.integers(1, 3), st.integers(1, 9),
       st.sampled_from([np.float32, np.float64, np.complex128]))
def test_planes_give_what_patches_give(geometry, images, depth, channels, dtype):
    size, patches = geometry
    x, y = draw(images, *size, depth), draw(images, *patches.grid, channels, seed=1)
    W, total = (draw(*patches.size, depth, channels, seed=seed) for seed in (2, 3))
    b, c = draw(channels, seed=4), draw(depth, seed=5)
    x, y, W, total, b, c = (a.astype(dtype) * (1 + 1j if dtype == np.complex128 else 1)
                            for a in (x, y, W, total, b, c))
    results = []
    for way, sums in ((planes, total.copy()), (_by_patches(), total)):
        way.add_products(x, y, patches, sums)
        results.append((way.correlate(x, W, patches, b), way.spread(y, W, patches, size, c), sums))
    for ours, theirs in zip(*results):
        assert ours.dtype == dtype and ours.shape == theirs.shape
        close = 1e-4 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(ours, theirs, rtol=close, atol=close)


class _by_patches:
    """The functions of `conv`, as if planes suited nothing."""

    def __getattr__(self, name):
        def function(*arguments):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(planes, "suited", lambda W, patches: False)
                return getattr(conv, name)(*arguments)
        return function


@pytest.mark.parametrize("shape, size, options, expected", [
    ((3, 3), (64, 64), {}, True),
    ((32, 32), (7, 7), {}, True),
    ((32, 33), (28, 28), {}, False),          # many channels
    ((3, 3), (64, 64), {"stride": 2}, False),
    ((3, 3), (64, 64), {"size": 1}, False),
    ((3, 3), (10, 9), {"size": 5}, False),    # small images
    ((3, 3), (10, 10), {"size": 5}, True),
    ((3, 3), (64, 64), {"padding": 3}, False),
])
def test_what_they_are_for(shape, size, options, expected):
    """A rule of shapes alone."""
    layer = Conv2D(*shape, **{"size": 3, "padding": "same"} | options)
    network_of(layer)
    assert planes.suited(layer.W, layer._patches(np.zeros((1, *size, shape[0])))) == expected


def suited(layer, shape):
    network_of(layer)
    patches = layer._patches(np.zeros(shape))
    return planes.suited(layer.W, patches if isinstance(layer, Conv2D) else patches[0])


@several
@pytest.mark.parametrize("shape", [SHAPE, (1, 11, 9, 2)])
def test_gradients(layer, shape):
    assert suited(layer, shape)
    check(layer, draw(*shape))


@several
def test_central_differences(layer):
    check(layer, draw(1, 8, 9, 2), method="central")


@several
@pytest.mark.parametrize("method, target", [("propagate", None), ("accumulate", "dW")])
def test_planted_errors_are_caught(layer, method, target, monkeypatch):
    plant(monkeypatch, type(layer), method, target)
    report = check_layer(layer, draw(*SHAPE))
    assert [p.name for p in report.parameters if p.trouble] == [target[1:] if target else "x"]


@several
def test_float32_and_strides(layer):
    keeps_float32(layer, SHAPE)
    strides_do_not_matter(layer, SHAPE)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    x, W = rng.random((64, 28, 28, 16), np.float32), rng.random((5, 5, 16, 16), np.float32)
    patches, results = Patches((5, 5), (1, 1), (2, 2), (28, 28)), []
    for threads in (1, 2):
        monkeypatch.setattr(pieces, "_threads", lambda: threads)
        y, dW = planes.correlate(x, W, patches), np.zeros_like(W)
        planes.add_products(x, y, patches, dW)
        results.append((y, dW))
    for one, two in zip(*results):
        np.testing.assert_array_equal(one, two)


def test_the_workspaces_are_used_again():
    network, x = network_of(Conv2D(3, 4, 3)), draw(4, 9, 9, 3)
    _, caches = network.forward(x)
    network.backward(draw(4, 7, 7, 4), caches)
    memory = planes.PLANES.memory, planes.SUMS.memory
    _, caches = network.forward(x)
    network.backward(draw(4, 7, 7, 4), caches)
    assert memory[0] is planes.PLANES.memory and memory[1] is planes.SUMS.memory
