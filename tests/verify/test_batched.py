"""The check of a player's gradient: complete, and failing where an error is planted."""

import numpy as np
import pytest

from avanet.models import MODELS
from avanet.verify import batched, items
from avanet.verify.batched import CASES, check_player

SLOW = {("savae", "decoder")}
PLAYERS = [pytest.param(case, method, player, id=f"{case.model}-{k}-{player}-{method}",
                        marks=[pytest.mark.slow] if (case.model, player) in SLOW else [])
           for k, case in enumerate(CASES)
           for method, players in case.objectives.items() for player in players]


def test_every_model_is_on_the_list():
    names = [item.name for item in items.items()]
    for model in MODELS:
        assert any(name.startswith(f"model {model},") for name in names), model


def test_every_player_of_a_case_has_an_objective():
    for case in CASES:
        players = {player for of_method in case.objectives.values() for player in of_method}
        assert players == set(batched.small_model(case, 0).players_), case.model


@pytest.mark.parametrize("case, method, player", PLAYERS)
def test_planted_error_is_caught(case, method, player, monkeypatch):
    """One component of the gradient off by 1e-6 of the largest."""
    kind = batched.model_class(case.model)
    gradients = getattr(kind, method)

    def wrong(self, *arguments):
        losses = gradients(self, *arguments)
        grads = self.players_[player].grads
        grads[grads.size // 2] += 1e-6 * np.abs(grads).max()
        return losses

    monkeypatch.setattr(kind, method, wrong)
    assert not check_player(case, method, player, 1).passed


GAN = next(case for case in CASES if case.model == "gan")


def broken(monkeypatch, also):
    kind = batched.model_class("gan")
    gradients = kind.generator_gradients

    def wrong(self, batch, rng):
        losses = gradients(self, batch, rng)
        also(self.players_)
        return losses

    monkeypatch.setattr(kind, "generator_gradients", wrong)
    return check_player(GAN, "generator_gradients", "generator")


def test_a_gradient_that_reaches_a_frozen_player_is_caught(monkeypatch):
    def also(players):
        players["discriminator"].grads[0] += 1e-3

    outcome = broken(monkeypatch, also)
    assert not outcome.passed and "changes another player's grads" in outcome.note


def test_a_gradient_that_replaces_instead_of_adding_is_caught(monkeypatch):
    once = []

    def also(players):
        once.append(players["generator"].grads.copy())
        players["generator"].grads[:] = once[0]

    outcome = broken(monkeypatch, also)
    assert not outcome.passed and "does not add" in outcome.note
