"""Labels as networks take them."""

import numpy as np

from avanet.errors import InputError


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
