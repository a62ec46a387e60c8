"""One update of a batched model as a walk of scenes, from a trace alone.

Forward passes, the losses with their gradients, then each player: its error carried back, one
weight's gradient beside the numerical derivative, the optimiser's step, the objective.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from avanet.errors import InputError, unknown_name
from avanet.step.derivations import LOSS_FORMULAS
from avanet.step.scenes import (
    SHOWN, Ask, Scene, inner, number, sum_of_products, symbols, vector,
)
from avanet.step.tracing import Trace

ROWS = 4  # samples of a batch that fit into a line of algebra


def walk_model(trace: Trace, player: str | None, neuron: int) -> list[Scene]:
    """All scenes of a trace of a batched model; as `avanet.step.walk.walk`."""
    there = trace.players()
    if player is not None and player not in there:
        raise unknown_name(f"player of {trace.model['name']}", player, there)
    chosen = there if player is None else [player]
    most = max(model_neurons(trace, name) for name in chosen)
    if not 1 <= neuron <= most:
        raise InputError(f"neuron {neuron} does not exist here; expected 1 to {most}")
    scenes = [_networks(trace)]
    for k in range(len(trace.steps)):
        step = ModelStep(trace, k, neuron - 1)
        scenes += step.forward()
        scenes.append(step.losses())
        for name in chosen:
            if name in trace.steps[k]["players"]:
                scenes += step.update(name)
    return scenes


def model_neurons(trace: Trace, player: str) -> int:
    """The units of the player's last dense layer, or the channels of its last convolution."""
    record = next(step["players"][player] for step in trace.steps if player in step["players"])
    return _Shown(trace.model, record["player"]).units(record["before"])


class _Shown:
    """The layer whose numbers are shown: a player's last dense one, or its last convolution.

    Attributes
    ----------
    index : int
        Its index among the player's layers.
    place : int
        Its place among those with weights.
    dense : bool
    word : str
        What `unit` counts: "unit" or "channel".
    """

    def __init__(self, model: Mapping[str, Any], player: str):
        layers = model["players"][player]["layers"]
        with_weights = [k for k, layer in enumerate(layers) if layer["parameters"]]
        there = {kinds: [k for k in with_weights if layers[k]["kind"] in kinds]
                 for kinds in (("Dense",), ("Conv2D", "ConvTranspose2D"))}
        found = next((some for some in there.values() if some), None)
        if found is None:
            raise InputError(f"the {player} of {model['name']} has no dense layer and no "
                             "convolution to show the weights of")
        self.index, self.place = found[-1], with_weights.index(found[-1])
        kind = layers[self.index]["kind"]
        self.dense, self._axis = kind == "Dense", 2 if kind == "ConvTranspose2D" else -1
        self.word = "unit" if self.dense else "channel"

    def units(self, parts) -> int:
        return np.shape(parts[self.place]["W"])[self._axis]

    def into(self, parts, unit: int) -> list[float]:
        """The weights that lead into a unit, without the bias."""
        return np.take(np.array(parts[self.place]["W"]), unit, self._axis).ravel().tolist()

    def bias(self, parts, unit: int) -> float | None:
        return parts[self.place]["b"][unit] if "b" in parts[self.place] else None

    def sources(self, parts) -> list[str]:
        """Where each of them comes from: an input, or a place in the kernel."""
        W = np.array(parts[self.place]["W"])
        if self.dense:
            return [f"input {j + 1}" for j in range(len(W))]
        rows, columns, channels = np.take(W, 0, self._axis).shape
        return [f"({r + 1},{c + 1}) of {k + 1}" for r in range(rows) for c in range(columns)
                for k in range(channels)]


def objective_text(weights: Mapping[str, float]) -> str:
    """"reconstruction + 0.5 kl"."""
    parts = [("- " if w < 0 else "+ ") + (name if abs(w) == 1 else f"{abs(w):g} {name}")
             for name, w in weights.items()]
    return " ".join(parts).removeprefix("+ ")


def _networks(trace: Trace) -> Scene:
    model = trace.model
    lines = [*textwrap.wrap(model["says"], 96), f"({model['paper']})", ""]
    for name, net in model["players"].items():
        lines.append(f"{name:<16} {'-'.join(map(str, net['widths']))}: "
                     + ", ".join(layer["name"] for layer in net["layers"]))
    size = "x".join(map(str, model["shape"]))
    lines += ["", f"images of {size}, {model['batch']} a batch; {model['optimiser']}, rate "
              f"{model['rate']:g}; losses are lowered"]
    return Scene(0, "", f"{model['name']}: the networks", tuple(lines))


