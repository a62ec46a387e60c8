"""Recorded cells come out the same, and whatever makes them differ is named."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from avanet.cli import main
from avanet.data.arrays import write_npz
from avanet.experiments import bm
from avanet.experiments.replay import same_value


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, image_folder):
    """A reproduction of four cells, and the same cells with shared draws."""
    out = tmp_path_factory.mktemp("recorded") / "run"
    bm.reproduce(bm.Request(data=str(image_folder), models=["ava5", "vae"], rates=[0.5], seeds=2,
                            rules=["as-run"], jobs=1, out=str(out)))
    return out


@pytest.fixture
def run(recorded, tmp_path):
    """A copy to be changed."""
    return shutil.copytree(recorded, tmp_path / "run")


def change(path, **changes):
    """Change fields of the environment in run.json."""
    run = json.loads((path / "run.json").read_text())
    run["environment"] |= changes
    (path / "run.json").write_text(json.dumps(run))


def refused(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    output, errors = capsys.readouterr()
    assert errors.count("\n") == 1 and output == ""
    return errors


def test_all_cells_come_out_the_same_from_another_directory(recorded, tmp_path, monkeypatch,
                                                            capsys):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in recorded.rglob("*") if path.is_file()}
    assert main(["replay", str(recorded), "--jobs", "2"]) == 0
    assert "4 of 4 cells came out the same, bit for bit" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in recorded.rglob("*") if path.is_file()}


def test_one_cell_with_shared_draws(recorded, capsys):
    cell = "model=ava5, rate=0.50, seed=1"
    assert main(["replay", str(recorded / "paired"), "--cell", cell]) == 0
    assert "same     rules as-run, model ava5, rate 0.5, seed 1\n1 of 1" in capsys.readouterr().out


def test_a_changed_number_and_another_version_are_named(run, capsys):
    lines = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    number = lines[0]["bm_abs"]
    lines[0]["bm_abs"] *= 1 + 2**-52
    (run / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    change(run, numpy="1.0")
    assert main(["replay", str(run), "--cell", "model=ava5"]) == 1
    output = capsys.readouterr().out
    assert f"DIFFERS  rules as-run, model ava5, rate 0.5, seed 0: bm_abs {number!r} (was" in output
    assert "numpy 1.0 (now" in output and "1 of 2 cells came out the same" in output


def test_the_versions_that_made_the_cell_are_named_and_no_others(run, capsys):
    document = json.loads((run / "run.json").read_text())
    document["continued"] = {"1": document["environment"] | {"numpy": "7.0"}}
    (run / "run.json").write_text(json.dumps(document))
    assert main(["diff", str(run), str(run / "paired")]) == 1
    assert 'continued.1.numpy: "7.0" | nothing' in capsys.readouterr().out
    lines = [json.loads(line) for line in (run / "timings.jsonl").read_text().splitlines()]
    lines = [line | {"environment": 1} if line["model"] == "vae" else line for line in lines]
    (run / "timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for model, named in ("vae", True), ("ava5", False):
        assert main(["replay", str(run), "--cell", f"model={model},seed=0"]) == 0
        assert ("numpy 7.0 (now" in capsys.readouterr().out) == named
    (run / "timings.jsonl").unlink()  # then each may have made it
    assert main(["replay", str(run), "--cell", "model=ava5,seed=0"]) == 0
    assert "numpy 7.0 (now" in capsys.readouterr().out


def test_data_that_moved_or_changed(run, tmp_path, image_folder, capsys):
    change(run, data=str(tmp_path / "gone"))
    assert "gone" in refused(capsys, "replay", run)
    other = shutil.copytree(image_folder, tmp_path / "other")
    with Image.open(other / "0.png") as image:
        image.rotate(180).save(other / "0.png")
    assert "images = " in (text := refused(capsys, "replay", run, "--data", other))
    assert text.endswith("; give --data\n")
    assert main(["replay", str(run), "--cell", "model=vae,seed=0", "--data",
                 str(image_folder)]) == 0


@pytest.mark.parametrize("cell, message", [
    ("model=ava9", "no cell model=ava9 in"), ("speed=1", "unknown field 'speed'"),
    ("model", "expected NAME=VALUE,..., got 'model'"), ("rate=x", "no cell rate=x"),
])
def test_cells_that_are_not_there(recorded, capsys, cell, message):
    assert message in refused(capsys, "replay", recorded, "--cell", cell)


@pytest.mark.parametrize("file, content, message", [
    ("run.json", "[]", "was not written by a run"),
    ("run.json", '{"protocol": {"experiment": ["bm"]}}', "unknown experiment in run.json"),
    ("run.json", '{"protocol": {"experiment": "bm"}}', "does not say where the images are"),
    ("results.jsonl", "", "no results yet"),
    ("results.jsonl", '{"model": "ava5"}\n', "line 1: expected the fields rules, model, rate"),
    ("results.jsonl", '{"rules": [], "model": 1, "rate": 1, "seed": 0}\n', "line 1: expected"),
    ("results.jsonl", '{"rules": "as-run", "model": "x", "rate": 1.0, "seed": 0}\n',
     "unknown model 'x'"),
    ("results.jsonl", '{"rules": "as-run", "model": "vae", "rate": 1.0, "seed": -1}\n',
     "expected a seed"),
])
def test_damaged_folders(run, capsys, file, content, message):
    (run / file).write_text(content)
    assert message in refused(capsys, "replay", run)


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert "cannot read" in refused(capsys, "replay", tmp_path / "nothing")
    assert "cannot read" in refused(capsys, "diff", tmp_path, tmp_path)
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "run.json").touch()
    assert "give one of the runs in this folder: first" in refused(capsys, "replay", tmp_path)


@pytest.mark.parametrize("value, text, same", [
    (0.5, "0.50", True), (1, "1.0", True), (0.5, "0.6", False), ("vae", "vae", True),
    (0.5, "half", False), (None, "None", True), (None, "null", True), (True, "true", True),
    (False, "False", True), (False, "true", False),
])
def test_values_as_people_write_them(value, text, same):
    assert same_value(value, text) is same


# Diff -----------------------------------------------------------------------------------------

def test_no_difference(recorded, run, capsys):
    assert main(["diff", str(recorded), str(run)]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_differences_of_versions_protocol_and_numbers(recorded, run, capsys):
    lines = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    lines[0]["bm_abs"] += 0.25
    lines[1] |= {"stopped": "at once"}
    lines[2]["seed"] = 7
    (run / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    change(run, numpy="1.0")
    assert main(["diff", str(recorded), str(run)]) == 1
    output = capsys.readouterr().out
    assert 'environment.numpy: "' in output and ' | "1.0"' in output
    assert "2 of 3 common lines differ; bm_abs by up to 0.25" in output
    assert 'stopped nothing | "at once"' in output
    assert f"1 lines only in {run}" in output and f"1 lines only in {recorded}" in output
    assert main(["diff", str(recorded), str(recorded / "paired")]) == 1
    assert "protocol.draws_shared: false | true" in capsys.readouterr().out


def test_trainings_differ_by_epoch(tmp_path, recorded, capsys):
    for name, loss in ("a", 1.0), ("b", 1.5):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text('{"training": {"model": "m"}}')
        line = {"epoch": 1, "train": {"kl": loss}}
        (tmp_path / name / "log.jsonl").write_text(json.dumps(line) + "\n")
    assert main(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert capsys.readouterr().out == (
        "epoch 1: train.kl 1.0 | 1.5\n1 of 1 common lines differ; train.kl by up to 0.5\n")
    assert "they cannot be compared" in refused(capsys, "diff", recorded, tmp_path / "a")


# Trainings ------------------------------------------------------------------------------------

@pytest.fixture
def training(tmp_path, monkeypatch, capsys):
    """A training of two epochs on a small set."""
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).integers(0, 256, (24, 4, 4, 1), np.uint8)
    write_npz(tmp_path / "small.npz", x_train=X[:16], x_test=X[16:])
    assert main(["train", "survey-vae", "--data", "small.npz", "--set", "hidden=3", "--set",
                 "latent=2", "--set", "batch=4", "--epochs", "2", "--run", "run"]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_a_training_comes_out_the_same(training, capsys):
    before = {path: path.read_bytes() for path in training.rglob("*") if path.is_file()}
    assert main(["replay", str(training)]) == 0
    assert "same     epoch 1\nsame     epoch 2\n2 of 2 epochs" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in training.rglob("*") if path.is_file()}


def test_an_epoch_that_differs_is_named_and_only_what_is_logged_is_repeated(training, capsys):
    log = training / "log.jsonl"
    first = json.loads(log.read_text().splitlines()[0])
    first["train"]["kl"] *= 1 + 2**-52
    log.write_text(json.dumps(first) + "\n")
    assert main(["replay", str(training)]) == 1
    output = capsys.readouterr().out
    assert "DIFFERS  epoch 1: train {" in output and "epoch 2" not in output
    assert "0 of 1 epochs came out the same" in output


def test_what_no_training_can_be_repeated_from(training, capsys):
    assert "leave out --cell" in refused(capsys, "replay", training, "--cell", "epoch=1")
    (training.parent / "small.npz").rename(training.parent / "moved.npz")
    assert "small.npz" in refused(capsys, "replay", training)
    assert "data.checksum" in refused(capsys, "replay", training, "--data", "digits")
    assert main(["replay", str(training), "--data", "moved.npz"]) == 0
    capsys.readouterr()
    run = json.loads((training / "run.json").read_text())
    for name in ("settings", "data"):
        (training / "run.json").write_text(json.dumps(
            {key: value for key, value in run.items() if key != name}))
        assert "not written by a run" in refused(capsys, "replay", training)
    (training / "run.json").write_text(json.dumps(run))
    (training / "log.jsonl").write_text("")
    assert "no finished epoch" in refused(capsys, "replay", training)
