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
  The error is what the observed order lacks to 2; a wrong gradient has order 1, a linear f
  order infinity. The coarsest of the five: it sees what is large against the curvature of f.

An error is relative to the largest component of its gradient; a difference within the rounding
error of f itself is within tolerance. So the complex step catches a single component that is
wrong by 1e-6 of the largest, and central differences as long as it is wrong by more than 1e-7.

Where the one-sided slopes differ by an amount that stays as h shrinks, f has a kink (ReLU at 0)
and no derivative: such components are listed and counted, not judged. Everything runs in float64
(complex128 for the complex step): float32 is refused where a gradient is given, and converted
where the gradient is computed here.

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
  x (5, 3): error ... at (..., ...): closed form ..., numerical ... <- wrong
  a (3,): error ... at (...,): closed form ..., numerical ...
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from avanet.nn.layers import Layer
from avanet.nn.network import NonFiniteError, Sequential

TOLERANCES = {
    "complex": 1e-12, "central": 1e-7, "direction": 1e-12, "direction-central": 1e-7, "taylor": 0.5,
}
COMPLEX_STEP = 1e-30
STEPS = (2.0**-10, 2.0**-17, 2.0**-24, 2.0**-31)
TAYLOR_STEPS = tuple(2.0**-k for k in range(3, 27))
ROUNDING = 16 * float(np.finfo(np.float64).eps)
NOT_ADDED = "backward must add into the gradients, and give the same when it goes back once more"

Seed = int | np.random.Generator
Index = tuple[int, ...]


@dataclass(frozen=True)
class ParameterReport:
    """The worst component of one gradient; `index` is () where a whole direction was compared."""

    name: str
    shape: Index
    error: float
    index: Index
    closed_form: float
    numerical: float
    kinks: int
    order: float | None = None
    trouble: str = ""

    def __str__(self) -> str:
        order = "" if self.order is None else f", order {self.order:.3g}"
        trouble = f" <- {self.trouble}" if self.trouble else ""
        return (f"{self.name} {self.shape}: error {self.error:.2g} {_place(self.index)}: closed "
                f"form {self.closed_form:.10g}, numerical {self.numerical:.10g}{order}{trouble}")


@dataclass(frozen=True)
class Report:
    """What was checked and how, and the outcome for every parameter.

    `seed` replays the check (pass it as `rng`), `kinks` lists the (name, index) that were not
    judged, and `trouble` says what makes the check fail beyond the numbers.
    """

    item: str
    method: str
    seed: int
    tolerance: float
    parameters: tuple[ParameterReport, ...]
    kinks: tuple[tuple[str, Index], ...] = ()
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """True if there was no trouble, with any parameter or beyond."""
        return not any([self.trouble, *(p.trouble for p in self.parameters)])

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"{self.item}: {verdict} ({self.method}, tolerance {self.tolerance:g}, "
                 f"seed {self.seed})"]
        lines += [f"  {parameter}" for parameter in self.parameters]
        if self.kinks:
            listed = ", ".join(f"{name} {_place(index)}" for name, index in self.kinks[:5])
            more = ", ..." * (len(self.kinks) > 5)
            lines.append(f"  {len(self.kinks)} at kinks, not judged: {listed}{more}")
        return "\n".join(lines + [f"  {self.trouble}"] * bool(self.trouble))

    def to_json(self) -> dict[str, Any]:
        """The report as plain data; numbers that JSON has no word for become strings."""
        return _plain(asdict(self) | {"passed": self.passed})


