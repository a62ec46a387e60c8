"""The classifier: what it learns, gives and refuses; its gradient is held in tests/verify."""

import numpy as np
import pytest

from avanet.data import Batch, Split, load_dataset
from avanet.errors import InputError
from avanet.models.classifier import Classifier, accuracy

TINY = {"classes": 3, "channels": 2, "width": 4, "batch": 5}


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def batch(rng):
    x = rng.random((5, 6, 7, 2))
    return Batch(x, x, np.array([0, 2, 1, 2, 2]), np.arange(5))


def started(shape=(6, 7, 2), **settings):
    return Classifier(dtype="float64", **TINY | settings).start(shape)


def test_accuracy_counts_the_rows_that_are_right():
    v = np.array([[1., 0, 0], [0, 2, 1], [0, 3, 1], [5, 0, 1]])
    assert accuracy(v, np.array([0, 1, 2, 0])) == 0.75


@pytest.fixture(scope="module")
def fitted():
    digits = load_dataset("digits")
    few = Split(digits["train"].images[:600], digits["train"].labels[:600])
    return Classifier(channels=4, width=16, batch=32, epochs=4, rate=1e-2).fit(few)


def test_it_learns_the_bundled_digits(fitted):
    test = load_dataset("digits")["test"]
    score = fitted.score(test.images, test.labels)
    assert score > 0.75


def test_features_and_probabilities_are_those_of_the_network(fitted):
    X = load_dataset("digits")["test"].images[:300]
    features, p = fitted.features(X), fitted.probabilities(X)
    assert features.shape == (300, 16) and features.dtype == np.float32 and features.min() >= 0
    assert p.shape == (300, 10) and np.allclose(p.sum(axis=1), 1, atol=1e-5)
    last = fitted.players_["classifier"].layers[-1]
    v = features @ last.W + last.b
    assert np.allclose(np.log(p), v - np.log(np.exp(v).sum(axis=1, keepdims=True)), atol=1e-4)
    assert np.array_equal(fitted.predict(X), v.argmax(axis=1))
    assert np.allclose(fitted.features(X[:1]), features[:1], atol=1e-5)


def test_evaluate_is_the_loss_without_a_step(fitted):
    split = load_dataset("digits")["test"]
    x = split.read(slice(32))
    batch = Batch(x, x, split.labels[:32], np.arange(32))
    before = fitted.players_["classifier"].params.copy()
    losses = fitted.evaluate(batch, None)
    p = fitted.probabilities(split.images[:len(batch.x)])
    assert losses["loss"] == pytest.approx(
        -np.log(p[np.arange(len(p)), batch.labels]).mean(), rel=1e-4)
    assert losses["accuracy"] == pytest.approx((p.argmax(axis=1) == batch.labels).mean())
    assert np.array_equal(before, fitted.players_["classifier"].params)
    assert not fitted.players_["classifier"].grads.any()


def test_saved_and_loaded_it_judges_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "judge.npz")
    X = load_dataset("digits")["test"].images[:20]
    again = Classifier.load(tmp_path / "judge.npz")
    assert np.array_equal(again.probabilities(X), fitted.probabilities(X))


@pytest.mark.parametrize("labels, text", [
    (None, "needs labels 0..2, got none"),
    (np.zeros((5, 2), int), r"of shape \(5, 2\)"),
    (np.array([0, 1, 2, 3, 0]), r"needs labels 0..2, got 0..3"),
])
def test_labels_that_it_cannot_learn_from(batch, labels, text):
    with pytest.raises(InputError, match=text):
        started().gradients(batch._replace(labels=labels), None)


def test_settings_and_images_that_make_no_sense():
    with pytest.raises(InputError, match="classes must be at least 2"):
        started(classes=1)
    with pytest.raises(InputError, match="too small"):
        started((3, 3, 1))
    with pytest.raises(InputError, match="not fitted"):
        Classifier().predict(np.zeros((1, 8, 8, 1)))
