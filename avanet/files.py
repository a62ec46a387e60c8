"""Files that are old or new, never half, and the system's refusals in one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from avanet.errors import InputError

PARTIAL = ".avanet-partial"


def user_cache() -> Path:
    """The folder `avanet` in the user's cache: $XDG_CACHE_HOME, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "avanet")


def exists(path: str | Path) -> bool:
    """Whether there is such a file or folder.

    Raises OSError where the system refuses to say, which `Path.exists` takes for a no from
    Python 3.14 on: what cannot be reached would be begun anew.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: not a name at all
        return False
    return True


@contextmanager
def told(doing: str, what: object, advice: str = "") -> Iterator[None]:
    """Turn the system's refusal into an InputError: cannot `doing` `what`: reason`advice`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot {doing} {what}: {reason}{advice}") from None


def write_whole(path: str | Path, data: bytes, advice: str = "") -> None:
    """Write a file, and its folder, so that a kill leaves the old file or the new, never half.

    Raises InputError, which ends with `advice`, if the system refuses.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    with told("write", path, advice):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileIO(partial, "w") as file:
                write_through(file, data)
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise


def write_through(file: FileIO, data: bytes) -> None:
    """Write all of the data, through to the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest):]
    os.fsync(file.fileno())
