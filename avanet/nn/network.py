"""Sequential: the only forward loop and the only backward loop of the engine."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from avanet.nn.layers import Layer
from avanet.nn.store import Store


class NonFiniteError(ArithmeticError):
    """A NaN or an infinity, caught where it first appears; `where` names the layer."""

    def __init__(self, where: str):
        super().__init__(where)
        self.where = where

    def __str__(self):
        return f"NaN or overflow in {self.where}"


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
        self.n_in, self.n_out = self._widths()
        self._bind(Store([layer.shapes() for layer in self.layers], dtype))
        if rng is not None:
            for layer in self.layers:
                layer.initialise(rng)

    def _widths(self) -> tuple[int | None, int | None]:
        """Input and output width as far as the layers tell; each must fit the next."""
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError(f"{self.name} has one layer object twice; make two")
        wide = [layer for layer in self.layers if hasattr(layer, "n_in")]
        for before, after in zip(wide, wide[1:]):
            if getattr(before, "n_out", after.n_in) != after.n_in:
                raise ValueError(f"{self.name}: {before.name} gives {before.n_out} values, "
                                 f"{after.name} takes {after.n_in}")
        return getattr(wide[0] if wide else None, "n_in", None), \
            getattr(wide[-1] if wide else None, "n_out", None)

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
        twin.__dict__ |= self.__dict__ | {"layers": list(layers)}
        return twin

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
        self._check("input", x, self.n_in)
        if not np.isfinite(x).all():
            raise NonFiniteError(f"{self.name}, input")
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
        self._check("error", dy, self.n_out)
        depth = len(self.layers) - below_output
        for layer, cache in zip(reversed(self.layers[:depth]), reversed(caches[:depth])):
            dy = getattr(layer, method)(dy, cache)
            self.check_finite(dy, layer)
        return dy

    def _check(self, what: str, values: np.ndarray, width: int | None) -> None:
        if width is not None and (values.ndim != 2 or values.shape[1] != width):
            raise ValueError(
                f"{self.name} expects {what} of shape (B, {width}), got {values.shape}")
        if values.dtype != self.params.dtype:
            raise ValueError(
                f"{self.name} computes in {self.params.dtype}, got {values.dtype} {what}")

    def check_finite(self, values: np.ndarray, layer: Layer) -> None:
        """Raise NonFiniteError, with the layer's name, if a value is NaN or infinite."""
        if not np.isfinite(values).all():
            raise NonFiniteError(f"{self.name}, {layer.name}")