def check_function(
    f: Callable[..., Any], arguments: Mapping[str, Any], gradients: Mapping[str, Any],
    method: str = "complex", rng: Seed = 0, tolerance: float | None = None, item: str = "",
) -> Report:
    """Compare gradients with numerical derivatives of the scalar function f.

    Parameters
    ----------
    f : callable
        Takes the arguments as keywords and returns a scalar. Floating arguments arrive as
        complex128 for `complex` and `direction`, as float64 otherwise.
    arguments : dict name -> float64 array
        The point. Integers, and whatever is not a number, are passed on as they are.
    gradients : dict name -> float64 array
        Closed forms, each of its argument's shape; arguments without one are held fixed.
    method : {"complex", "central", "direction", "direction-central", "taylor"}
    rng : int or numpy.random.Generator
        Draws the direction; the seed in the report replays it.
    tolerance : float, optional
        On the relative error (`taylor`: on what the order lacks); by default as in `TOLERANCES`.
    item : str
        Name in the report; by default that of f.

    Raises
    ------
    ValueError
        If the method or a name is unknown, a shape differs or is empty, a floating array is not
        float64 (float32 is refused: its rounding would hide an error), or f is not scalar.
    """
    tolerance = _tolerance(method, tolerance)
    closed = {name: _float64(f"the gradient of {name}", g) for name, g in gradients.items()}
    values = {
        name: _float64(name, a).astype(_dtype(method)) if name in closed or _floating(a) else a
        for name, a in arguments.items()
    }
    if not closed:
        raise ValueError("no gradient was given: there is nothing to check")
    for name, gradient in closed.items():
        if name not in values:
            raise ValueError(f"{name!r} has a gradient but is no argument: {', '.join(values)}")
        if values[name].shape != gradient.shape or not gradient.size:
            raise ValueError(f"{name} has shape {values[name].shape}, its gradient "
                             f"{gradient.shape}: expected the same, and not empty")
    seed = _seed(rng)
    draw = np.random.default_rng((seed, 1))
    value = _scalar(f(**values)).real
    magnitude = max(abs(value), *map(_largest, closed.values()), 0.0)
    parameters, kinks = [], []
    for name, gradient in closed.items():
        reports = []
        for index, p, slope in _directions(gradient, method, draw):
            line = _Line(f, values, name, p, value, _largest(gradient), magnitude)
            reports.append(_compare(line, index, slope, method, tolerance))
        worst = max(reports, key=lambda report: report.error)
        parameters.append(replace(worst, kinks=sum(report.kinks for report in reports)))
        kinks += [(name, report.index) for report in reports if report.kinks]
    item = item or getattr(f, "__name__", type(f).__name__)
    return Report(item, method, seed, tolerance, tuple(parameters), tuple(kinks))


def check_layer(
    layer: Layer, x: np.ndarray, rng: Seed = 0, method: str = "complex",
    tolerance: float | None = None,
) -> Report:
    """Check a layer's dL/dx and parameter gradients, L a random linear functional of its output.

    A copy of the layer is bound and initialised anew; its parameters are then moved by N(0, 0.1^2),
    so that none is checked at zero. Beyond the numbers, `backward` must add into the gradients
    and go back through the evaluation whose cache it is given, whatever was evaluated since;
    neither pass may change what it is given.

    Parameters
    ----------
    layer : Layer
    x : array of any shape that the layer takes
        Converted to float64, exactly, if it is float32.
    rng, method, tolerance
        As in `check_function`; rng also draws the start values and the functional.
    """
    seed = _seed(rng)
    draw = np.random.default_rng(seed)
    item = type(layer).__name__ if layer.name == Layer.name else layer.name
    network = Sequential([copy.deepcopy(layer)], draw, np.float64, item)
    network.params += 0.1 * draw.standard_normal(network.params.shape)
    forward = lambda x: _forward(network.layers, x)
    return _check_passes(network, forward, x, False, seed, draw, method, tolerance)


def check_network(
    network: Sequential, x: np.ndarray, rng: Seed = 0, below_output: bool = False,
    method: str = "complex", tolerance: float | None = None,
) -> Report:
    """Check dL/dx and every parameter gradient of a network at its present parameters.

    L is a random linear functional of the output or, with `below_output`, of the net input of
    the last activation. A float64 copy is checked, to which float32 parameters and x are
    converted exactly. The numerical side composes the layers' forward passes, nothing else.

    Parameters
    ----------
    network : Sequential
    x : (B, n_in) array
    rng, method, tolerance
        As in `check_function`; rng also draws the functional.

    Raises
    ------
    ValueError
        If the network does not take x.
    """
    seed = _seed(rng)
    twin = twin_of(network, np.float64)
    draw = np.random.default_rng(seed)
    return _check_passes(twin, twin.forward, x, below_output, seed, draw, method, tolerance)


def check_loss(
    loss: Callable[..., Any], arguments: Mapping[str, Any], wrt: str | Sequence[str],
    method: str = "complex", rng: Seed = 0, tolerance: float | None = None,
) -> Report:
    """Check the gradients that a loss returns beside its value.

    Parameters
    ----------
    loss : callable
        Takes the arguments as keywords; returns (value, gradient) or (value, (gradient, ...)).
    arguments : dict name -> array
        Converted to float64, exactly; integers without a gradient are passed on as they are.
    wrt : str or sequence of str
        The argument of each gradient, in the order in which the loss returns them.
    method, rng, tolerance
        As in `check_function`.
    """
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    values = {
        name: np.array(a, np.float64) if name in names or _floating(a) else a
        for name, a in arguments.items()
    }
    gradients = loss(**values)[1]
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    item = getattr(loss, "__name__", type(loss).__name__)
    if len(gradients) != len(names):
        raise ValueError(f"{item} returns {len(gradients)} gradients, wrt names {len(names)}")
    closed = dict(zip(names, gradients))
    return check_function(lambda **a: loss(**a)[0], values, closed, method, rng, tolerance, item)


