"""The step-through as one HTML file that needs nothing else: drawn from traces alone.

Every number on the page is the trace's, found there by its path; what a trace lacks for the note
on unit weights is computed here, from its weights. JavaScript formats, lays out and draws.
"""

import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from avanet.errors import InputError
from avanet.files import write_whole
from avanet.step.formulas import FORMULAS, formula_name, objective
from avanet.step.page_models import WIDEST, model_table, model_view
from avanet.step.page_rules import PLACES, RULE_SETS, SEEN_ON, WORDS
from avanet.step.small import grid
from avanet.step.tracing import GREEK, Trace, owner
from avanet.step.typeset import terms, to_mathml
from avanet.verify import objectives as o

SCRIPTS = ("core.js", "graph.js", "equations.js", "panels.js", "models.js", "frame.js",
           "gallery.js")
DIGITS = 12  # significant digits kept; the page shows five at most
NAMES = {"ava-vae": "VAE", "ava-gan": "GAN"}
SHORT = {"x": "x", "x'": "x_", "z": "z", "μ(x)": "mu", "μ(x')": "mu_"}  # in the address


def page(traces: Trace | Sequence[Trace]) -> str:
    """The step-through as one HTML text: no network access, works from disk.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        Several are the same model under different rule sets; the reader switches between them.

    Raises
    ------
    InputError
        If there is nothing to draw, the traces do not belong together, or a network is too large.
    """
    group = [traces] if isinstance(traces, Trace) else list(traces)
    _check_together(group)
    name = display_name(group[0])
    if group[0].model.get("kind") == "batches":
        return _document(f"{name}, step by step", {
            "kind": "batched", "name": name, "views": [view(trace) for trace in group],
        }, static_table(group[0]))
    return _document(f"{name}, step by step", {
        "kind": "page",
        "name": name,
        "formulas": _formulas(),
        "words": WORDS,
        "places": PLACES,
        "views": [view(trace) for trace in group],
    }, static_table(group[0]))


def write_page(trace: Trace | Sequence[Trace], path) -> None:
    """Write the page of a trace, or of several under different rule sets."""
    write_whole(path, page(trace).encode())


def gallery(traces: Sequence[Trace]) -> dict[str, str]:
    """Pages by file name: one for each model, and index.html with all of them at the same step.

    Traces of one model under several rule sets share a page.
    """
    groups: dict[str, list[Trace]] = {}
    for trace in traces:
        groups.setdefault(trace.model["name"], []).append(trace)
    if not groups:
        raise InputError("a gallery needs at least one trace")
    files = {f"{name}.html": page(group) for name, group in groups.items()}
    firsts = [group[0] for group in groups.values()]
    files["index.html"] = _document("Models side by side", {
        "kind": "gallery",
        "views": [{**_outline(view(trace)), "file": f"{trace.model['name']}.html",
                   "name": display_name(trace)} for trace in firsts],
    }, "\n".join(f'<p><a href="{html.escape(name)}.html">{html.escape(name)}</a></p>'
                 for name in groups))
    return files


def write_gallery(traces: Sequence[Trace], folder) -> None:
    """Write `gallery` into a folder, which is made if need be."""
    for name, text in gallery(traces).items():
        write_whole(Path(folder, name), text.encode())


def notebook_html(trace: Trace, height: int = 900) -> str:
    """The page in a frame, for a notebook, and below it a table for where scripts are off."""
    try:
        frame = html.escape(page(trace), quote=True)
    except InputError as error:
        return f"<p>{html.escape(str(error))}</p>{static_table(trace)}"
    return (f'<iframe srcdoc="{frame}" title="{html.escape(display_name(trace))}, step by step" '
            f'style="width:100%;height:{height}px;border:0"></iframe>'
            f"<details><summary>The first update as a table</summary>{static_table(trace)}"
            "</details>")


def static_table(trace: Trace, step: int = 0) -> str:
    """One step as an HTML table: equations and numbers, no script."""
    if trace.model.get("kind") == "batches":
        return model_table(trace, step)
    rows = []
    for event in trace.steps[step]["events"]:
        if event["kind"] == "rule":
            formula = FORMULAS[_formula(event, trace.steps[step]["events"])]
            parts = "<br>".join(f"{to_mathml(latex)} = {_numbers(event['terms'][name])}"
                                for name, latex in terms(formula.computed).items()
                                if name in event["terms"])
            rows.append(f"<tr><td>{GREEK[event['player']]}</td><td>{event['equation']}</td>"
                        f"<td>{to_mathml(formula.latex)}</td><td>{parts}</td>"
                        f"<td>{_numbers(event['result'])}</td></tr>")
    for name, player in trace.steps[step]["players"].items():
        rows.append(f"<tr><td>{GREEK[name]}</td><td></td><td>objective before, after</td><td></td>"
                    f"<td>{_numbers([player['objective'][key] for key in ('before', 'after')])}"
                    "</td></tr>")
    return ("<table><caption>Update " + str(trace.steps[step]["step"]) + "</caption><thead><tr>"
            '<th scope="col">Network</th><th scope="col">Equation</th>'
            '<th scope="col">In symbols</th><th scope="col">Terms</th><th scope="col">Result</th>'
            f"</tr></thead><tbody>{''.join(rows)}</tbody></table>")


