"""Tables in four forms."""

import csv
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.tables import (
    Table, csv_text, latex, latex_document, latex_text, markdown, number, plain, terminal,
)

SMALL = Table("BM", ("γ", "", "AVA1", "|d|"),
              [("1.0", "ours", "0.2298", "+0.1"), ("0.09", "", "–", "-12.5")],
              labels=2, note="p < 5 %")
CELL = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8)


@pytest.mark.parametrize("value, digits, sign, text", [
    (0.22984, 4, False, "0.2298"), (0.0011, 4, True, "+0.0011"), (-0.00001, 4, True, "+0.0000"),
    (None, 4, False, "–"), (float("nan"), 4, True, "–"), (float("inf"), 1, False, "–"),
])
def test_numbers(value, digits, sign, text):
    assert number(value, digits, sign) == text


def test_plain_text_to_the_letter():
    assert plain(SMALL) == ("BM\n"
                            "\n"
                            "γ             AVA1    |d|\n"
                            "-------------------------\n"
                            "1.0   ours  0.2298   +0.1\n"
                            "0.09             –  -12.5\n"
                            "p < 5 %\n")


def test_markdown_to_the_letter():
    assert markdown(SMALL) == ("## BM\n"
                               "\n"
                               "| γ    |      |   AVA1 | \\|d\\| |\n"
                               "| ---- | ---- | -----: | ----: |\n"
                               "| 1.0  | ours | 0.2298 |  +0.1 |\n"
                               "| 0.09 |      |      – | -12.5 |\n"
                               "\n"
                               "p \\< 5 %\n")


def test_latex_to_the_letter():
    lines = latex(SMALL).splitlines()
    assert lines[0] == r"\noindent\textbf{BM}\par\nobreak\smallskip"
    assert lines[2:9] == [r"\begin{tabular}{llrr}", r"\hline", r"$\gamma$ &  & AVA1 & $|$d$|$ \\",
                          r"\hline", r"1.0 & ours & 0.2298 & +0.1 \\",
                          r"0.09 &  & -- & $-$12.5 \\", r"\hline"]
    assert r"p $<$ 5 \%" in lines[10]


@settings(max_examples=50)
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5))
def test_any_text_keeps_the_shape_of_the_table(rows):
    table = Table("t", ("a", "b", "c"), rows)
    for line in markdown(table).splitlines()[2:]:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4
    body = latex(table).split("\\hline\n")[2]
    assert all(len(re.findall(r"(?<!\\)&", row)) == 2 for row in body.splitlines())
    text = latex_text("".join(map("".join, rows)))
    assert not re.search(r"(?<!\\)[%#]", text)
    assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
    read = list(csv.reader(csv_text([table.header, *rows]).splitlines()))
    assert [tuple(row) for row in read] == [tuple(table.header), *rows]


def test_a_document_needs_no_package():
    text = latex_document([latex(SMALL)])
    assert text.startswith(r"\documentclass{article}") and text.endswith("\\end{document}\n")
    assert "usepackage" not in text and text.isascii()


class Terminal:
    """Standard output as it looks to a program in a terminal."""

    @staticmethod
    def isatty() -> bool:
        return True


def test_a_pipe_gets_plain_text(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert terminal(SMALL) == plain(SMALL)


def test_a_terminal_without_rich_gets_plain_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert terminal(SMALL) == plain(SMALL)


def test_a_terminal_with_rich_gets_every_cell(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "70")
    bold = Table("[bold]BM", SMALL.header, [("[red]", *SMALL.rows[0][1:])], labels=2, note="[x]")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Terminal())
        text = terminal(bold)
    assert "\x1b[" in text
    assert all(cell in text for cell in ("[bold]BM", "[red]", "ours", "0.2298", "+0.1", "[x]"))
