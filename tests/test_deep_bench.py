"""deep.py: PyTorch's models and convolutions compute what avanet's do, or nothing is timed."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from avanet.models import model_class


@pytest.fixture
def deep(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "bench"))
    monkeypatch.setattr(import_module("deep"), "CHECKED", 4)
    return import_module("deep")


def test_every_model_of_pytorch_trains_as_ours(deep):
    pytest.importorskip("torch")
    for task in deep.TASKS:
        wide = hasattr(model_class(task.model).Config, "width")
        compare = task.compare | ({"width": 4} if wide else {})
        assert deep.check_model(task._replace(compare=compare)) < 1e-3


def test_every_convolution_of_pytorch_is_ours(deep):
    torch_deep = pytest.importorskip("torch") and import_module("torch_deep")
    for shape in deep.SHAPES:
        ours = deep.Ours(shape._replace(batch=1))
        theirs = torch_deep.Convolution(ours.layer, ours.x, ours.dy, False)
        assert deep.compare(ours.layer.name, ours.values(), theirs.values()) < 1e-3


def test_what_differs_is_not_timed(deep):
    with pytest.raises(deep.Unequal, match="dcgan: PyTorch ends 2.0e-03"):
        deep.compare("dcgan", [np.array([1.0, 100.0])], [np.array([1.0, 100.2])])
    with pytest.raises(deep.Unequal):
        deep.compare("dcgan", [np.array([1.0])], [np.array([np.nan])])


def test_the_products_of_a_step_are_recorded(deep):
    """A VAE of widths 784-400-40, 20-400-784: forward, weights, and all errors but the first."""
    model, batch = deep.started(deep.TASKS[0], 2)
    with deep.recorded() as shapes:
        model.step(batch)
    pairs = [(784, 400), (400, 40), (20, 400), (400, 784)]
    expected = [(2, i, o) for i, o in pairs] + [(i, 2, o) for i, o in pairs]
    expected += [(2, o, i) for i, o in pairs[1:]]
    assert sorted(shapes) == sorted(expected)
    model, batch = deep.started(deep.TASKS[3], 2)
    with deep.recorded() as shapes:
        model.step(batch)
    assert {(2 * 49, 256, 25 * 128), (256, 2 * 49, 25 * 128)} <= set(shapes)
    assert shapes.count((2 * 49, 25 * 64, 128)) == 3  # twice D's second layer; back through G's


def test_products_take_what_they_are_asked_for(deep):
    products = deep.Products([(2, 3, 4), (5, 6, 7)])
    products()
    assert deep.flops([(2, 3, 4), (5, 6, 7)]) == 48 + 420
    for a, b, out in products.arrays:
        np.testing.assert_allclose(out, a @ b, rtol=1e-5)


def test_goals_that_are_missed_are_named(deep):
    row = deep.figures(0.010, {"default": 0.012}, 0.006)
    assert deep.misses(row) == "default by 14 %, ceiling by 14 %"
    assert deep.misses(deep.figures(0.010, {"default": 0.02}, 0.008)) == "none"


def test_unknown_models_are_named(deep, capsys):
    with pytest.raises(SystemExit) as stop:
        deep.main(["--models", "lapgan2"])
    assert stop.value.code == 2
    assert "lapgan2" in capsys.readouterr().err
