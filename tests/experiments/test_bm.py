"""`avanet reproduce bm` from cell to folder: one cell, one run, and what interrupts it."""

import io
import itertools
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from avanet import data
from avanet.ava.published import MODELS, PUBLISHED, RATES
from avanet.errors import InputError
from avanet.experiments import bm
from avanet.experiments.bm import Request, Task, generator, keep_best, list_cells, work

KEY = ("rules", "model", "rate", "seed")
FIELDS = [*KEY, "bm_abs", "bm_printed", "n_images"]


def cell(model="ava1", rate=0.5, seed=0, rules="as-run"):
    return {"rules": rules, "model": model, "rate": rate, "seed": seed}


# Cells ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("scale, rates, seeds", [("quick", 5, 1), ("default", 19, 3),
                                                 ("paper", 19, 12)])
def test_scales(scale, rates, seeds):
    cells = list_cells(Request(scale=scale))
    assert len(cells) == 2 * 7 * rates * seeds == len({tuple(cell.values()) for cell in cells})
    assert all(list(cell) == list(KEY) for cell in cells)
    assert {cell["rules"] for cell in cells} == {"as-run", "printed"}
    assert {cell["seed"] for cell in cells} == set(range(seeds))
    assert {cell["rate"] for cell in cells} <= set(RATES)


def test_choices_override_the_scale_and_count_once():
    request = Request(scale="paper", models=["gan", "vae", "gan"], rates=[0.05, 0.05], seeds=2,
                      rules=["exact"])
    assert list_cells(request) == [cell(model, 0.05, seed, "exact")
                                   for model in ("gan", "vae") for seed in (0, 1)]


@pytest.mark.parametrize("choice, message", [
    ({"models": ["ava1", "ava6"]}, "unknown model 'ava6': did you mean 'ava5'"),
    ({"models": ["ava-vae"]}, "did you mean 'vae'"),
    ({"rules": ["print"]}, "unknown rule set 'print': did you mean 'printed'"),
    ({"rates": [0.5, 0.55]}, r"unknown rate 0.55: did you mean 0\.[56]\?"),
    ({"rates": [0.011]}, "did you mean 0.01"),
])
def test_unknown_names_are_told_with_the_nearest(choice, message):
    with pytest.raises(InputError, match=message) as refused:
        list_cells(replace(Request(), **choice))
    assert "\n" not in str(refused.value)


def test_draws_belong_to_seed_model_and_rate():
    keys = list(itertools.product((0, 1, 7), (None, *MODELS), RATES))
    first = {key: generator(*key).integers(2**62) for key in keys}
    assert len(set(first.values())) == len(keys)
    assert all(generator(*key).integers(2**62) == first[key] for key in reversed(keys))


def test_a_line_has_the_fields_of_its_cell_and_nothing_else(images):
    outcome = work(cell(), Task(images, False))
    assert list(outcome.line) == FIELDS and outcome.line["n_images"] == 4
    assert {name: outcome.line[name] for name in KEY} == cell()
    assert type(outcome.line["bm_abs"]) is type(outcome.line["bm_printed"]) is float
    assert outcome.seconds > 0
    (name, png), = outcome.files.items()
    assert name == "best/as-run/ava1-0.5.png"
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (12, 8) and picture.mode == "RGB"
        assert float(picture.info["BM"]) >= outcome.line["bm_abs"]


def test_a_cell_does_not_depend_on_its_neighbours(images):
    task = Task(images, False)
    cells = [cell(*key) for key in itertools.product(("vae", "ava5"), (0.5, 0.1), (0, 1))]
    there = {tuple(c.values()): work(c, task) for c in cells}
    back = {tuple(c.values()): work(c, task) for c in reversed(cells)}
    for key, outcome in there.items():
        assert (outcome.line, outcome.files) == (back[key].line, back[key].files)
    assert len({outcome.line["bm_abs"] for outcome in there.values()}) == len(cells)


