"""All parameters of a network in one flat vector, their gradients in another."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

Shapes = Mapping[str, tuple[int, ...]]
_room: ContextVar[float] = ContextVar("room", default=math.inf)


@contextmanager
def at_most(values: int) -> Iterator[None]:
    """What is built inside may have so many parameters in all: a file that announces a network
    larger than itself is refused before memory is taken. ValueError beyond."""
    token = _room.set(values)
    try:
        yield
    finally:
        _room.reset(token)


class Store:
    """Two flat vectors, `params` and `grads`, and named views into both.

    Parameters
    ----------
    shapes : sequence of mappings name -> shape
        One mapping a layer, in the network's order. Each layer's parameters are contiguous.
    dtype : dtype
        float32, float64, or complex128 for complex-step checks.

    Attributes
    ----------
    params, grads : (P,) arrays
    layers : list of (slice, {name: (params view, grads view)})
        What belongs to each layer: its stretch of the flat vectors and its shaped views.
    """

    def __init__(self, shapes: Sequence[Shapes], dtype=np.float32):
        size = sum(math.prod(shape) for layer in shapes for shape in layer.values())
        if size > _room.get():
            raise ValueError(f"a network of {size} parameters, where only {_room.get()} may be")
        _room.set(_room.get() - size)
        self.params = np.zeros(size, dtype)
        self.grads = np.zeros(size, dtype)
        self.layers: list[tuple[slice, dict[str, tuple[np.ndarray, np.ndarray]]]] = []
        start = 0
        for layer in shapes:
            first, views = start, {}
            for name, shape in layer.items():
                stop = start + math.prod(shape)
                views[name] = (
                    self.params[start:stop].reshape(shape),
                    self.grads[start:stop].reshape(shape),
                )
                start = stop
            self.layers.append((slice(first, start), views))
