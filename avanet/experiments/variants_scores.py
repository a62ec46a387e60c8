"""What the trainings of `avanet reproduce variants` are measured by: numbers and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avanet.data import Dataset, Split
from avanet.experiments.running import some
from avanet.folder import read_lines
from avanet.metrics.features import frechet_distance
from avanet.metrics.intervals import Estimate, bootstrap, mean, proportion
from avanet.metrics.normality import Normality, normality
from avanet.metrics.pictures import squared_error
from avanet.models.aae import AAE
from avanet.models.priors import unmixed
from avanet.train.run import open_run
from avanet.train.use import plane

JUDGED = 2000        # samples, and images of each kind that they are compared with
CODED = 5000         # images whose codes are held against the prior, at most
RESAMPLES = 100      # for the interval of a Frechet distance
DRAWS = 100          # true samples of the prior of the same size, for the range of chance
ROWS, SHOWN, PAIRS = 8, 64, 10  # of a class, samples, and pairs in a picture
SIDE = 15            # images across the plane of codes
REACH = {"gaussian": 2.0, "mixture": 6.0}  # how far a picture of the plane of codes goes

Range = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Trained:
    """A finished training: its model, and how many epochs it had."""

    model: Any
    epochs: int

    @classmethod
    def read(cls, folder: Path) -> "Trained":
        """From the run's folder. Raises InputError if it is damaged."""
        return cls(open_run(folder, "last")[0], len(read_lines(folder / "log.jsonl")[0]))


@dataclass(frozen=True)
class Samples:
    """Generated images as the judge sees them.

    asked : the share in the class that was asked for, None where none can be.
    worst : (class, share) of the class with the least share.
    """

    frechet: Estimate
    asked: Estimate | None = None
    worst: tuple[int, float] | None = None


@dataclass(frozen=True)
class Codes:
    """Codes beside draws of their prior, turned into what would be N(0, I) (`unmixed`).

    chance : the middle 95 % of `found` over true samples of the same size; of the distance the
        95 % that are least.
    shares : (least, largest) share of a component; chance_shares the same of true samples.
    told : the share of codes in the component that their label names, None without labels.
    """

    count: int
    found: Normality
    chance: Range
    shares: tuple[float, float] | None
    chance_shares: tuple[float, float] | None
    told: Estimate | None
    points: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Scores:
    """All that the report is made of.

    errors : squared error of a pixel and share whose class is kept, of reconstructions and of two
        stand-ins for them.
    pictures : images (N, H, W, C) and how many stand in a row, by file name.
    """

    trained: Mapping[str, Trained]
    accuracy: Estimate
    samples: dict[str, Samples]
    errors: dict[str, tuple[Estimate, Estimate]]
    codes: dict[str, Codes]
    pictures: dict[str, tuple[np.ndarray, int]]


def measure(trained: Mapping[str, Trained], dataset: Dataset) -> Scores:
    """Every number and picture, the same every time.

    The images are drawn from the whole of their split: halves of MNIST's are by other writers.
    """
    judge = trained["judge"].model
    models = {name: each.model for name, each in trained.items() if name != "judge"}
    split = dataset.splits.get("test", dataset["train"])
    judged = some(split, JUDGED)
    X, labels = judged.read(slice(None)), judged.labels
    accuracy = proportion(judge.predict(X) == labels)
    return Scores(trained, accuracy, samples_of(models, judge, X, dataset),
                  errors_of(models, judge, X, labels, dataset["train"]),
                  {name: codes_of(model, split) for name, model in models.items()
                   if isinstance(model, AAE)},
                  pictures_of(models, X))


def asked_for(model: Any) -> bool:
    """Whether a model makes images of a class that is asked for."""
    c = model.config
    return c.labels if isinstance(model, AAE) else hasattr(c, "classes")


