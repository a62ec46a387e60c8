"""Weights of a fitted AVA model as safetensors or npz; nothing in a file is ever executed."""

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from avanet.ava.protocol import Protocol
from avanet.errors import InputError

FORMAT = "avanet-ava-1"
HYPERPARAMETERS = ("model", "latent_dim", "hidden_dim", "rules", "rate", "covariance", "protocol",
                   "dtype", "random_state")


def save(model, path) -> None:
    """Write the model to `path`, ending in .npz or .safetensors, whole or not at all."""
    path = Path(path)
    header = {name: getattr(model, name) for name in HYPERPARAMETERS}
    header["protocol"] = asdict(model._protocol)
    header["format"] = FORMAT
    header["shape"] = list(model.shape_)
    header["n_steps"] = model.n_steps_
    if not isinstance(header["random_state"], int):
        header["random_state"] = None
    text = json.dumps(header)
    tensors = {}
    for c, players in enumerate(model.players_):
        for name, player in players._asdict().items():
            if player is not None:
                tensors[f"{c}.{name}"] = player.params
    for c, code in enumerate(model.code_ or []):
        tensors[f"{c}.mu"], tensors[f"{c}.Sigma"] = code
    partial = path.with_name(path.name + ".part")
    try:
        if path.suffix == ".safetensors":
            _safetensors().numpy.save_file(tensors, partial, {"avanet": text})
        elif path.suffix == ".npz":
            with open(partial, "wb") as file:
                np.savez(file, header=np.frombuffer(text.encode(), np.uint8), **tensors)
        else:
            raise InputError(f"{path.name}: a model is saved as .npz or .safetensors")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def load(cls, path):
    """The model that `save` wrote."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    try:
        if path.suffix == ".safetensors":
            with _safetensors().safe_open(path, "numpy") as file:
                text = file.metadata()["avanet"]
                tensors = {key: file.get_tensor(key) for key in file.keys()}
        else:
            with np.load(path, allow_pickle=False) as file:
                tensors = {key: file[key] for key in file.files}
            text = tensors.pop("header").tobytes().decode()
        return _rebuild(cls, json.loads(text), tensors)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise _damaged(path, error) from None


def _rebuild(cls, header, tensors):
    if header.pop("format") != FORMAT:
        raise ValueError("another format")
    shape, n_steps = tuple(header.pop("shape")), header.pop("n_steps")
    header["protocol"] = Protocol(**header["protocol"])
    model = cls(**header)
    model._start(shape)
    for c, players in enumerate(model.players_):
        for name, player in players._asdict().items():
            if player is not None:
                stored = tensors.pop(f"{c}.{name}")
                if stored.shape != player.params.shape or stored.dtype != player.params.dtype:
                    raise ValueError(f"{c}.{name} has shape {stored.shape}, {stored.dtype}")
                player.params[:] = stored
    if "0.mu" in tensors:
        model.code_ = [(tensors[f"{c}.mu"], tensors[f"{c}.Sigma"])
                       for c in range(len(model.players_))]
    model.n_steps_ = n_steps
    return model


def _damaged(path, error):
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{path} is damaged or is no model that avanet saved ({text})")


def _safetensors():
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise InputError("safetensors is not installed: pip install 'avanet[weights]', "
                         "or save as .npz") from None
    return safetensors
