"""Output folders: one writer, logs of whole lines, a `run.json` that says what is there."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from io import FileIO
from math import isfinite
from pathlib import Path
from typing import Any, Self

from avanet.errors import InputError
from avanet.files import exists, told, write_through, write_whole

Line = dict[str, Any]


def encode(line: Mapping[str, Any]) -> bytes:
    """One line of JSON: fields in their order, floats by repr. Raises ValueError for NaN."""
    return json.dumps(line, allow_nan=False).encode() + b"\n"


def _refuse(constant: str):
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if isfinite(value) else _refuse(number)


_decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def decode(text: bytes) -> Line | None:
    """The JSON object that `text` is, or None."""
    try:
        value = _decoder.decode(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_lines(path: Path, advice: str = "") -> tuple[list[Line], int]:
    """All whole lines of a file of JSON lines, and the number of bytes they take.

    A last line that is damaged or cut short (a kill inside a write) does not count; a file that
    does not exist has no lines. Raises InputError, which ends with `advice`, for a damaged line
    before the last.
    """
    with told("read", path):
        rows = path.read_bytes().split(b"\n") if exists(path) else [b""]
    if not rows[-1] and len(rows) > 1 and decode(rows[-2]) is None:
        del rows[-2]
    lines = []
    for number, row in enumerate(rows[:-1], 1):
        line = decode(row)
        if line is None:
            raise InputError(f"{path}, line {number}: expected a JSON object{advice}")
        lines.append(line)
    return lines, sum(map(len, rows[:-1])) + len(lines)


class Journal:
    """A file of JSON lines that only grows, by one writer. Opening it cuts off a damaged end."""

    def __init__(self, path: Path, advice: str = ""):
        self.path = path
        self.lines, self._size = read_lines(path, advice)
        with told("write", path):
            if exists(path) and path.stat().st_size > self._size:
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
            changed = not exists(self.path) or self.path.read_bytes() != data
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


class Folder:
    """A folder that one process writes to, within a `with` block, and the `run.json` in it.

    Parameters
    ----------
    path : path
        Created if it does not exist.

    Attributes
    ----------
    option : str
        What names the folder on the command line, for messages.
    section : str
        The part of `run.json` that must be the same for a run to go on.

    Raises
    ------
    InputError
        On entering: the folder cannot be written, or another process holds it.
    """

    option = "--out"
    section = "protocol"

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.elsewhere = f"; give another {self.option}"
        self.anew = f"; give another {self.option}, or --fresh to start anew"

    def __enter__(self) -> Self:
        with told("write to", self.path, self.elsewhere):
            if exists(self.path) and not self.path.is_dir():
                raise InputError(f"{self.path} is not a folder{self.elsewhere}")
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = held(self.path / ".lock", self.elsewhere)
        return self

    def __exit__(self, *_) -> None:
        self._lock.close()

    def read_run(self) -> dict | None:
        """The contents of `run.json`, or None where there is none.

        Raises InputError if it was not written by a run.
        """
        path = self.path / "run.json"
        if not exists(path):
            return None
        with told("read", path, self.elsewhere):
            run = decode(path.read_bytes())
        if run is None or not isinstance(run.get(self.section), dict):
            raise InputError(f"{path} was not written by a run{self.elsewhere}")
        return run

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Write `run.json`. Raises InputError if the system refuses."""
        write_whole(self.path / "run.json", json.dumps(run, indent=2).encode() + b"\n")

    def join(self, run: dict, environment: Mapping[str, Any]) -> int:
        """The number of an environment in `run`: 0 is the one that it was begun in.

        One that is new goes to `run["continued"]`, and `run.json` is written again. Raises
        InputError if the system refuses.
        """
        known = environments(run)
        if environment not in known:
            run["continued"] = {str(number): each for number, each in enumerate(known) if number}
            run["continued"][str(len(known))] = dict(environment)
            self.write_run(run)
            known.append(environment)
        return known.index(environment)

    def check_same(self, run: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """InputError, with the first difference, unless `run` was made as `new` says."""
        if found := first_difference(run[self.section], new):
            where, ours, theirs = found[0], _brief(found[2]), _brief(found[1])
            raise InputError(f"{self.path} was made with {where} = {theirs}, not {ours}{self.anew}")


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def environments(run: Mapping[str, Any]) -> list[Any]:
    """Those in which a run was begun and went on, by their numbers, as its `run.json` has them."""
    later = run.get("continued")
    return [run.get("environment"), *(later.values() if isinstance(later, dict) else ())]


def numbered(environment: int) -> Line:
    """What a line of `timings.jsonl` says of the environment that it was made in."""
    return {"environment": environment} if environment else {}


def held(path: Path, advice: str) -> FileIO:
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
        raise InputError(f"another run (process {holder}) is writing to {path.parent}; "
                         f"wait for it or {advice.removeprefix('; ')}") from None
    return file
