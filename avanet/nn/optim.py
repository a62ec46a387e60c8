"""Optimisers: small states that step a flat vector of parameters, and gradient clipping.

An optimiser is called as `step(params, grads, rate)`; the rate is an argument, so that a schedule
(`avanet.nn.schedules`) is a plain function beside it. Its vectors are made at the first step.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from avanet.errors import InputError
from avanet.nn.network import NonFiniteError
from avanet.nn.pieces import by_value


def sgd(params: np.ndarray, grads: np.ndarray, rate: float) -> None:
    """params -= rate grads, in place. Plain stochastic gradient descent."""
    params -= float(rate) * grads


class Optimiser:
    """What all optimisers share: checks, the count of steps, saving and restoring.

    A subclass names its vectors in `slots`, each of the parameters' shape and dtype and zero
    before the first step, and its compiled kernel in `kernel`; `scalars` are the kernel's
    remaining arguments.

    Attributes
    ----------
    steps : int
        How many were taken.
    """

    kernel: str
    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self):
        self.steps = 0
        for slot in self.slots:
            setattr(self, slot, None)

    def scalars(self, rate: float) -> tuple[float, ...]:
        """What the kernel takes after the vectors; `steps` counts this step already."""
        return (rate,)

    def __call__(self, params: np.ndarray, grads: np.ndarray, rate: float) -> None:
        """Take one step, in place.

        Parameters
        ----------
        params, grads : (P,) float32 or float64 arrays, both of one dtype
        rate : float

        Raises
        ------
        ValueError
            If shape or dtype differ from each other, or from those of the first step.
        """
        vectors = self._vectors(params)
        for vector in (grads, *vectors):
            if vector.shape != params.shape or vector.dtype != params.dtype:
                raise ValueError(f"{type(self).__name__} steps {params.dtype} parameters of shape "
                                 f"{params.shape}, got {vector.dtype} of shape {vector.shape}")
        from avanet.kernels.optimisers import OPTIMISER_KERNELS
        self.steps += 1
        by_value(OPTIMISER_KERNELS[self.kernel], [params, grads, *vectors],
                 [*map(params.dtype.type, self.scalars(float(rate)))])

    def _vectors(self, params):
        for slot in self.slots:
            if getattr(self, slot) is None:
                setattr(self, slot, np.zeros_like(params))
        return [getattr(self, slot) for slot in self.slots]

    def state(self) -> dict[str, Any]:
        """`steps` and a copy of every vector (none before the first step)."""
        vectors = {slot: getattr(self, slot) for slot in self.slots}
        return {"steps": self.steps} | {k: v.copy() for k, v in vectors.items() if v is not None}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave: the next steps are those of the optimiser that gave it.

        Raises
        ------
        InputError
            If the state is another optimiser's.
        """
        steps = int(state.get("steps", -1))
        expected = {"steps", *(self.slots if steps > 0 else ())}
        if set(state) != expected or steps < 0:
            raise InputError(f"expected the state of {type(self).__name__} "
                             f"({', '.join(sorted(expected))}), got {', '.join(sorted(state))}")
        self.steps = steps
        for slot in self.slots:
            setattr(self, slot, state[slot].copy() if steps else None)


class SGD(Optimiser):
    """params -= rate grads, in place: `sgd` with the manners of the other optimisers."""

    kernel = "sgd"


class Momentum(Optimiser):
    """v = momentum v + grads;   params -= rate v, in place.

    Heavy-ball momentum as Goodfellow et al. use it for their GAN (Algorithm 1) and as PyTorch
    defines it: the rate multiplies the velocity.

    Parameters
    ----------
    momentum : float
        In [0, 1); 0 is plain gradient descent.
    nesterov : bool
        Step by grads + momentum v instead of v: Nesterov's look-ahead, as PyTorch defines it.

    Attributes
    ----------
    velocity : array or None
        v, of the parameters' shape and dtype; zero before the first step.
    """

    slots = ("velocity",)
    velocity: np.ndarray | None

    def __init__(self, momentum: float = 0.9, nesterov: bool = False):
        super().__init__()
        self.momentum = _fraction("momentum", momentum)
        self.kernel = "nesterov" if nesterov else "momentum"

    def scalars(self, rate):
        return self.momentum, rate


