"""Every derivation: complete, checked, able to fail, and set in text, LaTeX and HTML."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from avanet.ava.rules import RULES
from avanet.cli import main
from avanet.errors import InputError
from avanet.models import MODELS
from avanet.nn import losses
from avanet.step import explain, explain_models
from avanet.step.derivations import DERIVATIONS, EQUATIONS, LOSS_FORMULAS
from avanet.step.scenes import number
from avanet.verify import engine

NAMES = list(DERIVATIONS)
UNIT_WEIGHT = {"eq6", "eq10", "eq14", "eq16"}
# A rule that each entry's check must be able to catch.
CAUGHT_BY = {"eq1": "exact_decoder_error", "eq2": "real_error", "eq3": "exact_decoder_error",
             "eq4": "real_error", "eq9": "real_error", "eq11": "real_error",
             "eq12": "exact_decoder_error", "eq15": "real_error"}


@pytest.fixture(scope="module")
def pages():
    return {name: explain.explain(name) for name in NAMES}


def test_every_equation_and_every_loss_is_there():
    assert set(EQUATIONS) == {f"eq{k}" for k in range(1, 18)}
    assert set(LOSS_FORMULAS) == set(losses.LOSSES)
    assert {rule for entry in EQUATIONS.values() for rule in entry.rules} == {
        name for name in RULES if not name.startswith(("exact", "own", "cholesky"))}


@pytest.mark.parametrize("name", NAMES)
def test_its_checks_pass(name, pages):
    page = pages[name]
    assert page.passed and page.checks and page.numbers
    assert all(check.error <= check.tolerance for check in page.checks)
    assert {number for number in page.derivation.misprints} == {
        int(line.split(".")[0]) for line in page.misprints}


@pytest.mark.parametrize("name, rule", [
    *((name, rule) for name, entry in EQUATIONS.items() for rule in entry.rules),
    *CAUGHT_BY.items()])
def test_an_error_of_one_in_a_million_fails_it(name, rule, monkeypatch):
    monkeypatch.setattr(explain, "_misprints", lambda *_: [])
    wrong = replace(RULES[rule], f=lambda *terms: RULES[rule].f(*terms) * (1 + 1e-6))
    assert not explain.explain(name, rules=RULES | {rule: wrong}).passed


@pytest.mark.parametrize("name", LOSS_FORMULAS)
def test_a_wrong_loss_fails_it(name, monkeypatch):
    right = losses.LOSSES[name]

    def wrong(**arguments):
        value, gradients = right(**arguments)
        return value * (1 + 1e-6), gradients

    wrong.__name__ = name
    monkeypatch.setitem(losses.LOSSES, name, wrong)
    assert not explain.explain(name).passed


def test_a_wrong_metric_fails_eq17(monkeypatch):
    balance = explain.balance
    monkeypatch.setattr(explain, "_misprints", lambda *_: [])
    monkeypatch.setattr(explain, "balance", lambda a, b: balance(a, b) * (1 + 1e-6))
    assert not explain.explain("eq17").passed


def test_an_engine_loss_that_is_off_fails_its_equation(monkeypatch):
    kl = losses.gaussian_kl
    monkeypatch.setattr(explain, "_misprints", lambda *_: [])
    monkeypatch.setattr(losses, "gaussian_kl", lambda mu, var: (kl(mu, var)[0] + 1e-6, None))
    assert not explain.explain("eq1").passed and not explain.explain("eq12").passed
    assert explain.explain("eq9").passed


def test_a_failed_check_is_said_and_is_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(explain, "balance", lambda a, b: np.ones(2))
    monkeypatch.setattr(explain, "_misprints", lambda *_: [])
    assert main(["explain", "eq17"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_where_weights_are_assumed_to_be_1(pages):
    for name, page in pages.items():
        said = explain.text(page)
        assert (explain.UNIT_WEIGHT_MARK in " ".join(said.split())) == (name in UNIT_WEIGHT)
        if name in UNIT_WEIGHT:
            step = page.derivation.steps[page.derivation.unit_weight - 1]
            assert "weights are" in step or "they are assumed to be 1" in step
        assert page.derivation.grade in ("exact", "unit-weight", "heuristic", "-")


@pytest.mark.parametrize("name, grade", [(f"eq{k}", grade) for k, grade in {
    5: "exact", 6: "unit-weight", 7: "exact", 8: "exact", 10: "heuristic", 13: "exact",
    14: "unit-weight", 16: "heuristic"}.items()])
def test_grades_are_those_of_the_rules(name, grade):
    entry = EQUATIONS[name]
    assert entry.grade == grade
    assert grade in {RULES[rule].grade for rule in entry.rules}


# Numbers --------------------------------------------------------------------------------------


def test_eq6_shows_the_pull_at_unit_weights_and_through_d(pages):
    """The tiny network once more, by plain formulas."""
    from avanet.step.small import reduced, small_model
    model, x = small_model("ava1"), reduced("orbit", 4)[:1]
    model.step(x)  # starts the networks and draws r, which the copy below repeats
    twin = small_model("ava1")
    twin._start((4,))
    f, g, d, _ = twin.players_[0]
    r = twin._draw(1)
    y = f.forward(x)[0]
    x_ = g.forward(y[:, :2] + np.sqrt(y[:, 2:]) * r)[0]
    W, V = d.layers[0].W, d.layers[2].W[:, 0]
    h = 1 / (1 + np.exp(-(x_ @ W + d.layers[0].b)))
    verdict = d.forward(x_)[0][0, 0]
    through = verdict * (W @ (V * (h[0] * (1 - h[0]))))
    said = "\n".join(pages["eq6"].numbers)
    assert "[" + "  ".join(map(number, [verdict] * 4)) + "]" in said
    assert "[" + "  ".join(map(number, through)) + "]" in said
    error = ((x - x_)[0] + verdict) * x_[0] * (1 - x_[0])
    assert "[" + "  ".join(map(number, error)) + "]" in said


@pytest.mark.parametrize("name", ["eq1", "eq2", "eq3", "eq4", "eq9", "eq11", "eq12", "eq15"])
def test_terms_add_up_and_equal_the_independent_formula(name, pages):
    said = "\n".join(pages[name].numbers)
    total, independent = re.search(
        r"their sum: (\S+); by the independent formula: ([^;]+);", said).groups()
    terms = [float(term) for term in re.findall(r"= (-?[\d.]+)\$", said)]
    assert total == independent
    assert sum(terms) == pytest.approx(float(total), abs=3e-4)


@pytest.mark.parametrize("name", LOSS_FORMULAS)
def test_loss_gradients_are_shown_twice(name, pages):
    pairs = re.findall(r"closed form (\[.*?\]), numerical (\[.*?\])",
                       " ".join(pages[name].numbers))
    wrt = engine.FORMULAS[name][2]
    assert len(pairs) == (1 if isinstance(wrt, str) else len(wrt))
    assert all(one == other for one, other in pairs)


def test_another_seed_is_another_network(pages, monkeypatch):
    monkeypatch.setattr(explain, "_misprints", lambda *_: [])
    assert explain.explain("eq5", seed=1).numbers != pages["eq5"].numbers
    assert explain.explain("eq5", seed=1).passed


# Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["eq6", "EQ6", "6", "Eq. 6", "eq 6", " eq-6 "])
def test_ways_to_name_an_equation(name, monkeypatch):
    monkeypatch.setattr(explain, "_misprints", lambda *_: [])
    assert explain.explain(name).name == "eq6"


@pytest.mark.parametrize("name, nearest", [("gausian_kl", "gaussian_kl"), ("eqq6", "eq6")])
def test_an_unknown_name_gets_the_nearest(name, nearest, capsys):
    assert main(["explain", name]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"did you mean '{nearest}'" in said


@pytest.mark.parametrize("name", ["eq0", "eq18", "99", "", "eq6.5"])
def test_numbers_that_no_equation_has(name):
    with pytest.raises(InputError, match="unknown equation"):
        explain.explain(name)


def test_alone_it_lists_everything(capsys):
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*NAMES, *MODELS]
    assert main(["explain", "--latex"]) == 2


# Setting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_text(name, pages):
    said = explain.text(pages[name])
    assert "$" not in said and "\\" not in said
    assert all(len(line) <= 100 for line in said.split("\n"))
    assert said.startswith(f"{name}: ")
    for k in range(1, len(pages[name].derivation.steps) + 1):
        assert f"\n  {k}. " in said


class Reader(HTMLParser):
    """Checks that tags are closed in order and that nothing is fetched."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        assert not {"src", "href"} & {name for name, _ in attrs}
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", NAMES)
def test_html_is_one_file_with_mathml(name, pages, tmp_path):
    path = tmp_path / "page.html"
    explain.write_html(pages[name], path)
    document = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(document)
    assert reader.open == [] and "math" in reader.tags and "$" not in document
    assert "http" not in document and "@import" not in document and "url(" not in document
    assert document.count("<mark>") == (name in UNIT_WEIGHT)


