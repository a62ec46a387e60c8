"""What the KL of a Gaussian code is made of: mutual information, total correlation, the rest.

    E_x KL(q(z|x) || p(z)) = I(z; x) + KL(q(z) || prod_d q(z_d)) + sum_d KL(q(z_d) || p(z_d))

with q(z) the mean of q(z|x) over the data. It holds in expectation over the data only. Source:
Chen et al., "Isolating sources of disentanglement in variational autoencoders", 2018, Eq. 2; the
overview, Sec. VI-A.
"""

from typing import NamedTuple

import numpy as np

from avanet.metrics.likelihood import log_normal

BLOCK_BYTES = 1 << 25  # of densities at a time


class Parts(NamedTuple):
    """One value a code, (M,); the means over the codes are the estimates, in nats."""

    mutual_information: np.ndarray
    total_correlation: np.ndarray
    dimension_wise_kl: np.ndarray


def kl_parts(mu: np.ndarray, var: np.ndarray, z: np.ndarray, N: int | None = None) -> Parts:
    """The three parts, estimated on M images out of N; z_i is a draw of q(z|x_i) = N(mu_i, var_i).

    log q(z_i) ~ log [q(z_i|x_i) / N + (N - 1) / (N (M - 1)) sum_{j != i} q(z_i|x_j)], the same for
    each dimension. The weights make q(z_i) unbiased: its own image counts once in N, the others of
    the batch stand for all others. A collapsed code gives 0, 0, 0, and the parts sum to
    log q(z|x) - log p(z) whatever the batch. With the weights 1 / (N M) of minibatch-weighted
    sampling, which training may use, the parts come out wrong: neither holds.

    mu, var, z : (M, n), M > 1; N : images in the data, M if not given.
    """
    mu, var, z = (np.asarray(a, np.float64) for a in (mu, var, z))
    M, n = z.shape
    N = N or M
    log_q_zx = log_normal(z, mu, var)
    log_q_z, log_q_zd = np.empty(M), np.empty((M, n))
    rows = max(BLOCK_BYTES // (8 * M * n), 1)
    for start in range(0, M, rows):
        part = slice(start, start + rows)
        densities = log_normal(z[part, None], mu, var)
        weights = np.full((len(densities), M, 1), np.log((N - 1) / (N * (M - 1))) if N > 1 else 0.)
        own = np.arange(len(densities))
        weights[own, own + start] = -np.log(N)
        log_q_zd[part] = np.logaddexp.reduce(densities + weights, axis=1)
        log_q_z[part] = np.logaddexp.reduce(densities.sum(axis=2) + weights[..., 0], axis=1)
    marginals = log_q_zd.sum(axis=1)
    return Parts(log_q_zx.sum(axis=1) - log_q_z, log_q_z - marginals,
                 marginals - log_normal(z, 0, 1).sum(axis=1))
