"""Labels as networks take them."""

import numpy as np

from avanet.errors import InputError
from avanet.nn import Sequential


def one_hot(labels, classes: int, who: str, dtype) -> np.ndarray:
    """(N, classes): 1 in the column of each label 0, 1, ..., classes - 1, else 0.

    Raises
    ------
    InputError
        If there are no labels, or some are out of range; `who` needs them.
    """
    if labels is None:
        raise InputError(f"{who} needs labels 0..{classes - 1}, got none")
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(f"{who} needs one integer label an image, got {labels.dtype} of shape "
                         f"{labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(f"{who} needs labels 0..{classes - 1}, got {labels.min()}.."
                         f"{labels.max()}; set classes to the number of classes")
    return np.eye(classes, dtype=dtype)[labels]


class Asked:
    """A network with one output a class, asked for one class each: v = sum_k y_k v_k(x).

    y : (B, K), the classes as `one_hot` gives them. It acts as a network with one output (B, 1).
    """

    def __init__(self, network: Sequential, y: np.ndarray):
        self.network, self.y = network, y

    def forward(self, x, training=False, rng=None):
        """(v, caches)."""
        v, caches = self.network.forward(x, training, rng)
        return (self.y * v).sum(axis=1, keepdims=True), caches

    def accumulate(self, dv, caches) -> None:
        """Add dL/dTheta to the network's `grads`; dL/dv_k = y_k dL/dv."""
        self.network.accumulate(self.y * dv, caches)

    def propagate(self, dv, caches) -> np.ndarray:
        """dL/dx."""
        return self.network.propagate(self.y * dv, caches)
