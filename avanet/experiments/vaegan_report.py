"""The tables and figures of `avanet reproduce vaegan`, from result lines and the cells' files."""

import io
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, median
from textwrap import fill
from typing import NamedTuple

import numpy as np

from avanet.experiments.store import RunFolder
from avanet.experiments.vaegan_cells import (
    DENOISING, GRID, HIGH, KEY, PLAIN, PLANE, Setting, cell_of, codes_name, picture_name,
    plane_name, setting_of,
)
from avanet.experiments.vaegan_published import COLUMNS, IN_TABLES, PUBLISHED, Column, within
from avanet.experiments.verdicts import drawn, held, verdicts_file
from avanet.folder import Line
from avanet.plots import Curve, MissingExtra, clouds, contact_sheet, curves, pixels_of
from avanet.tables import (
    DASH, Table, csv_text, latex, latex_document, latex_text, markdown, number, terminal,
)

STUCK = 1.15  # times the median over seeds: a test loss above it after the last epoch
NORMS = ("normal", "batch norm")
TABLES = [("Table 1. Test loss of an image", "vaegan", "test"),
          ("Table 2. Average loss of a batch", "vaegan", "average"),
          ("Table 3. Test loss of a denoised image", "denoising-vaegan", "test"),
          ("Table 4. Average loss of a batch, denoising", "denoising-vaegan", "average")]
READINGS = {"test": "noisy test images", "test_clean": "clean test images"}
READING = ("Ours is the median over seeds, the range theirs; off is ours against the published "
           f"value. The paper's tables end at epoch {IN_TABLES}, its logs go on.")
OTHER_DATA = ("The published values are for MNIST and these results are not: differences and "
              "verdicts show the shape only.")
Columns = Mapping[Column, Sequence[Line]]


class Spread(NamedTuple):
    """A number over the seeds: median and range."""

    middle: float
    low: float
    high: float


def columns(lines: Sequence[Line]) -> dict[Column, list[Line]]:
    """The lines of the tables' settings by (model, batch norm), those that stopped left out."""
    return {(model, norm): [line for line in lines if "stopped" not in line and all(
        line[name] == value for name, value in cell_of(model, norm, setting_of(model)).items()
        if name != "seed")] for model, norm in COLUMNS}


def spread(lines: Sequence[Line], what: str, epoch: int) -> Spread:
    """A loss after an epoch, counted from 1, over the seeds."""
    values = [line[what][epoch - 1] for line in lines]
    return Spread(median(values), min(values), max(values))


def epochs_of(columns: Columns) -> int:
    """How many epochs the lines have."""
    return max((len(line["test"]) for lines in columns.values() for line in lines), default=0)


# Tables ---------------------------------------------------------------------------------------

def loss_table(title: str, model: str, what: str, columns: Columns, reading: str) -> Table:
    """One of Tables 1-4: published, ours, and how far off, normal and with batch norm."""
    rows = []
    digits = 2 if what == "test" else 0
    for epoch in range(1, epochs_of(columns) + 1):
        for norm, name in enumerate(NORMS):
            lines, published = columns[model, bool(norm)], PUBLISHED[what][model, bool(norm)]
            row = [str(epoch) if not norm else "", name, number(published[epoch - 1], digits)]
            if not lines:
                rows.append([*row, *[DASH] * 4])
                continue
            ours = spread(lines, reading, epoch)
            limit = within(model, bool(norm), epoch)
            rows.append([*row, number(ours.middle, digits),
                         f"{number(ours.low, digits)} to {number(ours.high, digits)}",
                         f"{ours.middle / published[epoch - 1] - 1:+.1%}",
                         DASH if limit is None else verdict(
                             ours.middle, published[epoch - 1], limit)])
    return Table(title, ("epoch", "", "published", "ours", "range", "off", "verdict"), rows, 2)


def verdict(ours: float, published: float, limit: float) -> str:
    """inside or outside of the published value's neighbourhood."""
    return "inside" if abs(ours / published - 1) <= limit else "outside"


