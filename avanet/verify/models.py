"""Every model under every rule set, as a whole: one update against the players' objectives."""

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import NamedTuple

import numpy as np

from avanet.ava.heads import HEADS
from avanet.ava.plans import RULE_SETS, VARIANTS, Plan, plan
from avanet.ava.protocol import Protocol
from avanet.ava.rules import EXACT, HEURISTIC, RULES, UNIT_WEIGHT, Rule
from avanet.ava.step import Players, Step, build_players
from avanet.nn import Dense, Sequential
from avanet.nn.gradcheck import TOLERANCES, check_function
from avanet.verify import objectives as o
from avanet.verify.players import OBJECTIVES, Point
from avanet.verify.result import Item, Outcome, of_report, relative_norm, together, within

M, N, HIDDEN = 5, 2, 3
DIFFERS = 1e-3  # what rules that are not exact must differ by from the true gradient, in norm
GREEK = {"f": "Theta", "g": "Phi", "d": "Psi", "D": "Lambda"}


class Setting(NamedTuple):
    """Under which circumstances a whole model is checked."""

    batch: int
    covariance: str
    s: float
    m: float


SETTINGS = (Setting(3, "diagonal", 1.3, -0.2), Setting(1, "diagonal", 0.5, 0.5),
            Setting(1, "full", 0.5, 0.5), Setting(3, "full", 0.9, 0.3))


def layers(network: Sequential) -> o.Network:
    """(W, b) of every dense layer, copied."""
    return [(layer.W.copy(), layer.b.copy()) for layer in network.layers
            if isinstance(layer, Dense)]


def _layers_of(player: Sequential | None):
    return None if player is None else layers(player)


def flat(network: o.Network) -> np.ndarray:
    """All weights and biases in one vector."""
    return np.concatenate([part.ravel() for pair in network for part in pair])


def copies(players: Players) -> Players:
    """The same networks again, with parameters of their own."""
    return Players(*(player and _copy(player) for player in players))


def _copy(network: Sequential) -> Sequential:
    copy = Sequential(deepcopy(network.layers), dtype=network.params.dtype, name=network.name)
    copy.params[:] = network.params
    return copy


class Whole:
    """A model under a rule set, with random weights and biases, at random x and r.

    It has the networks that the exact rules need too, so that the two can be compared.
    """

    def __init__(self, model: str, rules: str, setting: Setting, seed: int):
        rng = np.random.default_rng((seed, 7))
        self.model, self.rules, self.setting = model, rules, setting
        self.head = HEADS[setting.covariance](N)
        self.protocol = Protocol("glorot", setting.s, setting.m, "simultaneous")
        used, exact = (build_players(M, N, HIDDEN, plan(model, name), self.protocol, rng,
                                     np.dtype(np.float64), self.head) for name in (rules, "exact"))
        self.players = Players(*(a or b for a, b in zip(used, exact)))
        for player in filter(None, self.players):
            player.params += 0.2 * rng.standard_normal(player.params.shape)
        self.x = rng.random((setting.batch, M))
        self.r = rng.standard_normal((setting.batch, N))

    def point(self) -> Point:
        """The networks at their present weights, for the formulas."""
        weights = o.Weights(*map(_layers_of, self.players))
        a = o.logistic(self.setting.s, self.setting.m)
        return Point(weights, self.x, self.r, a, self.setting.covariance == "full")

    def objective(self):
        """What each player maximises, with everything else frozen at the present weights."""
        return OBJECTIVES[self.rules](VARIANTS[self.model], self.point())

    def update(self, p: Plan | None = None, table: Mapping[str, Rule] = RULES):
        """{player: what a step of rate 1 adds to its weights}, all at the old parameters.

        p is the plan to follow, by default that of the model under the rule set.
        """
        moved = copies(self.players)
        p = p or plan(self.model, self.rules)
        Step(p, self.protocol, self.head, table)(moved, self.x, self.r, 1.0)
        return {name: [(W - V, b - c) for (W, b), (V, c) in zip(layers(new), layers(old))]
                for name, new, old in zip(Players._fields, moved, self.players) if old is not None}


def check_model(model: str, rules: str, seed: int = 0,
                table: Mapping[str, Rule] = RULES) -> Outcome:
    """A simultaneous step's update of all players equals the gradients of their objectives.

    For every setting. Rules that are not exact must also differ from the true gradients.
    """
    wholes = [Whole(model, rules, setting, seed) for setting in SETTINGS]
    outcomes = [_check_update(whole, table) for whole in wholes]
    if rules != "exact":
        outcomes.append(_check_differs(wholes[0], table))
    return together(*outcomes)


def _check_update(whole, table):
    objective, update = whole.objective(), whole.update(table=table)
    outcomes = []
    for name, change in update.items():
        if name in objective.trained:
            outcomes.append(_compare(objective, name, change, whole.setting.covariance))
        else:
            moved = max(np.abs(part).max() for pair in change for part in pair)
            outcomes.append(within(moved, 0, f"{GREEK[name]} is never updated"))
    return together(*outcomes)


def _compare(objective, name, change, covariance):
    of_player = getattr(objective, name)
    report = check_function(lambda **at: of_player(_network(at)),
                            _named(getattr(objective.p.w, name)), _named(change))
    return of_report(report, f"{GREEK[name]}, {covariance}")


def _check_differs(whole, table):
    """How far the printed update is from the true gradients, of all players at once."""
    printed, true = whole.update(table=table), whole.update(plan(whole.model, "exact"))
    got, expected = (np.concatenate([flat(update[name]) for name in true])
                     for update in (printed, true))
    off = relative_norm(got, expected)
    return Outcome(0, off > DIFFERS, f"{off:.0%} off the true gradient")


def _named(network: o.Network):
    return {f"{letter}{k}": part for k, pair in enumerate(network, 1)
            for letter, part in zip("Wb", pair)}


def _network(at) -> o.Network:
    return [(at[f"W{k}"], at[f"b{k}"]) for k in range(1, len(at) // 2 + 1)]


def grade(model: str, rules: str) -> str:
    """The lowest grade among the rules that the model uses."""
    v = VARIANTS[model]
    adversarial, leaning = v.assess_decoder or v.assess_encoder, v.lean_decoder or v.lean_encoder
    if rules == "exact":
        return EXACT
    if rules.startswith("as-run") or leaning or (rules == "letter" and adversarial):
        return HEURISTIC
    return UNIT_WEIGHT if adversarial else "exact (KL)"


PRINTED = {"ava1": "5, 6, 7", "ava2": "5, 6, 10", "ava3": "6, 13, 14", "ava4": "6, 14, 16",
           "ava5": "6, 10, 14, 16", "ava-vae": "5, 6", "ava-gan": "6, 7"}
LOSSES = {"ava1": "3, 4", "ava2": "3, 9", "ava3": "11, 12", "ava4": "12, 15", "ava5": "9, 12, 15",
          "ava-vae": "1", "ava-gan": "2"}


def items() -> list[Item]:
    """One item a model and rule set."""
    equations = {(model, rules): (LOSSES if rules == "exact" else PRINTED).get(model, "-")
                 for rules in RULE_SETS for model in VARIANTS}
    return [Item(f"model {model}, {rules}", f"Eq. {numbers}",
                 "every player's own, by all its parameters", grade(model, rules), "complex",
                 TOLERANCES["complex"], partial(check_model, model, rules))
            for (model, rules), numbers in equations.items()]
