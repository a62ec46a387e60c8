"""`avanet reproduce variants`: nine short trainings, and what their numbers are made into."""

import csv
import io
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from avanet.cli import main
from avanet.data import Dataset, Split
from avanet.data.arrays import write_npz
from avanet.experiments import variants, variants_report, variants_scores
from avanet.experiments.variants_scores import Samples, Scores, codes_of, errors_of, samples_of
from avanet.metrics.intervals import Estimate
from avanet.models.aae import AAE

SIDE, CLASSES = 8, 3


def images_of(labels):
    """A bright bar in the row of its label, and a little noise."""
    rng = np.random.default_rng(len(labels))
    x = rng.integers(0, 40, (len(labels), SIDE, SIDE), np.uint8)
    x[np.arange(len(labels)), 2 * labels] = 250
    return x


class Judge:
    """Knows the bars of `images_of`."""

    def features(self, X):
        return X[:, ::2].mean(axis=(2, 3))[:, :CLASSES]

    def predict(self, X):
        return self.features(X).argmax(axis=1)


def dataset():
    labels = np.arange(66) % CLASSES
    split = lambda n: Split(images_of(labels[:n]), labels[:n])
    return Dataset("bars", {"train": split(66), "test": split(30)}, ("a", "b", "c"))


def test_samples_are_judged_by_what_was_asked():
    class Obeys(AAE):
        def sample(self, n, random_state=0, labels=None):
            wrong = (labels == 2) & (np.arange(n) % 2 == 0)
            return images_of(np.where(wrong, 0, labels))[..., None] / 255

    model = Obeys(latent=2, prior="mixture", labels=True, classes=CLASSES)
    found = samples_of({"aae": model}, Judge(), dataset()["test"].read(slice(30)), dataset())
    assert found["aae"].asked.value == pytest.approx(5 / 6, abs=0.01)
    assert found["aae"].worst == (2, pytest.approx(0.5, abs=0.01))
    assert found["training images"].asked is None
    assert found["training images"].frechet.value < found["aae"].frechet.value


def test_reconstructions_stand_beside_what_takes_no_inference():
    class Copies:
        def reconstruct(self, X):
            return X + 0.1

    data = dataset()
    X, labels = data["test"].read(slice(30)), data["test"].labels
    found = errors_of({"copies": Copies()}, Judge(), X, labels, data["train"])
    assert found["copies"][0].value == pytest.approx(0.01)
    assert found["copies"][1].value == 1
    assert found["copies"][0].high < found["the mean image"][0].low
    assert found["the mean image"][0].high < found["another image"][0].low


@pytest.mark.parametrize("settings", [
    {}, {"prior": "mixture", "classes": 5}, {"prior": "mixture", "labels": True, "classes": 5}])
def test_codes_that_are_of_the_prior_pass_and_others_do_not(settings):
    class Ideal(AAE):
        shift = 0.0

        def encode(self, X):
            rng = np.random.default_rng(7)
            named = X[:, 0, 0, 0].round().astype(int) if self.config.labels else None
            return self.prior(len(X), rng, named) + self.shift, None

    labels = np.arange(1000) % 2
    split = Split(np.tile(labels[:, None, None], (1, 4, 4)).astype(np.float32), labels)
    model = Ideal(latent=2, **settings).start((4, 4, 1))
    codes = codes_of(model, split)
    low, high = codes.chance
    assert (np.array(codes.found)[-1] <= 1.5 * high[-1]).all()
    assert (np.abs(codes.found.mean) < 0.1).all() and (np.abs(codes.found.sd - 1) < 0.1).all()
    if settings:
        assert codes.shares == pytest.approx(codes.chance_shares, abs=0.1)
    if "labels" in settings:
        assert codes.told.value > 0.97
    Ideal.shift = 0.5
    assert codes_of(model, split).found.distance.max() > 2 * high[-1].max()


def test_images_are_drawn_from_the_whole_of_their_split(monkeypatch):
    """The halves of a set may differ, as those of MNIST's test images do."""
    monkeypatch.setattr(variants_scores, "CODED", 50)
    labels = np.repeat([0, 1], 100)
    split = Split(np.tile(labels[:, None, None], (1, 4, 4)).astype(np.float32), labels)
    codes = codes_of(AAE(latent=2, hidden=3).start((4, 4, 1)), split)
    assert len(codes.labels) == codes.count == 50 and 10 < codes.labels.sum() < 40


def test_claims_hold_or_fail_by_the_numbers():
    near, far = Estimate(1, 0.9, 1.1), Estimate(9, 8, 10)
    much, little = Estimate(0.95, 0.89, 0.99), Estimate(0.85, 0.8, 0.95)

    def verdicts(lapgan, dcgan, asked, error, kept):
        scores = Scores({}, much, {
            "lapgan": Samples(lapgan), "dcgan": Samples(dcgan), "cgan": Samples(near, asked, (0, 0))
        }, {"bigan": (error, kept), "the mean image": (Estimate(5, 4, 6), little),
            "another image": (Estimate(5, 4, 6), Estimate(0.1, 0.05, 0.15))}, {}, {})
        return [each.verdict for each in variants_report.claims(scores)]

    assert verdicts(near, far, much, near, much) == ["holds"] * 5
    assert verdicts(far, near, little, far, Estimate(0.1, 0.05, 0.15)) == ["fails"] * 5


def test_quick_trains_all_and_goes_on(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(variants, "IMAGES", dict.fromkeys(variants.IMAGES, {"quick": 66}))
    monkeypatch.setattr(variants, "WIDTHS", {"quick": 2})
    for name, fewer in (("JUDGED", 60), ("RESAMPLES", 4), ("DRAWS", 10)):
        monkeypatch.setattr(variants_scores, name, fewer)
    data = dataset()
    write_npz(tmp_path / "bars.npz", **{
        f"{x}_{name}": values for name, split in data.splits.items()
        for x, values in (("x", split.images[..., 0]), ("y", split.labels))})
    out = tmp_path / "run"
    command = ["reproduce", "variants", "--data", str(tmp_path / "bars.npz"), "--scale", "quick",
               "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "9 trainings" in printed.err and "in all" in printed.err
    assert "--scale quick on" in printed.out
    for name in ("classes-cgan", "classes-cdcgan", "samples-lapgan", "samples-dcgan", "plane-aae",
                 "plane-aae-mixture", "plane-aae-labels", "pairs-bigan"):
        Image.open(io.BytesIO((out / f"{name}.png").read_bytes())).load()
    assert (out / "codes.svg").exists() == bool(find_spec("matplotlib"))
    rows = list(csv.DictReader(io.StringIO((out / "tables.csv").read_text())))
    assert {row["training"] for row in rows if row["what"] == "asked"} == {
        "cgan", "cdcgan", "aae-labels"}
    before = {path: path.read_bytes() for path in out.glob("*/log.jsonl")}
    tables = (out / "tables.csv").read_bytes()
    assert len(before) == 9
    assert main(command) == 0
    assert "in all" not in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in out.glob("*/log.jsonl")}
    assert (out / "tables.csv").read_bytes() == tables


def test_images_without_classes_are_refused_in_one_line(tmp_path, capsys):
    write_npz(tmp_path / "plain.npz", x_train=np.zeros((4, 8, 8), np.uint8))
    assert main(["reproduce", "variants", "--data", str(tmp_path / "plain.npz"), "--out",
                 str(tmp_path / "run")]) == 2
    assert "has no classes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
