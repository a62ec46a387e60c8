"""`avanet reproduce survey`: Figures 10-13 of the survey, VAE and DCGAN on two sets, and Sec. 4.2.

Each model on each set is a training run (`avanet.train`) in a folder of its own, which goes on
bit for bit after any stop; the pictures, the curves and the table are made of these folders alone.
"""

from dataclasses import dataclass
from pathlib import Path

from avanet.data import Dataset, load_dataset
from avanet.experiments import survey_report
from avanet.experiments.running import found, slug
from avanet.experiments.survey_report import STEPS
from avanet.experiments.verdicts import verdicts_file
from avanet.files import write_whole
from avanet.folder import Journal
from avanet.models import model_class
from avanet.train.callbacks import Callback, SamplePictures, ShowProgress, WriteCSV
from avanet.train.loop import train

MODELS = ("survey-vae", "dcgan")
EPOCHS = {"quick": (2, 1), "default": (10, 3), "paper": (10, 180)}  # of the models, in this order
SETS = ("mnist", "fashion-mnist")


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    data: str | None = None
    data_dir: str | None = None
    scale: str = "default"
    out: str = "runs/survey"
    fresh: bool = False


def reproduce(request: Request) -> None:
    """Train what is not trained yet, then write pictures, curves and table, and print the table.

    Raises
    ------
    InputError
        For bad input, or a folder that cannot be used.
    KeyboardInterrupt
        Once a checkpoint is written; its text says how to go on.
    """
    out = Path(request.out)
    sets = [load_dataset(name, root=request.data_dir)
            for name in ([request.data] if request.data else found(SETS, request.data_dir))]
    for dataset in sets:
        for name, epochs in zip(MODELS, EPOCHS[request.scale]):
            given = {"data": dataset.source, "data_dir": request.data_dir, "size": None}
            train(model_class(name)(epochs=epochs), dataset, run_folder(out, name, dataset),
                  [ShowProgress(), WriteCSV(), SamplePictures(), KeepSteps()],
                  fresh=request.fresh, given=given)
    runs = [survey_report.Trained.read(run_folder(out, name, dataset), dataset)
            for dataset in sets for name in MODELS]
    files = survey_report.report(runs)
    files |= verdicts_file("survey", request.scale, ", ".join(d.source for d in sets),
                           survey_report.verdicts(runs))
    for name, content in files.items():
        write_whole(out / name, content)
    print(survey_report.summary(runs))
    print(f"written to {out}: {', '.join(files)}")


def run_folder(out: Path, model: str, dataset: Dataset) -> Path:
    """Where a model's training on a set is kept."""
    return out / f"{model}-{slug(dataset.source)}"


class KeepSteps(Callback):
    """Every loss of every step, in `steps.jsonl`; what a stop has logged too much is cut off."""

    def __init__(self):
        self._journal = None

    def step(self, training, losses):
        if self._journal is None:
            self._journal = Journal(training.run.path / STEPS)
            self._journal.rewrite(self._journal.lines[:training.model.n_steps_ - 1])
        self._journal.append([{"step": training.model.n_steps_} | losses], training.kept())
