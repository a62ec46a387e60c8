"""The data sets of the semi-supervised adversarial VAE as its paper splits and labels them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from avanet.data import Dataset, Split, load_dataset
from avanet.data.named import locate
from avanet.errors import InputError


def learnt(source: str, root: str | Path | None = None) -> Dataset:
    """The data set, its validation images among those to learn from; of Omniglot's characters the
    alphabets as classes, if its file has them.

    Raises
    ------
    InputError
        If it cannot be loaded, or the images have no classes.
    """
    dataset = load_dataset(source, root=root)
    if dataset.n_classes < 2:
        raise InputError(f"{source} has no classes: step 1 learns them; name another by --data")
    splits = dict(dataset.splits)
    if source == "omniglot":
        splits |= _alphabets(splits, locate(source, root))
    if more := splits.pop("val", None):
        train = splits["train"]
        splits["train"] = Split(np.concatenate([train.images, more.images]),
                                np.concatenate([train.labels, more.labels]), train.source)
    return replace(dataset, splits=splits)


def _alphabets(splits: dict[str, Split], path: Path) -> dict[str, Split]:
    with np.load(path, allow_pickle=False) as file:
        return {name: Split(split.images, file[f"alphabet_{name}"], split.source)
                for name, split in splits.items() if f"alphabet_{name}" in file}