def samples_of(models: Mapping[str, Any], judge, X: np.ndarray, dataset: Dataset
               ) -> dict[str, Samples]:
    """Frechet distance from test images, and whether samples are of the class that was asked for.

    At the end what as many training images have, which is as good as it gets.
    """
    rng, real = np.random.default_rng(0), judge.features(X)
    distance = lambda features: bootstrap(frechet_distance, features, real, rng=rng,
                                          resamples=RESAMPLES)
    found = {}
    for name, model in models.items():
        if not asked_for(model):
            found[name] = Samples(distance(judge.features(model.sample(JUDGED))))
            continue
        labels = np.arange(JUDGED) % dataset.n_classes
        x = model.sample(JUDGED, labels=labels)
        hits = judge.predict(x) == labels
        shares = [float(hits[labels == k].mean()) for k in range(dataset.n_classes)]
        worst = int(np.argmin(shares))
        found[name] = Samples(distance(judge.features(x)), proportion(hits), (worst, shares[worst]))
    found["training images"] = Samples(
        distance(judge.features(some(dataset["train"], JUDGED).read(slice(None)))))
    return found


def errors_of(models: Mapping[str, Any], judge, X: np.ndarray, labels: np.ndarray, train: Split
              ) -> dict[str, tuple[Estimate, Estimate]]:
    """Of every model that reconstructs; then of the mean training image, and of other images."""
    made = {name: model.reconstruct(X) for name, model in models.items()
            if hasattr(model, "reconstruct")}
    average = some(train, CODED).read(slice(None)).mean(axis=0)
    made["the mean image"] = np.broadcast_to(average, X.shape)
    made["another image"] = X[np.random.default_rng(0).permutation(len(X))]
    return {name: (mean(squared_error(X, x)), proportion(judge.predict(x) == labels))
            for name, x in made.items()}


# Codes ----------------------------------------------------------------------------------------

def codes_of(model: AAE, split: Split) -> Codes:
    """The codes of an adversarial autoencoder, and true samples of its prior as large."""
    c, rng = model.config, np.random.default_rng(0)
    coded = some(split, CODED)
    labels = coded.labels
    z = model.encode(coded.read(slice(None)))[0]
    found, components = as_normal(z, model)
    named = labels if c.labels else None
    true = [as_normal(model.prior(len(z), rng, named), model) for _ in range(DRAWS)]
    numbers = np.array([normality(epsilon) for epsilon, _ in true])
    low, high = np.quantile(numbers, (0.025, 0.975), axis=0)
    low[-1], high[-1] = 0, np.quantile(numbers[:, -1], 0.95, axis=0)
    shares = chance_shares = None
    if c.prior == "mixture":
        shares = extremes(components, c.classes)
        ends = np.array([extremes(each, c.classes) for _, each in true])
        chance_shares = float(ends[:, 0].min()), float(ends[:, 1].max())
    return Codes(len(z), normality(found), (low, high), shares, chance_shares,
                 proportion(components == labels) if c.labels else None, z, labels)


def as_normal(z: np.ndarray, model: AAE) -> tuple[np.ndarray, np.ndarray]:
    """What is N(0, I) if z is of the prior, and the component of each (0 where there is one)."""
    if model.config.prior == "mixture":
        return unmixed(z, model.config.classes)
    return z, np.zeros(len(z), int)


def extremes(components: np.ndarray, count: int) -> tuple[float, float]:
    """The least and the largest share of a component."""
    shares = np.bincount(components, minlength=count) / len(components)
    return float(shares.min()), float(shares.max())


# Pictures -------------------------------------------------------------------------------------

def pictures_of(models: Mapping[str, Any], X: np.ndarray) -> dict[str, tuple[np.ndarray, int]]:
    """A column a class; samples; images above their reconstructions; the plane of codes decoded."""
    found = {}
    for name, model in models.items():
        if isinstance(model, AAE):
            found[f"plane-{name}.png"] = plane(model, SIDE, REACH[model.config.prior]), SIDE
        elif asked_for(model):
            classes = model.config.classes
            found[f"classes-{name}.png"] = model.sample(ROWS * classes), classes
        elif hasattr(model, "reconstruct"):
            x = X[:3 * PAIRS]
            both = np.stack([x, model.reconstruct(x)])
            rows = [both[:, start:start + PAIRS].reshape(-1, *X.shape[1:])
                    for start in range(0, len(x), PAIRS)]
            found[f"pairs-{name}.png"] = np.concatenate(rows), min(PAIRS, len(x))
        else:
            found[f"samples-{name}.png"] = model.sample(SHOWN), 0
    return found
