"""Everything that `avanet verify` checks, in one list."""

import numpy as np

from avanet.verify import batched, compiled, engine, equations, models
from avanet.verify import objectives as o
from avanet.verify.result import Item, Outcome, Result, run, within


def check_leaning_term(seed: int = 0) -> Outcome:
    """The term that Eq. 9 adds to Eq. 4 has no gradient in Psi: the two differ by exactly 0.

    Psi does not enter -||x - x'||^2 / 2; Eq. 10 trains it on that term all the same.
    """
    w = equations.World(seed)
    pushed = [o.gradient(lambda W: o.balance_of([(W, w.w.d[0][1]), w.w.d[1]], w.x, w.x_, w.a, lean),
                         w.w.d[0][0]) for lean in (False, True)]
    return within(float(np.abs(pushed[1] - pushed[0]).max()), 0, "exactly zero")


def items() -> list[Item]:
    """The table of everything that is checked."""
    leaning = Item("leaning term, true gradient in Psi", "Eq. 9", "-||x - x'||^2 / 2 by Psi",
                   "heuristic", "complex", 0.0, check_leaning_term)
    return [*engine.items(), *equations.items(), leaning, *models.items(), *batched.items(),
            *compiled.items()]


def verify(seed: int = 0) -> list[Result]:
    """Run every item; a failed item has `passed` False, and a note that says where."""
    return [run(item, seed) for item in items()]
