r"""`avanet explain`: the derivation of an equation or a loss, with numbers, and what proves it.

Everything that is said is text with $...$ for mathematics; `text`, `latex` and `write_html` set it.
"""

import html
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from avanet.ava.balance import balance
from avanet.ava.rules import EXACT, RULES, Rule
from avanet.errors import unknown_name
from avanet.files import write_whole
from avanet.models import MODELS
from avanet.nn import losses
from avanet.nn.gradcheck import TOLERANCES
from avanet.step import explain_models
from avanet.step.derivations import DERIVATIONS, EQUATIONS, HALF_SQUARE, KL, Derivation
from avanet.step.formulas import FORMULAS
from avanet.step.scenes import dotted, number, symbols
from avanet.step.small import NET, reduced, small_model
from avanet.step.tracing import Trace, trace
from avanet.step.typeset import to_mathml, with_values
from avanet.tables import latex_text
from avanet.verify import engine, equations, models
from avanet.verify import objectives as o
from avanet.verify.erratum import Erratum
from avanet.verify.items import check_leaning_term
from avanet.verify.misprints import misprints
from avanet.verify.result import Item, Outcome, Result, relative_error, run, within

UNIT_WEIGHT_MARK = "Here weights are assumed to be 1."
EXACT_TWIN = {"mean_error": "exact_mean_error", "assessed_mean_error": "exact_mean_error",
              "variance_error": "exact_variance_error", "decoder_error": "exact_decoder_error"}

Rules = Mapping[str, Rule]


@dataclass(frozen=True)
class Explanation:
    """A derivation with its numbers and its checks; lines are text with $...$."""

    name: str
    derivation: Derivation
    numbers: tuple[str, ...]
    checks: tuple[Result, ...]
    misprints: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every check held."""
        return all(check.passed for check in self.checks)


def explain(name: str, seed: int = 0, rules: Rules = RULES) -> Explanation:
    """Derive an equation or a loss, and check it now.

    Parameters
    ----------
    name : str
        "eq1" to "eq17", or a name in `avanet.nn.losses.LOSSES` or `avanet.models.MODELS`.
    seed : int
        Of the tiny network, and of the random networks of the checks.
    rules : mapping name -> Rule
        The table of equations that is checked.

    Raises
    ------
    InputError
        For an unknown name, with the nearest known one.
    """
    name = _known(name)
    if name in MODELS:
        derivation, numbers, checks = explain_models.explain_model(name, seed)
        return Explanation(name, derivation, numbers, checks, ())
    derivation = DERIVATIONS[name]
    return Explanation(
        name, derivation, tuple(_numbers(name, derivation, seed)),
        tuple(run(item, seed) for item in _items(name, derivation, rules)),
        tuple(_misprints(derivation.misprints, seed)))


def listing() -> str:
    """Everything that can be explained, a line each: equations, losses, models."""
    titles = {name: entry.title for name, entry in DERIVATIONS.items()} | explain_models.titles()
    width = max(map(len, titles)) + 2
    return "\n".join(f"{name:<{width}}{title}" for name, title in titles.items())


def _known(name: str) -> str:
    """eq6 from eq6, Eq. 6 or 6."""
    short = re.sub(r"^(eq)?\W*(\d+)$", r"eq\2", name.strip().lower())
    if short not in DERIVATIONS and short not in MODELS:
        raise unknown_name("equation, loss or model", name, [*DERIVATIONS, *MODELS])
    return short


# Numbers --------------------------------------------------------------------------------------


def _numbers(name: str, d: Derivation, seed: int) -> list[str]:
    if name in losses.LOSSES:
        return _loss_numbers(name, seed)
    if name == "eq17":
        return _balance_numbers()
    if not d.where:
        return _objective_numbers(name, d, seed)
    return _rule_numbers(d, seed)


def _tiny(model: str, rules: str, seed: int) -> Trace:
    """One update of the small network on the first of the reduced images."""
    return trace(small_model(model, NET, rules, seed=seed), reduced("orbit", 4)[:1], 1)


def _rule_numbers(d: Derivation, seed: int) -> list[str]:
    """The printed equations of one update with numbers, beside the exact ones."""
    printed = _tiny(d.model, "printed", seed)
    exact = _rule_events(_tiny(d.model, "exact", seed))
    lines = [f"{d.model}, a network {NET}, on the first image; i = 1."]
    for where, event in _rule_events(printed).items():
        if where in d.where:
            lines.append(f"{FORMULAS[where].title}: ${_filled(where, event)}$")
            if where in EXACT_TWIN:
                lines += _beside(event, exact[EXACT_TWIN[where]])
    if d.where[-1] == "decoder_error":
        lines += _pulls(_rule_events(printed), exact["exact_decoder_error"])
    if d.where != ("sample_code",):
        lines += _weight(printed, d.player)
    return lines


def _rule_events(traced: Trace) -> dict[str, dict]:
    return {event["where"]: event for event in traced.steps[0]["events"]
            if event["kind"] == "rule"}


def _filled(where: str, event) -> str:
    """Left side = numbers = result, for i = 1; sums are written out."""
    formula, terms = FORMULAS[where], event["terms"]
    form = formula.computed.replace(r"\,", r" \cdot ")
    columns = {name: _row(value) for name, value in terms.items()}
    rows = range(max(map(len, columns.values())) if formula.summed else 1)
    parts = [with_values(form, {name: number(values[min(i, len(values) - 1)])
                                for name, values in columns.items()}) for i in rows]
    return f"{formula.result} = {' + '.join(parts)} = {number(_row(event['result'])[0])}"


def _row(value) -> list[float]:
    """A term's row as a list; one number for all is a list of one."""
    return value[0] if isinstance(value, list) else [value]


