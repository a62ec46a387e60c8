"""The classifier that judges a data set: trained once, then kept in the user's cache."""

import sys
import time
from collections.abc import Callable

from avanet.data import Dataset, Split
from avanet.errors import InputError
from avanet.files import exists, user_cache
from avanet.models.classifier import Classifier
from avanet.progress import duration

STEPS = 1000  # at most about this many batches of 128 are learnt from
TIMED = 3     # steps that the estimate is made from, after one


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def judge(dataset: Dataset, tell: Callable[[str], None] = _tell) -> Classifier:
    """A classifier that has learnt the data set's training images, from the cache or trained now.

    It is kept by the data set's checksum, and told with `tell` when it has to be trained.

    Raises
    ------
    InputError
        If the data set has no classes, or the cache cannot be written.
    """
    if dataset.n_classes < 2:
        raise InputError(f"{dataset.source} has no classes: what a classifier would judge by "
                         "cannot be learnt from it")
    path = user_cache() / "classifiers" / f"{dataset.checksum[:24]}.npz"
    if exists(path):
        return Classifier.load(path)
    train = dataset["train"]
    epochs = min(max(STEPS * 128 // len(train), 1), 20)
    classifier = Classifier(classes=dataset.n_classes, epochs=epochs)
    tell(f"training a classifier on {dataset.source}, once, about "
         f"{duration(_seconds(classifier, train))}: it will be kept as {path}")
    classifier.fit(train)
    path.parent.mkdir(parents=True, exist_ok=True)
    classifier.save(path)
    test = dataset.splits.get("test")
    if test is not None:
        tell(f"it names the class of {classifier.score(test.images, test.labels):.1%} of the test "
             "images")
    return classifier


def _seconds(classifier: Classifier, train: Split) -> float:
    """How long `fit` will take, from a few of its steps."""
    batches = classifier.start(train.images.shape[1:]).batches(train)
    batch = next(iter(batches))
    classifier.step(batch)
    begun = time.perf_counter()
    for _ in range(TIMED):
        classifier.step(batch)
    return (time.perf_counter() - begun) / TIMED * len(batches) * classifier.config.epochs