def display_name(trace: Trace) -> str:
    """AVA5, VAE, GAN."""
    name = trace.model["name"]
    return NAMES.get(name, name.upper() if trace.model.get("kind") != "batches" else name)


# What the script draws ---------------------------------------------------------------------------


def view(trace: Trace) -> dict[str, Any]:
    """The trace with what finds its way around in it: phases, passes, and the unit-weight note.

    A phase is one thing to look at; indices in it point into each step's events.

    Raises
    ------
    InputError
        If the trace is too large to draw, or lacks something.
    """
    try:
        if trace.model.get("kind") == "batches":
            return _rounded(model_view(trace))
        _check_drawable(trace)
        return _view(trace)
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"the trace is damaged: it has no {error}; trace the model again") \
            from error


def _view(trace: Trace) -> dict[str, Any]:
    events = trace.steps[0]["events"]
    passes, gradients = _by_pass(events, "forward"), _by_pass(events, "gradient")
    trained = list(trace.steps[0]["players"])
    shape = trace.model["shape"]
    m = int(np.prod(shape))
    return {
        "model": trace.model,
        "rules": RULE_SETS.get(trace.model["rules"], trace.model["rules"]),
        "trained": trained,
        "phases": _phases(events, passes, gradients, trained),
        "passes": passes,
        "gradients": gradients,
        "grid": shape[:2] if len(shape) > 1 else list(grid(m)),
        "losses": {name: to_mathml(player["loss"]["symbols"])
                   for name, player in trace.steps[0]["players"].items() if player["loss"]},
        "objectives": {name: to_mathml(objective(trace.model["name"], trace.model["rules"], name))
                       for name in trained},
        "steps": [_rounded(_slim(step)) for step in trace.steps],
        "notes": [_rounded(_notes(trace, step)) for step in trace.steps],
    }


def _by_pass(events, kind: str) -> dict[str, dict[str, int]]:
    """{"f|x": {layer: index of the event}} of one kind."""
    found: dict[str, dict[str, int]] = {}
    for k, event in enumerate(events):
        if event["kind"] == kind and "after" not in event["on"]:
            found.setdefault(f"{event['player']}|{event['on']}", {})[str(event["layer"])] = k
    return found


def _phases(events, passes, gradients, trained) -> list[dict[str, Any]]:
    """The order of the paper: forward passes, then player by player error, backward, update."""
    phases: list[dict[str, Any]] = []
    seen: dict[str, str] = {}

    def add(key, kind, player, title, on=None, **more):
        first = {"f": "x"} if player and "f" in seen else {}
        phases.append({"key": key, "kind": kind, "player": player, "title": title,
                       "shown": {**seen, **first, **(on or {})}, **more})

    for k, event in enumerate(events):
        if event["where"] == "sample_code":
            add("sample", "rule", "", FORMULAS["sample_code"].title, event=k, of="f",
                on={"f": "x"}, formula="sample_code")
        name = f"{event['player']}|{event['on']}"
        if event["kind"] == "forward" and passes.get(name, {}).get("0") == k:
            seen[event["player"]] = event["on"]
            add(f"{event['player']}-{SHORT[event['on']]}", "forward", "", of=event["player"],
                title=f"{_network(event['player'])} on {event['on']}", evaluation=event["on"])
    for player in trained:
        for k, event in enumerate(events):
            if event["kind"] == "rule" and event["where"] != "sample_code" \
                    and owner(event, trained) == player:
                formula = _formula(event, events)
                add(f"{player}-{event['where']}", "rule", player, FORMULAS[formula].title, event=k,
                    of=event["player"], on=SEEN_ON.get(event["where"], {}), formula=formula)
        evaluations = [name.partition("|")[2] for name in gradients if name[0] == player]
        for on in evaluations:
            add(f"{player}-backward-{SHORT[on]}", "backward", player, of=player, on={player: on},
                title=f"Errors carried back through {_network(player)}, pass on {on}",
                evaluation=on)
        add(f"{player}-update", "update", player, f"Update of {GREEK[player]}", of=player,
            on={player: evaluations[0]})
    return phases


def _formula(event, events) -> str:
    """The formula of a rule's event."""
    own = f"own_pull_{event['player']}" in {other["where"] for other in events}
    return formula_name(event["where"], event["terms"], own)


def _network(player: str) -> str:
    return {"f": "encoder f", "g": "decoder g", "d": "discriminator d",
            "D": "discriminator D"}[player]


