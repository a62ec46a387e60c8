"""The tables of `avanet reproduce bm`: Tables 1-3 beside the published ones, from result lines."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from textwrap import fill

from avanet.ava.plans import RULE_SETS
from avanet.ava.published import (
    MODELS, PUBLISHED, PUBLISHED_TABLE3, RATES, RATES_TABLE1, RATES_TABLE2, REPETITION,
    REPETITION_OVERALL, Table3, published_table3, table3,
)
from avanet.experiments.claims import (
    Line, as_run_reveals, claims_overview, claims_table, published_claims_table, seed_table3,
)
from avanet.experiments.statistics import Cell, expected_misses
from avanet.tables import (
    DASH, Table, csv_text, latex, latex_document, latex_text, markdown, number, terminal,
)

NAMES = tuple(model.upper() for model in MODELS)
OTHER_IMAGES = ("The published numbers belong to the authors' images and these results to other "
                "images: differences and verdicts show the shape only.")
READING = ("Ours is the mean over seeds, the spread the sample SD over seeds. A cell is inside if "
           "|ours − published| ≤ 2 s sqrt(1 + 1/n) + 0.00005, with our spread s and n seeds.")

Cells = dict[tuple[str, float], Cell]


def _by_rules(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """The lines of each rule set that occurs, in the order of `RULE_SETS`."""
    split: dict[str, list[Line]] = {}
    for line in lines:
        split.setdefault(line["rules"], []).append(line)
    return {rules: split[rules] for rules in RULE_SETS if rules in split}


def bm_cells(lines: Sequence[Line], reading: str = "bm_abs") -> Cells:
    """The cells of Tables 1 and 2 from the lines of one rule set, by (model, rate)."""
    runs: dict[tuple[str, float], list[float | None]] = {}
    for line in lines:
        runs.setdefault((line["model"], line["rate"]), []).append(line[reading])
    return {key: Cell.of(PUBLISHED[key], values) for key, values in runs.items()}


def table3_cells(lines: Sequence[Line]) -> dict[str, list[Cell]]:
    """Table 3 by model, each statistic as the mean and SD over seeds of the single-seed statistic.

    A published number is the statistic of a single run, so this is what it can be compared with
    (the maximum of a mean table is smaller on average). If not all 19 rates were run, the
    published side is recomputed from Tables 1-2 over the same rates.
    """
    published = published_table3({line["rate"] for line in lines})
    return {model: [Cell.of(published[model][k], [column[k] for column in seeds.values()])
                    for k in range(len(Table3._fields))]
            for model, seeds in seed_table3(lines).items()}


def figure5_input(results: Iterable[Line]) -> tuple[dict, dict]:
    """What `avanet.plots.figure5` draws: values and spreads by source, model and statistic."""
    values: dict[str, dict] = {"published": PUBLISHED_TABLE3}
    spread: dict[str, dict] = {}
    for rules, lines in _by_rules(results).items():
        columns = table3_cells(lines)
        values[rules] = {model: [cell.ours for cell in cells] for model, cells in columns.items()}
        spread[rules] = {model: [cell.sd for cell in cells] for model, cells in columns.items()}
    return values, spread


def _cell_rows(rules: str, cells: Sequence[Cell | None]) -> Iterator[tuple[str, ...]]:
    """Four rows for one rule set: ours, difference, spread and verdict, one cell per model."""
    yield (rules, *(number(cell and cell.ours) for cell in cells))
    yield ("difference", *(number(cell and cell.difference, sign=True) for cell in cells))
    yield ("spread", *(number(cell and cell.sd) for cell in cells))
    yield ("verdict", *(cell.verdict if cell else DASH for cell in cells))


def _paper_tables(by_rules: Mapping[str, Sequence[Line]]) -> list[Table]:
    """Tables 1, 2 and 3, each number published and under every rule set."""
    cells = {rules: bm_cells(lines) for rules, lines in by_rules.items()}
    return [_table12("Table 1", RATES_TABLE1, cells), _table12("Table 2", RATES_TABLE2, cells),
            _table3(by_rules)]


def _table12(name: str, rates: Sequence[float], by_rules: Mapping[str, Cells]) -> Table:
    rows = []
    for rate in rates:
        rows.append((str(rate), "published", *(number(PUBLISHED[m, rate]) for m in MODELS)))
        for rules, cells in by_rules.items():
            row = [cells.get((model, rate)) for model in MODELS]
            if any(row):
                rows.extend(("", *text) for text in _cell_rows(rules, row))
    return Table(f"{name}. BM by learning rate γ: published, {', '.join(by_rules)}",
                 ("γ", "", *NAMES), rows, labels=2)


def _table3(by_rules: Mapping[str, Sequence[Line]]) -> Table:
    recomputed = table3(PUBLISHED)
    singles = {rules: table3_cells(lines) for rules, lines in by_rules.items()}
    of_means = {rules: table3({key: cell.ours for key, cell in bm_cells(lines).items() if cell.n})
                for rules, lines in by_rules.items()}
    rows = []
    for k, statistic in enumerate(Table3._fields):
        rows.append((statistic, "published", *(number(PUBLISHED_TABLE3[m][k]) for m in MODELS)))
        rows.append(("", "from Tables 1-2", *(number(recomputed[m][k], 6) for m in MODELS)))
        for rules, columns in singles.items():
            means = [of_means[rules].get(model) for model in MODELS]
            rows.append(("", f"{rules}, mean table", *(number(c and c[k]) for c in means)))
            row = [columns[model][k] if model in columns else None for model in MODELS]
            rows.extend(("", *text) for text in _cell_rows(f"{rules}, single seeds", row))
    note = ("Mean table: the statistic of the table of means over seeds. Single seeds: the mean "
            "over seeds of each seed's own statistic, what the published single run is compared "
            "with; a maximum of means is smaller. ")
    partial = [rules for rules, lines in by_rules.items()
               if {line["rate"] for line in lines} != set(RATES)]
    if partial:
        note += (f"Not all 19 rates were run ({', '.join(partial)}): differences are from the "
                 "published numbers of the same rates.")
    return Table(f"Table 3. BM over the learning rates: published, {', '.join(by_rules)}",
                 ("", "", *NAMES), rows, 2, note.strip())


def _mean_absolute(cells: Cells) -> dict[str, float]:
    """Mean |ours - published| over the cells, by model and over all of them ("")."""
    gaps = {key: abs(cell.difference) for key, cell in cells.items() if cell.n}
    parts = {model: [gap for key, gap in gaps.items() if key[0] == model] for model in MODELS}
    parts[""] = list(gaps.values())
    return {model: fmean(part) for model, part in parts.items() if part}


def _single_seed(lines: Sequence[Line]) -> dict[str, float]:
    """The mean over seeds of what `_mean_absolute` gives for each seed alone."""
    parts = [_mean_absolute(bm_cells([line for line in lines if line["seed"] == seed]))
             for seed in {line["seed"] for line in lines}]
    return {column: fmean(part[column] for part in parts if column in part)
            for column in set().union(*parts)}


def accuracy_table(by_rules: Mapping[str, Sequence[Line]]) -> Table:
    """Mean absolute difference per model and overall, beside the authors' own repetition."""
    columns = (*MODELS, "")
    rows = []
    for rules, lines in by_rules.items():
        as_printed = _mean_absolute(bm_cells(lines, "bm_printed"))
        for name, part in ((f"{rules}, mean over seeds", _mean_absolute(bm_cells(lines))),
                           (f"{rules}, single seed", _single_seed(lines)),
                           (f"{rules}, Eq. 17 as printed", as_printed)):
            rows.append((name, *(number(part.get(column)) for column in columns)))
    repetition = {**REPETITION, "": REPETITION_OVERALL}
    rows.append(("the authors' own repetition", *(number(repetition[c]) for c in columns)))
    return Table("Mean absolute difference from Tables 1 and 2", ("", *NAMES, "overall"), rows,
                 note="Eq. 17 as printed has no absolute value; the other rows average |d(1−d)|.")


