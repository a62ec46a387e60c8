"""Data sets by name: where they are, and how they get there.

`orbit`, `digits` and `faces` come with avanet. The others are under a root folder: the one that is
given, else the environment's AVANET_DATA, else `avanet/data` in the user's cache; MNIST and
Fashion-MNIST can be downloaded into it (optional package pooch), the rest are npz files to be put
there, and CelebA a folder of images.
"""

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from avanet.data.arrays import read_npz
from avanet.data.bundled import bundled_folder
from avanet.data.dataset import Dataset, Split, fitted
from avanet.data.digits import FILE as DIGITS
from avanet.data.faces import FACTORS
from avanet.data.faces import FILE as FACES
from avanet.data.idx import FILES, idx_file, is_idx_folder, read_idx_folder
from avanet.data.images import FolderImages
from avanet.errors import InputError, unknown_name
from avanet.files import exists, told, user_cache

NAMES = {
    "digits": "2,500 digits, 28 x 28, 10 classes, drawn by avanet",
    "orbit": "36 pictures, 100 x 64 RGB, drawn by avanet",
    "faces": f"1,875 faces, 64 x 64 RGB, {len(FACTORS)} factors, drawn by avanet",
    "mnist": "70,000 handwritten digits, 28 x 28, 10 classes",
    "fashion-mnist": "70,000 articles of clothing, 28 x 28, 10 classes",
    "omniglot": "handwritten characters of 50 alphabets, 28 x 28",
    "caltech101-silhouettes": "8,671 outlines, 28 x 28, black and white, 101 classes",
    "cifar10": "photographs, 32 x 32 RGB, 10 classes",
    "dsprites": "shapes, 64 x 64, black and white, 5 factors",
    "celeba": "a folder of CelebA's aligned photographs, cropped to the face, 64 x 64 RGB",
}
PACKED = {"digits": DIGITS, "faces": FACES}  # bundled sets in one file
# 178 x 218 pixels: (15, 35, 163, 183) and 15 more off every side, as the overview's program does.
CELEBA_CROP, CELEBA_SIZE = (30, 50, 148, 168), (64, 64)
CLASS_NAMES = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion-mnist": ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt",
                      "sneaker", "bag", "ankle boot"),
}