def verdict_table(columns: Columns) -> Table:
    """How many epochs of each column are inside their limits, and how far the others are off."""
    rows = []
    for title, model, what in TABLES[:2]:
        for norm, name in enumerate(NORMS):
            lines = columns[model, bool(norm)]
            off = {epoch: spread(lines, what, epoch).middle
                   / PUBLISHED[what][model, bool(norm)][epoch - 1] - 1
                   for epoch in range(1, epochs_of(columns) + 1) if lines}
            missed = [f"{epoch} ({value:+.1%})" for epoch, value in off.items()
                      if abs(value) > (within(model, bool(norm), epoch) or 0)]
            limits = "2 %" if norm else "14 % to epoch 4, then 5 %"
            rows.append((title.partition(".")[0], name, str(len(lines)), limits,
                         f"{len(off) - len(missed)} of {len(off)}", ", ".join(missed) or DASH))
    return Table("Within the limits", ("", "", "seeds", "limit", "epochs inside", "outside"), rows,
                 labels=6)


def claims_table(columns: Columns) -> Table:
    """Batch norm lowers the loss at every epoch: in the median, and seed by seed."""
    rows = []
    for title, model, what in TABLES:
        normal, normed = columns[model, False], columns[model, True]
        if not normal or not normed:
            continue
        epochs = range(1, epochs_of(columns) + 1)
        lower = [spread(normed, what, e).middle < spread(normal, what, e).middle for e in epochs]
        by_seed = {line["seed"]: line[what] for line in normed}
        pairs = [(line[what], by_seed[line["seed"]]) for line in normal if line["seed"] in by_seed]
        every = sum(all(b < a for a, b in zip(*pair)) for pair in pairs)
        rows.append((f"batch norm lowers it at every epoch: {title.partition('. ')[2].lower()}",
                     f"{sum(lower)} of {len(lower)} epochs", f"{every} of {len(pairs)} seeds",
                     "holds" if all(lower) else "fails"))
    return Table("The paper's claim", ("", "medians", "at every epoch", "verdict"), rows, labels=4)


def verdicts(lines: Sequence[Line], files: Iterable[str]) -> dict[str, str]:
    """Of each table how many epochs are inside, of the claim where it holds, of the figures
    which are among the files."""
    by_column = columns(lines)
    reading = reading_of(by_column)
    found = {}
    for title, model, what in TABLES:
        read = reading if (model, what) == ("denoising-vaegan", "test") else what
        found[title.partition(".")[0]] = ", ".join(
            _epochs_inside(by_column[model, bool(norm)], model, what, read, name)
            for norm, name in enumerate(NORMS))
    found["Claim"] = held(row[-1] for row in claims_table(by_column).rows)
    return found | drawn(files, {f"Figure {n}": f"figure{n}.png" for n in (10, 12, 14, 15, 16, 17)})


def _epochs_inside(lines, model, what, read, name) -> str:
    norm = name == NORMS[1]
    published = PUBLISHED[what][model, norm]
    off = [spread(lines, read, epoch + 1).middle / published[epoch] - 1
           for epoch in range(len(lines[0][read]) if lines else 0)]
    limits = [within(model, norm, epoch) for epoch in range(1, len(off) + 1)]
    if any(limit is None for limit in limits):
        return f"{name} {min(off):+.0%} to {max(off):+.0%}"
    inside = sum(abs(value) <= limit for value, limit in zip(off, limits))
    return f"{name} {inside} of {len(off)} epochs inside"


def stuck_table(columns: Columns) -> Table:
    """Seeds whose last test loss is far above the median of their column."""
    rows = []
    for (model, norm), lines in columns.items():
        middle = median(line["test"][-1] for line in lines) if lines else math.nan
        rows += [(model, NORMS[norm], str(line["seed"]), number(line["test"][-1], 2),
                  number(middle, 2)) for line in lines if line["test"][-1] > STUCK * middle]
    return Table(f"Stuck seeds: a last test loss over {STUCK:g} times the median",
                 ("model", "", "seed", "test loss", "median"), rows or [("none", *[""] * 4)],
                 labels=3)


def off_by(lines: Sequence[Line], what: str, reading: str) -> float:
    """The mean |ours / published - 1| over the lines' epochs."""
    return fmean(abs(ours / published - 1) for line in lines for ours, published in zip(
        line[reading], PUBLISHED[what][line["model"], line["batch_norm"]]))


