"""Weights of a fitted AVA model as safetensors or npz; nothing in a file is ever executed."""

import math
from dataclasses import asdict

import numpy as np

from avanet.ava.heads import HEADS
from avanet.ava.plans import plan
from avanet.ava.protocol import Protocol
from avanet.ava.step import player_widths
from avanet.tensors import fitting, not_ours, read_tensors, write_tensors

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
    header = {name: getattr(model, name) for name in HYPERPARAMETERS}
    header |= {"protocol": asdict(model._protocol), "dtype": np.dtype(model.dtype).name,
               "format": FORMAT, "shape": list(model.shape_), "n_steps": model.n_steps_}
    if isinstance(model.random_state, np.random.Generator):
        header["random_state"] = None
    tensors = {f"{c}.{name}": player.params for c, players in enumerate(model.players_)
               for name, player in players._asdict().items() if player is not None}
    for c, (mu, Sigma) in enumerate(model.code_ or []):
        tensors |= {f"{c}.mu": mu, f"{c}.Sigma": Sigma}
    write_tensors(path, header, tensors)


def load(cls, path):
    """The model that `save` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, or was not written by `save`.
    """
    header, tensors = read_tensors(path)
    with not_ours(path):
        return _rebuild(cls, header, tensors)


def _rebuild(cls, header, tensors):
    """The model of a header and tensors that must fit each other; sizes before any allocation."""
    if header.pop("format", None) != FORMAT:
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
                player.params[:] = fitting(tensors, f"{c}.{name}", player.params)
    if "0.mu" in tensors:
        like = model._head.unpack(np.zeros((1, model._head.width), model.dtype))
        model.code_ = [tuple(fitting(tensors, f"{c}.{name}", part)
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
