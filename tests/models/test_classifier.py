"""The classifier: its gradient against an objective of its own, what it learns and refuses."""

import copy

import numpy as np
import pytest

from avanet.data import Batch, Split, load_dataset
from avanet.errors import InputError
from avanet.models.classifier import Classifier, accuracy
from avanet.nn import Sequential
from avanet.nn.gradcheck import check_function

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


def check(model, batch):
    """Against cross-entropy by its definition, on a twin that complex steps pass through."""
    network = model.players_["classifier"]
    twin = Sequential(copy.deepcopy(network.layers), dtype=np.complex128)

    def loss(theta):
        twin.params[:] = theta
        x = batch.x.astype(np.complex128)
        for layer in twin.layers:
            x, _ = layer.forward(x)
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return -np.mean([np.log(row[label]) for row, label in zip(p, batch.labels)])

    return [check_function(loss, {"theta": network.params.copy()},
                           {"theta": network.grads.copy()}, "direction", seed)
            for seed in range(5)]


def test_the_gradient_is_that_of_the_cross_entropy(batch, rng):
    model = started()
    model.players_["classifier"].params += 0.1 * rng.standard_normal(
        model.players_["classifier"].params.shape)
    losses = model.gradients(batch)
    for report in check(model, batch):
        assert report.passed, report
    assert set(losses) == {"loss", "accuracy"}


def test_a_planted_error_is_caught(batch):
    model = started()
    model.gradients(batch)
    model.players_["classifier"].grads[-1] *= 1.001
    assert not any(report.passed for report in check(model, batch))


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
    batch = next(iter(fitted.batches(split, shuffle=False)))
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
    (None, "one label for each image, got none"),
    (np.zeros((5, 2), int), r"got shape \(5, 2\)"),
    (np.array([0, 1, 2, 3, 0]), "labels below 3, got 3"),
])
def test_labels_that_it_cannot_learn_from(batch, labels, text):
    with pytest.raises(InputError, match=text):
        started().gradients(batch._replace(labels=labels))


def test_settings_and_images_that_make_no_sense():
    with pytest.raises(InputError, match="classes must be at least 2"):
        started(classes=1)
    with pytest.raises(InputError, match="too small"):
        started((3, 3, 1))
    with pytest.raises(InputError, match="not fitted"):
        Classifier().predict(np.zeros((1, 8, 8, 1)))
