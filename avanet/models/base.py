"""What every model of batches answers to: players, gradients by hand, an update, fit and save.

A model is a short file. It names its players (networks), writes each loss with its gradient as a
method that adds to the players' `grads`, and its `update` reads like the paper's algorithm:

    def update(self, batch, rng):
        losses = self.discriminator_gradients(batch, rng)
        self.apply("discriminator")
        losses |= self.generator_gradients(batch, rng)
        self.apply("generator")
        return losses

Whatever is random is drawn from the generator that a method is given, so that a check can freeze
it; `avanet verify` compares what such a method adds to a player's `grads` with the numerical
derivative of that player's objective, the others frozen.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np

from avanet.data import Batch, Batches, Split
from avanet.data.batches import Step
from avanet.errors import InputError, unknown_name
from avanet.models.config import Config, configured
from avanet.nn import (
    OPTIMISERS, SCHEDULES, DivergedError, NonFiniteError, Sequential, clip_by_norm,
)
from avanet.nn.optim import Optimiser
from avanet.nn.schedules import Schedule
from avanet.nn.store import at_most
from avanet.tensors import Tensors, fitting, not_ours, read_tensors, write_tensors

FORMAT = "avanet-model-1"
TRAINING = "training."  # before the names of what only training goes on with
Losses = dict[str, float]
Shape = tuple[int, int, int]


class Model:
    """A generative model of images, trained on mini-batches.

    A model of your own defines `name`, `Config` if it has settings of its own, `build` and
    `update`, and is a line in `avanet.models.MODELS`.

    Parameters
    ----------
    random_state : int
        Of the generator that draws start values, batch order and noise.
    dtype : str
        "float32", or "float64" for verification.
    **settings
        Fields of the model's `Config`.

    Attributes
    ----------
    config : Config
    players_ : dict of str -> Sequential
        In the order of the paper.
    shape_ : (H, W, C)
        Of an image.
    n_steps_ : int
        Updates made.
    """

    name: ClassVar[str]
    paper: ClassVar[str]     # file name of the paper and section, for `avanet models`
    Config: ClassVar[type[Config]] = Config
    low: ClassVar[float] = 0.0   # of the pixels that the networks see: 0 (sigmoid) or -1 (tanh)
    watch: ClassVar[tuple[str, ...]] = ()  # losses whose sum says how good the model is: the less

    def __init__(self, *, random_state: int = 0, dtype: str = "float32", **settings):
        self.random_state = random_state
        self.dtype = dtype
        self.settings = settings

    @property
    def config(self) -> Any:
        """The settings, checked, with the defaults of those not given."""
        return configured(self.Config, self.settings)

    # What a model defines ----------------------------------------------------------------------

    def build(self, shape: Shape, rng: np.random.Generator) -> dict[str, Sequential]:
        """The players for images of that shape, by name, their start values drawn."""
        raise TypeError(f"{type(self).__name__} defines no players")

    def update(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """One step of the paper's algorithm; every sub-loss by name, before the step."""
        raise TypeError(f"{type(self).__name__} defines no update")

    def evaluate(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """The losses of a batch in evaluation mode; none by default."""
        return {}

    def rate_of(self, player: str) -> float:
        """A player's learning rate before the schedule; the config's by default."""
        return self._config.rate

    def new_optimiser(self, player: str) -> Optimiser:
        """A player's optimiser; the config's by default."""
        return OPTIMISERS[self._config.optimiser]()

    def prepare(self) -> tuple[Step, ...]:
        """Steps from images in [0, 1] to the batch's target."""
        from avanet.data.batches import symmetric
        return (symmetric,) if self.low else ()

    def corrupt(self) -> tuple[Step, ...]:
        """Steps from the target to the batch's input."""
        return ()

    # Training ----------------------------------------------------------------------------------

    def start(self, shape: Shape, total_steps: int = 0) -> Self:
        """Build the players for images of that shape and draw their start values.

        total_steps : how many updates the training will have, for schedules; 0 if unknown.
        """
        self._config = self.config
        if self.dtype not in ("float32", "float64"):
            raise unknown_name("dtype", self.dtype, ("float32", "float64"))
        self._rng = np.random.default_rng(self.random_state)
        height, width, channels = shape
        self.shape_ = height, width, channels
        self.n_steps_, self.total_steps_ = 0, total_steps
        try:
            self.players_ = self.build(self.shape_, self._rng)
        except MemoryError:
            raise InputError(f"no memory for the networks of {self.name}: give smaller settings or "
                             "images") from None
        self.optimisers_ = {player: self.new_optimiser(player) for player in self.players_}
        return self

    def batch_size(self, split: Split) -> int:
        """Images in a batch: all there are where the default asks for more.

        Raises
        ------
        InputError
            If a batch larger than the split was asked for in so many words.
        """
        batch = self.config.batch
        if "batch" in self.settings and batch > len(split):
            raise InputError(f"batch must be at most the {len(split)} images of {split.source}, "
                             f"got {batch}")
        return min(batch, len(split))

    def batches(self, split: Split) -> Batches:
        """The shuffled mini-batches of a split as this model takes them, from its generator."""
        return self._batches(split, self.batch_size(split), self._rng, shuffle=True)

    def _batches(self, split, size, rng, shuffle):
        typed = lambda images, rng: images.astype(self.dtype, copy=False)
        return Batches(split, size, rng, (*self.prepare(), typed), (*self.corrupt(), typed),
                       shuffle)

    def step(self, batch: Batch) -> Losses:
        """One update on a batch.

        Raises
        ------
        DivergedError
            At the first NaN or overflow, with step and layer.
        """
        with self._told_of_divergence(self.n_steps_ + 1):
            losses = self.update(batch, self._rng)
            _check_finite(losses)
        self.n_steps_ += 1
        return losses

    def losses(self, split: Split, random_state: int = 0) -> Losses:
        """What `evaluate` gives, its mean over the images of a split; the same every time.

        Raises
        ------
        DivergedError
            At the first NaN or overflow.
        """
        rng = np.random.default_rng(random_state)
        sums: Losses = {}
        with self._told_of_divergence(self.n_steps_):
            for batch in self._batches(split, min(self._config.batch, len(split)), rng, False):
                for name, loss in self.evaluate(batch, rng).items():
                    sums[name] = sums.get(name, 0.0) + float(loss) * len(batch.x)
            _check_finite(sums)
        return {name: total / len(split) for name, total in sums.items()}

    @contextmanager
    def _told_of_divergence(self, step: int) -> Iterator[None]:
        try:
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                yield
        except NonFiniteError as error:
            raise DivergedError(self.name, step, error.where) from None

    def fit(self, X, y=None) -> Self:
        """Start anew and train for `config.epochs` epochs.

        Parameters
        ----------
        X : (N, H, W) or (N, H, W, C) array
            Pixels in [0, 1], or uint8 in 0..255.
        y : (N,) array of int, optional
            Labels 0, 1, ...

        Raises
        ------
        InputError
            For settings or data that make no sense.
        DivergedError
            At the first NaN or overflow, with step and layer.
        """
        split = X if isinstance(X, Split) else Split(
            np.asarray(X), None if y is None else np.asarray(y), "X")
        epochs = self.config.epochs
        self.start(split.images.shape[1:], epochs * -(-len(split) // self.batch_size(split)))
        batches = self.batches(split)
        for _ in range(epochs):
            for batch in batches:
                self.step(batch)
        return self

    def apply(self, *players: str) -> None:
        """Take one optimiser step of these players along their `grads`, and clear these."""
        at = self.schedule()(self.n_steps_)
        for player in players:
            network = self.players_[player]
            if self._config.clip_norm:
                clip_by_norm(network.grads, self._config.clip_norm)
            self.optimisers_[player](network.params, network.grads, self.rate_of(player) * at)
            network.grads[:] = 0

    def rates(self) -> dict[str, float]:
        """The learning rate of each player at this moment."""
        at = self.schedule()(self.n_steps_)
        return {player: self.rate_of(player) * at for player in self.players_}

    def schedule(self) -> Schedule:
        """The rate's factor by the number of finished steps."""
        return SCHEDULES[self._config.schedule](max(self.total_steps_, 1))

    def moment(self) -> float:
        """How far the training is, from 0 to 1; 1 where its length is unknown."""
        return self.n_steps_ / self.total_steps_ if self.total_steps_ else 1.0

    def input_shape(self, player: str) -> tuple[int, ...]:
        """Of a sample that a player takes; where its layers leave that open, it is an image's."""
        first = self.players_[player].input_shape
        if first and all(isinstance(size, int) for size in first):
            return first
        if first and isinstance(first[-1], int) and first[-1] != self.shape_[-1]:
            return (first[-1],) if first[0] is ... else (*self.shape_[:-1], first[-1])
        return self.shape_

    # Keeping -----------------------------------------------------------------------------------

    def save(self, path) -> None:
        """Write settings and weights: .safetensors (extra `weights`) or .npz."""
        self.check_fitted()
        write_tensors(path, self.header(), self.tensors())

    def header(self) -> dict[str, Any]:
        """What tells one saved model from another: plain data."""
        return {"format": FORMAT, "model": self.name, "settings": self.settings,
                "dtype": self.dtype, "random_state": self.random_state,
                "shape": list(self.shape_), "n_steps": self.n_steps_,
                "total_steps": self.total_steps_}

    def tensors(self) -> Tensors:
        """Parameters and buffers by name; the arrays themselves."""
        return {f"{name}.params": player.params
                for name, player in self.players_.items()} | self._buffers()

    def take(self, tensors: Tensors) -> None:
        """Take over parameters and buffers that a file holds, and remove them from the dict."""
        for name, player in self.players_.items():
            player.params[:] = fitting(tensors, f"{name}.params", player.params)
        for name, buffer in self._buffers().items():
            buffer[...] = fitting(tensors, name, buffer)

    def _buffers(self) -> dict[str, np.ndarray]:
        return {f"{name}.{key}": buffer for name, player in self.players_.items()
                for key, buffer in player.buffers().items()}

    def training_state(self) -> tuple[dict[str, Any], Tensors]:
        """What training goes on with besides `header` and `tensors`: that of the optimisers.

        Plain data, and arrays whose names start with `TRAINING`.
        """
        steps, tensors = {}, {}
        for player, optimiser in self.optimisers_.items():
            for slot, value in optimiser.state().items():
                if slot == "steps":
                    steps[player] = value
                else:
                    tensors[f"{TRAINING}{player}.{slot}"] = value
        return {"optimisers": steps}, tensors

    def take_training(self, state: Mapping[str, Any], tensors: Tensors) -> None:
        """Take over what `training_state` gave, and remove it from the dict of tensors."""
        for player, optimiser in self.optimisers_.items():
            steps, params = state["optimisers"][player], self.players_[player].params
            slots = optimiser.slots if steps else ()
            optimiser.restore({"steps": steps} | {
                slot: fitting(tensors, f"{TRAINING}{player}.{slot}", params) for slot in slots})

    @classmethod
    def load(cls, path) -> Self:
        """Read a model that `save` wrote, or a checkpoint; never executes anything from the file.

        Raises
        ------
        InputError
            If the file is damaged, was not written by avanet, or holds another model.
        """
        header, tensors = read_tensors(path)
        with not_ours(path), at_most(2 * sum(array.size for array in tensors.values())):
            model = cls.from_header(header)
            model.take(tensors)
            check_none_left([name for name in tensors if not name.startswith(TRAINING)])
        return model

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Self:
        """A started model from what `header` gave; ValueError or InputError if it is another's."""
        if header.get("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {header.get('format')!r}")
        if header["model"] != cls.name:
            raise ValueError(f"it holds a {header['model']}, not a {cls.name}")
        model = cls(random_state=header["random_state"], dtype=header["dtype"],
                    **header["settings"])
        height, width, channels = map(int, header["shape"])
        model.start((height, width, channels), int(header["total_steps"]))
        model.n_steps_ = int(header["n_steps"])
        return model

    # Use ---------------------------------------------------------------------------------------

    def check_fitted(self) -> None:
        """InputError unless the model has been started."""
        if not hasattr(self, "players_"):
            raise InputError("this model is not fitted yet: call fit(X) first")

    def inputs(self, X) -> np.ndarray:
        """Images as the networks see them: (N, H, W, C) of the model's dtype, checked.

        Raises
        ------
        InputError
            Not fitted, another shape, or pixels out of range.
        """
        self.check_fitted()
        images = Split(np.asarray(X), None, "X").read(slice(None))
        if images.shape[1:] != self.shape_:
            raise InputError(f"expected images of shape {self.shape_}, got {images.shape[1:]}")
        return (images * (1 - self.low) + self.low).astype(self.dtype)

    def score(self, X, y=None) -> float:
        """Minus the sum of the watched losses, mean over the images; of a VAE, with z = mu, an
        estimate of its lower bound on log p(x). The more the better.

        Raises
        ------
        InputError
            As `inputs` does, and for a model without a loss to watch.
        """
        self.inputs(X)
        if not self.watch:
            raise InputError(f"{self.name} has no loss that says how good it is")
        losses = self.losses(Split(np.asarray(X), None if y is None else np.asarray(y), "X"))
        return -sum(losses[name] for name in self.watch)

    def images(self, y: np.ndarray) -> np.ndarray:
        """Networks' outputs as images (N, H, W, C) with pixels in [0, 1]."""
        return ((y - self.low) / (1 - self.low)).reshape(-1, *self.shape_)

    def normal(self, rng: np.random.Generator, *shape: int) -> np.ndarray:
        """N(0, 1) draws of the model's dtype."""
        return rng.standard_normal(shape, np.dtype(self.dtype).type)


def _check_finite(losses: Losses) -> None:
    for name, loss in losses.items():
        if not np.isfinite(loss):
            raise NonFiniteError(f"the loss {name}")


def check_none_left(names) -> None:
    """ValueError if a file holds arrays of these names besides those of its model."""
    if names:
        raise ValueError(f"more arrays than the model has: {', '.join(sorted(names))}")
