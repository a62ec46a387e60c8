"""Tables as plain text, Markdown and LaTeX, and in the terminal through rich when it is there."""

import csv
import io
import math
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

DASH = "–"


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first `labels` columns name the row, the rest are numbers.

    `note` is one paragraph that belongs to the table and stands below it.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    note: str = ""


def number(value: float | None, digits: int = 4, sign: bool = False) -> str:
    """A number with fixed digits, with its sign where asked for; a dash for None, NaN and inf."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:{'+' if sign else ''}z.{digits}f}"


def _widths(table: Table) -> list[int]:
    return [max(map(len, column)) for column in zip(table.header, *table.rows)]


def _padded(table: Table, row: Sequence[str]) -> list[str]:
    """The row's cells padded to their columns: labels to the left, numbers to the right."""
    return [cell.ljust(width) if column < table.labels else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, _widths(table)))]


def plain(table: Table) -> str:
    """Aligned columns, a rule below the header, the title above and the note, filled, below."""
    header, *rows = ["  ".join(_padded(table, row)).rstrip() for row in (table.header, *table.rows)]
    rule = "-" * (sum(_widths(table)) + 2 * (len(table.header) - 1))
    note = [textwrap.fill(table.note, 100)] if table.note else []
    return "\n".join([table.title, "", header, rule, *rows, *note]) + "\n"


def markdown(table: Table) -> str:
    """A GitHub-flavoured table under a second-level heading."""
    safe = Table(table.title, [_markdown_text(cell) for cell in table.header],
                 [[_markdown_text(cell) for cell in row] for row in table.rows], table.labels)
    lines = ["| " + " | ".join(_padded(safe, row)) + " |" for row in (safe.header, *safe.rows)]
    rule = ["-" * width if column < safe.labels else "-" * (width - 1) + ":"
            for column, width in enumerate(max(2, width) for width in _widths(safe))]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    note = ["", _markdown_text(table.note)] if table.note else []
    return "\n".join([f"## {_markdown_text(table.title)}", "", *lines, *note]) + "\n"


def _markdown_text(text: str) -> str:
    return "".join("\\" + character if character in "\\|*_<`" else character for character in text)


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": "$<$", ">": "$>$", "|": "$|$", "±": r"$\pm$", "≤": r"$\le$", "−": "$-$",
    "α": r"$\alpha$", "γ": r"$\gamma$", "β": r"$\beta$", "–": "--",
}


def latex_text(text: str) -> str:
    """Text for LaTeX without packages: special characters escaped, mathematical ones in $ $."""
    return "".join(_LATEX.get(character, character) for character in text)


def latex(table: Table) -> str:
    """A bold title, a tabular that needs no package, and the note."""
    columns = "l" * table.labels + "r" * (len(table.header) - table.labels)
    header, *rows = [" & ".join(map(_latex_cell, row)) + r" \\"
                     for row in (table.header, *table.rows)]
    lines = [r"\noindent\textbf{" + latex_text(table.title) + r"}\par\nobreak\smallskip",
             r"\noindent{\scriptsize\setlength{\tabcolsep}{4pt}%",
             r"\begin{tabular}{" + columns + "}", r"\hline", header, r"\hline", *rows, r"\hline",
             r"\end{tabular}\par}"]
    note = [r"\noindent{\footnotesize " + latex_text(table.note) + r"\par}"] if table.note else []
    return "\n".join([*lines, *note, r"\bigskip"]) + "\n"


def _latex_cell(text: str) -> str:
    """A cell; a number's minus sign is set as a minus rather than a hyphen."""
    minus = "$-$" if text.startswith("-") else ""
    return minus + latex_text(text[1:] if minus else text)


def latex_document(blocks: Sequence[str]) -> str:
    """Blocks of LaTeX as one document of the article class, without packages."""
    head = [r"\documentclass{article}", r"\textwidth=170mm \oddsidemargin=-5mm \textheight=240mm",
            r"\topmargin=-15mm", r"\begin{document}"]
    return "\n".join([*head, *blocks, r"\end{document}"]) + "\n"


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows, the header first, as comma-separated values with Unix line ends."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def documents(heading: str, tables: Sequence[Table], rows: Iterable[Sequence[object]]
              ) -> dict[str, bytes]:
    """tables.md and tables.tex with all tables, tables.csv with the rows, the header first."""
    return {"tables.md": "\n".join([f"# {heading}\n", *map(markdown, tables)]).encode(),
            "tables.csv": csv_text(rows).encode(),
            "tables.tex": latex_document([*map(latex, tables)]).encode()}


def mean_and_range(values: Sequence[float | None], digits: int) -> str:
    """The mean and, of several values, the range; None has no say."""
    found = [value for value in values if value is not None]
    if not found:
        return DASH
    middle = number(fmean(found), digits)
    return middle if len(found) == 1 else \
        f"{middle} ({number(min(found), digits)} to {number(max(found), digits)})"


def terminal(table: Table) -> str:
    """The table as standard output should show it: by rich on a terminal, else as plain text."""
    if not sys.stdout.isatty():
        return plain(table)
    try:
        from rich import box, console, table as rich_table
    except ImportError:
        return plain(table)
    drawn = rich_table.Table(title=table.title, title_justify="left", box=box.SIMPLE_HEAD,
                             caption=table.note or None, caption_justify="left")
    for column, name in enumerate(table.header):
        is_label = column < table.labels
        drawn.add_column(name, justify="left" if is_label else "right", no_wrap=not is_label)
    for row in table.rows:
        drawn.add_row(*row)
    paper = console.Console(file=io.StringIO(), force_terminal=True, markup=False,
                            highlight=False, width=console.Console().width)
    with paper.capture() as text:
        paper.print(drawn)
    return text.get()
