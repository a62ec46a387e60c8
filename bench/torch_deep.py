"""PyTorch's side of deep.py: the same layers, by autograd; torch_trainings.py has the steps.

avanet's images are (N, H, W, C), its kernels (kh, kw, C, F), or (kh, kw, F, C) of a transposed
convolution; PyTorch's are (N, C, H, W) and (F, C, kh, kw), or (C, F, kh, kw). With `last` they are
laid out as torch.channels_last.

In models PyTorch sees every image upside down and back to front, and so does it hold the kernels:
"same" padding with an odd kernel and stride 2, which leaves the odd pixel at the end, becomes its
own usual `padding`, which leaves it at the beginning. No step gains or loses work by that.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from avanet import nn as ours
from avanet.nn import conv

FORMATS = ("default", "channels last")


def image(x, last: bool):
    """An (N, C, H, W) tensor with the values of avanet's images."""
    return laid(torch.from_numpy(x).permute(0, 3, 1, 2), last)


def kernel(W, last: bool):
    """The tensor of a convolution's or a transposed convolution's weights."""
    return laid(torch.from_numpy(W).permute(3, 2, 0, 1), last)


def laid(tensor, last: bool):
    """A copy in one memory format."""
    return tensor.clone(memory_format=torch.channels_last if last else torch.contiguous_format)


# One convolution ----------------------------------------------------------------------------


class Convolution:
    """One layer with its input and the error of its output; padding is explicit."""

    def __init__(self, layer, x, dy, last: bool):
        self.x, self.dy = image(x, last).requires_grad_(), image(dy, last)
        self.W = kernel(layer.W, last).requires_grad_()
        self.b = torch.from_numpy(layer.b.copy()).requires_grad_()
        (top, _), (left, _) = layer.padding
        options = {"stride": layer.stride, "padding": (top, left)}
        self.function = functional.conv2d
        if isinstance(layer, ours.ConvTranspose2D):
            self.function = functional.conv_transpose2d
            options["output_padding"] = layer.output_padding
        self.options = options

    @torch.no_grad()
    def forward(self):
        """The output alone."""
        return self.function(self.x, self.W, self.b, **self.options)

    def both(self):
        """Forward and backward: gradients of input, kernel and bias."""
        self.x.grad = self.W.grad = self.b.grad = None
        self.function(self.x, self.W, self.b, **self.options).backward(self.dy)

    def values(self):
        """Output and gradients as avanet has them: y, dx, dW, db."""
        self.both()
        y, dx = (t.detach().permute(0, 2, 3, 1).numpy() for t in (self.forward(), self.x.grad))
        return y, dx, self.W.grad.permute(2, 3, 1, 0).numpy(), self.b.grad.numpy()


# Networks -----------------------------------------------------------------------------------

ALL = slice(None)  # values in avanet's order


class Network:
    """The modules of an avanet network, with its start values.

    With `images`, dense layers beside an image read or write its values in PyTorch's order; else
    images are rows of pixels throughout. `shape` is that of a sample that the network takes.
    """

    def __init__(self, player, shape, last: bool, images: bool):
        self.dtype, self.pairs, modules = torch.from_numpy(player.params).dtype, [], []
        for layer, rows, columns in ordered(player.layers, shape, images):
            if images or not isinstance(layer, (ours.Flatten, ours.Reshape)):
                modules.append(self._module(layer, rows, columns))
        self.module = nn.Sequential(*modules)
        if last:
            self.module.to(memory_format=torch.channels_last)

    def _module(self, layer, rows=ALL, columns=ALL):
        if isinstance(layer, ours.Residual):
            return Residual(*map(self._module, layer.inner.layers))
        module = module_of(layer).to(self.dtype)
        for name, (theirs, turn) in parameters(layer, rows, columns).items():
            parameter = getattr(module, theirs)
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(turn(getattr(layer, name)).copy()))
            self.pairs.append((parameter, turn, getattr(layer, "d" + name)))
        return module

    def parameters(self):
        """All parameters, in avanet's order."""
        return [parameter for parameter, _, _ in self.pairs]

    def gradients(self):
        """(PyTorch's, avanet's) gradient of each parameter, in PyTorch's order."""
        return [(parameter.grad.numpy(), turn(gradient))
                for parameter, turn, gradient in self.pairs]


