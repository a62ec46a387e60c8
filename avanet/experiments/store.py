"""The output folder of a sweep: one writer, whole lines, files that are old or new, never half.

run.json        protocol and environment of the run, written once
results.jsonl   a line per finished cell: its key fields, then its deterministic results
timings.jsonl   a line per finished cell: its key fields, then its seconds
files.jsonl     a line per other file that the run has written: what a fresh start removes
.lock           held while a process writes to the folder
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from avanet.errors import InputError
from avanet.files import PARTIAL, told, write_through, write_whole

Line = dict[str, Any]
KEPT = "; finished cells are kept, the same command goes on"
ANEW = "give another --out, or --fresh to start anew"


def encode(line: Mapping[str, Any]) -> bytes:
    """One line of JSON: fields in their order, floats by repr. Raises ValueError for NaN."""
    return json.dumps(line, allow_nan=False).encode() + b"\n"


def _refuse(constant: str):
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)


def _decode(text: bytes) -> Line | None:
    """The JSON object that `text` is, or None."""
    try:
        value = _decoder.decode(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_lines(path: Path) -> tuple[list[Line], int]:
    """All whole lines of a file of JSON lines, and the number of bytes they take.

    A last line that is damaged or cut short (a kill inside a write) does not count; a file that
    does not exist has no lines. Raises InputError for a damaged line before the last.
    """
    with told("read", path):
        rows = path.read_bytes().split(b"\n") if path.exists() else [b""]
    if not rows[-1] and len(rows) > 1 and _decode(rows[-2]) is None:
        del rows[-2]
    lines = []
    for number, row in enumerate(rows[:-1], 1):
        line = _decode(row)
        if line is None:
            raise InputError(f"{path}, line {number}: expected a JSON object; {ANEW}")
        lines.append(line)
    return lines, sum(map(len, rows[:-1])) + len(lines)


class Journal:
    """A file of JSON lines that only grows, by one writer. Opening it cuts off a damaged end."""

    def __init__(self, path: Path):
        self.path = path
        self.lines, self._size = read_lines(path)
        with told("write", path):
            if path.exists() and path.stat().st_size > self._size:
                os.truncate(path, self._size)

    def append(self, lines: Sequence[Line], advice: str = "") -> None:
        """Write all lines through to the disk, or none. Raises InputError if the system refuses."""
        data = b"".join(map(encode, lines))
        with told("write", self.path, advice), FileIO(self.path, "a") as file:
            try:
                write_through(file, data)
            except OSError:
                file.truncate(self._size)
                raise
        self.lines += lines
        self._size += len(data)

    def rewrite(self, lines: Sequence[Line], advice: str = "") -> None:
        """Replace the file by these lines, at once. Raises InputError if the system refuses."""
        data = b"".join(map(encode, lines))
        with told("read", self.path):
            changed = not self.path.exists() or self.path.read_bytes() != data
        if changed:
            write_whole(self.path, data, advice)
        self.lines, self._size = list(lines), len(data)


def first_difference(old: Any, new: Any, where: str = "") -> tuple[str, Any, Any] | None:
    """(dotted key, old value, new value) of the first difference; a missing key counts as null."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            inner = f"{where}.{name}" if where else name
            if found := first_difference(old.get(name), new.get(name), inner):
                return found
        return None
    return None if old == new else (where, old, new)


class RunFolder:
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
        The lines of all finished cells by the values of their key fields.

    Raises
    ------
    InputError
        On entering: the folder cannot be written, or another process holds it.
    """

    def __init__(self, path: str | Path, key: Sequence[str]):
        self.path = Path(path)
        self.key = tuple(key)
        self.results: dict[tuple, Line] = {}

    def __enter__(self) -> "RunFolder":
        with told("write to", self.path, "; give another --out"):
            if self.path.exists() and not self.path.is_dir():
                raise InputError(f"{self.path} is not a folder; give another --out")
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _held(self.path / ".lock")
        return self

    def __exit__(self, *_) -> None:
        self._lock.close()

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
            write_whole(self.path / "run.json", json.dumps(run, indent=2).encode() + b"\n")
        if found := first_difference(run["protocol"], new["protocol"]):
            where, ours, theirs = found[0], _brief(found[2]), _brief(found[1])
            raise InputError(f"{self.path} was made with {where} = {theirs}, not {ours}; {ANEW}")
        self._results, self._timings, self._files = map(Journal, self._journal_paths())
        self._written = self._recorded(self._files.lines)
        self._remove_partial()
        self.results = self._index(self._results)
        return run

    def key_of(self, cell: Mapping[str, Any]) -> tuple:
        """The values of the key fields."""
        return tuple(cell[name] for name in self.key)

    def append(self, lines: Sequence[Line], timings: Sequence[Line]) -> None:
        """Keep the lines of finished cells. Raises InputError; what was kept before stays kept."""
        self._results.append(lines, self._advice())
        self.results |= {self.key_of(line): line for line in lines}
        self._timings.append(timings, self._advice())

    def read(self, name: str) -> bytes | None:
        """A file that this run has written, by its path in the folder, or None."""
        path = self._inside(name)
        with told("read", path):
            return path.read_bytes() if path in self._written and path.exists() else None

    def write(self, name: str, data: bytes) -> None:
        """Write a file, by its path in the folder, whole. Raises InputError."""
        path = self._inside(name)
        if path not in self._written:
            self._files.append([{"file": name}], KEPT)
            self._written.add(path)
        write_whole(path, data, KEPT)

    def finish(self) -> None:
        """Sort `results.jsonl` by the key fields, each cell once. Raises InputError."""
        lines = sorted(self.results.values(), key=lambda line: _order(self.key_of(line)))
        self._results.rewrite(lines, self._advice())

    def _journal_paths(self) -> list[Path]:
        return [self.path / name for name in ("results.jsonl", "timings.jsonl", "files.jsonl")]

    def _advice(self) -> str:
        return f"; {len(self.results)} cells are kept, the same command goes on"

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
                    f"of a cell that no line before gives other results; {ANEW}"
                )
        return results

    def _read_run(self) -> dict | None:
        path = self.path / "run.json"
        if not path.exists() and not (self.path / "results.jsonl").exists():
            return None
        with told("read", path, "; give another --out"):
            run = _decode(path.read_bytes())
        if run is None or not isinstance(run.get("protocol"), dict):
            raise InputError(f"{path} was not written by a run; give another --out")
        return run

    def _remove_run(self) -> None:
        """Results first and run.json last: a kill in between leaves a run that can go on."""
        if self._read_run() is None:
            return
        results, timings, files = self._journal_paths()
        written = self._recorded(read_lines(files)[0])
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


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _held(path: Path) -> FileIO:
    """Lock the file until it is closed or the process ends. Raises InputError if it is locked."""
    file = FileIO(path, "a+")
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # a locked byte cannot be read there: stay clear of the text
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(str(os.getpid()).encode())
    except (BlockingIOError, PermissionError):
        file.seek(0)
        holder = file.read(20).decode(errors="replace")
        file.close()
        raise InputError(
            f"another run (process {holder}) is writing to {path.parent}; "
            "wait for it or give another --out"
        ) from None
    return file