class ModelStep:
    """One step of a trace, seen from one neuron and the first sample of the batch."""

    def __init__(self, trace: Trace, k: int, neuron: int):
        self.model, self.step, self.k, self.neuron = trace.model, trace.steps[k], k + 1, neuron
        self.events: list[Mapping[str, Any]] = self.step["events"]

    # Forward ------------------------------------------------------------------------------------

    def forward(self) -> Iterator[Scene]:
        """A scene for every pass of every network."""
        for (player, on), events in self.passes().items():
            first = vector(flat(events[0]["terms"]["x"][0]))
            lines: list[str | Ask] = [f"input {first} {self.source(events)}".rstrip()]
            for event in events:
                lines += self._unit_sum(player, event)
                lines.append(f"{event['where']:<14} -> {vector(flat(event['result'][0]))}")
            yield self._scene("", f"forward, {player}{self.which_pass(player, on)}", lines)

    def _unit_sum(self, player: str, event) -> list[str | Ask]:
        """The chosen output's weighted sum in the last dense layer, written out."""
        shown = self._shown(player)
        if event["layer"] != shown.index or not shown.dense:
            return []
        x, y = event["terms"]["x"][0], flat(event["result"][0])
        unit = min(self.neuron, len(y) - 1)
        for record in self._records(player):
            for key in ("before", "after"):
                w, b = shown.into(record[key], unit), shown.bias(record[key], unit)
                if abs(float(np.dot(x, w)) + (b or 0.0) - y[unit]) < 1e-9:
                    bias = "" if b is None else f" + {inner(b)}"
                    products = sum_of_products(list(zip(w, x)))
                    return [Ask(f"  into unit {unit + 1}: {products}{bias}", y[unit])]
        return []

    def source(self, events) -> str:
        """Where the input of a pass comes from, as far as its values tell."""
        x = [flat(row) for row in events[0]["terms"]["x"]]
        for name in ("x", "target"):
            if x == self.step[name]:
                return "= x" if name == "x" else "= the clean x"
        for (player, _), others in self.passes().items():
            if others[0] is not events[0] \
                    and x == [flat(row) for row in others[-1]["result"]]:
                return f"= the output of the {player}"
        return ""

    def given(self, rows) -> str:
        """Which pass gave a loss its argument, as far as its values tell."""
        rows = [flat(row) for row in rows]
        for (player, on), events in self.passes().items():
            if rows == [flat(row) for row in events[-1]["result"]]:
                return f"= the output of the {player}{self.which_pass(player, on)}"
        return "= x" if rows == self.step["target"] else ""

    def passes(self) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
        passes: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for event in self.events:
            if event["kind"] == "forward":
                passes.setdefault((event["player"], event["on"]), []).append(event)
        return passes

    def which_pass(self, player: str, on: str) -> str:
        several = [other for name, other in self.passes() if name == player]
        return f", pass {several.index(on) + 1} of {len(several)}" if len(several) > 1 else ""

    # Losses -------------------------------------------------------------------------------------

    def losses(self) -> Scene:
        """Each loss of the engine that was taken, in symbols and with numbers."""
        lines: list[str | Ask] = []
        for event in self.events:
            if event["kind"] == "loss":
                known = LOSS_FORMULAS[event["where"]]
                lines += [known.title, f"  {symbols(known.formula)}   (mean over the batch)"]
                lines += [f"  {name} = {vector(flat(term[0]))} {self.given(term)}".rstrip()
                          for name, term in event["terms"].items()]
                lines.append(Ask("  loss", event["result"]["value"]))
                lines += [f"  gradient by {name} = {vector(flat(part[0]))}" for name, part in
                          zip(event["terms"], event["result"]["gradient"])]
                lines.append("")
        said = "  ".join(f"{name} {number(value)}" for name, value in self.step["losses"].items())
        return self._scene("", "the losses", [*lines, f"reported: {said}"])

    # Update -------------------------------------------------------------------------------------

    def update(self, player: str) -> Iterator[Scene]:
        """A player's error, one weight's gradient, the optimiser's step, the objective."""
        record = self.step["players"][player]
        yield self._errors(player, record)
        yield self._gradient(player, record)
        yield self._optimiser(player, record)
        yield self._objective(player, record)

    def _errors(self, player: str, record) -> Scene:
        lines = []
        backs = self.gradients(player, record)
        for on in dict.fromkeys(event["on"] for event in backs):
            which = self.which_pass(record["player"], on)
            lines.append(f"dL/dv at each layer with weights{which}, from the output back:")
            lines += [f"  {event['where']:<14} {vector(flat(event['terms']['dy'][0]))}"
                      for event in backs if event["on"] == on]
            lines.append("")
        return self._scene(player, f"{player}: the error, carried back", lines[:-1])

    def _gradient(self, player: str, record) -> Scene:
        shown = self._shown(record["player"])
        lines: list[str | Ask] = []
        unit = min(self.neuron, shown.units(record["before"]) - 1)
        before, gradient, numerical, after = (
            [*shown.into(parts, unit), shown.bias(parts, unit)] if parts else None
            for parts in (record[key] for key in ("before", "gradient", "numerical", "after")))
        into, sources = f"{shown.word} {unit + 1}", shown.sources(record["before"])
        pairs = [(flat(dy)[unit], x[0]) for event in self.gradients(player, record)
                 if event["layer"] == shown.index and shown.dense
                 for dy, x in zip(event["terms"]["dy"], self._input(record["player"], event))]
        over = "the batch and the passes" if len(pairs) > self.model["batch"] else "the batch"
        if pairs:
            more = " + ..." if len(pairs) > ROWS else ""
            lines += [f"weight 1 into {into}: dL/dw = sum of dL/dv · input over {over}",
                      Ask(f"  {sum_of_products(pairs[:ROWS])}{more}", gradient[0]), ""]
        elif not shown.dense:
            lines += [f"the kernel's weight {sources[0]} into {into}: dL/dw = sum of dL/dv · input "
                      f"over all pixels and {over}", Ask("  dL/dw", gradient[0]), ""]
        lines.append(f"{'into ' + into:<16}{'before':>10}{'closed form':>13}"
                     f"{'numerical':>11}{'after':>10}")
        chosen = [*range(len(sources))][:SHOWN] + [-1] * (before[-1] is not None)
        for k in chosen:
            told = "-" if not numerical or numerical[k] is None else number(numerical[k])
            lines.append(f"{'bias' if k < 0 else sources[k]:<16}{number(before[k]):>10}"
                         f"{number(gradient[k]):>13}{told:>11}{number(after[k]):>10}")
        left = len(sources) - SHOWN
        lines += [f"... and {left} more"] * (left > 0) + [""]
        if record["agrees"] is None:
            lines.append(_no_derivative(record))
        else:
            size = len(flat([list(layer.values()) for layer in record["before"]]))
            checked = record["checked"]
            lines.append(f"closed form and numerical derivative of "
                         f"{objective_text(record['objective']['weights'])} differ by "
                         f"{record['agrees']:.1e} at most, over "
                         f"{size if checked == size else f'{checked} of {size}'} weights")
        return self._scene(player, f"{player}: the gradient of one "
                           f"{'neuron' if shown.dense else 'channel'}", lines)

    def _optimiser(self, player: str, record) -> Scene:
        shown = self._shown(record["player"])
        unit = min(self.neuron, shown.units(record["before"]) - 1)
        at = lambda parts: shown.into(parts, unit)[0]
        told = record["optimiser"]
        slots = {name: (at(a), at(b)) for name, (a, b) in told["slots"].items()}
        lines = optimiser_lines(told, at(record["gradient"]), at(record["before"]), slots)
        if told["clip_norm"]:
            lines.insert(0, f"gradients are clipped to norm {told['clip_norm']:g} first")
        title = f"{player}: {told['name']}, step {told['t']}, weight 1 into {shown.word} {unit + 1}"
        return self._scene(player, title, [*lines, Ask("after the step: w", at(record["after"]))])

    def _objective(self, player: str, record) -> Scene:
        lines: list[str | Ask] = [f"{name:<16} {number(a)} -> {number(b)}"
                                  for name, (a, b) in record["losses"].items()]
        told = record["objective"]
        if told is None:
            lines += ["", _no_derivative(record)]
        else:
            change = told["after"] - told["before"]
            lines += ["", f"what the {record['player']} lowers: {objective_text(told['weights'])}",
                      f"before the step: {number(told['before'])}", Ask("its change", change),
                      f"after the step: {number(told['after'])}",
                      "It went down, as it should." if change < 0 else
                      "It went UP: the step was too long." if change > 0 else "It did not move."]
        lines += ["", "(the same batch and draws, by this step alone: the others as before)"]
        return self._scene(player, f"{player}: did its objective fall?", lines)

    # Reading the trace --------------------------------------------------------------------------

    def _records(self, player: str):
        return [record for record in self.step["players"].values() if record["player"] == player]

    def gradients(self, player: str, record) -> list[Mapping[str, Any]]:
        """The gradient events of a player between its last step and this one."""
        name, found = record["player"], []
        records = [key for key, r in self.step["players"].items() if r["player"] == name]
        wanted, steps = records.index(player), 0
        for event in self.events:
            if event["kind"] == "apply" and event["player"] == name:
                steps += 1
            elif event["kind"] == "gradient" and event["player"] == name and steps == wanted:
                found.append(event)
        return found

    def _input(self, player: str, event):
        """(B, n_in): what the layer of a gradient event was given."""
        return next(e["terms"]["x"] for e in self.passes()[player, event["on"]]
                    if e["layer"] == event["layer"])

    def _shown(self, player: str) -> _Shown:
        return _Shown(self.model, player)

    def _scene(self, player: str, title: str, lines: Sequence[str | Ask]) -> Scene:
        return Scene(self.k, player, f"step {self.k}: {title}", tuple(lines))


