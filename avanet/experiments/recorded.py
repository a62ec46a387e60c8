"""A run folder as it stands on disk, read without holding or changing it."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from avanet.environment import environment
from avanet.errors import InputError, unknown_name
from avanet.files import exists, told
from avanet.folder import Line, decode, environments, read_lines

EXPERIMENTS = {"bm": "avanet.experiments.bm", "vaegan": "avanet.experiments.vaegan",
               "gan-theory": "avanet.experiments.gan_theory",
               "overview": "avanet.experiments.overview", "savae": "avanet.experiments.savae"}
LOGS = {"results.jsonl": None, "log.jsonl": ("epoch",)}  # and the fields that tell lines apart
ELSEWHERE = "; give the folder of a run"


@dataclass(frozen=True)
class Recorded:
    """`run.json` and the lines of a run: of a reproduction's cells, or of a training's epochs.

    Attributes
    ----------
    path : Path
    run : dict
        The contents of `run.json`.
    key : tuple of str
        The fields that tell one line from another.
    lines : dict of tuple -> dict
        The lines by the values of these fields.
    numbers : dict of tuple -> int
        The number of the environment that a line was made in, as far as `timings.jsonl` tells.
    """

    path: Path
    run: dict[str, Any]
    key: tuple[str, ...]
    lines: dict[tuple, Line]
    numbers: dict[tuple, int]

    def made_in(self, keys: Iterable[tuple]) -> list[Any]:
        """The environments that these lines were made in; where that is not known, all."""
        every = environments(self.run)
        numbers = {self.numbers.get(key, -1) for key in keys}
        return [each for number, each in enumerate(every) if not {number, -1}.isdisjoint(numbers)]


def read_recorded(path: str | Path) -> Recorded:
    """The run in a folder.

    Raises
    ------
    InputError
        If it holds no run, or a damaged file.
    """
    path = Path(path)
    with told("read", path / "run.json", _runs_in(path) or ELSEWHERE):
        run = decode((path / "run.json").read_bytes())
    if run is None:
        raise InputError(f"{path / 'run.json'} was not written by a run{ELSEWHERE}")
    name = next((name for name in LOGS if exists(path / name)), "results.jsonl")
    key = LOGS[name] or experiment_of(run).KEY
    lines: dict[tuple, Line] = {}
    for number, line in enumerate(read_lines(path / name, ELSEWHERE)[0], 1):
        try:
            same = lines.setdefault(tuple(line[field] for field in key), line) == line
        except (KeyError, TypeError):
            same = False
        if not same:
            raise InputError(f"{path / name}, line {number}: expected the fields {', '.join(key)}, "
                             "with other values than any line before")
    return Recorded(path, run, key, lines, _numbers(path, key, len(environments(run))))


def _runs_in(path: Path) -> str:
    """What to do with a folder of runs, such as a reproduction that trains models; or nothing."""
    names = sorted(file.parent.name for file in path.glob("*/run.json"))
    return f"; give one of the runs in this folder: {', '.join(names)}" if names else ""


def _numbers(path: Path, key: tuple[str, ...], n: int) -> dict[tuple, int]:
    found: dict[tuple, int] = {}
    for line in read_lines(path / "timings.jsonl", ELSEWHERE)[0]:
        number = line.get("environment", 0)
        with suppress(TypeError):  # what cannot be a key names no line
            found[tuple(map(line.get, key))] = number if number in range(n) else -1
    return found


def experiment_of(run: Mapping[str, Any]) -> ModuleType:
    """The module of the experiment that a `run.json` names; InputError if there is none."""
    protocol = run.get("protocol")
    name = protocol.get("experiment") if isinstance(protocol, dict) else None
    if not isinstance(name, str) or name not in EXPERIMENTS:
        raise unknown_name("experiment in run.json", name, EXPERIMENTS)
    return import_module(EXPERIMENTS[name])


def other_versions(begun: Any) -> list[str]:
    """What of an environment of a run differs now: "numpy 2.0 (now 2.4)"."""
    now = environment()
    if not isinstance(begun, dict):
        return ["environment unknown"]
    return [f"{name} {begun.get(name)} (now {now[name]})" for name in now
            if begun.get(name) != now[name]]
