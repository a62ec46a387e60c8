"""All that a model's abilities allow to be measured, at once: `evaluate`."""

from typing import Any

import numpy as np

from avanet.data import Dataset, Split
from avanet.metrics import intervals
from avanet.metrics.decomposition import kl_parts
from avanet.metrics.disentanglement import DCI, dci, mig, sap
from avanet.metrics.features import covered, frechet_distance
from avanet.metrics.intervals import Estimate
from avanet.metrics.likelihood import elbo_parts, importance_weighted
from avanet.metrics.pictures import (
    class_shares, entropy, kl_to_uniform, modes, sharpness, squared_error,
)
from avanet.models.classifier import Classifier

Estimates = dict[str, Estimate]

MEANINGS = {
    "accuracy": "share of images whose class is named rightly",
    "elbo": "log p(x|z) - KL, nats an image",
    "log_likelihood_term": "E_q log p(x|z), nats an image",
    "kl": "KL(q(z|x) || N(0, I)), nats an image",
    "mutual_information": "of image and code, a part of the KL, nats",
    "total_correlation": "of the code's dimensions, another",
    "dimension_wise_kl": "of each dimension from N(0, 1), the rest",
    "mig": "mutual information gap: is each factor in one dimension alone?",
    "sap": "the same by shares of variance",
    "disentanglement": "DCI: does a dimension tell of one factor alone?",
    "completeness": "DCI: is a factor told by one dimension alone?",
    "informativeness": "DCI: share of the factors that the code tells",
    "importance_weighted": "bound on log p(x) by importance weighting, nats an image",
    "squared_error": "mean squared error of a reconstruction, a pixel",
    "class_consistency": "share of reconstructions that keep the image's class",
    "sharpness": "variance of the Laplacian of the data",
    "sharpness_reconstructions": "the same of reconstructions",
    "sharpness_samples": "the same of samples",
    "frechet": "Frechet distance of samples from data, by the classifier's features",
    "precision": "share of samples on the data's manifold",
    "recall": "share of the data on the samples' manifold",
    "class_entropy": "of the samples' classes, nats",
    "class_kl": "KL of the samples' classes from uniform, nats",
    "modes": "classes at least a tenth as frequent as when balanced",
}


def evaluate(model: Any, dataset: Dataset | Split, classifier: Classifier | None = None,
             rng: np.random.Generator | int = 0, n: int = 1000, K: int = 50) -> Estimates:
    """Every metric that the model has the abilities for, with its 95 % interval.

    Parameters
    ----------
    model : Model
        Fitted. With `encode` and `log_likelihood`, the ELBO, its parts, those of the KL, and the
        importance-weighted bound from K draws an image (on a tenth of the images); with `encode`,
        of images with factors, how the code keeps them apart; with `reconstruct`, the squared
        error and sharpness; with `sample`, the sharpness of samples; with `predict`, the accuracy.
    dataset : Dataset or Split
        A data set's test split, if it has one, else its training split.
    classifier : Classifier, optional
        For Frechet distance, precision, recall, class balance and class consistency.
    rng : Generator or seed
        Draws the images, codes, samples and resamples.
    n : int
        Images, and samples, that are looked at (fewer if there are fewer).

    Returns
    -------
    dict of name to (value, low, high), in the order of `MEANINGS`
    """
    rng = np.random.default_rng(rng)
    split = dataset if isinstance(dataset, Split) else dataset.splits.get("test", dataset["train"])
    chosen = np.sort(rng.permutation(len(split))[:n])
    X = split.read(chosen)
    labels = None if split.labels is None or split.labels.ndim > 1 else split.labels[chosen]
    if hasattr(model, "predict"):
        model.one_hot(labels)
        return {"accuracy": intervals.proportion(model.predict(X) == labels)}
    found: Estimates = {"sharpness": intervals.mean(sharpness(X))}
    if hasattr(model, "encode") and hasattr(model, "log_likelihood"):
        found |= _likelihood(model, X, rng, K, len(split))
    if hasattr(model, "encode") and split.labels is not None and split.labels.ndim == 2:
        found |= _factors(model, X, split.labels[chosen], rng)
    if hasattr(model, "reconstruct"):
        found |= _reconstruction(model, X, labels, classifier)
    if hasattr(model, "sample"):
        found |= _samples(model, X, classifier, rng)
    return {name: found[name] for name in MEANINGS if name in found}


def _likelihood(model, X, rng, K, N) -> Estimates:
    mu, var = (np.asarray(part, np.float64) for part in model.encode(X))
    term, kl = elbo_parts(lambda Z: model.log_likelihood(X, Z), mu, var, rng)
    few = slice(max(len(X) // 10, 1))
    bound = importance_weighted(lambda Z: model.log_likelihood(X[few], Z), mu[few], var[few], rng,
                                K)
    parts = {"elbo": term - kl, "log_likelihood_term": term, "kl": kl,
             "importance_weighted": bound}
    if len(X) > 1:
        z = mu + np.sqrt(var) * rng.standard_normal(mu.shape)
        parts |= kl_parts(mu, var, z, N)._asdict()
    return {name: intervals.mean(values) for name, values in parts.items()}


def _factors(model, X, V, rng) -> Estimates:
    Z = np.asarray(model.encode(X)[0])
    V = V[:, np.ptp(V, axis=0) > 0]
    if Z.shape[1] < 2 or not V.shape[1]:
        return {}
    scores = {"mig": mig, "sap": sap} | {
        name: lambda Z, V, name=name: getattr(dci(Z, V), name) for name in DCI._fields}
    both = np.concatenate([Z, V], axis=1)
    return {name: intervals.bootstrap(
        lambda rows, score=score: score(rows[:, :Z.shape[1]], rows[:, Z.shape[1]:].astype(int)),
        both, rng=rng, resamples=20) for name, score in scores.items()}


def _reconstruction(model, X, labels, classifier) -> Estimates:
    X_ = model.reconstruct(X)
    found = {"squared_error": intervals.mean(squared_error(X, X_)),
             "sharpness_reconstructions": intervals.mean(sharpness(X_))}
    if classifier is not None and labels is not None:
        found["class_consistency"] = intervals.proportion(classifier.predict(X_) == labels)
    return found


def _samples(model, X, classifier, rng) -> Estimates:
    X_ = model.sample(len(X), int(rng.integers(2**31)))
    found = {"sharpness_samples": intervals.mean(sharpness(X_))}
    if classifier is None:
        return found
    real, fake = classifier.features(X), classifier.features(X_)
    labels, classes = classifier.predict(X_), classifier.config.classes

    def balance(statistic):
        return intervals.bootstrap(lambda each: statistic(class_shares(each, classes)), labels,
                                   rng=rng)

    return found | {
        "frechet": intervals.bootstrap(frechet_distance, real, fake, rng=rng),
        "precision": intervals.proportion(covered(fake, real)),
        "recall": intervals.proportion(covered(real, fake)),
        "class_entropy": balance(entropy), "class_kl": balance(kl_to_uniform),
        "modes": balance(modes)}
