"""Reading pictures: a folder of PNG, JPEG or BMP files, or a bundled set by name."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avanet.data.bundled import BUNDLED, bundled_folder
from avanet.errors import InputError, unknown_name

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp")
MAX_PIXELS = 2**26  # of one image: 67 million, 800 MB as float32 RGB
DAMAGED = (OSError, SyntaxError, ValueError)  # what Pillow raises on a file that is not whole


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
    if Path(source).name == source and not Path(source).exists():
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
    width, height = size or sizes[0]
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        raise InputError(f"expected a size of 1 to {MAX_PIXELS} pixels, got {width} x {height}")
    for path, (w, h) in zip(paths, sizes):
        if not size and (w, h) != (width, height):
            raise InputError(f"images of different sizes: {paths[0].name} is {width} x {height},"
                             f" {path.name} {w} x {h}; give --size W H to resize all")
    try:
        pixels = np.empty((len(paths), height, width, 3), np.float32)
    except MemoryError:
        raise InputError(f"no memory for {len(paths)} x {width} x {height}: give --size") from None
    for picture, path in zip(pixels, paths):
        picture[:] = _read_image(path, (width, height))
    return ImageSet(pixels, tuple(path.name for path in paths), source)


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
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        raise InputError(f"{path} is damaged, or no PNG, JPEG or BMP: remove it") from error


def _checked_size(path: Path) -> tuple[int, int]:
    """(width, height) as the header says; PNG's checksums are verified, other formats have none."""
    with _opened(path) as image:
        image.verify()
    return image.size


def _read_image(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, 3) RGB or (H, W, 1) gray, in [0, 1]."""
    with _opened(path) as image:
        image.load()
    if image.mode.startswith("I"):  # 16-bit gray
        gray = Image.fromarray(np.asarray(image, np.float32) / 65535)
        return np.asarray(gray.resize(size, Image.Resampling.BOX))[..., None]
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    rgb = image.convert("RGB").resize(size, Image.Resampling.BOX)
    return np.asarray(rgb, np.float32) / np.float32(255)
