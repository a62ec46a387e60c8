"""Numbers of images and of classes, against loops and hand-worked cases."""

import math

import numpy as np
import pytest

from avanet.metrics.pictures import (
    class_shares, entropy, kl_to_uniform, modes, pooled, sharpness, squared_error,
)

RNG = np.random.default_rng(0)


def test_sharpness_by_loops():
    x = RNG.random((2, 5, 4, 3))
    for image, got in zip(x, sharpness(x)):
        grey = image.mean(axis=2)
        values = [grey[i - 1, j] + grey[i + 1, j] + grey[i, j - 1] + grey[i, j + 1]
                  - 4 * grey[i, j] for i in range(1, 4) for j in range(1, 3)]
        assert got == pytest.approx(np.var(values))


def test_a_slope_is_not_sharp_and_blur_lowers_it():
    slope = np.add.outer(np.arange(8), 2 * np.arange(9))[None, ..., None] / 30
    assert sharpness(slope) == pytest.approx(0, abs=1e-20)
    x = RNG.random((3, 12, 12, 1))
    blurred = (x + np.roll(x, 1, 1) + np.roll(x, 1, 2)) / 3
    assert (sharpness(blurred) < sharpness(x)).all()


def test_squared_error_is_a_mean_over_pixels():
    x = np.zeros((2, 3, 3, 1), np.float32)
    y = x.copy()
    y[1, 0, 0] = 0.6
    np.testing.assert_allclose(squared_error(x, y), [0, 0.04], rtol=1e-6)


def test_balance_of_classes_by_hand():
    p = class_shares(np.array([0, 0, 1, 3]), 4)
    assert p.tolist() == [0.5, 0.25, 0, 0.25]
    assert entropy(p) == pytest.approx(1.5 * math.log(2))
    assert kl_to_uniform(p) == pytest.approx(0.5 * math.log(2))
    assert kl_to_uniform(np.full(10, 0.1)) == pytest.approx(0)
    assert kl_to_uniform(np.eye(10)[3]) == pytest.approx(math.log(10))


def test_a_stray_label_is_no_mode():
    labels = np.repeat([0, 1, 2], [990, 9, 1])
    assert modes(class_shares(labels, 10)) == 1
    assert modes(np.full(10, 0.1)) == 10


def test_pooled_means_of_areas():
    x = np.arange(2 * 5 * 4 * 1.0).reshape(2, 5, 4, 1)
    means = pooled(x, 2)
    assert means.shape == (2, 4)
    assert means[0].tolist() == [x[0, :2, :2].mean(), x[0, :2, 2:].mean(), x[0, 2:, :2].mean(),
                                 x[0, 2:, 2:].mean()]
    np.testing.assert_array_equal(pooled(x, 8), x.reshape(2, -1))
