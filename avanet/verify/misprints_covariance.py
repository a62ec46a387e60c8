"""What the paper says of a full Sigma, computed."""

import numpy as np

from avanet.ava.heads import CholeskyHead
from avanet.verify import objectives as o
from avanet.verify.erratum import Erratum
from avanet.verify.result import relative_norm

N, LATENT_DIM, N_DRAWS = 4, 10, 2000


def elementwise_root(seed: int) -> Erratum:
    """Eq. 8's root, taken element by element of a full Sigma."""
    L = np.tril(np.random.default_rng(seed).uniform(0.2, 1, (1, N, N)))
    Sigma = (L @ L.transpose(0, 2, 1))[0]
    A = np.sqrt(Sigma)
    root = np.stack([o.derivative(lambda t: CholeskyHead(N).sample(
        np.zeros((1, N)), L, t * np.eye(N)[[j]]))[0] for j in range(N)], axis=1)
    return Erratum(
        20, "Eq. 8", "each element of Sigma^(1/2) is the root of Sigma's", "a factor L, L L^T = "
        "Sigma (the same for a diagonal Sigma)", relative_norm(A @ A.T, Sigma),
        relative_norm(root @ root.T, Sigma),
        f"z_1 gets the variance {(A @ A.T)[0, 0]:.3f}, the first row's sum, for {Sigma[0, 0]:.3f}")


def flattened_matrix(seed: int) -> Erratum:
    """How often the paper's output layer, read as a full Sigma, is a covariance at all."""
    n, rng = LATENT_DIM, np.random.default_rng(seed)
    head, a = CholeskyHead(n), o.logistic(0.5, 0.5)
    square = a(rng.standard_normal((N_DRAWS, n, n)))
    _, L = head.unpack(a(rng.standard_normal((N_DRAWS, head.width))))
    shares = [float((np.linalg.eigvalsh(m + m.transpose(0, 2, 1)).min(axis=1) > 0).mean())
              for m in (square, L @ L.transpose(0, 2, 1))]
    return Erratum(
        21, "before Eq. 8", "a full Sigma as n x n logistic outputs", "as its factor L",
        1 - shares[0], 1 - shares[1],
        f"{shares[0]:.0%} of {N_DRAWS} random outputs are positive definite, {shares[1]:.0%} of "
        "L L^T", tolerance=0.0)
