"""How training is run, as opposed to which errors drive it: start values, slope, order, passes."""

from dataclasses import dataclass

from avanet.errors import InputError, unknown_name
from avanet.nn import INITIALISERS, Sequential, sgd

ORDERS = ("back-to-front", "simultaneous")
CHANNELS = ("separate", "joint")


@dataclass(frozen=True)
class Protocol:
    """The defaults are those that the published tables were made with.

    Parameters
    ----------
    start : str
        Start values of the weights: zeros, normal, uniform or glorot. Biases start at zero.
    s, m : float
        Slope and midpoint of every logistic: a(v) = 1 / (1 + exp(-s (v - m))).
    order : str
        "back-to-front": layers are updated from the output backwards and a hidden layer's error
        goes through the already updated weights. "simultaneous": all gradients at the old
        parameters, which is gradient descent as commonly understood.
    passes : int
        How often the images are gone through, in file order.
    channels : str
        "separate": an independent network per colour channel, sharing the draw r; "joint": one
        network on all values.
    """

    start: str = "zeros"
    s: float = 0.5
    m: float = 0.5
    order: str = "back-to-front"
    passes: int = 1
    channels: str = "separate"

    def __post_init__(self):
        for kind, got, known in (
            ("start", self.start, INITIALISERS),
            ("order", self.order, ORDERS),
            ("channels", self.channels, CHANNELS),
        ):
            if got not in known:
                raise unknown_name(kind, got, known)
        if not self.s > 0:
            raise InputError(f"the logistic's slope s must be positive, got {self.s}")
        if self.passes < 1:
            raise InputError(f"passes must be at least 1, got {self.passes}")


def ascend(network: Sequential, errors, rate: float, order: str) -> None:
    """Move a network's parameters up the gradient that the errors describe.

    The paper writes ascent, the engine descends: the sign flips here and nowhere else.

    Parameters
    ----------
    errors : list of (error, caches)
        One for each evaluation that goes back; an error enters at the output's net input. Their
        gradients are added, and averaged over the rows of a batch.
    order : str
        As in `Protocol`.
    """
    backs = [(-error / len(error), caches) for error, caches in errors]
    for dy, _ in backs:
        network.check_finite(dy, network.layers[-2])
    network.grads[:] = 0
    if order == "simultaneous":
        for dy, caches in backs:
            network.backward(dy, caches, below_output=True)
        sgd(network.params, network.grads, rate)
    else:
        _back_to_front(network, backs, rate)


def _back_to_front(network, backs, rate):
    """Update each layer before the errors pass through it."""
    for i in reversed(range(len(network.layers) - 1)):
        layer, part = network.layers[i], network.slices[i]
        for dy, caches in backs:
            layer.accumulate(dy, caches[i])
        sgd(network.params[part], network.grads[part], rate)
        if i > 0:
            backs = [(layer.propagate(dy, caches[i]), caches) for dy, caches in backs]
            for dy, _ in backs:
                network.check_finite(dy, layer)
