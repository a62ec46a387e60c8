"""How probable images are to a model with a Gaussian code: the ELBO, its parts, tighter bounds.

q(z|x) = N(mu, diag var), p(z) = N(0, I). A `log_likelihood` is a function of codes Z (N, n) that
returns log p(x_i|z_i), (N,), of the images at hand. Everything is in nats, one value an image.
"""

from collections.abc import Callable

import numpy as np

LogLikelihood = Callable[[np.ndarray], np.ndarray]

LOG_2PI = float(np.log(2 * np.pi))


def log_normal(z: np.ndarray, mu: np.ndarray | float, var: np.ndarray | float) -> np.ndarray:
    """log N(z; mu, var) element by element: -[(z - mu)^2 / var + log var + log 2 pi] / 2."""
    return -((z - mu)**2 / var + np.log(var) + LOG_2PI) / 2


def kl_to_normal(mu: np.ndarray, var: np.ndarray) -> np.ndarray:
    """KL(N(mu_i, var_i) || N(0, 1)) = (mu^2 + var - 1 - log var) / 2, element by element."""
    return (mu * mu + var - 1 - np.log(var)) / 2


def elbo_parts(log_likelihood: LogLikelihood, mu: np.ndarray, var: np.ndarray,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(log p(x|z) at one z ~ q(z|x), KL(q(z|x) || p(z))), each (N,); ELBO = first - second.

    mu, var : (N, n). Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, Eq. 10.
    """
    z = mu + np.sqrt(var) * rng.standard_normal(mu.shape)
    return log_likelihood(z), kl_to_normal(mu, var).sum(axis=1)


def importance_weighted(log_likelihood: LogLikelihood, mu: np.ndarray, var: np.ndarray,
                        rng: np.random.Generator, K: int = 50) -> np.ndarray:
    """L_K = log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x): (N,), a bound on log p(x).

    E L_1 = ELBO, E L_K grows with K to log p(x). The logarithm of the mean is taken with the
    largest weight in front, which neither overflows nor underflows. mu, var : (N, n).
    Source: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, Eq. 8.
    """
    log_w = np.empty((K, len(mu)))
    for k in range(K):
        z = mu + np.sqrt(var) * rng.standard_normal(mu.shape)
        log_w[k] = log_likelihood(z) + (log_normal(z, 0, 1) - log_normal(z, mu, var)).sum(axis=1)
    return log_mean_exp(log_w, axis=0)


def log_mean_exp(a: np.ndarray, axis: int) -> np.ndarray:
    """log mean exp a along an axis = m + log mean exp(a - m), m the maximum."""
    m = a.max(axis=axis, keepdims=True)
    return np.squeeze(m, axis) + np.log(np.exp(a - m).mean(axis=axis))
