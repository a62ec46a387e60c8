"""`avanet replay`: run recorded cells or epochs again, and say whether they came out the same."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avanet.data import load_dataset
from avanet.environment import environment
from avanet.errors import InputError
from avanet.experiments.recorded import (
    Recorded, experiment_of, other_versions, read_recorded,
)
from avanet.experiments.running import check_protocol
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import run_cells
from avanet.folder import Line
from avanet.progress import Progress
from avanet.train.callbacks import Callback, ShowProgress
from avanet.train.loop import train
from avanet.train.run import Run, describe, place_of_data, recorded_model

Choice = Mapping[str, str]


def replay(path: str | Path, choices: Sequence[Choice] = (), place: str | None = None,
           jobs: int = 1) -> bool:
    """Run a folder's cells, or its training, again; True if all is the same, bit for bit.

    A module of an experiment has, besides `KEY` and `work`, `task_of(run, place)`, what its cells
    share, and `check_cell(cell)`; both raise InputError for what it has not written.

    Parameters
    ----------
    path : folder of the run; it is only read
    choices : {field: value} of the cells to run again; a field that is left out may have any
        value; all cells if there are none
    place : where the data is now, if not where `run.json` says
    jobs : number of worker processes

    Raises
    ------
    InputError
        No such folder or cell, a damaged file, other data, or another protocol than this avanet's.
    """
    recorded = read_recorded(path)
    if Run.section in recorded.run:
        if choices:
            raise InputError("a training is repeated from its first epoch: leave out --cell")
        return report(recorded, train_again(recorded, place))
    experiment = experiment_of(recorded.run)
    lines = [recorded.lines[key] for key in chosen(recorded, choices)]
    cells = [{name: line[name] for name in recorded.key} for line in lines]
    for cell in cells:
        experiment.check_cell(cell)
    shared = experiment.task_of(recorded.run, place)
    with tempfile.TemporaryDirectory(prefix="avanet-replay-") as out:
        with RunFolder(out, recorded.key) as folder, Progress() as progress:
            folder.open_run({}, environment())
            again = run_cells(cells, experiment.work, folder, jobs, shared=shared,
                              progress=progress)
    return report(recorded, list(zip(lines, again)))


def train_again(recorded: Recorded, place: str | None) -> list[tuple[Line, Line]]:
    """Each line of a training's log, as recorded and made again. Raises InputError."""
    logged = list(recorded.lines.values())
    if not logged:
        raise InputError(f"{recorded.path} has no finished epoch yet")
    try:
        given = place_of_data(recorded.run)
        model = recorded_model(recorded.run)
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{recorded.path}/run.json was not written by a run ({error!r})"
                         ) from None
    dataset = load_dataset(place or given["data"], given["size"], root=given["data_dir"])
    check_protocol({"protocol": recorded.run[Run.section]}, describe(model, dataset))
    with tempfile.TemporaryDirectory(prefix="avanet-replay-") as out:
        again = train(model, dataset, Path(out, "run"), [ShowProgress(), StopAfter(len(logged))])
        return list(zip(logged, again.run.log.lines))


class StopAfter(Callback):
    """Stops after so many epochs."""

    def __init__(self, epochs: int):
        self.epochs = epochs

    def stop(self, training):
        return "all are repeated" if len(training.run.log.lines) >= self.epochs else ""


def chosen(recorded: Recorded, choices: Sequence[Choice]) -> list[tuple]:
    """The keys of the cells that fit one of the choices. Raises InputError if one fits none."""
    for choice in choices:
        for name in choice:
            if name not in recorded.key:
                raise InputError(f"unknown field {name!r} of a cell: known are "
                                 f"{', '.join(recorded.key)}")
        if not any(fits(dict(zip(recorded.key, key)), choice) for key in recorded.lines):
            wanted = ",".join(f"{name}={value}" for name, value in choice.items())
            raise InputError(f"no cell {wanted} in {recorded.path}")
    if not recorded.lines:
        raise InputError(f"{recorded.path} has no results yet")
    return [key for key in recorded.lines
            if not choices or any(fits(dict(zip(recorded.key, key)), each) for each in choices)]


def fits(cell: Mapping[str, Any], choice: Choice) -> bool:
    """Whether the cell has the values of the choice, numbers compared as numbers."""
    return all(same_value(cell[name], text) for name, text in choice.items())


def same_value(value: Any, text: str) -> bool:
    """Whether a text given by a person means the value."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(text) == value
        except ValueError:
            return False
    return text in (str(value), json.dumps(value))


def report(recorded: Recorded, pairs: Sequence[tuple[Line, Line]]) -> bool:
    """Print a line per cell and what may explain a difference; whether there is none."""
    different = 0
    for old, new in pairs:
        cell = ", ".join(f"{name} {old[name]}" for name in recorded.key)
        changes = [f"{name} {new.get(name)!r} (was {old.get(name)!r})"
                   for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
        different += bool(changes)
        print(f"{'DIFFERS' if changes else 'same':9}{cell}{': ' if changes else ''}"
              f"{', '.join(changes)}")
    made_in = recorded.made_in(tuple(old[name] for name in recorded.key) for old, _ in pairs)
    others = [other for each in made_in if (other := other_versions(each))]
    for other in others:
        print(f"made with other versions or on another machine: {', '.join(other)}")
    if different and not others:
        print("same versions and machine: please report this, with avanet doctor",
              file=sys.stderr)
    what = "epochs" if recorded.key == ("epoch",) else "cells"
    print(f"{len(pairs) - different} of {len(pairs)} {what} came out the same, bit for bit")
    return not different