def _beside(printed, exact) -> list[str]:
    """A printed error beside the true one."""
    a, b = np.array(printed["result"][0]), np.array(exact["result"][0])
    return [f"as printed: {_vector(a)}; the true gradient: {_vector(b)}; cosine {_cosine(a, b)}"]


def _pulls(printed, exact) -> list[str]:
    """What d says of x', at unit weights and through its real ones."""
    x, x_ = (np.array(printed["decoder_error"]["terms"][key][0]) for key in ("x", "x_"))
    unit = np.full(len(x), printed["pull_d"]["result"][0][0])
    true = np.array(exact["terms"]["e"][0]) - (x - x_)
    return [f"what d says, weights assumed to be 1: {_vector(unit)}",
            f"what d says, carried back through its weights: {_vector(true)}; "
            f"cosine {_cosine(unit, true)}"]


def _weight(traced: Trace, player: str) -> list[str]:
    """One weight's update beside the numerical derivative and the true gradient."""
    record = traced.steps[0]["players"][player]
    closed, numerical, true = (record[key][-1]["W"][0][0]
                               for key in ("update", "numerical", "true"))
    angle = "" if record["cosine"] is None else (
        f"; over all weights cosine {record['cosine']:.4f}, ratio of norms {record['ratio']:.4f}")
    return [f"First weight into the first output: closed form {number(closed)}, numerical "
            f"derivative of its objective {number(numerical)}, true gradient of the paper's loss "
            f"{number(true)}{angle}."]


def _objective_numbers(name: str, d: Derivation, seed: int) -> list[str]:
    """The terms by the engine's losses, their sum, and the same by the independent formula."""
    traced = _tiny(d.model, "exact", seed)
    terms, value = _terms(name, traced)
    record = traced.steps[0]["players"][d.player]["objective"]
    lines = [f"{d.model}, a network {NET}, on the first image, by the engine's own losses:"]
    lines += [f"${formula} = {number(term)}$" for formula, term in terms]
    lines.append(f"their sum: {number(value)}; by the independent formula: "
                 f"{number(_sign(d.player) * record['before'])}; after an exact update of "
                 f"{traced.model['players'][d.player]['symbol']} alone: "
                 f"{number(_sign(d.player) * record['after'])}")
    return lines + _weight(traced, d.player)


