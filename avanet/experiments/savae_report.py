"""Tables, figures and verdicts of `avanet reproduce savae`, from result lines and files."""

import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

from avanet.data import Dataset
from avanet.experiments.savae_cells import (
    GAMMAS, KEY, LATENTS, PAIRS_DATA, PLANE, Cell, file_name, first_of, is_first, pairs_cell,
)
from avanet.experiments.store import RunFolder
from avanet.experiments.verdicts import drawn, held, verdicts_file
from avanet.folder import Line
from avanet.plots import Curve, MissingExtra, clouds, contact_sheet, curves, pixels_of
from avanet.tables import Table, documents, mean_and_range, number, terminal

SCORES = ("kept", "judge", "sharpness", "squared_error", "kl")
LITTLE, MUCH = 0.05, 0.1  # of the classes: what may be lost, and what counts as lost
PLANE_BETA = 0.005        # of the decoder whose plane is shown
NO, YES = GAMMAS


class Grid:
    """The scores of one data set and K_z: `grid(name, beta, gamma)` is a mean over the seeds."""

    def __init__(self, lines: Sequence[Line], data: str, latent: int, seed: int | None = None):
        self.data, self.latent = data, latent
        self._lines = [line for line in lines if (line["data"], line["latent"]) == (data, latent)
                       and not is_first(line) and "stopped" not in line
                       and seed in (None, line["seed"])]
        self.betas = sorted({line["beta"] for line in self._lines})
        self.seeds = sorted({line["seed"] for line in self._lines})

    def values(self, name: str, beta: float, gamma: float) -> list[float]:
        """A score over the seeds."""
        return [line[name] for line in self._lines
                if (line["beta"], line["gamma"]) == (beta, gamma)]

    def __call__(self, name: str, beta: float, gamma: float) -> float:
        return fmean(self.values(name, beta, gamma))

    @property
    def whole(self) -> bool:
        """Whether every beta has both gammas with every seed, and 0 and two more are there."""
        return len(self.betas) > 2 and self.betas[0] == 0 and all(
            len(self.values("kept", beta, gamma)) == len(self.seeds)
            for beta in self.betas for gamma in GAMMAS)


def grids(lines: Sequence[Line], data: Sequence[str]) -> list[Grid]:
    """One for each data set and K_z."""
    return [Grid(lines, name, latent) for name in data for latent in LATENTS]


# Tables ---------------------------------------------------------------------------------------

def first_table(lines: Sequence[Line], on: str) -> Table:
    """What step 1 has learnt."""
    groups: dict[tuple, list[Line]] = {}
    for line in lines:
        if is_first(line) and "stopped" not in line:
            groups.setdefault((line["data"], line["latent"]), []).append(line)
    rows = [(data, str(latent), *(mean_and_range([line[name] for line in group], digits)
                                  for name, digits in (("kept", 3), ("judge", 3), ("kl", 2))))
            for (data, latent), group in sorted(groups.items())]
    return Table(f"Step 1: encoder and classifier ({on})",
                 ("data", "K_z", "class named", "by the judge", "KL"), rows, 2,
                 "Share of test images whose class Class(mu(x)) names, and that the judge, a "
                 "convolutional classifier of its own, names; KL of the code in nats.")


def grid_table(grid: Grid, on: str) -> Table:
    """Both numbers over beta and gamma."""
    rows = [(f"{beta:g}", f"{gamma:g}", *(mean_and_range(grid.values(name, beta, gamma), digits)
                                          for name, digits in zip(SCORES, (3, 3, 2, 4))))
            for gamma in GAMMAS for beta in grid.betas]
    return Table(f"{grid.data}, K_z = {grid.latent} ({on})",
                 ("β", "γ", "class kept", "by the judge", "sharpness", "error of a pixel"), rows, 2,
                 "Of reconstructions of test images from the means of their codes: the share whose "
                 "class, by the model's own encoder and classifier and by the judge, is the "
                 "image's; variance of the Laplacian, relative to the images'; mean squared error.")


class Claim(NamedTuple):
    """What the paper says, the numbers that speak to it, and whether it holds."""

    text: str
    told: Callable[[Grid], str]
    holds: Callable[[Grid], bool]


def _sharpest(grid: Grid, who: str) -> float:
    """The sharpest of the betas that lose few classes."""
    few = [beta for beta in grid.betas if _lost(grid, who, beta, NO) <= LITTLE]
    return max(few, key=lambda beta: grid("sharpness", beta, NO))


def _lost(grid: Grid, who: str, beta: float, gamma: float) -> float:
    """The share of the classes that are kept at beta = gamma = 0 and not here."""
    return grid(who, 0, NO) - grid(who, beta, gamma)


