"""What a finished run is used for: the pictures and files, and from Python."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from avanet.cli import main
from avanet.models import load, model_class
from avanet.train import use
from avanet.train.loop import train
from avanet.train.run import open_run


def test_the_model_comes_back(a_run, tiny):
    model, run = open_run(a_run)
    assert run["training"]["model"] == model.name == "survey-vae"
    np.testing.assert_array_equal(model.sample(3), tiny.sample(3))
    assert open_run(a_run, "last")[0].n_steps_ == 6


def test_sample_writes_a_picture_or_the_images(a_run, tmp_path, tiny):
    assert main(["sample", str(a_run), "-n", "6"]) == 0
    with Image.open(a_run / "samples.png") as picture:
        assert picture.size == (3 * 58 + 2, 2 * 58 + 2)  # 28 pixels, twice as large, 2 between
    assert main(["sample", str(a_run), "-n", "6", "--seed", "4", "--out", f"{tmp_path}/x.npz"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["images"], tiny.sample(6, 4))


def test_reconstruct_puts_pairs_one_above_the_other(a_run, tmp_path, digits, tiny, capsys):
    assert main(["reconstruct", str(a_run), "-n", "10"]) == 0
    images = digits["test"].read(slice(0, 10))
    error = ((images - tiny.reconstruct(images))**2).mean()
    assert f"mean squared error of a pixel {error:.5f}" in capsys.readouterr().out
    with Image.open(a_run / "reconstructions.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (4 * 58 + 2, 8 * 58 + 2)
    np.testing.assert_array_equal(pixels[2:58:2, 2:58:2], np.rint(images[0, ..., 0] * 255))
    np.testing.assert_array_equal(pixels[60:116:2, 2:58:2],
                                  np.rint(tiny.reconstruct(images[:1])[0, ..., 0] * 255))


def test_encode_writes_npz_or_csv(a_run, tmp_path, digits, tiny):
    mu, var = tiny.encode(digits["test"].images)
    assert main(["encode", str(a_run)]) == 0
    found = np.load(a_run / "codes.npz")
    np.testing.assert_array_equal(found["mu"], mu)
    np.testing.assert_array_equal(found["var"], var)
    np.testing.assert_array_equal(found["labels"], digits["test"].labels)
    assert main(["encode", str(a_run), "--split", "train", "--out", f"{tmp_path}/c.csv"]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))
    assert list(rows[0]) == ["index", "label", "mu0", "mu1", "var0", "var1"] and len(rows) == 80
    assert float(rows[7]["mu1"]) == tiny.encode(digits["train"].images)[0][7, 1]
    assert int(rows[7]["label"]) == digits["train"].labels[7]


def test_traverse_moves_one_dimension_at_a_time(a_run, digits, tiny, capsys):
    assert main(["traverse", str(a_run), "-n", "2", "--steps", "3", "--reach", "2"]) == 0
    assert "rows: dimensions " in capsys.readouterr().out
    mu = tiny.encode(digits["test"].read(slice(20)))[0]
    first, second = np.argsort(-mu.var(axis=0))
    with Image.open(a_run / "traversal.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (4 * 58 + 2, 3 * 58 + 2)  # two images, two dimensions, three values
    for row, (image, dimension) in enumerate([(0, first), (0, second), (1, first), (1, second)]):
        for column, value in enumerate((-2, 0, 2)):
            z = mu[image:image + 1].copy()
            z[0, dimension] = value
            shown = pixels[2 + 58 * row:58 + 58 * row:2, 2 + 58 * column:58 + 58 * column:2]
            np.testing.assert_allclose(shown, tiny.decode(z)[0, ..., 0] * 255, atol=0.51)
    with Image.open(a_run / "traversal.gif") as film:
        assert film.n_frames == 4 and film.size == (2 * 58 + 2, 2 * 58 + 2)


@pytest.mark.parametrize("path", ["line", "slerp"])
def test_interpolate_goes_from_one_image_to_the_other(a_run, digits, tiny, path):
    assert main(["interpolate", str(a_run), "--from", "3", "--to", "5", "--steps", "4", "--path",
                 path]) == 0
    ends = tiny.reconstruct(digits["test"].read([3, 5]))
    with Image.open(a_run / "interpolation.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (60, 4 * 58 + 2)
    for x, end in ((2, ends[0]), (2 + 3 * 58, ends[1])):
        np.testing.assert_allclose(pixels[2:58:2, x:x + 56:2], end[..., 0] * 255, atol=1)
    with Image.open(a_run / "interpolation.gif") as movie:
        assert movie.n_frames == 6 and movie.info["loop"] == 0


def test_a_model_without_encoder_goes_between_draws(tmp_path, digits):
    model = model_class("gan")(epochs=1, latent=2, hidden=4)
    train(model, digits, tmp_path, [])
    assert main(["interpolate", str(tmp_path), "--steps", "3"]) == 0
    assert (tmp_path / "interpolation.gif").exists()


def test_every_verb_takes_a_saved_model_too(tmp_path, tiny, data_file, digits, refused):
    tiny.fit(digits["train"])
    tiny.save(tmp_path / "model.npz")
    assert main(["sample", str(tmp_path / "model.npz")]) == 0
    assert (tmp_path / "samples.png").exists()
    assert main(["encode", str(tmp_path / "model.npz"), "--data", str(data_file)]) == 0
    assert "does not say which data: name it by --data" in refused("encode", tmp_path / "model.npz")


def test_evaluate_writes_metrics_with_intervals(a_run, capsys, monkeypatch):
    from avanet import metrics
    classifier = model_class("classifier")(channels=2, width=4, epochs=1)
    monkeypatch.setattr(metrics, "judge", lambda dataset: classifier.fit(
        dataset["train"].images, dataset["train"].labels))
    assert main(["evaluate", str(a_run), "-n", "20"]) == 0
    assert "nats an image" in capsys.readouterr().out
    found = json.loads((a_run / "evaluation.json").read_text())
    elbo = found["metrics"]["elbo"]
    assert elbo["low"] < elbo["value"] < elbo["high"] and found["split"] == "test"
    assert {"frechet", "modes", "squared_error"} <= set(found["metrics"])


@pytest.mark.parametrize("arguments, message", [
    ("sample nothing", "nothing holds no run: give a folder that avanet train wrote"),
    ("sample RUN --out x.jpg", "expected a file in .png or .npz, got x.jpg"),
    ("sample RUN -n 0", "whole number of at least 1, got '0'"),
    ("sample RUN --which first", "'first'"),
    ("encode RUN --data orbit", "expected images of shape (28, 28, 1), got (64, 100, 3)"),
    ("encode RUN --split tset", "'tset': did you mean 'test'"),
    ("traverse RUN --reach 0", "expected a number above 0, got '0'"),
    ("traverse RUN --reach x", "expected a number above 0, got 'x'"),
    ("traverse RUN -n 1000 --steps 1000", "at most 10000 images, got 8000000"),
    ("traverse RUN --out x.gif", "expected a file in .png"),
    ("interpolate RUN --from 20", "expected an index below 20"),
    ("interpolate RUN --path ball", "unknown path 'ball'"),
    ("reconstruct RUN --data nothing", "unknown data set 'nothing'"),
    ("summary survey-va", "unknown model 'survey-va': did you mean 'survey-vae'"),
    ("summary survey-vae --shape 0 1 1", "whole number of at least 1, got '0'"),
    ("summary survey-vae --shape 8 8 1 --data digits", "give --data or --shape, not both"),
])
def test_bad_input_is_one_line(a_run, refused, arguments, message):
    assert message in refused(*(str(a_run) if word == "RUN" else word
                                for word in arguments.split()))


def test_the_folder_of_another_command_is_no_training(tmp_path, refused):
    (tmp_path / "run.json").write_text('{"protocol": {}, "environment": {}}')
    line = refused("traverse", tmp_path)
    assert "was not written by a run; give a folder that avanet train wrote" in line


def test_what_a_model_cannot_do(tmp_path, digits, refused):
    train(model_class("gan")(epochs=1, latent=2, hidden=4), digits, tmp_path, [])
    line = refused("reconstruct", tmp_path, "--data", "digits")
    assert "gan cannot reconstruct; those that can: survey-vae" in line and "dcgan" not in line


def test_a_run_that_has_kept_nothing_yet(a_run, refused):
    for path in [*a_run.glob("last.*"), *a_run.glob("best.*")]:
        path.unlink()
    assert "holds no trained model yet: avanet train --run" in refused("sample", a_run)


def test_weights_that_overflow_are_one_line(a_run, tmp_path, refused):
    model = load(next(a_run.glob("best.*")))
    for player in model.players_.values():
        player.params *= 1e30
    model.save(tmp_path / "wild.npz")
    assert "NaN or overflow in decoder" in refused("sample", tmp_path / "wild.npz")


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_slerp_keeps_the_angle_even_and_meets_its_ends(n, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, n))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    way = use.slerp(a, b, 5)
    np.testing.assert_allclose(way[[0, -1]], [a, b], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1, atol=1e-9)
    cosines = (way[1:] * way[:-1]).sum(axis=1)
    np.testing.assert_allclose(cosines, cosines[0], atol=1e-9)


def test_slerp_of_what_lies_in_one_direction_is_the_line():
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(use.slerp(a, 3 * a, 3), [a, 2 * a, 3 * a])
    np.testing.assert_allclose(use.slerp(0 * a, a, 3), [0 * a, a / 2, a])