def _check_passes(network, forward, x, below_output, seed, draw, method, tolerance) -> Report:
    """Check `network.backward` against the composed forward passes of its layers."""
    x = np.array(x, np.float64)
    layers = network.layers[:len(network.layers) - below_output]
    try:
        caches = forward(x)[1]
        weights = draw.standard_normal(_forward(layers, x / 2)[0].shape)
        dx, grads = _backward(network, weights, caches, below_output)
        again, twice = _backward(network, weights, caches, below_output)
    except NonFiniteError as error:
        tolerance = _tolerance(method, tolerance)
        return Report(network.name, method, seed, tolerance, (), trouble=str(error))
    numerical = twin_of(network, _dtype(method))
    views = named_views(numerical, numerical.params)
    layers = numerical.layers[:len(layers)]

    def functional(x, **params):
        for name, view in views.items():
            view[...] = params[name]
        return (weights * _forward(layers, x)[0]).sum()

    report = check_function(
        functional, {"x": x} | named_views(network, network.params),
        {"x": dx} | named_views(network, grads), method, seed, tolerance, network.name,
    )
    repeats = [np.allclose(a, b, equal_nan=True) for a, b in ((again, dx), (twice, 2 * grads))]
    return report if all(repeats) else replace(report, trouble=NOT_ADDED)


def _forward(layers, x):
    caches = []
    for layer in layers:
        x, cache = layer.forward(x)
        caches.append(cache)
    return x, caches


def _backward(network, dy, caches, below_output):
    """dL/dx, and a copy of the gradients to which this pass has been added."""
    return network.backward(dy, caches, below_output), network.grads.copy()


def twin_of(network: Sequential, dtype) -> Sequential:
    """A copy of the network in another dtype, with the same parameters."""
    twin = Sequential(copy.deepcopy(network.layers), dtype=dtype, name=network.name)
    twin.params[...] = network.params
    return twin


def named_views(network: Sequential, flat: np.ndarray) -> dict[str, np.ndarray]:
    """Shaped views into one of the network's flat vectors, by the parameter's name."""
    views = {}
    for k, (layer, part) in enumerate(zip(network.layers, network.slices)):
        start = part.start
        for name, shape in layer.shapes().items():
            label = name if len(network.layers) == 1 else f"{k} {layer.name} {name}"
            views[label] = flat[start:start + math.prod(shape)].reshape(shape)
            start += math.prod(shape)
    return views


def _directions(gradient, method, draw) -> Iterator[tuple[Index, np.ndarray, float]]:
    """(index, p, <gradient, p>) for every unit vector p, or for one random direction.

    The components of a random direction lie between 1/2 and 3/2 in size: none is overlooked.
    """
    if method in ("complex", "central"):
        for index in np.ndindex(gradient.shape):
            p = np.zeros(gradient.shape)
            p[index] = 1
            yield index, p, float(gradient[index])
    else:
        p = draw.choice((-1, 1), gradient.shape) * draw.uniform(0.5, 1.5, gradient.shape)
        yield (), p, float(np.vdot(gradient, p))


@dataclass(frozen=True)
class _Line:
    """t -> f(x + t p) for the argument x of that name, with the scales that errors are held to."""

    f: Callable[..., Any]
    values: dict[str, Any]
    name: str
    p: np.ndarray
    value: float
    largest: float
    magnitude: float

    def __call__(self, t: complex) -> complex:
        moved = self.values | {self.name: self.values[self.name] + t * self.p}
        try:
            with np.errstate(all="ignore"):
                return _scalar(self.f(**moved))
        except NonFiniteError:
            return complex(math.nan)

    @property
    def unit(self) -> float:
        """What the steps are multiples of: 1, or the size of x where it moves."""
        return max(1.0, float(np.abs(self.values[self.name] * self.p).max()))

    def real(self, t: float) -> float:
        """f at a real t; NaN where f is complex: outside its domain, as log is below 0."""
        value = self(t)
        return value.real if abs(value.imag) <= 1e-8 * abs(value.real) else math.nan

    def sides(self, h: float) -> tuple[float, float]:
        """Slopes from the right and from the left."""
        return (self.real(h) - self.value) / h, (self.value - self.real(-h)) / h


