"""Layers with parameters. The calculus of each stands in its docstring."""

from typing import Any

import numpy as np

from avanet.nn.initialise import glorot, zeros
from avanet.nn.memory import add_product, product
from avanet.nn.store import Shapes

Shape = tuple[int, ...]
Pattern = tuple[Any, ...]


class Layer:
    """What every layer answers to: a forward pass and the two halves of its backward pass.

    `forward(x)` returns `(y, cache)`; the cache is a value that the caller holds, never a field
    of the layer, so that a network may be evaluated on x and on x' before either goes back.
    `accumulate(dy, cache)` adds dL/dW to the layer's gradient views, `propagate(dy, cache)`
    returns dL/dx, and `backward` does both.

    A layer of your own defines `forward` and `propagate`, and with parameters also `shapes`,
    `initialise` and `accumulate`. A network that takes it binds its parameters: one of the name W
    becomes `self.W`, its gradient `self.dW`. Layers of a fixed width say so: `n_in`, `n_out`;
    those that change the shape of a sample otherwise define `input_shape` and `output_shape`.

    A layer that answers differently in training is `modal`: its `forward(x, train=False,
    rng=None)` also takes the mode and the generator of what it draws. Arrays that are saved but
    not trained (running statistics) are `buffers`. One whose values never grow, neither way, is
    `tame`: it makes no NaN or infinity, and is not searched for any.
    """

    name = "layer"
    modal = False
    tame = False

    @property
    def input_shape(self) -> Pattern | None:
        """What the shape of a sample must be: sizes, letters for any size, ... for any axes.

        (n_in,) for a layer of a fixed width; None where any shape will do and comes out again.
        """
        return (self.n_in,) if hasattr(self, "n_in") else None

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of a sample's output from that of the sample; ValueError if it does not fit."""
        self.check_shape(shape)
        return (self.n_out,) if hasattr(self, "n_out") else shape

    def check_shape(self, shape: Shape) -> None:
        """Raise ValueError, with expected and got, if a sample of that shape does not fit."""
        if not fits(shape, self.input_shape):
            raise ValueError(
                f"{self.name} takes {values(self.input_shape)}, got {values(shape)}")

    def buffers(self) -> dict[str, np.ndarray]:
        """Arrays that are saved but not trained, by name; none by default."""
        return {}

    def shapes(self) -> Shapes:
        """Names and shapes of the parameters; none by default."""
        return {}

    def bind(self, views: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Take the views into the network's flat vectors: `self.W`, `self.dW` for a parameter W."""
        for name, (value, gradient) in views.items():
            setattr(self, name, value)
            setattr(self, "d" + name, gradient)

    def gradients(self) -> dict[str, np.ndarray]:
        """The views into the network's gradient, by the parameters' names."""
        return {name: getattr(self, "d" + name) for name in self.shapes()}

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw start values; nothing to draw by default."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the output and what the backward pass needs of this evaluation."""
        raise TypeError(f"{type(self).__name__} defines no forward pass")

    def accumulate(self, dy: np.ndarray, cache: Any) -> None:
        """Add the parameters' gradients of this evaluation; no parameters by default."""

    def propagate(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Return dL/dx from dL/dy."""
        raise TypeError(f"{type(self).__name__} defines no backward pass")

    def backward(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Add the parameters' gradients and return dL/dx."""
        self.accumulate(dy, cache)
        return self.propagate(dy, cache)


def fits(shape: Shape, pattern: Pattern | None) -> bool:
    """Whether a sample's shape is as `Layer.input_shape` asks."""
    if pattern is None:
        return True
    if pattern[0] is ...:
        pattern = pattern[1:]
        shape = shape[len(shape) - len(pattern):] if len(shape) >= len(pattern) else shape
    return len(shape) == len(pattern) and all(
        isinstance(want, str) or want == size for want, size in zip(pattern, shape))


def values(shape: Pattern) -> str:
    """A shape in words: "3 values", "28 x 28 x 1 values", "H x W x 3 values"."""
    return f"{' x '.join(map(_size, shape)) or 'no'} values"


def batch(shape: Pattern) -> str:
    """The shape of a batch of such samples: "(B, 3)", "(B, H, W, 3)"."""
    return f"({', '.join(['B', *map(_size, shape)])})"


def _size(size) -> str:
    return "..." if size is ... else str(size)


class Dense(Layer):
    """y = x W + b.

    x : (B, n_in), W : (n_in, n_out), b : (n_out,), y : (B, n_out). The cache is x.

    dL/dW = x^T dy,   dL/db = sum over the batch of dy,   dL/dx = dy W^T.

    Parameters
    ----------
    n_in, n_out : int
    weights : callable (rng, shape, dtype) -> array
        Start values of W (see `avanet.nn.initialise`).
    biases : callable (rng, shape, dtype) -> array, or None
        Start values of b; None for a layer without.
    """

    W: np.ndarray
    b: np.ndarray
    dW: np.ndarray
    db: np.ndarray

    def __init__(self, n_in: int, n_out: int, weights=glorot, biases=zeros):
        self.n_in, self.n_out, self.weights, self.biases = n_in, n_out, weights, biases
        self.name = f"dense {n_in}-{n_out}"

    def shapes(self):
        bias = {} if self.biases is None else {"b": (self.n_out,)}
        return {"W": (self.n_in, self.n_out), **bias}

    def initialise(self, rng):
        self.W[...] = self.weights(rng, self.W.shape, self.W.real.dtype)
        if self.biases is not None:
            self.b[...] = self.biases(rng, self.b.shape, self.b.real.dtype)

    def forward(self, x):
        y = product(x, self.W)
        if self.biases is not None:
            y += self.b
        return y, x

    def accumulate(self, dy, x):
        add_product(self.dW, x.T, dy)
        if self.biases is not None:
            self.db += dy.sum(axis=0)

    def propagate(self, dy, x):
        return product(dy, self.W.T)
