"""One update as a walk of scenes in plain text, from a trace alone.

The order is the paper's: forward passes, then Theta, Phi, Psi, Lambda; under the exact rules Phi
goes before Theta, whose error needs Phi's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from avanet.errors import InputError, unknown_name
from avanet.step.formulas import FORMULAS, Formula, formula_name, objective
from avanet.step.scenes import (
    SHOWN, Ask, Scene, dotted, inner, number, sum_of_products, symbols, vector,
)
from avanet.step.tracing import GREEK, Trace, owner
from avanet.step.typeset import with_values
from avanet.step.walk_models import model_neurons, walk_model

OUTPUT = {"g": "x'", "d": "d", "D": "D"}
HEADS = ("μ", "Σ")
UNIT_WEIGHTS = "the same {} for every i: {}'s weights are assumed to be 1 (avanet explain eq{})"


def neurons(trace: Trace, player: str) -> int:
    """How many neurons a player's equation has: one for each component of its output.

    The encoder's two heads, mu_k and Sigma_k, count as one.
    """
    if trace.model.get("kind") == "batches":
        return model_neurons(trace, player)
    return _neurons(trace.model, player)


def _neurons(model: Mapping[str, Any], player: str) -> int:
    return model["latent_dim"] if player == "f" else model["players"][player]["widths"][-1]


def walk(trace: Trace, player: str | None = None, neuron: int = 1) -> list[Scene]:
    """All scenes of a trace.

    Parameters
    ----------
    player : {"f", "g", "d", "D"}, optional
        Whose update to show; all by default.
    neuron : int
        Which output to show the numbers of, from 1. A player with fewer outputs shows its last.

    Raises
    ------
    InputError
        For a player that the model does not train, or a neuron that none of the players has.
    """
    if trace.model.get("kind") == "batches":
        return walk_model(trace, player, neuron)
    there = trace.players()
    if player is not None and player not in there:
        raise unknown_name(f"player of {trace.model['name']} under rules "
                           f"{trace.model['rules']!r}", player, there)
    chosen = there if player is None else [player]
    most = max(neurons(trace, name) for name in chosen)
    if not 1 <= neuron <= most:
        raise InputError(f"neuron {neuron} does not exist here; expected 1 to {most}")
    scenes = [_networks(trace)]
    for k in range(len(trace.steps)):
        step = _Step(trace, k, neuron - 1)
        scenes += step.forward()
        for name in chosen:
            scenes += step.update(name)
        scenes += step.recoded()
    return scenes


def _networks(trace: Trace) -> Scene:
    model, protocol = trace.model, trace.model["protocol"]
    there = trace.players()
    lines = [f"{GREEK[name]}  {net['name']:<16} {'-'.join(map(str, net['widths'])):<10} "
             f"{_role(name)}{'' if name in there else ', never trained under these rules'}"
             for name, net in model["players"].items()]
    lines += [
        "",
        f"every unit is logistic, a(v) = 1 / (1 + exp(-{protocol['s']:g} (v - {protocol['m']:g})))",
        f"rules {model['rules']}, rate γ = {model['rate']:g}, {protocol['order']} updates, "
        f"start values {protocol['start']}",
    ]
    size = "x".join(map(str, model["shape"]))
    return Scene(0, "", f"{model['name']}: the networks, x of {size} values", tuple(lines))


def _role(name: str) -> str:
    return {"f": "x -> μ(x), Σ(x)", "g": "z -> x'", "d": "x -> how real, in [0, 1]",
            "D": "μ -> how real, in [0, 1]"}[name]


class _Step:
    """One step of a trace, seen from one neuron."""

    def __init__(self, trace: Trace, k: int, neuron: int):
        self.model, self.step, self.k = trace.model, trace.steps[k], k + 1
        self.events: list[Mapping[str, Any]] = self.step["events"]
        self.neuron = neuron

    # Forward ------------------------------------------------------------------------------------

    def forward(self) -> Iterator[Scene]:
        """A scene for every evaluation before the update, and for Eq. 8 between f and g."""
        passes = self._passes()
        sampled = self._rules("f", ("sample_code",))
        for (player, on), events in passes.items():
            if "after the update" in on:
                continue
            yield self._pass(player, on, events)
            if (player, on) == ("f", "x") and sampled:
                z = f"        z = {vector(sampled[0]['result'][0])}"
                yield self._scene("", "the sampling node", [*self._equation(sampled[0]), z])

    def recoded(self) -> Iterator[Scene]:
        """What AVA3 to AVA5 evaluate once more with the updated networks."""
        again = {key: events for key, events in self._passes().items()
                 if "after the update" in key[1]}
        if again:
            lines = [f"{self._name(player)} on {on}: {vector(events[-1]['result'][0])}"
                     for (player, on), events in again.items()]
            yield self._scene("", "after the update, for scoring only", lines)

    def _pass(self, player: str, on: str, events) -> Scene:
        symbol, (*hidden, last) = on.split(" ")[0], map(_layer_line, events)
        lines = [f"input {symbol} = {vector(events[0]['terms']['x'][0])}", *hidden,
                 *self._unit_sum(player, events), last, *self._code(player, on, events)]
        return self._scene("", f"forward, {self._name(player)} on {on}", lines)

    def _unit_sum(self, player: str, events) -> list[str | Ask]:
        """The chosen output's weighted sum, written out."""
        if player not in self.step["players"]:
            return []
        unit = self._units(player)[0]
        dense, last = events[-2], events[-1]
        inputs, layer = dense["terms"]["x"][0], self.step["players"][player]["before"][-1]
        products = [(row[unit], h) for row, h in zip(layer["W"], inputs)]
        net_input = dense["result"][0][unit]
        name = self._unit(player, unit)
        return [f"  into {name}: v = {sum_of_products(products)} + {inner(layer['b'][unit])} = "
                f"{number(net_input)}",
                Ask(f"  {name} = a({number(net_input)})", last["result"][0][unit])]

    def _code(self, player: str, on: str, events) -> list[str]:
        """mu and Sigma by name."""
        y, n = events[-1]["result"][0], self.model["latent_dim"]
        return [f"μ({on}) = {vector(y[:n])}", f"Σ({on}) = {vector(y[n:])}"] * (player == "f")

    def _passes(self) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
        passes: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for event in self.events:
            if event["kind"] == "forward":
                passes.setdefault((event["player"], event["on"]), []).append(event)
        return passes

    # Update -------------------------------------------------------------------------------------

    def update(self, player: str) -> Iterator[Scene]:
        """A player's equations, its errors, its weights, its objective."""
        yield self._equations(player)
        yield self._errors(player)
        yield self._weights(player)
        yield self._objective(player)

    def _equations(self, player: str) -> Scene:
        lines: list[str | Ask] = []
        used = self._rules(player)
        for event in used:
            lines += [*self._equation(event), ""]
        lines += self._remarks(player, {event["where"]: event for event in used})
        while not str(lines[-1]):
            lines.pop()
        return self._player_scene(player, self._which(player), lines)

    def _equation(self, event) -> list[str | Ask]:
        """A rule in symbols and with numbers."""
        formula = self._formula(event)
        number_ = f"Eq. {formula.equation}"
        return [f"{number_:<8}{formula.title}", f"        {symbols(formula.latex)}",
                Ask(f"        {symbols(formula.result)} = {self._with_numbers(event)}",
                    self._at(event["result"]))]

    def _with_numbers(self, event) -> str:
        """The right side with the terms' values at the chosen neuron, or those of a whole sum."""
        formula, terms = self._formula(event), event["terms"]
        if formula.carried:
            W = terms["W"][min(self.neuron, len(terms["W"]) - 1)]
            rows = [{"W": w, "delta": delta} for w, delta in zip(W, terms["delta"][0])]
        elif formula.summed:
            rows = [dict(zip(terms, row)) for row in zip(*(v[0] for v in terms.values()))]
        else:
            return _filled(formula.computed, {name: self._at(v) for name, v in terms.items()})
        more = [f"... ({len(rows)} in all)"] * (len(rows) > SHOWN)
        return " + ".join([_filled(formula.computed, row) for row in rows[:SHOWN]] + more)

    def _formula(self, event) -> Formula:
        own = any(other["where"] == f"own_pull_{event['player']}" for other in self.events)
        return FORMULAS[formula_name(event["where"], event["terms"], own)]

    def _remarks(self, player: str, used: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Where the numbers are not what the symbols alone say."""
        lean, sum_ = used.get(f"leaning_error_{player}"), used.get(f"leaning_sum_{player}")
        if lean and (sum_ is None or lean["terms"]["C"] != sum_["result"]):
            reason = ("the decoder's leaning term is added, as AVA5's list has it"
                      if self.model["rules"] == "letter" else "the sum is read as a mean")
            yield f"C enters as {number(self._at(lean['terms']['C']))}: {reason}"
        if "pull_d" in used and "decoder_error" in used:
            yield UNIT_WEIGHTS.format("p_d", "d", 6)
        if "assessed_mean_error" in used and "pull_D" in used:
            yield UNIT_WEIGHTS.format("p_D", "D", 14)
        if "carried_q" in used:
            yield ("q: what d says of x', another number for each i; with the weights of d assumed "
                   f"to be 1 it would be {number(self._at(used['pull_d']['result']))} for every i")
        if "carried_h" in used:
            yield "h: the part of the loss that Eq. 5 leaves out; it reaches f through z"
        if self.model["rules"] == "as-run-mu4" and player == "f":
            yield "μ enters four times, as these rules have it"
        if self.model["rules"] == "letter" and player in "dD":
            yield "the errors of both passes enter as one sum, on the second pass, as printed"

    def _errors(self, player: str) -> Scene:
        lines: list[str | Ask] = []
        for on in self._evaluations(player):
            output, hidden = self._error(player, on, -1), self._error(player, on, 0)
            lines += [f"error at the output's net input, on {on}:",
                      f"  {self._labelled(player, output)}", "carried back to the hidden units:",
                      *self._hidden_sum(player, on, output, hidden), f"  {vector(hidden)}", ""]
        return self._player_scene(player, "the error, carried back", lines[:-1])

    def _hidden_sum(self, player: str, on: str, output, hidden) -> list[str | Ask]:
        """The first hidden unit's error, written out."""
        record, protocol = self.step["players"][player], self.model["protocol"]
        simultaneous = protocol["order"] == "simultaneous"
        weights = record["before" if simultaneous else "after"][-1]["W"][0]
        h = self._inputs(player, on)[0]
        which = "" if simultaneous else ", w already updated"
        slope = protocol["s"] * h * (1 - h)
        return [f"  of unit 1: a'(h) Σ w · error{which}",
                Ask(f"    = {number(slope)} · ({sum_of_products(list(zip(weights, output)))})",
                    hidden[0])]

    def _weights(self, player: str) -> Scene:
        record = self.step["players"][player]
        lines: list[str | Ask] = []
        for unit in self._units(player):
            name = self._unit(player, unit)
            before, after, update, numerical, true = (
                [row[unit] for row in record[key][-1]["W"]] + [record[key][-1]["b"][unit]]
                for key in ("before", "after", "update", "numerical", "true"))
            lines += [f"weight h1 -> {name} after the update: w + γ · error · input",
                      Ask(f"  = {number(before[0])} + {self.model['rate']:g} · "
                          f"({self._error_times_input(player, unit)})", after[0])]
            lines += ["", f"{'into ' + name:<12}{'before':>10}{'after':>10}{'closed form':>13}"
                      f"{'numerical':>11}{'true gradient':>15}"]
            for j in [*range(min(SHOWN, len(before) - 1)), len(before) - 1]:
                source = f"h{j + 1}" if j < len(before) - 1 else "bias"
                lines.append(f"{source:<12}{number(before[j]):>10}{number(after[j]):>10}"
                             f"{number(update[j]):>13}{number(numerical[j]):>11}"
                             f"{number(true[j]):>15}")
            lines.append("")
        lines += self._derivatives(record)
        return self._player_scene(player, "the weights of one neuron", lines)

    def _error_times_input(self, player: str, unit: int) -> str:
        """error x input of the first weight, for every evaluation that goes back."""
        return " + ".join(f"{inner(self._error(player, on, -1)[unit])} · "
                          f"{number(self._inputs(player, on)[0])}"
                          for on in self._evaluations(player))

    def _derivatives(self, record) -> Iterator[str]:
        """How closed form, numerical derivative and true gradient lie to each other."""
        closed, numerical = _flat(record["update"]), _flat(record["numerical"])
        worst = max(abs(a - b) for a, b in zip(closed, numerical))
        yield (f"closed form and numerical derivative of the objective differ by {worst:.1e} at "
               f"most, over {len(closed)} weights")
        if self.model["protocol"]["order"] != "simultaneous" and worst > 1e-6:
            yield "  (hidden errors went through weights that were already updated)"
        if record["cosine"] is None:
            yield "true gradient of the paper's loss: zero, or there was no update"
        elif abs(record["cosine"] - 1) < 1e-9 and abs(record["ratio"] - 1) < 1e-9:
            yield "it is the true gradient of the paper's loss"
        else:
            yield ("it is not the true gradient of the paper's loss: cosine "
                   f"{record['cosine']:.4f}, ratio of norms {record['ratio']:.4f}")

    def _objective(self, player: str) -> Scene:
        record = self.step["players"][player]
        value, loss = record["objective"], record["loss"]
        change = value["after"] - value["before"]
        lines: list[str | Ask] = [
            "what this update is to increase:",
            f"  {symbols(objective(self.model['name'], self.model['rules'], player))}",
            f"before the update: {number(value['before'])}",
            Ask("its change by the update", change),
            f"after the update: {number(value['after'])}",
            _verdict(change),
            "",
        ]
        if loss is None:
            lines.append("no term of the paper's own loss is left under these rules")
        else:
            change = loss["after"] - loss["before"]
            lines += [
                f"the paper's own, Eq. {loss['equation']}, which {GREEK[player]} is to "
                f"{'increase' if loss['direction'] == 'up' else 'decrease'}:",
                f"  {symbols(loss['symbols'])}",
                f"before the update: {number(loss['before'])}",
                Ask("its change by the update", change),
                f"after the update: {number(loss['after'])}",
                _paper_verdict(change if loss["direction"] == "up" else -change),
            ]
        lines += ["", "(by this update alone: the other networks as they were before it)"]
        return self._player_scene(player, "the objective: did it go the way the paper says?", lines)

    # Reading the trace --------------------------------------------------------------------------

    def _rules(self, player: str, where=()) -> list[Mapping[str, Any]]:
        """The rule events of a player's error, without Eq. 8 unless asked for by name."""
        trained = list(self.step["players"])
        return [event for event in self.events if event["kind"] == "rule"
                and (event["where"] in where if where else
                     event["where"] != "sample_code" and owner(event, trained) == player)]

    def _backs(self, player: str) -> list[Mapping[str, Any]]:
        return [event for event in self.events
                if event["kind"] == "gradient" and event["player"] == player]

    def _evaluations(self, player: str) -> list[str]:
        """On what the errors that go back were evaluated."""
        return list(dict.fromkeys(event["on"] for event in self._backs(player)))

    def _error(self, player: str, on: str, layer: int) -> list[float]:
        """The error at a dense layer's net input, as ascent: the engine's dL/dv with its sign."""
        there = [event for event in self._backs(player) if event["on"] == on]
        ordered = sorted(there, key=lambda event: event["layer"])
        return [-value for value in ordered[layer]["terms"]["dy"][0]]

    def _inputs(self, player: str, on: str) -> list[float]:
        """What enters the last dense layer."""
        return self._passes()[player, on][-2]["terms"]["x"][0]

    def _at(self, value):
        """A term at the chosen neuron; one number for all neurons is that number."""
        while isinstance(value, list):
            value = value[min(self.neuron, len(value) - 1)]
        return value

    def _units(self, player: str) -> list[int]:
        """The output units of the chosen neuron: the encoder has two, of mu and of Sigma."""
        width = self.model["players"][player]["widths"][-1]
        n = self.model["latent_dim"]
        if player == "f":
            k = min(self.neuron, n - 1)
            diagonal = self.model["covariance"] == "diagonal"
            return [k, n + (k if diagonal else k * (k + 3) // 2)]
        return [min(self.neuron, width - 1)]

    def _unit(self, player: str, unit: int) -> str:
        n = self.model["latent_dim"]
        if player == "f":
            return f"{HEADS[unit >= n]}{min(self.neuron, n - 1) + 1}"
        return OUTPUT[player] + (str(unit + 1) if player == "g" else "")

    def _labelled(self, player: str, output) -> str:
        n = self.model["latent_dim"]
        if player != "f":
            return vector(output)
        return f"μ: {vector(output[:n])}  Σ: {vector(output[n:])}"

    def _which(self, player: str) -> str:
        if player in "dD":
            return "the equations"
        return f"the equations, i = {min(self.neuron, _neurons(self.model, player) - 1) + 1}"

    def _name(self, player: str) -> str:
        return self.model["players"][player]["name"]

    def _scene(self, player: str, title: str, lines) -> Scene:
        return Scene(self.k, player, f"step {self.k}: {title}", tuple(lines))

    def _player_scene(self, player: str, title: str, lines) -> Scene:
        return self._scene(player, f"{GREEK[player]}, {self._name(player)}: {title}", lines)


def _filled(latex: str, values: Mapping[str, float]) -> str:
    """A formula with numbers for its terms."""
    return dotted(symbols(with_values(latex, {k: number(v) for k, v in values.items()})))


def _verdict(change: float) -> str:
    """Whether the rule's own objective rose."""
    if change > 0:
        return "It went up, as the rule says it should."
    if change < 0:
        return "It went DOWN, against what the rule says: this step was too long."
    return "It did not move."


def _paper_verdict(gain: float) -> str:
    """Whether the printed loss went the way the paper says; `gain` is positive if so."""
    if gain > 0:
        return "It went the way the paper says."
    if gain < 0:
        return ("It went the OTHER way: the rule is not the gradient of this loss, or the step "
                "was too long.")
    return "It did not move."


def _flat(layers: Sequence[Mapping[str, Any]]) -> list[float]:
    """All weights and biases in one list."""
    return [value for layer in layers for part in layer.values() for value in _scalars(part)]


def _scalars(part) -> Iterator[float]:
    for item in part:
        if isinstance(item, list):
            yield from _scalars(item)
        else:
            yield item


def _layer_line(event) -> str:
    """What a layer computed: v into the units of a dense one, a(v) out of the others."""
    symbol = "v" if event["where"].startswith("dense") else "a(v)"
    return f"{event['where']:<12} {symbol:<4} = {vector(event['result'][0])}"
