"""The folder of a training run, and the trained model that it holds.

run.json              model, settings, data, environment; other environments in which it went on
log.jsonl, log.csv    a line per epoch: losses of training and validation, rates
timings.jsonl         a line per epoch: its seconds, the number of the environment it ended in
last.safetensors      the checkpoint that training goes on from (last.npz without safetensors)
best.safetensors      the model with the least watched loss in validation
samples/              a picture of samples per epoch
.lock                 held while a process writes to the folder
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avanet.data import Dataset
from avanet.environment import environment
from avanet.errors import InputError
from avanet.files import PARTIAL, exists, told
from avanet.folder import Folder, Journal
from avanet.models import load, model_class
from avanet.models.base import Model
from avanet.tensors import SUFFIXES, best_suffix

LAST, BEST = "last", "best"
WRITTEN = ("log.jsonl", "log.csv", "timings.jsonl", "last.*", "best.*", "samples/epoch-*.png")


class Run(Folder):
    """The folder of one training run, held by this process alone within a `with` block.

    Attributes
    ----------
    log, timings : Journal
        A line per finished epoch; there once the run has begun.
    """

    option = "--run"
    section = "training"

    def begin(self, description: Mapping[str, Any], given: Mapping[str, Any],
              fresh: bool = False) -> dict[str, Any]:
        """Start the run, or go on with the one that is here; the contents of `run.json`.

        Parameters
        ----------
        description : dict
            What must be the same for the run to go on (`describe`); only its epochs may grow.
        given : dict
            How to find model and data again; the first run's is kept.
        fresh : bool
            First remove all that an earlier run wrote, and nothing else.

        Raises
        ------
        InputError
            If the folder holds a run of something else, or a damaged file.
        """
        if fresh:
            self._remove()
        run = self.read_run()
        if run is None:
            run = {self.section: description, **given, "weights": best_suffix(),
                   "environment": environment()}
            self.write_run(run)
        else:
            self._go_on(run, description)
        self._remove_partial()
        self.log = Journal(self.path / "log.jsonl", self.anew)
        self.timings = Journal(self.path / "timings.jsonl", self.anew)
        self.suffix = run.get("weights")
        if self.suffix not in SUFFIXES:
            raise InputError(f"{self.path / 'run.json'}: expected weights as "
                             f"{' or '.join(SUFFIXES)}, got {self.suffix!r}{self.anew}")
        self._begun = run
        return run

    def joined(self) -> int:
        """The number of this environment, kept in `run.json` if it is new. Raises InputError."""
        return self.join(self._begun, environment())

    def _go_on(self, run: dict, new: Mapping[str, Any]) -> None:
        """Take more epochs over; InputError for any other difference."""
        with suppress(KeyError, TypeError):
            config = run[self.section]["config"]
            if config["epochs"] < new["config"]["epochs"]:
                config["epochs"] = new["config"]["epochs"]
                self.check_same(run, new)
                self.write_run(run)
        self.check_same(run, new)

    def tensors(self, name: str) -> Path:
        """The file of a checkpoint, `LAST` or `BEST`."""
        return self.path / f"{name}{self.suffix}"

    def _remove(self) -> None:
        """All that a run wrote, run.json last: a kill in between leaves what can go on."""
        if self.read_run() is None:
            return
        with told("remove", self.path):
            for pattern in WRITTEN:
                for path in self.path.glob(pattern):
                    path.unlink()
            with suppress(OSError):
                (self.path / "samples").rmdir()
            (self.path / "run.json").unlink()

    def _remove_partial(self) -> None:
        """What a kill inside a write has left."""
        with told("remove", self.path):
            for path in [*self.path.glob(f".*{PARTIAL}"), *self.path.glob(f"samples/.*{PARTIAL}")]:
                path.unlink()


def describe(model: Model, dataset: Dataset) -> dict[str, Any]:
    """What two runs must have in common for one to go on with the other: plain data."""
    return {"model": model.name, "config": asdict(model.config),
            "random_state": model.random_state, "dtype": model.dtype,
            "data": {"checksum": dataset.checksum, "shape": list(dataset.shape),
                     "images": {name: len(split) for name, split in dataset.splits.items()}}}


def place_of_data(run: Mapping[str, Any]) -> dict[str, Any]:
    """data, data_dir and size as `run.json` has them. Raises ValueError for what they cannot be."""
    data, folder, size = (run.get(name) for name in ("data", "data_dir", "size"))
    if not isinstance(data, str) or not isinstance(folder, str | None):
        raise ValueError(f"{data!r} in {folder!r} is no data set")
    if size is not None:
        width, height = size
        size = int(width), int(height)
    return {"data": data, "data_dir": folder, "size": size}


def recorded_model(run: Mapping[str, Any], settings: Mapping[str, Any] | None = None
                   ) -> Model:
    """The model of a `run.json`, not started; `settings` go before the recorded ones.

    Raises LookupError, TypeError or ValueError for what no run has written, InputError for
    settings that make no sense.
    """
    described = run[Run.section]
    return model_class(described["model"])(
        random_state=described["random_state"], dtype=described["dtype"],
        **{**run["settings"], **(settings or {})})


def open_run(path: str | Path, which: str | None = None) -> tuple[Model, dict[str, Any]]:
    """The trained model of a run folder and its `run.json`; of a saved model's file, {}.

    Parameters
    ----------
    path : folder of a run, or file of a model
    which : {"best", "last"}, optional
        By default the best if there is one, else the last.

    Raises
    ------
    InputError
        If there is no such run, nothing is trained yet, or a file is damaged.
    """
    path = Path(path)
    if exists(path) and path.is_file():
        return load(path), {}
    give = "give a folder that avanet train wrote, or a model that was saved"
    folder = Run(path)
    folder.elsewhere = f"; {give}"
    run = folder.read_run()
    if run is None:
        raise InputError(f"{path} holds no run: {give}")
    for name in (which,) if which else (BEST, LAST):
        for suffix in SUFFIXES:
            file = path / f"{name}{suffix}"
            if exists(file):
                return load(file), run
    raise InputError(f"{path} holds no {which or 'trained'} model yet: avanet train --run {path}")
