"""What the page draws of a batched model: phases, places of the numbers, formulas; from a trace."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from avanet.errors import InputError
from avanet.step.derivations import LOSS_FORMULAS
from avanet.step.scenes import number
from avanet.step.tracing import Trace
from avanet.step.typeset import to_mathml
from avanet.step.walk_models import ModelStep, flat, objective_text

WIDEST = 64  # units of a layer that can still be told apart on a screen
DRAWN = ("Dense", "Flatten", "Reshape", "BatchNorm", "LayerNorm", "Dropout", "Softmax", "Identity",
         "Logistic", "Tanh", "ReLU", "LeakyReLU", "Softplus")
OPTIMISERS = {  # line by line
    "SGD": (r"w = w - \gamma\, g",),
    "Momentum": (r"u = \mu u + g", r"w = w - \gamma\, u"),
    "RMSprop": (r"s = \rho s + (1 - \rho) g^2", r"w = w - \frac{\gamma\, g}{\sqrt{s} + \epsilon}"),
    "Adam": (r"m = \beta_1 m + (1 - \beta_1) g", r"v = \beta_2 v + (1 - \beta_2) g^2",
             r"w = w - \gamma \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}"),
}
OPTIMISERS["AdamW"] = OPTIMISERS["Adam"]


def model_view(trace: Trace) -> dict[str, Any]:
    """The trace with what finds its way around in it.

    Raises
    ------
    InputError
        If a network has layers that the page cannot draw, or is too wide.
    """
    model = dict(trace.model)
    _check_drawable(model)
    model["players"] = {name: net | {"places": _places(net["layers"])}
                        for name, net in model["players"].items()}
    steps = [_Step(trace, k) for k in range(len(trace.steps))]
    names = {event["where"] for step in trace.steps for event in step["events"]
             if event["kind"] == "loss"}
    used = {player["optimiser"]["name"] for step in trace.steps
            for player in step["players"].values()}
    return {
        "model": model,
        "trained": list(dict.fromkeys(name for step in trace.steps for name in step["players"])),
        "phases": [step.phases() for step in steps],
        "steps": [step.slim() for step in steps],
        "losses": {name: {"title": LOSS_FORMULAS[name].title,
                          "latex": to_mathml(LOSS_FORMULAS[name].formula, display=True)}
                   for name in sorted(names)},
        "optimisers": {name: [to_mathml(line, display=True) for line in OPTIMISERS.get(name, ())]
                       for name in sorted(used)},
        "grid": model["shape"][:2],
    }


def model_table(trace: Trace, step: int = 0) -> str:
    """One step as an HTML table, no script."""
    told, rows = trace.steps[step], []
    for name, value in told["losses"].items():
        rows.append(f"<tr><td>{html.escape(name)}</td><td></td><td>{number(value)}</td></tr>")
    for name, player in told["players"].items():
        if player["objective"]:
            text = html.escape(objective_text(player["objective"]["weights"]))
            values = ", ".join(number(player["objective"][key]) for key in ("before", "after"))
            rows.append(f"<tr><td>{html.escape(name)} lowers</td><td>{text}: before, after</td>"
                        f"<td>{values}</td></tr>")
    return (f"<table><caption>Update {told['step']}</caption><thead><tr><th scope=\"col\">What</th>"
            '<th scope="col"></th><th scope="col">Value</th></tr></thead><tbody>'
            f"{''.join(rows)}</tbody></table>")


def _places(layers: Sequence[Mapping[str, Any]]) -> list[int]:
    """Of each dense layer, the place among the layers with parameters."""
    kinds = [layer["kind"] for layer in layers if layer["parameters"]]
    return [k for k, kind in enumerate(kinds) if kind == "Dense"]


def _check_drawable(model: Mapping[str, Any]) -> None:
    for name, net in model["players"].items():
        other = [layer["name"] for layer in net["layers"] if layer["kind"] not in DRAWN]
        if other:
            raise InputError(f"the page draws dense networks, and the {name} of {model['name']} "
                             f"has a {other[0]}; avanet step {model['name']} without --html walks "
                             "through it")
        if max(net["widths"]) > WIDEST:
            raise InputError(f"the {name} of {model['name']} "
                             f"({'-'.join(map(str, net['widths']))}) is too large to draw; keep "
                             f"layers of {WIDEST} units or fewer with a smaller --net, or walk "
                             "through it without --html")


class _Step(ModelStep):
    """One step, as the page takes it."""

    def __init__(self, trace: Trace, k: int):
        super().__init__(trace, k, 0)
        self.index = {id(event): j for j, event in enumerate(self.events)}

    def slim(self) -> dict[str, Any]:
        """What the page shows of the first sample; rows without their image's shape."""
        events: list[dict[str, Any] | None] = []
        for event in self.events:
            if event["kind"] == "loss":
                events.append({key: event[key] for key in ("where", "terms", "result")} | {
                    "given": {name: self.given(rows) for name, rows in event["terms"].items()}})
            elif event["kind"] == "forward":
                events.append({"terms": {"x": [flat(event["terms"]["x"][0])]},
                               "result": [flat(event["result"][0])]})
            elif event["kind"] == "gradient":
                events.append({"terms": {"dy": [flat(event["terms"]["dy"][0])]}})
            else:
                events.append(None)
        players = {name: record | {"objective": record["objective"] and record["objective"] | {
            "text": objective_text(record["objective"]["weights"])}}
                   for name, record in self.step["players"].items()}
        return {key: self.step[key] for key in ("step", "x", "target", "sample", "losses")} | {
            "events": events, "players": players}

    def phases(self) -> list[dict[str, Any]]:
        """Forward passes, losses, then of each player errors, step and objective."""
        shown: dict[str, Any] = {}
        weights: dict[str, str | None] = {name: self._weights_of(name)
                                          for name in self.model["players"]}
        phases: list[dict[str, Any]] = []

        def add(key, kind, of, player, title, kicker, **more):
            phases.append({"key": key, "kind": kind, "of": of, "player": player, "title": title,
                           "kicker": kicker, "shown": dict(shown), "weights": dict(weights)} | more)

        for k, (name, on) in enumerate(self.passes()):
            told = self._columns(name, on)
            shown[name] = told
            source = self.source(self.passes()[name, on])
            add(f"pass-{k + 1}", "forward", name, "",
                f"{name}{self.which_pass(name, on)}", f"forward {source}".strip(),
                blocks=self._blocks(name))
        losses = [j for j, event in enumerate(self.events) if event["kind"] == "loss"]
        add("losses", "losses", "", "", "The losses", "what is to be lowered", losses=losses)
        for key, record in self.step["players"].items():
            name = record["player"]
            backs = self.gradients(key, record)
            passes = [self._columns(name, on, backs) | {
                "title": f"pass{self.which_pass(name, on).removeprefix(', pass')}"}
                for on in dict.fromkeys(event["on"] for event in backs)]
            if passes:
                shown[name] = passes[0]
            weights[name] = f"players.{key}.before"
            add(f"{key}-backward", "backward", name, key, f"Errors carried back through the {name}",
                key, passes=passes)
            weights[name] = f"players.{key}.after"
            add(f"{key}-update", "update", name, key,
                f"{record['optimiser']['name']} steps the {name}", key)
            add(f"{key}-objective", "objective", name, key, "Did its objective fall?", key)
        return phases

    def _weights_of(self, player: str) -> str | None:
        """The path of the weights of a network's passes: those before its first step."""
        return next((f"players.{key}.before" for key, record in self.step["players"].items()
                     if record["player"] == player), None)

    def _dense(self, player: str) -> list[int]:
        return [k for k, layer in enumerate(self.model["players"][player]["layers"])
                if layer["kind"] == "Dense"]

    def _blocks(self, player: str) -> list[str]:
        """What stands before each column: the layers of its block, by name."""
        layers, dense = self.model["players"][player]["layers"], self._dense(player)
        ends = [*dense[1:], len(layers)]
        return [""] + [", ".join(layer["name"] for layer in layers[a:b])
                       for a, b in zip(dense, ends)]

    def _columns(self, player: str, on: str, backs=()) -> dict[str, Any]:
        """Paths of what stands in each column of a pass, of its net inputs and its errors."""
        events = {event["layer"]: event for event in self.passes()[player, on]}
        dense = self._dense(player)
        last = [*(k - 1 for k in dense[1:]), max(events)]
        at = lambda event, what: f"events.{self.index[id(event)]}.{what}.0"
        errors = {event["layer"]: at(event, "terms.dy") for event in backs if event["on"] == on}
        return {"columns": [at(events[dense[0]], "terms.x"),
                            *(at(events[k], "result") for k in last)],
                "nets": [None, *(at(events[k], "result") for k in dense)],
                "deltas": [None, *(errors.get(k) for k in dense)]}
