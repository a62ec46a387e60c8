"""Tracing by substitution: the same networks and rules, each wrapped to say what it did.

A traced step runs the very code of the plain one; the wrapped layers and rules compute, then emit
an event. The plain path has no branch for it, so that traced training equals it bit for bit.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from avanet.ava.model import AVA
from avanet.ava.plans import variant
from avanet.ava.rules import Rule
from avanet.ava.step import Players, Step
from avanet.errors import InputError
from avanet.files import write_whole
from avanet.nn import Dense, Sequential
from avanet.nn.layers import Layer
from avanet.step.formulas import paper_loss
from avanet.verify.objectives import Weights, gradient, logistic
from avanet.verify.players import OBJECTIVES, Point

FORMAT = "avanet-trace-2"
GREEK = {"f": "Θ", "g": "Φ", "d": "Ψ", "D": "Λ"}
INPUTS = {  # what each evaluation of a network is on, in the order in which a step makes them
    "f": ("x", "x'", "x' after the update"),
    "g": ("z", "z after the update"),
    "d": ("x", "x'"),
    "D": ("μ(x)", "μ(x')"),
}

USES = {  # rules that more than one printed equation uses: (rule, player) -> name, equation
    ("mean_error", "f"): ("mean_error", "5"),
    ("pull", "g"): ("pull_d", "6"),
    ("pull", "f"): ("pull_D", "14"),
    ("own_output_pull", "g"): ("own_pull_g", "6"),
    ("own_output_pull", "f"): ("own_pull_f", "14"),
    **{(rule, player): (f"{rule}_{player}", equation)
       for player, plain, lean in (("d", "7", "10"), ("D", "13", "16"))
       for rule, equation in (("real_error", plain), ("fake_error", plain),
                              ("leaning_sum", lean), ("leaning_error", lean))},
}

CARRIED = {  # what the exact rules carry back through a whole network: player, in symbols
    "q": ("g", "q = B_d(s d(x')), B_d: carried back through d"),
    "Q": ("f", "Q = B_D(s D(mu(x'))), B_D: carried back through D"),
    "P": ("g", "P = B_f([Q a'_f(mu(x')), 0]), B_f: carried back through f, on x'"),
    "h": ("f", "h = B_g(e a'_g(x')), B_g: carried back through g"),
}

Emit = Callable[["Event"], None]


@dataclass(frozen=True)
class Event:
    """One thing that a layer or a rule computed.

    kind is "forward" (terms x, result y), "gradient" (terms dy; result dW and db), "backward"
    (terms dy, result dx) or "rule" (the equation's terms by name, result the error). `where` is
    the layer or the rule, `on` what the network was evaluated on, `layer` its index, -1 for rules.
    A rule's player is the one whose error it enters.
    """

    kind: str
    player: str
    where: str
    on: str = ""
    layer: int = -1
    equation: str = ""
    symbols: str = ""
    terms: dict[str, Any] = field(default_factory=dict)
    result: Any = None


class TracedLayer(Layer):
    """A layer that emits what it computes. Its caches also say which evaluation they belong to."""

    def __init__(self, layer: Layer, player: str, index: int, emit: Emit):
        self._layer, self._player, self._index, self._emit = layer, player, index, emit
        self._evaluations = 0
        self.name, self.modal = layer.name, layer.modal

    def __getattr__(self, name):
        return getattr(self._layer, name)

    def shapes(self):
        return self._layer.shapes()

    @property
    def input_shape(self):
        return self._layer.input_shape

    def output_shape(self, shape):
        return self._layer.output_shape(shape)

    def buffers(self):
        return self._layer.buffers()

    def forward(self, x, *mode):
        y, cache = self._layer.forward(x, *mode)
        on = self._evaluations
        self._evaluations += 1
        self._say("forward", on, {"x": x}, y)
        return y, (on, cache)

    def accumulate(self, dy, cache):
        on, inner = cache
        before = {name: value.copy() for name, value in self._layer.gradients().items()}
        self._layer.accumulate(dy, inner)
        added = {name: value - before[name] for name, value in self._layer.gradients().items()}
        if added:
            self._say("gradient", on, {"dy": dy}, added)

    def propagate(self, dy, cache):
        on, inner = cache
        dx = self._layer.propagate(dy, inner)
        self._say("backward", on, {"dy": dy}, dx)
        return dx

    def _say(self, kind, evaluation, terms, result):
        names = INPUTS.get(self._player, ())
        on = names[evaluation] if evaluation < len(names) else f"input {evaluation + 1}"
        self._emit(Event(kind, self._player, self._layer.name, on, self._index, terms=_data(terms),
                         result=_data(result)))


def traced_network(network: Sequential, player: str, emit: Emit) -> Sequential:
    """The same network, sharing its parameters, whose layers emit what they compute."""
    return network.with_layers(
        [TracedLayer(layer, player, i, emit) for i, layer in enumerate(network.layers)])


class TracedStep(Step):
    """The same step, whose equations emit their terms by name and their result."""

    def __init__(self, step: Step, events: list[Event]):
        super().__init__(step.plan, step.protocol, step.head, step.rules)
        self._events = events
        self._traced = {player: {name: self._wrap(name, rule, player, events.append)
                                 for name, rule in step.rules.items()} for player in GREEK}

    def rules_of(self, player):
        return self._traced[player]

    def carried(self, name, network, error, at):
        """The terms are those of the last step of the way: `result = delta W^T`."""
        result = super().carried(name, network, error, at)
        player, symbols = CARRIED[name]
        self._events.append(Event(
            "rule", player, f"carried_{name}", equation="12", symbols=symbols,
            terms={"W": _data(network.layers[0].W), "delta": self._events[-1].terms["dy"]},
            result=_data(result)))
        return result

    def _wrap(self, name: str, rule: Rule, player: str, emit: Emit):
        names = tuple(inspect.signature(rule.f).parameters)
        where, equation = USES.get((name, player), (name, rule.equation))
        if name == "mean_error" and self.plan.mean_pull:
            where, equation = "assessed_mean_error", "14"
        symbols = inspect.getdoc(rule.f).splitlines()[0].partition("    ")[0]

        def call(*terms):
            result = rule(*terms)
            emit(Event("rule", player, where, equation=equation, symbols=symbols,
                       terms=_data(dict(zip(names, terms))), result=_data(result)))
            return result

        return call


def owner(event: Mapping[str, Any], trained: Sequence[str]) -> str:
    """In whose update a rule is looked at: its player's, or whose error needs it first.

    Under the exact rules the decoder's error is the first to need what D says of x'. A network
    that is not trained leaves its rules to the last one that is.
    """
    player = event["player"]
    if event["where"] == "pull_D" and trained[0] == "g" \
            or event["where"] in ("carried_Q", "exact_fake_mean_error"):
        return "g"
    return player if player in trained else trained[-1]


@dataclass
class Trace:
    """Everything that happened in some updates of a model, as plain data.

    Attributes
    ----------
    model : dict
        Name, rule set, rate, sizes, protocol, and the players with their widths.
    steps : list of dict
        Per update: `x`, `r`, `x_` (x'), `sample` (a generated image from a fixed draw), `events`,
        and `players`: per player `before` and `after` (its weights), `update` (after - before, by
        the rate: the direction of ascent), `objective` (before, after), `loss` (the paper's
        own for this player, before, after, its `equation`, `symbols` in LaTeX, and `direction`
        "down" or "up"; None where it has no term), `numerical` (the derivative of that objective
        by the weights), `true` (that of the exact objective), and `cosine` and `ratio` of norms
        of update and true gradient. Others' weights are as before the update in all of these.
    """

    model: dict[str, Any]
    steps: list[dict[str, Any]]

    def players(self) -> list[str]:
        """Those that some step updates, in the order of the updates."""
        return list(dict.fromkeys(name for step in self.steps for name in step["players"]))

    def to_json(self) -> str:
        """The trace as JSON text."""
        return json.dumps({"format": FORMAT, "model": self.model, "steps": self.steps},
                          allow_nan=False)

    def _repr_html_(self) -> str:
        """The page, as a notebook shows it."""
        from avanet.step.page import notebook_html
        return notebook_html(self)

    @classmethod
    def from_json(cls, text: str) -> "Trace":
        """The trace that `to_json` wrote.

        Raises
        ------
        InputError
            If the text is no trace.
        """
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}")
            if not isinstance(data["model"], dict) or not isinstance(data["steps"], list):
                raise ValueError("no model or no steps")
            for step in data["steps"]:
                for player in step["players"].values():
                    for layer in (*player["before"], *player["after"]):
                        for part in layer.values():
                            np.asarray(part, float)
            return cls(data["model"], data["steps"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"not a trace that avanet wrote ({error})") from None

    def save(self, path) -> None:
        """Write the trace as JSON."""
        write_whole(path, self.to_json().encode())

    @classmethod
    def load(cls, path) -> "Trace":
        """Read the trace that `save` wrote."""
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}") from None


def trace(model, X, steps: int | None = None, draws=None) -> Trace:
    """Trace updates of a model, one sample each, and make them.

    Parameters
    ----------
    model : AVA or avanet.models.base.Model
        A batched model: see `avanet.step.models.trace_model`. An AVA of one channel; an unfitted
        one is started on X. It is updated as by `model.step`.
    X : array
        Samples as in `fit`; gone through in order, again from the first if `steps` are more.
    steps : int, optional
        Number of updates; one per sample unless given.
    draws : (steps, n) array, optional
        r of each update; drawn from the model's generator unless given.
    """
    if not isinstance(model, AVA):
        from avanet.step.models import trace_model
        return trace_model(model, X, steps=steps)
    X = np.asarray(X, model.dtype)
    if not hasattr(model, "players_"):
        model._start(model._as_array(X).shape[1:])
    if len(model.players_) != 1:
        raise InputError(f"the model has {len(model.players_)} channels with a network each; "
                         "trace one channel, or use Protocol(channels='joint')")
    steps = len(X) if steps is None else steps
    if draws is None:
        draws = model._draw(steps)
    base = np.linspace(-1, 1, model.latent_dim)[None].astype(model.dtype)
    records = [_step(model, X[k % len(X)], draws[k: k + 1], base) for k in range(steps)]
    return Trace(_describe(model), records)


def _step(model: AVA, x, r, base) -> dict[str, Any]:
    """One traced update."""
    events: list[Event] = []
    players = model.players_[0]
    traced = Players(*(player and traced_network(player, name, events.append)
                       for name, player in players._asdict().items()))
    flat = model._channels(model._as_array(x[None]))[:, 0]
    judge = _Judge(model, players, flat, r)
    before = _all_weights(players)

    plain = model._step
    model._step = TracedStep(plain, events)
    model.players_ = [traced]
    try:
        model._update(flat[:, None], r)
    finally:
        model._step, model.players_ = plain, [players]

    after = _all_weights(players)
    return {
        "step": model.n_steps_,
        "x": _data(flat[0]),
        "r": _data(r[0]),
        "x_": _data(judge.point.x_[0]),
        "sample": _data(players.g.forward(base)[0][0]),
        "events": [asdict(event) for event in events],
        "players": {name: judge.player(name, before[name], after[name], float(model.rate))
                    for name in judge.trained},
    }


class _Judge:
    """Says of each player's update what it maximises, and how near it is to the true gradient."""

    def __init__(self, model: AVA, players: Players, x, r):
        a = logistic(model._protocol.s, model._protocol.m)
        networks = Weights(**{name: player and [(W.astype(float), b.astype(float))
                                                for W, b in _weights(player)]
                              for name, player in players._asdict().items()})
        self.networks = networks
        self.point = Point(networks, x.astype(float), r.astype(float), a,
                           model.covariance == "full")
        self.model, kind = model.model, variant(model.model)
        self.printed = OBJECTIVES[model.rules](kind, self.point)
        self.exact = OBJECTIVES["exact"](kind, self.point)
        order = "gfdD" if model.rules == "exact" else "fgdD"  # h comes out of the decoder's error
        self.trained = [name for name in order if name in self.printed.trained]

    def player(self, name, before, after, rate):
        """The record of one player."""
        objective, exact = getattr(self.printed, name), getattr(self.exact, name)
        network = getattr(self.networks, name)
        numerical = _by_weights(objective, network)
        true = _by_weights(exact, network)
        moved = [(w["W"].astype(float), w["b"].astype(float)) for w in after]
        update = [{key: ((new[key].astype(float) - old[key]) / rate) for key in old}
                  for old, new in zip(before, after)]
        flat = _flat(update)
        truth = np.concatenate([part.ravel() for pair in true for part in pair])
        length = np.linalg.norm(flat) * np.linalg.norm(truth)
        return {
            "before": _data(before),
            "after": _data(after),
            "update": _data(update),
            "objective": {"before": _value(objective, network), "after": _value(objective, moved)},
            "loss": self._paper_loss(name, exact, network, moved),
            "numerical": _data([dict(zip("Wb", pair)) for pair in numerical]),
            "true": _data([dict(zip("Wb", pair)) for pair in true]),
            "cosine": float(flat @ truth / length) if length else None,
            "ratio": float(np.linalg.norm(flat) / np.linalg.norm(truth)) if truth.any() else None,
        }

    def _paper_loss(self, name, exact, network, moved) -> dict[str, Any] | None:
        """The printed loss of a player: `exact` is what it raises, minus the loss of f and g."""
        equation, symbols = paper_loss(self.model, name, [
            other for other, there in self.networks._asdict().items() if there is not None])
        if not symbols:
            return None
        sign = 1 if name in "dD" else -1
        return {"equation": equation, "symbols": symbols,
                "direction": "up" if sign > 0 else "down",
                "before": sign * _value(exact, network), "after": sign * _value(exact, moved)}


def _value(objective, network) -> float:
    return float(np.real(objective(network)))


def _describe(model: AVA) -> dict[str, Any]:
    players = model.players_[0]
    return {
        "name": model.model,
        "rules": model.rules,
        "rate": float(model.rate),
        "latent_dim": model.latent_dim,
        "hidden_dim": model.hidden_dim,
        "shape": list(model.shape_),
        "covariance": model.covariance,
        "dtype": model.dtype,
        "protocol": asdict(model._protocol),
        "players": {name: {"name": player.name, "symbol": GREEK[name], "widths": _widths(player)}
                    for name, player in players._asdict().items() if player is not None},
    }


def _by_weights(objective, network):
    """The objective's numerical derivative by every weight: [(dW, db), ...]."""

    def by_part(layer, k):
        def of(part):
            pair = (part, network[layer][1]) if k == 0 else (network[layer][0], part)
            return objective([*network[:layer], pair, *network[layer + 1:]])
        return gradient(of, network[layer][k])

    return [(by_part(layer, 0), by_part(layer, 1)) for layer in range(len(network))]


def _weights(network: Sequential):
    return [(layer.W, layer.b) for layer in network.layers if isinstance(layer, Dense)]


def _widths(network: Sequential) -> list[int]:
    first = _weights(network)[0][0]
    return [first.shape[0], *(len(b) for _, b in _weights(network))]


def _all_weights(players: Players):
    """Copies of all weights: {player: [{"W": ..., "b": ...}, ...]}."""
    return {name: [{"W": W.copy(), "b": b.copy()} for W, b in _weights(player)]
            for name, player in players._asdict().items() if player is not None}


def _flat(layers: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    return np.concatenate([part.ravel() for layer in layers for part in layer.values()])


def _data(value):
    """Arrays as nested lists, all the way down."""
    if isinstance(value, Mapping):
        return {key: _data(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_data(item) for item in value]
    return value