def misses_table(by_rules: Mapping[str, Sequence[Line]]) -> Table:
    """Observed and expected cells outside, for Tables 1 and 2 together and for Table 3."""
    rows = []
    for rules, lines in by_rules.items():
        table3_ = [cell for column in table3_cells(lines).values() for cell in column]
        for name, cells in (("Tables 1 and 2", list(bm_cells(lines).values())),
                            ("Table 3", table3_)):
            counts = (sum(cell.n > 1 for cell in cells),
                      sum(cell.verdict == "outside" for cell in cells))
            rows.append((rules, name, *map(str, counts),
                         number(expected_misses(cell.n for cell in cells), 1)))
    return Table("Cells outside", ("", "", "with a verdict", "outside", "expected"), rows, 2,
                 "Expected: the sum of P(|t| > 2) with n − 1 degrees of freedom over the cells, as "
                 "if each published number were one more seed of ours.")


def trivial_table(trivial: Iterable[tuple[str, float, float]]) -> Table:
    """Trivial images under both readings of Eq. 17."""
    key = max(PUBLISHED, key=lambda cell: PUBLISHED[cell])
    return Table("Trivial images", ("image", "|d(1−d)|", "d(1−d) as printed"),
                 [(name, number(bm), number(printed)) for name, bm, printed in trivial],
                 note=f"The best published cell is {number(PUBLISHED[key])} "
                      f"({key[0].upper()} at γ = {key[1]}).")


