"""`avanet reproduce savae`: a tiny one to its end, and claims that follow the numbers."""

import io
import json
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from avanet.cli import main
from avanet.data.arrays import write_npz
from avanet.errors import InputError
from avanet.experiments import savae
from avanet.experiments.savae_cells import (
    PAIRS_DATA, PAPER_SETS, SCALES, Scale, Training, first_cells, first_of, grid_cells, pairs_cell,
    settings_of,
)
from avanet.experiments.savae_data import learnt
from avanet.experiments.savae_report import CLAIMS, Grid, claims, pairs_table, tables
from avanet.models.classifier import Classifier

TINY = Scale(1, 3, Training(8, 1e-2, 6), Training(8, 1e-2, 4), False, (0.0, 0.005, 0.5),
             PAPER_SETS[:1])


def test_the_cells_of_a_scale():
    default = grid_cells(SCALES["default"], ["mnist", "fashion-mnist"], 1)
    assert len({tuple(cell.values()) for cell in default}) == len(default) == 2 * 2 * 4 * 2
    assert {tuple(first_of(cell).values()) for cell in default} == {
        tuple(cell.values()) for cell in first_cells(["mnist", "fashion-mnist"], 1)}
    paper = grid_cells(SCALES["paper"], list(PAPER_SETS), 2)
    assert {cell["beta"] for cell in paper} == {0, 0.001, 0.003, 0.005, 0.01, 0.1, 0.5}
    assert {cell["latent"] for cell in paper} == {2, 100}


def test_steps_are_counted_in_updates_or_in_epochs():
    cell = pairs_cell()
    assert SCALES["default"].steps(cell, 60000) == 1000
    assert SCALES["quick"].steps(first_of(cell), 60000) == 300
    assert SCALES["quick"].steps(cell, 60000) == 100
    assert SCALES["paper"].steps(cell, 60000) == 4690
    assert SCALES["paper"].steps(cell, 100) == 10


def test_the_settings_of_a_cell():
    step_1 = settings_of(first_of(pairs_cell()), TINY, 10)
    assert step_1["first"] == 1 and "beta" not in step_1
    pairs = settings_of(pairs_cell(), TINY, 10)
    assert (pairs["alpha"], pairs["beta"], pairs["gamma"], pairs["first"]) == (1, 0.001, 0, 0)
    assert "alpha" not in settings_of(pairs_cell() | {"data": "mnist"}, TINY, 10)


# Claims ---------------------------------------------------------------------------------------

SHARP = {0.0: 0.4, 0.005: 0.8, 0.5: 1.1}
KEPT = {(0.0, 0.0): 0.95, (0.005, 0.0): 0.93, (0.5, 0.0): 0.2,
        (0.0, 0.1): 0.95, (0.005, 0.1): 0.95, (0.5, 0.1): 0.9}


def story(sharp=SHARP, kept=KEPT, seeds=2):
    """Results as the paper has them, unless told otherwise."""
    return [{"data": "mnist", "latent": latent, "beta": beta, "gamma": gamma, "seed": seed,
             "kept": share, "judge": share, "sharpness": sharp[beta],
             "squared_error": 1 / latent}
            for latent in (2, 100) for (beta, gamma), share in kept.items()
            for seed in range(seeds)]


def verdicts(lines):
    return [verdict for *_, verdict in claims(lines, ["mnist"])]


def test_claims_hold_as_the_paper_has_them():
    assert verdicts(story()) == ["holds (2 of 2 seeds)"] * 15


@pytest.mark.parametrize("claim, changes", [
    (0, {"sharp": SHARP | {0.5: 0.3}}),
    (0, {"sharp": {0.0: 1.2, 0.005: 1.3, 0.5: 1.4}}),
    (1, {"sharp": SHARP | {0.005: 0.3}}),
    (1, {"kept": KEPT | {(0.005, 0.0): 0.8}}),
    (2, {"kept": KEPT | {(0.5, 0.0): 0.9}}),
    (3, {"kept": KEPT | {(0.5, 0.1): 0.4}}),
    (3, {"kept": KEPT | {(0.5, 0.0): 0.95}})])
def test_each_claim_can_fail(claim, changes):
    assert not CLAIMS[claim].holds(Grid(story(**changes), "mnist", 2))


def test_a_seed_that_disagrees_is_counted():
    lines = story()
    lines[0]["squared_error"] = 1e-3  # K_z 2, beta 0, first seed
    assert verdicts(lines)[-1] == "holds (1 of 2 seeds)"


def test_nothing_is_claimed_of_a_part_of_the_grid():
    assert not verdicts(story()[1:6])
    stopped = [line | {"stopped": "NaN"} if line["beta"] else line for line in story()]
    assert not verdicts(stopped)
    assert "Stopped" in [table.title for table in tables(stopped, "quick", ["mnist"])]


def test_tables_name_the_scale_and_the_spread():
    lines = story() + [pairs_cell() | {"kept": 0.4, "judge": None, "sharpness": 0.3,
                                       "squared_error": 0.01}]
    lines[0]["kept"] = 0.85
    found = tables(lines, "quick", ["mnist"])
    assert all("scale quick" in table.title for table in found)
    assert found[1].rows[0][2] == "0.900 (0.850 to 0.950)"
    assert pairs_table(lines, "").rows == [("0.400", "–", "0.30", "0.0100")]
    assert pairs_table(story(), "") is None


# A whole run ----------------------------------------------------------------------------------

