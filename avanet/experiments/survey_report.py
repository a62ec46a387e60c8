"""The figures and the table of `avanet reproduce survey`, from its training runs alone."""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from avanet.data import Dataset
from avanet.experiments.running import slug
from avanet.experiments.verdicts import held
from avanet.folder import Line, read_lines
from avanet.metrics.intervals import Estimate, mean
from avanet.metrics.pictures import sharpness
from avanet.plots import Curve, MissingExtra, curves, image_grid
from avanet.tables import Table, documents, number, terminal
from avanet.train.run import open_run

FIGURES = {("mnist", "survey-vae"): "figure10.png", ("mnist", "dcgan"): "figure11.png",
           ("fashion-mnist", "survey-vae"): "figure12.png",
           ("fashion-mnist", "dcgan"): "figure13.png"}
SHOWN = 64      # samples of a picture, as in the survey
JUDGED = 1000   # samples and test images whose sharpness and variety are measured
WINDOW = 25     # steps that a loss is compared with the mean of
STEPS = "steps.jsonl"  # of a training run: every loss of every step


@dataclass(frozen=True)
class Trained:
    """A finished training run: its losses by step, samples, and images to compare them with."""

    model: str
    data: str
    steps: list[Line]
    epochs: int
    samples: np.ndarray
    images: np.ndarray

    @classmethod
    def read(cls, folder: Path, dataset: Dataset) -> "Trained":
        """From the run's folder. Raises InputError if it is damaged."""
        model: Any = open_run(folder, "last")[0]
        split = dataset.splits.get("test", dataset["train"])
        return cls(model.name, dataset.source, read_lines(folder / STEPS)[0],
                   len(read_lines(folder / "log.jsonl")[0]), model.sample(JUDGED),
                   split.read(slice(JUDGED)))

    @property
    def losses(self) -> dict[str, list[float]]:
        """The losses that are minimised, step by step; of a VAE their sum."""
        if self.model == "dcgan":
            return {name: [line[name] for line in self.steps]
                    for name in ("generator", "discriminator")}
        return {"reconstruction + KL": [line["reconstruction"] + line["kl"]
                                        for line in self.steps]}

    @property
    def variety(self) -> float:
        """The summed variance of the samples' pixels against that of the images': 0 if all the
        samples are one, 1 if they vary as the images do."""
        return float(self.samples.var(axis=0).sum() / self.images.var(axis=0).sum())