def stopped_table(results: Iterable[Line]) -> Table:
    """The runs that stopped for NaN or overflow, and where."""
    return Table("Stopped runs", ("rules", "model", "γ", "seed", "why"), [
        (line["rules"], line["model"].upper(), str(line["rate"]), str(line["seed"]),
         line["stopped"]) for line in results if line["bm_abs"] is None], labels=5)


def _findings(ours: Mapping[str, list[Line]]) -> list[Table]:
    """What ends a run: differences, cells outside, stopped runs."""
    stopped = stopped_table(line for lines in ours.values() for line in lines)
    return [accuracy_table(ours), misses_table(ours), *([stopped] if stopped.rows else [])]


def _claims(ours: Mapping[str, list[Line]], shared: Mapping[str, list[Line]]) -> list[Table]:
    """Every claim's tests, a table for each rule set and kind of test."""
    tables = [published_claims_table()]
    for rules, lines in ours.items():
        tables.append(claims_table(f"Claims under {rules}, unpaired", lines, paired=False))
        if rules in shared:
            tables.append(claims_table(f"Claims under {rules}, paired (draws shared between "
                                       "models)", shared[rules], paired=True))
    return tables


def _long_rows(by_rules: Mapping[str, Sequence[Line]]) -> Iterator[tuple[object, ...]]:
    """One row per number of ours, the header first; Table 3 holds the means over single seeds."""
    yield ("table", "rules", "model", "rate", "statistic", "published", "ours", "difference", "sd",
           "n_seeds", "verdict")
    for rules, lines in by_rules.items():
        cells = bm_cells(lines)
        entries = [("1" if rate in RATES_TABLE1 else "2", model, str(rate), "bm",
                    cells[model, rate])
                   for rate in RATES for model in MODELS if (model, rate) in cells]
        entries += [("3", model, "", statistic, cell)
                    for model, column in table3_cells(lines).items()
                    for statistic, cell in zip(Table3._fields, column)]
        for table, model, rate, statistic, cell in entries:
            numbers = (cell.published, cell.ours, cell.difference, cell.sd)
            yield (table, rules, model, rate, statistic,
                   *("" if math.isnan(x) else f"{x:.6f}" for x in numbers), cell.n, cell.verdict)


