"""Gradients against numerical derivatives, with a report for every parameter.

Methods, for f along a line x + t p through the point x (p a unit vector, so that every component
is checked, or one random direction for each parameter):

- `complex`: df/dt = Im f(x + i h p) / h with h = 1e-30. No difference is taken, so nothing is
  lost to rounding; f must be analytic code. Reaches 1e-12. Source: Squire and Trapp, "Using
  complex variables to estimate derivatives of real functions", 1998.
- `central`: [f(x + h p) - f(x - h p)] / 2h, extrapolated from h and h/2, h shrunk for every
  component until the two agree. For code that is not analytic; reaches 1e-7.
- `direction`, `direction-central`: the same two, along one random direction for each parameter,
  against <gradient, p>: a handful of evaluations, however large the parameter.
- `taylor`: |f(x + h p) - f(x) - h <gradient, p>| along one random direction must fall like h^2.
  The error is what the observed order lacks to 2; a linear f has order infinity.

An error is relative to the largest component of its gradient; a difference within the rounding
error of f itself is within tolerance. So the complex step catches a single component that is
wrong by 1e-6 of the largest, and central differences as long as it is wrong by more than 1e-7.

Where the one-sided slopes differ by an amount that stays as h shrinks, f has a kink (ReLU at 0)
and no derivative: such components are listed and counted, not judged. Everything runs in float64
(complex128 for the complex step).

A layer of your own is checked like this:

>>> import numpy as np
>>> from avanet.nn import Layer
>>> from avanet.nn.gradcheck import check_layer
>>> class Scale(Layer):
...     '''y = a x.   dL/da = sum over the batch of x dy,   dL/dx = a dy.'''
...     def shapes(self):
...         return {"a": (3,)}
...     def initialise(self, rng):
...         self.a[...] = 1
...     def forward(self, x):
...         return self.a * x, x
...     def accumulate(self, dy, x):
...         self.da += (x * dy).sum(axis=0)
...     def propagate(self, dy, x):
...         return self.a * dy
>>> x = np.random.default_rng(1).standard_normal((5, 3))
>>> check_layer(Scale(), x, rng=0).passed
True
>>> class Wrong(Scale):
...     def propagate(self, dy, x):
...         return dy
>>> print(check_layer(Wrong(), x, rng=0))
Wrong: FAILED (complex, tolerance 1e-12, seed 0)
  x (5, 3): error 0.0... at (..., ...): closed form ..., numerical ... <- wrong
  a (3,): error ...e-1... at (...,): closed form ..., numerical ...
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from avanet.nn.layers import Layer
from avanet.nn.network import NonFiniteError, Sequential

TOLERANCES = {
    "complex": 1e-12, "central": 1e-7, "direction": 1e-12, "direction-central": 1e-7, "taylor": 0.1,
}
COMPLEX_STEP = 1e-30
STEPS = (2.0 ** -10, 2.0 ** -17, 2.0 ** -24)
ROUNDING = 16 * np.finfo(np.float64).eps

Seed = int | np.random.Generator
Line = Callable[[complex], complex]


@dataclass(frozen=True)
class ParameterReport:
    """The worst component of one gradient; `index` is () where a whole direction was compared."""

    name: str
    shape: tuple[int, ...]
    error: float
    index: tuple[int, ...]
    closed_form: float
    numerical: float
    kinks: int = 0
    order: float | None = None

    def __str__(self) -> str:
        where = f"at {self.index}" if self.index else "in all"
        order = "" if self.order is None else f", order {self.order:.3g}"
        return (f"{self.name} {self.shape}: error {self.error:.2g} {where}: closed form "
                f"{self.closed_form:.10g}, numerical {self.numerical:.10g}{order}")


@dataclass(frozen=True)
class Report:
    """What was checked and how, and the outcome for every parameter.

    `seed` replays the check (pass it as `rng`), `kinks` lists (name, index) of what was not
    judged, and `trouble` says what makes the check fail beyond the numbers.
    """

    item: str
    method: str
    seed: int
    tolerance: float
    parameters: tuple[ParameterReport, ...]
    kinks: tuple[tuple[str, tuple[int, ...]], ...] = ()
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """True if every error is within the tolerance and there was no other trouble."""
        return not self.trouble and all(p.error <= self.tolerance for p in self.parameters)

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"{self.item}: {verdict} ({self.method}, tolerance {self.tolerance:g}, "
                 f"seed {self.seed})"]
        lines += [f"  {p}" + " <- wrong" * (p.error > self.tolerance) for p in self.parameters]
        if self.kinks:
            first = ", ".join(f"{name} {index}" for name, index in self.kinks[:5])
            lines.append(f"  {len(self.kinks)} at kinks, not judged: {first}"
                         + ", ..." * (len(self.kinks) > 5))
        return "\n".join(lines + [f"  {self.trouble}"] * bool(self.trouble))

    def to_json(self) -> dict[str, Any]:
        """The report as plain data; numbers that JSON has no word for become strings."""
        return _plain({**asdict(self), "passed": self.passed})


def check_function(
    f: Callable[..., Any], arguments: Mapping[str, Any], gradients: Mapping[str, Any],
    method: str = "complex", rng: Seed = 0, tolerance: float | None = None, item: str = "",
) -> Report:
    """Compare gradients with numerical derivatives of the scalar function f.

    Parameters
    ----------
    f : callable
        Takes the arguments as keywords and returns a scalar; called with complex128 arrays by
        `complex` and `direction`, with float64 arrays otherwise.
    arguments : dict name -> float64 array
        The point. Integers, and whatever is not a number, are passed on as they are.
    gradients : dict name -> float64 array
        Closed forms, each of its argument's shape; arguments without one are held fixed.
    method : {"complex", "central", "direction", "direction-central", "taylor"}
    rng : int or numpy.random.Generator
        Draws the direction; the seed in the report replays it.
    tolerance : float, optional
        On the relative error (`taylor`: on the order); by default the method's in `TOLERANCES`.
    item : str
        Name in the report; by default that of f.

    Raises
    ------
    ValueError
        If the method or a name is unknown, a shape differs or is empty, a floating array is not
        float64 (float32 is refused: its rounding would hide the error), or f is not scalar.
    """
    if method not in TOLERANCES:
        raise ValueError(f"unknown method {method!r}: known are {', '.join(TOLERANCES)}")
    dtype = _dtype(method)
    values = {name: _prepared(name, value, dtype) for name, value in arguments.items()}
    closed = {name: _prepared(f"gradient of {name}", g, float) for name, g in gradients.items()}
    for name, gradient in closed.items():
        if name not in values:
            raise ValueError(f"gradient of {name!r}, which is not an argument: {', '.join(values)}")
        if values[name].shape != gradient.shape or not gradient.size:
            raise ValueError(f"{name} has shape {values[name].shape}, its gradient "
                             f"{gradient.shape}: expected the same, not empty")
    seed = _seed(rng)
    draw = np.random.default_rng((seed, 1))
    value = _scalar(f(**values)).real
    magnitude = max([abs(value)] + [_largest(g) for g in closed.values()])
    tolerance = TOLERANCES[method] if tolerance is None else tolerance
    parameters, kinks, trouble = [], [], ""
    for name, gradient in closed.items():
        check = _Check(lambda moved: _scalar(f(**values | {name: moved})), values[name], value,
                       magnitude, _largest(gradient), method, tolerance)
        report, where, remark = check.run(name, gradient, draw)
        parameters.append(report)
        kinks += [(name, index) for index in where]
        trouble = trouble or remark
    item = item or getattr(f, "__name__", type(f).__name__)
    return Report(item, method, seed, tolerance, tuple(parameters), tuple(kinks), trouble)
