"""One step of each optimiser in one pass over the flat vectors, compiled beside its NumPy twin.

All vectors are (P,) of one dtype, the scalars of that dtype too: whatever does not depend on the
element (bias corrections, 1 - beta) is folded into them beforehand. Vectors are updated in place,
`grads` is only read. Nothing is summed and every operation is rounded as written, so the twins
agree bit for bit.
"""

import numpy as np

from avanet.kernels import jit_exact, pick


@jit_exact
def sgd(params, grads, rate):
    for i in range(len(params)):
        params[i] -= rate * grads[i]


@jit_exact
def momentum(params, grads, velocity, mu, rate):
    for i in range(len(params)):
        v = mu * velocity[i] + grads[i]
        velocity[i] = v
        params[i] -= rate * v


@jit_exact
def nesterov(params, grads, velocity, mu, rate):
    for i in range(len(params)):
        v = mu * velocity[i] + grads[i]
        velocity[i] = v
        params[i] -= rate * (grads[i] + mu * v)


@jit_exact
def rmsprop(params, grads, square, rho, rest, rate, epsilon):
    for i in range(len(params)):
        s = rho * square[i] + rest * (grads[i] * grads[i])
        square[i] = s
        params[i] -= rate * grads[i] / (np.sqrt(s) + epsilon)


@jit_exact
def adam(params, grads, m, v, beta1, rest1, beta2, rest2, rate, epsilon, keep):
    for i in range(len(params)):
        first = beta1 * m[i] + rest1 * grads[i]
        second = beta2 * v[i] + rest2 * (grads[i] * grads[i])
        m[i], v[i] = first, second
        params[i] = keep * params[i] - rate * first / (np.sqrt(second) + epsilon)


def sgd_numpy(params, grads, rate):
    """params -= rate grads."""
    params -= rate * grads


def momentum_numpy(params, grads, velocity, mu, rate):
    """v = mu v + grads;   params -= rate v."""
    velocity *= mu
    velocity += grads
    params -= rate * velocity


def nesterov_numpy(params, grads, velocity, mu, rate):
    """v = mu v + grads;   params -= rate (grads + mu v)."""
    velocity *= mu
    velocity += grads
    params -= rate * (grads + mu * velocity)


def rmsprop_numpy(params, grads, square, rho, rest, rate, epsilon):
    """s = rho s + rest grads^2;   params -= rate grads / (sqrt(s) + epsilon)."""
    square *= rho
    square += rest * (grads * grads)
    params -= rate * grads / (np.sqrt(square) + epsilon)


def adam_numpy(params, grads, m, v, beta1, rest1, beta2, rest2, rate, epsilon, keep):
    """m = beta1 m + rest1 grads;   v = beta2 v + rest2 grads^2;
    params = keep params - rate m / (sqrt(v) + epsilon).
    """
    m *= beta1
    m += rest1 * grads
    v *= beta2
    v += rest2 * (grads * grads)
    params *= keep
    params -= rate * m / (np.sqrt(v) + epsilon)


PAIRS = {
    "sgd": (sgd, sgd_numpy),
    "momentum": (momentum, momentum_numpy),
    "nesterov": (nesterov, nesterov_numpy),
    "rmsprop": (rmsprop, rmsprop_numpy),
    "adam": (adam, adam_numpy),
}
OPTIMISER_KERNELS = pick(PAIRS)
