"""The paper's equations, one by one: each rule is held to its objective and to its grade."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.ava import rules as r
from avanet.ava.rules import RULES
from avanet.verify.equations import CHECKS, PRINTED_AND_TRUE, check_closed_form, check_rule

verdicts = st.floats(0.01, 0.99)
slopes = st.floats(0.1, 4)
midpoints = st.floats(-2, 2)


def planted(rule, component=0):
    """The rule with one component of its result off by 1e-6 of the largest."""
    def wrong(*terms):
        error = np.array(rule.f(*terms))
        error.flat[component] += 1e-6 * np.abs(error).max()
        return error
    return replace(rule, f=wrong)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", RULES)
def test_rule_is_the_gradient_of_its_objective(name, seed):
    outcome = check_rule(name, seed)
    assert outcome.passed, outcome
    assert outcome.error < 1e-12


@pytest.mark.parametrize("component", [0, -1])
@pytest.mark.parametrize("name", RULES)
def test_planted_error_is_caught(name, component):
    wrong = RULES | {name: planted(RULES[name], component)}
    assert not check_rule(name, 0, wrong).passed


def test_planted_error_above_the_diagonal_is_caught():
    wrong = RULES | {"cholesky_error": planted(RULES["cholesky_error"], component=1)}
    assert not check_rule("cholesky_error", 0, wrong).passed


@pytest.mark.parametrize("name", ["pull", "real_error", "fake_error"])
def test_planted_error_in_a_closed_form_is_caught(name):
    assert check_closed_form(name).passed
    assert not check_closed_form(name, 0, RULES | {name: planted(RULES[name])}).passed


@pytest.mark.parametrize("name", PRINTED_AND_TRUE)
def test_repairing_the_paper_is_caught(name):
    """A printed rule that is called exact, or that becomes the true gradient, does not pass."""
    assert not check_rule(name, 0, RULES | {name: replace(RULES[name], grade="exact")}).passed


def test_repaired_leaning_is_caught():
    repaired = RULES | {"leaning_error": replace(
        RULES["leaning_error"], f=lambda d, slope, C, s: r.fake_error(d, s))}
    assert not check_rule("leaning_error", 0, repaired).passed


def test_every_rule_has_an_objective_and_a_known_grade():
    assert set(CHECKS) == set(RULES)
    assert {rule.grade for rule in RULES.values()} == {"exact", "unit-weight", "heuristic"}
    assert all(rule.objective and rule.equation for rule in RULES.values())
    assert set(PRINTED_AND_TRUE) == {n for n, rule in RULES.items() if rule.grade != "exact"}


def test_rule_without_an_objective_is_refused():
    with pytest.raises(LookupError, match="no objective is written for rule 'new'"):
        check_rule("new", 0, RULES | {"new": RULES["pull"]})


@settings(max_examples=50)
@given(verdicts, slopes, midpoints)
def test_closed_forms_are_the_literal_ratios(d, s, m):
    """a' / d and a' / (1 - d), a' by the complex step of a(v) at a(v) = d, for any s and m."""
    v = m + np.log(d / (1 - d)) / s
    slope = np.imag(1 / (1 + np.exp(-s * (v + 1e-30j - m)))) / 1e-30
    np.testing.assert_allclose(r.pull(d, s), slope / (1 - d), rtol=2e-13)
    np.testing.assert_allclose(r.real_error(d, s), slope / d, rtol=2e-13)
    np.testing.assert_allclose(r.fake_error(d, s), -slope / (1 - d), rtol=2e-13)


def test_closed_forms_at_the_ends():
    d = np.array([0.0, 1.0])
    assert r.pull(d, 0.5).tolist() == [0, 0.5]
    assert r.real_error(d, 0.5).tolist() == [0.5, 0]
    assert r.fake_error(d, 0.5).tolist() == [0, -0.5]


def test_rules_by_hand():
    # Eq. 14: -(0.75 - 1) 0.375;  Eq. 5: (2 - 1) / 2 0.5;  without the I: 2 / 2 0.5.
    assert r.mean_error(0.75, 1, 0.375) == 0.09375
    assert r.variance_error(0.5, 0.5) == 0.25
    assert r.variance_error(0.5, 0.5, 0.0) == 0.5
    # Eq. 6: ((1 - 0.5) + 1) 0.5;  Eq. 8: 0.75 + 0.5 2.
    assert r.decoder_error(1, 0.5, 1, 0.5) == 0.75
    assert r.sample_code(0.75, 0.25, 2) == 1.75
    # Eq. 10: C = (1 - 0.5) 0.5 + (0.25 - 0.5) 0.5;  -2 0.5 + 0.5 0.125.
    C = r.leaning_sum(np.array([[1, 0.25]]), np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]]))
    assert C.tolist() == [[0.125]]
    assert r.leaning_error(0.5, 0.5, C, 2).tolist() == [[-0.9375]]
    # As run: half the own output.
    assert r.own_output_pull(0.5) == 0.25
    # Full Sigma: diag(1 / L_ii) - L.
    L = np.array([[[0.5, 0], [0.3, 0.8]]])
    np.testing.assert_allclose(r.cholesky_error(L), [[[1.5, 0], [-0.3, 0.45]]], rtol=1e-15)
    # Eq. 12: e a'_g;  (h - mu) a'_f;  [h r / (2 sqrt Sigma) + (1 / Sigma - 1) / 2] a'_f.
    assert r.exact_decoder_error(0.5, 0.25) == 0.125
    assert r.exact_mean_error(0.75, 1, 0.5) == 0.125
    assert r.exact_variance_error(0.25, 0.5, 2, 0.5) == (1 + 1.5) * 0.5


def test_without_a_pull_the_mean_follows_the_kl_alone():
    mu, slope = np.array([[0.2, 0.7]]), np.array([[0.1, 0.2]])
    np.testing.assert_array_equal(r.mean_error(mu, 0, slope), -mu * slope)