def _compare(line, index, slope, method, tolerance) -> ParameterReport:
    """Judge the closed form `slope` of the derivative along the line."""
    numerical, rounding, settled, kink = _central(line)
    order, trouble = None, ""
    if method == "taylor":
        order = _taylor_order(line, slope)
    elif _dtype(method) is np.complex128:
        central, doubt = numerical, 100 * max(TOLERANCES["central"] * line.largest, rounding)
        numerical = line(1j * COMPLEX_STEP).imag / COMPLEX_STEP
        rounding = ROUNDING * line.magnitude
        if settled and abs(numerical - central) > doubt:
            trouble = f"not analytic, differences give {central:.10g}: use a central method"
    error = abs(slope - numerical)
    if not math.isfinite(error):
        error = math.inf
    elif kink or not error:
        error = 0.0
    elif order is not None:
        error = max(0.0, 2 - order)
    else:
        error /= max(line.largest or abs(numerical), rounding / tolerance)
    if error > tolerance:
        trouble = trouble or ("wrong" if math.isfinite(error) else "not finite")
    elif trouble:
        error = math.inf
    shape = line.p.shape
    return ParameterReport(line.name, shape, error, index, slope, numerical, int(kink), order,
                           trouble)


def _central(line):
    """(derivative, its rounding error, whether the step settled, whether there is a kink).

    `bend` is the difference of the one-sided slopes, less what curvature makes of it: zero up to
    O(h^3) where the slope is continuous, and half the jump of the slope at a kink, for every h.
    """
    bend = math.inf
    for h in (step * line.unit for step in STEPS):
        right, left = line.sides(h)
        near_right, near_left = line.sides(h / 2)
        before, bend = bend, abs(near_right - near_left - (right - left) / 2)
        near = (near_right + near_left) / 2
        drift = near - (right + left) / 2
        rounding = ROUNDING * line.magnitude / h
        noise = max(TOLERANCES["central"] * line.largest, rounding)
        settled = bend <= noise and abs(drift) <= noise
        if settled:
            break
    kink = bend > noise and abs(bend - before) < bend / 2
    return near + drift / 3, rounding, settled, kink


def _taylor_order(line, slope):
    """Slope of log remainder against log h, over the four smallest h above rounding.

    A remainder that vanishes between one h and its half has order infinity: f is piecewise linear.
    """
    noise = 4 * ROUNDING * max(line.magnitude, abs(slope))
    steps = [step * line.unit for step in TAYLOR_STEPS]
    remainders = [abs(line.real(h) - line.value - h * slope) for h in steps]
    clear = [(h, r) for h, r in zip(steps, remainders) if r > noise]
    vanishes = remainders[-1] <= noise and clear and clear[-1][1] > 8 * noise
    if len(clear) < 4 or vanishes:
        return math.inf
    log_h, log_remainder = np.log(clear[-4:]).T
    return float(np.polyfit(log_h, log_remainder, 1)[0])


def _tolerance(method, tolerance):
    if method not in TOLERANCES:
        raise ValueError(f"unknown method {method!r}: known are {', '.join(TOLERANCES)}")
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"the tolerance must be positive, got {tolerance}")
    return tolerance or TOLERANCES[method]


def _dtype(method):
    return np.complex128 if method in ("complex", "direction") else np.float64


def _seed(rng: Seed) -> int:
    return int(rng.integers(2**63)) if isinstance(rng, np.random.Generator) else int(rng)


def _floating(a) -> bool:
    return np.asarray(a).dtype.kind in "fc"


def _float64(name, a) -> np.ndarray:
    a = np.asarray(a)
    if a.dtype != np.float64:
        raise ValueError(f"{name} is {a.dtype}: gradients are checked in float64, convert it first")
    return a


def _scalar(value) -> complex:
    if np.shape(value) != ():
        raise ValueError(f"f must return a scalar, got an array of shape {np.shape(value)}")
    return complex(value)


def _largest(a) -> float:
    """Size of the largest finite component."""
    return float(np.abs(a[np.isfinite(a)]).max(initial=0))


def _place(index) -> str:
    return f"at {index}" if index else "in all"


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
