"""The balance metric by hand, under both readings, and what trivial images score by it."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avanet import AVA
from avanet.ava.balance import balance, score, score_trivial, trivial_images
from avanet.data import load

H, W = 3, 4
SQRT3 = 3**0.5
pictures = arrays(float, (2, H, W, 3), elements=st.floats(0, 1))


def constant(*rgb):
    return np.broadcast_to(np.array(rgb, float), (H, W, 3))


def slow(generated, image):
    """Eq. 17, one pixel and one channel at a time: with and without the absolute value."""
    absolute = printed = 0.0
    for g_row, row in zip(generated.tolist(), image.tolist()):
        for g, x in zip(g_row, row):
            d = sum((a - b)**2 for a, b in zip(g, x))**0.5
            absolute += abs(d * (1 - d))
            printed += d * (1 - d)
    pixels = image.shape[0] * image.shape[1]
    return absolute / pixels, printed / pixels


@pytest.mark.parametrize("a, b, d", [
    ((0, 0, 0), (1, 1, 1), SQRT3),         # black and white: d (1 - d) = sqrt 3 - 3 = -1.2679...
    ((0, 0, 0), (0, 0, 0), 0.0),           # equal: 0
    ((1, 0, 0), (0, 0, 0), 1.0),           # d = 1: 0
    ((0.3, 0.4, 0), (0, 0, 0), 0.5),       # d = 1/2: 1/4, the most that d <= 1 reaches
    ((1, 0.2, 0), (0, 0.2, 1), 2**0.5),    # sqrt 2 - 2 = -0.5857...
])
def test_constant_images_by_hand(a, b, d):
    absolute, printed = balance(constant(*a), constant(*b))
    assert printed == pytest.approx(d - d * d, abs=1e-15)
    assert absolute == pytest.approx(abs(d - d * d), abs=1e-15)


def test_the_readings_differ_where_distances_exceed_1():
    # Half of the pixels at d = 1/2, half at d = sqrt 3: (1/4 +- (3 - sqrt 3)) / 2.
    generated = constant(0, 0, 0).copy()
    generated[:, : W // 2] = (0.5, 0.5, 0.5)
    image = constant(0.5, 0.5, 1.0).copy()
    image[:, W // 2:] = 1
    absolute, printed = balance(generated, image)
    assert absolute == pytest.approx((0.25 + 3 - SQRT3) / 2)
    assert printed == pytest.approx((0.25 - 3 + SQRT3) / 2)


@settings(max_examples=30)
@given(generated=pictures, images=pictures)
def test_balance_is_the_slow_loop_and_symmetric(generated, images):
    values = balance(generated, images)
    np.testing.assert_allclose(values, [slow(*pair) for pair in zip(generated, images)],
                               rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(values, balance(images, generated), rtol=1e-12)
    absolute, printed = values.T
    assert np.all(absolute >= np.abs(printed) - 1e-12) and np.all(absolute <= 3 - SQRT3 + 1e-12)


def test_arrays_broadcast_and_float32_is_summed_in_float64():
    rng = np.random.default_rng(0)
    generated, images = rng.random((5, 1, H, W, 3)), rng.random((2, H, W, 3))
    values = balance(generated, images)
    assert values.shape == (5, 2, 2)
    np.testing.assert_allclose(values[3, 1], slow(generated[3, 0], images[1]), rtol=1e-12)
    single = balance(generated.astype(np.float32), images.astype(np.float32))
    assert single.dtype == np.float64
    np.testing.assert_allclose(single, values, rtol=1e-5)


class Draws(SimpleNamespace):
    """A model whose generated images are its draws, three values a pixel."""

    latent_dim = H * W * 3

    def sample_near_code(self, r):
        self.made += [np.abs(np.sin(x)).reshape(H, W, 3) for x in r]
        return np.array(self.made[-len(r):])


def test_a_score_averages_fresh_images_against_each_image():
    images = np.random.default_rng(1).random((3, H, W, 3))
    model = Draws(made=[])
    result = score(model, images, np.random.default_rng(2), per_image=4)
    expected = [slow(model.made[i], images[i // 4]) for i in range(12)]
    np.testing.assert_allclose(result.balance, np.mean(expected, axis=0), rtol=1e-12)
    best = int(np.argmax([absolute for absolute, _ in expected]))
    assert result.best == pytest.approx(expected[best][0])
    np.testing.assert_array_equal(result.best_image, model.made[best])
    draws = np.random.default_rng(2).standard_normal((12, model.latent_dim))
    np.testing.assert_array_equal(model.made, np.abs(np.sin(draws)).reshape(12, H, W, 3))


def test_a_trained_model_is_scored_by_ten_images_each(images):
    model = AVA("ava1", rules="as-run", latent_dim=2, hidden_dim=3).fit(images)
    result = score(model, images, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    generated = [model.sample_near_code(rng.standard_normal((10, 2))) for _ in images]
    expected = np.mean([slow(x, image) for ten, image in zip(generated, images) for x in ten], 0)
    np.testing.assert_allclose(result.balance, expected, rtol=1e-5)


def test_trivial_images_are_what_their_names_say(images):
    trivial = trivial_images(images)
    assert list(trivial) == ["black", "mid-gray", "white", "mean image", "untrained"]
    levels = {"black": 0, "mid-gray": 0.5, "white": 1, "untrained": 1 / (1 + np.exp(0.25))}
    for name, level in levels.items():
        np.testing.assert_array_equal(trivial[name], np.full(images.shape[1:], level))
    assert trivial["untrained"][0, 0, 0] == pytest.approx(0.4378, abs=5e-5)
    np.testing.assert_allclose(trivial["mean image"], sum(images.astype(float)) / 4, rtol=1e-12)
    assert trivial_images(images, s=2, m=0)["untrained"][0, 0, 0] == 0.5
    for name, result in score_trivial(images).items():
        pairs = [slow(trivial[name], image) for image in images]
        np.testing.assert_allclose(result, np.mean(pairs, axis=0), rtol=1e-6)


# Against the 36 images behind the published tables, with the absolute value; and without.
PUBLISHED = {"mid-gray": 0.2184, "mean image": 0.0498, "white": 0.2377, "black": 0.2730}


def test_trivial_images_against_the_bundled_set():
    trivial = score_trivial(load("orbit").pixels)
    for name, published in PUBLISHED.items():
        assert trivial[name].absolute == pytest.approx(published, abs=0.01), name
    assert trivial["black"].printed < 0 < trivial["mean image"].printed


def test_trivial_images_against_the_authors_set(authors_images):
    trivial = score_trivial(load(authors_images).pixels)
    for name, published in PUBLISHED.items():
        assert trivial[name].absolute == pytest.approx(published, abs=5e-5), name
    assert trivial["untrained"].absolute == pytest.approx(0.2159, abs=5e-5)
    assert trivial["black"].printed == pytest.approx(-0.0994, abs=5e-5)
