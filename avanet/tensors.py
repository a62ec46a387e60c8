"""Files of named arrays with a JSON header, safetensors or npz; nothing in one is executed."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from avanet.errors import InputError
from avanet.files import told, write_whole
from avanet.npz import read_arrays

SUFFIXES = (".safetensors", ".npz")
Tensors = dict[str, np.ndarray]


class MissingPackage(InputError):
    """An optional package that is needed and not there."""


def write_tensors(path: str | Path, header: Mapping[str, Any],
                  tensors: Mapping[str, np.ndarray], advice: str = "") -> None:
    """Write header and arrays to `path`, ending in .npz or .safetensors, whole or not at all.

    Raises
    ------
    InputError
        For another ending, a folder that does not exist, or if the system refuses: that ends with
        `advice`.
    """
    path = Path(path)
    text = json.dumps(header, default=np.generic.item)
    if path.suffix == ".safetensors":
        data = _safetensors().save(dict(tensors), {"avanet": text})
    elif path.suffix == ".npz":
        file = io.BytesIO()
        np.savez(file, **{"header": np.frombuffer(text.encode(), np.uint8)} | dict(tensors))
        data = file.getvalue()
    else:
        raise InputError(f"{path.name}: a model is saved as .npz or .safetensors")
    with told("write", path, advice):
        path.parent.stat()
    write_whole(path, data, advice)


def read_tensors(path: str | Path) -> tuple[dict[str, Any], Tensors]:
    """The header and the arrays that `write_tensors` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, or was not written by `write_tensors`.
    """
    path = Path(path)
    with told("read", path):
        data = path.read_bytes()
    read = _read_safetensors if path.suffix == ".safetensors" else _read_npz
    with not_ours(path):
        text, tensors = read(data)
        header = json.loads(text)
        if not isinstance(header, dict):
            raise ValueError("no header")
    return header, tensors


def fitting(tensors: Tensors, name: str, like: np.ndarray) -> np.ndarray:
    """The array of that name, removed from the dict; ValueError unless it is shaped like `like`."""
    stored = tensors.pop(name)
    if stored.shape != like.shape or stored.dtype != like.dtype:
        raise ValueError(f"{name} has shape {stored.shape} of {stored.dtype}, not {like.shape}")
    if not np.isfinite(stored).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return stored


class not_ours:
    """Turns whatever hostile content raises into one line: `path` is damaged or not ours."""

    def __init__(self, path: str | Path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if error is None or not isinstance(error, Exception) or isinstance(error, MissingPackage):
            return
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{self.path} is damaged or is no model that avanet saved ({text})") from None


def best_suffix() -> str:
    """.safetensors where the package is installed, else .npz."""
    try:
        _safetensors()
    except MissingPackage:
        return ".npz"
    return ".safetensors"


def _read_npz(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(data):
            raise ValueError("its arrays are larger than the file")
        tensors = read_arrays(archive)
    return tensors.pop("header").tobytes().decode(), tensors


def _read_safetensors(data):
    tensors = _safetensors().load(data)
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8: 8 + size])["__metadata__"]["avanet"], tensors


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingPackage("safetensors is not installed: pip install 'avanet[weights]', "
                             "or save as .npz") from None
    return safetensors.numpy