def report(results: Iterable[Line], paired: Iterable[Line], *, authors_images: bool,
           trivial: Iterable[tuple[str, float, float]] = ()) -> dict[str, bytes]:
    """The tables of a run, published beside ours, in three formats.

    Parameters
    ----------
    results, paired : iterable of result lines
        Mappings with rules, model, rate, seed, bm_abs, bm_printed (None with a text `stopped` for
        a run that stopped); `paired` holds runs whose draws are shared between models, or
        nothing. Any subset of rule sets, models, rates and seeds.
    authors_images : bool
        False makes the tables say that the published numbers belong to other images.
    trivial : iterable of (name, BM of |d(1-d)|, BM as Eq. 17 is printed)
        Scores of trivial images.

    Returns
    -------
    dict of file name to bytes
        tables.md, tables.csv, tables.tex.
    """
    results, paired, trivial = list(results), list(paired), list(trivial)
    ours = _by_rules(results)
    notes = [READING, *([] if authors_images else [OTHER_IMAGES])]
    wide = _paper_tables(ours)
    # in LaTeX the tables of each rule set by themselves: they fit a page, all in one do not
    narrow = [table for rules, lines in ours.items() for table in _paper_tables({rules: lines})]
    if not authors_images:
        wide, narrow = ([replace(table, note=f"{OTHER_IMAGES} {table.note}".strip())
                         for table in tables] for tables in (wide, narrow))
    others = [*([trivial_table(trivial)] if trivial else []),
              *_findings(ours), *_claims(ours, _by_rules(paired))]
    reveals = as_run_reveals(results, paired)
    text = ["# Tables 1-3, published and run again\n", *(note + "\n" for note in notes),
            *map(markdown, wide + others), *(fact + "\n" for fact in reveals)]
    paper = [*(latex_text(note) + "\n" for note in notes), *map(latex, narrow + others),
             *(latex_text(fact) + "\n" for fact in reveals)]
    return {"tables.md": "\n".join(text).encode(),
            "tables.csv": csv_text(_long_rows(ours)).encode(),
            "tables.tex": latex_document(paper).encode()}


def verdicts(results: Iterable[Line]) -> dict[str, str]:
    """How many cells of each of Tables 1-3 are inside, by rule set."""
    found: dict[str, list[str]] = {"Table 1": [], "Table 2": [], "Table 3": []}
    for rules, lines in _by_rules(results).items():
        cells = bm_cells(lines)
        for name, rates in (("Table 1", RATES_TABLE1), ("Table 2", RATES_TABLE2)):
            found[name].append(_inside(rules, [cell for (_, rate), cell in cells.items()
                                               if rate in rates]))
        found["Table 3"].append(_inside(rules, [cell for column in table3_cells(lines).values()
                                                for cell in column]))
    return {name: "; ".join(texts) for name, texts in found.items()}


def _inside(rules: str, cells: Sequence[Cell]) -> str:
    judged = [cell for cell in cells if cell.n > 1]
    if not judged:
        return f"{rules}: one seed, no verdict"
    return f"{rules}: {sum(cell.verdict == 'inside' for cell in judged)} of {len(judged)} inside"


def summary(results: Iterable[Line], paired: Iterable[Line], *, authors_images: bool) -> str:
    """The end summary for the terminal, from the same lines as `report`."""
    results, paired = list(results), list(paired)
    notes = [] if authors_images else [fill(OTHER_IMAGES, 100) + "\n"]
    reveals = [fill(fact, 100) + "\n" for fact in as_run_reveals(results, paired)]
    ours = _by_rules(results)
    tables = [*_findings(ours), claims_overview(ours, _by_rules(paired))]
    return "\n".join([*notes, *map(terminal, tables), *reveals])
