"""The loop: what is logged, validated and said, and what stops it."""

import json
import math

import numpy as np
import pytest

from avanet.data import Dataset, Split
from avanet.errors import InputError
from avanet.models import model_class
from avanet.nn import DivergedError
from avanet.train import loop
from avanet.train.callbacks import Callback, EarlyStopping, KeepBest, SamplePictures, WriteCSV
from avanet.train.checkpoint import Sums
from avanet.train.loop import seconds_per_step, train
from avanet.train.run import open_run


def lines_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


class Collect(Callback):
    """Every batch's losses and size, as the model gave them."""

    def __init__(self):
        self.losses = []

    def step(self, training, losses):
        self.losses.append(losses)


def test_an_epoch_is_a_line_of_means_over_images(tmp_path, digits, tiny):
    collect = Collect()
    train(tiny, digits, tmp_path, [collect])
    first = lines_of(tmp_path)[0]
    assert first["epoch"] == 1 and first["step"] == 3 and first["rate"] == 1e-3
    for name in ("reconstruction", "kl", "beta"):
        parts = [losses[name] for losses in collect.losses[:3]]
        assert first["train"][name] == pytest.approx(np.average(parts, weights=[32, 32, 16]))


def test_training_is_fit_with_a_folder(tmp_path, digits, tiny):
    """The same updates, whatever is estimated, validated and kept in between."""
    train(tiny, digits, tmp_path, [KeepBest(), SamplePictures(4)])
    alone = model_class("survey-vae")(random_state=3, **tiny.settings).fit(digits["train"])
    for name, player in alone.players_.items():
        np.testing.assert_array_equal(player.params, tiny.players_[name].params)


def test_validation_is_the_mean_over_the_split_in_evaluation_mode(tmp_path, digits, tiny):
    train(tiny, digits, tmp_path, [])
    last = lines_of(tmp_path)[-1]["test"]
    mu, var = tiny.encode(digits["test"].images)
    x = digits["test"].read(slice(None)).astype(np.float64)
    y = np.clip(tiny.decode(mu).astype(np.float64), 1e-12, 1 - 1e-12)
    bce = -(x * np.log(y) + (1 - x) * np.log(1 - y)).sum(axis=(1, 2, 3)).mean()
    kl = (mu.astype(np.float64)**2 + var - np.log(var) - 1).sum(axis=1).mean() / 2
    assert last == {"reconstruction": pytest.approx(bce, rel=1e-5), "kl": pytest.approx(kl, 1e-4)}
    assert tiny.score(digits["test"].images) == pytest.approx(-bce - kl, rel=1e-5)


def test_without_a_split_to_validate_on_training_is_watched(tmp_path, digits, tiny):
    alone = Dataset("alone", {"train": digits["train"]})
    train(tiny, alone, tmp_path, [KeepBest()])
    assert list(lines_of(tmp_path)[0]) == ["epoch", "step", "rate", "train"]
    assert (tmp_path / "best.safetensors").exists() or (tmp_path / "best.npz").exists()


def test_rates_of_a_schedule_and_of_players_are_logged(tmp_path, digits):
    model = model_class("survey-vae")(**{"epochs": 4, "batch": 40, "hidden": 4,
                                         "schedule": "cosine"})
    train(model, digits, tmp_path, [])
    rates = [line["rate"] for line in lines_of(tmp_path)]
    assert rates == [pytest.approx(1e-3 * (1 + math.cos(math.pi * step / 8)) / 2, abs=1e-12)
                     for step in (2, 4, 6, 8)]


def test_a_loss_that_comes_now_and_then_is_the_mean_of_when_it_came():
    sums = Sums()
    sums.add({"discriminator": 1.0}, 10)
    sums.add({"discriminator": 3.0, "generator": 5.0}, 30)
    assert sums.means() == {"discriminator": 2.5, "generator": 5.0}


