"""What a player lowers: the losses whose derivatives, weighted, are the gradient it took.

The weights are inferred from numbers alone. Players that step on one objective are asked together,
since a loss that hardly moves one of them moves another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

FITS = 1e-6      # how near a sum of losses must come to a gradient, relative to it
AS_WELL = 10     # times the least distance: what differences of floating-point numbers leave open
LARGEST_SUM = 3  # losses that are tried together


@dataclass(frozen=True)
class Slopes:
    """A player's gradient, each loss's numerical derivative by the same weights, and `rounding`:
    how far, in norm, floating-point numbers may put these derivatives off."""

    gradient: np.ndarray
    losses: Mapping[str, np.ndarray]
    rounding: float

    def told_by(self, weights: Mapping[str, float]) -> bool:
        """Whether the weighted sum is the gradient, and the gradient more than rounding."""
        norm = float(np.linalg.norm(self.gradient))
        off = float(np.linalg.norm(self.sum(weights) - self.gradient))
        return norm > self.rounding and off <= FITS * norm + self.rounding

    def sum(self, weights: Mapping[str, float]) -> np.ndarray:
        """The weighted sum of the losses' derivatives."""
        return sum((w * self.losses[name] for name, w in weights.items()),
                   np.zeros(len(self.gradient)))


def lowered(players: Mapping[str, Slopes]) -> dict[str, dict[str, float]]:
    """The losses, with their weights, that each of the players that step together lowers.

    One sum for all of them if there is one, without the losses that do not depend on a player;
    else one of its own. Empty where none is told by the numbers.
    """
    names = {name for slopes in players.values() for name in slopes.losses}
    one = fewest(Slopes(
        np.concatenate([slopes.gradient for slopes in players.values()]),
        {name: np.concatenate([slopes.losses[name] for slopes in players.values()])
         for name in sorted(names)},
        float(np.linalg.norm([slopes.rounding for slopes in players.values()]))))
    found = {}
    for player, slopes in players.items():
        own = {name: w for name, w in one.items() if slopes.losses[name].any()}
        found[player] = own if slopes.told_by(own) else fewest(slopes, player)
    return found


def fewest(slopes: Slopes, player: str = "") -> dict[str, float]:
    """The fewest losses, with their weights, whose derivatives add up to a gradient.

    The loss that is named like the player is tried first; weights are found by least squares, and
    written with the fewest digits. "Fewest" counts what fits as well as anything that was tried:
    within `AS_WELL` of the best. Empty if no sum of up to `LARGEST_SUM` losses fits, or the
    gradient is no more than rounding.
    """
    moving = sorted((name for name, slope in slopes.losses.items() if slope.any()),
                    key=lambda name: name != player)
    fits = []
    for count in range(1, LARGEST_SUM + 1):
        for names in combinations(moving, count):
            columns = np.stack([slopes.losses[name] for name in names], axis=1)
            weights = np.linalg.lstsq(columns, slopes.gradient, rcond=None)[0]
            off = float(np.linalg.norm(columns @ weights - slopes.gradient))
            fits.append((off, names, columns, weights))
    if not fits:
        return {}
    least = min(off for off, *_ in fits)
    _, names, columns, weights = next(fit for fit in fits if fit[0] <= AS_WELL * least)
    if not slopes.told_by(dict(zip(names, weights.tolist()))):
        return {}
    rounded = ([float(f"{w:.{digits}g}") for w in weights] for digits in range(1, 7))
    short = next((some for some in rounded
                  if np.linalg.norm(columns @ some - slopes.gradient) <= AS_WELL * least),
                 weights.tolist())
    return dict(zip(names, short))
