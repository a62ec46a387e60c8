"""The PyTorch side of `bm.py`: the same models, as a user of PyTorch would write them.

`exact_sides` are modules, autograd and torch.optim.SGD on the losses whose gradients avanet's
`exact` rules are; `as_run_sides` are the `as-run` updates written by hand, without autograd.
A side holds the networks of all colour channels and trains them in one pass over the images.
There are several of each, because it is not clear beforehand which of them PyTorch likes best.
"""

import torch
from torch import nn
from torch.nn import functional

from avanet.ava.plans import OWN_OUTPUT

NAMES = ("f", "g", "d", "D")


def layers(network):
    """The dense layers of an avanet network."""
    return [layer for layer in network.layers if hasattr(layer, "W")]


class Side:
    """Networks to be trained; `tensors` are all their parameters, `networks` as in `flat`."""

    def __init__(self, name, images, r, networks, tensors, compiled=False):
        self.name, self.compiled = name, compiled
        self.images, self.r = torch.from_numpy(images), torch.from_numpy(r)
        self.networks, self.tensors = networks, list(tensors)
        self.start = [tensor.detach().clone() for tensor in self.tensors]

    @torch.no_grad()
    def restart(self):
        """Put the start values back."""
        for tensor, start in zip(self.tensors, self.start):
            tensor.copy_(start)

    @torch.no_grad()
    def flat(self, name, c):
        """The parameters of a channel's network, in the order of avanet's flat vector."""
        values = [value for layer in self.networks(name, c) for value in layer.values(c)]
        return torch.cat([value.reshape(-1) for value in values]).numpy()


# (a) Modules and autograd -------------------------------------------------------------------


class Linear(nn.Linear):
    """The layer of one channel, which nn.Linear holds as (n_out, n_in)."""

    def __init__(self, channels):
        (dense,) = channels
        n_in, n_out = dense.W.shape
        super().__init__(n_in, n_out)
        self.weight = nn.Parameter(torch.from_numpy(dense.W.T.copy()))
        self.bias = nn.Parameter(torch.from_numpy(dense.b.copy()))

    def values(self, c):
        return self.weight.T, self.bias


class BatchedLinear(nn.Module):
    """The layers of all channels as one batched product."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([torch.from_numpy(d.W) for d in channels]))
        self.bias = nn.Parameter(torch.stack([torch.from_numpy(d.b[None]) for d in channels]))

    def forward(self, x):
        return torch.baddbmm(self.bias, x, self.weight)

    def values(self, c):
        return self.weight[c], self.bias[c]


class Network(nn.Module):
    """One hidden layer; returns the output's net input times the slope, u = s (v - m)."""

    def __init__(self, channels, protocol):
        super().__init__()
        self.s, self.m = protocol.s, protocol.m
        kind = Linear if len(channels) == 1 else BatchedLinear
        self.hidden, self.output = map(kind, zip(*(layers(network) for network in channels)))

    def forward(self, x):
        h = torch.sigmoid(self.s * (self.hidden(x) - self.m))
        return self.s * (self.output(h) - self.m)


class Model(nn.Module):
    """The players of one channel, or of all channels in a batch; `forward` is the joint loss.

    The discriminators minimise -log d(x) - log(1 - d(x')), the others the negative of the second
    term: with that gradient reversed on its way into x', one loss and one backward do for all.
    """

    def __init__(self, players, plan, protocol):
        super().__init__()
        self.plan = plan
        for name in NAMES:
            networks = [getattr(player, name) for player in players]
            setattr(self, name, Network(networks, protocol) if networks[0] else None)

    def forward(self, x, r):
        loss, z = 0, r.expand(*x.shape[:-1], -1)
        if self.f is not None:
            mu, var = torch.sigmoid(self.f(x)).chunk(2, -1)
            z = mu + var.sqrt() * r
            loss = 0.5 * (var + mu * mu - 1 - var.log()).sum()
        x_ = torch.sigmoid(self.g(z))
        if self.plan.reconstruct:
            loss = loss + 0.5 * functional.mse_loss(x_, x, reduction="sum")
        if self.d is not None:
            loss = loss + game(self.d, x, x_)
        if self.D is not None:
            mu_ = torch.sigmoid(self.f(x_)).chunk(2, -1)[0]
            loss = loss + game(self.D, mu.detach(), mu_)
        return loss