# Folders with the four gz files; SHA-256 of what is in them, unpacked: a file that was zipped
# again, or unpacked on its way, is as good.
MIRRORS: dict[str, tuple[str, ...]] = {
    "mnist": ("https://storage.googleapis.com/cvdf-datasets/mnist/",
              "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    "fashion-mnist": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
}
CHECKSUMS = {
    "mnist": {
        "train-images-idx3-ubyte":
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte":
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte":
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte":
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte":
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte":
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte":
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte":
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
TIMEOUT = 30  # seconds without a byte
CHUNK = 2**16

Progress = Callable[[str, int, int], None]


def data_root(root: str | Path | None = None) -> Path:
    """The folder of the named sets: `root`, else $AVANET_DATA, else in the user's cache."""
    return Path(root or os.environ.get("AVANET_DATA") or user_cache() / "data")


def load_dataset(name_or_path: str | Path, size: tuple[int, int] | None = None,
                 crop: tuple[int, int, int, int] | None = None,
                 root: str | Path | None = None) -> Dataset:
    """The data set that `--data NAME|PATH` means.

    A name goes before a file of that name: write `./mnist` for the file. A path is a folder of
    images (read lazily: one split, `train`, RGB, no labels), a folder with MNIST's four idx
    files, or an npz file (see `avanet.data.arrays`).

    Parameters
    ----------
    name_or_path : one of `NAMES`, or a path
    size : (width, height) to resize every image to
    crop : (left, top, right, bottom), the part of every image that is kept and then resized
    root : the folder of the named sets; see `data_root`

    Raises
    ------
    InputError
        For a name that is unknown, a set that is not there (the message tells how to get it), and
        as the readers do.
    """
    with told("read", name_or_path):
        return _load(str(name_or_path), size, crop, root)


def _load(source: str, size, crop, root) -> Dataset:
    if source not in NAMES:
        path = Path(source)
        if path.name == source and not exists(path):
            raise InputError(f"{unknown_name('data set', source, NAMES)}; or give the path of a "
                             "folder of images, of MNIST's four files, or of an npz file")
        return _read(path, source, size, crop)
    path = locate(source, root)
    if path is None:
        raise InputError(f"{source} is not in {data_root(root)}: {how_to_get(source)}, or name "
                         "the folder that holds it by --data-dir or AVANET_DATA")
    if source == "celeba" and not (size or crop):
        size, crop = CELEBA_SIZE, CELEBA_CROP
    dataset = _read(path, source, size, crop)
    return replace(dataset, class_names=CLASS_NAMES.get(source, dataset.class_names))


def _read(path: Path, source: str, size, crop) -> Dataset:
    if path.is_dir() and not is_idx_folder(path):
        return Dataset(source, {"train": Split(FolderImages(path, size, crop), source=source)})
    if path.is_dir():
        dataset = read_idx_folder(path, source)
    elif path.suffix == ".npz":
        dataset = read_npz(path, source)
    elif exists(path):
        raise InputError(f"expected a folder of images, of MNIST's four files, or an npz file, "
                         f"got the file {path}")
    else:
        raise InputError(f"there is no {path}; data sets by name are {', '.join(NAMES)}")
    return fitted(dataset, size, crop) if size or crop else dataset


def locate(name: str, root: str | Path | None = None) -> Path | None:
    """The folder or the file of a named set, or None if it is not there."""
    if name == "orbit":
        return bundled_folder(name)
    if name in PACKED:
        return bundled_folder(name) / PACKED[name]
    path = data_root(root) / (name if name in MIRRORS or name == "celeba" else f"{name}.npz")
    if not exists(path) or name in MIRRORS and not is_idx_folder(path):
        return None
    return path


def how_to_get(name: str) -> str:
    """What to do about a named set that is not there."""
    if name == "celeba":
        return "put a folder celeba with its aligned images there"
    return f"run avanet data download {name}" if name in MIRRORS else f"put {name}.npz there"


# Download -------------------------------------------------------------------------------------

def download(name: str, root: str | Path | None = None, mirrors: Sequence[str] | None = None,
             progress: Progress | None = None) -> Path:
    """Download MNIST or Fashion-MNIST into the root folder; returns the set's folder.

    Files that are there and right are kept. Each file is taken from the first mirror that has it
    with the right checksum, and stands under its name only then.

    Parameters
    ----------
    name : "mnist" or "fashion-mnist"
    root : see `data_root`
    mirrors : addresses of folders with the four gz files, tried in order; default: `MIRRORS`
    progress : called with (file, bytes so far, bytes in all, or 0 if unknown)

    Raises
    ------
    InputError
        Unknown name, no pooch, no mirror with the right file (offline), a folder that cannot be
        written.
    """
    if name not in MIRRORS:
        raise unknown_name("data set to download", name, MIRRORS)
    folder = data_root(root) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            path, checksum = idx_file(folder, file), CHECKSUMS[name][file]
            if path is None or _content_checksum(path) != checksum:
                _fetch(folder / f"{file}.gz", mirrors or MIRRORS[name], checksum, progress)
    except OSError as error:
        raise InputError(f"cannot write {name} to {folder} ({error.strerror or error}): name "
                         "another folder by --data-dir or AVANET_DATA") from error
    return folder


def _fetch(path: Path, mirrors: Sequence[str], checksum: str, progress: Progress | None) -> None:
    """The file from the first mirror that has it right."""
    downloader = _downloader(path.name, progress)
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{path.name}"
        handle, part = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
        os.close(handle)
        try:
            failure = _try(downloader, url, Path(part), checksum)
            if not failure:
                Path(part).chmod(0o644)
                os.replace(part, path)
                return
            failures.append(f"{url}: {failure}")
        finally:
            Path(part).unlink(missing_ok=True)
    raise InputError(f"cannot download {path.name} ({'; '.join(failures)}): are you offline? "
                     f"The files of another computer can be put into {path.parent}")


def _try(downloader, url: str, part: Path, checksum: str) -> str:
    """Download into `part`; what went wrong, or nothing."""
    import requests
    try:
        downloader(url, str(part), None)
    except requests.HTTPError as error:
        return f"HTTP status {error.response.status_code}"
    except requests.Timeout:
        return f"no answer within {TIMEOUT} s"
    except requests.ConnectionError:
        return "no connection"
    except requests.RequestException as error:
        return f"broken off ({type(error).__name__})"
    got = _content_checksum(part)
    return "" if got == checksum else f"wrong SHA-256 {got[:12]}, expected {checksum[:12]}"


def _downloader(file: str, progress: Progress | None):
    try:
        from pooch import HTTPDownloader
    except ImportError as error:
        raise InputError("downloads need the package pooch: install avanet[data]") from error
    return HTTPDownloader(_Reporter(file, progress) if progress else False, CHUNK, timeout=TIMEOUT)


class _Reporter:
    """A progress bar as pooch wants it, which calls `progress`."""

    def __init__(self, file: str, progress: Progress):
        self.file, self.progress, self.total, self.done = file, progress, 0, 0

    def update(self, count: int) -> None:
        self.done += count
        self.progress(self.file, min(self.done, self.total), self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        self.done = 0


def _content_checksum(path: Path) -> str:
    """SHA-256 of what a file holds, unpacked if it is gzipped; "damaged" if it cannot be."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else open(path, "rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return "damaged"
    return digest.hexdigest()
