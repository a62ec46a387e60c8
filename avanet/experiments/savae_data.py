"""The data sets of the semi-supervised adversarial VAE as its paper splits and labels them."""

from dataclasses import replace

import numpy as np

from avanet.data import Dataset, Split
from avanet.errors import InputError


def learnt(dataset: Dataset) -> Dataset:
    """The data set with its validation images among those to learn from.

    Raises
    ------
    InputError
        If the images have no classes.
    """
    if dataset.n_classes < 2:
        raise InputError(f"{dataset.source} has no classes: step 1 learns them")
    splits = dict(dataset.splits)
    if more := splits.pop("val", None):
        train = splits["train"]
        splits["train"] = Split(np.concatenate([train.images, more.images]),
                                np.concatenate([train.labels, more.labels]), train.source)
    return replace(dataset, splits=splits)
