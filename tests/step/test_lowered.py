"""What a player lowers is inferred from its gradient and the losses' derivatives."""

import numpy as np

from avanet.step.lowered import Slopes, fewest, lowered

A, B, C = np.random.default_rng(0).standard_normal((3, 9))
NOISE = 1e-11 * np.random.default_rng(1).standard_normal((2, 9))
ROUNDING = 1e-10


def exact(gradient, **losses):
    return Slopes(gradient, losses, 0.0)


def test_the_fewest_losses_with_their_weights():
    losses = {"a": A, "b": B, "c": C, "none": 0 * A}
    assert fewest(exact(0.5 * B, **losses)) == {"b": 0.5}
    assert fewest(exact(A - 2 * C, **losses)) == {"a": 1.0, "c": -2.0}
    assert fewest(exact(A, **losses, me=A), "me") == {"me": 1.0}
    assert fewest(exact(0 * A, **losses)) == {} == fewest(exact(np.arange(9.0), **losses))


def test_a_loss_that_hardly_moves_a_player_is_weighed_by_another():
    """On its own the second player's gradient says nothing of b, nor does rounding forbid it."""
    first = Slopes(A + 0.01 * B, {"a": A + NOISE[0], "b": B + NOISE[1]}, ROUNDING)
    second = Slopes(1e-5 * C, {"a": 1e-5 * C + NOISE[0], "b": NOISE[1]}, ROUNDING)
    assert fewest(second) == {"a": 1.0}
    assert lowered({"first": first, "second": second}) == {
        "first": {"a": 1.0, "b": 0.01}, "second": {"a": 1.0, "b": 0.01}}


def test_a_player_is_not_told_of_losses_that_do_not_depend_on_it():
    found = lowered({"encoder": exact(A + B, a=A, b=B), "decoder": exact(C, a=C, b=0 * C)})
    assert found == {"encoder": {"a": 1.0, "b": 1.0}, "decoder": {"a": 1.0}}


def test_players_with_objectives_of_their_own_keep_them():
    found = lowered({"g": exact(A, mine=B, other=A), "d": exact(C, mine=C, other=A)})
    assert found == {"g": {"other": 1.0}, "d": {"mine": 1.0}}


def test_a_wrong_gradient_far_smaller_than_the_other_player_s_is_not_hidden_by_it():
    right, small = exact(A, loss=A), 1e-9 * C
    assert lowered({"big": right, "small": exact(1.001 * small, loss=small)})["small"] != {
        "loss": 1.0}
    wrong = small.copy()
    wrong[3] *= 1.01
    assert lowered({"big": right, "small": exact(wrong, loss=small)}) == {
        "big": {"loss": 1.0}, "small": {}}


def test_nothing_is_told_of_a_gradient_below_rounding():
    slopes = Slopes(NOISE[0], {"a": NOISE[0]}, ROUNDING)
    assert fewest(slopes) == {}
    assert lowered({"big": exact(A, a=A), "none": slopes})["none"] == {}
