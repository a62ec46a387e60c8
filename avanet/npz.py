"""The arrays of an npz file, each read only if the file holds what its header announces."""

import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

MAX_BYTES = 2**32  # of one file's arrays once unpacked: 4 GiB
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError,
           SyntaxError, TypeError, LookupError, tokenize.TokenError)


def read_arrays(archive: zipfile.ZipFile, wanted: Callable[[str], bool] = lambda key: True,
                ) -> dict[str, np.ndarray]:
    """The arrays whose key is wanted, by key; others are left alone.

    Nothing is unpacked before the sizes are known: what the headers announce is no more than the
    members hold, and all of them hold no more than `MAX_BYTES` together.

    Raises
    ------
    ValueError
        Another size, more bytes, Python objects, or no npy format; and whatever is in `DAMAGED`.
    """
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    members = {key: info for key, info in members.items() if wanted(key)}
    total = sum(info.file_size for info in members.values())
    if total > MAX_BYTES:
        raise ValueError(f"its arrays take {total} bytes, at most {MAX_BYTES} are read")
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # files of Python 2
        return {key: _array(archive, info) for key, info in members.items()}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0,
                       (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read_header is None:
            raise ValueError(f"npy version {version}")
        shape, _, dtype = read_header(member)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds Python objects")
        if math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise ValueError(f"{info.filename} announces shape {shape}, its size is another")
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)
