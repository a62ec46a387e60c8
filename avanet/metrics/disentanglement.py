"""How well the dimensions of a code keep the factors of the data apart: MIG, SAP and DCI.

All take codes Z (N, n), as the means mu(x), and factors V (N, F), whole numbers from 0.
"""

from typing import NamedTuple

import numpy as np

BINS = 20


def mutual_information(Z: np.ndarray, V: np.ndarray, bins: int = BINS) -> np.ndarray:
    """I(z_j; v_k) in nats, (n, F), with each z_j cut into intervals of equal length."""
    cells = np.stack([binned(z, bins) for z in np.asarray(Z, np.float64).T], axis=1)
    return np.array([[_information(z, v) for v in V.T] for z in cells.T])


def binned(z: np.ndarray, bins: int) -> np.ndarray:
    """The interval, of so many equal ones from the least to the largest, that each z lies in."""
    low, width = z.min(), np.ptp(z)
    if width == 0:
        return np.zeros(len(z), int)
    return np.minimum(((z - low) / width * bins).astype(int), bins - 1)


def _information(a: np.ndarray, b: np.ndarray) -> float:
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / independent[there])).sum())


def mig(Z: np.ndarray, V: np.ndarray, bins: int = BINS) -> float:
    """MIG = mean over k of [I(z_j; v_k) - next largest] / H(v_k), j the most informative code.

    1 if every factor is in one dimension alone and whole, 0 if two tell as much. Factors that do
    not vary are left out. Source: Chen et al., 2018, Eq. 6, with I from binned means as in
    Locatello et al., "Challenging common assumptions in the unsupervised learning of disentangled
    representations", 2019, instead of from draws.
    """
    V = _varying(V)
    if Z.shape[1] < 2:
        raise ValueError("the gap needs two dimensions of the code")
    information = np.sort(mutual_information(Z, V, bins), axis=0)
    entropy = np.array([_information(v, v) for v in V.T])
    return float(((information[-1] - information[-2]) / entropy).mean())


def sap(Z: np.ndarray, V: np.ndarray) -> float:
    """SAP = mean over k of [S_jk - next largest], S_jk = corr(z_j, v_k)^2.

    The share of a factor's variance that the best single dimension explains linearly, less that of
    the next. Source: Kumar et al., "Variational inference of disentangled latent concepts from
    unlabeled observations", 2018, Eq. 9, with the score of ordered factors for all of them.
    """
    V = _varying(V)
    if Z.shape[1] < 2:
        raise ValueError("the gap needs two dimensions of the code")
    z, v = _standardised(Z), _standardised(V)
    scores = np.sort((z.T @ v / len(z))**2, axis=0)
    return float((scores[-1] - scores[-2]).mean())


class DCI(NamedTuple):
    """Each from 0 to 1, the more the better."""

    disentanglement: float
    completeness: float
    informativeness: float


def dci(Z: np.ndarray, V: np.ndarray) -> DCI:
    """From R_jk, how important z_j is in predicting v_k, and how well that goes.

    disentanglement   sum_j rho_j (1 - H_F(R_j. / sum)), rho_j the share of row j in all of R
    completeness      mean over k of 1 - H_n(R_.k / sum)
    informativeness   mean over k of the share of var(v_k) that is predicted

    H_F is the entropy to base F. The predictor is linear: v_k is fitted by least squares to the
    standardised codes, and R_jk is its coefficient's size. Source: Eastwood and Williams, "A
    framework for the quantitative evaluation of disentangled representations", 2018, with least
    squares in place of the lasso (what is not linear in the code is not seen).
    """
    z, v = _standardised(Z), _standardised(_varying(V))
    coefficients = np.linalg.lstsq(z, v, rcond=1e-10)[0]
    R = np.abs(coefficients)
    unexplained = ((v - z @ coefficients)**2).mean(axis=0)
    rows = R.sum(axis=1)
    rho = rows / rows.sum() if rows.any() else rows
    return DCI(float((rho * _peaked(R)).sum()), float(_peaked(R.T).mean()),
               float((1 - unexplained).mean()))


def _peaked(R: np.ndarray) -> np.ndarray:
    """1 - the entropy of each row, as shares, to the base of its length: 1 if one alone counts."""
    total = R.sum(axis=1, keepdims=True)
    p = R / np.where(total > 0, total, 1)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=1)
    return np.where(total[:, 0] > 0, 1 - entropy / max(np.log(R.shape[1]), 1e-300), 0)


def _standardised(a: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and variance 1; a constant one becomes 0."""
    a = np.asarray(a, np.float64) - np.mean(a, axis=0)
    sd = a.std(axis=0)
    return a / np.where(sd > 0, sd, 1)


def _varying(V: np.ndarray) -> np.ndarray:
    """The factors that vary; ValueError if none does."""
    V = V[:, np.ptp(V, axis=0) > 0]
    if not V.shape[1]:
        raise ValueError("no factor varies")
    return V