class Residual(nn.Sequential):
    """x + what the modules make of x."""

    def forward(self, x):
        return x + super().forward(x)


def has_images(player) -> bool:
    """Whether a network has convolutions."""
    return any(isinstance(layer, conv.Convolution) for layer in player.layers)


def ordered(layers, shape, images: bool):
    """(layer, the order of its inputs, the order of its outputs) of each layer."""
    rows, columns = [ALL] * len(layers), [ALL] * len(layers)
    for k, layer in enumerate(layers if images else ()):
        if isinstance(layer, ours.Flatten):
            rows[k + 1] = order(shape)
        if isinstance(layer, ours.Reshape):
            dense = max(j for j in range(k) if isinstance(layers[j], ours.Dense))
            columns[dense:k] = [order(layer.shape)] * (k - dense)
        shape = layer.output_shape(shape)
    return zip(layers, rows, columns)


def order(shape):
    """The places of PyTorch's values among avanet's, of an image with rows, columns, channels."""
    places = np.arange(np.prod(shape)).reshape(shape)
    return places[::-1, ::-1].transpose(2, 0, 1).ravel()


def module_of(layer):
    """PyTorch's layer of the same kind and sizes."""
    bias = getattr(layer, "biases", None) is not None
    if isinstance(layer, ours.Dense):
        return nn.Linear(layer.n_in, layer.n_out, bias)
    if isinstance(layer, conv.Convolution):
        size, stride = layer.size[0], layer.stride[0]
        padding = 0 if layer.padding == "valid" else (size - 1) // 2
        kernel = layer.channels_in, layer.channels_out, size, stride, padding
        if isinstance(layer, ours.ConvTranspose2D):
            return nn.ConvTranspose2d(*kernel, stride - 1 if size % 2 else 0, bias=bias)
        return nn.Conv2d(*kernel, bias=bias)
    if isinstance(layer, ours.BatchNorm):
        return Norm(layer.n, layer.epsilon, 1 - layer.momentum)
    if isinstance(layer, ours.Reshape):
        height, width, channels = layer.shape
        return nn.Unflatten(1, (channels, height, width))
    return {ours.Flatten: nn.Flatten, ours.ReLU: nn.ReLU, ours.Tanh: nn.Tanh,
            ours.LeakyReLU: lambda: nn.LeakyReLU(layer.alpha),
            ours.MaxPool2D: lambda: nn.MaxPool2d(layer.size),
            ours.Upsample2D: lambda: nn.Upsample(scale_factor=layer.factor, mode=layer.how),
            ours.Dropout: lambda: nn.Dropout(layer.rate)}[type(layer)]()


class Norm(nn.modules.batchnorm._BatchNorm):
    """nn.BatchNorm1d or nn.BatchNorm2d, whatever comes."""

    def _check_input_dim(self, x):
        pass


def parameters(layer, rows, columns):
    """{avanet's name: (PyTorch's name, how a value is turned into PyTorch's order)}."""
    if isinstance(layer, ours.Dense):
        names = {"W": ("weight", lambda W: W[rows][:, columns].T),
                 "b": ("bias", lambda b: b[columns])}
    elif isinstance(layer, conv.Convolution):
        names = {"W": ("weight", lambda W: W[::-1, ::-1].transpose(3, 2, 0, 1)),
                 "b": ("bias", lambda b: b)}
    elif isinstance(layer, ours.BatchNorm):
        names = {"gamma": ("weight", lambda v: v[columns]), "beta": ("bias", lambda v: v[columns])}
    else:
        names = {}
    return {name: names[name] for name in layer.shapes()}