def test_early_stopping_counts_from_the_best_epoch(tmp_path, digits, tiny, monkeypatch):
    values = iter([9.0, 5.0, 6.0, 7.0, 4.0])
    monkeypatch.setattr(tiny, "losses", lambda split, seed: {"reconstruction": next(values),
                                                             "kl": 0.0})
    tiny.settings["epochs"] = 5
    training = train(tiny, digits, tmp_path, [KeepBest(), EarlyStopping(2)])
    assert training.stopped == "no better than epoch 2 for 2 epochs"
    assert len(lines_of(tmp_path)) == 4 and "best is epoch 2" in training.summary()
    assert open_run(tmp_path)[0].n_steps_ == 6  # the best, not the last


def test_a_model_that_watches_nothing_has_no_best(tmp_path, digits):
    model = model_class("gan")(epochs=1, latent=2, hidden=4)
    train(model, digits, tmp_path, [KeepBest(), EarlyStopping(1), SamplePictures(4)])
    assert not list(tmp_path.glob("best.*")) and list(tmp_path.glob("samples/epoch-001.png"))
    assert open_run(tmp_path)[0].n_steps_ == 1


def test_divergence_names_step_and_layer_and_keeps_what_was(tmp_path, digits, tiny):
    tiny.settings |= {"rate": 1e30, "epochs": 3, "optimiser": "sgd", "batch": 80}

    with pytest.raises(DivergedError, match=r"survey-vae: NaN or overflow at step \d in \w+, "):
        train(tiny, digits, tmp_path, [])
    assert (tmp_path / "run.json").exists()


def test_the_estimate_changes_nothing(digits, tiny):
    tiny.start(digits.shape, 6)
    before = {name: player.params.copy() for name, player in tiny.players_.items()}
    state = tiny._rng.bit_generator.state
    assert seconds_per_step(tiny, digits["train"]) > 0
    assert tiny._rng.bit_generator.state == state and tiny.n_steps_ == 0
    for name, params in before.items():
        np.testing.assert_array_equal(tiny.players_[name].params, params)


def test_the_time_is_told_before_the_start(tmp_path, digits, tiny, capsys, monkeypatch):
    monkeypatch.setattr(loop, "seconds_per_step", lambda model, split: 20.0)
    train(tiny, digits, tmp_path, [])
    assert capsys.readouterr().err == (
        f"survey-vae on digits, in {tmp_path}: 2 epochs of 3 steps, about 2 min\n")
    train(tiny, digits, tmp_path, [])
    assert capsys.readouterr().err == (
        f"survey-vae on digits, in {tmp_path}: goes on from step 6 of 6\n")


def test_more_epochs_go_on(tmp_path, digits, tiny):
    train(tiny, digits, tmp_path / "a", [WriteCSV()])
    tiny.settings["epochs"] = 4
    train(tiny, digits, tmp_path / "a", [WriteCSV()])
    at_once = model_class("survey-vae")(random_state=3, **tiny.settings)
    train(at_once, digits, tmp_path / "b", [WriteCSV()])
    for name in ("log.jsonl", "log.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_bad_data_leaves_no_folder(tmp_path, digits):
    unlabelled = Dataset("x", {"train": Split(digits["train"].images)})
    many = Dataset("x", {"train": Split(digits["train"].images, digits["train"].labels + 5)})
    for data in (unlabelled, many):
        with pytest.raises(InputError, match="labels 0..9, got"):
            train(model_class("cgan")(hidden=4), data, tmp_path / "run", [])
    assert not (tmp_path / "run").exists()


def test_a_batch_larger_than_the_data(tmp_path, digits):
    """Asked for, it is refused with the number to use; as a default, it takes all there is."""
    with pytest.raises(InputError, match="batch must be at most the 80 images of train, got 81"):
        train(model_class("survey-vae")(batch=81), digits, tmp_path / "run", [])
    train(model_class("survey-vae")(epochs=1, hidden=4), digits, tmp_path / "run", [])
    assert lines_of(tmp_path / "run")[0]["step"] == 1