def game(discriminator, real, fake):
    """-log d(real) - log(1 - d(fake)), both rows in one product; minus its gradient to `fake`."""
    reversed_fake = 2 * fake.detach() - fake
    u = discriminator(torch.cat((real, reversed_fake), -2))
    return -functional.logsigmoid(torch.cat((u[..., :1, :], -u[..., 1:, :]))).sum()


class Exact(Side):
    """Modules and torch.optim.SGD.

    `order` is "joint" (an image at a time, one loss over the channels' modules), "channels" (one
    channel after the other, so that its weights stay in the cache) or "batch" (`BatchedLinear`).
    """

    def __init__(self, name, task, order, compiled=False, **optimiser):
        groups = [task.players] if order == "batch" else [[one] for one in task.players]
        self.models = [Model(group, task.plan, task.protocol) for group in groups]
        self.order = order
        super().__init__(
            name, task.images, task.r, self._networks,
            (p for model in self.models for p in model.parameters()), compiled)
        together = [self.tensors] if order == "joint" else [[*m.parameters()] for m in self.models]
        self.optimisers = [torch.optim.SGD(p, task.rate, **optimiser) for p in together]
        self.loss = torch.compile(_loss) if compiled else _loss

    def _networks(self, name, c):
        network = getattr(self.models[c % len(self.models)], name)
        return network.hidden, network.output

    def run(self):
        if self.order == "joint":
            for channels, r in zip(self.images.unsqueeze(2), self.r.unsqueeze(1)):
                self._step(self.optimisers[0], self.models, channels, r)
        elif self.order == "batch":
            for x, r in zip(self.images.unsqueeze(2), self.r.unsqueeze(1)):
                self._step(self.optimisers[0], self.models, [x], r)
        else:
            for c, (model, optimiser) in enumerate(zip(self.models, self.optimisers)):
                for x, r in zip(self.images[:, c].unsqueeze(1), self.r.unsqueeze(1)):
                    self._step(optimiser, [model], [x], r)

    def _step(self, optimiser, models, xs, r):
        optimiser.zero_grad(set_to_none=True)
        sum(self.loss(model, x, r) for model, x in zip(models, xs)).backward()
        optimiser.step()


def _loss(model, x, r):
    return model(x, r)


class ExactWholeStep(Exact):
    """Forward, gradients and update of one channel in a single torch.compile graph."""

    def __init__(self, name, task):
        super().__init__(name, task, "channels", compiled=True)
        self.rate = task.rate
        self.whole_step = torch.compile(self._whole_step)

    def _whole_step(self, model, parameters, x, r):
        def loss(values):
            return torch.func.functional_call(model, values, (x, r))

        gradients = torch.func.grad(loss)(parameters)
        for key, value in parameters.items():
            value.sub_(gradients[key], alpha=self.rate)

    @torch.no_grad()
    def run(self):
        for c, model in enumerate(self.models):
            parameters = {key: value.detach() for key, value in model.named_parameters()}
            for x, r in zip(self.images[:, c].unsqueeze(1), self.r.unsqueeze(1)):
                self.whole_step(self.models[0], parameters, x, r)


def exact_sides(task, compiled=True):
    """Every way to write (a), fastest first on the machine of the README.

    Parameters
    ----------
    task : bm.Task
    compiled : bool
        Whether torch.compile takes part.
    """
    sides = [
        Exact("modules, channel by channel, fused SGD", task, "channels", fused=True),
        Exact("modules, channel by channel, foreach SGD", task, "channels", foreach=True),
        Exact("modules, joint loss, fused SGD", task, "joint", fused=True),
        Exact("modules, joint loss, foreach SGD", task, "joint", foreach=True),
        Exact("channels batched, fused SGD", task, "batch", fused=True),
    ]
    if compiled:
        sides += [
            Exact("torch.compile of the loss, channel by channel", task, "channels",
                  compiled=True, fused=True),
            ExactWholeStep("torch.compile of the whole step, channel by channel", task),
        ]
    return sides


# (b) The as-run updates by hand ------------------------------------------------------------


