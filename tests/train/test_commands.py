"""avanet train as a user types it, and every way to type it wrong."""

import json
import os
import re
import subprocess
import time

import numpy as np
import pytest

from avanet.cli import main
from avanet.data.arrays import write_npz
from avanet.train.run import Run

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals, limits and file systems")
SMALL = ["--set", "batch=40", "--set", "hidden=8", "--set", "latent=2"]


@pytest.fixture
def command(tmp_path, data_file):
    return ["train", "survey-vae", "--data", str(data_file), "--run", str(tmp_path / "run"),
            "--epochs", "2", *SMALL]


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_folder_has_config_log_checkpoints_and_pictures(tmp_path, command, data_file, capsys):
    assert main(command) == 0
    output, errors = capsys.readouterr()
    folder = tmp_path / "run"
    assert output == f"{folder}: 2 epochs, best is epoch 2\n"
    assert errors.startswith(f"survey-vae on {data_file}, in {folder}: 2 epochs of 2 steps, about")
    assert re.search(r"4 of 4 steps, .* steps/s; epoch 2.0, reconstruction \d+.*, kl .*, beta 1\n",
                     errors)
    suffix = json.loads((folder / "run.json").read_text())["weights"]
    assert files(folder) == {
        "run.json", "log.jsonl", "log.csv", "timings.jsonl", ".lock", f"last{suffix}",
        f"best{suffix}", "samples/epoch-001.png", "samples/epoch-002.png"}
    run = json.loads((folder / "run.json").read_text())
    assert run["training"]["model"] == "survey-vae" and run["training"]["config"]["latent"] == 2
    assert run["data"] == str(data_file) and len(run["training"]["data"]["checksum"]) == 64
    assert {"avanet", "numpy", "python", "cpu"} <= set(run["environment"])
    rows = (folder / "log.csv").read_text().splitlines()
    assert rows[0] == ("epoch,step,rate,train.reconstruction,train.kl,train.beta,"
                       "test.reconstruction,test.kl") and len(rows) == 3


def test_the_same_command_goes_on_and_a_finished_run_stays(tmp_path, command, capsys):
    assert main(command) == 0
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    assert main(command) == 0
    assert "goes on from step 4 of 4" in capsys.readouterr().err
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before
    assert main(["train", "--run", str(tmp_path / "run"), "--epochs", "3"]) == 0
    assert (tmp_path / "run" / "log.jsonl").read_bytes().startswith(before)


def test_fresh_starts_anew_and_leaves_what_is_not_its_own(tmp_path, command, refused):
    assert main(command) == 0
    (tmp_path / "run" / "notes.txt").write_text("mine")
    other = [*command, "--set", "rate=0.01"]
    assert "was made with config.rate = 0.001, not 0.01; give another --run, or --fresh" \
        in refused(*other)
    assert main([*other, "--fresh"]) == 0
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


def test_a_fresh_start_that_cannot_be_destroys_nothing(tmp_path, command, refused):
    assert main(command) == 0
    before = files(tmp_path / "run")
    assert "batch must be at most the 80 images" in refused(*command, "--fresh", "--set",
                                                            "batch=81")
    assert files(tmp_path / "run") == before


