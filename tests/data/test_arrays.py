"""npz files and what makes a data set: what is kept, and what is refused in one line."""

import io
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from avanet.data import Dataset, Split
from avanet.data import arrays as npz
from avanet.data.dataset import fitted
from avanet.errors import InputError

X = np.random.default_rng(0).integers(0, 256, (6, 4, 5)).astype(np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def npy(array, shape=None) -> bytes:
    """An npy file; with `shape`, one whose header lies."""
    file = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array) | ({"shape": shape} if shape else {})
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def zipped(path, **members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


# --- reading and writing ------------------------------------------------------------------------

@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, npz.write_npz])
def test_splits_come_from_the_keys(tmp_path, save):
    path = tmp_path / "x.npz"
    save(path, x_train=X, y_train=Y, x_val=X[:2], x_test=X[:3], y_test=Y[:3], other=np.zeros(9),
         class_names=np.array(["a", "b", "c"]))
    dataset = npz.read_npz(path)
    assert list(dataset.splits) == ["train", "val", "test"]
    np.testing.assert_array_equal(dataset["train"].images, X[..., None])
    np.testing.assert_array_equal(dataset["test"].labels, Y[:3])
    assert dataset["val"].labels is None
    assert dataset.class_names == ("a", "b", "c") and dataset.n_classes == 3
    assert dataset.source == str(path) and dataset.shape == (4, 5, 1)


def test_factors_are_labels_of_several_columns(tmp_path):
    factors = np.stack([Y, Y[::-1]], axis=1)
    path = tmp_path / "x.npz"
    np.savez(path, x_train=X, y_train=factors, latents_names=np.array(["shape", "scale"]))
    dataset = npz.read_npz(path)
    np.testing.assert_array_equal(dataset["train"].labels, factors)
    assert dataset.factor_names == ("shape", "scale") and dataset.n_classes == 0


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_zeros_and_ones_are_black_and_white(tmp_path, dtype):
    path = tmp_path / "x.npz"
    np.savez(path, x_train=(X > 99).astype(dtype))
    np.testing.assert_array_equal(npz.read_npz(path)["train"].images[..., 0], 255 * (X > 99))


@settings(max_examples=30)
@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=4, max_side=4),
              elements=st.integers(2, 255), fill=st.nothing()))
def test_other_whole_numbers_stay(images):
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/x.npz", x_train=images)
        read = npz.read_npz(f"{folder}/x.npz")["train"].images
    np.testing.assert_array_equal(read.reshape(images.shape), images)


def test_the_same_arrays_give_the_same_bytes(tmp_path, monkeypatch):
    npz.write_npz(tmp_path / "a.npz", x=X, y=Y)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2040, 1, 1, 0, 0, 0, 0, 0, 0))
    npz.write_npz(tmp_path / "b.npz", x=X, y=Y)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as loaded:
        np.testing.assert_array_equal(loaded["x"], X)
    assert "cannot write" in refusal(npz.write_npz, tmp_path / "none" / "c.npz", x=X)


# --- bad files ----------------------------------------------------------------------------------

def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x_train=np.array([{}], object))
    assert "holds Python objects" in refusal(npz.read_npz, path)


