"""`avanet reproduce variants`: the survey's GAN variants (Secs. 3.9.3-3.9.7), each with its number.

Each model is a training run (`avanet.train`) in a folder of its own, which goes on bit for bit
after any stop, and so is the judge, a classifier that names classes and gives features. Pictures,
tables and verdicts are made of these folders alone.
"""

import sys
from pathlib import Path
from typing import Any

from avanet.data import Dataset, load_dataset
from avanet.errors import InputError
from avanet.experiments import variants_report
from avanet.experiments.running import found, slug
from avanet.experiments.survey import Request
from avanet.experiments.variants_scores import Trained, measure
from avanet.files import write_whole
from avanet.folder import read_lines
from avanet.models import model_class
from avanet.models.base import Model
from avanet.progress import duration
from avanet.train.callbacks import SamplePictures, ShowProgress, WriteCSV
from avanet.train.loop import seconds_per_step, train

# Of the convolutional GANs; the survey's DCGAN has 64. LAPGAN, whose convolutions keep the image's
# size, has half as many: its steps then take about as long.
WIDTHS = {"quick": 8, "default": 16, "paper": 64}
IMAGES = {  # that each training sees
    "judge": {"quick": 60_000, "default": 120_000, "paper": 300_000},
    "cgan": {"quick": 60_000, "default": 1_500_000, "paper": 6_000_000},
    "cdcgan": {"quick": 60_000, "default": 240_000, "paper": 3_000_000},
    "dcgan": {"quick": 60_000, "default": 120_000, "paper": 3_000_000},
    "lapgan": {"quick": 60_000, "default": 120_000, "paper": 3_000_000},
    "aae": {"quick": 60_000, "default": 480_000, "paper": 3_000_000},
    "aae-mixture": {"quick": 60_000, "default": 480_000, "paper": 3_000_000},
    "aae-labels": {"quick": 60_000, "default": 480_000, "paper": 3_000_000},
    "bigan": {"quick": 60_000, "default": 720_000, "paper": 6_000_000},
}


def reproduce(request: Request) -> None:
    """Train what is not trained yet, then write pictures and tables, and print the tables.

    Raises
    ------
    InputError
        For bad input, or a folder that cannot be used.
    KeyboardInterrupt
        Once a checkpoint is written; its text says how to go on.
    """
    dataset = load_dataset(request.data or found(("mnist",), request.data_dir)[0],
                           root=request.data_dir)
    if dataset.n_classes < 2:
        raise InputError(f"{dataset.source} has no classes: give --data with images of classes")
    ending = "" if request.scale == "default" else f"-{request.scale}"
    out = Path(request.out or f"runs/variants-{slug(dataset.source)}{ending}")
    models = models_of(request.scale, dataset)
    tell_time(models, dataset, out, request.fresh)
    given = {"data": dataset.source, "data_dir": request.data_dir, "size": None}
    for name, model in models.items():
        train(model, dataset, out / name, [ShowProgress(), WriteCSV(), SamplePictures()],
              fresh=request.fresh, given=given)
    scores = measure({name: Trained.read(out / name) for name in models}, dataset)
    files = variants_report.report(scores, dataset.source, request.scale)
    for name, content in files.items():
        write_whole(out / name, content)
    print(variants_report.summary(scores, dataset.source, request.scale))
    print(f"written to {out}: {', '.join(files)}")


def models_of(scale: str, dataset: Dataset) -> dict[str, Model]:
    """The model of every training by its name, none of them started."""
    told = {"classes": dataset.n_classes}
    settling = {"schedule": "cosine"}
    narrow = settling | {"width": WIDTHS[scale], "batch": 32, "rate": 1e-3}
    plane = settling | {"latent": 2}  # codes that a figure can show
    petals = plane | {"prior": "mixture"} | told
    settings: dict[str, tuple[str, dict[str, Any]]] = {
        "judge": ("classifier", told),
        "cgan": ("cgan", told),
        "cdcgan": ("cdcgan", narrow | told),
        "dcgan": ("dcgan", narrow | {"rate": 5e-4}),
        "lapgan": ("lapgan", narrow | {"width": WIDTHS[scale] // 2}),
        "aae": ("aae", plane),
        "aae-mixture": ("aae", petals),
        "aae-labels": ("aae", petals | {"labels": True}),
        "bigan": ("bigan", settling | {"rate": 6e-4}),
    }
    images = len(dataset["train"])
    return {name: model_class(model)(
        epochs=-(-IMAGES[name][scale] // images), **given)
        for name, (model, given) in settings.items()}


def tell_time(models: dict[str, Model], dataset: Dataset, out: Path, fresh: bool) -> None:
    """Say how long the epochs that are left will take, from a few steps of each model."""
    split, seconds = dataset["train"], 0.0
    for name, model in models.items():
        done = 0 if fresh else len(read_lines(out / name / "log.jsonl")[0])
        if epochs := max(model.config.epochs - done, 0):
            model.start(dataset.shape)
            steps = epochs * -(-len(split) // model.batch_size(split))
            seconds += steps * seconds_per_step(model, split)
    if seconds:
        print(f"{len(models)} trainings in {out}: about {duration(seconds)} in all",
              file=sys.stderr, flush=True)