def test_patience(tmp_path, command, capsys):
    assert main([*command, "--set", "rate=1e-12", "--epochs", "9", "--patience", "1"]) == 0
    assert "stopped early: no better than epoch" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    ("", "name a model, as in avanet train survey-vae, or a run by --run FOLDER"),
    ("survey-vea", "unknown model 'survey-vea': did you mean 'survey-vae'"),
    ("ava6", "unknown model 'ava6': did you mean 'ava"),
    ("survey-vae --data digit", "unknown data set 'digit': did you mean 'digits'"),
    ("survey-vae --data ./nothing.npz", "cannot read nothing.npz: No such file"),
    ("survey-vae --data mnist --data-dir nowhere", "mnist is not in nowhere: run avanet data"),
    ("survey-vae --set laten=3", "unknown setting 'laten': did you mean 'latent'"),
    ("survey-vae --set latent", "expected a setting as name=value, got 'latent'"),
    ("survey-vae --set latent=two", "latent must be a whole number, got 'two'"),
    ("survey-vae --set latent=2.5", "latent must be a whole number, got '2.5'"),
    ("survey-vae --set latent=0", "latent must be at least 1, got 0"),
    ("survey-vae --set hidden=99999999", "hidden must be at most a million"),
    ("survey-vae --set rate=fast", "rate must be a number, got 'fast'"),
    ("survey-vae --set rate=nan", "rate must be finite, got nan"),
    ("survey-vae --set rate=0", "rate must be positive, got 0"),
    ("survey-vae --set annealing=linaer", "unknown annealing 'linaer': did you mean 'linear'"),
    ("survey-vae --set optimiser=adm", "unknown optimiser 'adm': did you mean 'adam'"),
    ("survey-vae --set schedule=cosin", "unknown schedule 'cosin': did you mean 'cosine'"),
    ("vaegan --set batch_norm=perhaps", "batch_norm must be true or false, got 'perhaps'"),
    ("survey-vae --epochs 0", "epochs must be at least 1, got 0"),
    ("survey-vae --epochs many", "epochs must be a whole number, got 'many'"),
    ("survey-vae --seed -1", "--seed: .*-1"),
    ("survey-vae --size 0 5", "expected a size of 1 to"),
    ("survey-vae --set batch=2001", "batch must be at most the 2000 images of digits, train, got"),
    ("cgan --set classes=5 --set hidden=4", "cgan needs labels 0..4, got 0..9; set classes"),
    ("dcgan --size 27 28", "sides are multiples of 4, got 28 x 27"),
    ("ava1 --set optimiser=adam", "optimiser must be sgd for the models of the AVA paper"),
    ("--run nothing", "nothing holds no run: name a model to start one"),
    ("--run nothing --set latent=2", "--set is the run's own"),
    ("--run nothing --data digits", "--data is the run's own"),
])
def test_bad_input_is_one_line_and_leaves_nothing(
        tmp_path, monkeypatch, refused, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, refused("train", *arguments.split()))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("arrays, message", [
    ({"x_train": np.zeros((0, 8, 8))}, "none of these 0, got \\(0, 8, 8\\)"),
    ({"x_train": np.full((4, 8, 8), np.nan)}, "float pixels in \\[0, 1\\], got NaN"),
    ({"x_train": np.full((4, 8, 8), 1.5)}, "float pixels in \\[0, 1\\], got 1.5 to 1.5"),
    ({"x_train": np.zeros((4, 8))}, "shape \\(N, H, W\\) or \\(N, H, W, C\\)"),
    ({"x_train": np.zeros((4, 8, 8)), "y_train": np.array([0, 1, -1, 2])}, "smallest -1"),
    ({"x_train": np.zeros((4, 8, 8)), "y_train": np.arange(3)}, "for each of 4 images"),
    ({"x_train": np.zeros((4, 8, 8)), "x_test": np.zeros((4, 9, 8))}, "of test \\(9, 8, 1\\)"),
    ({"x_test": np.zeros((4, 8, 8))}, "expected the images as x_train"),
])
def test_bad_data_is_one_line(tmp_path, refused, arrays, message):
    write_npz(tmp_path / "bad.npz", **arrays)
    assert re.search(message, refused("train", "survey-vae", "--data", tmp_path / "bad.npz",
                                      "--run", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_divergence_is_one_line(tmp_path, command, refused):
    line = refused(*command, "--set", "rate=1e30", "--set", "optimiser=sgd")
    assert re.search(r"NaN or overflow at step \d in .*; what was kept before is in .*run; try a "
                     r"smaller rate", line)


def test_a_folder_of_something_else(tmp_path, command, refused):
    folder = tmp_path / "run"
    folder.mkdir()
    for foreign in ('{"protocol": {}}', "{}", "[]", "no JSON"):
        (folder / "run.json").write_text(foreign)
        for more in ([], ["--fresh"]):
            assert "run.json was not written by a run; give another --run" in refused(
                *command, *more)
        assert (folder / "run.json").read_text() == foreign
    (tmp_path / "file").write_text("")
    assert "is not a folder; give another --run" in refused(*command, "--run", tmp_path / "file")


@pytest.mark.parametrize("damage", [
    {"training": {}}, {"training": {"model": "survey-vae"}}, {"settings": 5}, {"data": None},
    {"size": "big"}, {"data_dir": 3}, {"settings": {"latent": "x"}},
])
def test_a_damaged_run_json(a_run, refused, damage):
    run = json.loads((a_run / "run.json").read_text())
    (a_run / "run.json").write_text(json.dumps(run | damage))
    line = refused("train", "--run", a_run, "--epochs", "3")
    assert "run.json is damaged" in line or "latent must be" in line


def test_two_runs_in_one_folder(tmp_path, command, refused):
    with Run(tmp_path / "run"):
        assert re.search(r"another run \(process \d+\) is writing to .*; wait for it or give "
                         "another --run", refused(*command))


@posix
def test_a_full_disk_loses_nothing(tmp_path, command, refused):
    """On a small file system: one line, the checkpoint before stays, and it goes on with room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    command[command.index("--run") + 1] = str(disk / "run")
    command[command.index("--epochs") + 1] = "1"
    try:
        assert main(command) == 0
        last = next((disk / "run").glob("last.*"))
        before = last.read_bytes()
        filler = disk / "filler"
        space = os.statvfs(disk)
        filler.write_bytes(bytes(space.f_bavail * space.f_bsize - 20_000))
        line = refused("train", "--run", disk / "run", "--epochs", "3")
        assert re.search(r"avanet: cannot write .*: No space left on device; what was trained "
                         r"before is in .*run, the same command goes on$", line)
        assert last.read_bytes() == before
        filler.unlink()
        assert main(["train", "--run", str(disk / "run"), "--epochs", "3"]) == 0
        assert len((disk / "run" / "log.jsonl").read_text().splitlines()) == 3
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@posix
def test_ctrl_c_says_how_to_go_on(tmp_path, command, start):
    command[command.index("--epochs") + 1] = "100000"
    with start("-m", "avanet", *command) as process:
        end = time.monotonic() + 60
        log = tmp_path / "run" / "log.jsonl"
        while not log.exists() or not log.read_bytes():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(2)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert re.fullmatch(r"avanet: interrupted; step \d+ of 200000 is kept in .*run; the same "
                        "command goes on", errors.splitlines()[-1])
