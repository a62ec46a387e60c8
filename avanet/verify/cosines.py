"""How far the printed updates point from the true gradients.

"When weights are assumed to be 1", writes the paper. For rules that are not exact, this table
holds the printed direction against that of the true gradient: by all parameters of the player, or
(the pull alone) by the decoder's net input. Networks are random, or have been trained for a while
under "printed-mean".
"""

from typing import NamedTuple

import numpy as np

from avanet.ava.heads import DiagonalHead
from avanet.ava.plans import plan
from avanet.ava.protocol import Protocol, ascend
from avanet.ava.rules import RULES
from avanet.ava.step import Players, Step, build_players
from avanet.verify.models import copies
from avanet.verify.result import relative_norm

SIZES = (5, 100, 6400)
DRAWS = 20
N, HIDDEN, N_IMAGES = 5, 12, 36
PROTOCOL = Protocol("glorot", order="simultaneous", channels="joint")


class Row(NamedTuple):
    """One rule for one size of x: the cosine's mean and standard deviation over the draws.

    `off` is the median of ||printed - true|| / ||true||.
    """

    what: str
    networks: str
    m: int
    cosine: float
    spread: float
    off: float


class Case(NamedTuple):
    """What is compared: a player's update in a model under a rule set, against the exact rules."""

    what: str
    model: str
    rules: str
    player: str


CASES = (
    Case("Eq. 5: Theta of VAE, the KL alone", "ava-vae", "printed", "f"),
    Case("Eq. 6: Phi of AVA1", "ava1", "printed", "g"),
    Case("Eq. 7 as one sum on one pass: Psi of AVA1", "ava1", "letter", "d"),
    Case("Eq. 10: Psi of AVA2", "ava2", "printed", "d"),
    Case("Eq. 14: Theta of AVA3", "ava3", "printed", "f"),
    Case("Eq. 16: Lambda of AVA4", "ava4", "printed", "D"),
    Case("Eq. 6 as run: Phi of AVA1", "ava1", "as-run", "g"),
    Case("Eq. 14 as run: Theta of AVA3", "ava3", "as-run", "f"),
)


def cosines(seed: int = 0, sizes=SIZES, draws: int = DRAWS) -> list[Row]:
    """Every case for every size, over random and over trained networks."""
    rows = []
    for networks, passes in (("random", 0), ("trained", 3)):
        for m in sizes:
            pairs = [_pairs(m, passes, (seed, draw)) for draw in range(draws)]
            for what in pairs[0]:
                cosine = [_cosine(*pair[what]) for pair in pairs]
                off = [relative_norm(*pair[what]) for pair in pairs]
                rows.append(Row(what, networks, m, float(np.mean(cosine)), float(np.std(cosine)),
                                float(np.median(off))))
    order = list(pairs[0])
    return sorted(rows, key=lambda row: order.index(row.what))


def format_rows(rows: list[Row]) -> list[str]:
    """The table as lines, the sizes side by side."""
    sizes = sorted({row.m for row in rows})
    lines = ["Cosine of printed update and true gradient, mean +- spread, and median relative "
             "distance", f"{'':<46} {'networks':<9}" + "".join(f"{f'm = {m}':>25}" for m in sizes)]
    for what in dict.fromkeys(row.what for row in rows):
        for networks in ("random", "trained"):
            cells = {row.m: f"{row.cosine:+.3f} +- {row.spread:.3f} {row.off:7.2f}"
                     for row in rows if (row.what, row.networks) == (what, networks)}
            lines.append(f"{what:<46} {networks:<9}" + "".join(f"{cells[m]:>25}" for m in sizes))
    return lines


def _pairs(m: int, passes: int, seed) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(printed, true) of every case, for one draw of networks, image and r."""
    rng = np.random.default_rng((m, passes, *seed))
    images = _images(rng, m)
    head, p = DiagonalHead(N), plan("ava5", "printed-mean")
    players = build_players(m, N, HIDDEN, p, PROTOCOL, rng, np.dtype(np.float64), head)
    train = Step(p, PROTOCOL, head)
    for i in range(passes * N_IMAGES):
        train(players, images[[i % N_IMAGES]], rng.standard_normal((1, N)), min(0.1, 10 / m))
    x = images[:1]
    r = rng.standard_normal((1, N))
    pairs = {case.what: tuple(_update(case._replace(rules=rules), players, x, r)
                              for rules in (case.rules, "exact")) for case in CASES}
    return {"Eq. 6: its pull alone, in Phi's net input": _pulls(players, x, r)} | pairs


def _images(rng, m):
    """Noise around a random background, which is what there is to learn."""
    return np.clip(rng.random(m) + 0.1 * rng.standard_normal((N_IMAGES, m)), 0, 1)


def _update(case: Case, players: Players, x, r) -> np.ndarray:
    """What a step of rate 1 adds to the player's parameters."""
    step = Step(plan(case.model, case.rules), PROTOCOL, DiagonalHead(N))
    errors = step.errors(players, x, r)[2][case.player]
    network = getattr(copies(players), case.player)
    before = network.params.copy()
    ascend(network, errors, 1.0, PROTOCOL.order)
    return network.params - before


def _pulls(players: Players, x, r):
    """The pull of d in the decoder's error: at unit weights, and through d."""
    step = Step(plan("ava1", "printed"), PROTOCOL, DiagonalHead(N))
    _, z, _ = step.errors(players, x, r)
    x_, _ = players.g.forward(z)
    d, caches = players.d.forward(x_)
    pull, slope = RULES["pull"](d, PROTOCOL.s), step.slope(x_)
    return pull * slope, players.d.propagate(pull, caches, below_output=True) * slope


def _cosine(a, b) -> float:
    return float(a.ravel() @ b.ravel() / (np.linalg.norm(a) * np.linalg.norm(b)))
