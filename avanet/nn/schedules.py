"""Schedules: plain functions from the number of finished steps (0, 1, 2, ...) to a rate.

>>> rate = warm_up(100, cosine(1e-3, 1000))
>>> rate(0), rate(99), rate(100 + 500)
(1e-05, 0.001, 0.0005)
"""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """rate at every step."""
    return lambda step: float(rate)


def step_decay(rate: float, factor: float, every: int) -> Schedule:
    """rate factor^floor(step / every): one step down every so many steps.

    Raises `ValueError` if `every` is not positive or `factor` negative.
    """
    _whole("every", every)
    if not factor >= 0:
        raise ValueError(f"factor must not be negative, got {factor}")
    return lambda step: float(rate) * factor ** (step // every)


def cosine(rate: float, steps: int, last: float = 0.0) -> Schedule:
    """last + (rate - last) (1 + cos(pi step / steps)) / 2, and `last` from then on.

    Source: Loshchilov and Hutter, "SGDR", 2017, Eq. 5, without restarts. Raises `ValueError` if
    `steps` is not positive.
    """
    _whole("steps", steps)
    return lambda step: last + (rate - last) * (1 + math.cos(math.pi * min(step / steps, 1))) / 2


def warm_up(steps: int, then: Schedule) -> Schedule:
    """then(0) (step + 1) / steps during the first `steps`, then(step - steps) afterwards.

    A straight line that reaches the start of `then` with its last step. Raises `ValueError` if
    `steps` is not positive.
    """
    _whole("steps", steps)
    return lambda step: then(0) * (step + 1) / steps if step < steps else then(step - steps)


def _whole(name: str, value: int) -> None:
    if value != int(value) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value}")


def _last_tenth(steps: int) -> Schedule:
    """A tenth of the rate for the last tenth of the steps."""
    return step_decay(1.0, 0.1, max(1, -(-steps * 9 // 10)))


SCHEDULES = {  # name -> function from the number of steps in all to the rate's factor
    "constant": lambda steps: constant(1.0),
    "step": _last_tenth,
    "cosine": lambda steps: cosine(1.0, steps),
    "warm-up": lambda steps: warm_up(max(1, steps // 20), constant(1.0)),
    "warm-up-cosine": lambda steps: warm_up(
        max(1, steps // 20), cosine(1.0, max(1, steps - max(1, steps // 20)))),
}
