"""Likelihoods against a linear-Gaussian model, of which log p(x) is known."""

import numpy as np
import pytest

from avanet.metrics.likelihood import (
    elbo_parts, importance_weighted, kl_to_normal, log_mean_exp, log_normal,
)

RNG = np.random.default_rng(4)
N, n, m, NOISE = 6, 2, 5, 0.7
W = np.linalg.qr(RNG.standard_normal((m, n)))[0] * [1.5, 0.6]  # orthogonal: a diagonal posterior
B = RNG.standard_normal(m)
X = RNG.standard_normal((N, n)) @ W.T + B + NOISE * RNG.standard_normal((N, m))


def log_likelihood(Z):
    return log_normal(X, Z @ W.T + B, NOISE**2).sum(axis=1)


def truth():
    """log N(x; b, W W^T + s^2 I)."""
    covariance = W @ W.T + NOISE**2 * np.eye(m)
    d = X - B
    return -(np.einsum("ni,ij,nj->n", d, np.linalg.inv(covariance), d)
             + np.linalg.slogdet(covariance)[1] + m * np.log(2 * np.pi)) / 2


def posterior():
    precision = np.diag(W.T @ W) / NOISE**2 + 1
    return (X - B) @ W / NOISE**2 / precision, np.tile(1 / precision, (N, 1))


def test_with_the_true_posterior_one_draw_is_exact():
    bound = importance_weighted(log_likelihood, *posterior(), np.random.default_rng(0), K=1)
    np.testing.assert_allclose(bound, truth(), rtol=1e-12)


def test_with_another_posterior_many_draws_come_close():
    mu, var = posterior()
    wrong = mu + 0.2, 1.7 * var
    rng = np.random.default_rng(0)
    bounds = [np.mean([importance_weighted(log_likelihood, *wrong, rng, K) for _ in range(40)])
              for K in (1, 8, 200)]
    assert bounds[0] < bounds[1] < bounds[2]
    np.testing.assert_allclose(importance_weighted(log_likelihood, *wrong, rng, 4_000), truth(),
                               atol=0.03)


def test_the_elbo_is_short_by_the_kl_of_the_posteriors():
    mu, var = posterior()
    rng, q = np.random.default_rng(0), (mu + 0.2, 1.7 * var)
    parts = [elbo_parts(log_likelihood, *q, rng) for _ in range(4_000)]
    gap = truth() - np.mean([term - kl for term, kl in parts], axis=0)
    of_gaussians = ((0.04 / var + 1.7 - 1 - np.log(1.7)) / 2).sum(axis=1)
    np.testing.assert_allclose(gap, of_gaussians, atol=0.06)
    np.testing.assert_allclose(parts[0][1], parts[1][1])


def test_the_kl_and_the_density_by_quadrature():
    z, step = np.linspace(-12, 14, 200_001, retstep=True)
    q, p = (np.exp(log_normal(z, *of)) for of in ((0.8, 0.5), (0, 1)))
    assert q.sum() * step == pytest.approx(1)
    assert (q * (log_normal(z, 0.8, 0.5) - log_normal(z, 0, 1))).sum() * step == pytest.approx(
        float(kl_to_normal(np.array(0.8), np.array(0.5))), rel=1e-9)


def test_weights_beyond_the_range_of_exp():
    a = np.array([[-1e5, -1e5 + np.log(3)], [1e4, 1e4]])
    np.testing.assert_allclose(log_mean_exp(a, axis=1), [-1e5 + np.log(2), 1e4])
