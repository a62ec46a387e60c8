"""`avanet reproduce vaegan`: cells, folder, tables, claims, and the pictures without matplotlib."""

import io
import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from avanet.cli import main
from avanet.data.arrays import write_npz
from avanet.errors import InputError
from avanet.experiments import vaegan, vaegan_report
from avanet.experiments.vaegan_cells import (
    DENOISING, GRID, SCALES, cell_of, list_cells, search_cells, setting_of, stem,
)
from avanet.experiments.vaegan_published import AVERAGE, COLUMNS, EPOCHS, PUBLISHED, TEST


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Small random images, bright in the middle."""
    rng = np.random.default_rng(2)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    images = (rng.random((36, 6, 6)) * 255).astype(np.uint8)
    write_npz(path, x_train=images[:24], y_train=np.arange(24) % 10,
              x_test=images[24:], y_test=np.arange(12) % 10)
    return path


def lines_at(factor=lambda model, norm, epoch: 1.0, seeds=3):
    """Result lines that are the published values times a factor."""
    lines = []
    for model, norm in COLUMNS:
        scale = [factor(model, norm, epoch) for epoch in range(1, EPOCHS + 1)]
        test = [a * b for a, b in zip(TEST[model, norm], scale)]
        average = [a * b for a, b in zip(AVERAGE[model, norm], scale)]
        lines += [cell_of(model, norm, setting_of(model), seed)
                  | {"test": test, "test_clean": test, "average": average}
                  for seed in range(seeds)]
    return lines


def table(lines, title, search=()):
    found = [each for each in vaegan_report.tables(lines, search) if each.title.startswith(title)]
    assert len(found) == 1
    return found[0]


# Published ----------------------------------------------------------------------------------------

def test_the_logs_are_whole_and_the_tables_their_beginning():
    for column in COLUMNS:
        assert len(TEST[column]) == len(AVERAGE[column]) == EPOCHS
    assert PUBLISHED["test"]["vaegan", True][:2] == (147.8428, 125.5780)
    assert PUBLISHED["average"]["denoising-vaegan", False][4] == 314208.3698
    # an average loss is that of a batch of 2000: near 2000 times the loss of an image
    assert all(0.5 < average / 2000 / test < 1.5
               for column in COLUMNS for average, test in zip(AVERAGE[column], TEST[column]))


def test_every_table_has_its_cells():
    cells = list_cells(5)
    assert len(cells) == len({tuple(cell.values()) for cell in cells}) == 4 * 5 + 3
    assert all(tuple(cell) == vaegan.KEY for cell in [*cells, *search_cells()])
    assert DENOISING in GRID
    assert len({stem(cell) for cell in cells if cell["seed"] == 0}) == 7
    assert SCALES["default"][:2] == (5, 10)


# Tables -------------------------------------------------------------------------------------------

def test_the_published_values_are_inside_and_the_claim_holds():
    lines = lines_at()
    rows = table(lines, "Within the limits").rows
    assert [row[4] for row in rows] == ["10 of 10"] * 4
    claims = table(lines, "The paper's claim").rows
    assert [(row[1:]) for row in claims] == [("10 of 10 epochs", "3 of 3 seeds", "holds")] * 4
    assert table(lines, "Stuck seeds").rows[0][0] == "none"


def test_what_is_outside_is_named():
    lines = lines_at(lambda model, norm, epoch: 1.03 if norm else 1.06)
    rows = {(row[0], row[1]): row for row in table(lines, "Within the limits").rows}
    assert rows["Table 1", "batch norm"][4] == "0 of 10"
    assert rows["Table 1", "normal"][4:] == ("4 of 10", ", ".join(
        f"{epoch} (+6.0%)" for epoch in range(5, 11)))
    first = table(lines, "Table 1").rows[:2]
    assert [row[-1] for row in first] == ["inside", "outside"]
    assert first[1][:4] == ["", "batch norm", "147.84", "152.28"]
    assert {row[-1] for row in table(lines, "Table 3").rows} == {"–"}  # no limit is known


def test_a_claim_that_fails_is_said_to():
    lines = lines_at(lambda model, norm, epoch: 2.0 if norm and epoch == 3 else 1.0)
    assert [row[1:] for row in table(lines, "The paper's claim").rows[:2]] == [
        ("9 of 10 epochs", "0 of 3 seeds", "fails")] * 2


def test_stuck_seeds_are_listed_and_the_median_stands():
    lines = lines_at()
    lines[1]["test"] = [value * 1.2 for value in lines[1]["test"]]
    assert table(lines, "Stuck seeds").rows == [
        ("vaegan", "normal", "1", "143.84", "119.86")]
    assert table(lines, "Table 1").rows[0][3:5] == ["230.33", "230.33 to 276.39"]


def test_the_search_puts_the_nearest_setting_first():
    search = []
    for cell in search_cells():
        column = cell["model"], cell["batch_norm"]
        far = 1 + 0.1 * ((GRID.index({n: cell[n] for n in GRID[0]}) + 2) % len(GRID))
        search.append(cell | {"average": [far * a for a in AVERAGE[column][:4]],
                              "test": [2 * a for a in TEST[column][:4]],
                              "test_clean": [far * a for a in TEST[column][:4]]})
    nearest = vaegan_report.trials(search)[0]
    assert nearest.setting == GRID[-2]
    assert nearest.off == pytest.approx(0) and nearest.test == pytest.approx(1)
    assert len(table(lines_at(), "What the paper leaves open", search).rows) == len(GRID)


def test_cells_that_stopped_are_listed_and_not_counted():
    lines = lines_at()
    lines[0] |= {"test": [1.0], "test_clean": [1.0], "average": [], "stopped": "vaegan: NaN"}
    assert table(lines, "Stopped").rows == [("vaegan", "normal", "0", "vaegan: NaN")]
    assert table(lines, "Within the limits").rows[0][2] == "2"


# Cells --------------------------------------------------------------------------------------------

def test_a_cell_repeats_itself_and_scores_what_it_says(data):
    dataset = vaegan.load_dataset(data)
    cell = cell_of("denoising-vaegan", True, DENOISING | {"latent": 2}, 1)
    task = vaegan.task(dataset, 2)
    line = vaegan.work(cell, task).line
    assert line == vaegan.work(cell, task).line
    assert len(line["average"]) == len(line["test"]) == len(line["test_clean"]) == 2
    assert line["test"] != line["test_clean"]
    course = vaegan.Course(cell, task)
    course.epoch()
    # from the reconstructions alone: BCE, and the KL of the codes
    x = dataset["test"].read(slice(None))
    mu, var = course.model.encode(x)
    p = course.model.reconstruct(x)
    bce = -(x * np.log(p) + (1 - x) * np.log(1 - p)).reshape(len(x), -1).sum(axis=1)
    kl = (mu**2 + var - 1 - np.log(var)).sum(axis=1) / 2
    assert line["test_clean"][0] == pytest.approx((bce + kl).mean(), rel=1e-4)


def test_a_cell_that_diverges_says_where(data):
    cell = cell_of("vaegan", False, setting_of("vaegan") | {"rate": 1e30})
    outcome = vaegan.work(cell, vaegan.task(vaegan.load_dataset(data), 3))
    assert "NaN or overflow" in outcome.line["stopped"]


# The command --------------------------------------------------------------------------------------

def test_quick_writes_everything_and_goes_on(data, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    command = ["reproduce", "vaegan", "--data", str(data), "--scale", "quick", "--jobs", "1",
               "--out", str(out)]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "7 cells on 1 worker" in printed.err
    assert "figure17.png and figure17.svg not drawn: install avanet[app]" in printed.err
    assert "The published values are for MNIST" in printed.out
    for name in ("figure10.png", "figure12.png", "figure14.png", "figure16.png"):
        Image.open(io.BytesIO((out / name).read_bytes())).load()
    assert not (out / "figure17.png").exists()
    results = (out / "results.jsonl").read_bytes()
    assert len(results.splitlines()) == 7
    monkeypatch.undo()
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "7 cells on" not in printed.err
    assert (out / "results.jsonl").read_bytes() == results
    for name in ("figure15.svg", "figure17.png"):
        assert (out / name).exists() == bool(find_spec("matplotlib"))
    assert (out / "tables.csv").read_text().splitlines()[1].startswith("denoising-vaegan,False,10")
    capsys.readouterr()
    assert main(["replay", str(out), "--cell", "model=vaegan,batch_norm=True,latent=20"]) == 0
    assert "1 of 1 cells came out the same" in capsys.readouterr().out
    run = json.loads((out / "run.json").read_text())
    with pytest.raises(InputError, match="was made with epochs"):
        vaegan.reproduce(vaegan.DataRequest(data=str(data), out=str(out)))
    with pytest.raises(InputError, match="was made with data"):
        vaegan.task_of(run | {"protocol": run["protocol"] | {"data": "other"}})
    with pytest.raises(InputError, match="does not say where the data is"):
        vaegan.task_of({"protocol": {}})


@pytest.mark.parametrize("cell, message", [
    ({"model": "vaegam"}, "did you mean 'vaegan'"), ({"latent": 0}, "latent must be at least 1"),
    ({"seed": -1}, "seed as a whole number"), ({"rate": "x"}, "rate must be a number")])
def test_cells_of_others_are_refused(cell, message):
    with pytest.raises(InputError, match=message):
        vaegan.check_cell(list_cells(1)[0] | cell)


def test_data_that_will_not_do(tmp_path, capsys, image_folder):
    assert main(["reproduce", "vaegan", "--data", "minst"]) == 2
    assert "did you mean 'mnist'" in capsys.readouterr().err
    assert main(["reproduce", "vaegan", "--data", str(image_folder)]) == 2
    assert "unknown split" in capsys.readouterr().err
    assert main(["reproduce", "vaegan", "--seeds", "0"]) == 2
