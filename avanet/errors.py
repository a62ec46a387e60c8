"""What can go wrong for a person, as opposed to a bug: one line, exit code 2, no traceback."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input or environment; one line: what was expected, what was got, what to do."""


def unknown_name(kind: str, got: object, known: Iterable[str]) -> InputError:
    """An `InputError` for a name that is not in the list, with the nearest name that is."""
    known = [str(name) for name in known]
    near = difflib.get_close_matches(str(got).lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InputError(f"unknown {kind} {got!r}: {hint}known are {', '.join(known)}")
