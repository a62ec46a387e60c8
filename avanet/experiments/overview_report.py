"""The tables, figures and verdicts of `avanet reproduce overview`, from result lines and files."""

import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Any

from avanet.data import Dataset
from avanet.experiments.overview_cells import (
    AE, BETA_TCVAE, BETA_VAE, KEY, MODELS, PAPER_BETAS, PROGRAM, SQUARED, VAE, Cell, cell_of, named,
    picture_name,
)
from avanet.experiments.store import RunFolder
from avanet.experiments.verdicts import drawn, held, verdicts_file
from avanet.folder import Line
from avanet.plots import Curve, MissingExtra, contact_sheet, curves, pixels_of
from avanet.tables import Table, documents, mean_and_range, number, terminal

PARTS = ("mutual information", "total correlation", "dimension-wise KL")
SCORES = ("squared_error", "sharpness", "frechet", "distance", "mig", "sap", "disentanglement",
          "completeness", "informativeness")
Group = Sequence[Line]  # the lines of a cell over its seeds


def groups(lines: Sequence[Line], sigma: float = SQUARED) -> dict[tuple, list[Line]]:
    """The lines by (model, beta), those with another sigma and those that stopped left out."""
    found: dict[tuple, list[Line]] = {}
    order = sorted(lines, key=lambda line: (MODELS.index(line["model"]), line["beta"] or 0))
    for line in order:
        if line["sigma"] in (None, sigma) and "stopped" not in line:
            found.setdefault((line["model"], line["beta"]), []).append(line)
    return found


def values(group: Group, name: str) -> list[float]:
    """A score, or a part of the KL, over the seeds; none where the lines have none."""
    if name in PARTS:
        k = PARTS.index(name)
        return [line["kl_parts"][k] for line in group if line["kl_parts"]]
    return [line[name] for line in group if name in line]


# Tables ---------------------------------------------------------------------------------------

def spread(group: Group, name: str, digits: int) -> str:
    """The mean and, of several seeds, the range."""
    return mean_and_range(values(group, name), digits)


def error_table(lines: Sequence[Line], sigma: float, title: str) -> Table:
    """Reconstruction error, the parts of the KL, and what the samples are like."""
    rows = [(named(group[0]), spread(group, "squared_error", 5),
             *(spread(group, part, 2) for part in PARTS), spread(group, "frechet", 2),
             spread(group, "distance", 4), spread(group, "sharpness", 4), str(len(group)))
            for group in groups(lines, sigma).values()]
    return Table(title, ("model", "error of a pixel", *PARTS, "Frechet", "distance", "sharpness",
                         "seeds"), rows, 1,
                 "Means over seeds (and their range). Error: mean squared, of test images. KL "
                 "parts in nats, with unbiased weights; they sum to the KL. Of samples from the "
                 "prior, by means over 8 x 8 areas: Frechet distance, and mean squared distance "
                 "from the nearest training image. Sharpness: variance of the "
                 "samples' Laplacian.")


def factor_table(lines: Sequence[Line]) -> Table:
    """How well the codes keep the factors apart."""
    rows = [(named(group[0]), *(spread(group, name, 3) for name in SCORES[4:]))
            for group in groups(lines).values()]
    return Table("Factors of the data in the code", ("model", "MIG", "SAP", *(
        f"DCI {name}" for name in SCORES[6:])), rows, 1,
        "Of the means mu(x) of training images; from 0 to 1, the more the better.")


def claims(lines: Sequence[Line]) -> Iterator[tuple[str, str, str]]:
    """Each claim of Sec. VI: claim, numbers, verdict."""
    found = groups(lines)
    paper = {model: found[model, PAPER_BETAS[model]] for model in MODELS
             if (model, PAPER_BETAS[model]) in found}
    if len(paper) < len(MODELS):
        return
    for name, text in (("mig", "MIG"), ("sap", "SAP"), ("disentanglement", "DCI disentanglement")):
        if values(paper[AE], name):
            yield _best(f"β-TCVAE disentangles best: {text}", paper, BETA_TCVAE, name, max)
    for model in (BETA_VAE, BETA_TCVAE):
        with_beta = [paper[VAE], *(group for (m, _), group in found.items() if m == model)]
        kind = named(with_beta[1][0]).partition(",")[0]
        yield _ordered(f"a higher β reconstructs worse: {kind}", with_beta, "squared_error", 1, 5)
        yield _ordered(f"a higher β gives blurrier samples: {kind}", with_beta, "sharpness", -1, 4)
    yield _best("samples of the AE mean nothing: largest Frechet distance", paper, AE, "frechet",
                max)
    yield _best("samples of the AE mean nothing: farthest from any image", paper, AE, "distance",
                max)


def _best(claim: str, paper: dict[str, list[Line]], model: str, name: str,
          best: Callable[..., Any]) -> tuple[str, str, str]:
    """Whether a model's mean is the extreme one of all four, and in how many seeds it is so."""
    means = {each: fmean(values(group, name)) for each, group in paper.items()}
    told = ", ".join(f"{named(paper[each][0])} {number(mean, 4)}" for each, mean in means.items())
    by_seed = _by_seed(list(paper.values()), name)
    own = list(paper).index(model)
    holds = sum(best(row) == row[own] and row.count(row[own]) == 1 for row in by_seed)
    return claim, told, _verdict(best(means, key=means.__getitem__) == model, holds, len(by_seed))


