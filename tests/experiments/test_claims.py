"""The paper's claims: in its own numbers, and over made-up seeds whose verdict is known."""

import math

import pytest

from avanet.ava.published import MODELS, PUBLISHED, PUBLISHED_TABLE3, Table3, table3
from avanet.experiments.claims import (
    CLAIMS, Claim, as_run_reveals, claims_table, evaluate, published_claims_table, seed_table3,
)

ABOVE = Claim("mean: AVA1 > GAN", "mean", "ava1", +1, ("gan",))
HIGHEST = Claim("AVA5: highest mean of all", "mean", "ava5", +1, ("gan", "vae"))


def means(**models):
    """Samples whose seeds have these means."""
    return {model: {seed: Table3(mean, math.nan, math.nan, math.nan)
                    for seed, mean in enumerate(values)} for model, values in models.items()}


def line(model, rate, seed, bm, rules="as-run"):
    return {"rules": rules, "model": model, "rate": rate, "seed": seed, "bm_abs": bm,
            "bm_printed": bm, "n_images": 36}


def test_the_paper_contradicts_itself_where_it_is_known_to():
    rows = {row[0]: row[1:] for row in published_claims_table().rows}
    assert len(rows) == len(CLAIMS)
    failing = {text: row for text, row in rows.items() if set(row) != {"holds"}}
    assert failing == {'mean: AVA4 < VAE ("all AVA variants")': ("fails", "fails"),
                       "SD: AVA3 ≤ VAE": ("holds", "fails")}


def test_equal_numbers_hold_only_where_the_paper_says_or_equal():
    strict = Claim("", "sd", "ava3", -1, ("vae",))
    loose = Claim("", "sd", "ava3", -1, ("vae",), or_equal=True)
    assert not strict.holds_in(PUBLISHED_TABLE3) and loose.holds_in(PUBLISHED_TABLE3)


@pytest.mark.parametrize("ava1, gan, verdict", [
    ([0.211, 0.212, 0.213, 0.214], [0.201, 0.202, 0.203, 0.204], "holds"),
    ([0.201, 0.202, 0.203, 0.204], [0.211, 0.212, 0.213, 0.214], "fails"),
    ([0.211, 0.202, 0.213, 0.204], [0.201, 0.212, 0.203, 0.210], "not settled"),
    ([0.211, 0.212], [0.211, 0.212], "not settled"),
    ([0.211], [0.201], "one seed, untested"),
    ([], [0.201], "not available"),
])
def test_unpaired_verdicts(ava1, gan, verdict):
    assert evaluate(ABOVE, means(ava1=ava1, gan=gan), paired=False).verdict == verdict


def test_pairing_settles_what_drowns_unpaired_and_uses_common_seeds():
    gan = [0.20, 0.21, 0.22, 0.23]
    samples = means(ava1=[0.2011, 0.2110, 0.2209], gan=gan)
    assert evaluate(ABOVE, samples, paired=False).verdict == "not settled"
    outcome = evaluate(ABOVE, samples, paired=True)
    assert outcome.verdict == "holds"
    assert outcome.difference == pytest.approx(0.001)
    assert outcome.test.df == 2


def test_the_same_numbers_are_identical():
    samples = means(ava1=[0.21, 0.22], gan=[0.21, 0.22])
    outcome = evaluate(ABOVE, samples, paired=True)
    assert outcome.verdict == "identical" and outcome.test.seeds == math.inf


def test_one_rival_is_enough_against_a_claim_about_all():
    low, close = [0.10, 0.11, 0.12], [0.2090, 0.2101, 0.2112]
    ours = [0.2091, 0.2099, 0.2113]
    outcome = evaluate(HIGHEST, means(ava5=ours, vae=low, gan=close), paired=False)
    assert (outcome.verdict, outcome.rival) == ("not settled", "gan")
    above = [bm + 0.1 for bm in ours]
    outcome = evaluate(HIGHEST, means(ava5=ours, vae=low, gan=above), paired=False)
    assert (outcome.verdict, outcome.rival) == ("fails", "gan")
    assert evaluate(HIGHEST, means(ava5=ours, vae=low, gan=low), paired=False).verdict == "holds"
    assert evaluate(HIGHEST, means(ava5=ours, vae=low), paired=False).verdict == "not available"


