"""What a model can do decides what is measured; the judge is trained once."""

import numpy as np
import pytest

from avanet.data import Dataset, Split, load_dataset
from avanet.errors import InputError
from avanet.metrics import evaluate, judge
from avanet.metrics.evaluation import MEANINGS
from avanet.models.classifier import Classifier
from avanet.models.survey_vae import SurveyVAE
from avanet.nn.losses import binary_cross_entropy_from_logits

PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")
OF_FACTORS = ("mig", "sap", "disentanglement", "completeness", "informativeness")


@pytest.fixture(scope="module")
def digits():
    whole = load_dataset("digits")
    return Dataset("digits", {name: Split(part.images[:200], part.labels[:200])
                              for name, part in whole.splits.items()})


@pytest.fixture(scope="module")
def vae(digits):
    return SurveyVAE(epochs=2, hidden=32, latent=4, batch=20).fit(digits["train"])


@pytest.fixture(scope="module")
def classifier(digits):
    return Classifier(channels=2, width=8, batch=40, epochs=1).fit(digits["train"])


class Sampler:
    """A generator that has learnt its data by heart, or nothing but one image of it."""

    def __init__(self, images):
        self.images = images

    def sample(self, n, random_state=0):
        return self.images[np.random.default_rng(random_state).integers(len(self.images), size=n)]


def test_a_vae_is_measured_in_every_way(vae, digits, classifier):
    found = evaluate(vae, digits, classifier, n=120, K=5)
    assert list(found) == [name for name in MEANINGS if name not in {"accuracy", *OF_FACTORS}]
    assert all(low <= value <= high for value, low, high in found.values())
    assert found["elbo"].value == pytest.approx(
        found["log_likelihood_term"].value - found["kl"].value)


def test_without_a_classifier_nothing_of_classes(vae, digits):
    found = evaluate(vae, digits, n=50, K=2)
    assert set(found) == {
        "elbo", "log_likelihood_term", "kl", *PARTS, "importance_weighted", "squared_error",
        "sharpness",
        "sharpness_reconstructions", "sharpness_samples"}


def test_the_same_seed_gives_the_same_numbers(vae, digits, classifier):
    first, again, other = (evaluate(vae, digits, classifier, seed, 40, 2) for seed in (3, 3, 4))
    assert first == again != other


def test_collapse_is_seen(digits, classifier):
    images = digits["train"].read(slice(None))
    healthy, collapsed = (evaluate(Sampler(each), digits, classifier, n=150)
                          for each in (images, images[:1]))
    assert collapsed["frechet"].value > 2 * healthy["frechet"].high
    assert collapsed["modes"].value == 1 and collapsed["class_entropy"].value == 0
    assert healthy["recall"].value > 0.5 > collapsed["recall"].value


def test_the_log_likelihood_is_minus_the_loss(vae, digits):
    X = digits["test"].read(slice(30))
    Z = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    v, _ = vae.players_["decoder"].forward(Z)
    loss, _ = binary_cross_entropy_from_logits(v, X)
    got = vae.log_likelihood(X, Z)
    assert got.shape == (30,) and got.dtype == np.float64
    assert -got.mean() == pytest.approx(float(loss), rel=1e-5)


def test_a_classifier_has_an_accuracy(classifier, digits):
    found = evaluate(classifier, digits["test"], n=100)
    assert list(found) == ["accuracy"]
    with pytest.raises(InputError, match="needs labels"):
        evaluate(classifier, Split(digits["test"].images))


def test_the_judge_is_trained_once_and_kept(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    small = Dataset("digits", {name: Split(part.images[:40], part.labels[:40])
                               for name, part in digits.splits.items()})
    told = []
    first = judge(small, told.append)
    assert "once, about " in told[0] and str(tmp_path) in told[0] and len(told) == 2
    again = judge(small, told.append)
    assert len(told) == 2
    X = small["test"].images
    assert np.array_equal(first.probabilities(X), again.probabilities(X))
    with pytest.raises(InputError, match="has no classes"):
        judge(Dataset("pictures", {"train": Split(X)}))


class Encoder:
    """A code that is the brightness of the two halves of an image."""

    def encode(self, X):
        return X.reshape(len(X), 2, -1).mean(axis=2), np.zeros((len(X), 2))


def test_factors_are_found_where_there_are_any():
    V = np.random.default_rng(0).integers(0, 4, (300, 2))
    X = np.repeat(V / 4, 8, axis=1).reshape(300, 4, 4, 1)
    found = evaluate(Encoder(), Split(X, V), n=200)
    assert set(found) == {"sharpness", *OF_FACTORS}
    for name in OF_FACTORS:
        value, low, high = found[name]
        assert value > 0.8 and low <= value <= high, name
    assert not set(OF_FACTORS) & set(evaluate(Encoder(), Split(X, V[:, 0]), n=50))


def test_the_kl_is_the_sum_of_its_parts(vae, digits):
    found = evaluate(vae, digits, n=200, K=1)
    assert sum(found[name].value for name in PARTS) == pytest.approx(found["kl"].value, rel=0.2)