class Trial(NamedTuple):
    """A setting of the search, and how far it is off in the average loss and in the test loss."""

    setting: Setting
    average: float
    test: float
    test_clean: float

    @property
    def off(self) -> float:
        """Both together, the test loss in the reading that fits better."""
        return (self.average + min(self.test, self.test_clean)) / 2


def trials(search: Sequence[Line]) -> list[Trial]:
    """Every setting that was searched, normal and with batch norm; the nearest first."""
    found = []
    for setting in GRID:
        lines = [line for line in search if "stopped" not in line
                 and all(line[name] == value for name, value in setting.items())]
        if len(lines) == len(NORMS):
            found.append(Trial(setting, off_by(lines, "average", "average"),
                               off_by(lines, "test", "test"), off_by(lines, "test", "test_clean")))
    return sorted(found, key=lambda trial: trial.off)


def search_table(search: Sequence[Line]) -> Table:
    """What was tried for the denoising model, the nearest setting first."""
    rows = [(str(trial.setting["latent"]), f"{trial.setting['noise']:g}",
             f"{trial.setting['rate']:g}", *(f"{value:.1%}" for value in (
                 trial.average, trial.test, trial.test_clean, trial.off)),
             "in Tables 3 and 4" if trial.setting == DENOISING else "")
            for trial in trials(search)]
    epochs = max((len(line["test"]) for line in search), default=0)
    return Table("What the paper leaves open for denoising: how far each setting is off",
                 ("d", "noise", "rate", "average loss", "test loss, noisy", "test loss, clean",
                  "both", ""), rows, 3,
                 f"Mean |ours / published - 1| over {epochs} epochs, normal and with batch norm, "
                 "one seed; d^2 hidden units. The paper tells neither the noise nor whether the "
                 "test images are noisy; the last figure takes the reading that fits better.")


def reading_of(columns: Columns) -> str:
    """Which reading of the denoising test loss is nearer to Table 3."""
    lines = [*columns["denoising-vaegan", False], *columns["denoising-vaegan", True]]
    return min(READINGS, key=lambda reading: off_by(lines, "test", reading)) if lines else "test"


def tables(lines: Sequence[Line], search: Sequence[Line]) -> list[Table]:
    """Tables 1-4 and what is said about them."""
    by_column = columns(lines)
    reading = reading_of(by_column)
    results = []
    for title, model, what in TABLES:
        denoising = model.startswith("denoising")
        setting = (f"noise {DENOISING['noise']:g}, d {DENOISING['latent']}" if denoising
                   else f"d {PLAIN['latent']}")
        scored = f", {READINGS[reading]}" if denoising and what == "test" else ""
        results.append(loss_table(
            f"{title} ({setting}{scored})", model, what, by_column,
            reading if denoising and what == "test" else what))
    stopped = [(line["model"], NORMS[line["batch_norm"]], str(line["seed"]), line["stopped"])
               for line in lines if "stopped" in line]
    results += [verdict_table(by_column), claims_table(by_column), stuck_table(by_column)]
    if search:
        results.append(search_table(search))
    if stopped:
        results.append(Table("Stopped", ("model", "", "seed", "why"), stopped, labels=4))
    return results


def long_rows(lines: Sequence[Line]) -> Iterator[tuple[object, ...]]:
    """One row per number of ours, the header first."""
    yield (*KEY, "loss", "epoch", "ours", "published")
    for line in lines:
        column = line["model"], line["batch_norm"]
        for what in ("test", "test_clean", "average"):
            for epoch, ours in enumerate(line[what], 1):
                published = PUBLISHED[what.removesuffix("_clean")][column]
                yield (*(line[name] for name in KEY), what, epoch, f"{ours:.4f}",
                       published[epoch - 1])


# Figures --------------------------------------------------------------------------------------

