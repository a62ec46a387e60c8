"""Checkpoints: whole, of this model and version, or refused in one line."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avanet.errors import InputError
from avanet.models import SurveyVAE, load
from avanet.models.base import Model
from avanet.tensors import read_tensors, write_tensors
from avanet.train.checkpoint import load_checkpoint
from avanet.train.loop import train
from avanet.train.run import LAST


@pytest.fixture
def checkpoint(tmp_path, digits, tiny):
    """(path, header, tensors) of a checkpoint as npz."""
    train(tiny, digits, tmp_path / "run", [])
    run = next((tmp_path / "run").glob(f"{LAST}.*"))
    header, tensors = read_tensors(run)
    path = tmp_path / "copy.npz"
    write_tensors(path, header, tensors)
    return path, header, tensors


def restored(path, digits, kind=SurveyVAE, **settings):
    model = kind(**{"batch": 32, "latent": 2, "hidden": 8} | settings)
    model.start(digits.shape, 6)
    batches = model.batches(digits["train"])
    load_checkpoint(path, model, batches)
    return model, batches


def test_it_holds_all_that_training_needs(checkpoint, digits, tiny):
    path, header, tensors = checkpoint
    model, batches = restored(path, digits)
    assert model.n_steps_ == 6 and (batches.epoch, batches.position) == (2, 0)
    assert model._rng.bit_generator.state == tiny._rng.bit_generator.state
    for name, player in tiny.players_.items():
        np.testing.assert_array_equal(model.players_[name].params, player.params)
        ours, theirs = model.optimisers_[name].state(), tiny.optimisers_[name].state()
        assert ours["steps"] == theirs["steps"] == 6
        np.testing.assert_array_equal(ours["v"], theirs["v"])


def test_any_model_is_loaded_from_it(checkpoint, digits, tiny):
    path, *_ = checkpoint
    for loaded in (load(path), SurveyVAE.load(path)):
        np.testing.assert_array_equal(loaded.sample(3), tiny.sample(3))


@pytest.mark.parametrize("change, message", [
    ({"format": "avanet-model-2"}, "expected format avanet-model-1, got avanet-model-2"),
    ({"model": "dcgan"}, "expected model survey-vae, got dcgan"),
    ({"shape": [8, 8, 3]}, "expected shape"),
    ({"dtype": "float64"}, "expected dtype float32, got float64"),
    ({"training": None}, "is damaged"),
    ({"n_steps": 5}, "5 steps do not fit epoch 2, batch 0"),
])
def test_one_of_another_model_or_version(checkpoint, digits, change, message):
    path, header, tensors = checkpoint
    write_tensors(path, header | change, tensors)
    with pytest.raises(InputError, match=message) as refused:
        restored(path, digits)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


@pytest.mark.parametrize("changes", [
    {"batches": {}}, {"batches": {"epoch": 2, "position": 9, "order": None, "generator": {}}},
    {"optimisers": {}}, {"optimisers": {"encoder": -1, "decoder": 6}}, {"sums": {"kl": "much"}},
])
def test_a_state_that_cannot_be(checkpoint, digits, changes):
    path, header, tensors = checkpoint
    write_tensors(path, header | {"training": header["training"] | changes}, tensors)
    with pytest.raises(InputError, match="is damaged or is no model"):
        restored(path, digits)


def test_arrays_that_are_missing_misshapen_too_many_or_not_finite(checkpoint, digits):
    path, header, tensors = checkpoint
    params = tensors["encoder.params"]
    for name, array in (("encoder.params", params[1:]), ("encoder.params", params + np.inf),
                        ("training.encoder.m", params.astype(np.float64)), ("more", params)):
        write_tensors(path, header, tensors | {name: array})
        with pytest.raises(InputError, match=name):
            restored(path, digits)
    del tensors["training.decoder.v"]
    write_tensors(path, header, tensors)
    with pytest.raises(InputError, match="training.decoder.v"):
        restored(path, digits)


def test_a_model_that_announces_more_than_the_file_holds(checkpoint):
    """Refused before memory is taken: these networks would need terabytes."""
    path, header, tensors = checkpoint
    for change in ({"shape": [10**6, 10**6, 3]}, {"shape": [10**30, 1, 1]}, {"shape": [-1, 1, 1]},
                   {"settings": {"hidden": 10**6, "latent": 10**6}}, {"settings": {"hidden": 2.5}},
                   {"settings": []}, {"random_state": "x"}, {"random_state": -1}, {"dtype": "O"}):
        write_tensors(path, header | change, tensors)
        with pytest.raises(InputError) as refused:
            load(path)
        assert str(path) in str(refused.value)


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros(10**7))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", file.getvalue())
    with pytest.raises(InputError, match="arrays are larger than the file"):
        load(path)


@settings(max_examples=60,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_one_line_or_harmless(checkpoint, data):
    """Cut off, or with some bytes turned: refused, or (in an array's values) another model."""
    path, *_ = checkpoint
    whole = path.read_bytes()
    damaged = bytearray(whole[:data.draw(st.integers(0, len(whole)))]) \
        if data.draw(st.booleans()) else bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    other = path.with_name("damaged.npz")
    other.write_bytes(damaged)
    try:
        assert isinstance(load(other), Model)
    except InputError as error:
        assert "\n" not in str(error) and str(other) in str(error)


def test_a_failed_save_leaves_the_one_before(tmp_path, digits, tiny, monkeypatch):
    from avanet import files

    train(tiny, digits, tmp_path, [])
    path = next(tmp_path.glob("last.*"))
    before = path.read_bytes()
    log = (tmp_path / "log.jsonl").read_bytes()

    def full(file, data):
        file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_through", full)
    tiny.settings["epochs"] = 3
    with pytest.raises(InputError, match="No space left on device"):
        train(tiny, digits, tmp_path, [])
    assert path.read_bytes() == before
    assert (tmp_path / "log.jsonl").read_bytes().startswith(log)
    assert not list(tmp_path.glob(".*partial"))


def test_a_run_with_a_damaged_checkpoint(a_run, refused):
    path = next(a_run.glob("last.*"))
    path.write_bytes(path.read_bytes()[:1000])
    told = refused("train", "--run", a_run, "--epochs", "3")
    assert f"{path} is damaged" in told and "--fresh to start anew" in told