def test_latex_defines_what_it_uses(pages):
    known = {"documentclass", "usepackage", "providecommand", "newcommand", "lVert", "rVert",
             "Vert", "term", "textwidth", "oddsidemargin", "textheight", "topmargin", "parindent",
             "parskip", "begin", "end", "section", "subsection", "par", "frac", "sum", "log",
             "left", "right", "mu", "Sigma", "Theta", "Phi", "Psi", "Lambda", "gamma", "delta",
             "partial", "bar", "mathrm", "mid", "sqrt", "cdot", "textasciicircum"}
    for page in pages.values():
        document = explain.latex(page)
        used = set(re.findall(r"\\([A-Za-z]+)", document))
        assert used <= known, used - known
        assert document.isascii()
        bare = re.sub(r"\\[{}]", "", document)
        assert bare.count("{") == bare.count("}")
        assert document.count("$") % 2 == 0


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
def test_latex_compiles(pages, tmp_path):
    """All pages in one document."""
    head = explain.LATEX_HEAD
    bodies = [explain.latex(page).removeprefix(head).removesuffix(r"\end{document}")
              for page in pages.values()]
    (tmp_path / "all.tex").write_text("\n".join([head, *bodies, r"\end{document}"]))
    result = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path,
        capture_output=True, timeout=120)
    log = (tmp_path / "all.log").read_text(errors="replace")
    assert result.returncode == 0, log[-2000:]
    assert not [line for line in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)
                if float(line) > 10]