def _sign(player: str) -> int:
    """Losses are minimised: their objective is minus them."""
    return 1 if player in "dD" else -1


def _terms(name: str, traced: Trace) -> tuple[list[tuple[str, float]], float]:
    """The terms of an objective of the paper, by `avanet.nn.losses`."""
    outputs = {(e["player"], e["on"]): np.array(e["result"])
               for e in traced.steps[0]["events"] if e["kind"] == "forward"}
    x = np.array([traced.steps[0]["x"]])
    x_ = outputs["g", "z"]
    n = traced.model["latent_dim"]
    terms: list[tuple[str, float]] = []
    if name in ("eq1", "eq3", "eq12"):
        y = outputs["f", "x"]
        terms += [(HALF_SQUARE, losses.half_squared_error(x_, x)[0]),
                  (KL, losses.gaussian_kl(y[:, :n], y[:, n:])[0])]
    if name in ("eq3", "eq12"):
        terms.append((r"\log(1 - d(x'))", losses.gan_generator_saturating(outputs["d", "x'"])[0]))
    if name == "eq12":
        terms.append((r"\log(1 - D(\mu(x')))",
                      losses.gan_generator_saturating(outputs["D", "μ(x')"])[0]))
    if name in ("eq2", "eq4", "eq9", "eq11", "eq15"):
        player, real, fake = (("d", "x", "x'") if name in ("eq2", "eq4", "eq9")
                              else ("D", "μ(x)", "μ(x')"))
        both = EQUATIONS["eq4" if player == "d" else "eq11"].objective
        terms.append((both, -losses.gan_discriminator(
            outputs[player, real], outputs[player, fake])[0]))
    if name == "eq9":
        terms.append((f"-{HALF_SQUARE}", -losses.half_squared_error(x_, x)[0]))
    if name == "eq15":
        mu, mu_ = outputs["f", "x"][:, :n], outputs["f", "x'"][:, :n]
        terms.append((r"-\frac{1}{2} \lVert \mu(x) - \mu(x') \rVert^2",
                      -losses.half_squared_error(mu_, mu)[0]))
    return terms, float(sum(term for _, term in terms))


