"""Tracing a batched model: its networks, losses, gradients and optimiser, by substitution.

The model is stepped by its own `update`. While it runs, its players are traced networks, the
losses that its modules name are wrapped, and so are its methods `..._gradients` and `apply`. What
such a method reports as losses is evaluated again with one player's parameters moved and all
draws frozen: that gives every loss's numerical derivative without a word from the model.
"""

import copy
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import wraps
from typing import Any, cast

import numpy as np

from avanet.data import Batch
from avanet.errors import InputError
from avanet.models.base import Model
from avanet.nn import BatchNorm, Dense, Sequential
from avanet.nn.layers import Layer
from avanet.nn.losses import LOSSES
from avanet.step.lowered import Slopes, lowered
from avanet.step.tracing import Event, Trace, _data, traced_network

STEP = 1e-5    # of the central differences
CHECKED = 128  # weights of a network whose derivatives are taken numerically, if it has more


def trace_model(model: Model, X, labels=None, steps: int | None = None,
                size: int | None = None) -> Trace:
    """Trace updates of a batched model, and make them.

    Parameters
    ----------
    model : Model
        One that was not started yet is started on X.
    X : (N, H, W) or (N, H, W, C) array
        Pixels in [0, 1]; gone through in order, again from the first.
    labels : (N,) array of int, optional
    steps : int, optional
        Number of updates; as many as X has batches unless given.
    size : int, optional
        Images in a batch: one, or four where there is batch norm, unless given.
    """
    X = np.asarray(X)
    X = X if X.ndim == 4 else X[..., None]
    if not hasattr(model, "players_"):
        model.start(X.shape[1:])
    if size is None:
        size = 4 if any(isinstance(layer, BatchNorm) for player in model.players_.values()
                        for layer in player.layers) else 1
    steps = -(-len(X) // size) if steps is None else steps
    records = []
    for k in range(steps):
        chosen = np.arange(k * size, (k + 1) * size) % len(X)
        batch = make_batch(model, X[chosen], None if labels is None else labels[chosen], chosen)
        records.append(_Recorder(model, batch).step())
    return Trace(_describe(model, size, records[0]["events"]), records)


def make_batch(model: Model, images, labels=None, indices=None) -> Batch:
    """A batch as the model's own pipeline makes it, in the model's dtype."""
    for prepare in model.prepare():
        images = prepare(images, model._rng)
    target = images
    for corrupt in model.corrupt():
        images = corrupt(images, model._rng)
    indices = np.arange(len(images)) if indices is None else indices
    return Batch(images.astype(model.dtype), target.astype(model.dtype), labels, indices)


@dataclass
class _Phase:
    """A call of a `..._gradients` method: enough to evaluate its losses again."""

    method: Callable
    arguments: tuple
    rng: np.random.Generator
    params: dict[str, np.ndarray]
    buffers: dict[str, np.ndarray]
    losses: dict[str, float]


class _Recorder:
    """One traced update of a model."""

    def __init__(self, model: Model, batch: Batch):
        self.model, self.batch = model, batch
        self.players = model.players_
        self.buffers = model._buffers()
        self.forward_only = {name: _ForwardOnly(player) for name, player in self.players.items()}
        self.events: list[Event] = []
        self.records: dict[str, dict[str, Any]] = {}
        self.phases: list[_Phase] = []
        self.silent = False

    def step(self) -> dict[str, Any]:
        """Make the update; the record of it."""
        names = [name for name in dir(type(self.model)) if name.endswith("gradients")]
        methods = {name: getattr(self.model, name) for name in names}
        self.model.players_ = {name: traced_network(player, name, self.emit)
                               for name, player in self.players.items()}
        setattr(self.model, "apply", self._applied(type(self.model).apply))
        for name, method in methods.items():
            setattr(self.model, name, self._phase(method))
        try:
            with _traced_losses(self.model, self.emit):
                losses = self.model.step(self.batch)
        finally:
            self.model.players_ = self.players
            for name in ("apply", *methods):
                del self.model.__dict__[name]
        if not self.records:
            raise InputError(f"{self.model.name} takes no step in its update: nothing to trace")
        return {
            "step": self.model.n_steps_,
            "x": _rows(self.batch.x),
            "target": _rows(self.batch.target),
            "labels": _data(self.batch.labels),
            "sample": self._sample(),
            "losses": losses,
            "events": [asdict(event) for event in self.events],
            "players": self.records,
        }

    def emit(self, event: Event) -> None:
        if not self.silent:
            self.events.append(event)

    def _sample(self) -> list | None:
        """An image from a fixed draw after the update, if the model samples without more."""
        draw = getattr(self.model, "sample", None)
        if draw is None or [p.default for p in inspect.signature(draw).parameters.values()].count(
                inspect.Parameter.empty) != 1:
            return None
        return _rows(draw(1))[0]

    # Substitutes --------------------------------------------------------------------------------

    def _phase(self, method: Callable) -> Callable:
        def gradients(*arguments):
            if self.silent:
                return method(*arguments)
            rng = copy.deepcopy(self.model._rng)
            params = {name: player.params.copy() for name, player in self.players.items()}
            buffers = {name: value.copy() for name, value in self.buffers.items()}
            losses = method(*arguments)
            self.phases.append(_Phase(method, arguments, rng, params, buffers, dict(losses)))
            return losses
        return gradients

    def _applied(self, plain: Callable) -> Callable:
        def apply(*players):
            records, gradients = {}, {}
            for player in players:
                network, optimiser = self.players[player], self.model.optimisers_[player]
                before, gradient = network.params.copy(), network.grads.copy()
                slots = optimiser.state()
                plain(self.model, player)
                times = sum(record["player"] == player for record in self.records.values())
                self.emit(Event("apply", player, type(optimiser).__name__))
                gradients[player] = gradient
                records[player] = self.records[
                    player if not times else f"{player}-{times + 1}"] = {
                    "player": player,
                    **{key: _data(_parts(network, value)) for key, value in (
                        ("before", before), ("after", network.params), ("gradient", gradient))},
                    "optimiser": self._optimiser(player, optimiser, slots)}
            for player, judgement in self._judged(gradients).items():
                records[player] |= judgement
            self.phases = []
        return apply

    def _optimiser(self, player: str, optimiser, before: Mapping[str, Any]) -> dict[str, Any]:
        """What the optimiser had and has, and its settings."""
        network = self.players[player]
        zeros = np.zeros_like(network.params)
        slots = {slot: [_data(_parts(network, state.get(slot, zeros)))
                        for state in (before, optimiser.state())] for slot in optimiser.slots}
        settings = {name: value for name, value in vars(optimiser).items()
                    if isinstance(value, float)}
        return {"name": type(optimiser).__name__, "t": optimiser.steps, "settings": settings,
                "epsilon_hat": getattr(optimiser, "epsilon_hat", False),
                "rate": self.model.rate_of(player) * self.model.schedule()(self.model.n_steps_),
                "clip_norm": self.model.config.clip_norm, "slots": slots}

    # Numerical derivatives ----------------------------------------------------------------------

    def _judged(self, gradients: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
        """Of each player that has stepped: the losses before and after, its objective, and that
        objective's numerical derivative."""
        if not self.phases:
            return {player: {"losses": {}, "objective": None, "numerical": None, "agrees": None,
                             "checked": 0} for player in gradients}
        before = {name: value for phase in self.phases for name, value in phase.losses.items()}
        afters = {player: self.players[player].params.copy() for player in gradients}
        with self._aside():
            moved = {player: self._losses(player, after) for player, after in afters.items()}
            slopes = {player: self._slopes(player, gradient, before)
                      for player, gradient in gradients.items()}
        weights = lowered(slopes)
        return {player: self._judgement(player, slopes[player], weights[player], before,
                                        moved[player]) for player in gradients}

    def _slopes(self, player: str, gradient: np.ndarray, losses: Mapping[str, float]) -> Slopes:
        """Central differences of every loss by the chosen weights."""
        at, chosen = self.phases[-1].params[player], _chosen(self.players[player])
        slopes = {name: np.zeros(len(chosen)) for name in losses}
        for j, k in enumerate(chosen):
            ends = []
            for sign in (1, -1):
                point = at.copy()
                point[k] += sign * STEP
                ends.append(self._losses(player, point))
            for name, slope in slopes.items():
                slope[j] = (ends[0][name] - ends[1][name]) / (2 * STEP)
        largest = max(map(abs, losses.values()), default=0.0)
        rounding = np.finfo(float).eps * largest / STEP * math.sqrt(len(chosen))
        return Slopes(gradient[chosen], slopes, rounding)

    def _judgement(self, player: str, slopes: Slopes, weights: Mapping[str, float],
                   before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
        network = self.players[player]
        chosen, found = _chosen(network), bool(weights)
        numerical = np.full(network.params.size, None)
        if found:
            numerical[chosen] = slopes.sum(weights)
        total = lambda losses: float(sum(w * losses[name] for name, w in weights.items()))
        return {
            "losses": {name: [before[name], after[name]] for name in before},
            "objective": {"weights": weights, "before": total(before), "after": total(after)}
            if found else None,
            "numerical": _data(_parts(network, numerical)) if found else None,
            "agrees": float(np.abs(slopes.sum(weights) - slopes.gradient).max())
            if found else None,
            "checked": len(chosen),
        }

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """The model for `_losses`: untraced and forward only, and afterwards as it was before."""
        model, vectors = self.model, [net.params for net in self.players.values()]
        vectors += self.buffers.values()
        kept = [vector.copy() for vector in vectors]
        traced, rng = model.players_, model._rng
        model.players_, self.silent = cast(dict[str, Sequential], self.forward_only), True
        try:
            yield
        finally:
            model.players_, model._rng, self.silent = traced, rng, False
            for vector, before in zip(vectors, kept):
                vector[...] = before

    def _losses(self, player: str, params: np.ndarray) -> dict[str, float]:
        """The losses with other parameters of one player, everything else as it was."""
        model = self.model
        losses: dict[str, float] = {}
        for phase in self.phases:
            for name, network in self.players.items():
                network.params[:] = params if name == player else phase.params[name]
            for name, value in self.buffers.items():
                value[...] = phase.buffers[name]
            model._rng = copy.deepcopy(phase.rng)
            losses |= phase.method(*(model._rng if isinstance(one, np.random.Generator) else one
                                     for one in phase.arguments))
        return losses


class _ForwardOnly:
    """A network that only goes forward: where losses alone are wanted, every error is zero."""

    def __init__(self, network: Sequential):
        self._network = network

    def __getattr__(self, name):
        return getattr(self._network, name)

    def forward(self, x, *mode):
        return self._network.forward(x, *mode)[0], np.zeros_like(x)

    def backward(self, dy, zeros, *where):
        return zeros

    propagate = backward

    def accumulate(self, dy, zeros, *where):
        pass


def _chosen(network: Sequential) -> np.ndarray:
    """The parameters whose derivatives are taken numerically.

    All of them, or some at equal distances and those of the last dense layer and the last of all:
    one of these is looked at.
    """
    size = network.params.size
    if size <= CHECKED:
        return np.arange(size)
    chosen = [np.linspace(0, size - 1, CHECKED).astype(int)]
    for wanted in (Dense, Layer):
        parts = [part for part, layer in zip(network.slices, network.layers)
                 if isinstance(layer, wanted) and layer.shapes()]
        chosen += [np.arange(size)[part] for part in parts[-1:]]
    return np.unique(np.concatenate(chosen))


@contextmanager
def _traced_losses(model: Model, emit: Callable[[Event], None]) -> Iterator[None]:
    """The losses of the engine, wrapped wherever the model's modules name them."""
    wrapped = {loss: _traced_loss(name, loss, emit) for name, loss in LOSSES.items()}
    kinds = {kind.__module__ for kind in type(model).__mro__}
    changed = []
    for name, module in list(sys.modules.items()):
        if name in kinds or name.startswith("avanet.models."):
            changed += [(module, key, value) for key, value in vars(module).items()
                        if inspect.isfunction(value) and value in wrapped]
    for module, key, value in changed:
        setattr(module, key, wrapped[value])
    try:
        yield
    finally:
        for module, key, value in changed:
            setattr(module, key, value)


def _traced_loss(name: str, loss: Callable, emit: Callable[[Event], None]) -> Callable:
    signature = inspect.signature(loss)

    @wraps(loss)
    def call(*arguments, **named):
        value, gradient = loss(*arguments, **named)
        terms = signature.bind(*arguments, **named).arguments
        emit(Event("loss", "", name, symbols=inspect.getdoc(loss).splitlines()[0],
                   terms={key: _rows(term) for key, term in terms.items()},
                   result={"value": float(value), "gradient": [
                       _rows(part) for part in (gradient if isinstance(gradient, tuple)
                                                else (gradient,))]}))
        return value, gradient

    return call


def _rows(values) -> list:
    """(B, ...) as B lists."""
    return np.asarray(values).reshape(len(values), -1).tolist()


def _parts(network: Sequential, flat: np.ndarray) -> list[dict[str, np.ndarray]]:
    """A flat vector as the parameters of each layer that has any: [{"W": ..., "b": ...}, ...]."""
    parts = []
    for layer, place in zip(network.layers, network.slices):
        shapes, at, part = layer.shapes(), place.start, {}
        for name, shape in shapes.items():
            part[name] = flat[at: at + math.prod(shape)].reshape(shape)
            at += math.prod(shape)
        if part:
            parts.append(part)
    return parts


def _describe(model: Model, size: int, events) -> dict[str, Any]:
    config = model.config
    return {
        "kind": "batches", "name": model.name, "paper": model.paper, "says": _says(model),
        "settings": {field.name: getattr(config, field.name) for field in fields(config)},
        "rate": config.rate, "optimiser": config.optimiser, "batch": size,
        "shape": list(model.shape_), "dtype": model.dtype, "low": model.low,
        "players": {name: {
            "name": name, "symbol": name,
            "widths": _widths(player, name, events),
            "layers": [{"name": layer.name, "kind": type(layer).__name__,
                        "parameters": list(layer.shapes())} for layer in player.layers],
        } for name, player in model.players_.items()},
    }


def _says(model: Model) -> str:
    """What the model's docstring says before it comes to its players: its losses."""
    paragraphs = (inspect.getdoc(type(model)) or "").split("\n\n")
    ends = [k for k, one in enumerate(paragraphs)
            if one.lstrip().startswith(("Players", "One player", "Source", "Update"))]
    return " ".join(" ".join(paragraphs[:max(1, (ends or [3])[0])]).split())


def _widths(network: Sequential, name: str, events: Sequence[Mapping[str, Any]]) -> list[int]:
    """How many values of a sample enter the network, and leave each layer with a matrix."""
    passes = [event for event in events if event["kind"] == "forward" and event["player"] == name]
    first = [event for event in passes if event["on"] == passes[0]["on"]]
    values = lambda rows: np.asarray(rows[0]).size
    return [values(event["terms"]["x"]) for event in first[:1]] + [
        values(event["result"]) for event, layer in zip(first, network.layers)
        if "W" in layer.shapes()]
