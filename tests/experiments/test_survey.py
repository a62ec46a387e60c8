"""`avanet reproduce survey`: two trained models on a small set, and the numbers of Sec. 4.2."""

import io
import json
import math
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from avanet.cli import main
from avanet.data.arrays import write_npz
from avanet.experiments.survey import KeepSteps
from avanet.experiments.survey_report import WINDOW, Trained, claims_table, falls, fluctuation
from avanet.folder import Journal


def test_a_trend_does_not_fluctuate_and_a_zigzag_does():
    steps = np.arange(200)
    assert fluctuation(1000 - steps) == pytest.approx(0, abs=1e-12)
    zigzag = fluctuation(100 + 10.0 * (-1) ** steps)
    assert zigzag == pytest.approx(0.1, rel=0.1)
    assert math.isnan(fluctuation([1.0] * (WINDOW - 1)))


def test_falls_counts_epochs():
    assert falls([4, 4, 3, 3, 3.5, 3.5, 1, 1], 4) == (2, 3)
    assert falls([4, 4], 1) == (0, 0)


def trained(model, wobble, edges):
    """A run whose losses wobble and whose samples have edges of that height."""
    n = 100
    losses = [10 + wobble * (-1) ** k for k in range(n)]
    names = ("generator", "discriminator") if model == "dcgan" else ("reconstruction", "kl")
    samples = np.tile(np.array([0.5, 0.5 + edges])[:, None, None], (50, 4, 8, 1))
    return Trained(model, "small", [{"step": k, **dict.fromkeys(names, loss)}
                                    for k, loss in enumerate(losses, 1)], 2, samples, samples)


def test_claims_hold_or_fail_by_the_numbers():
    calm, wild = trained("survey-vae", 0.1, 0.1), trained("dcgan", 2, 0.5)
    assert [row[-1] for row in claims_table([calm, wild]).rows] == ["holds", "holds"]
    calm, wild = trained("survey-vae", 2, 0.5), trained("dcgan", 0.1, 0.1)
    assert [row[-1] for row in claims_table([calm, wild]).rows] == ["fails", "fails"]


def test_steps_are_kept_once_whatever_the_stops(tmp_path):
    """What was logged after the last checkpoint is cut off when training goes on from it."""
    training = SimpleNamespace(run=SimpleNamespace(path=tmp_path), kept=lambda: "",
                               model=SimpleNamespace(n_steps_=0))
    for steps in (range(1, 6), range(4, 8)):
        keep = KeepSteps()
        for training.model.n_steps_ in steps:
            keep.step(training, {"loss": float(training.model.n_steps_)})
    lines = Journal(tmp_path / "steps.jsonl").lines
    assert [line["step"] for line in lines] == list(range(1, 8))


def test_quick_trains_both_and_goes_on(tmp_path, capsys):
    rng = np.random.default_rng(4)
    write_npz(tmp_path / "small.npz", x_train=rng.integers(0, 256, (8, 4, 4), np.uint8),
              x_test=rng.integers(0, 256, (4, 4, 4), np.uint8))
    out = tmp_path / "run"
    command = ["reproduce", "survey", "--data", str(tmp_path / "small.npz"), "--scale", "quick",
               "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "survey-vae on" in printed.err and "dcgan on" in printed.err
    assert "too few steps" in printed.out
    for name in ("samples-survey-vae-small.png", "samples-dcgan-small.png"):
        Image.open(io.BytesIO((out / name).read_bytes())).load()
    assert (out / "losses.svg").exists() == bool(find_spec("matplotlib"))
    log = (out / "dcgan-small" / "log.jsonl").read_bytes()
    assert json.loads(log.splitlines()[0])["epoch"] == 1
    assert (out / "tables.csv").read_text().splitlines()[0] == "data,model,step,loss,value"
    assert main(command) == 0
    assert (out / "dcgan-small" / "log.jsonl").read_bytes() == log


def test_bad_input_is_one_line(tmp_path, capsys):
    assert main(["reproduce", "survey", "--data", "fashion"]) == 2
    assert "did you mean 'fashion-mnist'" in capsys.readouterr().err
    write_npz(tmp_path / "odd.npz", x_train=np.zeros((4, 6, 6), np.uint8))
    assert main(["reproduce", "survey", "--data", str(tmp_path / "odd.npz"), "--scale", "quick",
                 "--out", str(tmp_path / "run")]) == 2
    assert "multiples of 4, got 6 x 6" in capsys.readouterr().err
