"""Weights of a fitted AVA model as safetensors or npz; nothing in a file is ever executed."""

import io
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from avanet.ava.heads import HEADS
from avanet.ava.plans import plan
from avanet.ava.protocol import Protocol
from avanet.ava.step import player_widths
from avanet.errors import InputError
from avanet.files import told, write_whole

FORMAT = "avanet-ava-1"
HYPERPARAMETERS = ("model", "latent_dim", "hidden_dim", "rules", "rate", "covariance", "protocol",
                   "dtype", "random_state")


def save(model, path) -> None:
    """Write the model to `path`, ending in .npz or .safetensors, whole or not at all.

    A generator given as `random_state` is not kept; the loaded model then has None.

    Raises
    ------
    InputError
        For another ending, or if the file cannot be written.
    """
    path = Path(path)
    header = {name: getattr(model, name) for name in HYPERPARAMETERS}
    header |= {"protocol": asdict(model._protocol), "dtype": np.dtype(model.dtype).name,
               "format": FORMAT, "shape": list(model.shape_), "n_steps": model.n_steps_}
    if isinstance(model.random_state, np.random.Generator):
        header["random_state"] = None
    text = json.dumps(header, default=np.generic.item)
    tensors = {f"{c}.{name}": player.params for c, players in enumerate(model.players_)
               for name, player in players._asdict().items() if player is not None}
    for c, (mu, Sigma) in enumerate(model.code_ or []):
        tensors |= {f"{c}.mu": mu, f"{c}.Sigma": Sigma}
    if path.suffix == ".safetensors":
        data = _safetensors().save(tensors, {"avanet": text})
    elif path.suffix == ".npz":
        file = io.BytesIO()
        np.savez(file, header=np.frombuffer(text.encode(), np.uint8), **tensors)
        data = file.getvalue()
    else:
        raise InputError(f"{path.name}: a model is saved as .npz or .safetensors")
    with told("write", path):
        path.parent.stat()
    write_whole(path, data)


def load(cls, path):
    """The model that `save` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, or was not written by `save`.
    """
    path = Path(path)
    with told("read", path):
        data = path.read_bytes()
    read = _read_safetensors if path.suffix == ".safetensors" else _read_npz
    try:
        header, tensors = read(data)
        return _rebuild(cls, header, tensors)
    except _Missing:
        raise
    except Exception as error:  # whatever hostile bytes may raise in a reader
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is damaged or is no model that avanet saved ({text})") from None


def _read_npz(data):
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        tensors = {key: file[key] for key in file.files}
    return tensors.pop("header").tobytes().decode(), tensors


def _read_safetensors(data):
    tensors = _safetensors().load(data)
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8: 8 + size])["__metadata__"]["avanet"], tensors


def _rebuild(cls, text, tensors):
    """The model of a header and tensors that must fit each other; sizes before any allocation."""
    header = json.loads(text)
    if not isinstance(header, dict) or header.pop("format", None) != FORMAT:
        raise ValueError("another format")
    shape, n_steps = header.pop("shape"), header.pop("n_steps")
    for size in (*shape, n_steps, header["latent_dim"], header["hidden_dim"]):
        if type(size) is not int or size < 0:
            raise ValueError(f"{size!r} is no size")
    header["protocol"] = Protocol(**header["protocol"])
    model = cls(**header)
    _check_sizes(model, tuple(shape), tensors)
    model._start(tuple(shape))
    for c, players in enumerate(model.players_):
        for name, player in players._asdict().items():
            if player is not None:
                player.params[:] = _fitting(tensors, f"{c}.{name}", player.params)
    if "0.mu" in tensors:
        like = model._head.unpack(np.zeros((1, model._head.width), model.dtype))
        model.code_ = [tuple(_fitting(tensors, f"{c}.{name}", part)
                             for name, part in zip(("mu", "Sigma"), like))
                       for c in range(len(model.players_))]
    if tensors:
        raise ValueError(f"more arrays than the model has: {', '.join(sorted(tensors))}")
    model.n_steps_ = n_steps
    return model


def _check_sizes(model, shape, tensors):
    """The networks that the header describes have as many parameters as the file has."""
    channels = shape[2] if len(shape) == 3 and model.protocol.channels == "separate" else 1
    widths = player_widths(math.prod(shape) // channels, model.latent_dim, model.hidden_dim,
                           plan(model.model, model.rules), HEADS[model.covariance].width_of)
    for name, (n_in, hidden, n_out) in widths.items():
        size = (n_in + 1) * hidden + (hidden + 1) * n_out
        if size != tensors[f"0.{name}"].size:
            raise ValueError(f"0.{name} has {tensors[f'0.{name}'].size} values, not {size}")
    if f"{channels - 1}.g" not in tensors:
        raise ValueError(f"no decoder of channel {channels - 1}")


def _fitting(tensors, name, like):
    stored = tensors.pop(name)
    if stored.shape != like.shape or stored.dtype != like.dtype:
        raise ValueError(f"{name} has shape {stored.shape} of {stored.dtype}, not {like.shape}")
    return stored


class _Missing(InputError):
    """An optional package that is needed and not there."""


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError:
        raise _Missing("safetensors is not installed: pip install 'avanet[weights]', "
                       "or save as .npz") from None
    return safetensors.numpy
