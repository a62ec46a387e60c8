"""The benchmark's PyTorch side trains as avanet does; where PyTorch is missing it says so."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from avanet.ava import VARIANTS


@pytest.fixture
def bm(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "bench"))
    return import_module("bm")


@pytest.fixture
def images():
    return np.random.default_rng(0).random((5, 4, 3, 3))


@pytest.mark.parametrize("rules", ["exact", "as-run"])
@pytest.mark.parametrize("model", VARIANTS)
def test_every_pytorch_side_ends_where_avanet_does(model, rules, bm, images):
    pytest.importorskip("torch")
    ours = bm.Compiled(model, rules, images, "float64")
    sides = bm.sides_of(rules, ours.task, compiled=False)
    assert len(sides) >= 3
    assert bm.check(ours, sides, 1e-12) < 1e-12


@pytest.mark.parametrize("rules", ["exact", "as-run"])
def test_nothing_is_timed_that_trains_differently(rules, bm, images):
    pytest.importorskip("torch")
    ours = bm.Compiled("ava5", rules, images, "float64")
    sides = bm.sides_of(rules, ours.task._replace(rate=ours.task.rate * (1 + 1e-6)), False)
    with pytest.raises(bm.Unequal, match="ava5"):
        bm.check(ours, sides, 1e-10)


def test_without_pytorch_the_extra_is_named(bm, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert bm.main(["--parts", "import"]) == 2
    assert "pip install 'avanet[bench]'" in capsys.readouterr().err


def test_an_unknown_model_is_named(bm, capsys):
    with pytest.raises(SystemExit) as stop:
        bm.main(["--models", "ava6"])
    assert stop.value.code == 2
    assert "ava6" in capsys.readouterr().err
