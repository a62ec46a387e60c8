"""The README's worked example of a model, taken at its word."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from avanet import models, verify
from avanet.cli import main
from avanet.models import MODELS, model_class
from avanet.verify import batched, batched_objectives

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def case(monkeypatch):
    """What the section says to do, done: module, line, objective. The case that it writes."""
    if not README.exists():
        pytest.skip("not in the source tree")
    section = re.search(r"\n## Add a model\n(.*?)\n## ", README.read_text(), re.S)[1]
    assert len([line for line in section.splitlines() if line.strip()]) <= 40
    model, objective = re.findall(r"```python\n(.*?)```", section, re.S)
    line = re.search(r'Add `("sparse": .*?)` to `MODELS`', section)[1]
    module = ModuleType("avanet.models.sparse")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(model, module.__name__, "exec"), module.__dict__)
    for name, place in eval(f"{{{line}}}").items():
        monkeypatch.setitem(models.MODELS, name, place)
    case = re.search(r"`(Case\(.*?\))`", section)[1]
    names = dict(vars(batched_objectives))
    exec(objective, names)
    monkeypatch.setattr(batched_objectives, "sparse", names["sparse"], raising=False)
    return eval(case, vars(batched) | {"o": batched_objectives})


def test_it_is_verified_and_an_error_is_caught(case, monkeypatch):
    for player in ("encoder", "decoder"):
        assert batched.check_player(case, "gradients", player).passed
    kind = model_class("sparse")
    gradients = kind.gradients

    def wrong(self, batch, rng):
        losses = gradients(self, batch, rng)
        self.players_["encoder"].grads[0] += 1e-6 * np.abs(self.players_["encoder"].grads).max()
        return losses

    monkeypatch.setattr(kind, "gradients", wrong)
    assert not batched.check_player(case, "gradients", "encoder").passed


def test_it_learns_and_is_kept(case, tmp_path):
    X = np.random.default_rng(0).random((40, 6, 6, 1)) ** 4
    model = model_class("sparse")(rate=0.05, batch=10, epochs=30).fit(X)
    error = ((model.reconstruct(X) - X) ** 2).mean()
    assert error < ((X.mean(axis=0) - X) ** 2).mean()
    assert model.encode(X)[0].mean() < 0.4
    model.save(tmp_path / "sparse.npz")
    assert np.array_equal(model_class("sparse").load(tmp_path / "sparse.npz").encode(X)[0],
                          model.encode(X)[0])


def test_it_is_listed_and_trained_from_the_command_line(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "sparse" in MODELS and verify is not None
    assert main(["train", "sparse", "--data", "digits", "--epochs", "1",
                 "--run", "run"]) == 0
    assert (tmp_path / "run").is_dir()
