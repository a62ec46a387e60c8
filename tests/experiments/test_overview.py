"""`avanet reproduce overview`: a tiny one to its end, and claims that follow the numbers."""

import io
import json
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from avanet.cli import main
from avanet.data import load_dataset
from avanet.data.arrays import write_npz
from avanet.errors import InputError
from avanet.experiments import overview
from avanet.experiments.overview_cells import (
    AE, BETA_TCVAE, BETA_VAE, MODELS, PROGRAM, SCALES, SQUARED, VAE, Scale, cell_of, list_cells,
    settings_of,
)
from avanet.experiments.overview_report import claims, factor_table, groups, spread

TINY = Scale(1, 3, 8, 1e-2, 12, (), 1, True)


def test_the_cells_of_a_scale():
    quick = list_cells(SCALES["quick"], 1)
    assert [cell["model"] for cell in quick] == list(MODELS)
    assert [cell["beta"] for cell in quick] == [None, 1, 5, 20]
    default = list_cells(SCALES["default"], 3)
    assert len({tuple(cell.values()) for cell in default}) == len(default) == 3 * 6 + 3
    assert sum(cell["sigma"] == PROGRAM for cell in default) == 3


def test_the_paper_s_scale_is_the_paper_s():
    settings = settings_of(cell_of(BETA_TCVAE, sigma=PROGRAM), SCALES["paper"])
    assert settings == {"width": 64, "latent": 32, "batch": 128, "rate": 1e-4, "epochs": 30,
                        "beta": 20.0, "scale": 0.01}
    assert "scale" not in settings_of(cell_of(AE), SCALES["paper"])


def line(model, seed, mig, error, frechet, beta=None):
    return cell_of(model, beta, SQUARED, seed) | {
        "squared_error": error, "kl_parts": None if model == AE else [3.0, 1.0, 0.5],
        "sharpness": 0.1 / (1 + error), "frechet": frechet, "distance": frechet, "mig": mig,
        "sap": mig, "disentanglement": mig, "completeness": mig, "informativeness": mig}


def story(tc_mig=0.4, tc_error=3.0, ae_frechet=9.0):
    """Results as the paper has them, unless told otherwise."""
    return [one for seed in range(2) for one in (
        line(AE, seed, 0.1, 1.0, ae_frechet), line(VAE, seed, 0.2, 1.5, 1.0),
        line(BETA_VAE, seed, 0.3, 2.0, 1.0), line(BETA_TCVAE, seed, tc_mig, tc_error, 1.0))]


def verdicts(lines, about):
    return {verdict for claim, _, verdict in claims(lines) if about in claim}


def test_claims_hold_or_fail_by_the_numbers():
    assert {verdict for *_, verdict in claims(story())} == {"holds (2 of 2 seeds)"}
    assert verdicts(story(tc_mig=0.25), "disentangles") == {"fails (0 of 2 seeds)"}
    assert verdicts(story(tc_error=1.4), "worse: β-TCVAE") == {"fails (0 of 2 seeds)"}
    assert verdicts(story(ae_frechet=0.5), "mean nothing") == {"fails (0 of 2 seeds)"}
    lines = story()
    lines[3]["mig"] = 0.25  # the first seed's; the mean still wins
    assert "holds (1 of 2 seeds)" in verdicts(lines, "disentangles best: MIG")


def test_nothing_is_claimed_without_all_models():
    assert not list(claims(story()[:3]))
    stopped = [each | {"stopped": "NaN"} if each["model"] == VAE else each for each in story()]
    assert not list(claims(stopped)) and (VAE, 1.0) not in groups(stopped)


def test_a_score_is_shown_with_its_range():
    group = [line(VAE, seed, 0.2 + seed / 10, 1.0, 1.0) for seed in range(3)]
    assert spread(group, "mig", 2) == "0.30 (0.20 to 0.40)"
    assert spread(group[:1], "total correlation", 1) == "1.0"
    assert spread([line(AE, 0, 0.2, 1.0, 1.0)], "total correlation", 1) == "–"
    assert factor_table(group).rows[0][0] == "VAE"