def _told(name: str, digits: int, gamma: float) -> Callable[[Grid], str]:
    return lambda grid: ", ".join(f"β {beta:g}: {number(grid(name, beta, gamma), digits)}"
                                  for beta in grid.betas)


def _claims_by(who: str, by: str) -> tuple[Claim, ...]:
    """The claims about classes, as the model's own classifier or the judge sees them."""
    sharpest = lambda grid: _sharpest(grid, who)
    lost = lambda grid, gamma: _lost(grid, who, grid.betas[-1], gamma)
    return (
        Claim(f"a middle β: sharper, the class is kept ({by})",
              lambda grid: "β {:g}: sharpness {:.2f}, class kept {:.3f}".format(
                  sharpest(grid), *(grid(name, sharpest(grid), NO) for name in ("sharpness", who))),
              lambda grid: 0 < sharpest(grid) < grid.betas[-1]),
        Claim(f"the largest β: generative, the class is lost ({by})", _told(who, 3, NO),
              lambda grid: lost(grid, NO) > MUCH),
        Claim(f"γ = 0.1 restores the class ({by})", _told(who, 3, YES),
              lambda grid: lost(grid, NO) > LITTLE and lost(grid, YES) < lost(grid, NO) / 2),
    )


CLAIMS = (
    Claim("β = 0: blurred", _told("sharpness", 2, NO),
          lambda grid: grid("sharpness", 0, NO) < min(
              1, *(grid("sharpness", beta, NO) for beta in grid.betas[1:]))),
    *_claims_by("kept", "Class"), *_claims_by("judge", "the judge"),
)