def pictures(folder: RunFolder, epochs: int) -> dict[str, bytes]:
    """Figures 10, 12, 14 and 16: rows of images, by Pillow."""
    third = min(3, epochs)
    normal, normed = (cell_of("vaegan", norm, PLAIN) for norm in (False, True))
    noisy, noisy_normed = (cell_of("denoising-vaegan", norm, DENOISING) for norm in (False, True))
    high = cell_of("denoising-vaegan", True, HIGH)
    planes = [cell_of("vaegan", norm, PLANE) for norm in (False, True)]
    shown = {
        "figure10.png": [(f"normal, epoch {third}", picture_name(normal, third)),
                         (f"batch norm, epoch {third}", picture_name(normed, third))],
        "figure12.png": [("normal, epoch 1", picture_name(noisy, 1)),
                         ("batch norm, epoch 1", picture_name(noisy_normed, 1))],
        "figure14.png": [(f"d {HIGH['latent']}, epoch {epoch}", picture_name(high, epoch))
                         for epoch in sorted({1, third, epochs})],
        "figure16.png": [(name, plane_name(cell)) for name, cell in zip(NORMS, planes)],
    }
    sheets = {}
    for name, parts in shown.items():
        images = [(label, folder.read(file)) for label, file in parts]
        if all(data for _, data in images):
            sheets[name] = contact_sheet(
                [(label, pixels_of(data)) for label, data in images if data],
                columns=2 if name == "figure16.png" else 1)
    return sheets


def drawings(folder: RunFolder, lines: Sequence[Line]) -> dict[str, bytes]:
    """Figures 15 and 17, by matplotlib; a note on stderr for each that cannot be drawn."""
    by_column = columns(lines)
    epochs = range(1, epochs_of(by_column) + 1)
    reading = reading_of(by_column)
    panels = {}
    for title, model, what in TABLES:
        drawn = []
        for norm, name in enumerate(NORMS):
            column = by_column[model, bool(norm)]
            read = reading if (model, what) == ("denoising-vaegan", "test") else what
            drawn.append(Curve(f"{name}, published", epochs,
                               PUBLISHED[what][model, bool(norm)][:len(epochs)], norm + 1, True))
            if column:
                ours = [spread(column, read, epoch).middle for epoch in epochs]
                drawn.append(Curve(f"{name}, ours", epochs, ours, norm + 1))
        panels[title.partition(". ")[2]] = drawn
    planes = {}
    for norm, name in enumerate(NORMS):
        if data := folder.read(codes_name(cell_of("vaegan", bool(norm), PLANE))):
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                planes[name] = file["mu"], file["labels"]
    files: dict[str, bytes] = {}
    try:
        files |= curves("figure17", panels, "epoch", "loss")
        files |= clouds("figure15", planes) if planes else {}
    except MissingExtra as missing:
        print(f"note: {missing}; figure15 neither" if planes else f"note: {missing}",
              file=sys.stderr)
    return files


# All of it ------------------------------------------------------------------------------------

def report(folder: RunFolder, search: RunFolder, of_paper: bool) -> dict[str, bytes]:
    """All files of the report by name."""
    lines, tried = list(folder.results.values()), list(search.results.values())
    all_tables = tables(lines, tried)
    notes = [READING, *([] if of_paper else [OTHER_DATA])]
    text = ["# VAE-GAN: Tables 1-4, published and run again\n", *(note + "\n" for note in notes),
            *map(markdown, all_tables)]
    paper = [*(latex_text(note) + "\n" for note in notes), *map(latex, all_tables)]
    return {"tables.md": "\n".join(text).encode(),
            "tables.csv": csv_text(long_rows([*lines, *tried])).encode(),
            "tables.tex": latex_document(paper).encode(),
            **pictures(folder, epochs_of(columns(lines))), **drawings(folder, lines)}


def write(folder: RunFolder, search: RunFolder, scale: str, data: str, of_paper: bool) -> None:
    """Write the report into the folder and print its tables."""
    files = report(folder, search, of_paper)
    files |= verdicts_file("vaegan", scale, data, verdicts(list(folder.results.values()), files))
    for name, content in files.items():
        folder.write(name, content)
    if not of_paper:
        print(fill(OTHER_DATA, 100) + "\n")
    for table in tables(list(folder.results.values()), list(search.results.values())):
        print(terminal(table))
    print(f"written to {folder.path}: {', '.join(files)}")