def _slim(step: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the page does not show."""
    events = [{key: event[key] for key in ("where", "equation", "player", "terms", "result")
               if event[key] not in ("", None)} for event in step["events"]]
    return {**step, "events": events}


def _notes(trace: Trace, step: Mapping[str, Any]) -> dict[str, Any]:
    """What the trace lacks: real discriminator weights beside ones, and two differences."""
    weights = {name: [(np.array(layer["W"]), np.array(layer["b"])) for layer in player["before"]]
               for name, player in step["players"].items()}
    protocol = trace.model["protocol"]
    a = o.logistic(protocol["s"], protocol["m"])
    found = {event["where"]: event for event in step["events"] if event["kind"] == "rule"}
    notes: dict[str, Any] = {"agrees": {
        name: max(float(np.abs(np.array(up[key]) - np.array(num[key])).max())
                  for up, num in zip(player["update"], player["numerical"]) for key in "Wb")
        for name, player in step["players"].items()}}
    if "pull_d" in found and "d" in weights:
        x_ = np.array([step["x_"]])
        row = o.gradient(lambda t: o.net_input(weights["d"], t, a), x_)
        notes["g"] = {**_unit_weights(row, found["pull_d"]),
                      "difference": (np.array(step["x"]) - x_[0]).tolist()}
    if "pull_D" in found and "D" in weights:
        mu, var, r = (np.array(found["sample_code"]["terms"][key]) for key in ("mu", "var", "r"))

        def fake_mean(mean):
            x_ = o.output(weights["g"], o.sample(mean, var, r), a)
            return o.output(weights["f"], x_, a)[:, :mu.shape[1]]

        def verdict(mean):
            return o.net_input(weights["D"], mean, a)

        path = o.gradient(lambda mean: verdict(fake_mean(mean)), mu)
        notes["f"] = {**_unit_weights(o.gradient(verdict, fake_mean(mu)), found["pull_D"]),
                      "path": path[0].tolist(), "difference": (-mu[0]).tolist()}
    return notes


def _unit_weights(row, pull) -> dict[str, Any]:
    """The discriminator's real Jacobian row, beside the paper's ones."""
    p = pull["result"][0][0]
    length = np.linalg.norm(row) * np.sqrt(row.size)
    return {"row": row[0].tolist(), "pull": p, "real": (p * row[0]).tolist(),
            "cosine": float(row.sum() / length) if length else None}


def _outline(whole: Mapping[str, Any]) -> dict[str, Any]:
    """What the gallery's index needs of a view."""
    kept = {k for layers in whole["passes"].values() for k in layers.values()}
    steps = [{**step, "events": [event if k in kept else None
                                 for k, event in enumerate(step["events"])],
              "players": {name: {key: player[key] for key in
                                 ("before", "after", "objective", "cosine")}
                          for name, player in step["players"].items()}}
             for step in whole["steps"]]
    return {**{key: whole[key] for key in ("model", "trained", "passes", "grid", "rules")},
            "steps": steps}


def _formulas() -> dict[str, Any]:
    return {name: {
        "title": formula.title,
        "equation": formula.equation,
        "latex": to_mathml(formula.latex, display=True),
        "result": to_mathml(formula.result),
        "computed": to_mathml(formula.computed),
        "summed": formula.summed,
        "carried": formula.carried,
        "terms": {term: to_mathml(latex) for term, latex in
                  (terms(formula.computed) | terms(formula.symbols)).items()},
    } for name, formula in FORMULAS.items()}


def _check_drawable(trace: Trace) -> None:
    if not trace.steps:
        raise InputError("the trace has no steps; trace at least one update")
    if trace.model["covariance"] != "diagonal":
        raise InputError("the page draws a diagonal Sigma; "
                         "trace a model with covariance='diagonal'")
    for player in trace.model["players"].values():
        if len(player["widths"]) != 3 or max(player["widths"]) > WIDEST:
            sizes = "-".join(map(str, player["widths"]))
            raise InputError(f"{player['name']} ({sizes}) is too large to draw; "
                             f"keep one hidden layer and layers of {WIDEST} units or fewer")


def _check_together(traces: Sequence[Trace]) -> None:
    if not traces:
        raise InputError("a page needs at least one trace")
    names = {trace.model["name"] for trace in traces}
    rules = [trace.model.get("rules", "") for trace in traces]
    if len(names) > 1 or len(set(rules)) < len(rules):
        got = ", ".join(f"{t.model['name']} {t.model.get('rules', '')}".strip() for t in traces)
        raise InputError(f"a page holds one model under different rule sets; got {got}")


# Writing -----------------------------------------------------------------------------------------


def _document(title: str, data: Mapping[str, Any], fallback: str) -> str:
    """The template, with style, script and data in their places."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    parts = {
        "TITLE": html.escape(title),
        "STYLE": _asset("page.css"),
        "FALLBACK": fallback,
        "DATA": text.replace("<", "\\u003c"),
        "SCRIPT": "\n".join(map(_asset, SCRIPTS)),
    }
    document = _asset("page.html")
    for name, part in parts.items():
        before, mark, after = document.partition(f"@@{name}@@")
        if not mark:
            raise ValueError(f"page.html has no place for {name}")
        document = before + part + after
    return document


def _asset(name: str) -> str:
    return resources.files("avanet.step").joinpath(name).read_text(encoding="utf-8")


def _rounded(value):
    """Floats to DIGITS significant digits, all the way down."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def _numbers(value) -> str:
    if isinstance(value, list):
        return ", ".join(_numbers(item) for item in value)
    return f"{value:.4f}".replace("-", "−")