def test_a_claim_about_all_fails_only_after_correction_for_the_number_of_rivals():
    # mean -.0035, s = .002, n = 4: t = -3.5, p = .0395, below .05 but not below .05 / 2 rivals
    against = [-0.0035 + d for d in (0.001, -0.001, math.sqrt(5e-6), -math.sqrt(5e-6))]
    samples = means(ava5=against, gan=[0.0] * 4, vae=[-1.0, -1.1, -1.2, -1.3])
    outcome = evaluate(HIGHEST, samples, paired=True)
    assert outcome.test.p == pytest.approx(0.0395, abs=1e-4) and outcome.verdict == "not settled"
    single = Claim("", "mean", "ava5", +1, ("gan",))
    assert evaluate(single, samples, paired=True).verdict == "fails"


def test_a_single_seed_names_the_closest_rival():
    outcome = evaluate(HIGHEST, means(ava5=[0.21], vae=[0.12], gan=[0.209]), paired=False)
    assert outcome.rival == "gan" and outcome.difference == pytest.approx(0.001)
    assert outcome.verdict == "one seed, untested"


def test_statistics_are_per_seed_and_over_the_same_rates():
    lines = [line("ava1", 1.0, 0, 0.1), line("ava1", 0.5, 0, 0.3), line("ava1", 1.0, 1, 0.2),
             line("ava1", 0.5, 1, None), line("gan", 1.0, 0, 0.2), line("gan", 1.0, 1, 0.2),
             line("gan", 0.5, 1, 0.2)]
    samples = seed_table3(lines)
    assert samples == {
        "ava1": {0: (pytest.approx(0.2), 0.3, 0.1, pytest.approx(math.sqrt(0.02)))},
        "gan": {1: (pytest.approx(0.2), 0.2, 0.2, 0.0)}}


def test_one_rate_has_no_sd_to_compare():
    lines = [line(model, 0.5, seed, 0.2 + 0.01 * seed) for model in MODELS for seed in range(3)]
    rows = claims_table("", lines, paired=True).rows
    assert {row[-2] for row in rows if "SD" in row[0]} == {"not available"}
    assert {row[-2] for row in rows if "SD" not in row[0]} == {"identical"}


def test_the_rows_of_a_table():
    lines = [line(model, rate, seed, bm + 0.001 * seed * (model == "gan"))
             for (model, rate), bm in PUBLISHED.items() for seed in range(2)]
    row = {row[0]: row for row in claims_table("t", lines, paired=True).rows}["mean: AVA5 > GAN"]
    # differences .000705 and -.000295 of the unrounded means: mean .000205, SD .001 / sqrt 2
    gap = table3(PUBLISHED)["ava5"].mean - table3(PUBLISHED)["gan"].mean - 0.0005
    assert row[1:4] == ("GAN", f"{gap:+.5f}", "0.00071")
    assert row[4] == f"{gap / 0.0005:.3g}" and row[6] == "not settled"
    assert row[5] == f"{1 - 2 / math.pi * math.atan(gap / 0.0005):.3f}"


def test_as_run_shows_which_models_are_the_same():
    shared = [line(model, 0.5, seed, 0.2 + 0.01 * seed) for model in MODELS for seed in range(2)]
    own = [line(model, 0.5, 0, 0.2 + 0.001 * k) for k, model in enumerate(MODELS)]
    own += [line("ava1", 0.3, 0, 0.2), line("ava2", 0.3, 0, 0.2005)]
    own.append(line("ava1", 0.1, 0, None))
    own.append(line("ava2", 0.1, 0, 0.5))
    own.append(line("ava1", 0.5, 0, 0.9, rules="printed"))
    text = "\n".join(as_run_reveals(own, shared))
    assert "AVA1 and AVA2 with shared draws: identical, pairs of runs: 2." in text
    assert ("AVA1 and AVA2 with draws of their own: largest difference 0.00100, "
            "pairs of runs: 2.") in text
    assert "AVA3 and AVA4 in the published tables: mean difference 0.0042 per cell." in text


def test_two_groups_need_complete_seeds_of_both():
    groups = {"ava1": 0.21, "gan": 0.2, "vae": 0.12}
    lines = [line(model, 0.5, 0, bm) for model, bm in groups.items()]
    assert "0.2000 to 0.2100, those of AVA3, AVA4 and VAE in 0.1200 to 0.1200" in \
        as_run_reveals(lines, [])[-1]
    assert "Two groups" not in as_run_reveals(lines[:2], [])[-1]


def test_other_rule_sets_reveal_nothing():
    assert as_run_reveals([line("ava1", 0.5, 0, 0.2, rules="printed")], []) == []
