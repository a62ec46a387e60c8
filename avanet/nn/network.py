"""Sequential: the only forward loop and the only backward loop of the engine."""

import cmath
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from avanet.nn.fused import flat, kernel, large
from avanet.nn.layers import Layer, Pattern, Shape, batch, fits, values
from avanet.nn.store import Store

Check = Callable[[np.ndarray, Layer], None]


class NonFiniteError(ArithmeticError):
    """A NaN or an infinity, caught where it first appears; `where` names the layer."""

    def __init__(self, where: str):
        super().__init__(where)
        self.where = where

    def __str__(self):
        return f"NaN or overflow in {self.where}"


class DivergedError(ArithmeticError):
    """A NaN or an overflow in training; `step` counts updates from 1, `where` names the layer."""

    def __init__(self, model: str, step: int, where: str):
        super().__init__(model, step, where)
        self.model, self.step, self.where = model, step, where

    def __str__(self):
        return f"{self.model}: NaN or overflow at step {self.step} in {self.where}"


def forward_through(layers, x, train=False, rng=None, check: Check | None = None):
    """Return the last layer's output and the list of all caches.

    `check` sees the outputs of all layers that can make a finite value infinite.
    """
    caches = []
    for layer in layers:
        x, cache = layer.forward(x, train, rng) if layer.modal else layer.forward(x)
        caches.append(cache)
        if check and not layer.tame:
            check(x, layer)
    return x, caches


def back_through(layers, dy, caches, method: str, check: Check | None = None) -> np.ndarray:
    """Return dL/dx, going back by each layer's `backward` or `propagate`."""
    for layer, cache in zip(reversed(layers), reversed(caches)):
        dy = getattr(layer, method)(dy, cache)
        if check and not layer.tame:
            check(dy, layer)
    return dy


def finite(values: np.ndarray) -> bool:
    """Whether no value is NaN or infinite.

    The sum tells at once: a NaN or an infinity stays in it. Where it overflows by itself the values
    are looked at one by one.
    """
    total = kernel("total", values)(flat(values)) if large(values) else values.sum()
    return cmath.isfinite(total) or bool(np.isfinite(values).all())


