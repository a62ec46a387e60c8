"""The list of checks: complete, passing, and failing where an error is planted."""

import json
import math

import numba
import numpy as np
import pytest

from avanet import verify
from avanet.ava.plans import RULE_SETS, VARIANTS
from avanet.ava.rules import RULES
from avanet.kernels import NAMES, compiled as kernels
from avanet.nn import ACTIVATIONS, Dense
from avanet.nn.gradcheck import TOLERANCES
from avanet.nn.losses import LOSSES
from avanet.verify import compiled, cosines, engine, items
from avanet.verify.result import (
    Item, Outcome, Result, format_line, of_report, relative_error, relative_norm, run, together,
    within,
)

# The compiled steps are slow without the JIT, and are checked in test_fast.
QUICK = [item for item in items.items()
         if not (numba.config.DISABLE_JIT and item.name.startswith("compiled steps"))]


@pytest.mark.parametrize("item", QUICK, ids=lambda item: f"{item.name}, {item.method}")
def test_item_passes(item):
    result = run(item, seed=3)
    assert result.passed, format_line(result)
    assert result.error <= item.tolerance


def test_everything_is_on_the_list():
    names = [item.name for item in items.items()]
    for name in (
        "layer dense", *(f"activation {name}" for name in ACTIVATIONS),
        *(f"loss {name}" for name in LOSSES), *(f"rule {name}" for name in RULES),
        *(f"model {model}, {rules}" for model in VARIANTS for rules in RULE_SETS),
        *(f"compiled steps, {rules}, {dtype}" for rules in RULE_SETS
          for dtype in ("float32", "float64")),
        *(f"kernel {name}, {dtype}" for name in NAMES for dtype in ("float32", "float64")),
    ):
        assert names.count(name) == 1, name
    assert {item.method for item in items.items()} > set(TOLERANCES)


def test_what_is_smooth_is_held_to_1e_12():
    assert all(item.tolerance <= 1e-12 for item in items.items() if item.method == "complex")


# Planted errors -----------------------------------------------------------------------------------

