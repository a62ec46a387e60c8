"""Data sets in one npz file, as `numpy.savez_compressed` writes it; nothing is unpickled.

Keys: `x_SPLIT` the images and `y_SPLIT` the labels of each split (`x_train`, `y_train`, `x_test`,
...), and at will `class_names` or, for labels of more than one column, `latents_names`. Images of
no other whole numbers than 0 and 1 are black and white.
"""

import zipfile
from pathlib import Path

import numpy as np

from avanet.data.dataset import Dataset, Split
from avanet.errors import InputError
from avanet.npz import DAMAGED, read_arrays

NAMES = {"class_names": "class_names", "latents_names": "factor_names"}


def read_npz(path: str | Path, source: str | None = None) -> Dataset:
    """The data set in an npz file.

    A member is decompressed only if its header announces no more than the member holds, and all
    that are read hold no more than `MAX_BYTES` together: a zip bomb is refused unread.

    Raises
    ------
    InputError
        No such file, damaged, pickled objects inside, too large, no `x_train`, and as `Split` and
        `Dataset` do.
    """
    path, source = Path(path), source or str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = read_arrays(archive, lambda key: key in NAMES or key.startswith(("x_", "y_")))
    except DAMAGED as error:
        raise InputError(f"{path} is damaged, or no npz file of plain arrays ({error})") from error
    except MemoryError:
        raise InputError(f"no memory for the arrays of {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    names = [key[2:] for key in arrays if key.startswith("x_")]
    splits = {name: Split(_black_and_white(arrays[f"x_{name}"]), arrays.get(f"y_{name}"),
                          f"{source}, {name}") for name in names}
    if "train" not in splits:
        raise InputError(f"expected the images as x_train in {path} (labels as y_train), got "
                         f"{', '.join(sorted(arrays)) or 'no such array'}")
    lists = {field: _texts(arrays[key], f"{key} of {path}")
             for key, field in NAMES.items() if key in arrays}
    return Dataset(source, splits, **lists)


def _texts(array: np.ndarray, source: str) -> tuple[str, ...]:
    """Names, whose characters NumPy has not looked at yet."""
    try:
        return tuple(map(str, array.ravel()))
    except (SystemError, ValueError) as error:
        raise InputError(f"{source} is damaged: it is no text ({error})") from error


def _black_and_white(images: np.ndarray) -> np.ndarray:
    """Whole numbers 0 and 1 as bool, anything else as it is."""
    binary = images.dtype.kind in "ui" and images.size and images.min() >= 0 and images.max() <= 1
    return images.astype(bool) if binary else images


def write_set(path: str | Path, **arrays: np.ndarray) -> Path:
    """`write_npz` of a data set that avanet draws, its folder made if need be; the file's path."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    write_npz(path, **arrays)
    return path


def write_npz(path: str | Path, **arrays: np.ndarray) -> None:
    """Write arrays, compressed; the same arrays give the same bytes, whenever they are written.

    Raises `InputError` when the file cannot be written.
    """
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for key, array in arrays.items():
                member = zipfile.ZipInfo(f"{key}.npy")  # dated 1980-01-01
                member.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(member, "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