class Sequential:
    """y = layer_k(... layer_2(layer_1(x))), with all parameters in one flat vector.

    Parameters
    ----------
    layers : sequence of Layer
    rng : numpy.random.Generator, optional
        Draws the start values; without it every parameter starts at zero.
    dtype : dtype
        Of parameters and passes: float32, float64, or complex128 for complex-step checks.
    name : str
        Stands before the layer's name in error messages.

    Attributes
    ----------
    params, grads : (P,) arrays
        `backward` adds to `grads`; set it to zero before a new step.
    """

    def __init__(self, layers: Sequence[Layer], rng=None, dtype=np.float32, name: str = "network"):
        self.layers = list(layers)
        self.name = name
        self._outputs: dict[Shape, Shape] = {}
        self.n_in, self.n_out = self._widths()
        self._bind(Store([layer.shapes() for layer in self.layers], dtype))
        if rng is not None:
            for layer in self.layers:
                layer.initialise(rng)

    def _widths(self) -> tuple[int | None, int | None]:
        """Input and output width as far as the layers tell; each must fit the next."""
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError(f"{self.name} has one layer object twice; make two")
        shape, giver = None, "the input"
        for layer in self.layers:
            told = layer.input_shape
            if shape is None and told and all(isinstance(size, int) for size in told):
                shape = told
            if shape is not None:
                shape, giver = self._through(layer, shape, giver)
        expected = self.input_shape or ()
        return (expected[0] if len(expected) == 1 and expected[0] is not ... else None,
                shape[0] if shape and len(shape) == 1 else None)

    @property
    def input_shape(self) -> Pattern | None:
        """What the shape of a sample must be, as far as the first layers tell."""
        return next((layer.input_shape for layer in self.layers if layer.input_shape), None)

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of a sample's output from that of the sample.

        Raises
        ------
        ValueError
            If a layer does not take what it is given; both are named.
        """
        giver = "the input"
        for layer in self.layers:
            shape, giver = self._through(layer, shape, giver)
        return shape

    def _through(self, layer: Layer, shape: Shape, giver: str) -> tuple[Shape, str]:
        """The shape after the layer, and who gives it."""
        if not fits(shape, layer.input_shape):
            raise ValueError(f"{self.name}: {giver} gives {values(shape)}, {layer.name} takes "
                             f"{values(layer.input_shape)}")
        return layer.output_shape(shape), giver if layer.input_shape is None else layer.name

    def _bind(self, store: Store) -> None:
        self._store = store
        self.params, self.grads = store.params, store.grads
        self.slices = [part for part, _ in store.layers]
        for layer, (_, views) in zip(self.layers, store.layers):
            layer.bind(views)

    def __setstate__(self, state):
        """A deep copy or an unpickled network gets views of its own into its own vectors."""
        self.__dict__ |= state
        store = Store([layer.shapes() for layer in self.layers], state["params"].dtype)
        store.params[:], store.grads[:] = state["params"], state["grads"]
        self._bind(store)

    def with_layers(self, layers: Sequence[Layer]) -> "Sequential":
        """The same network on the same parameters, with other layers in place of its own.

        The layers are taken as they are, bound already: wrappers around the network's own.
        """
        twin = object.__new__(type(self))
        twin.__dict__ |= self.__dict__ | {"layers": list(layers), "_outputs": {}}
        return twin

    @np.errstate(over="ignore", divide="ignore", invalid="ignore")
    def forward(self, x: np.ndarray, train: bool = False,
                rng: np.random.Generator | None = None) -> tuple[np.ndarray, list[Any]]:
        """Return y and the list of caches that `backward` takes.

        Parameters
        ----------
        x : (B, n_in) or (B, H, W, C) array of the network's dtype
        train : bool
            Whether batch norm takes the batch's own statistics and dropout drops.
        rng : numpy.random.Generator, optional
            What dropout draws from in training.

        Raises
        ------
        ValueError
            If x has another shape or dtype, or a layer needs a generator and there is none.
        NonFiniteError
            At the first layer whose output is not finite.
        """
        self._check_input(x)
        if not finite(x):
            raise NonFiniteError(f"{self.name}, input")
        return forward_through(self.layers, x, train, rng, self.check_finite)

    def backward(self, dy: np.ndarray, caches: list[Any], below_output: bool = False) -> np.ndarray:
        """Add dL/dparams to `grads` and return dL/dx.

        Parameters
        ----------
        dy : array of the output's shape
            dL/dy; with `below_output` dL/dv, v the net input of the last activation, which is
            where the AVA paper's errors enter (they already contain the output slope).
        caches : list
            From the `forward` of the evaluation that goes back.
        """
        return self._back(dy, caches, below_output, "backward")

    def accumulate(self, dy: np.ndarray, caches: list[Any], below_output: bool = False) -> None:
        """Add dL/dparams to `grads` as `backward` does, without the errors that serve no gradient.

        These are dL/dx of the first layer with parameters and of the layers before it.
        """
        first = next((k for k, layer in enumerate(self.layers) if layer.shapes()), None)
        if first is not None:
            rest = self._back(dy, caches, below_output, "backward", first + 1)
            self.layers[first].accumulate(rest, caches[first])

    def propagate(self, dy: np.ndarray, caches: list[Any], below_output=False) -> np.ndarray:
        """Return dL/dx as `backward` does, and leave `grads` alone."""
        return self._back(dy, caches, below_output, "propagate")

    @np.errstate(over="ignore", divide="ignore", invalid="ignore")
    def _back(self, dy, caches, below_output, method, first=0):
        self._check_error(dy)
        through = slice(first, len(self.layers) - below_output)
        return back_through(self.layers[through], dy, caches[through], method, self.check_finite)

    def _check_input(self, x: np.ndarray) -> None:
        """Each shape of a sample is followed through the layers once, and remembered."""
        shape = x.shape[1:]
        if x.ndim == 0 or shape not in self._outputs:
            if x.ndim == 0 or not fits(shape, self.input_shape):
                expected = batch(self.input_shape or (...,))
                raise ValueError(f"{self.name} expects input of shape {expected}, got {x.shape}")
            self._outputs[shape] = self.output_shape(shape)
        self._check_dtype("input", x)

    def _check_error(self, dy: np.ndarray) -> None:
        known = set(self._outputs.values()) or {(self.n_out,)} - {(None,)}
        if known and dy.shape[1:] not in known:
            expected = " or ".join(map(batch, sorted(known)))
            raise ValueError(f"{self.name} expects error of shape {expected}, got {dy.shape}")
        self._check_dtype("error", dy)

    def _check_dtype(self, what: str, values: np.ndarray) -> None:
        if values.dtype != self.params.dtype:
            raise ValueError(
                f"{self.name} computes in {self.params.dtype}, got {values.dtype} {what}")

    def buffers(self) -> dict[str, np.ndarray]:
        """Arrays that are saved but not trained (running statistics), by place, layer and name."""
        return {f"{k} {layer.name} {name}": value for k, layer in enumerate(self.layers)
                for name, value in layer.buffers().items()}

    def check_finite(self, values: np.ndarray, layer: Layer) -> None:
        """Raise NonFiniteError, with the layer's name, if a value is NaN or infinite."""
        if not finite(values):
            raise NonFiniteError(f"{self.name}, {layer.name}")
