"""All parameters of a network in one flat vector, their gradients in another."""

from collections.abc import Mapping, Sequence

import numpy as np

Shapes = Mapping[str, tuple[int, ...]]


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
        size = sum(int(np.prod(shape)) for layer in shapes for shape in layer.values())
        self.params = np.zeros(size, dtype)
        self.grads = np.zeros(size, dtype)
        self.layers: list[tuple[slice, dict[str, tuple[np.ndarray, np.ndarray]]]] = []
        start = 0
        for layer in shapes:
            first, views = start, {}
            for name, shape in layer.items():
                stop = start + int(np.prod(shape))
                views[name] = (
                    self.params[start:stop].reshape(shape),
                    self.grads[start:stop].reshape(shape),
                )
                start = stop
            self.layers.append((slice(first, start), views))
