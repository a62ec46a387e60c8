"""One item of the verification: what is checked, and what came out."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from avanet.nn.gradcheck import Report


@dataclass(frozen=True)
class Outcome:
    """The largest relative error that a check found, its verdict, and what else there is to say."""

    error: float
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class Item:
    """One line of `avanet verify`: what is held against what, and the function that does it.

    `check` takes a seed. `grade` is that of the paper's rule, "-" where there is none to give.
    """

    name: str
    equation: str
    objective: str
    grade: str
    method: str
    tolerance: float
    check: Callable[[int], Outcome]


@dataclass(frozen=True)
class Result:
    """An item with its outcome."""

    name: str
    equation: str
    objective: str
    grade: str
    method: str
    error: float
    tolerance: float
    passed: bool
    note: str

    def to_json(self) -> dict[str, Any]:
        """The result as plain data; numbers that JSON has no word for become strings."""
        plain = asdict(self)
        return plain if math.isfinite(self.error) else plain | {"error": str(self.error)}


def run(item: Item, seed: int = 0) -> Result:
    """Run one item; a check that breaks down fails, with the error as its note."""
    try:
        outcome = item.check(seed)
    except Exception as error:
        outcome = Outcome(math.inf, False, f"{type(error).__name__}: {error}")
    return Result(item.name, item.equation, item.objective, item.grade, item.method,
                  float(outcome.error), item.tolerance, bool(outcome.passed), outcome.note)


def format_line(result: Result) -> str:
    """The result on one line: verdict, error, method, grade, equation, name, objective, note."""
    verdict = "ok" if result.passed else "FAILED"
    note = f" ({result.note})" if result.note else ""
    return (f"{verdict:<6} {result.error:7.1e} {result.method:<17} {result.grade:<11} "
            f"{result.equation:<17} {result.name}: {result.objective}{note}")


def within(error: float, tolerance: float, note: str = "") -> Outcome:
    """The outcome of a plain comparison; NaN fails."""
    return Outcome(error, bool(error <= tolerance), note)


def together(*outcomes: Outcome) -> Outcome:
    """Several outcomes as one: the largest error, the notes in order, each once."""
    error = float(np.max([outcome.error for outcome in outcomes]))
    notes = dict.fromkeys(outcome.note for outcome in outcomes if outcome.note)
    return Outcome(error, all(outcome.passed for outcome in outcomes), "; ".join(notes))


def of_report(report: Report, where: str = "") -> Outcome:
    """The outcome of a gradient check; a failed one says where."""
    worst = max(report.parameters, key=lambda p: p.error, default=None)
    error = worst.error if worst else math.inf
    note = "" if report.passed else " ".join(filter(None, (where, report.trouble or str(worst))))
    return Outcome(error, report.passed, note)


def relative_error(got, expected) -> float:
    """max |got - expected| / max |expected|; absolute where everything expected is zero."""
    scale = np.abs(expected).max() or 1.0
    return float(np.abs(np.subtract(got, expected)).max() / scale)


def relative_norm(got, expected) -> float:
    """||got - expected|| / ||expected||; infinite where what is expected is zero."""
    norm = np.linalg.norm(expected)
    return float(np.linalg.norm(np.subtract(got, expected)) / norm) if norm else math.inf
