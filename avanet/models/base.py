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

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar, get_type_hints

import numpy as np

from avanet.data import Batch, Batches, Split
from avanet.data.batches import Step
from avanet.errors import InputError, unknown_name
from avanet.nn import (
    OPTIMISERS, SCHEDULES, DivergedError, NonFiniteError, Sequential, clip_by_norm,
)
from avanet.nn.optim import Optimiser
from avanet.nn.schedules import Schedule
from avanet.tensors import not_ours, read_tensors, write_tensors

FORMAT = "avanet-model-1"
Losses = dict[str, float]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Config:
    """Hyperparameters that every model has; a model's own are added by inheritance.

    Attributes
    ----------
    epochs, batch : int
    rate : float
        Learning rate of every player, before the schedule.
    schedule : str
        One of `avanet.nn.schedules.SCHEDULES`, over the whole training.
    optimiser : str
        One of `avanet.nn.OPTIMISERS`.
    clip_norm : float
        Each player's gradient is clipped to this norm; 0 for no clipping.
    """

    epochs: int = 10
    batch: int = 128
    rate: float = 1e-3
    schedule: str = "constant"
    optimiser: str = "adam"
    clip_norm: float = 0.0

    def __post_init__(self):
        hints = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, checked(field.name, value, hints[field.name]))
        if min(self.epochs, self.batch) < 1:
            raise InputError(f"epochs and batch must be at least 1, got {self.epochs} and "
                             f"{self.batch}")
        if not 0 < self.rate < np.inf:
            raise InputError(f"rate must be positive, got {self.rate}")
        if self.clip_norm < 0:
            raise InputError(f"clip_norm must be 0 (none) or positive, got {self.clip_norm}")
        for kind, got, known in (("schedule", self.schedule, SCHEDULES),
                                 ("optimiser", self.optimiser, OPTIMISERS)):
            if got not in known:
                raise unknown_name(kind, got, known)


def checked(name: str, value: Any, kind: type) -> Any:
    """The value as the field's type (int, float, bool or str); InputError if it is not one."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    fits = {bool: isinstance(value, bool), int: whole, str: isinstance(value, str),
            float: isinstance(value, Real) and not isinstance(value, bool)}[kind]
    if not fits:
        raise InputError(f"{name} must be of type {kind.__name__}, got {value!r}")
    return kind(value)


def configured(kind: type[Config], settings: Mapping[str, Any]) -> Config:
    """A config of that kind; InputError, with the nearest name, for a setting it has not."""
    known = [field.name for field in fields(kind)]
    for name in settings:
        if name not in known:
            raise unknown_name("setting", name, known)
    return kind(**settings)


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

    def start(self, shape: Shape, total_steps: int = 0) -> "Model":
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
        self.players_ = self.build(self.shape_, self._rng)
        self.optimisers_ = {player: self.new_optimiser(player) for player in self.players_}
        return self

    def batches(self, split: Split, shuffle: bool = True) -> Batches:
        """The mini-batches of a split as this model takes them, drawn from its generator."""
        typed = lambda images, rng: images.astype(self.dtype, copy=False)
        return Batches(split, min(self._config.batch, len(split)), self._rng,
                       (*self.prepare(), typed), (*self.corrupt(), typed), shuffle)

    def step(self, batch: Batch) -> Losses:
        """One update on a batch.

        Raises
        ------
        DivergedError
            At the first NaN or overflow, with step and layer.
        """
        try:
            losses = self.update(batch, self._rng)
        except NonFiniteError as error:
            raise DivergedError(self.name, self.n_steps_ + 1, error.where) from None
        for name, loss in losses.items():
            if not np.isfinite(loss):
                raise DivergedError(self.name, self.n_steps_ + 1, f"the loss {name}")
        self.n_steps_ += 1
        return losses

    def fit(self, X, y=None) -> "Model":
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
        config = self.config
        size = min(config.batch, len(split))
        self.start(split.images.shape[1:], config.epochs * -(-len(split) // size))
        batches = self.batches(split)
        for _ in range(config.epochs):
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

    def schedule(self) -> Schedule:
        """The rate's factor by the number of finished steps."""
        return SCHEDULES[self._config.schedule](max(self.total_steps_, 1))

    def moment(self) -> float:
        """How far the training is, from 0 to 1; 1 where its length is unknown."""
        return self.n_steps_ / self.total_steps_ if self.total_steps_ else 1.0

    # Keeping -----------------------------------------------------------------------------------

    def save(self, path) -> None:
        """Write settings and weights: .safetensors (extra `weights`) or .npz."""
        self.check_fitted()
        tensors = {f"{name}.params": player.params for name, player in self.players_.items()}
        tensors |= self._buffers()
        write_tensors(path, self.header(), tensors)

    def header(self) -> dict[str, Any]:
        """What tells one saved model from another: plain data."""
        return {"format": FORMAT, "model": self.name, "settings": self.settings,
                "dtype": self.dtype, "random_state": self.random_state,
                "shape": list(self.shape_), "n_steps": self.n_steps_,
                "total_steps": self.total_steps_}

    def take(self, tensors: dict[str, np.ndarray]) -> None:
        """Take over parameters and buffers that a file holds, and remove them from the dict."""
        for name, player in self.players_.items():
            player.params[:] = _fitting(tensors, f"{name}.params", player.params)
        for name, buffer in self._buffers().items():
            buffer[...] = _fitting(tensors, name, buffer)

    def _buffers(self) -> dict[str, np.ndarray]:
        return {f"{name}.{key}": buffer for name, player in self.players_.items()
                for key, buffer in player.buffers().items()}

    @classmethod
    def load(cls, path) -> "Model":
        """Read a model that `save` wrote; never executes anything from the file.

        Raises
        ------
        InputError
            If the file is damaged, was not written by avanet, or holds another model.
        """
        header, tensors = read_tensors(path)
        with not_ours(path):
            model = cls.from_header(header)
            model.take(tensors)
            if tensors:
                raise ValueError(f"more arrays than the model has: {', '.join(sorted(tensors))}")
        return model

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Model":
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

    def images(self, y: np.ndarray) -> np.ndarray:
        """Networks' outputs as images (N, H, W, C) with pixels in [0, 1]."""
        return ((y - self.low) / (1 - self.low)).reshape(-1, *self.shape_)

    def normal(self, rng: np.random.Generator, *shape: int) -> np.ndarray:
        """N(0, 1) draws of the model's dtype."""
        return rng.standard_normal(shape, np.dtype(self.dtype).type)


def _fitting(tensors, name, like):
    stored = tensors.pop(name)
    if stored.shape != like.shape or stored.dtype != like.dtype:
        raise ValueError(f"{name} has shape {stored.shape} of {stored.dtype}, not {like.shape}")
    return stored
