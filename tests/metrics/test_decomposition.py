"""The parts of the KL on Gaussian codes of which all are known."""

import numpy as np
import pytest

from avanet.metrics.decomposition import kl_parts
from avanet.metrics.likelihood import log_normal

RNG = np.random.default_rng(0)


def gaussian_code(N, S, v):
    """mu ~ N(0, S), q(z|x) = N(mu, v I): q(z) = N(0, S + v I). Codes, and the true parts."""
    rng = np.random.default_rng(1)
    n = len(S)
    mu = rng.standard_normal((N, n)) @ np.linalg.cholesky(S).T
    var = np.full((N, n), v)
    z = mu + np.sqrt(v) * rng.standard_normal((N, n))
    C = S + v * np.eye(n)
    d = np.diag(C)
    log_det = np.linalg.slogdet(C)[1]
    truth = ((log_det - n * np.log(v)) / 2, (np.log(d).sum() - log_det) / 2,
             (d - 1 - np.log(d)).sum() / 2)
    return mu, var, z, truth


S = np.array([[1.0, 0.6, 0], [0.6, 0.8, 0], [0, 0, 0.5]])


def test_of_gaussians_on_the_whole_data():
    *code, truth = gaussian_code(1500, S, 0.3)
    got = [part.mean() for part in kl_parts(*code)]
    np.testing.assert_allclose(got, truth, atol=0.07)


def test_of_gaussians_on_batches():
    """The log of an unbiased mean is a little low, so that the information is a little high."""
    mu, var, z, truth = gaussian_code(1536, S, 0.3)
    batches = [kl_parts(mu[k:k + 128], var[k:k + 128], z[k:k + 128], 1536)
               for k in range(0, 1536, 128)]
    got = np.mean([[part.mean() for part in batch] for batch in batches], axis=0)
    np.testing.assert_allclose(got, truth, atol=0.15)


def test_a_collapsed_code_has_no_parts():
    z = RNG.standard_normal((64, 32))
    for part in kl_parts(np.zeros((64, 32)), np.ones((64, 32)), z, 5000):
        np.testing.assert_allclose(part, 0, atol=1e-10)


def test_a_code_that_tells_every_image_has_the_information_of_its_number():
    mu = 1000 * np.arange(50.)[:, None] + np.zeros((50, 2))
    information, *_ = kl_parts(mu, np.ones((50, 2)), mu, 50)
    np.testing.assert_allclose(information, np.log(50))


@pytest.mark.parametrize("N", [None, 7, 12_345])
def test_the_parts_sum_to_the_kl(N):
    mu, log_var, epsilon = RNG.standard_normal((3, 7, 4))
    var = np.exp(log_var)
    z = mu + np.sqrt(var) * epsilon
    kl = (log_normal(z, mu, var) - log_normal(z, 0, 1)).sum(axis=1)
    np.testing.assert_allclose(sum(kl_parts(mu, var, z, N)), kl, rtol=0, atol=1e-10)


def test_the_estimate_by_loops(monkeypatch):
    from avanet.metrics import decomposition
    monkeypatch.setattr(decomposition, "BLOCK_BYTES", 200)  # a block is a part of the rows
    mu, z = RNG.standard_normal((2, 5, 2))
    var = RNG.random((5, 2)) + 0.1
    N, M = 30, 5

    def q(i, density):
        others = sum(density(i, j) for j in range(M) if j != i)
        return density(i, i) / N + (N - 1) / (N * (M - 1)) * others

    p = np.exp(log_normal(z[:, None], mu, var))
    information, correlation, _ = kl_parts(mu, var, z, N)
    for i in range(M):
        joint = q(i, lambda i, j: p[i, j].prod())
        single = [q(i, lambda i, j: p[i, j, d]) for d in range(2)]
        assert information[i] == pytest.approx(np.log(p[i, i].prod() / joint))
        assert correlation[i] == pytest.approx(np.log(joint / np.prod(single)))
