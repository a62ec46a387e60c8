"""The toys: integrals against closed forms, and what holds for every discriminator."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.experiments.gan_toys import (
    GRID, LOG_4, STEP, TOYS, TWO_MODES, best_reply, binned_jsd, gaussian, jsd, kl, optimal_logit,
    value,
)

PAIRS = {toy: [density.log_density(GRID) for density in pair] for toy, pair in TOYS.items()}


def test_densities_integrate_to_one_and_match_their_samples_and_masses():
    for density in (gaussian(1, 0.7), TWO_MODES):
        p = np.exp(density.log_density(GRID))
        assert p.sum() * STEP == pytest.approx(1, abs=1e-11)
        x = density.sample(50_000, np.random.default_rng(0))
        assert x.shape == (50_000, 1)
        assert x.mean() == pytest.approx((p * GRID).sum() * STEP, abs=0.05)
        assert (x**2).mean() == pytest.approx((p * GRID**2).sum() * STEP, rel=0.02)
        edges = np.array([-1, 0, 2.5])
        expected = [p[(GRID > a) & (GRID < b)].sum() * STEP for a, b in ((-1, 0), (0, 2.5))]
        np.testing.assert_allclose(density.masses(edges), [*expected, 1 - sum(expected)], atol=5e-3)


def test_the_divergence_of_gaussians_is_the_known_one():
    p, q = gaussian(0.5, 1.5), gaussian(-1, 2)
    known = math.log(2 / 1.5) + (1.5**2 + 1.5**2) / (2 * 4) - 0.5
    assert kl(p.log_density(GRID), q.log_density(GRID)) == pytest.approx(known, abs=1e-10)


def test_densities_far_apart_are_a_bit_apart():
    assert jsd(gaussian(-7, .3).log_density(GRID), gaussian(7, .3).log_density(GRID)) == \
        pytest.approx(math.log(2), abs=1e-10)


@pytest.mark.parametrize("toy", TOYS)
def test_the_criterion_has_the_factor_two(toy):
    log_p, log_q = PAIRS[toy]
    c, divergence = value(log_p, log_q, optimal_logit(log_p, log_q)), jsd(log_p, log_q)
    assert abs(c + LOG_4 - 2 * divergence) < 1e-10
    assert (abs(c + LOG_4 - divergence) < 1e-10) == (toy == "equal")
    assert divergence == pytest.approx(jsd(log_q, log_p), abs=1e-12)


@pytest.mark.parametrize("toy", TOYS)
def test_golden_sections_find_the_optimal_discriminator(toy):
    log_p, log_q = PAIRS[toy]
    p, q = np.exp(log_p), np.exp(log_q)
    seen = p + q > 1e-12
    np.testing.assert_allclose(best_reply(log_p, log_q)[seen], (p / (p + q))[seen], atol=1e-7)


@settings(max_examples=40)
@given(st.sampled_from(sorted(TOYS)), st.floats(-2, 2), st.floats(-2, 2), st.floats(0.2, 3))
def test_no_discriminator_is_worth_more(toy, a, b, w):
    log_p, log_q = PAIRS[toy]
    best = optimal_logit(log_p, log_q)
    c = value(log_p, log_q, best)
    assert value(log_p, log_q, best + a * np.sin(w * GRID) + b) <= c + 1e-12
    assert value(log_p, log_q, a * GRID + b) <= c + 1e-12


def test_binned_divergence_by_hand():
    p, q = np.array([0.5, 0.5, 0]), np.array([0, 0.5, 0.5])
    assert binned_jsd(p, q) == pytest.approx(math.log(2) / 2)
    assert binned_jsd(p, p) == 0