def _ordered(claim: str, found: list[list[Line]], name: str, sign: int, digits: int
             ) -> tuple[str, str, str]:
    """Whether means over the seeds rise (sign 1) or fall (-1) with beta, and in how many seeds."""
    means = [fmean(values(group, name)) for group in found]
    told = ", ".join(f"β {group[0]['beta']:g}: {number(mean, digits)}"
                     for group, mean in zip(found, means))
    rises = lambda row: all(sign * (b - a) > 0 for a, b in zip(row, row[1:]))
    by_seed = _by_seed(found, name)
    return claim, told, _verdict(rises(means), sum(map(rises, by_seed)), len(by_seed))


def _by_seed(found: list[list[Line]], name: str) -> list[list[float]]:
    """A score of each group, seed by seed, of the seeds that all have."""
    seeds = set.intersection(*({line["seed"] for line in group} for group in found))
    return [[line[name] for group in found for line in group if line["seed"] == seed]
            for seed in sorted(seeds)]


def _verdict(holds: bool, seeds: int, of: int) -> str:
    return f"{'holds' if holds else 'fails'} ({seeds} of {of} seeds)"


def tables(lines: Sequence[Line], scale: str, dataset: Dataset) -> list[Table]:
    """All tables; the verdicts name scale and data."""
    on = f"scale {scale}, {dataset.source}"
    found = [error_table(lines, SQUARED, f"Squared error, -log p(x|z) = ||x - x'||^2 ({on})")]
    program = [line for line in lines if line["sigma"] == PROGRAM]
    if program:
        found.append(error_table(program, PROGRAM,
                                 f"The program's scale, 5000 ||x - x'||^2 ({on})"))
    if dataset.factor_names:
        found.append(factor_table(lines))
    found.append(Table(f"The overview's claims (Sec. VI-B; {on})", ("", "means", "verdict"),
                       list(claims(lines)), 3,
                       "By the means over seeds; in brackets in how many seeds it is so. With the "
                       "paper's β where none is named. β means another thing with another scale of "
                       "the likelihood, and for images of another size: the error is a sum over "
                       "pixels."))
    stopped = [(named(line), str(line["seed"]), line["stopped"]) for line in lines
               if "stopped" in line]
    return found + ([Table("Stopped", ("model", "seed", "why"), stopped, 3)] if stopped else [])


def long_rows(lines: Sequence[Line]) -> Iterator[tuple[object, ...]]:
    """One row per number, the header first."""
    yield (*KEY, "what", "value")
    for line in lines:
        cell = [line[name] for name in KEY]
        yield from ((*cell, name, f"{line[name]:.6g}") for name in SCORES if name in line)
        yield from ((*cell, part, f"{value:.6g}")
                    for part, value in zip(PARTS, line.get("kl_parts") or ()))


# Figures --------------------------------------------------------------------------------------

def pictures(folder: RunFolder) -> dict[str, bytes]:
    """Figures 1 and 2 and the reconstructions, the four models side by side."""
    sheets = {}
    for ending, sigma in (("", SQUARED), ("-program", PROGRAM)):
        cells = [cell_of(model, sigma=sigma) for model in MODELS]
        for name, what, columns in (("figure1", "samples", 4), ("figure2", "traversal", 2),
                                    ("reconstructions", "reconstructions", 2)):
            shown = [(_plain(cell), folder.read(picture_name(cell, what))) for cell in cells]
            if all(data for _, data in shown):
                sheets[f"{name}{ending}.png"] = contact_sheet(
                    [(label, pixels_of(data)) for label, data in shown if data], columns)
    return sheets


def _plain(cell: Cell) -> str:
    """A cell in Latin letters."""
    return named(cell).replace("β", "beta")


def drawings(lines: Sequence[Line]) -> dict[str, bytes]:
    """The parts of the KL and the error over the training, of the first seed."""
    first = [line for line in lines if line["seed"] == 0 and line["sigma"] in (None, SQUARED)
             and "stopped" not in line and line["beta"] == PAPER_BETAS[line["model"]]]
    panels: dict[str, list[Curve]] = {name: [] for name in ("error of a pixel", *PARTS)}
    for k, line in enumerate(sorted(first, key=lambda line: MODELS.index(line["model"]))):
        panels["error of a pixel"].append(Curve(named(line), line["steps"], line["error"], k))
        for part, values_ in zip(PARTS, zip(*line["parts"]) if line["parts"][0] else ()):
            panels[part].append(Curve(named(line), line["steps"], values_, k))
    return curves("parts", panels, "step", "nats, or squared error")


# All of it ------------------------------------------------------------------------------------

def write(folder: RunFolder, scale: str, dataset: Dataset) -> None:
    """Write the report into the folder and print its tables."""
    lines = list(folder.results.values())
    all_tables = tables(lines, scale, dataset)
    files = {**documents("AE, VAE, β-VAE and β-TCVAE", all_tables, long_rows(lines)),
             **pictures(folder)}
    try:
        files |= drawings(lines)
    except MissingExtra as missing:
        print(f"note: {missing}", file=sys.stderr)
    files |= verdicts_file("overview", scale, dataset.source, {
        **drawn(files, {"Figure 1": "figure1.png", "Figure 2": "figure2.png"}),
        "Sec. VI-B": held(verdict for *_, verdict in claims(lines))})
    for name, content in files.items():
        folder.write(name, content)
    for table in all_tables:
        print(terminal(table))
    print(f"written to {folder.path}: {', '.join(files)}")