def _loss_arguments(name: str, seed: int) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Random arguments of a loss, and the names of those with a gradient."""
    wrt = engine.FORMULAS[name][2]
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    rng = np.random.default_rng(seed)
    wide = 1 if names[0].startswith("d_") else 3
    inside = {"p", "var", "d_real", "d_fake"}
    arguments = {key: rng.uniform(0.1, 0.9, (1, wide)) if key in inside
                 else rng.standard_normal((1, wide)) for key in names}
    if names[0] in ("y", "p", "v"):
        arguments["target"] = rng.random((1, wide))
    return arguments, names


def _loss_numbers(name: str, seed: int) -> list[str]:
    """A loss at random arguments: its value, and both derivatives."""
    arguments, names = _loss_arguments(name, seed)
    loss = losses.LOSSES[name]
    value, gradients = loss(**arguments)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    lines = [", ".join(f"{key} = {_vector(value[0])}" for key, value in arguments.items()),
             f"loss = {number(float(value))}"]
    for key, gradient in zip(names, gradients):
        def at(v, key=key):
            return np.asarray(loss(**arguments | {key: v})[0])
        lines.append(f"derivative by {key}: closed form {_vector(gradient[0])}, numerical "
                     f"{_vector(o.gradient(at, arguments[key])[0])}")
    return lines


BLACK_AND_RED = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
GRAY_AND_WHITE = np.array([[[0.5, 0.5, 0.5], [1.0, 1.0, 1.0]]])


def _balance_numbers() -> list[str]:
    """The metric on two images of two pixels."""
    d = np.sqrt(((BLACK_AND_RED - GRAY_AND_WHITE) ** 2).sum(axis=-1))[0]
    absolute, printed = balance(BLACK_AND_RED, GRAY_AND_WHITE)
    return ["A black and a red pixel against a gray and a white one.",
            f"$d_{{i1}} = \\sqrt{{3 \\cdot 0.5^2}} = {number(d[0])}$, "
            f"$d_{{i2}} = \\sqrt{{0^2 + 1^2 + 1^2}} = {number(d[1])}$",
            f"$d (1 - d)$: {_vector(d * (1 - d))}; the mean as printed: {number(printed)}; the "
            f"mean of the absolute values: {number(absolute)}"]


def _vector(values) -> str:
    return f"[{'  '.join(map(number, np.asarray(values).tolist()))}]"


def _cosine(a: np.ndarray, b: np.ndarray) -> str:
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return f"{a @ b / length:.4f}" if length else "undefined"


# Checks ---------------------------------------------------------------------------------------


def _items(name: str, d: Derivation, rules: Rules) -> list[Item]:
    """What proves an entry: every item runs now."""
    if name in losses.LOSSES:
        return [item for item in engine.items() if item.name == f"loss {name}"]
    if name == "eq17":
        return [_item("the metric", "pixel by pixel", "direct sum", _check_balance)]
    wanted = {f"rule {rule}" for rule in d.rules}
    items = [item for item in equations.items(rules) if item.name.split(",")[0] in wanted]
    if not d.where:
        check = partial(models.check_model, d.model, "exact", table=rules)
        items += [_item(f"the exact update of {d.model}", "all players' objectives", "complex",
                        check),
                  _item("the engine's terms", "the independent formula", "sum",
                        partial(_check_terms, name, d))]
    if name in ("eq9", "eq10"):
        items.append(_item("the leaning term", "zero gradient by Psi", "complex",
                           check_leaning_term))
    return items


def _item(name: str, objective: str, method: str, check: Callable[[int], Outcome]) -> Item:
    return Item(name, "-", objective, EXACT, method, TOLERANCES["complex"], check)


def _check_terms(name: str, d: Derivation, seed: int = 0) -> Outcome:
    """The engine's losses against the independent objective, on the tiny network."""
    traced = _tiny(d.model, "exact", seed)
    _, value = _terms(name, traced)
    independent = traced.steps[0]["players"][d.player]["objective"]["before"]
    return within(relative_error(_sign(d.player) * independent, value), TOLERANCES["complex"])


def _check_balance(seed: int = 0) -> Outcome:
    """Both readings of Eq. 17 against sums over pixels."""
    a, b = np.random.default_rng(seed).random((2, 2, 3, 3))
    products = []
    for p, q in zip(a.reshape(-1, 3).tolist(), b.reshape(-1, 3).tolist()):
        d = sum((s - t) ** 2 for s, t in zip(p, q)) ** 0.5
        products.append(d * (1 - d))
    expected = [sum(map(abs, products)) / 6, sum(products) / 6]
    return within(relative_error(balance(a, b), expected), TOLERANCES["complex"])


def _misprints(numbers: Sequence[int], seed: int) -> list[str]:
    """The misprints of those numbers, in a sentence each."""
    if not numbers:
        return []
    return [f"{e.number}. {e.where}: \"{e.as_printed}\"; read: {e.corrected} ({e.shows})"
            for e in _of_numbers(tuple(numbers), seed)]


@cache
def _of_numbers(numbers: tuple[int, ...], seed: int) -> tuple[Erratum, ...]:
    return tuple(misprints(seed, numbers))


# Setting --------------------------------------------------------------------------------------


def _sections(page: Explanation) -> list[tuple[str, list[str]]]:
    """Headings and paragraphs of a page, in text with $...$."""
    d = page.derivation
    steps = [f"{k}. {step}" + f" <- {UNIT_WEIGHT_MARK}" * (k == d.unit_weight)
             for k, step in enumerate(d.steps, 1)]
    grade = f"{d.grade}: {d.verdict}" if d.grade != "-" else d.verdict
    shows = [("With numbers", list(page.numbers)), ("Grade", [grade]),
             ("Checked now", [_check_line(check) for check in page.checks]),
             ("Misprints that touch it", list(page.misprints))]
    objective = f"Maximised: ${d.objective}$" if d.where and d.grade != "-" else ""
    return [("", [f"${d.formula}$", *([objective] if objective else [])]),
            ("Derivation", steps), *((title, lines) for title, lines in shows if lines)]