def test_models_share_draws_where_they_are_paired(images):
    paired, alone = ([work(cell(model), Task(images, share)) for model in ("ava1", "ava2")]
                     for share in (True, False))
    # as run, no discriminator touches an image: with the same draws AVA1 is AVA2
    assert paired[0].line["bm_abs"] == paired[1].line["bm_abs"]
    assert alone[0].line["bm_abs"] != alone[1].line["bm_abs"]
    assert paired[0].files == {}


def best(bm_value, gray):
    info = PngImagePlugin.PngInfo()
    info.add_text("BM", repr(bm_value))
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (gray,) * 3).save(file, "PNG", pnginfo=info)
    return file.getvalue()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.25, 0.3]), st.integers(0, 3)), min_size=1,
                max_size=5), st.randoms(use_true_random=False))
def test_the_best_image_is_kept_in_any_order(candidates, random):
    kept = set()
    for _ in range(3):
        random.shuffle(candidates)
        winner = None
        for candidate in candidates:
            winner = keep_best("any", winner, best(*candidate))
        kept.add(winner)
    assert len(kept) == 1
    with Image.open(io.BytesIO(kept.pop())) as picture:
        assert float(picture.info["BM"]) == max(value for value, _ in candidates)


# At values of 1e16 the leaning sum of Eq. 10 overflows float32 under `printed`: AVA2 and AVA5
# stop, the others go on. Pixels lie in [0, 1], where nothing was found to stop.
HUGE = 1e16


def test_a_cell_that_stops_says_where(images):
    with np.errstate(all="ignore"):
        lines = {model: work(cell(model, 1.0, 3, "printed"), Task(images * HUGE, False)).line
                 for model in ("ava1", "ava2", "ava5", "gan")}
    for model in ("ava2", "ava5"):
        line = lines[model]
        assert list(line) == [*FIELDS, "stopped"] and line["bm_abs"] is line["bm_printed"] is None
        assert line["stopped"].startswith(f"{model}, printed, rate 1, seed 3, step ")
        assert " NaN or overflow in discriminator d, dense " in line["stopped"]
    for model in ("ava1", "gan"):
        assert list(lines[model]) == FIELDS and np.isfinite(lines[model]["bm_abs"])


def test_cells_that_stop_leave_the_others_alone(tmp_path, images, monkeypatch, capsys):
    huge = SimpleNamespace(pixels=images * np.float32(HUGE), checksum="huge")
    monkeypatch.setattr(data, "load", lambda name, size: huge)
    monkeypatch.setattr(bm, "_estimate", lambda *_: None)
    bm.reproduce(Request(models=["ava2", "vae"], rates=[1.0], seeds=1, rules=["printed"], jobs=2,
                         out=str(tmp_path / "out")))
    ava2, vae = map(json.loads, (tmp_path / "out/results.jsonl").read_text().splitlines())
    assert "stopped" in ava2 and vae["bm_abs"] > 1
    assert ava2["stopped"] in (tmp_path / "out/tables.md").read_text()
    assert "Stopped runs" in capsys.readouterr().out


# Runs -----------------------------------------------------------------------------------------

FILES = {"results.jsonl", "timings.jsonl", "files.jsonl", "run.json", "tables.md", "tables.csv",
         "tables.tex", "verdicts.json", "figure5.png", "figure5.svg", "best/as-run.png",
         "best/printed.png",
         "paired/results.jsonl", "paired/timings.jsonl", "paired/run.json",
         *(f"best/{rules}/{model}-{rate}.png" for rules in ("as-run", "printed")
           for model in ("ava5", "vae") for rate in (0.5, 0.1))}


def run(folder, out, **changes):
    """Two rule sets, models, rates and seeds, unless changed."""
    bm.reproduce(replace(Request(data=str(folder), out=str(out), jobs=2, models=["ava5", "vae"],
                                 rates=[0.5, 0.1], seeds=2), **changes))