def optimiser_lines(told: Mapping[str, Any], g: float, w: float, slots) -> list[str | Ask]:
    """An optimiser's step in symbols and with numbers, for one weight w with the gradient g."""
    s, rate, t = told["settings"], told["rate"], told["t"]
    g_, w_ = number(g), number(w)
    kept = lambda share, before: f"{share:g} · {number(before)} + {1 - share:.3g}"
    if told["name"] in ("Adam", "AdamW"):
        (m0, m), (v0, v) = slots["m"], slots["v"]
        m_hat, v_hat = m / (1 - s["beta1"]**t), v / (1 - s["beta2"]**t)
        lines: list[str | Ask] = [
            f"m = β1 m + (1 - β1) g = {kept(s['beta1'], m0)} · ({g_}) = {number(m)}",
            f"v = β2 v + (1 - β2) g² = {kept(s['beta2'], v0)} · ({g_})² = {number(v)}",
            f"m̂ = m / (1 - β1^t) = {number(m_hat)}, t = {t}",
            f"v̂ = v / (1 - β2^t) = {number(v_hat)}",
        ]
        if told["epsilon_hat"]:
            lines.append("w = w - γ √(1 - β2^t) / (1 - β1^t) · m / (√v + ε)")
        else:
            lines.append(f"w = w - γ m̂ / (√v̂ + ε) = {w_} - {rate:g} · ({number(m_hat)}) / "
                         f"(√{number(v_hat)} + {s['epsilon']:g})")
        if t == 1:
            lines.append("in the first step m̂ = g and √v̂ = |g|: it is γ long, however long g is")
        return lines
    if told["name"] == "Momentum":
        before, after = slots["velocity"]
        return [f"u = μ u + g = {s['momentum']:g} · {number(before)} + ({g_}) = {number(after)}",
                f"w = w - γ u = {w_} - {rate:g} · ({number(after)})"]
    if told["name"] == "RMSprop":
        before, after = slots["square"]
        return [f"s = ρ s + (1 - ρ) g² = {kept(s['rho'], before)} · ({g_})² = {number(after)}",
                f"w = w - γ g / (√s + ε) = {w_} - {rate:g} · ({g_}) / (√{number(after)} + "
                f"{s['epsilon']:g})"]
    return [f"w = w - γ g = {w_} - {rate:g} · ({g_})"]


def _no_derivative(record) -> str:
    """Why there is no numerical derivative beside the closed form."""
    if not any(flat([list(layer.values()) for layer in record["gradient"]])):
        return ("the gradient is zero here, so that nothing moves: its units are off (ReLU) or "
                "dropped; another --seed or a wider --net shows more")
    return ("no sum of the reported losses has this gradient: a unit that sits at the corner of "
            "its ReLU has no derivative, and a very small one is lost in rounding; another --seed "
            "shows one")


def flat(values) -> list[float]:
    """All numbers of nested lists in a row."""
    return [v for one in values for v in (flat(one) if isinstance(one, list) else [one])]