def claims(lines: Sequence[Line], data: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """Each claim of Sec. 3.4.2 on each data set and K_z: claim, where, numbers, verdict."""
    for claim in CLAIMS:
        for grid in grids(lines, data):
            if grid.whole:
                by_seed = [claim.holds(Grid(lines, grid.data, grid.latent, seed))
                           for seed in grid.seeds]
                yield (claim.text, f"{grid.data}, K_z {grid.latent}", claim.told(grid),
                       _verdict(claim.holds(grid), by_seed))
    for name in data:
        few, many = grids(lines, [name])
        if few.whole and many.whole:
            by_seed = [b < a for a, b in zip(*(grid.values("squared_error", 0, NO)
                                               for grid in (few, many)))]
            errors = [grid("squared_error", 0, NO) for grid in (few, many)]
            yield ("K_z = 100 reconstructs better (β = 0)", name, ", ".join(
                f"K_z {latent}: {error:.4f}" for latent, error in zip(LATENTS, errors)),
                _verdict(errors[1] < errors[0], by_seed))


def _verdict(holds: bool, by_seed: Sequence[bool]) -> str:
    return f"{'holds' if holds else 'fails'} ({sum(by_seed)} of {len(by_seed)} seeds)"


def pairs_table(lines: Sequence[Line], on: str) -> Table | None:
    """Fig. 10 in numbers, if it has been made."""
    found = [line for line in lines if line["data"] == PAIRS_DATA and not is_first(line)
             and all(line[name] == pairs_cell()[name] for name in KEY) and "stopped" not in line]
    if not found:
        return None
    row = tuple(number(found[0][name], digits) for name, digits in zip(SCORES, (3, 3, 2, 4)))
    return Table(f"CIFAR-10, K_z = 100, α = 1, β = 0.001, γ = 0 ({on})",
                 ("class kept", "by the judge", "sharpness", "error of a pixel"), [row], 0)


def tables(lines: Sequence[Line], scale: str, data: Sequence[str]) -> list[Table]:
    """All tables; every title names the scale."""
    on = f"scale {scale}"
    found = [first_table(lines, on),
             *(grid_table(grid, on) for grid in grids(lines, data) if grid.betas)]
    if pairs := pairs_table(lines, on):
        found.append(pairs)
    found.append(Table(
        f"The claims (Sec. 3.4.2; {on})", ("", "on", "numbers", "verdict"),
        list(claims(lines, data)), 4,
        "By the means over seeds; in brackets in how many seeds it is so. The class by the model's "
        "own encoder and classifier, and by the judge: kept if at most "
        f"{LITTLE:.0%} fewer than at β = 0 are right, lost if more than {MUCH:.0%} fewer; restored "
        "if γ = 0.1 gives at least half of the lost back. Blurred: less sharp than the images and "
        "than with any other β."))
    stopped = [(*(str(line[name]) for name in KEY), line["stopped"]) for line in lines
               if "stopped" in line]
    return found + ([Table("Stopped", (*KEY, "why"), stopped, 6)] if stopped else [])


def long_rows(lines: Sequence[Line]) -> Iterator[tuple[object, ...]]:
    """One row per number, the header first."""
    yield (*KEY, "what", "value")
    for line in lines:
        yield from ((*(line[name] for name in KEY), name, f"{line[name]:.6g}")
                    for name in SCORES if line.get(name) is not None)


# Figures --------------------------------------------------------------------------------------

def pictures(folder: RunFolder, lines: Sequence[Line], data: Sequence[str]) -> dict[str, bytes]:
    """Figures 8, 9 (one of each data set) and 10, of the first seed."""
    cells: list[Cell] = [{name: line[name] for name in KEY} for line in lines
                         if line["seed"] == 0 and not is_first(line)]
    sheets = {"figure8.png": _sheet(folder, [
        (f"{cell['data']}, beta {cell['beta']:g}, gamma {cell['gamma']:g}", cell, "plane")
        for cell in cells if cell["data"] in data
        and (cell["latent"], cell["beta"], cell["gamma"]) == (PLANE, PLANE_BETA, YES)], 2)}
    for name in data:
        of_data = sorted((cell for cell in cells if cell["data"] == name),
                         key=lambda cell: (cell["beta"], cell["latent"], cell["gamma"]))
        columns = len(LATENTS) * len(GAMMAS)
        sheets[f"figure9-{name}.png"] = _sheet(folder, [
            *(("input", cell, "images") for cell in of_data[:columns]),
            *((f"K_z {cell['latent']}, beta {cell['beta']:g}, gamma {cell['gamma']:g}", cell,
               "reconstructions") for cell in of_data)], columns)
    pairs = folder.read(file_name(pairs_cell(), "pairs")) if PAIRS_DATA not in data else None
    return {name: png for name, png in (sheets | {"figure10.png": pairs}).items() if png}


def _sheet(folder: RunFolder, parts: Sequence[tuple[str, Cell, str]], columns: int) -> bytes | None:
    shown = [(label, folder.read(file_name(cell, what))) for label, cell, what in parts]
    images = [(label, pixels_of(png)) for label, png in shown if png]
    return contact_sheet(images, columns) if images else None


def drawings(folder: RunFolder, lines: Sequence[Line], data: Sequence[str]) -> dict[str, bytes]:
    """Figure 7, and both numbers over beta; a note on stderr where they cannot be drawn."""
    planes = {}
    for name in data:
        cell = first_of({"data": name, "latent": PLANE, "seed": 0})
        if codes := folder.read(file_name(cell, "codes")):
            with np.load(io.BytesIO(codes)) as file:
                planes[name] = file["mu"], file["labels"]
    panels: dict[str, list[Curve]] = {}
    whole = [grid for grid in grids(lines, data) if grid.whole]
    for grid in whole:
        title = f"{grid.data}, K_z = {grid.latent}"
        panels[title] = [
            Curve(f"{what}, γ = {gamma:g}", range(len(grid.betas)),
                  [grid(name, beta, gamma) for beta in grid.betas], k, gamma == YES)
            for k, (name, what) in enumerate((("kept", "class kept"), ("sharpness", "sharpness")))
            for gamma in GAMMAS]
    files: dict[str, bytes] = {}
    try:
        files |= clouds("figure7", planes) if planes else {}
        if panels:
            betas = ", ".join(f"{beta:g}" for beta in whole[0].betas)
            files |= curves("regimes", panels, f"β = {betas}", "share, relative sharpness")
    except MissingExtra as missing:
        print(f"note: {missing}", file=sys.stderr)
    return files


# All of it ------------------------------------------------------------------------------------

def write(folder: RunFolder, scale: str, datasets: Mapping[str, Dataset]) -> None:
    """Write the report into the folder and print its tables."""
    lines, data = list(folder.results.values()), list(datasets)
    all_tables = tables(lines, scale, data)
    files = {**documents("Semi-supervised adversarial VAE", all_tables, long_rows(lines)),
             **pictures(folder, lines, data), **drawings(folder, lines, data)}
    files |= verdicts_file("savae", scale, ", ".join(data), {
        **drawn(files, {"Figure 7": "figure7.png", "Figure 8": "figure8.png",
                        "Figure 9": f"figure9-{data[-1]}.png", "Figure 10": "figure10.png"}),
        "Sec. 3.4": held(verdict for *_, verdict in claims(lines, data))})
    for name, content in files.items():
        folder.write(name, content)
    for table in all_tables:
        print(terminal(table))
    print(f"written to {folder.path}: {', '.join(files)}")
