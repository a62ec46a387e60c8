"""The drawn digits: the same anywhere, legible, varied, and what is bundled is what is drawn."""

import hashlib

import numpy as np
import pytest

from avanet.data import load_dataset
from avanet.data.bundled import bundled_folder
from avanet.data.digits import WAYS, draw_digits, write_digits
from avanet.errors import InputError

FIRST_100 = "bad984a08fb5eb7ad6a58dd02d0366fb6bd5ce33d635ed99a73c87af8fee5969"


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def flat(split):
    return split.read(np.arange(len(split))).reshape(len(split), -1)


def test_the_bundled_file_is_what_is_drawn(tmp_path):
    path = write_digits(tmp_path / "new" / "digits")
    assert path == tmp_path / "new" / "digits" / "digits.npz"
    bundled = bundled_folder("digits") / "digits.npz"
    with np.load(path) as drawn, np.load(bundled) as kept:
        assert list(drawn) == list(kept) == ["x_train", "y_train", "x_test", "y_test"]
        for key in drawn:
            np.testing.assert_array_equal(drawn[key], kept[key])
        assert len(kept["x_train"]) == 2000 and len(kept["x_test"]) == 500
    assert bundled.stat().st_size < 600_000


def test_writing_needs_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write .*digits.npz"):
        write_digits(tmp_path / "file")


def test_the_pixels_are_the_same_on_every_machine():
    images, labels = draw_digits(100, seed=7)
    drawn = images.tobytes() + labels.astype("<i8").tobytes()
    assert hashlib.sha256(drawn).hexdigest() == FIRST_100


def test_a_seed_draws_its_own_digits_again_and_again():
    images, labels = draw_digits(20, seed=3)
    assert images.shape == (20, 28, 28) and images.dtype == np.uint8
    assert labels.shape == (20,) and labels.dtype == np.int64
    again, same = draw_digits(8, seed=3)
    np.testing.assert_array_equal(again, images[:8])
    np.testing.assert_array_equal(same, labels[:8])
    assert (draw_digits(20, seed=4)[0] != images).any((1, 2)).all()
    assert draw_digits(0, seed=3)[0].shape == (0, 28, 28)
    with pytest.raises(InputError, match="at least 0, got -1"):
        draw_digits(-1, seed=0)


def test_classes_are_about_equally_frequent(digits):
    counts = np.bincount(digits["train"].labels, minlength=10)
    assert len(WAYS) == len(counts) == 10
    assert abs(counts - 200).max() < 4.5 * np.sqrt(180)  # binomial deviation of 2000 draws


def test_no_two_digits_are_alike(digits):
    together = np.concatenate([flat(digits[name]) for name in ("train", "test")])
    assert len(np.unique(together, axis=0)) == 2500


def test_ink_is_as_in_mnist(digits):
    """White on black, most of it within 20 x 20 pixels, centred, a little more than a tenth."""
    images = digits["train"].images[..., 0] / 255
    assert images.max() == 1 and np.median(images) == 0
    assert 0.10 < images.mean() < 0.15             # MNIST: 0.131
    assert 0.10 < ((images > 0) & (images < 1)).mean() < 0.20  # anti-aliased; MNIST: 0.19
    assert images[:, 4:24, 4:24].sum() > 0.95 * images.sum()
    assert (images[:, [0, -1]] == 0).all() and (images[:, :, [0, -1]] == 0).all()
    places = np.arange(28) + 0.5
    ink = images.sum((1, 2))
    for axis in (1, 2):
        centre = (images.sum(axis) * places).sum(1) / ink
        assert abs(centre - 14).mean() < 0.5 and abs(centre - 14).max() < 2


def test_pens_and_hands_differ(digits):
    for label in range(10):
        own = flat(digits["train"])[digits["train"].labels == label]
        ink = own.sum(1)
        assert ink.max() > 2 * ink.min()
        spread = np.linalg.norm(own - own.mean(0), axis=1)
        assert spread.min() > 2.5  # none is the average hand


def test_the_nearest_centroid_is_right_far_above_chance_but_not_always(digits):
    train, test = digits["train"], digits["test"]
    centroids = np.stack([flat(train)[train.labels == label].mean(0) for label in range(10)])
    distances = ((flat(test)[:, None] - centroids) ** 2).sum(-1)
    right = distances.argmin(1) == test.labels
    readme = (bundled_folder("digits").parent / "README.md").read_text()
    assert f"| nearest class mean | {100 * right.mean():.1f} % |" in readme
    assert 0.75 < right.mean() < 0.95
    assert min(right[test.labels == label].mean() for label in range(10)) > 0.5