@pytest.mark.parametrize("content", [b"", b"plain text", b"PK\x03\x04" + bytes(99)])
def test_a_file_that_is_no_zip(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    assert "is damaged, or no npz file" in refusal(npz.read_npz, tmp_path / "x.npz")


@pytest.mark.parametrize("content", [
    b"", b"\x93NUMPY", b"\x93NUMPY\x07\x00" + bytes(99), npy(X)[:-1], npy(X) + b"\0",
    npy(X, shape=(7, 4, 5)), npy(X, shape=(10**12,)), npy(X, shape=(-6, 4, -5)),
    npy(X).replace(b"|u1", b"|O1")])
def test_a_member_that_is_no_array_of_its_size(tmp_path, content):
    path = zipped(tmp_path / "x.npz", x_train=content)
    assert "is damaged, or no npz file" in refusal(npz.read_npz, path)


def test_no_flipped_byte_changes_a_pixel_unnoticed(tmp_path):
    path = tmp_path / "x.npz"
    npz.write_npz(path, x_train=X)
    whole = path.read_bytes()
    refused = 0
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x41
        path.write_bytes(flipped)
        try:
            dataset = npz.read_npz(path)
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(dataset["train"].images[..., 0], X)
    assert refused > len(whole) / 2


def test_a_zip_bomb_is_refused_unread(tmp_path, monkeypatch):
    zeros = np.zeros((2**21, 4, 4), np.uint8)  # 32 MiB in 32 kB
    path = zipped(tmp_path / "x.npz", x_train=npy(zeros), x_test=npy(zeros))
    assert path.stat().st_size < 10**5
    monkeypatch.setattr("avanet.npz.MAX_BYTES", 2**25 + 2**24)
    tracemalloc.start()
    message = refusal(npz.read_npz, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "take 67109120 bytes, at most 50331648 are read" in message
    assert peak < 2**20


def test_what_is_missing_is_named(tmp_path):
    np.savez(tmp_path / "x.npz", x_test=X, y_train=Y)
    assert "expected the images as x_train" in refusal(npz.read_npz, tmp_path / "x.npz")
    assert "got x_test, y_train" in refusal(npz.read_npz, tmp_path / "x.npz")
    assert "No such file" in refusal(npz.read_npz, tmp_path / "none.npz")
    assert "cannot read" in refusal(npz.read_npz, tmp_path)


# --- splits and sets ----------------------------------------------------------------------------

@pytest.mark.parametrize("images, message", [
    (np.zeros((0, 4, 4)), r"none of these 0, got \(0, 4, 4\)"),
    (np.zeros((3, 0, 4)), r"none of these 0, got \(3, 0, 4\)"),
    (np.zeros((3, 16)), r"expected images of shape .* got \(3, 16\)"),
    (np.full((3, 2, 2), np.nan), r"float pixels in \[0, 1\], got NaN"),
    (np.full((3, 2, 2), 1.5), r"got 1.5 to 1.5"),
    (np.full((3, 2, 2), -np.inf), r"got -inf to -inf"),
    (np.full((3, 2, 2), 256), r"whole pixels in 0..255, got 256 to 256"),
    (np.full((3, 2, 2), -1), r"got -1 to -1"),
    (np.full((3, 2, 2), "a"), r"pixels as numbers, got <U1"),
    (np.full((3, 2, 2), 1j), r"pixels as numbers, got complex128"),
])
def test_images_that_are_none(images, message):
    with pytest.raises(InputError, match=message):
        Split(images, source="mine")


@pytest.mark.parametrize("labels, message", [
    (np.zeros(5, int), r"each of 6 images, got shape \(5,\)"),
    (np.zeros((6, 0), int), r"got shape \(6, 0\)"),
    (np.int64(3), r"got shape \(\)"),
    (np.zeros(6), "whole numbers from 0, got float64"),
    (np.array([0, 1, 2, 3, 4, -1]), "smallest -1"),
])
def test_labels_that_are_none(labels, message):
    with pytest.raises(InputError, match=message):
        Split(X, labels)


def test_labels_out_of_range():
    with pytest.raises(InputError, match="mine, train: expected labels below 2, got 2"):
        Dataset("mine", {"train": Split(X, Y)}, class_names=("a", "b"))


def test_splits_must_agree():
    with pytest.raises(InputError, match=r"of train are of shape \(4, 5, 1\), of test \(4, 4, 1\)"):
        Dataset("mine", {"train": Split(X), "test": Split(X[..., :4])})
    with pytest.raises(InputError, match="expected a split train, got test"):
        Dataset("mine", {"test": Split(X)})
    with pytest.raises(InputError, match="unknown split of mine 'tets': did you mean 'test'"):
        Dataset("mine", {"train": Split(X), "test": Split(X)})["tets"]


def test_reading_scales_bytes_and_leaves_floats():
    chosen = np.array([3, 1])
    pixels = Split(X).read(chosen)
    assert pixels.dtype == np.float32 and pixels.shape == (2, 4, 5, 1)
    np.testing.assert_array_equal(pixels, (X[chosen, ..., None] / 255).astype(np.float32))
    np.testing.assert_allclose(Split(X / 255).read(chosen), pixels, rtol=1e-7)


def test_the_checksum_belongs_to_the_data_alone():
    same = [Dataset("a", {"train": Split(X, Y)}),
            Dataset("b", {"train": Split(X[..., None] / 255, Y.astype(int))})]
    changed = X.copy()
    changed[5, 3, 4] ^= 1
    others = [Dataset("a", {"train": Split(changed, Y)}), Dataset("a", {"train": Split(X)}),
              Dataset("a", {"train": Split(X, Y[::-1])}),
              Dataset("a", {"train": Split(X.reshape(6, 5, 4), Y)}),
              Dataset("a", {"train": Split(X, Y), "test": Split(X, Y)})]
    assert same[0].checksum == same[1].checksum and len(same[0].checksum) == 64
    assert len({each.checksum for each in (same[0], *others)}) == 6


def test_fitting_crops_then_resizes_by_area():
    dataset = Dataset("a", {"train": Split(np.repeat(X[..., None], 3, 3), Y), "test": Split(
        np.repeat(X[..., None], 3, 3))})
    cropped = fitted(dataset, crop=(1, 0, 5, 2))
    np.testing.assert_array_equal(cropped["test"].images[..., 2], X[:, :2, 1:5])
    halved = fitted(dataset, size=(2, 1), crop=(1, 0, 5, 2))
    mean = X[:, :2, 1:5].reshape(6, 2, 2, 2).mean((1, 3))
    np.testing.assert_allclose(halved["train"].images[:, 0, :, 1], mean, atol=1)
    np.testing.assert_array_equal(halved["train"].labels, Y)
    floats = fitted(Dataset("a", {"train": Split(X / 255)}), size=(2, 1), crop=(1, 0, 5, 2))
    np.testing.assert_allclose(floats["train"].images[:, 0, :, 0], mean / 255, rtol=1e-5)


def test_a_dark_crop_stays_dark():
    images = np.full((2, 4, 4), 200, np.uint8)
    images[:, :2, :2] = 1
    dark = fitted(Dataset("a", {"train": Split(images)}), crop=(0, 0, 2, 2))
    assert (dark["train"].images == 1).all()


@pytest.mark.parametrize("options, message", [
    ({"crop": (0, 0, 6, 4)}, "within the image, 5 x 4, got 0 0 6 4"),
    ({"crop": (3, 0, 3, 4)}, "got 3 0 3 4"),
    ({"crop": (-1, 0, 3, 4)}, "got -1 0 3 4"),
    ({"size": (0, 4)}, "got 0 x 4"),
])
def test_crops_and_sizes_that_are_none(options, message):
    with pytest.raises(InputError, match=message):
        fitted(Dataset("a", {"train": Split(X)}), **options)