def test_the_command_writes_each_form(pages, capsys, tmp_path):
    assert main(["explain", "eq6"]) == 0
    assert capsys.readouterr().out == explain.text(pages["eq6"]) + "\n"
    assert main(["explain", "eq6", "--latex"]) == 0
    assert capsys.readouterr().out == explain.latex(pages["eq6"]) + "\n"
    path = tmp_path / "eq6.html"
    assert main(["explain", "eq6", "--html", str(path)]) == 0
    assert capsys.readouterr().out == f"wrote {path}\n" and path.stat().st_size > 2000
    assert main(["explain", "eq6", "--html", str(path / "page.html")]) == 2
    assert "cannot write" in capsys.readouterr().err


# Models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["survey-vae", "bigan"])
def test_a_model_is_explained_with_its_losses_and_checked(name):
    page_ = explain.explain(name)
    assert page_.passed and page_.checks and page_.numbers
    said = explain.text(page_)
    assert "gradients: " in said and "numerical" in said and "passed: gradients of the" in said
    assert name in explain.listing() and "\\end{document}" in explain.latex(page_)


def test_a_model_s_check_can_fail(monkeypatch):
    monkeypatch.setattr(explain_models, "TOLERANCE", 0.0)
    assert not explain.explain("survey-vae").passed
