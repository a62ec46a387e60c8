"""The encoder's heads: what the output layer says of Sigma, and how z is drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avanet.ava.heads import HEADS, CholeskyHead, DiagonalHead
from avanet.verify import objectives as o

N = 3
outputs = arrays(float, (2, CholeskyHead(N).width), elements=st.floats(0.05, 0.95))


def jacobian(sample, r):
    """dz/dr of one draw by the complex step: (n, n)."""
    n = len(r)
    return np.stack([o.derivative(lambda t: sample((r + t * np.eye(n)[j])[None])[0])
                     for j in range(n)], axis=1)


def test_widths():
    assert DiagonalHead(10).width == 20
    assert CholeskyHead(10).width == 10 + 55
    assert set(HEADS) == {"diagonal", "full"}


def test_diagonal_head_by_hand():
    mu, var = DiagonalHead(2).unpack(np.array([[0.1, 0.2, 0.25, 0.64]]))
    assert mu.tolist() == [[0.1, 0.2]] and var.tolist() == [[0.25, 0.64]]
    z = DiagonalHead(2).sample(mu, var, np.array([[2.0, -1.0]]))
    np.testing.assert_allclose(z, [[0.1 + 1.0, 0.2 - 0.8]], rtol=1e-15)


def test_cholesky_head_by_hand():
    # L = [[0.5, 0], [2 * 0.9 - 1, 0.4]];  z = mu + L (1, 2) = (0.1 + 0.5, 0.2 + 0.8 + 0.8).
    mu, L = CholeskyHead(2).unpack(np.array([[0.1, 0.2, 0.5, 0.9, 0.4]]))
    np.testing.assert_allclose(L, [[[0.5, 0], [0.8, 0.4]]], rtol=1e-15)
    z = CholeskyHead(2).sample(mu, L, np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(z, [[0.6, 1.8]], rtol=1e-15)


@settings(max_examples=30)
@given(outputs)
def test_unpacking_agrees_with_the_formulas(y):
    mu, L = CholeskyHead(N).unpack(y)
    expected_mu, expected_L = o.unpack(y, N, True)
    np.testing.assert_array_equal(mu, expected_mu)
    np.testing.assert_array_equal(L, expected_L)


@settings(max_examples=30)
@given(outputs)
def test_sigma_is_a_covariance_and_z_has_it_by_algebra(y):
    """z is affine in r; its Jacobian J makes cov z = J J^T = L L^T, positive definite."""
    head = CholeskyHead(N)
    mu, L = head.unpack(y)
    Sigma = L[0] @ L[0].T
    assert np.linalg.eigvalsh(Sigma).min() > 0
    J = jacobian(lambda r: head.sample(mu[:1], L[:1], r), np.ones(N))
    np.testing.assert_allclose(J @ J.T, Sigma, atol=1e-14)


@pytest.mark.parametrize("head", [DiagonalHead(N), CholeskyHead(N)])
def test_drawn_covariance(head):
    """Mean and covariance of 200,000 draws, within five standard errors of about 0.002."""
    rng = np.random.default_rng(4)
    mu, root = head.unpack(rng.uniform(0.2, 0.8, (1, head.width)))
    count = 200_000
    z = head.sample(np.repeat(mu, count, 0), np.repeat(root, count, 0),
                    rng.standard_normal((count, N)))
    Sigma = np.diag(root[0]) if root.ndim == 2 else root[0] @ root[0].T
    np.testing.assert_allclose(z.mean(axis=0), mu[0], atol=0.01)
    np.testing.assert_allclose(np.cov(z.T), Sigma, atol=0.015)


def test_elementwise_root_has_the_row_sums_as_variances():
    """A_ij = sqrt(Sigma_ij), Eq. 8 read for a full Sigma: (A A^T)_ii = sum_j Sigma_ij."""
    L = np.tril(np.random.default_rng(5).uniform(0.2, 1, (N, N)))
    Sigma = L @ L.T
    A = np.sqrt(Sigma)
    np.testing.assert_allclose(np.diag(A @ A.T), Sigma.sum(axis=1), rtol=1e-14)
    assert np.abs(np.diag(A @ A.T) - np.diag(Sigma)).max() > 0.1
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.sqrt(np.array([[1, -0.5], [-0.5, 1]]))).any()


def test_logistic_matrix_is_practically_never_positive_definite():
    """2000 random n x n outputs, n = 10; from a zero start the matrix has rank one."""
    rng = np.random.default_rng(6)
    v = rng.standard_normal((2000, 10, 10))
    y = 1 / (1 + np.exp(-(v - 0.5) / 2))
    smallest = np.linalg.eigvalsh((y + y.transpose(0, 2, 1)) / 2).min(axis=1)
    assert (smallest > 0).sum() == 0
    gray = np.full((10, 10), 1 / (1 + np.exp(0.25)))
    assert np.linalg.matrix_rank(gray) == 1


def test_gradients_of_the_kl_by_a_full_sigma():
    """dKL/dSigma = (I - Sigma^-1) / 2 by free entries; a symmetric pair counts twice."""
    L = np.tril(np.random.default_rng(7).uniform(0.3, 1, (N, N)))
    Sigma, mu = L @ L.T, np.full((1, N), 0.3)
    free = o.gradient(lambda S: o.kl_full(mu, S[None]), Sigma)
    np.testing.assert_allclose(free, (np.eye(N) - np.linalg.inv(Sigma)) / 2, atol=1e-12)
    pair = np.zeros((N, N))
    pair[0, 1] = pair[1, 0] = 1
    together = o.derivative(lambda t: o.kl_full(mu, (Sigma + t * pair)[None]))
    np.testing.assert_allclose(together, 2 * free[0, 1], atol=1e-12)


@pytest.mark.parametrize("covariance", HEADS)
def test_errors_of_the_heads_are_gradients(covariance):
    """-KL, and with h the rest through z, by the packed outputs (slope 1: no activation)."""
    rng = np.random.default_rng(8)
    head = HEADS[covariance](N)
    full = covariance == "full"
    y = rng.uniform(0.2, 0.8, (2, head.width))
    h, r = rng.standard_normal((2, N)), rng.standard_normal((2, N))
    _, root = head.unpack(y)

    def gain(y, weight):
        mu, root = o.unpack(y, N, full)
        return -o.kl_of_code(mu, root) + weight * (h * o.sample(mu, root, r)).sum(axis=1)

    np.testing.assert_allclose(head.kl_error(root, 1.0, 1.0),
                               o.gradient(lambda y: gain(y, 0), y)[:, N:], rtol=1e-12)
    np.testing.assert_allclose(head.exact_error(root, h, r, 1.0),
                               o.gradient(lambda y: gain(y, 1), y)[:, N:], rtol=1e-12)
