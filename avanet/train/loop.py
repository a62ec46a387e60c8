"""The training loop: epochs of shuffled mini-batches that can be stopped and gone on with."""

import copy
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, perf_counter

from avanet.data import Dataset, Split
from avanet.errors import InputError
from avanet.files import exists
from avanet.folder import Line, numbered
from avanet.interrupts import interrupts
from avanet.models.base import Model
from avanet.nn import DivergedError
from avanet.progress import duration
from avanet.train.callbacks import (
    Callback, KeepBest, SamplePictures, ShowProgress, WriteCSV, best_epoch,
)
from avanet.train.checkpoint import Sums, load_checkpoint, save_checkpoint
from avanet.train.run import LAST, Run, describe

EVERY = 60.0        # seconds between two checkpoints within an epoch
TIMED = 5           # steps that the estimate is made from, after one that compiles
VALIDATION = ("val", "valid", "validation", "test")  # splits, the first that there is


def train(model: Model, dataset: Dataset, folder: str | Path,
          callbacks: Sequence[Callback] | None = None, *, fresh: bool = False,
          given: dict | None = None) -> "Training":
    """Train for `config.epochs` epochs on the split `train`, or go on where the folder's run is.

    A run that goes on gives, bit for bit, what it would have given without a stop: parameters,
    optimisers, batch order, generator and log. After every epoch, every minute and on Ctrl-C a
    checkpoint is kept; a kill loses at most what came after it.

    Parameters
    ----------
    model : Model
        Not started; its settings, `random_state` and `dtype` are the run's.
    dataset : Dataset
        Validated after every epoch on its split `val`, else `test`, if there is one.
    folder : path
        Of the run; see `avanet.train.run` for what is in it.
    callbacks : sequence of Callback, optional
        By default progress, CSV log, best model, samples per epoch.
    fresh : bool
        Start anew where the folder holds a run.
    given : dict, optional
        Kept in `run.json`, to find the data again.

    Returns
    -------
    Training
        With the model, trained, and how it went.

    Raises
    ------
    InputError
        Bad settings or data, a folder of another run, a damaged checkpoint, a full disk.
    DivergedError
        At the first NaN or overflow, with step and layer; what was kept stays.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, once the checkpoint is written; its text says how to go on.
    """
    description = describe(model, dataset)
    if callbacks is None:
        callbacks = default_callbacks()
    if fresh or Run(folder).read_run() is None:  # what is wrong shows before a file is touched
        model.start(dataset.shape, 0)
        seconds_per_step(model, dataset["train"])
    with Run(folder) as run:
        run.begin(description, {"settings": model.settings, **(given or {})}, fresh)
        training = Training(model, dataset, run)
        training.tell_time()
        with ExitStack() as stack, interrupts() as came:
            for callback in callbacks:
                stack.enter_context(callback)
            training.go(callbacks, came)
    return training


def plural(n: int, noun: str) -> str:
    """ "1 step", "2 steps"."""
    return f"{n} {noun}{'s' if n != 1 else ''}"


def default_callbacks() -> list[Callback]:
    """Progress, CSV log, best model, samples per epoch."""
    return [ShowProgress(), WriteCSV(), KeepBest(), SamplePictures()]


