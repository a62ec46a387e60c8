"""The idx format: every type gives back what was written by hand, every bad file one line."""

import gzip
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from avanet.data.idx import read_idx, read_idx_folder
from avanet.errors import InputError

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
MNIST = Path(__file__).parents[2] / "../shared/data/mnist"


def idx(array) -> bytes:
    """An idx file made by hand: 0 0 type axes, the sizes, the items, all big-endian."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.name], array.ndim,
                         *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def refusal(path) -> str:
    with pytest.raises(InputError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def write_four(folder, n_train=5, n_test=3, suffix=".gz"):
    """MNIST's four files with a few random images; returns the four arrays."""
    rng = np.random.default_rng(0)
    written = []
    folder.mkdir(exist_ok=True)
    for part, n in (("train", n_train), ("t10k", n_test)):
        images = rng.integers(0, 256, (n, 4, 3)).astype(np.uint8)
        labels = rng.integers(0, 10, n).astype(np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx(array)
            (folder / f"{part}-{name}-ubyte{suffix}").write_bytes(
                gzip.compress(content) if suffix else content)
            written.append(array)
    return written


# --- what is read -------------------------------------------------------------------------------

@settings(max_examples=50)
@given(st.data(), st.sampled_from(sorted(CODES)), st.booleans())
def test_reading_gives_back_what_was_written(data, dtype, zipped):
    array = data.draw(arrays(dtype, array_shapes(max_dims=4, max_side=4, min_side=0)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
        read = read_idx(path)
    assert read.dtype == np.dtype(dtype) and read.dtype.isnative
    np.testing.assert_array_equal(read, array)


def test_a_file_byte_by_byte(tmp_path):
    (tmp_path / "x").write_bytes(bytes([0, 0, 11, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 255, 254]))
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), [[258, -2]])


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_of_four(tmp_path, suffix):
    x_train, y_train, x_test, y_test = write_four(tmp_path, suffix=suffix)
    dataset = read_idx_folder(tmp_path, "mine")
    np.testing.assert_array_equal(dataset["train"].images, x_train[..., None])
    np.testing.assert_array_equal(dataset["train"].labels, y_train)
    np.testing.assert_array_equal(dataset["test"].images, x_test[..., None])
    np.testing.assert_array_equal(dataset["test"].labels, y_test)


def test_mnist_itself():
    if not MNIST.is_dir():
        pytest.skip("MNIST is not here (../shared/data/mnist)")
    dataset = read_idx_folder(MNIST, "mnist")
    assert dataset["train"].images.shape == (60000, 28, 28, 1)
    assert dataset["test"].labels[:5].tolist() == [7, 2, 1, 0, 4]
    # the mean pixel that every tutorial normalises by
    assert dataset["train"].images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)


# --- bad input ----------------------------------------------------------------------------------

@pytest.mark.parametrize("content", [
    b"", b"\0", b"\0\0\x08", b"\x89PNG", b"\0\0\x0a\x01", b"\0\1\x08\x01", b"\0\0\x08\x00",
    b"\0\0\x08\xff"])
def test_a_wrong_magic_number(tmp_path, content):
    (tmp_path / "x").write_bytes(content + bytes(8 if len(content) == 4 else 0))
    assert "is no idx file" in refusal(tmp_path / "x")


def test_every_truncation_is_noticed(tmp_path):
    whole = idx(np.arange(6, dtype=np.int16).reshape(2, 3))
    for n in range(4, len(whole)):
        (tmp_path / "x").write_bytes(whole[:n])
        assert "is truncated" in refusal(tmp_path / "x")


def test_every_truncation_of_a_gz_is_noticed(tmp_path):
    whole = gzip.compress(idx(np.arange(6, dtype=np.int16).reshape(2, 3)))
    for n in range(2, len(whole)):
        (tmp_path / "x").write_bytes(whole[:n])
        assert "damaged" in refusal(tmp_path / "x") or "no idx" in refusal(tmp_path / "x")


@pytest.mark.parametrize("zip_", [bytes, gzip.compress])
def test_trailing_bytes(tmp_path, zip_):
    (tmp_path / "x").write_bytes(zip_(idx(np.zeros((2, 3), np.uint8)) + b"\0"))
    assert "goes on after its 6 bytes" in refusal(tmp_path / "x")


@pytest.mark.parametrize("shape", [(10**6, 10**3, 10**3), (2**32 - 1,) * 4])
def test_a_header_that_announces_too_much_is_refused(tmp_path, shape):
    (tmp_path / "x").write_bytes(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape))
    assert "at most 4294967296 are read" in refusal(tmp_path / "x")


@pytest.mark.parametrize("zip_", [bytes, gzip.compress])
def test_a_header_does_not_allocate(tmp_path, zip_):
    (tmp_path / "x").write_bytes(zip_(struct.pack(">BBBBI", 0, 0, 8, 1, 2**32 - 1) + bytes(99)))
    tracemalloc.start()
    message = refusal(tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "expected 4294967295 bytes, got 99" in message
    assert peak < 2**23


def test_a_flipped_bit_in_a_gz_is_noticed(tmp_path):
    whole = bytearray(gzip.compress(idx(np.arange(200, dtype=np.uint8))))
    whole[len(whole) // 2] ^= 1
    (tmp_path / "x").write_bytes(whole)
    assert "x is " in refusal(tmp_path / "x")


def test_files_that_are_not_there(tmp_path):
    assert "No such file" in refusal(tmp_path / "nowhere")
    assert "cannot read" in refusal(tmp_path)
    write_four(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte is missing"):
        read_idx_folder(tmp_path, "mine")


def test_labels_that_do_not_fit_the_images(tmp_path):
    write_four(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(4, np.uint8)))
    with pytest.raises(InputError, match=r"mine, test: expected a label .* each of 3 images"):
        read_idx_folder(tmp_path, "mine")
