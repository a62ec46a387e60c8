"""Layers made of layers: in sequence, around a shortcut, side by side, held in training."""

from collections.abc import Mapping, Sequence

import numpy as np

from avanet.nn.layers import Layer, Pattern, Shape, values
from avanet.nn.network import back_through, forward_through
from avanet.nn.shape import split


class Container(Layer):
    """A layer made of others: their parameters and buffers are its own, as "child.name"."""

    modal = True

    def __init__(self, children: Mapping[str, Layer]):
        self.children = dict(children)

    def shapes(self):
        return {f"{key}.{name}": shape for key, child in self.children.items()
                for name, shape in child.shapes().items()}

    def bind(self, views):
        for key, child in self.children.items():
            child.bind({name: views[f"{key}.{name}"] for name in child.shapes()})

    def gradients(self):
        return {f"{key}.{name}": gradient for key, child in self.children.items()
                for name, gradient in child.gradients().items()}

    def initialise(self, rng):
        for child in self.children.values():
            child.initialise(rng)

    def buffers(self):
        return {f"{key}.{name}": value for key, child in self.children.items()
                for name, value in child.buffers().items()}

    def accumulate(self, dy, cache):
        self._back(dy, cache, "backward")

    def propagate(self, dy, cache):
        return self._back(dy, cache, "propagate")

    def backward(self, dy, cache):
        return self._back(dy, cache, "backward")

    def _back(self, dy, cache, method):
        """dL/dx by the children's method of that name."""
        raise TypeError(f"{type(self).__name__} defines no backward pass")


class Chain(Container):
    """y = layer_k(... layer_1(x)); without layers y = x. The chain rule: the layers in reverse."""

    def __init__(self, layers: Sequence[Layer]):
        self.layers = list(layers)
        super().__init__({str(k): layer for k, layer in enumerate(self.layers)})
        self.name = ", ".join(layer.name for layer in self.layers) or "nothing"

    @property
    def input_shape(self) -> Pattern | None:
        return next((layer.input_shape for layer in self.layers if layer.input_shape), None)

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def forward(self, x, train=False, rng=None):
        return forward_through(self.layers, x, train, rng)

    def _back(self, dy, caches, method):
        return back_through(self.layers, dy, caches, method)


class Residual(Container):
    """y = h(x) + P x: h the inner layers in sequence, P x a projection, or x itself.

    The caches are those of both. What comes back is the sum of both ways, and without a projection
    some of it is dy itself, however small the slopes of h:

    dL/dx = (dh/dx)^T dy + P^T dy.

    Parameters
    ----------
    inner : sequence of Layer
    projection : Layer, optional
        Needed where h changes the shape: `Dense`, or a 1x1 `Conv2D` with the stride of h.

    Notes
    -----
    Source: He et al., "Deep Residual Learning for Image Recognition", 2015, Eqs. 1 and 2.
    """

    def __init__(self, inner: Sequence[Layer], projection: Layer | None = None):
        self.inner, self.projection = Chain(inner), Chain([projection] if projection else [])
        super().__init__({"inner": self.inner, "projection": self.projection})
        self.name = f"residual ({self.inner.name})"

    @property
    def input_shape(self):
        return self.inner.input_shape or self.projection.input_shape

    def output_shape(self, shape):
        inner, beside = self.inner.output_shape(shape), self.projection.output_shape(shape)
        if inner != beside:
            raise ValueError(f"{self.name} adds {values(inner)} to {values(beside)}: a projection "
                             "must bring x to the same shape")
        return inner

    def forward(self, x, train=False, rng=None):
        y, inner = self.inner.forward(x, train, rng)
        beside, projection = self.projection.forward(x, train, rng)
        return y + beside, (inner, projection)

    def _back(self, dy, caches, method):
        inner, projection = caches
        return (getattr(self.inner, method)(dy, inner)
                + getattr(self.projection, method)(dy, projection))


class Concatenate(Container):
    """y = [h_1(x_1), ..., h_k(x_k)]: parts of a joint input, each through layers of its own.

    x = [x_1, ..., x_k] along the last axis, parts of the given widths; y joins the branches'
    outputs along the last axis. So a discriminator on (x, z) takes the joined pair, treats each by
    itself and then both together. The cache holds those of the branches and their widths:

    dL/dx = [(dh_1/dx_1)^T dy_1, ..., (dh_k/dx_k)^T dy_k].

    Parameters
    ----------
    widths : sequence of int
        Of the parts: values of a dense input, channels of images.
    branches : sequence of sequence of Layer
        One for each part; an empty one passes its part on.
    """

    def __init__(self, widths: Sequence[int], branches: Sequence[Sequence[Layer]]):
        if len(widths) != len(branches):
            raise ValueError(f"{len(widths)} widths for {len(branches)} branches")
        self.widths, self.branches = tuple(widths), [Chain(branch) for branch in branches]
        super().__init__({str(k): branch for k, branch in enumerate(self.branches)})
        self.name = f"concatenate ({' | '.join(branch.name for branch in self.branches)})"

    @property
    def input_shape(self):
        return (..., sum(self.widths))

    def output_shape(self, shape):
        self.check_shape(shape)
        parts = [branch.output_shape((*shape[:-1], width))
                 for branch, width in zip(self.branches, self.widths)]
        if len({part[:-1] for part in parts}) > 1:
            raise ValueError(f"{self.name} cannot join {', '.join(map(values, parts))}: all but "
                             "the last axis must agree")
        return (*parts[0][:-1], sum(part[-1] for part in parts))

    def forward(self, x, train=False, rng=None):
        passes = [branch.forward(part, train, rng)
                  for branch, part in zip(self.branches, split(x, self.widths))]
        outputs, caches = zip(*passes)
        return np.concatenate(outputs, axis=-1), (caches, [y.shape[-1] for y in outputs])

    def _back(self, dy, cache, method):
        caches, widths = cache
        return np.concatenate(
            [getattr(branch, method)(part, inner)
             for branch, part, inner in zip(self.branches, split(dy, widths), caches)], axis=-1)


class InTraining(Container):
    """A layer in its training mode, its draws the same at every evaluation: a plain function.

    So that `gradcheck.check_layer` sees what training differentiates.

    Parameters
    ----------
    layer : Layer
    seed : int
        Of the generator, made anew for every forward pass.
    """

    modal = False

    def __init__(self, layer: Layer, seed: int = 0):
        super().__init__({"layer": layer})
        self.layer, self.seed = layer, seed
        self.name = f"{layer.name} in training"

    @property
    def input_shape(self):
        return self.layer.input_shape

    def output_shape(self, shape):
        return self.layer.output_shape(shape)

    def forward(self, x):
        return forward_through([self.layer], x, True, np.random.default_rng(self.seed))

    def _back(self, dy, caches, method):
        return back_through([self.layer], dy, caches, method)
