"""Reading folders: every mode gives the pixels that were written, every bad input one line."""

import os
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from avanet.data import load, read_folder
from avanet.errors import InputError

COLOURS = np.array([[[255, 0, 10], [0, 255, 20]], [[30, 40, 255], [7, 8, 9]]], np.uint8)


def refusal(folder, **options) -> str:
    """The message for a folder that cannot be read: one line."""
    with pytest.raises(InputError) as caught:
        read_folder(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG made by hand from chunks (kind, data), with their right checksums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (*chunks, (b"IEND", b"")))


def hollow_png(width: int, height: int) -> bytes:
    """A gray PNG that claims a size and holds no rows."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return png((b"IHDR", header), (b"IDAT", zlib.compress(b"")))


def only_image(folder: Path, name: str, image: Image.Image) -> np.ndarray:
    image.save(folder / name)
    (pixels,) = read_folder(folder).pixels
    return pixels


# --- what is read -------------------------------------------------------------------------------

@settings(max_examples=30)
@given(pictures=arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5),
                                           st.just(3))),
       extension=st.sampled_from(["png", "PNG", "bmp", "Bmp"]))
def test_reading_gives_back_what_was_written(pictures, extension):
    with tempfile.TemporaryDirectory() as folder:
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(Path(folder) / f"{i}.{extension}")
        images = read_folder(folder)
    assert images.pixels.dtype == np.float32
    np.testing.assert_allclose(images.pixels, pictures / 255, rtol=1e-6)
    assert images.names == tuple(f"{i}.{extension}" for i in range(len(pictures)))
    assert images.source == folder


def test_files_come_sorted_by_name_and_others_are_left_alone(tmp_path):
    for name, level in (("b.JPEG", 200), ("a.bmp", 100), ("c.png", 50), ("B.jpg", 0)):
        Image.new("RGB", (8, 8), (level,) * 3).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".c.png").write_text("what a file manager leaves behind")
    (tmp_path / "folder.png").mkdir()
    images = read_folder(tmp_path)
    assert images.names == ("B.jpg", "a.bmp", "b.JPEG", "c.png")
    levels = images.pixels.mean((1, 2, 3)) * 255
    np.testing.assert_allclose(levels, [0, 100, 200, 50], atol=1)


def test_rgb_keeps_its_channels(tmp_path):
    pixels = only_image(tmp_path, "x.png", Image.fromarray(COLOURS))
    np.testing.assert_allclose(pixels, COLOURS / 255, rtol=1e-6)


def test_an_opaque_alpha_changes_nothing(tmp_path):
    image = Image.fromarray(COLOURS)
    image.putalpha(255)
    np.testing.assert_allclose(only_image(tmp_path, "x.png", image), COLOURS / 255, rtol=1e-6)


def test_what_is_transparent_is_composited_over_black(tmp_path):
    image = Image.fromarray(COLOURS)
    image.putalpha(Image.fromarray(np.array([[255, 0], [51, 102]], np.uint8)))
    expected = COLOURS / 255 * np.array([[1, 0], [0.2, 0.4]])[..., None]
    np.testing.assert_allclose(only_image(tmp_path, "x.png", image), expected, atol=0.5 / 255)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_gray_becomes_three_equal_channels(tmp_path, mode):
    gray = Image.fromarray(np.array([[0, 255, 255], [255, 0, 0]], np.uint8)).convert(mode)
    pixels = only_image(tmp_path, "x.png", gray)
    np.testing.assert_array_equal(pixels, np.repeat([[[0], [1], [1]], [[1], [0], [0]]], 3, 2))


def test_gray_with_alpha_is_composited_too(tmp_path):
    image = Image.new("LA", (2, 1))
    image.putdata([(200, 255), (200, 0)])
    np.testing.assert_allclose(only_image(tmp_path, "x.png", image)[0, :, 1], [200 / 255, 0],
                               rtol=1e-6)


def test_sixteen_bit_gray_keeps_its_precision(tmp_path):
    levels = np.array([[0, 1, 65535], [257, 1000, 32768]], np.uint16)
    pixels = only_image(tmp_path, "x.png", Image.fromarray(levels))
    np.testing.assert_allclose(pixels, np.repeat(levels[..., None] / 65535, 3, 2), rtol=1e-6)


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([255, 0, 10, 0, 255, 20, 30, 40, 255])
    expected = np.array([[[255, 0, 10], [0, 255, 20], [30, 40, 255]]]) / 255
    np.testing.assert_allclose(only_image(tmp_path, "x.png", image), expected, rtol=1e-6)


def test_the_transparent_colour_of_a_palette_is_black(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([255, 0, 10, 0, 255, 20])
    image.save(tmp_path / "x.png", transparency=0)
    (pixels,) = read_folder(tmp_path).pixels
    np.testing.assert_allclose(pixels, [[[0, 0, 0], [0, 1, 20 / 255]]], rtol=1e-6)


def test_a_size_resizes_every_image_by_area(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    Image.new("L", (9, 3), 51).save(tmp_path / "b.png")
    Image.fromarray(np.full((2, 2), 13107, np.uint16)).save(tmp_path / "c.png")
    one = read_folder(tmp_path, size=(1, 1)).pixels
    assert one.shape == (3, 1, 1, 3)
    np.testing.assert_allclose(one[0, 0, 0], COLOURS.mean((0, 1)) / 255, atol=1 / 255)
    np.testing.assert_allclose(one[1:], 0.2, atol=1e-6)
    assert read_folder(tmp_path, size=(6, 4)).pixels.shape == (3, 4, 6, 3)


def test_the_checksum_belongs_to_the_pixels_alone(tmp_path):
    folders = [tmp_path / name for name in ("bmp", "png", "alpha", "other", "wide")]
    image = Image.fromarray(COLOURS)
    opaque = image.copy()
    opaque.putalpha(255)
    other = COLOURS.copy()
    other[1, 1, 2] += 1
    wide = Image.fromarray(COLOURS.reshape(1, 4, 3))
    contents = (image, image, opaque, Image.fromarray(other), wide)
    for folder, content in zip(folders, contents):
        folder.mkdir()
        content.save(folder / f"{folder.name}.{'bmp' if folder.name == 'bmp' else 'png'}")
    bmp, png_, alpha, changed, reshaped = (read_folder(folder).checksum for folder in folders)
    assert bmp == png_ == alpha
    assert len({bmp, changed, reshaped}) == 3
    assert len(bmp) == 64 and int(bmp, 16)


# --- names --------------------------------------------------------------------------------------

def test_the_bundled_set_has_a_name():
    images = load("orbit")
    assert images.pixels.shape == (36, 64, 100, 3)
    assert images.names[0] == "01.png" and images.names[-1] == "36.png"
    assert images.source == "orbit"
    assert load("orbit", size=(50, 32)).pixels.shape == (36, 32, 50, 3)


def test_a_folder_is_found_by_its_path(tmp_path, monkeypatch):
    (tmp_path / "orbit").mkdir()
    Image.fromarray(COLOURS).save(tmp_path / "orbit" / "x.png")
    monkeypatch.chdir(tmp_path)
    assert load("./orbit").pixels.shape == (1, 2, 2, 3)
    assert load(tmp_path / "orbit").source == str(tmp_path / "orbit")
    assert len(load("orbit").pixels) == 36


def test_an_unknown_name_gets_the_nearest_known_one():
    with pytest.raises(InputError, match="'orbti': did you mean 'orbit'.*a folder of images"):
        load("orbti")
    with pytest.raises(InputError, match="No such file or directory"):
        load("pictures/orbti")


# --- bad input ----------------------------------------------------------------------------------

def test_no_such_folder(tmp_path):
    assert "expected a folder of images" in refusal(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "x.png")
    assert "expected a folder of images" in refusal(tmp_path / "x.png")
    with pytest.raises(InputError, match="Not a directory"):
        load(tmp_path / "x.png")


def test_a_folder_without_images(tmp_path):
    assert "no images in" in refusal(tmp_path)
    (tmp_path / "x.txt").write_text("text")
    assert ".png, .jpg, .jpeg, .bmp" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"plain text\n", b"GIF89a" + bytes(40),
                                     png(), png((b"IHDR", b"short"))])
def test_a_file_that_only_calls_itself_png(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    assert "x.png is damaged" in refusal(tmp_path)


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_image(tmp_path, extension, kept):
    path = tmp_path / f"x.{extension}"
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:int(kept * path.stat().st_size)])
    assert f"x.{extension} is damaged" in refusal(tmp_path)


def test_no_flipped_bit_of_a_png_changes_a_pixel_unnoticed(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(COLOURS).save(path)
    whole = path.read_bytes()
    refused = 0
    for position in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            images = read_folder(tmp_path)
        except InputError as error:
            assert "x.png is" in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(np.rint(images.pixels[0] * 255), COLOURS)
    assert refused > 7 * len(whole)


@pytest.mark.parametrize("size", [(0, 3), (3, 0)])
def test_an_image_without_pixels(tmp_path, size):
    (tmp_path / "x.png").write_bytes(hollow_png(*size))
    assert "x.png is damaged" in refusal(tmp_path)


@pytest.mark.parametrize("size", [(8200, 8200), (9500, 9500), (2**16, 2**16)])
def test_an_absurdly_large_image_is_not_decoded(tmp_path, size):
    (tmp_path / "x.png").write_bytes(hollow_png(*size))
    assert "x.png is too large" in refusal(tmp_path)
    assert "x.png is too large" in refusal(tmp_path, size=(10, 10))


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (2**20, 2**20)])
def test_a_size_that_is_none(tmp_path, size):
    Image.fromarray(COLOURS).save(tmp_path / "x.png")
    assert f"got {size[0]} x {size[1]}" in refusal(tmp_path, size=size)


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited on Linux")
def test_more_pixels_than_memory(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "x.png")
    program = """
import resource, sys
from avanet.data import read_folder
from avanet.errors import InputError
read_folder(sys.argv[1])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 2**28
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    read_folder(sys.argv[1], size=(8000, 8000))
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True)
    assert "no memory for 1 x 8000 x 8000" in done.stdout, done.stderr


def test_images_of_different_sizes_are_named(tmp_path):
    for name, size in (("a.png", (4, 3)), ("b.png", (4, 3)), ("c.png", (3, 4))):
        Image.new("RGB", size).save(tmp_path / name)
    message = refusal(tmp_path)
    assert "a.png is 4 x 3, c.png 3 x 4" in message and "--size W H" in message


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX ones here")
def test_no_permission_to_read(reachable, unprivileged):
    Image.fromarray(COLOURS).save(reachable / "x.png")
    (reachable / "x.png").chmod(0)
    with unprivileged():
        assert "cannot read" in refusal(reachable) and "x.png" in refusal(reachable)
    reachable.chmod(0)
    with unprivileged():
        message = refusal(reachable)
    reachable.chmod(0o700)
    assert "Permission denied" in message
