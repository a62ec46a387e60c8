"""Scenes: what a walk is made of, and how it writes numbers, vectors and formulas."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from avanet.step.typeset import to_unicode

SHOWN = 8  # values of a vector, and weights of a neuron, that fit on a line and on a screen


@dataclass(frozen=True)
class Ask:
    """A line that ends in a number; `text` is all of it but the number."""

    text: str
    value: float

    def __str__(self) -> str:
        return f"{self.text} = {number(self.value)}"


@dataclass(frozen=True)
class Scene:
    """A screenful of one step; `player` is "" where it belongs to no player's update."""

    step: int
    player: str
    title: str
    lines: tuple[str | Ask, ...]

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"  {line}" if str(line) else "" for line in self.lines)])


def number(value: float) -> str:
    """Four decimals; small numbers and large ones as powers of ten."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:z.4f}"
    return f"{value:.2e}"


def vector(values: Sequence[float]) -> str:
    """The first values, and how many there are if these are not all."""
    more = f" ... {len(values)} in all" if len(values) > SHOWN else ""
    return f"[{'  '.join(map(number, values[:SHOWN]))}{more}]"


def symbols(latex: str) -> str:
    """A formula as one line, with the keyboard's minus, and powers of ten as `number` has them."""
    return re.sub(r"(?<=\d)e ([-+]) (?=\d\d)", r"e\1", to_unicode(latex).replace("−", "-"))


def dotted(line: str) -> str:
    """Products of numbers with a dot: 0.5·(-0.2) for 0.5 (-0.2) and 0.5(-0.2)."""
    return re.sub(r"(?<=[\d)]) ?(?=[(√])|(?<=[\d)]) (?=\d)", "·", line)


def inner(value: float) -> str:
    """A number inside an expression."""
    return f"({number(value)})" if value < 0 else number(value)


def sum_of_products(pairs: Sequence[tuple[float, float]]) -> str:
    """a b + c d + ..., the first of them."""
    shown = [f"{inner(a)} · {inner(b)}" for a, b in pairs[:SHOWN]]
    return " + ".join(shown + ["..."] * (len(pairs) > SHOWN))
