"""Digits enough for a few steps, and a small run on them."""

import pytest

from avanet.cli import main
from avanet.data import Dataset, Split, load_dataset
from avanet.data.arrays import write_npz
from avanet.models import model_class
from avanet.train.callbacks import KeepBest, WriteCSV
from avanet.train.loop import train

TINY = {"epochs": 2, "batch": 32, "latent": 2, "hidden": 8}


@pytest.fixture(scope="session")
def digits():
    """The first 80 digits, 20 more for validation: three batches of 32 an epoch, the last short."""
    whole = load_dataset("digits")
    return Dataset("digits", {name: Split(whole[name].images[:n], whole[name].labels[:n], name)
                              for name, n in (("train", 80), ("test", 20))})


@pytest.fixture
def tiny():
    """A small model, not started."""
    return model_class("survey-vae")(random_state=3, **TINY)


@pytest.fixture
def data_file(tmp_path, digits):
    """The same digits as --data takes them."""
    path = tmp_path / "few.npz"
    write_npz(path, **{f"{key}_{name}": array for name, split in digits.splits.items()
                       for key, array in (("x", split.images), ("y", split.labels))})
    return path


@pytest.fixture
def a_run(tmp_path, data_file, digits, tiny):
    """The folder of a finished run of it."""
    given = {"data": str(data_file), "data_dir": None, "size": None}
    train(tiny, digits, tmp_path / "run", [WriteCSV(), KeepBest()], given=given)
    return tmp_path / "run"


@pytest.fixture
def refused(capsys):
    """What a refused command says, in one line."""
    def refuse(*arguments):
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        output, errors = capsys.readouterr()
        last = errors.splitlines()[-1]
        assert output == "" and last.startswith("avanet: ") and "Traceback" not in errors
        return last
    return refuse
