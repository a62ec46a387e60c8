"""Training that can be stopped at any moment, and using what it has left.

`train(model, dataset, folder)` goes through the epochs and keeps everything in a run folder;
called again, it goes on bit for bit as if it had never stopped. `open_run(folder)` gives the
trained model back.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avanet.train.callbacks import (
        Callback, EarlyStopping, KeepBest, SamplePictures, ShowProgress, WriteCSV,
    )
    from avanet.train.loop import Training, train
    from avanet.train.run import Run, open_run

_HOME = {"Callback": "callbacks", "EarlyStopping": "callbacks", "KeepBest": "callbacks",
         "Run": "run", "SamplePictures": "callbacks", "ShowProgress": "callbacks",
         "Training": "loop", "WriteCSV": "callbacks", "open_run": "run", "train": "loop"}
__all__ = list(_HOME)


def __getattr__(name: str):
    """Import on first use: the command line reads this package only to know its verbs."""
    if name in _HOME:
        return getattr(import_module(f"avanet.train.{_HOME[name]}"), name)
    raise AttributeError(f"module 'avanet.train' has no attribute {name!r}")
