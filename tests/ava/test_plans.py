"""Variants and rule sets: which terms each player's error has."""

import pytest

from avanet.ava.plans import (
    DISCRIMINATOR, MEAN, NOTHING, OWN_OUTPUT, RULE_SETS, SUM, VARIANTS, Variant, plan, variant,
)
from avanet.errors import InputError

ALL = list(VARIANTS)
# encoder, decoder discriminator, leans the decoder, encoder discriminator, leans the encoder
FLAGS = {
    "ava1": (1, 1, 0, 0, 0),
    "ava2": (1, 1, 1, 0, 0),
    "ava3": (1, 0, 0, 1, 0),
    "ava4": (1, 0, 0, 1, 1),
    "ava5": (1, 1, 1, 1, 1),
    "ava-vae": (1, 0, 0, 0, 0),
    "ava-gan": (0, 1, 0, 0, 0),
}


@pytest.mark.parametrize("model", ALL)
def test_variants_have_the_papers_switches(model):
    assert VARIANTS[model] == Variant(*map(bool, FLAGS[model]))


def test_there_are_seven_models_and_six_rule_sets():
    assert set(VARIANTS) == set(FLAGS)
    assert list(RULE_SETS) == ["as-run", "printed", "printed-mean", "letter", "exact", "as-run-mu4"]


@pytest.mark.parametrize("model", ALL)
def test_printed(model):
    encoder, assess_d, lean_d, assess_D, lean_D = FLAGS[model]
    p = plan(model, "printed")
    assert p.encoder == encoder and p.reconstruct and not p.exact and not p.one_pass
    assert p.decoder_pull == (DISCRIMINATOR if assess_d else NOTHING)
    assert p.mean_pull == (DISCRIMINATOR if assess_D else NOTHING)
    assert (p.train_d, p.train_D) == (assess_d, assess_D)
    assert (p.lean_d, p.lean_D) == (SUM * lean_d, SUM * lean_D)
    assert (p.mean_factor, p.identity, p.lean_D_on_x) == (1, 1, False)
    assert (p.needs_d, p.needs_D, p.recode) == (assess_d, assess_D, assess_D)


@pytest.mark.parametrize("model", ALL)
def test_printed_mean_differs_in_the_leaning_alone(model):
    p, sums = plan(model, "printed-mean"), plan(model, "printed")
    assert (p.lean_d, p.lean_D) == (MEAN * bool(sums.lean_d), MEAN * bool(sums.lean_D))
    assert p._replace(lean_d=sums.lean_d, lean_D=sums.lean_D) == sums


def test_letter_keeps_an_untrained_d_in_ava3_and_ava4():
    for model in ("ava3", "ava4"):
        p = plan(model, "letter")
        assert p.decoder_pull == DISCRIMINATOR and p.needs_d and not p.train_d
    assert plan("ava-vae", "letter").decoder_pull == NOTHING


def test_letter_has_no_update_of_psi_in_ava5():
    p = plan("ava5", "letter")
    assert p.needs_d and not p.train_d
    assert p.train_D and p.lean_D_on_x and (p.lean_d, p.lean_D) == (SUM, SUM)
    assert [model for model in ALL if plan(model, "letter").lean_D_on_x] == ["ava5"]


def test_letter_takes_one_pass():
    assert all(plan(model, "letter").one_pass for model in ALL)


@pytest.mark.parametrize("model", ALL)
def test_as_run_needs_no_discriminator(model):
    _, assess_d, _, assess_D, _ = FLAGS[model]
    p = plan(model, "as-run")
    assert not any((p.needs_d, p.needs_D, p.train_d, p.train_D, p.lean_d, p.lean_D))
    assert p.decoder_pull == (OWN_OUTPUT if assess_d else NOTHING)
    assert p.mean_pull == (OWN_OUTPUT if assess_D else NOTHING)
    assert p.identity == 0 and p.reconstruct and p.recode == assess_D
    assert plan(model, "as-run-mu4") == p._replace(mean_factor=4)


def test_as_run_makes_pairs_of_models_the_same():
    assert plan("ava1", "as-run") == plan("ava2", "as-run")
    assert plan("ava3", "as-run") == plan("ava4", "as-run")


@pytest.mark.parametrize("model", ALL)
def test_exact_has_no_leaning(model):
    p = plan(model, "exact")
    assert p.exact and not p.lean_d and not p.lean_D
    assert (p.train_d, p.train_D) == (FLAGS[model][1], FLAGS[model][3])


def test_exact_gan_has_no_reconstruction():
    assert [model for model in ALL if not plan(model, "exact").reconstruct] == ["ava-gan"]
    assert plan("ava-gan", "printed").reconstruct


@pytest.mark.parametrize("name, near", [("ava7", "ava"), ("AVA5", "ava5"), ("ava-vea", "ava-vae")])
def test_unknown_model_names_the_nearest(name, near):
    with pytest.raises(InputError, match=f"unknown model '{name}': did you mean '{near}"):
        variant(name)


def test_unknown_rule_set_names_the_nearest():
    with pytest.raises(InputError, match="unknown rule set 'as_run': did you mean 'as-run'"):
        plan("ava1", "as_run")
