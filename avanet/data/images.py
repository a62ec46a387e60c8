"""Reading pictures: a folder of PNG, JPEG or BMP files, or a bundled set by name."""

import hashlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avanet.data.bundled import BUNDLED, bundled_folder
from avanet.errors import InputError, unknown_name
from avanet.files import exists, told

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp")
MAX_PIXELS = 2**26  # of one image: 67 million, 800 MB as float32 RGB
DAMAGED = (  # what Pillow raises on a file that is not whole
    OSError, SyntaxError, ValueError, LookupError, TypeError, OverflowError, EOFError,
    AssertionError, AttributeError, struct.error, zlib.error)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures of one size.

    Attributes
    ----------
    pixels : (N, H, W, 3) float32, RGB in [0, 1]
    names : the N file names, in the order of `pixels`
    source : the set's name or folder, as the user gave it
    """

    pixels: NDArray[np.float32]
    names: tuple[str, ...]
    source: str

    @property
    def checksum(self) -> str:
        """SHA-256, in hexadecimal, of the shape and of the pixels rounded to 0..255: the same
        for the same pictures in the same order, whatever their names and compression."""
        digest = hashlib.sha256(str(self.pixels.shape).encode())
        for picture in self.pixels:
            digest.update(np.rint(picture * 255).astype(np.uint8).tobytes())
        return digest.hexdigest()


def load(name_or_path: str | Path, size: tuple[int, int] | None = None) -> ImageSet:
    """The pictures that `--data NAME|PATH` means: a bundled set (`orbit`) or a folder.

    A bundled name goes before a folder of that name: write `./orbit` for the folder.
    Raises `InputError` for a name that is neither, and as `read_folder` does.
    """
    source = str(name_or_path)
    if source in BUNDLED:
        return _read(bundled_folder(source), source, size)
    with told("read", source):
        if Path(source).name == source and not exists(source):
            raise InputError(f"{unknown_name('data set', source, BUNDLED)};"
                             " or give the path of a folder of images")
        return read_folder(source, size)


def read_folder(folder: str | Path, size: tuple[int, int] | None = None) -> ImageSet:
    """Every PNG, JPEG and BMP file of a folder but the hidden ones, sorted by name.

    Gray becomes R = G = B (16-bit gray keeps its precision), a palette its colours; what is
    transparent is composited over black, what is opaque stays as it is.

    Parameters
    ----------
    folder : the folder; its subfolders are not read
    size : (width, height) to resize every image to, each new pixel the mean of the area that it
        covers (Pillow's BOX filter); without it all images must have one size

    Raises
    ------
    InputError
        No folder, no images, one that is damaged, unreadable, too large or of another size.
    """
    return _read(Path(folder), str(folder), size)


def _read(folder: Path, source: str, size: tuple[int, int] | None) -> ImageSet:
    """Read a folder; every file is checked before the first pixel is decoded."""
    paths = _image_files(folder)
    sizes = [_checked_size(path) for path in paths]
    width, height = checked_size(size or sizes[0])
    for path, other in zip(paths, sizes):
        if not size and other != (width, height):
            raise InputError(_different(paths[0], (width, height), path, other))
    pixels = _room(len(paths), (width, height))
    for picture, path in zip(pixels, paths):
        picture[:] = _read_image(path, (width, height))
    return ImageSet(pixels, tuple(path.name for path in paths), source)


def _room(n: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Where n RGB images of a size (width, height) go; InputError if there is no memory."""
    try:
        return np.empty((n, size[1], size[0], 3), np.float32)
    except MemoryError:
        raise InputError(f"no memory for {n} x {size[0]} x {size[1]}: give --size") from None


class FolderImages:
    """The images of a folder, each decoded whenever it is asked for.

    `images[indices]`, indices a slice or an array of B whole numbers, is (B, H, W, 3) float32,
    RGB in [0, 1], read and resized as `read_folder` does.

    Parameters
    ----------
    folder : the folder; its subfolders are not read
    size : (width, height) to resize every image to; without it all must have one size
    crop : (left, top, right, bottom) in pixels, the part of every image that is kept (and then
        resized), right and bottom not included

    Attributes
    ----------
    shape : (N, H, W, 3)
    names : the N file names

    Raises
    ------
    InputError
        As `read_folder` does: for the first image at once, for the others when they are read.
        Also for a crop that is empty or leaves an image.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, folder: str | Path, size: tuple[int, int] | None = None,
                 crop: tuple[int, int, int, int] | None = None):
        self._paths = _image_files(Path(folder))
        self._crop, self._one_size = crop, not (size or crop)
        first = _checked_size(self._paths[0])
        self._size = checked_size(size or (crop_size(crop, first) if crop else first))
        self.names = tuple(path.name for path in self._paths)
        self.shape = (len(self._paths), self._size[1], self._size[0], 3)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, indices) -> NDArray[np.float32]:
        chosen = np.arange(len(self))[indices]
        pixels = _room(len(chosen), self._size)
        for picture, i in zip(pixels, chosen):
            picture[:] = self._read(self._paths[i])
        return pixels

    def _read(self, path: Path) -> NDArray[np.float32]:
        size = _checked_size(path)
        if self._one_size and size != self._size:
            raise InputError(_different(self._paths[0], self._size, path, size))
        if self._crop:
            crop_size(self._crop, size, path.name)
        return _read_image(path, self._size, self._crop)


def crop_size(crop: tuple[int, int, int, int], size: tuple[int, int], name: str = "the image"):
    """(width, height) of what a crop keeps; `InputError` if it keeps nothing or leaves `size`."""
    left, top, right, bottom = crop
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise InputError(f"expected a crop (left, top, right, bottom) within {name}, "
                         f"{size[0]} x {size[1]}, got {' '.join(map(str, crop))}")
    return right - left, bottom - top


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height); `InputError` if it has no pixels, or too many."""
    width, height = size
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        raise InputError(f"expected a size of 1 to {MAX_PIXELS} pixels, got {width} x {height}")
    return width, height


def _different(first: Path, size: tuple[int, int], path: Path, other: tuple[int, int]) -> str:
    return (f"images of different sizes: {first.name} is {size[0]} x {size[1]}, "
            f"{path.name} {other[0]} x {other[1]}; give --size W H to resize all")


def _image_files(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS
                       and not path.name.startswith(".") and not path.is_dir())
    except OSError as error:
        raise InputError(f"expected a folder of images, got {folder}: {error.strerror}") from error
    if not paths:
        raise InputError(f"no images in {folder}: expected files in {', '.join(EXTENSIONS)}")
    return paths


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image behind its header; what Pillow raises on it becomes an `InputError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "BMP")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield image
    except Image.DecompressionBombError:
        raise InputError(f"{path} is too large: at most {MAX_PIXELS} pixels are read") from None
    except MemoryError:
        raise InputError(f"no memory for the pixels of {path}") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        raise InputError(f"{path} is damaged, or no PNG, JPEG or BMP: remove it") from error


def _checked_size(path: Path) -> tuple[int, int]:
    """(width, height) as the header says; PNG's checksums are verified, other formats have none."""
    with _opened(path) as image:
        image.verify()
    return image.size


def _read_image(path: Path, size: tuple[int, int],
                crop: tuple[int, int, int, int] | None = None) -> NDArray[np.float32]:
    """(H, W, 3) RGB or (H, W, 1) gray, in [0, 1]."""
    with _opened(path) as image:
        image.load()
        if image.mode.startswith("I"):  # 16-bit gray
            gray = Image.fromarray(np.asarray(image, np.float32) / 65535)
            return np.asarray(gray.resize(size, Image.Resampling.BOX, crop))[..., None]
        rgb = image
        if image.has_transparency_data:
            black = Image.new("RGBA", image.size, "black")
            rgb = Image.alpha_composite(black, image.convert("RGBA"))
        rgb = rgb.convert("RGB").resize(size, Image.Resampling.BOX, crop)
        return np.asarray(rgb, np.float32) / np.float32(255)