class Training:
    """A model on its way through the epochs.

    Attributes
    ----------
    model, dataset, run
    batches : Batches
        Of the split `train`; where they are is where training is.
    validation : str
        The split that is validated on, or "".
    steps : int
        Updates in all.
    stopped : str
        Why training ended before its last epoch, or "".
    """

    def __init__(self, model: Model, dataset: Dataset, run: Run):
        self.model, self.dataset, self.run = model, dataset, run
        split, self.epochs = dataset["train"], model.config.epochs
        self.steps = self.epochs * -(-len(split) // model.batch_size(split))
        model.start(dataset.shape, self.steps)
        self.batches = model.batches(split)
        self.validation = next((name for name in VALIDATION if name in dataset.splits), "")
        self.stopped = ""
        self.sums = Sums()
        if exists(run.tensors(LAST)):
            try:
                self.sums = load_checkpoint(run.tensors(LAST), model, self.batches)
            except InputError as error:
                raise InputError(f"{error}{run.anew}") from None
        for journal in (run.log, run.timings):
            journal.rewrite(journal.lines[:self.batches.epoch])

    def kept(self) -> str:
        """For messages: what is safe, and how to go on."""
        return f"; what was trained before is in {self.run.path}, the same command goes on"

    def tell_time(self) -> None:
        """Say how long the remaining steps will take, from a few on a copy of the model."""
        left = self.steps - self.model.n_steps_
        text = f"{self.model.name} on {self.dataset.source}, in {self.run.path}: "
        if self.model.n_steps_:
            text += f"goes on from step {self.model.n_steps_} of {self.steps}"
        else:
            text += f"{plural(self.epochs, 'epoch')} of {plural(len(self.batches), 'step')}"
        if left:
            seconds = seconds_per_step(self.model, self.dataset["train"])
            text += f", about {duration(left * seconds)}" if seconds else ""
        print(text, file=sys.stderr, flush=True)

    def go(self, callbacks: Sequence[Callback], came: Sequence[int]) -> None:
        """Go through the epochs that are left; `came` fills when an interrupt has come."""
        due, start = monotonic() + EVERY, perf_counter()
        number = numbered(self.run.joined()) if self.batches.epoch < self.epochs else {}
        while self.batches.epoch < self.epochs:
            self.stopped = next(filter(None, (each.stop(self) for each in callbacks)), "")
            if self.stopped:
                break
            for batch in self.batches:
                losses = self.model.step(batch)
                self.sums.add(losses, len(batch.x))
                for callback in callbacks:
                    callback.step(self, losses)
                if came:
                    self.save()
                    raise KeyboardInterrupt(
                        f"step {self.model.n_steps_} of {self.steps} is kept in {self.run.path}; "
                        "the same command goes on")
                if monotonic() > due:
                    self.save()
                    due = monotonic() + EVERY
            self._finish_epoch(callbacks, {"seconds": perf_counter() - start} | number)
            due, start = monotonic() + EVERY, perf_counter()

    def _finish_epoch(self, callbacks, timing: Line) -> None:
        """Validate, log, keep. The log comes before the checkpoint: what a kill in between has
        logged is cut off when the run goes on, and logged again."""
        epoch = self.batches.epoch
        rates = self.model.rates()
        rate = rates if len(set(rates.values())) > 1 else next(iter(rates.values()))
        line = {"epoch": epoch, "step": self.model.n_steps_, "rate": rate,
                "train": self.sums.means()}
        if self.validation:
            line[self.validation] = self.model.losses(self.dataset[self.validation], epoch)
        self.run.log.append([line], self.kept())
        self.run.timings.append([{"epoch": epoch} | timing], self.kept())
        self.sums = Sums()
        for callback in callbacks:
            callback.epoch(self, line)
        self.save()

    def save(self) -> None:
        """Write the checkpoint. Raises InputError; the one before stays."""
        save_checkpoint(self.run.tensors(LAST), self.model, self.batches, self.sums,
                        self.kept())

    def summary(self) -> str:
        """What came out, in a line."""
        epochs, best = len(self.run.log.lines), best_epoch(self)
        text = f"{self.run.path}: {plural(epochs, 'epoch')}"
        text += f", best is epoch {best}" if best else ""
        return text + (f"; stopped early: {self.stopped}" if self.stopped else "")


def seconds_per_step(model: Model, split: Split) -> float:
    """The median of a few steps of a copy of a started model; 0 if they diverge."""
    twin = copy.deepcopy(model)
    seconds: list[float] = []
    try:
        for batch, _ in zip(twin.batches(split), range(TIMED + 1)):
            start = perf_counter()
            twin.step(batch)
            seconds.append(perf_counter() - start)
            if sum(seconds[1:]) > 2:
                break
    except DivergedError:
        return 0.0
    return statistics.median(seconds[1:] or seconds)
