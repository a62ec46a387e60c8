"""Formulas: every rule has one, whose numbers give its result; MathML is well formed."""

import inspect
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.ava.plans import RULE_SETS, VARIANTS
from avanet.ava.rules import RULES
from avanet.step.formulas import FORMULAS, PAPER, formula_name, objective
from avanet.step.small import reduced, small_model
from avanet.step.tracing import trace
from avanet.step.typeset import read, terms, to_mathml, to_unicode, with_values

EVERY = ([f.latex for f in FORMULAS.values()] + [f.computed for f in FORMULAS.values()]
         + list(PAPER.values()))


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def traces(request):
    return [trace(small_model(request.param, rules=rules), reduced("orbit", 4), 1)
            for rules in ("printed", "exact", "letter", "as-run")]


def rule_events(traces):
    return [event for t in traces for event in t.steps[0]["events"] if event["kind"] == "rule"]


def formula_of(event):
    return FORMULAS[formula_name(event["where"], event["terms"])]


def test_every_rule_of_a_trace_has_a_formula_with_its_number(traces):
    for event in rule_events(traces):
        assert formula_of(event).equation == event["equation"], event["where"]


def test_terms_are_the_parameters_of_the_rule(traces):
    for event in rule_events(traces):
        assert set(terms(formula_of(event).computed)) <= set(event["terms"])


def test_the_formula_says_what_the_second_term_was(traces):
    """In symbols: no d where there is none, the unit's own output where the program has it."""
    for t in traces:
        for event in rule_events([t]):
            if event["where"] not in ("decoder_error", "assessed_mean_error"):
                continue
            pull = event["terms"]["pull"]
            own = t.model["rules"] == "as-run"
            formula = FORMULAS[formula_name(event["where"], event["terms"], own)]
            line = to_unicode(formula.latex).lower()
            assert ("d(" in line) == (isinstance(pull, list) and not own), line
            assert ("½" in line) == (isinstance(pull, list) and own), line
            assert formula.equation == event["equation"]


def as_python(text: str) -> str:
    """The one line of numbers as an expression Python evaluates."""
    text = text.replace("−", "-").replace("½", "(1/2)").replace("⁻¹", "**(-1)")
    text = re.sub(r"√([\d.]+)", r"math.sqrt(\1)", text)
    text = re.sub(r"(?<=[\d)]) (?=[\d(m])", "*", text)
    text = re.sub(r"(?<=\d)(?=\()", "*", text)
    return re.sub(r"\)(?=[(\d])", ")*", text)


def test_the_computed_form_gives_the_result(traces):
    for event in rule_events(traces):
        formula, rows = formula_of(event), event["terms"]
        if formula.carried:
            np.testing.assert_allclose(
                np.array(rows["delta"]) @ np.array(rows["W"]).T, event["result"], rtol=1e-12)
            continue
        whole = event["where"].startswith("leaning_sum")
        for i in range(len(rows["x"][0]) if whole else len(event["result"][0])):
            values = {}
            for name in terms(formula.computed):
                term = rows[name]
                row = term[0] if isinstance(term, list) else [term]
                values[name] = f"{row[i if len(row) > 1 else 0]:.17f}"
            line = to_unicode(with_values(formula.computed, values))
            value = eval(as_python(line), {"math": math})
            if whole:
                rows.setdefault("sum", []).append(value)
            else:
                assert value == pytest.approx(event["result"][0][i], rel=1e-12, abs=1e-14), line
        if whole:
            assert sum(rows.pop("sum")) == pytest.approx(event["result"][0][0], rel=1e-12)


def test_rules_without_a_place_in_the_table_are_none():
    """Each function of the rules is drawn by some formula with the same parameters."""
    drawn = [set(terms(f.computed)) for f in FORMULAS.values()]
    for rule in RULES.values():
        names = set(inspect.signature(rule.f).parameters)
        assert any(found and found <= names for found in drawn), rule


@pytest.mark.parametrize("latex", EVERY)
def test_mathml_is_well_formed_and_keeps_the_terms(latex):
    root = ET.fromstring(to_mathml(latex))
    assert root.tag == "math"
    found = {node.get("data-term") for node in root.iter() if node.get("data-term")}
    assert found == set(terms(latex))
    counts = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2}
    for node in root.iter():
        assert len(node) == counts.get(node.tag, len(node)), node.tag


@pytest.mark.parametrize("number", sorted(PAPER, key=int))
def test_unicode_is_one_balanced_line(number):
    text = to_unicode(PAPER[number])
    assert "\\" not in text and "\n" not in text and "{" not in text
    assert text.count("(") == text.count(")")


def test_unicode_by_example():
    assert to_unicode(r"\frac{a'_d(d(x'))}{1 - d(x')}") == "a′_d(d(x′))/(1 − d(x′))"
    assert to_unicode(r"\Sigma^{-1} - \sqrt{r_i}") == "Σ⁻¹ − √rᵢ"
    assert to_unicode(r"\left(\sum_i x_i\right)^2") == "(∑ᵢ xᵢ)²"


def test_negative_values_are_put_in_parentheses():
    line = with_values(FORMULAS["mean_error"].computed, {"mu": "-0.5000", "slope": "0.25"})
    assert to_unicode(line) == "−(−0.5000) 0.25"


@pytest.mark.parametrize("latex, what", [
    (r"\foo", r"unknown command \foo"), ("{a", "expected '}'"), (r"\left( a", "expected"),
    ("a_b_c", "two subscripts"), (r"\frac{a}", "unexpected end"), ("}", "unexpected '}'"),
    (r"a & b", "unexpected '&'"), (r"\left\{ a \right\}", "grow"), ("a^", "unexpected end"),
])
def test_what_lies_outside_the_subset_is_named(latex, what):
    for convert in (to_mathml, to_unicode):
        with pytest.raises(ValueError, match=re.escape(what)):
            convert(latex)


@settings(max_examples=50)
@given(st.text(alphabet="ab1'_^{}()\\+-= ", max_size=20))
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except ValueError:
        return
    ET.fromstring(to_mathml(text))
    to_unicode(text)


@pytest.mark.parametrize("model", sorted(VARIANTS))
@pytest.mark.parametrize("rules", sorted(RULE_SETS))
def test_every_trained_player_has_an_objective(model, rules):
    traced = trace(small_model(model, rules=rules), reduced("orbit", 4), 1)
    for player in traced.steps[0]["players"]:
        assert to_unicode(objective(model, rules, player))
        ET.fromstring(to_mathml(objective(model, rules, player)))


def test_the_objective_of_the_decoder_by_example():
    assert to_unicode(objective("ava-vae", "printed", "g")) == "−½‖x − x′‖²"
    assert "log" in to_unicode(objective("ava1", "printed", "g"))
    assert "log" in to_unicode(objective("ava3", "letter", "g"))
    assert to_unicode(objective("ava-gan", "exact", "g")) == "−log(1 − d(x′))"