@pytest.fixture
def small_faces(tmp_path):
    rng = np.random.default_rng(1)
    factors = rng.integers(0, 3, (40, 2))
    images = np.repeat(40 * factors, 32, axis=1).reshape(40, 8, 8).astype(np.uint8)
    write_npz(tmp_path / "few.npz", x_train=images[:30], y_train=factors[:30], x_test=images[30:],
              y_test=factors[30:], latents_names=np.array(["upper", "lower"]))
    return tmp_path / "few.npz"


def test_it_runs_to_its_end_and_goes_on(small_faces, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(overview.SCALES, "quick", TINY)
    out = tmp_path / "run"
    command = ["reproduce", "overview", "--data", str(small_faces), "--scale", "quick", "--jobs",
               "1", "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "7 cells on 1 worker: about" in printed.err
    assert "scale quick" in printed.out and "β-TCVAE disentangles best: MIG" in printed.out
    for name in ("figure1", "figure2", "reconstructions", "figure1-program"):
        Image.open(io.BytesIO((out / f"{name}.png").read_bytes())).load()
    assert (out / "parts.svg").exists() == bool(find_spec("matplotlib"))
    results = (out / "results.jsonl").read_bytes()
    first = next(found for found in map(json.loads, results.splitlines())
                 if found["model"] == BETA_TCVAE and found["sigma"] == SQUARED)
    assert first["steps"][-1] == 12 and len(first["parts"]) == len(first["error"])
    assert first["error"][-1] == first["squared_error"]
    assert main(command) == 0
    assert (out / "results.jsonl").read_bytes() == results
    capsys.readouterr()
    assert main(["replay", str(out), "--cell", "model=overview-ae"]) == 0
    assert "1 of 1 cells came out the same" in capsys.readouterr().out
    run = json.loads((out / "run.json").read_text())
    with pytest.raises(InputError, match="was made with data"):
        overview.task_of(run | {"protocol": run["protocol"] | {"data": "other"}})
    with pytest.raises(InputError, match="does not say where the data is"):
        overview.task_of({"protocol": {}})


def test_data_without_factors_has_no_scores_of_them(tmp_path):
    write_npz(tmp_path / "plain.npz", x_train=np.zeros((10, 8, 8), np.uint8))
    task = overview.task(load_dataset(tmp_path / "plain.npz"), TINY)
    outcome = overview.work(cell_of(VAE), task)
    assert "mig" not in outcome.line and outcome.line["squared_error"] >= 0
    assert len(outcome.files) == 3


def test_a_cell_that_diverges_says_so(small_faces):
    task = overview.task(load_dataset(small_faces), TINY._replace(rate=1e30))
    assert "NaN or overflow" in overview.work(cell_of(VAE), task).line["stopped"]


@pytest.mark.parametrize("cell, message", [
    ({"model": "overview-vea"}, "did you mean 'overview-vae'"), ({"beta": -1.0}, "beta must be"),
    ({"seed": -1}, "seed as a whole number"), ({"sigma": 0.0}, "scale must be at least")])
def test_cells_of_others_are_refused(cell, message):
    with pytest.raises(InputError, match=message):
        overview.check_cell(cell_of(BETA_VAE) | cell)


def test_bad_input_is_one_line(capsys, tmp_path):
    assert main(["reproduce", "overview", "--data", "face"]) == 2
    assert "did you mean 'faces'" in capsys.readouterr().err
    request = overview.DataRequest(scale="paper", data_dir=str(tmp_path))
    assert overview.default_data(request) == "faces"
    assert "celeba not found" in capsys.readouterr().err
    (tmp_path / "celeba").mkdir()
    assert overview.default_data(request) == "celeba"
