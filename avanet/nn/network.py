"""Sequential: the only forward loop and the only backward loop of the engine."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from avanet.nn.layers import Layer
from avanet.nn.store import Store


class NonFiniteError(ArithmeticError):
    """A NaN or an infinity, caught where it first appears; `where` names the layer."""

    def __init__(self, where: str):
        super().__init__(f"NaN or overflow in {where}")
        self.where = where


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
        self._store = Store([layer.shapes() for layer in self.layers], dtype)
        self.params, self.grads = self._store.params, self._store.grads
        self.slices = []
        for layer, (part, views) in zip(self.layers, self._store.layers):
            layer.bind(views)
            self.slices.append(part)
            if rng is not None:
                layer.initialise(rng)

    @property
    def n_in(self) -> int:
        """Width of the input, as the first layer with weights has it."""
        return next(layer.n_in for layer in self.layers if hasattr(layer, "n_in"))

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """Return y and the list of caches that `backward` takes.

        Parameters
        ----------
        x : (B, n_in) array of the network's dtype

        Raises
        ------
        ValueError
            If x has another shape or dtype.
        NonFiniteError
            At the first layer whose output is not finite.
        """
        if x.ndim != 2 or x.shape[1] != self.n_in:
            raise ValueError(f"{self.name} expects input of shape (B, {self.n_in}), got {x.shape}")
        if x.dtype != self.params.dtype:
            raise ValueError(f"{self.name} computes in {self.params.dtype}, got {x.dtype} input")
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(x)
            caches.append(cache)
            self.check_finite(x, layer)
        return x, caches

    def backward(self, dy: np.ndarray, caches: list[Any], below_output: bool = False) -> np.ndarray:
        """Add dL/dparams to `grads` and return dL/dx.

        Parameters
        ----------
        dy : (B, n_out) array
            dL/dy; with `below_output` dL/dv, v the net input of the last activation, which is
            where the AVA paper's errors enter (they already contain the output slope).
        caches : list
            From the `forward` of the evaluation that goes back.
        """
        return self._back(dy, caches, below_output, "backward")

    def propagate(self, dy: np.ndarray, caches: list[Any], below_output=False) -> np.ndarray:
        """Return dL/dx as `backward` does, and leave `grads` alone."""
        return self._back(dy, caches, below_output, "propagate")

    def _back(self, dy, caches, below_output, method):
        depth = len(self.layers) - below_output
        for layer, cache in zip(reversed(self.layers[:depth]), reversed(caches[:depth])):
            dy = getattr(layer, method)(dy, cache)
            self.check_finite(dy, layer)
        return dy

    def check_finite(self, values: np.ndarray, layer: Layer) -> None:
        """Raise NonFiniteError, with the layer's name, if a value is NaN or infinite."""
        if not np.isfinite(values).all():
            raise NonFiniteError(f"{self.name}, {layer.name}")