class RMSprop(Optimiser):
    """s = rho s + (1 - rho) grads^2;   params -= rate grads / (sqrt(s) + epsilon), in place.

    Source: Hinton's lecture 6e, 2012. Epsilon stands outside the root, as in PyTorch; Keras has
    it inside.

    Parameters
    ----------
    rho : float
        In [0, 1); 0.99 in PyTorch, 0.9 in Keras.
    epsilon : float
        Positive; 1e-8 in PyTorch, 1e-7 in Keras.
    """

    kernel = "rmsprop"
    slots = ("square",)

    def __init__(self, rho: float = 0.99, epsilon: float = 1e-8):
        super().__init__()
        self.rho = _fraction("rho", rho)
        self.epsilon = _positive("epsilon", epsilon)

    def scalars(self, rate):
        return self.rho, 1 - self.rho, rate, self.epsilon


class Adam(Optimiser):
    """Step t = 1, 2, ...:   params -= rate m_hat / (sqrt(v_hat) + epsilon), in place.

    m = beta1 m + (1 - beta1) grads,      m_hat = m / (1 - beta1^t),
    v = beta2 v + (1 - beta2) grads^2,    v_hat = v / (1 - beta2^t).

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, Algorithm 1.
    Epsilon stands outside the root and beside the *corrected* v, as in PyTorch. Keras has it
    outside the root too, beside the uncorrected v (Kingma's epsilon hat, end of section 2):
    params -= rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon).

    Parameters
    ----------
    beta1, beta2 : float
        In [0, 1).
    epsilon : float
        Positive; 1e-8 in PyTorch, 1e-7 in Keras.
    epsilon_hat : bool
        Place epsilon as Keras does.
    """

    kernel = "adam"
    slots = ("m", "v")
    weight_decay = 0.0

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 epsilon_hat: bool = False):
        super().__init__()
        self.beta1, self.beta2 = _fraction("beta1", beta1), _fraction("beta2", beta2)
        self.epsilon = _positive("epsilon", epsilon)
        self.epsilon_hat = bool(epsilon_hat)

    def scalars(self, rate):
        root = math.sqrt(1 - self.beta2**self.steps)
        return (self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2,
                rate * root / (1 - self.beta1**self.steps),
                self.epsilon if self.epsilon_hat else self.epsilon * root,
                1 - rate * self.weight_decay)


class AdamW(Adam):
    """Adam after params *= 1 - rate weight_decay, in place: the decay is not part of the gradient.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, Algorithm 2, with
    the rate in front of the decay as in PyTorch and Keras.

    Parameters
    ----------
    weight_decay : float
        Not negative; 0.01 in PyTorch, 0.004 in Keras.
    others
        As for `Adam`.
    """

    def __init__(self, weight_decay: float = 0.01, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-8, epsilon_hat: bool = False):
        super().__init__(beta1, beta2, epsilon, epsilon_hat)
        if not 0 <= weight_decay < math.inf:
            raise ValueError(f"weight_decay must not be negative, got {weight_decay}")
        self.weight_decay = float(weight_decay)


OPTIMISERS = {"sgd": SGD, "momentum": Momentum, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW}


def clip_by_norm(grads: np.ndarray, limit: float) -> float:
    """grads *= limit / ||grads|| where ||grads|| > limit, in place; returns the norm before.

    The direction stays. The norm is summed in float64.

    Raises
    ------
    NonFiniteError
        If the norm is not finite: nothing that is clipped would be of use.
    ValueError
        If the limit is not positive.
    """
    _positive("the limit", limit)
    norm = math.sqrt(np.einsum("i,i->", grads, grads, dtype=np.float64))
    if not math.isfinite(norm):
        raise NonFiniteError("the gradient")
    if norm > limit:
        grads *= limit / norm
    return norm


def clip_by_value(grads: np.ndarray, limit: float) -> None:
    """grads = min(max(grads, -limit), limit), in place, element by element; NaN stays NaN.

    Raises `ValueError` if the limit is not positive.
    """
    np.clip(grads, -_positive("the limit", limit), limit, out=grads)


def _fraction(name: str, value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value}")
    return float(value)


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return float(value)
