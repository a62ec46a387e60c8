"""What happens beside the updates: pictures, files, stopping early.

A callback keeps nothing of its own: what it needs to know it reads off the log, so that a run that
goes on does what it would have done without a stop.
"""

import math
import sys
from typing import TYPE_CHECKING

from avanet.files import write_whole
from avanet.folder import Line
from avanet.models.base import Losses
from avanet.plots import image_grid
from avanet.progress import Progress
from avanet.tables import csv_text
from avanet.tensors import write_tensors
from avanet.train.run import BEST

if TYPE_CHECKING:
    from avanet.train.loop import Training


class Callback:
    """Does nothing; a callback of your own overrides what it needs."""

    def __enter__(self) -> "Callback":
        """Before the first step."""
        return self

    def __exit__(self, *_) -> None:
        """After the last step, or when training breaks off."""

    def step(self, training: "Training", losses: Losses) -> None:
        """After every update."""

    def epoch(self, training: "Training", line: Line) -> None:
        """After every epoch, with its line of the log."""

    def stop(self, training: "Training") -> str:
        """Before every epoch: a reason to stop, or nothing."""
        return ""


class ShowProgress(Callback):
    """Steps, time left and every sub-loss of the latest update, on stderr."""

    def __init__(self):
        self._progress = Progress(sys.stderr, "steps")

    def __enter__(self):
        self._progress.__enter__()
        return self

    def __exit__(self, *error):
        self._progress.__exit__(*error)

    def step(self, training, losses):
        epoch = f"epoch {training.model.n_steps_ / len(training.batches):.1f}"
        values = [f"{name} {value:.4g}" for name, value in losses.items()]
        self._progress(training.model.n_steps_, training.steps, ", ".join([epoch, *values]))


class WriteCSV(Callback):
    """The log as a table for other programs: `log.csv`."""

    def epoch(self, training, line):
        rows = [flat(each) for each in training.run.log.lines]
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = csv_text([names, *([row.get(name, "") for name in names] for row in rows)])
        write_whole(training.run.path / "log.csv", text.encode(), training.kept())


class KeepBest(Callback):
    """The model of the epoch with the least watched loss, kept as `best`."""

    def epoch(self, training, line):
        if best_epoch(training) == line["epoch"]:
            model = training.model
            write_tensors(training.run.tensors(BEST), model.header(), model.tensors(),
                          training.kept())


class EarlyStopping(Callback):
    """Stops after `patience` epochs in a row without a new least watched loss."""

    def __init__(self, patience: int):
        self.patience = patience

    def stop(self, training):
        best, last = best_epoch(training), len(training.run.log.lines)
        if best and last - best >= self.patience:
            return f"no better than epoch {best} for {self.patience} epochs"
        return ""


class SamplePictures(Callback):
    """A grid of samples after every epoch, from the same draws: samples/epoch-001.png, ..."""

    def __init__(self, n: int = 64):
        self.n = n

    def epoch(self, training, line):
        if hasattr(training.model, "sample"):
            path = training.run.path / "samples" / f"epoch-{line['epoch']:03}.png"
            write_whole(path, image_grid(training.model.sample(self.n)), training.kept())


def flat(line: Line) -> dict[str, object]:
    """A line of the log with one level of names: "train.kl"."""
    result: dict[str, object] = {}
    for name, value in line.items():
        inner = value if isinstance(value, dict) else {"": value}
        result |= {f"{name}.{key}".rstrip("."): each for key, each in inner.items()}
    return result


def watched(training: "Training", line: Line) -> float:
    """The watched losses of an epoch, in validation where there is one; NaN without any."""
    losses = line[training.validation or "train"]
    try:
        return sum(losses[name] for name in training.model.watch) if training.model.watch \
            else math.nan
    except KeyError:
        return math.nan


def best_epoch(training: "Training") -> int:
    """The epoch, from 1, with the least watched loss so far; 0 if nothing is watched."""
    values = [watched(training, line) for line in training.run.log.lines]
    return 1 + min(range(len(values)), key=values.__getitem__) \
        if values and not any(map(math.isnan, values)) else 0
