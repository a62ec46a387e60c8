"""One-dimensional toys of the GAN's theory: densities, the optimal discriminator, its criterion.

Everything is a function of the values of log densities on `GRID`; integrals are sums over it, which
are exact to rounding for densities as smooth as these. Source: the survey, Sec. 3.7; Goodfellow et
al., "Generative adversarial nets", 2014, Sec. 4.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LOG_4 = math.log(4)
GRID = np.linspace(-16, 16, 6401)
STEP = GRID[1] - GRID[0]
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Mixture:
    """p(x) = sum_i w_i N(x; m_i, s_i^2), given as triples (w, m, s)."""

    parts: tuple[tuple[float, float, float], ...]

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """log p(x)."""
        terms = [math.log(w / s) - ((x - m) / s)**2 / 2 for w, m, s in self.parts]
        return np.logaddexp.reduce(terms) - math.log(2 * math.pi) / 2

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n draws: (n, 1)."""
        w, m, s = np.array(self.parts).T
        part = rng.choice(len(w), n, p=w)
        return (m[part] + s[part] * rng.standard_normal(n))[:, None]

    def masses(self, edges: np.ndarray) -> np.ndarray:
        """The probability of each interval between the edges, and of what lies outside, last."""
        cdf = sum(w * np.array([math.erf((x - m) / (s * math.sqrt(2))) for x in edges])
                  for w, m, s in self.parts) / 2
        inside = np.diff(cdf)
        return np.append(inside, 1 - inside.sum())


def gaussian(mean: float, sd: float) -> Mixture:
    """N(mean, sd^2)."""
    return Mixture(((1.0, mean, sd),))


TWO_MODES = Mixture(((0.5, -2.0, 0.5), (0.5, 2.0, 0.5)))
TOYS = {  # name -> p_data, p_G
    "apart": (gaussian(-1, 1), gaussian(1, 1)),
    "wider": (gaussian(0, 1), gaussian(0, 2)),
    "blurred": (TWO_MODES, gaussian(0, 1.5)),
    "collapsed": (TWO_MODES, gaussian(2, 0.5)),
    "equal": (TWO_MODES, TWO_MODES),
}
TARGETS = {"gaussian": gaussian(2, 0.5), "two modes": TWO_MODES}  # p_data of Algorithm 1


def optimal_logit(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """v* = log p_data - log p_G, the logit of D* = p_data / (p_data + p_G)."""
    return log_p - log_q


def log_logistic(v: np.ndarray) -> np.ndarray:
    """log of 1 / (1 + exp(-v))."""
    return -np.logaddexp(0, -v)


def value(log_p: np.ndarray, log_q: np.ndarray, v: np.ndarray) -> float:
    """V(G, D) = E_p[log D(x)] + E_q[log(1 - D(x))], D = 1 / (1 + exp(-v)): what D maximises."""
    return float((np.exp(log_p) * log_logistic(v) + np.exp(log_q) * log_logistic(-v)).sum() * STEP)


def kl(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """KL(p || q) = E_p[log p - log q]."""
    return float((np.exp(log_p) * (log_p - log_q)).sum() * STEP)


def jsd(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """JSD(p || q) = [KL(p || m) + KL(q || m)] / 2, m = (p + q) / 2; between 0 and log 2."""
    log_m = np.logaddexp(log_p, log_q) - math.log(2)
    return (kl(log_p, log_m) + kl(log_q, log_m)) / 2


def best_reply(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """The D in (0, 1) that maximises p log D + q log(1 - D) at every x, by golden sections.

    Knows nothing of the formula for D*; exact to about 1e-8, as far as values tell.
    """
    share = np.exp(log_p - np.logaddexp(log_p, log_q))  # p / (p + q), so that both are of order 1
    with np.errstate(divide="ignore"):
        f: Callable = lambda d: share * np.log(d) + (1 - share) * np.log1p(-d)
        low, high = np.full_like(share, 1e-12), np.full_like(share, 1 - 1e-12)
        for _ in range(60):
            a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
            left = f(a) > f(b)
            low, high = np.where(left, low, a), np.where(left, b, high)
    return (low + high) / 2


def binned_jsd(p: np.ndarray, q: np.ndarray) -> float:
    """JSD of two lists of probabilities: a lower bound of that of what was binned."""
    m = (p + q) / 2
    terms = [each * np.log(np.where(each > 0, each, 1) / np.where(m > 0, m, 1)) for each in (p, q)]
    return float(sum(term.sum() for term in terms) / 2)