class Vectors:
    """A layer of one channel on vectors; W is held with its longer side last."""

    def __init__(self, channels):
        (dense,) = channels
        self.W, self.b = torch.from_numpy(dense.W.copy()), torch.from_numpy(dense.b.copy())
        self.stored = self.W
        if self.W.shape[0] > self.W.shape[1]:
            self.stored = self.W.T.contiguous()
            self.W = self.stored.T

    def forward(self, x):
        return torch.addmv(self.b, self.W.T, x)

    def back(self, e):
        return torch.mv(self.W, e)

    def update(self, x, e, rate):
        self.W.addr_(x, e, alpha=rate)
        self.b.add_(e, alpha=rate)

    def values(self, c):
        return self.W, self.b


class Batch:
    """The layers of all channels on (C, 1, width) arrays."""

    def __init__(self, channels):
        self.W = self.stored = torch.stack([torch.from_numpy(d.W) for d in channels])
        self.b = torch.stack([torch.from_numpy(d.b[None]) for d in channels])

    def forward(self, x):
        return torch.baddbmm(self.b, x, self.W)

    def back(self, e):
        return torch.bmm(e, self.W.transpose(1, 2))

    def update(self, x, e, rate):
        self.W.baddbmm_(x.transpose(1, 2), e, alpha=rate)
        self.b.add_(e, alpha=rate)

    def values(self, c):
        return self.W[c], self.b[c]


class AsRunNetwork:
    """Two layers, updated from the output backwards."""

    def __init__(self, channels, protocol):
        kind = Vectors if len(channels) == 1 else Batch
        self.hidden, self.output = map(kind, zip(*(layers(network) for network in channels)))
        self.s, self.m = protocol.s, protocol.m

    def forward(self, x):
        self.x = x
        self.h = self.hidden.forward(x).sub_(self.m).mul_(self.s).sigmoid_()
        self.y = self.output.forward(self.h).sub_(self.m).mul_(self.s).sigmoid_()
        return self.y

    def slope(self, y):
        return torch.addcmul(y, y, y, value=-1).mul_(self.s)

    def ascend(self, e, rate):
        """`e` is the error at the output, without the output's slope."""
        e.mul_(self.slope(self.y))
        self.output.update(self.h, e, rate)
        self.hidden.update(self.x, self.output.back(e).mul_(self.slope(self.h)), rate)


class AsRun(Side):
    """Updates in place, without autograd; `order` as in `Exact`, "joint" being image by image."""

    def __init__(self, name, task, order):
        groups = [task.players] if order == "batch" else [[one] for one in task.players]
        self.order, self.plan, self.rate = order, task.plan, task.rate
        self.models = [
            {name: AsRunNetwork([getattr(one, name) for one in group], task.protocol)
             for name in NAMES if getattr(group[0], name)}
            for group in groups]
        both = [layer for model in self.models for network in model.values()
                for layer in (network.hidden, network.output)]
        super().__init__(name, task.images, task.r, self._networks,
                         (tensor for layer in both for tensor in (layer.stored, layer.b)))

    def _networks(self, name, c):
        network = self.models[c % len(self.models)][name]
        return network.hidden, network.output

    @torch.no_grad()
    def run(self):
        if self.order == "batch":
            for x, r in zip(self.images.unsqueeze(2), self.r):
                self._step(self.models[0], x, r.expand(len(x), 1, -1))
        elif self.order == "joint":
            for channels, r in zip(self.images, self.r):
                for model, x in zip(self.models, channels):
                    self._step(model, x, r)
        else:
            for c, model in enumerate(self.models):
                for x, r in zip(self.images[:, c], self.r):
                    self._step(model, x, r)

    def _step(self, model, x, r):
        plan, g, z = self.plan, model["g"], r
        if plan.encoder:
            f = model["f"]
            mu, var = f.forward(x).chunk(2, -1)
            z = torch.addcmul(mu, var.sqrt(), r)
            pull = 0.5 if plan.mean_pull == OWN_OUTPUT else 0.0
            e = torch.cat((mu * (pull - plan.mean_factor), 0.5 / var - plan.identity / 2), -1)
            f.ascend(e, self.rate)
        x_ = g.forward(z)
        g.ascend(torch.sub(x, x_, alpha=0.5 if plan.decoder_pull == OWN_OUTPUT else 1.0),
                 self.rate)


def as_run_sides(task):
    """Every way to write (b), fastest first on the machine of the README."""
    return [
        AsRun("by hand, channel by channel", task, "channels"),
        AsRun("by hand, image by image", task, "joint"),
        AsRun("by hand, channels batched", task, "batch"),
    ]