@pytest.fixture
def squares(tmp_path, monkeypatch):
    """A root of data with bright and dark squares as mnist.npz would hold them, a judge that has
    learnt nothing, and the tiny scale."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 60)
    images = (rng.integers(0, 90, (60, 8, 8)) + 150 * labels[:, None, None]).astype(np.uint8)
    write_npz(tmp_path / "squares.npz", x_train=images[:30], y_train=labels[:30],
              x_val=images[30:40], y_val=labels[30:40], x_test=images[40:], y_test=labels[40:])
    rgb = np.repeat(images[..., None], 3, axis=3)
    write_npz(tmp_path / f"{PAIRS_DATA}.npz", x_train=rgb, y_train=labels)
    monkeypatch.setitem(savae.SCALES, "quick", TINY)
    monkeypatch.setattr(savae, "judge", lambda dataset: Classifier(
        classes=dataset.n_classes, channels=1, width=2).start(dataset.shape))
    return tmp_path / "squares.npz"


def test_it_runs_to_its_end_goes_on_and_is_replayed(squares, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(savae, "found", lambda names, root: [str(squares)])
    out = tmp_path / "run"
    command = ["reproduce", "savae", "--data-dir", str(tmp_path), "--scale", "quick", "--jobs",
               "1", "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "16 cells on 1 worker: about" in printed.err
    assert "scale quick" in printed.out and "γ = 0.1 restores the class" in printed.out
    for name in ("figure8", "figure9-squares", "figure10"):
        Image.open(io.BytesIO((out / f"{name}.png").read_bytes())).load()
    assert (out / "figure7.svg").exists() == (out / "regimes.png").exists() == bool(
        find_spec("matplotlib"))
    found = json.loads((out / "verdicts.json").read_text())
    assert found["scale"] == "quick" and found["verdicts"]["Figure 10"] == "drawn"
    results = (out / "results.jsonl").read_bytes()
    lines = [json.loads(line) for line in results.splitlines()]
    assert len(lines) == 16 and sum(line["beta"] is None for line in lines) == 3
    assert all(0 <= line["kept"] <= 1 and "stopped" not in line for line in lines)

    kept = (out / "step1" / "squares-2-seed0-networks.npz").read_bytes()
    rows = [row for row in results.splitlines(True) if b'"beta": null' in row]
    (out / "results.jsonl").write_bytes(b"".join(rows))  # as a kill after step 1 leaves it
    assert main(command) == 0
    assert (out / "results.jsonl").read_bytes() == results
    assert (out / "step1" / "squares-2-seed0-networks.npz").read_bytes() == kept
    capsys.readouterr()

    cell = "data=squares,latent=2,beta=0.005"
    assert main(["replay", str(out), "--cell", cell]) == 0  # step 1 is trained anew
    assert "2 of 2 cells came out the same" in capsys.readouterr().out
    run = json.loads((out / "run.json").read_text())
    with pytest.raises(InputError, match="was made with data"):
        savae.task_of(run | {"protocol": run["protocol"] | {"data": {}}})
    with pytest.raises(InputError, match="does not say where the data is"):
        savae.task_of({"protocol": {}})


def test_step_1_is_trained_once_in_a_worker(squares):
    task = savae.task({"squares": learnt(str(squares))}, TINY)
    cells = grid_cells(TINY, ["squares"], 1)[:2]
    for cell in cells:
        savae.work(cell, task)
    (kept,) = task.first.values()
    outcome = savae.work(first_of(cells[0]), task)
    with np.load(io.BytesIO(next(data for name, data in outcome.files.items()
                                 if "networks" in name))) as file:
        assert all(np.array_equal(file[name], array) for name, array in kept.items())


def test_validation_images_are_learnt_from(squares):
    assert len(learnt(str(squares))["train"]) == 40


def test_omniglot_s_classes_are_its_alphabets(tmp_path):
    write_npz(tmp_path / "omniglot.npz", x_train=np.zeros((4, 8, 8), np.uint8),
              y_train=np.arange(4), alphabet_train=np.array([0, 0, 1, 1]))
    dataset = learnt("omniglot", tmp_path)
    assert dataset.n_classes == 2 and dataset["train"].labels.tolist() == [0, 0, 1, 1]


def test_data_without_classes_is_refused(capsys):
    assert main(["reproduce", "savae", "--data", "orbit"]) == 2
    assert "orbit has no classes" in capsys.readouterr().err


def test_a_cell_that_diverges_says_so(squares):
    task = savae.task({"squares": learnt(str(squares))}, TINY._replace(first=Training(8, 1e30, 6)))
    cell = first_cells(["squares"], 1)[0]
    assert "NaN or overflow" in savae.work(cell, task).line["stopped"]
    with pytest.raises(InputError, match="no data 'circles'"):
        savae.work(cell | {"data": "circles"}, task)


def test_images_are_framed_in_red_where_the_class_is_another():
    images = np.full((2, 4, 4, 1), 0.5, np.float32)
    sheet = savae.framed(images, np.array([False, True]))
    assert sheet.shape == (2, 8, 8, 3) and (sheet[:, 2:-2, 2:-2] == 0.5).all()
    assert (sheet[0, 0] == 1).all() and (sheet[1, 0] == [1, 0, 0]).all()


@pytest.mark.parametrize("cell, message", [
    ({"data": 3}, "name of a data set"), ({"beta": -1.0}, "beta must be"),
    ({"latent": 0}, "latent must be"), ({"seed": -1}, "seed as a whole number")])
def test_cells_of_others_are_refused(cell, message):
    with pytest.raises(InputError, match=message):
        savae.check_cell(pairs_cell() | cell)
