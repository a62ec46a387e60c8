"""The output folder of a sweep: one writer, whole lines, files that are old or new, never half.

run.json        protocol and environment of the run; other environments in which it went on
results.jsonl   a line per finished cell: its key fields, then its deterministic results
timings.jsonl   a line per finished cell: its key fields, its seconds, the number of its environment
                unless that is 0, the first
files.jsonl     a line per other file that the run has written: what a fresh start removes
.lock           held while a process writes to the folder
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from avanet.errors import InputError
from avanet.files import PARTIAL, exists, told, write_whole
from avanet.folder import Folder, Journal, Line, encode, numbered, read_lines


class RunFolder(Folder):
    """The output folder of a sweep, held by this process alone within a `with` block.

    Parameters
    ----------
    path : path
        Created if it does not exist.
    key : sequence of str
        The fields that tell one cell from another; `results.jsonl` is sorted by them.

    Attributes
    ----------
    results : dict of tuple -> dict
        The lines of all finished cells by the values of their key fields, sorted by `finish`.

    Raises
    ------
    InputError
        On entering: the folder cannot be written, or another process holds it.
    """

    def __init__(self, path: str | Path, key: Sequence[str]):
        super().__init__(path)
        self.key = tuple(key)
        self.results: dict[tuple, Line] = {}

    def open_run(self, protocol: dict, environment: dict, fresh: bool = False) -> dict:
        """Start the run, or go on with the one that is here; the contents of `run.json`.

        `fresh` first removes all that an earlier run wrote, and nothing else.
        Raises InputError if the folder holds a run of another protocol, or a damaged file.
        """
        new = json.loads(encode({"protocol": protocol, "environment": environment}))
        if fresh:
            self._remove_run()
        run = self._read_run()
        if run is None:
            run = new
            self.write_run(run)
        self.check_same(run, new["protocol"])
        self._results, self._timings, self._files = (
            Journal(path, self.anew) for path in self._journal_paths())
        self._written = self._recorded(self._files.lines)
        self._remove_partial()
        self.results = self._index(self._results)
        self._run, self._environment = run, new["environment"]
        return run

    def key_of(self, cell: Mapping[str, Any]) -> tuple:
        """The values of the key fields."""
        return tuple(cell[name] for name in self.key)

    def append(self, lines: Sequence[Line], timings: Sequence[Line]) -> None:
        """Keep the lines of finished cells. Raises InputError; what was kept before stays kept."""
        number = self.join(self._run, self._environment)
        self._results.append(lines)
        self.results |= {self.key_of(line): line for line in lines}
        self._timings.append([line | numbered(number) for line in timings])

    def read(self, name: str) -> bytes | None:
        """A file that this run has written, by its path in the folder, or None."""
        path = self._inside(name)
        with told("read", path):
            return path.read_bytes() if path in self._written and exists(path) else None

    def write(self, name: str, data: bytes) -> None:
        """Write a file, by its path in the folder, whole. Raises InputError."""
        path = self._inside(name)
        if path not in self._written:
            self._files.append([{"file": name}])
            self._written.add(path)
        write_whole(path, data)

    def finish(self) -> None:
        """Sort `results` and `results.jsonl` by the key fields, each cell once; so a report has its
        rows in the same order, whichever cell came first. Raises InputError."""
        self.results = {key: self.results[key] for key in sorted(self.results, key=_order)}
        self._results.rewrite(list(self.results.values()))

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Every InputError in here says how many cells the folder keeps by then."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{error}; {len(self.results)} cells are kept in {self.path}, "
                             "the same command goes on") from None

    def _journal_paths(self) -> list[Path]:
        return [self.path / name for name in ("results.jsonl", "timings.jsonl", "files.jsonl")]

    def _inside(self, name: Any) -> Path:
        if isinstance(name, str) and "\0" not in name:
            path = (self.path / name).resolve()
            if path.is_relative_to(self.path.resolve()):
                return path
        raise InputError(f"{name!r} is not a path inside {self.path}")

    def _recorded(self, lines: Sequence[Line]) -> set[Path]:
        return {self._inside(line.get("file")) for line in lines}

    def _index(self, journal: Journal) -> dict[tuple, Line]:
        results: dict[tuple, Line] = {}
        for number, line in enumerate(journal.lines, 1):
            try:
                same = results.setdefault(self.key_of(line), line) == line
            except (KeyError, TypeError):
                same = False
            if not same:
                raise InputError(
                    f"{journal.path}, line {number}: expected fields {', '.join(self.key)} "
                    f"of a cell that no line before gives other results{self.anew}"
                )
        return results

    def _read_run(self) -> dict | None:
        run = self.read_run()
        if run is None and exists(self.path / "results.jsonl"):
            raise InputError(f"{self.path} holds results without their run.json{self.elsewhere}")
        return run

    def _remove_run(self) -> None:
        """Results first and run.json last: a kill in between leaves a run that can go on."""
        if self._read_run() is None:
            return
        results, timings, files = self._journal_paths()
        written = self._recorded(read_lines(files, self.anew)[0])
        with told("remove", self.path):
            for path in (results, timings, *written, files, self.path / "run.json"):
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in written}:
                with suppress(OSError):
                    folder.rmdir()

    def _remove_partial(self) -> None:
        """What a kill inside `write_whole` has left."""
        folders = {self.path} | {path.parent for path in self._written}
        with told("remove", self.path):
            for path in [path for folder in folders for path in folder.glob(f".*{PARTIAL}")]:
                path.unlink()


def _order(key: tuple) -> tuple:
    """A key under which numbers come before texts, and null before both."""
    return tuple((value is not None, isinstance(value, str), value) for value in key)
