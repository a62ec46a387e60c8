"""How the encoder's output layer holds mu and Sigma, and how z is drawn from them (Eq. 8)."""

import numpy as np

from avanet.ava.rules import RULES


class DiagonalHead:
    """The encoder's 2 n logistic outputs are mu and the diagonal of Sigma."""

    def __init__(self, n: int):
        self.n, self.width = n, self.width_of(n)

    @staticmethod
    def width_of(n: int) -> int:
        """The number of the encoder's outputs."""
        return 2 * n

    def unpack(self, y):
        """(mu, var), each (B, n), from the encoder's output y : (B, 2 n)."""
        return y[:, : self.n], y[:, self.n:]

    def sample(self, mu, var, r, rule=RULES):
        """z = mu + Sigma^(1/2) r. Eq. 8."""
        return rule["sample_code"](mu, var, r)

    def kl_error(self, var, slope, identity, rule=RULES):
        """The Sigma head's error for -KL alone: (B, n)."""
        return rule["variance_error"](var, slope, identity)

    def exact_error(self, var, h, r, slope, rule=RULES):
        """The Sigma head's error for the whole loss, h = the rest carried back to z."""
        return rule["exact_variance_error"](var, h, r, slope)


class CholeskyHead:
    """The encoder's n + n (n + 1) / 2 logistic outputs are mu and the factor L of Sigma = L L^T.

    Diagonal entries of L are outputs as they are, in (0, 1); entries below it are 2 y - 1, in
    (-1, 1), so that either sign of a correlation is reached. z = mu + L r then has covariance
    Sigma exactly; Sigma is positive definite whatever the encoder says.
    """

    def __init__(self, n: int):
        self.n, self.width = n, self.width_of(n)
        self.rows, self.columns = np.tril_indices(n)
        self.below = self.rows != self.columns

    @staticmethod
    def width_of(n: int) -> int:
        """The number of the encoder's outputs."""
        return n + n * (n + 1) // 2

    def unpack(self, y):
        """mu : (B, n) and L : (B, n, n) from the encoder's output."""
        packed = y[:, self.n:]
        L = np.zeros((len(y), self.n, self.n), y.dtype)
        L[:, self.rows, self.columns] = np.where(self.below, 2 * packed - 1, packed)
        return y[:, : self.n], L

    def sample(self, mu, L, r, rule=RULES):
        """z = mu + L r, the full-covariance form of Eq. 8."""
        return mu + np.einsum("bij,bj->bi", L, r)

    def kl_error(self, L, slope, identity, rule=RULES):
        """The L head's error for -KL alone, packed."""
        return self._pack(rule["cholesky_error"](L, identity)) * slope

    def exact_error(self, L, h, r, slope, rule=RULES):
        """The L head's error for the whole loss: z = mu + L r, so dz_i/dL_ij = r_j."""
        return self._pack(h[:, :, None] * r[:, None, :] + rule["cholesky_error"](L)) * slope

    def _pack(self, dL):
        """The gradient by the packed outputs from the gradient by L."""
        packed = dL[:, self.rows, self.columns]
        return np.where(self.below, 2 * packed, packed)


Head = DiagonalHead | CholeskyHead
HEADS: dict[str, type[Head]] = {"diagonal": DiagonalHead, "full": CholeskyHead}
