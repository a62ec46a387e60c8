"""The idx format of MNIST: a magic number, the sizes, then the items, all big-endian.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", file formats.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from avanet.data.dataset import Dataset, Split
from avanet.errors import InputError
from avanet.npz import MAX_BYTES

DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
PARTS = {"train": "train", "test": "t10k"}
KINDS = ("images-idx3", "labels-idx1")
FILES = tuple(f"{part}-{kind}-ubyte" for part in PARTS.values() for kind in KINDS)
CHUNK = 2**20


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an idx file, plain or gzipped, in native byte order.

    Memory grows with what the file holds, not with what its header announces.

    Raises
    ------
    InputError
        No such file, no idx file, truncated, bytes after the end, or more than `MAX_BYTES`.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        stream: IO[bytes]
        with gzip.open(path) if zipped else open(path, "rb") as stream:  # type: ignore[assignment]
            return _parse(stream, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged ({error}): get it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parse(stream: IO[bytes], path: Path) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= magic[3] <= 32:
        raise InputError(f"{path} is no idx file: it starts with {magic.hex(' ') or 'nothing'}, "
                         "expected 00 00, the type of the items and the number of axes")
    dtype, axes = np.dtype(DTYPES[magic[2]]), magic[3]
    header = _read(stream, 4 * axes, path)
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
    size = math.prod(shape) * dtype.itemsize
    if (whole := math.prod(filter(None, shape)) * dtype.itemsize) > MAX_BYTES:
        raise InputError(f"{path} announces {whole} bytes of items, at most {MAX_BYTES} are read")
    items = _read(stream, size, path)
    if stream.read(1):
        raise InputError(f"{path} goes on after its {size} bytes of items: get it again")
    return np.frombuffer(items, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read(stream: IO[bytes], size: int, path: Path) -> bytearray:
    read = bytearray()
    while len(read) < size:
        chunk = stream.read(min(CHUNK, size - len(read)))
        if not chunk:
            raise InputError(f"{path} is truncated: expected {size} bytes, got {len(read)}; "
                             "get it again")
        read += chunk
    return read


def idx_file(folder: Path, name: str) -> Path | None:
    """The file in the folder, gzipped or plain, if it is there."""
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def is_idx_folder(folder: Path) -> bool:
    """Whether one of MNIST's four files is there."""
    return any(idx_file(folder, name) for name in FILES)


def read_idx_folder(folder: str | Path, source: str) -> Dataset:
    """A folder with MNIST's four files: splits `train` and `test`, images (N, H, W, 1) and labels.

    Raises `InputError` when a file is missing, and as `read_idx` and `Split` do.
    """
    folder, splits = Path(folder), {}
    for split, part in PARTS.items():
        images, labels = (_read_part(folder, f"{part}-{kind}-ubyte") for kind in KINDS)
        splits[split] = Split(images, labels, f"{source}, {split}")
    return Dataset(source, splits)


def _read_part(folder: Path, name: str) -> np.ndarray:
    path = idx_file(folder, name)
    if path is None:
        raise InputError(f"expected {', '.join(FILES)} (.gz or not) in {folder}, {name} is missing")
    return read_idx(path)
