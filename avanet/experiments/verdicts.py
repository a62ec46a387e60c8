"""What a reproduction found, item by item, in the file `verdicts.json` of its folder."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from avanet.folder import decode

FILE = "verdicts.json"


class Found(NamedTuple):
    """What the last run of an experiment found of each table and figure, by the item's name."""

    scale: str
    data: str
    verdicts: dict[str, str]


def verdicts_file(experiment: str, scale: str, data: str, found: Mapping[str, str]
                  ) -> dict[str, bytes]:
    """The file by its name; `found` has a verdict for each item of the catalogue."""
    content = {"experiment": experiment, "scale": scale, "data": data, "verdicts": dict(found)}
    return {FILE: json.dumps(content, indent=1).encode() + b"\n"}


def drawn(files: Iterable[str], items: Mapping[str, str]) -> dict[str, str]:
    """The verdict of each figure, whose file `items` names: is it among the files?"""
    there = set(files)
    return {item: "drawn" if name in there else "not drawn" for item, name in items.items()}


def held(verdicts: Iterable[str]) -> str:
    """How many of the claims with these verdicts hold."""
    verdicts = list(verdicts)
    return f"{sum(v.startswith('holds') for v in verdicts)} of {len(verdicts)} claims hold"


def last_found(runs: Path) -> dict[str, Found]:
    """What the newest run of each experiment in this folder found.

    A folder without the file, or with one that is not of this kind, has no say.
    """
    dated = []
    with suppress(OSError):
        for path in runs.glob(f"*/{FILE}"):
            dated.append((path.stat().st_mtime_ns, path.read_bytes()))
    found = {}
    for _, data in sorted(dated):
        content = decode(data) or {}
        verdicts = content.get("verdicts")
        texts = [content.get(name) for name in ("experiment", "scale", "data")]
        if isinstance(verdicts, dict) and all(
                isinstance(text, str) for text in (*texts, *verdicts.values())):
            found[texts[0]] = Found(texts[1], texts[2], verdicts)
    return found
