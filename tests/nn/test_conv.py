"""Convolutions: by hand, against loops over every pixel, adjoints, blocks, gradients, PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_checks import (
    check, copies_answer_the_same, draw, keeps_float32, network_of, plant, strides_do_not_matter,
)

from avanet.nn import Conv2D, ConvTranspose2D, InTraining, Sequential, conv, initialiser
from avanet.nn.gradcheck import check_layer

DTYPES = [np.float32, np.float64]
NINE = np.arange(1, 10).reshape(3, 3)
FOUR = np.array([[1, 2], [3, 4]])
SEVERAL = [
    Conv2D(2, 3, 3), Conv2D(2, 3, 2, 1, "same"), Conv2D(2, 1, (3, 2), (2, 3), "same"),
    Conv2D(2, 3, 3, 2, 1, biases=None), Conv2D(2, 2, (1, 4), 2, ((2, 0), (1, 3))),
    ConvTranspose2D(2, 3, 3), ConvTranspose2D(2, 3, 5, 2, "same"), ConvTranspose2D(2, 1, 1, 3),
    ConvTranspose2D(2, 3, (3, 4), (2, 3), 1, output_padding=(1, 2)),
    ConvTranspose2D(2, 3, 2, 1, "same", biases=None), ConvTranspose2D(2, 2, 3, 2, ((2, 0), (1, 2))),
]
several = pytest.mark.parametrize("layer", SEVERAL, ids=lambda l: f"{l.name} {l.padding}")


def apply(layer, image, kernel, dtype=np.float64):
    """One image of one channel through one kernel without bias."""
    network = Sequential([layer], dtype=dtype)
    layer.W[...] = np.reshape(kernel, layer.W.shape)
    return network.forward(np.array(image, dtype)[None, ..., None])[0][0, ..., 0]


# Values by hand -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stride, padding, expected", [
    # 1 1 + 2 2 + 4 3 + 5 4 = 37,  2 1 + 3 2 + 5 3 + 6 4 = 47,  4 + 10 + 21 + 32,  5 + 12 + 24 + 36
    (1, "valid", [[37, 47], [67, 77]]),
    # one row and column of zeros, below and to the right:  3 1 + 6 3 = 21,  6 1 + 9 3,
    # 7 1 + 8 2 = 23,  8 1 + 9 2,  9 1
    (1, "same", [[37, 47, 21], [67, 77, 33], [23, 26, 9]]),
    # ceil(3 / 2) = 2 patches, from 0 and 2 on: the corners of the above
    (2, "same", [[37, 21], [23, 9]]),
    (2, "valid", [[37]]),
    # a frame of zeros, patches from -1 and 1 on:  1 4,  2 3 + 3 4,  4 2 + 7 4,  77
    (2, 1, [[4, 18], [36, 77]]),
    # a row above:  1 3 + 2 4 = 11,  2 3 + 3 4 = 18
    (1, ((1, 0), (0, 0)), [[11, 18], [37, 47], [67, 77]]),
    # a column on both sides, on the left:  1 2 + 4 4,  4 2 + 7 4
    (1, (0, 1), [[18, 37, 47, 21], [36, 67, 77, 33]]),
])
def test_conv_by_hand(stride, padding, expected, dtype):
    y = apply(Conv2D(1, 1, 2, stride, padding), NINE, FOUR, dtype)
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == dtype


def test_same_and_padding_by_one_differ_on_an_even_image():
    """A kernel that takes its centre alone: 3x3, stride 2, on 0 .. 15 in four rows."""
    image, centre = np.arange(16).reshape(4, 4), np.eye(9)[4]
    # "same" pads ((2 - 1) 2 + 3 - 4) = 1 row, below: the centres are 1 and 3
    np.testing.assert_array_equal(
        apply(Conv2D(1, 1, 3, 2, "same"), image, centre), [[5, 7], [13, 15]])
    np.testing.assert_array_equal(
        apply(Conv2D(1, 1, 3, 2, 1), image, centre), [[0, 2], [8, 10]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel, image, options, expected", [
    # each pixel times the kernel, one to the right or down:
    # (1, 2 + 2, 4), (3 + 3, 4 + 6 + 6 + 4, 8 + 8), (9, 12 + 12, 16)
    (FOUR, FOUR, {}, [[1, 4, 4], [6, 20, 16], [9, 24, 16]]),
    (FOUR, FOUR, {"padding": "same"}, [[1, 4], [6, 20]]),  # 2 - 1 = 1 row, taken off below
    (FOUR, FOUR, {"padding": 1}, [[20]]),
    # side by side: 1 K, 2 K over 3 K, 4 K
    (FOUR, FOUR, {"stride": 2}, [[1, 2, 2, 4], [3, 4, 6, 8], [3, 6, 4, 8], [9, 12, 12, 16]]),
    # a kernel smaller than the stride: Keras's "valid" goes on to the end of the last step
    ([[5]], FOUR, {"stride": 2},
     [[5, 0, 10, 0], [0, 0, 0, 0], [15, 0, 20, 0], [0, 0, 0, 0]]),
    ([[5]], FOUR, {"stride": 2, "padding": 0}, [[5, 0, 10], [0, 0, 0], [15, 0, 20]]),
    ([[5]], FOUR, {"stride": 2, "padding": 0, "output_padding": (0, 1)},
     [[5, 0, 10, 0], [0, 0, 0, 0], [15, 0, 20, 0]]),
    # one pixel, kernel 1 .. 9, stride 2. "same": 2 rows, 3 - 2 = 1 taken off below;
    # padding 1 takes one off on both sides, output_padding gives the lower one back
    (NINE, [[1]], {"stride": 2, "padding": "same"}, [[1, 2], [4, 5]]),
    (NINE, [[1]], {"stride": 2, "padding": 1, "output_padding": 1}, [[5, 6], [8, 9]]),
    (NINE, [[1]], {"stride": 2, "padding": ((0, 1), (2, 0))}, [[3], [6]]),
])
def test_transposed_conv_by_hand(kernel, image, options, expected, dtype):
    y = apply(ConvTranspose2D(1, 1, np.shape(kernel), **options), image, kernel, dtype)
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_a_conv_by_hand(dtype):
    layer = Conv2D(1, 1, 2)
    network = Sequential([layer], dtype=dtype)
    network.params[:] = 1, 2, 3, 4, 10
    y, caches = network.forward(NINE.astype(dtype)[None, ..., None])
    np.testing.assert_array_equal(y[0, ..., 0], [[47, 57], [77, 87]])
    dx = network.backward(np.array([[[[1], [0]], [[0], [2]]]], dtype), caches)
    # dW = 1 (1, 2; 4, 5) + 2 (5, 6; 8, 9),  db = 1 + 2
    np.testing.assert_array_equal(network.grads, [11, 14, 20, 23, 3])
    # dx = the kernel once from (0, 0) on and twice from (1, 1) on
    np.testing.assert_array_equal(dx[0, ..., 0], [[1, 2, 0], [3, 6, 4], [0, 6, 8]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_a_transposed_conv_by_hand(dtype):
    layer = ConvTranspose2D(1, 1, 2, 2)
    network = Sequential([layer], dtype=dtype)
    network.params[:] = 1, 2, 3, 4, 10
    y, caches = network.forward(np.array([[[[1], [2]]]], dtype))
    np.testing.assert_array_equal(y[0, ..., 0], [[11, 12, 12, 14], [13, 14, 16, 18]])
    dy = np.array([[1, 0, 0, 1], [0, 1, 2, 0]], dtype)[None, ..., None]
    dx = network.backward(dy, caches)
    np.testing.assert_array_equal(dx[0, ..., 0], [[1 + 4, 2 + 6]])
    # dW = 1 (1, 0; 0, 1) + 2 (0, 1; 2, 0),  db = 1 + 1 + 1 + 2
    np.testing.assert_array_equal(network.grads, [1, 2, 4, 1, 5])


def test_channels_are_the_last_two_axes_of_the_kernel():
    x = np.array([[[[1.0, 10.0]]]])
    layer = Conv2D(2, 3, 1)
    network = Sequential([layer], dtype=np.float64)
    layer.W[0, 0], layer.b[:] = [[1, 2, 3], [4, 5, 6]], [0.5, 0, 0]
    np.testing.assert_array_equal(network.forward(x)[0][0, 0, 0], [41.5, 52, 63])
    transposed = ConvTranspose2D(2, 3, 1)
    network = Sequential([transposed], dtype=np.float64)
    transposed.W[0, 0], transposed.b[:] = [[1, 4], [2, 5], [3, 6]], [0.5, 0, 0]
    np.testing.assert_array_equal(network.forward(x)[0][0, 0, 0], [41.5, 52, 63])


# Against loops, over geometries -------------------------------------------------------------------

sides, sizes, strides = st.integers(1, 6), st.integers(1, 4), st.integers(1, 3)
edges = st.tuples(st.integers(0, 3), st.integers(0, 3))
paddings = st.one_of(
    st.sampled_from(["valid", "same"]), st.integers(0, 2), st.tuples(edges, edges))


@st.composite
def convolutions(draw_):
    """(layer, shape of its input) that leaves something."""
    transposed = draw_(st.booleans())
    options = {"padding": draw_(paddings)}
    stride = draw_(st.tuples(strides, strides))
    if transposed and not isinstance(options["padding"], str):
        options["output_padding"] = tuple(draw_(st.integers(0, s - 1)) for s in stride)
    layer = (ConvTranspose2D if transposed else Conv2D)(
        draw_(st.integers(1, 3)), draw_(st.integers(1, 3)), draw_(st.tuples(sizes, sizes)), stride,
        **options)
    shape = (draw_(st.integers(1, 3)), draw_(sides), draw_(sides), layer.channels_in)
    try:
        layer.output_shape(shape[1:])
    except ValueError as error:
        assert "leaves nothing of" in str(error)
        layer, shape = Conv2D(1, 1, 1), (1, 1, 1, 1)
    return layer, shape


def by_loops(layer, x, size):
    """The convolution, or its transpose, pixel by pixel, from the definition."""
    (kh, kw), (sh, sw), (top, left) = layer.size, layer.stride, layer._axes(x.shape[1:3])[0]
    y = np.zeros((len(x), *size))
    y += layer.b
    transposed = isinstance(layer, ConvTranspose2D)
    small, large = (x, y) if transposed else (y, x)
    for n, i, j, a, b in np.ndindex(*small.shape[:3], kh, kw):
        row, column = i * sh + a - top, j * sw + b - left
        if 0 <= row < large.shape[1] and 0 <= column < large.shape[2]:
            if transposed:
                y[n, row, column] += layer.W[a, b] @ x[n, i, j]
            else:
                y[n, i, j] += x[n, row, column] @ layer.W[a, b]
    return y


@settings(max_examples=50)
@given(convolutions(), st.integers(0, 99))
def test_values_against_loops(case, seed):
    layer, shape = case
    network, x = network_of(layer, seed=seed), draw(*shape, seed=seed)
    y, _ = network.forward(x)
    assert y.shape[1:] == layer.output_shape(shape[1:])
    np.testing.assert_allclose(y, by_loops(layer, x, y.shape[1:]), rtol=1e-12, atol=1e-12)


@settings(max_examples=25)
@given(convolutions(), st.integers(0, 99))
def test_gradients_over_geometries(case, seed):
    layer, shape = case
    report = check(layer, draw(*shape, seed=seed), rng=seed, method="direction")
    assert [p.name for p in report.parameters] == ["x", "W", "b"]


@settings(max_examples=50)
@given(sides, sides, sizes, strides, paddings)
def test_the_transpose_is_the_adjoint(height, width, size, stride, padding):
    """<C x, y> = <x, C^T y>, where output padding says which size to go back to."""
    forth = Conv2D(2, 3, size, stride, padding, biases=None)
    try:
        rows, columns, _ = forth.output_shape((height, width, 2))
    except ValueError:
        return
    before = forth._axes((height, width))[0]
    after = tuple((n - 1) * stride + size - b - m
                  for n, b, m in zip((rows, columns), before, (height, width)))
    extra = tuple(max(0, -a) for a in after)
    if max(extra) >= stride:
        return
    explicit = tuple((b, max(0, a)) for b, a in zip(before, after))
    back = ConvTranspose2D(3, 2, size, stride, explicit, extra, biases=None)
    network, other = network_of(forth), network_of(back)
    other.params[:] = network.params
    x, y = draw(2, height, width, 2), draw(2, rows, columns, 3, seed=1)
    image = other.forward(y)[0]
    assert image.shape == x.shape
    assert np.isclose((network.forward(x)[0] * y).sum(), (x * image).sum(), rtol=1e-11, atol=1e-11)


# Gradients ----------------------------------------------------------------------------------------


@several
@pytest.mark.parametrize("shape", [(2, 5, 4, 2), (1, 3, 7, 2), (1, 2, 2, 2)])
def test_gradients(layer, shape):
    try:
        layer.output_shape(shape[1:])
    except ValueError:
        shape = (1, 4, 4, 2)
    check(layer, draw(*shape))


@several
def test_central_differences_and_training_mode(layer):
    check(layer, draw(1, 4, 5, 2), method="central")
    check(InTraining(layer), draw(1, 4, 5, 2))


@several
@pytest.mark.parametrize("method, target", [("propagate", None), ("accumulate", "dW"),
                                            ("accumulate", "db")])
def test_planted_errors_are_caught(layer, method, target, monkeypatch):
    if target == "db" and layer.biases is None:
        return
    plant(monkeypatch, type(layer), method, target)
    report = check_layer(layer, draw(2, 5, 4, 2))
    assert [p.name for p in report.parameters if p.trouble] == [target[1:] if target else "x"]


@several
def test_float32_strides_and_copies(layer):
    keeps_float32(layer, (2, 5, 4, 2))
    strides_do_not_matter(layer, (2, 5, 4, 2))
    copies_answer_the_same(layer, (2, 5, 4, 2))


@several
@pytest.mark.parametrize("bytes_", [1, 2000])
def test_blocks_do_not_matter(layer, bytes_, monkeypatch):
    """One line of patches at a time, some lines, all at once."""
    network, x = network_of(layer), draw(3, 5, 4, 2)
    results = []
    for block in (1 << 20, bytes_):
        monkeypatch.setattr(conv, "BLOCK_BYTES", block)
        monkeypatch.setattr(conv, "BLOCK_ROWS", 1)
        network.grads[:] = 0
        y, caches = network.forward(x)
        results.append((y, network.backward(draw(*y.shape), caches), network.grads.copy()))
    for whole, parts in zip(*results):
        np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-13)


def test_the_workspace_is_used_again(monkeypatch):
    network, x = network_of(Conv2D(3, 4, 3)), draw(4, 9, 9, 3)
    network.forward(x)
    memory = conv.PATCHES.memory
    _, caches = network.forward(x)
    network.backward(draw(4, 7, 7, 4), caches)
    assert conv.PATCHES.memory is memory


def test_caches_are_values():
    """Two evaluations before either goes back."""
    network = network_of(Conv2D(2, 3, 3, 2, "same"))
    x, dy = draw(2, 2, 5, 4, 2), draw(2, 2, 3, 2, 3, seed=1)
    alone = [network.propagate(d, network.forward(a)[1]) for a, d in zip(x, dy)]
    caches = [network.forward(a)[1] for a in x]
    for d, cache, expected in zip(dy, caches, alone):
        np.testing.assert_array_equal(network.propagate(d, cache), expected)


# Start values, shapes, bad input ------------------------------------------------------------------


def test_start_values_know_the_fans_of_a_kernel():
    layer = Conv2D(16, 50, (3, 5), weights=initialiser("he"), biases=initialiser("uniform"))
    network = Sequential([layer], np.random.default_rng(0), np.float64)
    assert abs(layer.W.std() / np.sqrt(2 / (3 * 5 * 16)) - 1) < 0.03
    assert 0.04 < abs(layer.b).max() <= 0.05
    layer = ConvTranspose2D(50, 16, (3, 5), weights=initialiser("fan_in"))
    network = Sequential([layer], np.random.default_rng(0), np.float64)
    assert 0.999 < abs(layer.W).max() * np.sqrt(3 * 5 * 16) <= 1
    assert not layer.b.any() and network.params.size == 3 * 5 * 16 * 50 + 16


def test_names_say_what_they_are():
    assert Conv2D(1, 64, 5, 2).name == "conv 5x5/2 1-64"
    assert ConvTranspose2D(3, 2, (4, 1), (2, 1)).name == "conv transpose 4x1/2x1 3-2"


@pytest.mark.parametrize("make, message", [
    (lambda: Conv2D(1, 1, 0), "size must be one or two integers, 1 or more, got 0"),
    (lambda: Conv2D(1, 1, 3, (1, 2, 3)), "stride must be one or two integers"),
    (lambda: Conv2D(1, 1, 3, padding="full"), "padding must be 'valid', 'same' or .*'full'"),
    (lambda: Conv2D(1, 1, 3, padding=(1, 2, 3)), "padding must be one or two integers"),
    (lambda: Conv2D(1, 1, 3, padding=0.5), "padding must be one or two integers.*got 0.5"),
    (lambda: Conv2D(1, 1, 3, padding=-1), "padding must be one or two integers, 0 or more, got -1"),
    (lambda: ConvTranspose2D(1, 1, 3, 2, 0, output_padding=2), "less than the stride"),
    (lambda: ConvTranspose2D(1, 1, 3, 2, "same", output_padding=1), "goes with explicit padding"),
])
def test_bad_geometry_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_images_that_do_not_fit_are_refused_at_the_door():
    network = Sequential([Conv2D(3, 2, 3)], name="eyes")
    x = np.zeros((2, 5, 4, 1), np.float32)
    with pytest.raises(ValueError, match=r"eyes expects input of shape \(B, H, W, 3\), got "
                                         r"\(2, 5, 4, 1\)"):
        network.forward(x)
    with pytest.raises(ValueError, match="conv 3x3 3-2 leaves nothing of 2 x 4 x 3 values"):
        network.forward(np.zeros((2, 2, 4, 3), np.float32))


# PyTorch ------------------------------------------------------------------------------------------


@several
def test_against_pytorch(layer):
    torch = pytest.importorskip("torch")
    transposed = isinstance(layer, ConvTranspose2D)
    x = draw(2, 5, 4, 2)
    network = network_of(layer)
    y, caches = network.forward(x)
    dy = draw(*y.shape, seed=3)
    dx = network.backward(dy, caches)
    there = [torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in (
        x.transpose(0, 3, 1, 2), layer.W.transpose(3, 2, 0, 1))]
    (top, left), (kh, kw), (sh, sw) = layer._axes(x.shape[1:3])[0], layer.size, layer.stride
    height, width = y.shape[1:3]
    if transposed:  # the whole, of which padding takes off the edges
        whole = torch.nn.functional.conv_transpose2d(*there, stride=layer.stride)
        whole = torch.nn.functional.pad(whole, (0, sw, 0, sh))
        y_ = whole[:, :, top:top + height, left:left + width]
    else:
        bottom, right = ((n - 1) * s + k - m - b for n, s, k, m, b in zip(
            (height, width), (sh, sw), (kh, kw), x.shape[1:3], (top, left)))
        padded = torch.nn.functional.pad(there[0], (left, right, top, bottom))
        y_ = torch.nn.functional.conv2d(padded, there[1], stride=layer.stride)
    bias = 0 if layer.biases is None else layer.b[:, None, None]
    y_.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    close(y.transpose(0, 3, 1, 2), y_.detach().numpy() + bias)
    close(dx.transpose(0, 3, 1, 2), there[0].grad.numpy())
    close(layer.dW.transpose(3, 2, 0, 1), there[1].grad.numpy())


@pytest.mark.parametrize("size, stride, padding", [(4, 2, 1), (5, 2, 2), (3, 1, (1, 0)), (2, 3, 0)])
def test_explicit_padding_is_pytorchs(size, stride, padding):
    """The same arguments, the same result: also output_padding."""
    torch = pytest.importorskip("torch")
    x = draw(2, 6, 5, 2)
    there = torch.tensor(x.transpose(0, 3, 1, 2))
    layer = Conv2D(2, 3, size, stride, padding)
    y = network_of(layer).forward(x)[0]
    y_ = torch.nn.functional.conv2d(
        there, torch.tensor(layer.W.transpose(3, 2, 0, 1)), torch.tensor(layer.b), stride, padding)
    np.testing.assert_allclose(y.transpose(0, 3, 1, 2), y_, rtol=1e-10, atol=1e-12)
    for extra in range(stride):
        layer = ConvTranspose2D(2, 3, size, stride, padding, extra)
        y = network_of(layer).forward(x)[0]
        y_ = torch.nn.functional.conv_transpose2d(
            there, torch.tensor(layer.W.transpose(3, 2, 0, 1)), torch.tensor(layer.b), stride,
            padding, extra)
        np.testing.assert_allclose(y.transpose(0, 3, 1, 2), y_, rtol=1e-10, atol=1e-12)
