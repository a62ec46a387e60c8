"""Numerical checks of every layer, loss, rule and model, and of the paper's misprints.

`verify(seed)` returns the results of all items. `everything(seed)` and `errata(seed)` are what the
command line prints, line by line while the checks are made. `avanet.verify.cosines` measures how
far the printed updates point from the true gradients, `avanet.verify.misprints` lists the errata.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from avanet.verify import cosines, items, misprints
from avanet.verify.erratum import Erratum, format_erratum
from avanet.verify.items import verify
from avanet.verify.result import Item, Result, format_line, run

__all__ = ["Erratum", "Item", "Result", "Run", "errata", "everything", "format_erratum",
           "format_line", "verify"]


class Run:
    """Checks that are made while the lines are read, and the outcome once they all have been.

    Parameters
    ----------
    checks : iterable of Result or Erratum
        Each makes its check when it is drawn.
    line : callable
        One of them as text.
    closing : callable returning a list of Row, optional
        The table that follows the checks.
    """

    def __init__(self, checks: Iterable, line: Callable, closing: Callable[[], list] | None = None):
        self._checks, self._line, self._closing = checks, line, closing
        self.results: list = []
        self.cosines: list = []

    def __iter__(self) -> Iterator[str]:
        self.results = []
        for result in self._checks:
            self.results.append(result)
            yield self._line(result)
        if self._closing:
            self.cosines = self._closing()
            yield from ["", *cosines.format_rows(self.cosines), ""]
        failed = sum(not result.passed for result in self.results)
        yield f"{len(self.results)} checks, {failed} failed"

    @property
    def passed(self) -> bool:
        """True if every check made so far has passed, and there was one."""
        return bool(self.results) and all(result.passed for result in self.results)

    def to_json(self) -> dict[str, Any]:
        """All results as plain data."""
        data: dict[str, Any] = {"passed": self.passed,
                                "results": [result.to_json() for result in self.results]}
        if self.cosines:
            data["cosines"] = [row._asdict() for row in self.cosines]
        return data


def everything(seed: int = 0) -> Run:
    """Every item, and the cosines: `avanet verify`."""
    return Run((run(item, seed) for item in items.items()), format_line,
               lambda: cosines.cosines(seed))


def errata(seed: int = 0) -> Run:
    """The misprints: `avanet verify --errata`."""
    return Run(misprints.misprints(seed), format_erratum)