def fluctuation(losses: Sequence[float]) -> float:
    """SD of L_t - m_t over the mean of L, m_t the mean of the `WINDOW` steps around t.

    The trend is taken out, so that a loss that falls steadily has none; NaN for too few steps.
    """
    values = np.asarray(losses)
    if len(values) < WINDOW:
        return math.nan
    around = np.convolve(values, np.full(WINDOW, 1 / WINDOW), "valid")
    middle = values[WINDOW // 2: WINDOW // 2 + len(around)]
    return float(np.std(middle - around) / np.mean(values))


def falls(losses: Sequence[float], epochs: int) -> tuple[int, int]:
    """In how many epochs the mean loss was below that of the epoch before, and of how many."""
    means = [fmean(part) for part in np.array_split(np.asarray(losses), epochs)]
    return sum(b < a for a, b in zip(means, means[1:])), len(means) - 1


# Table and claims -----------------------------------------------------------------------------

def runs_table(runs: Sequence[Trained]) -> Table:
    """One row a run and loss: how it went, and how sharp and varied its samples are."""
    rows = []
    for run in runs:
        for k, (name, losses) in enumerate(run.losses.items()):
            fallen, of = falls(losses, run.epochs)
            rows.append((run.data if not k else "", run.model if not k else "", name,
                         str(run.epochs), number(fmean(losses[-WINDOW:]), 3),
                         f"{fallen} of {of}", number(fluctuation(losses), 3),
                         _interval(mean(sharpness(run.samples))) if not k else "",
                         _interval(mean(sharpness(run.images))) if not k else "",
                         number(run.variety, 2) if not k else ""))
    return Table("Training and samples", (
        "data", "model", "loss", "epochs", f"last {WINDOW} steps", "epochs lower", "fluctuation",
        "sharpness", "of the data", "variety"), rows, 3,
        f"Fluctuation: SD of the loss about the mean of {WINDOW} steps, over its mean. Epochs "
        "lower: mean loss below that of the epoch before. Sharpness: variance of the Laplacian, "
        f"mean and 95 % interval of {JUDGED} images. Variety: variance of the samples' pixels "
        "over that of the data's; near 0 after a mode collapse.")


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def claims_table(runs: Sequence[Trained]) -> Table:
    """What Sec. 4.2 says of each data set: the GAN's losses fluctuate, the VAE's samples blur."""
    rows = []
    for data in dict.fromkeys(run.data for run in runs):
        vae, gan = (next(run for run in runs if (run.data, run.model) == (data, model))
                    for model in ("survey-vae", "dcgan"))
        calm = max(map(fluctuation, vae.losses.values()))
        wild = min(map(fluctuation, gan.losses.values()))
        rows.append((data, "the GAN's losses fluctuate more than the VAE's",
                     f"{number(wild, 3)} against {number(calm, 3)}", _verdict(wild - calm)))
        blurred, sharp = mean(sharpness(vae.samples)), mean(sharpness(gan.samples))
        rows.append((data, "the VAE's samples are blurrier than the GAN's",
                     f"{_interval(blurred)} against {_interval(sharp)}",
                     _verdict(sharp.low - blurred.high)))
    return Table("The survey's claims (Sec. 4.2)", ("data", "", "measured", "verdict"), rows, 4,
                 "Sharp is not good: after few epochs a GAN's samples have edges that no image of "
                 "the data has; compare with the data's own sharpness.")


def _verdict(margin: float) -> str:
    if math.isnan(margin):
        return "too few steps"
    return "holds" if margin > 0 else "fails"


def verdicts(runs: Sequence[Trained]) -> dict[str, str]:
    """Of each figure whether there is one, of Sec. 4.2 how many of its claims hold."""
    there = {(run.data, run.model) for run in runs}
    return {name.removesuffix(".png").replace("figure", "Figure "): "drawn"
            for of, name in FIGURES.items() if of in there} | {
                "Sec. 4.2": held(row[-1] for row in claims_table(runs).rows)}


# All of it ------------------------------------------------------------------------------------

def report(runs: Sequence[Trained]) -> dict[str, bytes]:
    """All files of the report by name."""
    both = [runs_table(runs), claims_table(runs)]
    files = {FIGURES.get((run.data, run.model), f"samples-{run.model}-{slug(run.data)}.png"):
             image_grid(run.samples[:SHOWN]) for run in runs}
    files |= documents("The survey's VAE and DCGAN, run again", both, long_rows(runs))
    panels = {f"{run.model}, {run.data}": [
        Curve(name, range(1, len(losses) + 1), losses, k + 1)
        for k, (name, losses) in enumerate(run.losses.items())] for run in runs}
    try:
        files |= curves("losses", panels, "step", "loss")
    except MissingExtra as missing:
        print(f"note: {missing}", file=sys.stderr)
    return files


def long_rows(runs: Sequence[Trained]) -> Iterator[tuple[object, ...]]:
    """One row per step and loss, the header first."""
    yield "data", "model", "step", "loss", "value"
    for run in runs:
        for name, losses in run.losses.items():
            yield from ((run.data, run.model, step, name, f"{value:.6g}")
                        for step, value in enumerate(losses, 1))


def summary(runs: Sequence[Trained]) -> str:
    """The tables as the terminal shows them."""
    return "\n".join([terminal(runs_table(runs)), terminal(claims_table(runs))])
