"""Total correlation of a Gaussian code, estimated from a mini-batch, with its gradient."""

from collections.abc import Callable

import numpy as np

LOG_2PI = float(np.log(2 * np.pi))


def weighted(M: int, N: int) -> np.ndarray:
    """log W_ij = -log M: minibatch-weighted sampling.

    Printed is 1 / (N M) (Sec. VI-A). Left out here is the N: it has no gradient, it adds
    (n - 1) log N to the total correlation, and without it a code that has collapsed has none.
    """
    return np.full((M, M), -np.log(M))


def stratified(M: int, N: int) -> np.ndarray:
    """log W_ij, W_ii = 1 / N, (N - M + 1) / (N (M - 1)) for one other j, else 1 / (M - 1).

    The other is j = i + 1, the last image's the first. Each row sums to 1, and q(z_i) is unbiased:
    its own image counts once in N. Source: Chen et al., "Isolating sources of disentanglement in
    variational autoencoders", 2018, appendix C.2.
    """
    if M == 1:
        return np.zeros((1, 1))
    W = np.full((M, M), 1 / (M - 1))
    own = np.arange(M)
    W[own, (own + 1) % M] = (N - M + 1) / (N * (M - 1))
    W[own, own] = 1 / N
    return np.log(W)


ESTIMATES: dict[str, Callable[[int, int], np.ndarray]] = {
    "weighted": weighted, "stratified": stratified}


def total_correlation(mu: np.ndarray, log_var: np.ndarray, z: np.ndarray, log_W: np.ndarray):
    """TC = mean_i [log q(z_i) - sum_d log q(z_id)], with q from the M images of a batch.

    a_ijd = log N(z_id; mu_jd, exp l_jd), A_ij = sum_d a_ijd, and

        log q(z_i) = log sum_j W_ij exp A_ij,   log q(z_id) = log sum_j W_ij exp a_ijd.

    The derivative of a log sum exp is a softmax: with R_ij that of A_ij + log W_ij over j, and
    r_ijd that of a_ijd + log W_ij,

        dTC/da_ijd = (R_ij - r_ijd) / M =: c_ijd.

    With sigma = exp(l / 2) and u_ijd = (z_id - mu_jd) / sigma_jd, a = -(u^2 + l + log 2 pi) / 2, so

        dTC/dz_id  = -sum_j c_ijd u_ijd / sigma_jd,
        dTC/dmu_jd =  sum_i c_ijd u_ijd / sigma_jd,
        dTC/dl_jd  =  sum_i c_ijd (u_ijd^2 - 1) / 2.

    mu, log_var, z : (M, n), log_W : (M, M). Returns (value, (dz, dmu, dlog_var)), each with the
    other two held fixed: what z = mu + sigma epsilon passes on to mu and l comes on top.
    """
    log_W = log_W.astype(z.real.dtype)
    over_sigma = np.exp(-log_var / 2)
    u = (z[:, None] - mu) * over_sigma
    a = -(u * u + log_var + LOG_2PI) / 2
    log_q, R = _log_sum_exp(a.sum(axis=2) + log_W)
    log_q_d, r = _log_sum_exp(a + log_W[..., None])
    c = (R[..., None] - r) / len(z)
    pull = c * u * over_sigma
    value = (log_q - log_q_d.sum(axis=1)).sum() / len(z)
    return value, (-pull.sum(axis=1), pull.sum(axis=0), (c * (u * u - 1)).sum(axis=0) / 2)


def _log_sum_exp(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log sum_j exp a_ij..., and the softmax over j."""
    largest = a.real.max(axis=1, keepdims=True)
    e = np.exp(a - largest)
    total = e.sum(axis=1, keepdims=True)
    return (np.log(total) + largest)[:, 0], e / total
