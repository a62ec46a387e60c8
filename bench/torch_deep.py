"""PyTorch's side of deep.py: the same layers and the same training steps, by autograd.

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


class Network:
    """The modules of an avanet network, with its start values.

    Where a network has convolutions, its dense layers beside an image read or write the values in
    PyTorch's order; where it has none, images are rows of pixels throughout.
    """

    def __init__(self, players, last: bool):
        layers = players.layers
        self.images = any(isinstance(layer, conv.Convolution) for layer in layers)
        self.pairs, modules = [], []
        for k, layer in enumerate(layers):
            if not self.images and isinstance(layer, (ours.Flatten, ours.Reshape)):
                continue
            modules.append(module_of(layer).to(torch.from_numpy(players.params).dtype))
            order = self._order(players, k) if self.images else slice(None)
            for name, (theirs, turn) in parameters(layer, order).items():
                parameter = getattr(modules[-1], theirs)
                with torch.no_grad():
                    parameter.copy_(torch.from_numpy(turn(getattr(layer, name)).copy()))
                self.pairs.append((parameter, turn, getattr(layer, "d" + name)))
        self.module = nn.Sequential(*modules)
        if last:
            self.module.to(memory_format=torch.channels_last)

    def _order(self, players, k):
        """The order of PyTorch's values in avanet's, at the image that a dense layer borders on."""
        shape = next((layer.shape for layer in players.layers[k:]
                      if isinstance(layer, ours.Reshape)), None)
        if shape is None:
            shape = players.layers[0].input_shape
            if isinstance(players.layers[0], ours.Dense):
                return slice(None)
            shape = (28, 28, shape[2])
            for layer in players.layers:
                if isinstance(layer, ours.Flatten):
                    break
                shape = layer.output_shape(shape)
        places = np.arange(np.prod(shape)).reshape(shape)
        return places[::-1, ::-1].transpose(2, 0, 1).ravel()

    def parameters(self):
        """All parameters, in avanet's order."""
        return [parameter for parameter, _, _ in self.pairs]

    def gradients(self):
        """(PyTorch's, avanet's) gradient of each parameter, in PyTorch's order."""
        return [(parameter.grad.numpy(), turn(gradient))
                for parameter, turn, gradient in self.pairs]


