"""`avanet diff`: what differs between two runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avanet.errors import InputError
from avanet.experiments.recorded import Recorded, read_recorded

SHOWN = 20  # cells with other numbers that are named


def diff(one: str | Path, other: str | Path) -> Iterator[str]:
    """A line per difference: configuration, versions, data, then numbers; none if all is the same.

    Raises
    ------
    InputError
        If one is no run, is damaged, or the two are runs of different kinds.
    """
    a, b = read_recorded(one), read_recorded(other)
    if a.key != b.key:
        raise InputError(f"{one} has lines by {', '.join(a.key)}, {other} by {', '.join(b.key)}: "
                         "they cannot be compared")
    yield from (f"{name}: {_text(x)} | {_text(y)}" for name, x, y in differences(a.run, b.run))
    yield from numbers(a, b)


def differences(a: Any, b: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, value, other value) of whatever differs; a missing value is None."""
    one, other = ({} if value is None else value for value in (a, b))
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys([*one, *other]):
            inner = f"{where}.{name}" if where else str(name)
            yield from differences(one.get(name), other.get(name), inner)
    elif a != b:
        yield where, a, b


def numbers(a: Recorded, b: Recorded) -> Iterator[str]:
    """Lines that only one has, and lines with other results, the largest difference by field."""
    for own, theirs in ((a, b), (b, a)):
        if only := [key for key in own.lines if key not in theirs.lines]:
            yield f"{len(only)} lines only in {own.path}, as {_cell(own.key, only[0])}"
    changed = [(key, list(differences(a.lines[key], b.lines[key])))
               for key in a.lines if key in b.lines and a.lines[key] != b.lines[key]]
    for key, found in changed[:SHOWN]:
        yield f"{_cell(a.key, key)}: " + ", ".join(
            f"{name} {_text(x)} | {_text(y)}" for name, x, y in found)
    if len(changed) > SHOWN:
        yield f"... and {len(changed) - SHOWN} more lines"
    largest: dict[str, float] = {}
    for _, found in changed:
        for name, x, y in found:
            if _number(x) and _number(y):
                largest[name] = max(largest.get(name, 0.0), abs(x - y))
    if changed:
        both = sum(key in b.lines for key in a.lines)
        text = "".join(f"; {name} by up to {value:.3g}" for name, value in largest.items())
        yield f"{len(changed)} of {both} common lines differ{text}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(names: tuple[str, ...], key: tuple) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, key))


def _text(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
