"""A small convolutional classifier: the judge whose features and labels the metrics use."""

from dataclasses import dataclass

import numpy as np

from avanet.errors import InputError
from avanet.models import base
from avanet.models.base import Model
from avanet.models.labels import one_hot
from avanet.nn import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential, Softmax, initialiser
from avanet.nn.losses import categorical_cross_entropy_from_logits

CHUNK = 256  # images that pass at a time where a set is judged


@dataclass(frozen=True)
class Config(base.Config):
    """classes: how many; channels: of the first convolution, the second has twice as many;
    width: of the last hidden layer, whose units are the features."""

    epochs: int = 3
    schedule: str = "cosine"
    classes: int = 10
    channels: int = 16
    width: int = 64

    def __post_init__(self):
        super().__post_init__()
        if self.classes < 2 or min(self.channels, self.width) < 1:
            raise InputError(f"classes must be at least 2, channels and width at least 1, got "
                             f"{self.classes}, {self.channels} and {self.width}")


class Classifier(Model):
    """L = -mean_b log p(y|x), minimised; p(.|x) = softmax of the classifier's output.

    One player: twice (convolution 3x3, max-pooling 2x2, ReLU), a dense layer with ReLU, whose
    units are the features, and a dense layer to the classes; one Adam step on every batch.
    """

    name = "classifier"
    paper = "avanet's own, for the metrics"
    Config = Config
    watch = ("loss",)

    def build(self, shape, rng):
        c, he = self._config, initialiser("he")
        convolutions = [
            Conv2D(shape[2], c.channels, 3, 1, "same", he), MaxPool2D(), ReLU(),
            Conv2D(c.channels, 2 * c.channels, 3, 1, "same", he), MaxPool2D(), ReLU(), Flatten()]
        try:
            flat, = Sequential(convolutions, name="classifier").output_shape(shape)
        except ValueError as error:
            raise InputError(f"images of shape {shape} are too small ({error})") from None
        return {"classifier": Sequential(
            [*convolutions, Dense(flat, c.width, he), ReLU(), Dense(c.width, c.classes)],
            rng, self.dtype, "classifier")}

    def update(self, batch, rng):
        losses = self.gradients(batch, rng)
        self.apply("classifier")
        return losses

    def gradients(self, batch, rng):
        """Add dL/dTheta."""
        classifier = self.players_["classifier"]
        v, caches = classifier.forward(batch.x, True)
        loss, dv = categorical_cross_entropy_from_logits(v, self.one_hot(batch.labels))
        classifier.accumulate(dv, caches)
        return {"loss": float(loss), "accuracy": accuracy(v, batch.labels)}

    def evaluate(self, batch, rng):
        """The same on a batch that is not learnt from."""
        v, _ = self.players_["classifier"].forward(batch.x)
        loss, _ = categorical_cross_entropy_from_logits(v, self.one_hot(batch.labels))
        return {"loss": float(loss), "accuracy": accuracy(v, batch.labels)}

    def one_hot(self, labels) -> np.ndarray:
        """(B,) labels as (B, K); InputError if there are none, or some that are no class."""
        return one_hot(labels, self._config.classes, "a classifier", self.dtype)

    def features(self, X) -> np.ndarray:
        """(N, width) features of images: the last hidden layer."""
        return self._through(X, self._network().layers[:-1])

    def probabilities(self, X) -> np.ndarray:
        """(N, K) p(y|x) of images."""
        return self._through(X, [*self._network().layers, Softmax()])

    def predict(self, X) -> np.ndarray:
        """(N,) the most probable class of each image."""
        return self.probabilities(X).argmax(axis=1)

    def score(self, X, y=None) -> float:
        """The share of images whose most probable class is theirs, of labels y."""
        if y is None:
            raise InputError("a classifier is scored against labels: score(X, y)")
        return float((self.predict(X) == np.asarray(y)).mean())

    def _network(self) -> Sequential:
        self.check_fitted()
        return self.players_["classifier"]

    def _through(self, X, layers) -> np.ndarray:
        network = self._network().with_layers(layers)
        X = np.asarray(X)
        return np.concatenate([network.forward(self.inputs(X[start:start + CHUNK]))[0]
                               for start in range(0, max(len(X), 1), CHUNK)])


def accuracy(v: np.ndarray, labels: np.ndarray) -> float:
    """The share of rows of v whose largest entry is in the column of the label."""
    return float((v.argmax(axis=1) == labels).mean())
