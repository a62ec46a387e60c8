"""A run that is stopped anywhere and goes on gives what it would have given without a stop."""

import json
import os
import signal
import time

import numpy as np
import pytest

from avanet.cli import main
from avanet.models import model_class
from avanet.tensors import read_tensors
from avanet.train.callbacks import Callback, KeepBest, SamplePictures, WriteCSV
from avanet.train.loop import train

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
SETTINGS = {  # of each model, small and with all that its training draws
    "survey-vae": {"epochs": 3, "batch": 32, "latent": 2, "hidden": 8, "annealing": "linear",
                   "schedule": "cosine"},
    "dcgan": {"epochs": 2, "batch": 32, "latent": 3, "width": 2},
    "ava5": {"epochs": 2, "batch": 32, "latent": 2, "hidden": 3},
}


class Stop(Exception):
    """Breaks training off without a warning, as a kill does."""


class StopAfter(Callback):
    """Raises `error` after so many updates of this process."""

    def __init__(self, steps, error=Stop):
        self.left, self.error = steps, error

    def step(self, training, losses):
        self.left -= 1
        if self.left == 0:
            raise self.error


class InterruptAfter(StopAfter):
    """Presses Ctrl-C after so many updates."""

    def step(self, training, losses):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def run(name, digits, folder, *more):
    model = model_class(name)(random_state=3, **SETTINGS[name])
    return train(model, digits, folder, [WriteCSV(), KeepBest(), SamplePictures(4), *more])


def kept(folder):
    """Every file of a run but what the clock says: tensors and headers of weights, else bytes."""
    result = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".npz"):
            header, tensors = read_tensors(path)
            result[path.name] = header, {key: value.tobytes() for key, value in tensors.items()}
        elif path.is_file() and path.name not in (".lock", "timings.jsonl"):
            result[path.name] = path.read_bytes()
    return result


def test_a_run_that_goes_on_in_another_environment_keeps_both(digits, tmp_path, monkeypatch):
    from avanet.train import run as module
    with pytest.raises(Stop):
        run("survey-vae", digits, tmp_path, StopAfter(5))
    first = module.environment()
    monkeypatch.setattr(module, "environment", lambda: first | {"numpy": "7.0"})
    run("survey-vae", digits, tmp_path)
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["environment"] == first
    assert document["continued"] == {"1": first | {"numpy": "7.0"}}
    timings = [json.loads(line) for line in (tmp_path / "timings.jsonl").read_text().splitlines()]
    assert timings[-1]["environment"] == 1 and "environment" not in timings[0]


@pytest.fixture(scope="module")
def undisturbed(digits, tmp_path_factory):
    """What each model's run leaves without a stop."""
    results = {}
    for name in SETTINGS:
        folder = tmp_path_factory.mktemp(name)
        run(name, digits, folder)
        results[name] = kept(folder)
    return results


@posix
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_ctrl_c_anywhere_changes_nothing(digits, tmp_path, undisturbed, name, steps):
    """Stopped again and again, in the middle, at the end and at the start of an epoch."""
    for stops in range(20):
        try:
            run(name, digits, tmp_path, InterruptAfter(steps))
        except KeyboardInterrupt as error:
            assert f"step {steps * (stops + 1)} of " in str(error)
            assert str(error).endswith("the same command goes on")
        else:
            break
    assert stops >= 1 and kept(tmp_path) == undisturbed[name]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("steps", [1, 3, 4, 5, 6])
def test_breaking_off_loses_what_came_after_the_checkpoint_alone(
        digits, tmp_path, undisturbed, name, steps):
    with pytest.raises(Stop):
        run(name, digits, tmp_path, StopAfter(steps))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert len(lines) == (steps - 1) // 3
    run(name, digits, tmp_path)
    assert kept(tmp_path) == undisturbed[name]


def test_a_stop_between_log_and_checkpoint(digits, tmp_path, undisturbed):
    """The log is an epoch ahead: its line is cut off and written again."""
    class StopInEpoch(Callback):
        def epoch(self, training, line):
            if line["epoch"] == 2:
                raise Stop

    with pytest.raises(Stop):
        run("survey-vae", digits, tmp_path, StopInEpoch())
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    run("survey-vae", digits, tmp_path)
    assert kept(tmp_path) == undisturbed["survey-vae"]


@posix
def test_kill_9_at_any_moment_changes_nothing(tmp_path, start):
    """The command line as a whole, killed a few times; the same command and --run go on."""
    command = ["train", "survey-vae", "--epochs", "6", "--set", "batch=200", "--set", "latent=2",
               "--set", "hidden=8"]
    assert main([*command, "--run", str(tmp_path / "whole")]) == 0
    rng = np.random.default_rng(0)
    for attempt in range(2):
        with start("-m", "avanet", *command, "--run", tmp_path / "killed") as process:
            end = time.monotonic() + 60
            before = (tmp_path / "killed" / "log.jsonl")
            count = lambda: len(before.read_bytes().splitlines()) if before.exists() else 0
            old = count()
            while count() == old and process.poll() is None and time.monotonic() < end:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.05)
            process.send_signal(signal.SIGKILL)
    assert main(["train", "--run", str(tmp_path / "killed")]) == 0
    ours, theirs = kept(tmp_path / "killed"), kept(tmp_path / "whole")
    assert json.loads(ours.pop("run.json")) == json.loads(theirs.pop("run.json"))
    assert ours == theirs