def contents(out):
    """Every file of a run by its name: its bytes, but the times, and the order they came in."""
    paths = {str(path.relative_to(out)): path for path in out.rglob("*")
             if path.is_file() and path.name != ".lock"}
    return {name: b"" if name.endswith(("timings.jsonl", "files.jsonl")) else path.read_bytes()
            for name, path in paths.items()}


def lines(out):
    return (out / "results.jsonl").read_text().splitlines()


@pytest.fixture(scope="module")
def finished(image_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    run(image_folder, out)
    return out


@pytest.fixture
def copy(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_a_run_writes_what_it_says(finished, image_folder):
    assert set(contents(finished)) == FILES
    results = [json.loads(line) for line in lines(finished)]
    assert all(list(line) == FIELDS for line in results)
    keys = [tuple(line[name] for name in KEY) for line in results]
    assert keys == sorted(itertools.product(("as-run", "printed"), ("ava5", "vae"), (0.1, 0.5),
                                            (0, 1)))
    config = json.loads((finished / "run.json").read_text())
    assert config["protocol"]["images"] == data.load(image_folder).checksum
    assert config["protocol"]["size"] == [12, 8] and config["protocol"]["n_images"] == 4
    assert config["protocol"]["training"]["start"] == "zeros"
    assert {"avanet", "python", "numpy", "numba", "cpu"} <= set(config["environment"])
    tables = (finished / "tables.md").read_text()
    for text in ("Table 1", "Table 2", "Table 3", "Trivial images", "mid-gray", "paired"):
        assert text in tables


def test_the_same_command_does_nothing_again(copy, image_folder, capsys):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.name != ".lock"
              and path.is_file()}
    results = os.stat(copy / "results.jsonl").st_mtime_ns
    run(image_folder, copy)
    assert {path: path.read_bytes() for path in before} == before
    assert os.stat(copy / "results.jsonl").st_mtime_ns == results
    shown = capsys.readouterr()
    assert "32 of 32 cells" in shown.err and "cells on" not in shown.err
    assert f"written to {copy}" in shown.out


def test_more_of_everything_extends_a_run(finished, image_folder, tmp_path):
    run(image_folder, tmp_path, models=["vae"], rates=[0.1], seeds=1, rules=["printed"], jobs=1)
    line, = lines(tmp_path)
    assert line in lines(finished)
    run(image_folder, tmp_path)
    assert contents(tmp_path) == contents(finished)


def test_other_data_are_refused_and_fresh_starts_anew(copy, image_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(image_folder, other)
    (other / "3.png").unlink()
    before = contents(copy)
    for changes in ({"data": str(other)}, {"data": str(image_folder), "size": (6, 4)}):
        with pytest.raises(InputError, match="was made with .*--fresh to start anew") as refused:
            run(image_folder, copy, **changes)
        assert "\n" not in str(refused.value) and contents(copy) == before
    run(other, copy, fresh=True, models=["vae"], rates=[0.5], seeds=1, rules=["as-run"], jobs=1)
    assert len(lines(copy)) == 1 and json.loads(lines(copy)[0])["n_images"] == 3
    assert not (copy / "best/printed/ava5-0.5.png").exists()


def arguments(folder, out, jobs=2):
    """The same run as a command."""
    return ["reproduce", "bm", "--data", folder, "--out", out, "--models", "ava5,vae",
            "--rates", "0.5,0.1", "--seeds", "2", "--jobs", jobs]


# `finished` had two jobs: the bytes do not depend on their number either.
@pytest.mark.parametrize("jobs, moment", [(1, "best/as-run"), (2, "paired/results.jsonl"),
                                          (4, "results.jsonl")])
def test_a_kill_changes_nothing(finished, image_folder, tmp_path, start, python, jobs, moment):
    command = ["-m", "avanet", *arguments(image_folder, tmp_path, jobs)]
    with start(*command) as process:
        end = time.monotonic() + 120
        while not (tmp_path / moment).exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.002)
        process.kill()
        process.communicate()
    assert not (tmp_path / "tables.md").exists()
    code, _, errors = python(*command)
    assert code == 0, errors
    assert contents(tmp_path) == contents(finished)


WITHOUT_EXTRAS = """
import sys
sys.modules["matplotlib"] = sys.modules["rich"] = None
from avanet.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_the_extras_all_but_the_figure_is_there(copy, image_folder, python):
    pty = pytest.importorskip("pty")
    ours, terminal = pty.openpty()  # a bar is drawn on terminals alone
    expected = contents(copy)
    for name in ("figure5.png", "figure5.svg", "tables.md", "best/as-run.png"):
        (copy / name).unlink()
    code, output, _ = python("-c", WITHOUT_EXTRAS, *arguments(image_folder, copy), stderr=terminal)
    os.close(terminal)
    errors = os.read(ours, 10**6).decode()
    os.close(ours)
    assert code == 0, errors
    assert "progress bar not drawn: install avanet[app]" in errors
    assert "figure5.png and figure5.svg not drawn: install avanet[app]" in errors
    assert output.splitlines()[-1] == (
        f"written to {copy}: tables.md, tables.csv, tables.tex, best, verdicts.json")
    told = expected.pop("verdicts.json").replace(b'"Figure 5": "drawn"', b'"Figure 5": "not drawn"')
    assert contents(copy).items() == {"verdicts.json": told}.items() | expected.items() - {
        (name, expected[name]) for name in ("figure5.png", "figure5.svg")}


def test_a_folder_of_other_versions_is_told(copy, image_folder, capsys):
    config = json.loads((copy / "run.json").read_text())
    config["environment"]["numpy"] = "0.1"
    (copy / "run.json").write_text(json.dumps(config))
    run(image_folder, copy)
    note = capsys.readouterr().err.splitlines()[0]
    assert note == (f"note: this folder was begun with numpy 0.1 (now {np.__version__}); "
                    "last digits may differ between old and new cells")


# The published numbers ------------------------------------------------------------------------

@pytest.mark.parametrize("model, rate", [("ava1", 0.5), ("vae", 0.5), ("ava5", 0.05)])
def test_as_run_comes_near_the_published_cells(authors_images, model, rate):
    images = data.load(authors_images)
    assert images.checksum == bm.AUTHORS_IMAGES
    line = work(cell(model, rate), Task(images.pixels, False)).line
    assert line["bm_abs"] == pytest.approx(PUBLISHED[model, rate], abs=0.02)


@pytest.mark.slow
def test_as_run_comes_as_close_as_the_authors_repetition(authors_images, tmp_path):
    bm.reproduce(Request(data=str(authors_images), rules=["as-run"], seeds=3, out=str(tmp_path)))
    ours = {}
    for line in map(json.loads, lines(tmp_path)):
        ours.setdefault((line["model"], line["rate"]), []).append(line["bm_abs"])
    gaps = {key: abs(np.mean(values) - PUBLISHED[key]) for key, values in ours.items()}
    assert len(gaps) == 133 and {len(values) for values in ours.values()} == {3}
    assert np.mean(list(gaps.values())) <= 0.003
    for model in MODELS:
        assert np.mean([gaps[model, rate] for rate in RATES]) <= 0.006, model


def test_an_empty_out_is_no_folder():
    with pytest.raises(InputError, match="--out is empty: expected a folder"):
        bm.reproduce(Request(out=""))


def test_another_size_is_named_as_the_size(tmp_path, image_folder):
    def open_run(size):
        with bm.RunFolder(tmp_path, bm.KEY) as folder:
            folder.open_run(bm.protocol_of(data.load(str(image_folder), size), False), {})

    open_run(None)
    with pytest.raises(InputError, match=r"was made with size = \[12, 8\], not \[6, 4\]"):
        open_run((6, 4))