def module_of(layer):
    """PyTorch's layer of the same kind and sizes."""
    bias = getattr(layer, "biases", None) is not None
    if isinstance(layer, ours.Dense):
        return nn.Linear(layer.n_in, layer.n_out, bias)
    if isinstance(layer, conv.Convolution):
        size, stride = layer.size[0], layer.stride[0]
        options = dict(padding=size // 2, bias=bias)  # "same": 5x5
        if isinstance(layer, ours.ConvTranspose2D):
            return nn.ConvTranspose2d(layer.channels_in, layer.channels_out, size, stride,
                                      output_padding=stride - 1, **options)
        return nn.Conv2d(layer.channels_in, layer.channels_out, size, stride, **options)
    if isinstance(layer, ours.BatchNorm):
        return Norm(layer.n, layer.epsilon, 1 - layer.momentum)
    if isinstance(layer, ours.Reshape):
        height, width, channels = layer.shape
        return nn.Unflatten(1, (channels, height, width))
    return {ours.Flatten: nn.Flatten, ours.ReLU: nn.ReLU, ours.Tanh: nn.Tanh,
            ours.LeakyReLU: lambda: nn.LeakyReLU(layer.alpha),
            ours.Dropout: lambda: nn.Dropout(layer.rate)}[type(layer)]()


class Norm(nn.modules.batchnorm._BatchNorm):
    """nn.BatchNorm1d or nn.BatchNorm2d, whatever comes."""

    def _check_input_dim(self, x):
        pass


def parameters(layer, order):
    """{avanet's name: (PyTorch's name, how a value is turned into PyTorch's order)}."""
    if isinstance(layer, ours.Dense):
        rows = not isinstance(order, slice) and len(order) == layer.n_in
        turn = (lambda W: W[order].T) if rows else (lambda W: W[:, order].T)
        names = {"W": ("weight", turn), "b": ("bias", lambda b: b if rows else b[order])}
    elif isinstance(layer, conv.Convolution):
        names = {"W": ("weight", lambda W: W[::-1, ::-1].transpose(3, 2, 0, 1)),
                 "b": ("bias", lambda b: b)}
    elif isinstance(layer, ours.BatchNorm):
        dense = not isinstance(order, slice) and len(order) == layer.n
        turn = (lambda v: v[order]) if dense else (lambda v: v)
        names = {"gamma": ("weight", turn), "beta": ("bias", turn)}
    else:
        names = {}
    return {name: names[name] for name in layer.shapes()}


# Training steps -----------------------------------------------------------------------------


class Training:
    """A model's players as modules, an Adam for all of them, and its step.

    `step` draws its own noise unless it is given: that of avanet's model, for the comparison.
    """

    def __init__(self, model, batch, last: bool, compiled: bool):
        self.networks = {name: Network(player, last) for name, player in model.players_.items()}
        for name, network in self.networks.items():
            setattr(self, name, network.module)
            if compiled:
                network.module.compile()
        self.latent = model.config.latent
        adam = next(iter(model.optimisers_.values()))
        self.adam = torch.optim.Adam(
            [p for network in self.networks.values() for p in network.parameters()],
            model.config.rate, (adam.beta1, adam.beta2), adam.epsilon, fused=True)
        if any(network.images for network in self.networks.values()):
            self.x = image(np.ascontiguousarray(batch.x[:, ::-1, ::-1]), last)
        else:
            self.x = torch.from_numpy(batch.x.reshape(len(batch.x), -1).copy())

    def of(self, *names):
        """The parameters of these players."""
        return [p for name in names for p in self.networks[name].parameters()]

    def step(self, noise=None):
        """One training step; the losses, as avanet names them."""
        self.adam.zero_grad(set_to_none=True)
        noise = torch.randn(len(self.x), self.latent) if noise is None else torch.from_numpy(noise)
        losses = self.backward(noise)
        self.adam.step()
        return losses

    def backward(self, noise):
        """All gradients."""
        raise TypeError(f"{type(self).__name__} defines no gradients")

    def elbo(self, noise):
        """(net input of the decoder's output, reconstruction, KL)."""
        mu, log_var = self.encoder(self.x).chunk(2, 1)
        v = self.decoder(mu + torch.exp(log_var / 2) * noise)
        reconstruction = cross_entropy(v, self.x)
        kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum() / len(v)
        return v, reconstruction, kl


class SurveyVAE(Training):
    """The dense VAE."""

    def backward(self, noise):
        _, reconstruction, kl = self.elbo(noise)
        (reconstruction + kl).backward()
        return {"reconstruction": reconstruction, "kl": kl}


class VAEGAN(Training):
    """The VAE-GAN: both losses of one pass, each backward to its own players only."""

    def backward(self, noise):
        v, reconstruction, kl = self.elbo(noise)
        d_real, d_fake = self.discriminator(self.x), self.discriminator(torch.sigmoid(v))
        adversarial = cross_entropy(d_fake, torch.ones_like(d_fake))
        discriminator = (cross_entropy(d_real, torch.ones_like(d_real))
                         + cross_entropy(d_fake, torch.zeros_like(d_fake)))
        (reconstruction + kl + adversarial).backward(
            inputs=self.of("encoder", "decoder"), retain_graph=True)
        discriminator.backward(inputs=self.of("discriminator"))
        return {"reconstruction": reconstruction, "kl": kl, "adversarial": adversarial,
                "discriminator": discriminator}


class DCGAN(Training):
    """The DCGAN: both losses of one pass, each backward to its own player only."""

    def backward(self, noise):
        v_real, v_fake = self.discriminator(self.x), self.discriminator(self.generator(noise))
        generator = cross_entropy(v_fake, torch.ones_like(v_fake))
        discriminator = (cross_entropy(v_real, torch.ones_like(v_real))
                         + cross_entropy(v_fake, torch.zeros_like(v_fake)))
        generator.backward(inputs=self.of("generator"), retain_graph=True)
        discriminator.backward(inputs=self.of("discriminator"))
        return {"generator": generator, "discriminator": discriminator}


def cross_entropy(v, target):
    """Summed over the values of a sample, mean over the batch."""
    return functional.binary_cross_entropy_with_logits(v, target, reduction="sum") / len(v)


TRAININGS = {"survey-vae": SurveyVAE, "vaegan": VAEGAN, "dcgan": DCGAN}
