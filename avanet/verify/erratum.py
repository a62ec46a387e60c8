"""One misprint or silence of the paper, as a check that fails as printed and passes corrected."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from avanet.nn.gradcheck import TOLERANCES


@dataclass(frozen=True)
class Erratum:
    """One misprint or silence.

    The errors are those of the two readings against what the text means, relative in norm for
    gradients; None where there is nothing to compute, and `shows` says why.
    """

    number: int
    where: str
    as_printed: str
    corrected: str
    error_printed: float | None
    error_corrected: float | None
    shows: str
    tolerance: float = TOLERANCES["complex"]

    @property
    def passed(self) -> bool:
        """True if the printed reading fails and the corrected one holds, or none is computed."""
        if self.error_printed is None or self.error_corrected is None:
            return True
        return bool(self.error_printed > self.tolerance >= self.error_corrected)

    def to_json(self) -> dict[str, Any]:
        """The misprint as plain data; an infinite error becomes a string."""
        plain = asdict(self) | {"passed": self.passed}
        return {key: str(value) if value == np.inf else value for key, value in plain.items()}


def notation(number: int, where: str, as_printed: str, corrected: str, reason: str) -> Erratum:
    """A misprint with nothing to compute."""
    return Erratum(number, where, as_printed, corrected, None, None, reason)


def format_erratum(e: Erratum) -> str:
    """The misprint on one line."""
    head = f"{e.number:>2}  {e.where}: {e.as_printed} -> {e.corrected}"
    if e.error_printed is None:
        return f"{'-':<6} {head} | nothing to compute: {e.shows}"
    verdict = "ok" if e.passed else "FAILED"
    return (f"{verdict:<6} {head} | error as printed {e.error_printed:.2g}, corrected "
            f"{e.error_corrected:.2g} | {e.shows}")
