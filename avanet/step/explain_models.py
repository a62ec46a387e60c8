"""`avanet explain MODEL`: a batched model's losses, their derivation, and what proves it."""

import inspect
from collections.abc import Iterator
from typing import Any

from avanet.ava.rules import EXACT
from avanet.models import MODELS, model_class
from avanet.models.base import Model
from avanet.step.derivations import LOSS_FORMULAS, Derivation
from avanet.step.models import trace_model
from avanet.step.scenes import number
from avanet.step.small import default_net, reduced_images, small_batched, widths
from avanet.step.tracing import Trace
from avanet.step.walk_models import flat, objective_text
from avanet.verify.result import Result

STEPS = 2         # that show every player's update
TOLERANCE = 1e-7  # of central differences, relative to the largest component where that is over 1
DERIVATIVE = "every player's gradient is the derivative of what it lowers, the others frozen"


def titles() -> dict[str, str]:
    """What `avanet explain` without a name says of each model."""
    return {name: f"the losses of {model_class(name).name} ({model_class(name).paper})"
            for name in MODELS}


def explain_model(name: str, seed: int) -> tuple[Derivation, tuple[str, ...], tuple[Result, ...]]:
    """A model's derivation, its numbers on a tiny network, and the checks, made now.

    Raises
    ------
    InputError
        If the model cannot be made small enough.
    """
    net, kind = default_net(name), model_class(name)
    traced = _traced(small_batched(name, net, seed=seed, steps=STEPS), widths(net)[0])
    records = {key: record for step in reversed(traced.steps)
               for key, record in step["players"].items()}
    used = dict.fromkeys(event["where"] for step in traced.steps for event in step["events"]
                         if event["kind"] == "loss")
    steps = [_paragraph(kind)]
    steps += [f"{LOSS_FORMULAS[loss].title}: ${LOSS_FORMULAS[loss].formula}$, averaged over the "
              f"batch (avanet explain {loss})." for loss in used]
    steps += [f"{method}: {_paragraph(getattr(kind, method))}" for method in dir(kind)
              if method.endswith("gradients") and inspect.getdoc(getattr(kind, method))]
    steps += ["The gradient of a loss by a network's output goes back layer by layer: times the "
              "slope of an activation, and by a dense layer $\\frac{\\partial L}{\\partial W} = "
              "x^T \\delta$, with $\\delta W^T$ to what lies before it.",
              *(f"The {key} takes a step of {record['optimiser']['name']}."
                for key, record in records.items())]
    derivation = Derivation(
        f"What each player of {name} lowers ({kind.paper})",
        " + ".join(LOSS_FORMULAS[loss].formula for loss in used) or "L", "", tuple(steps), EXACT,
        DERIVATIVE)
    return derivation, tuple(_numbers(traced, net)), tuple(_checks(records))


def _traced(model: Model, m: int) -> Trace:
    """Updates on the first digits until every player has moved: savae's algorithms, for one,
    follow each other."""
    images, labels = reduced_images("digits", m)
    traced = trace_model(model, images, labels, 1)
    moved = {record["player"] for record in traced.steps[0]["players"].values()}
    if moved < set(model.players_):
        traced.steps += trace_model(model, images, labels, STEPS - 1).steps
    return traced


def _paragraph(thing: Any) -> str:
    """The first paragraph of a docstring in one line; $ would begin mathematics."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()).replace("$", "")


def _numbers(traced: Trace, net: str) -> Iterator[str]:
    yield f"{traced.model['name']}, a network {net}, on the first digits."
    for step in traced.steps:
        for name, value in step["losses"].items():
            yield f"{name} = {number(value)}"
    for step in traced.steps:
        yield from _told(step["players"])


def _told(records) -> Iterator[str]:
    """What each player lowers, and its largest derivative by a weight."""
    for key, record in records.items():
        if record["objective"] is None:
            yield (f"The {key}'s gradient is zero here or lost in rounding, or at the corner of a "
                   "ReLU: no derivative.")
            continue
        a, b = ([v for layer in record[part] for v in flat(list(layer.values()))]
                for part in ("gradient", "numerical"))
        place = max((k for k in range(len(a)) if b[k] is not None), key=lambda k: abs(a[k]))
        o = record["objective"]
        yield (f"The {key} lowers {objective_text(o['weights'])}: {number(o['before'])} before its "
               f"step, {number(o['after'])} after. Largest derivative by a weight: closed form "
               f"{number(a[place])}, numerical {number(b[place])}.")


def _checks(records) -> Iterator[Result]:
    for key, record in records.items():
        if record["objective"]:
            largest = max(abs(v) for layer in record["gradient"]
                          for v in flat(list(layer.values())))
            error = record["agrees"] / max(largest, 1)
            size = len(flat([list(layer.values()) for layer in record["before"]]))
            weights = "all weights" if record["checked"] == size else (
                f"{record['checked']} of {size} weights")
            yield Result(
                name=f"gradients of the {key}", equation="-",
                objective=objective_text(record["objective"]["weights"]), grade=EXACT,
                method="central", error=error, tolerance=TOLERANCE, passed=error <= TOLERANCE,
                note=f"{weights}, others frozen")
