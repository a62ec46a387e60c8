"""Two sets of images compared by features: Frechet distance, precision and recall.

Features are rows (N, d), of `avanet.models.classifier` for images that have classes.
"""

import numpy as np

NEIGHBOURS = 3  # k of the paper
BLOCK = 32      # rows of a matrix of distances at a time


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), means m and covariances S of the rows.

    The squared 2-Wasserstein distance of the Gaussians with these moments. S_a S_b has the
    eigenvalues of the symmetric S_a^(1/2) S_b S_a^(1/2), so that the trace of its root is the sum
    of their roots. a : (N, d), b : (M, d), N, M > 1. Source: Heusel et al., "GANs trained by a
    two time-scale update rule converge to a local Nash equilibrium", 2017, Eq. 6.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return frechet_of_moments(a.mean(axis=0), np.atleast_2d(np.cov(a.T)),
                              b.mean(axis=0), np.atleast_2d(np.cov(b.T)))


def frechet_of_moments(m_a, S_a, m_b, S_b) -> float:
    """The same from the moments themselves: m (d,), S (d, d), symmetric and not negative."""
    values, vectors = np.linalg.eigh(S_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    spectrum = np.linalg.eigvalsh(root @ S_b @ root)
    cross = np.sqrt(np.maximum(spectrum, 0)).sum()
    return float(((m_a - m_b)**2).sum() + np.trace(S_a) + np.trace(S_b) - 2 * cross)


def covered(points: np.ndarray, by: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Which points lie on the manifold of `by`: in the ball of one of its points, (N,) bool.

    A ball reaches to its centre's k-th nearest neighbour in `by`. With the features of generated
    images covered by those of real ones, the share is the *precision*; of real ones covered by
    generated ones, the *recall*. points : (N, d), by : (M, d), M > k.
    Source: Kynkaanniemi et al., "Improved precision and recall metric for assessing generative
    models", 2019, Eqs. 1 and 2.
    """
    points, by = np.asarray(points, np.float64), np.asarray(by, np.float64)
    radii = np.concatenate([np.partition(distances, k, axis=1)[:, k]  # 0 is the point itself
                            for distances in _distances(by, by)])
    return np.concatenate([(distances <= radii).any(axis=1)
                           for distances in _distances(points, by)])


def nearest(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """min_j |p_i - t_j|^2 / d, how far each point is from the nearest of `to`, a feature: (N,).

    points : (N, d), to : (M, d).
    """
    points, to = np.asarray(points, np.float64), np.asarray(to, np.float64)
    return np.concatenate([distances.min(axis=1)
                           for distances in _distances(points, to)]) / points.shape[1]


def _distances(a, b):
    """Squared distances (BLOCK, M), block by block, of differences: zero between equal rows."""
    for start in range(0, len(a), BLOCK):
        difference = a[start:start + BLOCK, None] - b
        yield np.einsum("nmd,nmd->nm", difference, difference)
