"""The drawn faces: the same anywhere, every combination once, each factor visible on its own."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from avanet.data import load_dataset
from avanet.data.bundled import bundled_folder
from avanet.data.faces import FACTORS, all_factors, draw_faces, write_faces
from avanet.data.named import CELEBA_CROP
from avanet.errors import InputError

SOME = all_factors()[::97]
PIXELS = "7f512544d3f45ae187a045f4f940c6c5bcc4fbcc45e35c8d4b140513fe294d0d"
COUNTS = np.array(list(FACTORS.values()))


@pytest.fixture(scope="module")
def faces():
    return load_dataset("faces")


def test_the_pixels_are_the_same_on_every_machine():
    assert hashlib.sha256(draw_faces(SOME).tobytes()).hexdigest() == PIXELS


def test_the_bundled_faces_are_what_is_drawn(faces):
    for split in faces.splits.values():
        some = np.arange(0, len(split), 41)
        np.testing.assert_array_equal(split.images[some], draw_faces(split.labels[some]))
    assert (bundled_folder("faces") / "faces.npz").stat().st_size < 1_500_000


def test_what_is_written_is_what_is_bundled(tmp_path, monkeypatch):
    from avanet.data import faces
    blank = lambda factors: np.zeros((len(factors), 64, 64, 3), np.uint8)
    monkeypatch.setattr(faces, "draw_faces", blank)  # the pixels are compared above
    with np.load(write_faces(tmp_path / "new")) as made, \
            np.load(bundled_folder("faces") / "faces.npz") as kept:
        assert list(made) == list(kept)
        for key in ("y_train", "y_test", "latents_names"):
            np.testing.assert_array_equal(made[key], kept[key])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write .*faces.npz"):
        write_faces(tmp_path / "file")


def test_every_combination_is_there_once(faces):
    assert faces.factor_names == tuple(FACTORS) and faces.shape == (64, 64, 3)
    assert faces.n_classes == 0
    together = np.concatenate([split.labels for split in faces.splits.values()])
    assert len(together) == COUNTS.prod() == len(np.unique(together, axis=0))
    assert len(faces["test"]) == 275


def test_no_two_faces_are_alike(faces):
    pixels = np.concatenate([split.images for split in faces.splits.values()])
    assert len({image.tobytes() for image in pixels}) == len(pixels)


@pytest.mark.parametrize("k, name", list(enumerate(FACTORS)))
def test_a_factor_changes_what_it_is_about(k, name):
    """And nothing else: the other pixels stay."""
    rows = np.tile(COUNTS // 2, (COUNTS[k], 1))
    rows[:, k] = np.arange(COUNTS[k])
    images = draw_faces(rows).astype(int)
    moved = (images != images[:1]).any(axis=(0, 3))
    rows_moved, columns_moved = np.nonzero(moved)
    assert 20 < moved.sum() < 2500
    assert (columns_moved.min() > 3) and columns_moved.max() < 60
    if name == "mouth":
        assert rows_moved.min() > 36 and rows_moved.max() < 50
    if name == "glasses":
        assert rows_moved.min() > 20 and rows_moved.max() < 36


def test_factors_that_are_not_there():
    with pytest.raises(InputError, match=r"below 5 \(skin\), 5 \(hair\), 3 \(glasses\)"):
        draw_faces(np.array([[0, 0, 3, 0, 0]]))
    with pytest.raises(InputError, match="expected factors below"):
        draw_faces(np.array([[-1, 0, 0, 0, 0]]))


def test_celeba_is_cropped_to_the_face(tmp_path):
    (tmp_path / "celeba").mkdir()
    pixels = np.zeros((218, 178, 3), np.uint8)
    left, top, right, bottom = CELEBA_CROP
    assert right - left == bottom - top == 118
    pixels[top:bottom, left:right] = 200
    Image.fromarray(pixels).save(tmp_path / "celeba" / "000001.png")
    dataset = load_dataset("celeba", root=tmp_path)
    assert dataset.shape == (64, 64, 3)
    np.testing.assert_allclose(dataset["train"].read([0]), 200 / 255, atol=1e-3)
    assert load_dataset("celeba", (178, 218), root=tmp_path).shape == (218, 178, 3)
    with pytest.raises(InputError, match="put a folder celeba"):
        load_dataset("celeba", root=tmp_path / "nothing")