def _check_line(check: Result) -> str:
    note = f" ({check.note})" if check.note else ""
    return (f"{'passed' if check.passed else 'FAILED'}: {check.name} against {check.objective}; "
            f"{check.method}, error {check.error:.1e}, tolerance {check.tolerance:.0e}{note}")


def _set(line: str, mathematics: Callable[[str], str], plain: Callable[[str], str]) -> str:
    """A line with its $...$ and the rest each set in their way."""
    pieces = line.split("$")
    return "".join((mathematics if k % 2 else plain)(piece) for k, piece in enumerate(pieces))


def text(page: Explanation, width: int = 100) -> str:
    """The page as plain text."""
    blocks = [f"{page.name}: {page.derivation.title}"]
    for title, lines in _sections(page):
        paragraphs = [textwrap.fill(_set(line, _unicode, str), width, initial_indent="  ",
                                    subsequent_indent="     ") for line in lines]
        blocks.append("\n".join([title] * bool(title) + paragraphs))
    return "\n\n".join(blocks)


def _unicode(mathematics: str) -> str:
    return dotted(symbols(mathematics.replace(r" \cdot ", r"\,")))


LATEX_HEAD = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\providecommand{\lVert}{\Vert}\providecommand{\rVert}{\Vert}
\newcommand{\term}[2]{#2}
\textwidth=170mm \oddsidemargin=-5mm \textheight=240mm \topmargin=-15mm
\parindent=0pt \parskip=3pt plus 1pt
\begin{document}"""
PROSE = {"μ": "$\\mu$", "Σ": "$\\Sigma$", "Θ": "$\\Theta$", "Φ": "$\\Phi$", "Ψ": "$\\Psi$",
         "Λ": "$\\Lambda$", "γ": "$\\gamma$"}


def latex(page: Explanation) -> str:
    """The page as a LaTeX document that needs no package beyond the base."""
    lines = [LATEX_HEAD, rf"\section*{{{_prose(f'{page.name}: {page.derivation.title}')}}}"]
    for title, paragraphs in _sections(page):
        lines += [rf"\subsection*{{{title}}}"] * bool(title)
        lines += [_set(line, lambda m: f"${m}$", _prose) + r"\par" for line in paragraphs]
    return "\n".join([*lines, r"\end{document}"])


def _prose(words: str) -> str:
    return "".join(PROSE.get(c) or latex_text(c) for c in words)


STYLE = """:root{color-scheme:light dark}
body{max-width:46rem;margin:2rem auto;padding:0 1rem;font:1rem/1.55 system-ui,sans-serif}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:1.8rem}p{margin:.5rem 0}
.formula{font-size:1.15rem}mark{padding:0 .3em}.failed{font-weight:bold}
.wide{overflow-x:auto}"""


def write_html(page: Explanation, path) -> None:
    """Write the page as one file that needs nothing else; mathematics as MathML.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    title = html.escape(f"{page.name}: {page.derivation.title}")
    body = [f"<h1>{title}</h1>"]
    for heading, lines in _sections(page):
        body += [f"<h2>{heading}</h2>"] * bool(heading)
        body += [f'<p class="wide">{_set(line, to_mathml, _escaped)}</p>' for line in lines]
    document = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
                f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n'
                f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(body)
                + "\n</body></html>\n")
    write_whole(path, document.encode())


def _escaped(words: str) -> str:
    mark = f"<mark>{UNIT_WEIGHT_MARK}</mark>"
    return html.escape(words, quote=False).replace(f"&lt;- {UNIT_WEIGHT_MARK}", mark)