def off_by_a_millionth(array):
    """One component off by 1e-6 of the largest."""
    array = np.array(array)
    array.flat[array.size // 2] += 1e-6 * np.abs(array).max()
    return array


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_planted_error_in_a_slope_is_caught(name, monkeypatch):
    activation = ACTIVATIONS[name]
    slope = activation.slope
    monkeypatch.setattr(activation, "slope", lambda self, y: off_by_a_millionth(slope(self, y)))
    assert not engine.check_activation(name).passed


@pytest.mark.parametrize("half", ["accumulate", "propagate"])
def test_planted_error_in_a_dense_layer_is_caught(half, monkeypatch):
    real = getattr(Dense, half)

    def wrong(self, dy, x):
        result = real(self, dy, x)
        self.dW[...] = off_by_a_millionth(self.dW)
        return result if half == "accumulate" else off_by_a_millionth(result)

    monkeypatch.setattr(Dense, half, wrong)
    assert not engine.check_dense().passed


@pytest.mark.parametrize("method", ["complex", "direction", "central", "direction-central"])
def test_every_method_catches_a_planted_error(method, monkeypatch):
    """1e-6 of the largest component; ten times as much where differences are all there is."""
    accumulate = Dense.accumulate
    off = 1e-5 if "central" in method else 1e-6

    def wrong(self, dy, x):
        accumulate(self, dy, x)
        self.dW[0, 0] += off * np.abs(self.dW).max()

    monkeypatch.setattr(Dense, "accumulate", wrong)
    assert not engine.check_method(method).passed


@pytest.mark.parametrize("name", LOSSES)
def test_planted_error_in_a_loss_is_caught(name, monkeypatch):
    loss = LOSSES[name]

    def wrong(**arguments):
        value, gradients = loss(**arguments)
        if isinstance(gradients, tuple):
            return value, (*gradients[:-1], off_by_a_millionth(gradients[-1]))
        return value, off_by_a_millionth(gradients)

    wrong.__name__ = name
    monkeypatch.setitem(LOSSES, name, wrong)
    assert not engine.check_one_loss(name).passed


@pytest.mark.parametrize("name", NAMES)
def test_planted_error_in_a_kernel_is_caught(name, monkeypatch):
    kernel = getattr(kernels, name)

    def wrong(*arguments):
        result = kernel(*arguments)
        arguments[-1][...] *= 1 + 1e-10
        return result

    monkeypatch.setattr(kernels, name, wrong)
    assert compiled.check_kernel(name, "float32").passed
    assert not compiled.check_kernel(name, "float64").passed


def test_kernel_that_touches_its_input_is_caught(monkeypatch):
    to_hidden = kernels.to_hidden

    def wrong(u, A, v):
        to_hidden(u, A, v)
        A[0, 0] += 1

    monkeypatch.setattr(kernels, "to_hidden", wrong)
    assert not compiled.check_kernel("to_hidden", "float64").passed


def test_missed_kink_is_caught(monkeypatch):
    """A smooth layer in the place of ReLU has no kinks to count."""
    monkeypatch.setitem(ACTIVATIONS, "relu", ACTIVATIONS["tanh"])
    assert not engine.check_kinks("relu").passed


# Results ------------------------------------------------------------------------------------------

def item_of(check, tolerance=1e-12):
    return Item("rule pull", "Eq. 6", "-log(1 - a_d(v))", "exact", "complex", tolerance, check)


def test_result_line_and_json():
    result = run(item_of(lambda seed: Outcome(2e-13, True, f"seed {seed}")), seed=7)
    assert result == Result("rule pull", "Eq. 6", "-log(1 - a_d(v))", "exact", "complex", 2e-13,
                            1e-12, True, "seed 7")
    line = format_line(result)
    assert "\n" not in line
    for part in ("ok", "2.0e-13", "complex", "exact", "Eq. 6", "rule pull: -log", "(seed 7)"):
        assert part in line
    assert json.loads(json.dumps(result.to_json()))["error"] == 2e-13


def test_a_check_that_breaks_down_fails():
    def broken(seed):
        raise ZeroDivisionError("by zero")

    result = run(item_of(broken))
    assert not result.passed and result.note == "ZeroDivisionError: by zero"
    assert format_line(result).startswith("FAILED")
    assert json.loads(json.dumps(result.to_json()))["error"] == "inf"


def test_outcomes_add_up():
    assert together(Outcome(1, True, "a"), Outcome(3, True), Outcome(2, True, "a")) == Outcome(
        3, True, "a")
    assert not together(Outcome(0, True), Outcome(0, False)).passed
    assert not within(math.nan, 1).passed
    assert math.isnan(together(Outcome(0, True), within(math.nan, 1)).error)
    assert not within(2, 1).passed and within(1, 1).passed
    assert relative_error([1, 3], [1, 2]) == 0.5 and relative_error([0, 1e-3], [0, 0]) == 1e-3
    assert relative_norm([3, 4], [0, 0]) == math.inf and relative_norm([3, 8], [3, 4]) == 0.8


def test_failed_report_says_where():
    from avanet.nn.gradcheck import check_function
    x = np.array([1.0, 2.0])
    report = check_function(lambda x: (x * x).sum(), {"x": x}, {"x": np.array([2.0, 5.0])})
    outcome = of_report(report, "Phi")
    assert not outcome.passed and outcome.error == pytest.approx(0.2)
    assert outcome.note.startswith("Phi x") and "(1,)" in outcome.note


def test_verify_returns_results(monkeypatch):
    monkeypatch.setattr(items, "items", lambda: [item_of(lambda seed: Outcome(seed, True))])
    assert [result.error for result in items.verify(5)] == [5]


def test_run_is_lazy_and_ends_with_a_verdict():
    made = []
    results = (made.append(k) or run(item_of(lambda seed: Outcome(0, k == 1))) for k in (1, 2))
    report = verify.Run(results, format_line)
    assert not report.passed and not made
    lines = iter(report)
    assert next(lines).startswith("ok") and made == [1] and report.passed
    assert list(lines)[-1] == "2 checks, 1 failed"
    assert not report.passed
    data = json.loads(json.dumps(report.to_json()))
    assert data["passed"] is False and len(data["results"]) == 2 and "cosines" not in data


def test_everything_is_what_the_command_line_prints(monkeypatch):
    monkeypatch.setattr(items, "items", lambda: [item_of(lambda seed: Outcome(0, seed == 4))])
    measure = cosines.cosines
    monkeypatch.setattr(cosines, "cosines", lambda seed: measure(seed, sizes=(5,), draws=2))
    report = verify.everything(seed=4)
    lines = list(report)
    assert lines[0].startswith("ok") and lines[-1] == "1 checks, 0 failed"
    assert any("Eq. 6: Phi of AVA1" in line for line in lines)
    assert len(json.loads(json.dumps(report.to_json()))["cosines"]) == len(report.cosines) > 0
