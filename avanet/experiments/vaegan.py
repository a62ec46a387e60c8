"""`avanet reproduce vaegan`: Tables 1-4 and Figures 10, 12, 14-17 of the VAE-GAN paper.

A cell is one model with one setting and one seed, trained for ten epochs and scored after each.
The tables' cells are the plain and the denoising model, normal and with batch norm, over the seeds.
What the paper leaves open for the denoising ones is searched for on a grid (folder `search`, fewer
epochs); the nearest setting's cells stand in Tables 3 and 4.
"""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avanet.data import Dataset, Split, load_dataset
from avanet.data.batches import Batches
from avanet.environment import environment
from avanet.errors import InputError, unknown_name
from avanet.experiments import vaegan_report
from avanet.experiments.running import (
    DataRequest, check_protocol, check_seed, data_of, found, outcome, slug, tell_estimate,
    tell_of_other_versions, workers,
)
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import Outcome, run_cells
from avanet.experiments.vaegan_cells import (
    KEY, PLAIN, SCALES, SEARCH_EPOCHS, Cell, cell_of, codes_name, list_cells, picture_name,
    plane_name, search_cells,
)
from avanet.experiments.vaegan_published import COLUMNS
from avanet.models import model_class
from avanet.plots import image_grid
from avanet.progress import Progress
from avanet.train.use import plane

# Checksum of MNIST, which the published values are for.
MNIST = "0ce58f990928a6ec3c9365d678181946af1c2f217981261f0675ca3dd22ac97b"
PICTURED = 10     # test images in a row of a picture
CODED = 2000      # test images whose codes are kept of a model with a plane of codes
PLANE_SIDE, REACH = 15, 2.0  # images across the plane of codes, and how far it goes
TIMED = 2         # steps that the estimate is made from, after one


@dataclass(frozen=True)
class Task:
    """What every cell shares."""

    train: Split
    test: Split
    epochs: int


def reproduce(request: DataRequest) -> None:
    """Run what is missing in the output folder, then write tables, figures and pictures.

    Raises
    ------
    InputError
        For bad input, or a folder that cannot be used.
    KeyboardInterrupt
        With the number of cells kept as its text.
    """
    seeds, epochs, searched = SCALES[request.scale]
    dataset = load_dataset(request.data or found(("mnist",), request.data_dir)[0],
                           root=request.data_dir)
    ending = "-quick" if request.scale == "quick" else ""
    out = Path(request.out or f"runs/vaegan-{slug(dataset.source)}{ending}")
    with workers(request.scheduler, request.jobs) as (pool, jobs), RunFolder(out, KEY) as folder, \
            RunFolder(out / "search", KEY) as search:
        for part, length in ((folder, epochs), (search, SEARCH_EPOCHS)):
            run = part.open_run(protocol_of(dataset, length), environment() | {
                "data": dataset.source, "data_dir": request.data_dir}, request.fresh)
        tell_of_other_versions(run)
        wanted = list_cells(request.seeds or seeds)
        trial = search_cells() if searched else []
        _estimate(dataset, [(folder, wanted, epochs), (search, trial, SEARCH_EPOCHS)], jobs)
        for part, cells, length in ((search, trial, SEARCH_EPOCHS), (folder, wanted, epochs)):
            if not cells:
                continue
            with Progress() as progress:
                run_cells(cells, work, part, jobs, shared=task(dataset, length),
                          progress=progress, pool=pool)
        with folder.counted():
            vaegan_report.write(folder, search, request.scale, dataset.source,
                                dataset.checksum == MNIST)


def task(dataset: Dataset, epochs: int) -> Task:
    """What the cells share."""
    return Task(dataset["train"], dataset["test"], epochs)


def protocol_of(dataset: Dataset, epochs: int) -> dict[str, Any]:
    """What two runs must have in common for their cells to stand in one folder."""
    return {"experiment": "vaegan", "data": dataset.checksum, "epochs": epochs}


def task_of(run: dict, place: str | None = None) -> Task:
    """What the cells of a recorded run share; `place` is where the data is now.

    Raises
    ------
    InputError
        If the data is not there or is another.
    """
    epochs = run["protocol"].get("epochs")
    dataset = data_of(run, place) if type(epochs) is int else None
    if dataset is None:
        raise InputError("run.json does not say where the data is, or for how many epochs")
    check_protocol(run, protocol_of(dataset, epochs))
    return task(dataset, epochs)


def check_cell(cell: Cell) -> None:
    """InputError unless `work` knows the cell."""
    names = dict.fromkeys(model for model, _ in COLUMNS)
    if cell["model"] not in names:
        raise unknown_name("model", cell["model"], names)
    model_of(cell).config
    check_seed(cell)


def work(cell: Cell, task: Task) -> Outcome:
    """Train and score one cell."""
    return outcome(Course(cell, task))


class Course:
    """One cell's training: its model, its batches, and what is known of it so far.

    Attributes
    ----------
    line : dict
        The cell and, epoch by epoch, `average` (the mean over batches of the loss summed over the
        batch), `test` (the loss of a test image as the model takes it, noisy for a denoising
        model) and `test_clean` (of the test image itself).
    files : dict of name -> bytes
        Pictures after every epoch, of the first seed.
    """

    def __init__(self, cell: Cell, task: Task):
        self.cell, self.task = cell, task
        self.model = model_of(cell).start(task.train.images.shape[1:])
        self.batches = self.model.batches(task.train)
        self.line: dict[str, Any] = cell | {"test": [], "test_clean": [], "average": []}
        self.files: dict[str, bytes] = {}

    def run(self) -> None:
        for _ in range(self.task.epochs):
            self.epoch()
        self.end()

    def epoch(self) -> None:
        """Train for an epoch, then score."""
        model, test = self.model, self.task.test
        losses = [len(batch.x) * total(model.step(batch)) for batch in self.batches]
        self.line["average"].append(float(np.mean(losses)))
        self.line["test"].append(test_loss(model, test, model.corrupt()))
        self.line["test_clean"].append(test_loss(model, test, ()))
        if self.cell["seed"] == 0:
            name = picture_name(self.cell, len(self.line["test"]))
            self.files[name] = picture(model, test)

    def end(self) -> None:
        """Keep what Figs. 15 and 16 show of a model with a plane of codes."""
        if self.cell["latent"] == 2:
            self.files[codes_name(self.cell)] = codes(self.model, self.task.test)
            self.files[plane_name(self.cell)] = image_grid(
                plane(self.model, PLANE_SIDE, REACH), PLANE_SIDE, 0)


def model_of(cell: Cell):
    """The model of a cell, not yet started."""
    settings = {name: cell[name] for name in ("batch_norm", "latent", "hidden", "rate")}
    if cell["model"].startswith("denoising"):
        settings["noise"] = cell["noise"]
    return model_class(cell["model"])(random_state=cell["seed"], **settings)


def total(losses: Mapping[str, float]) -> float:
    """What encoder and decoder minimise."""
    return losses["reconstruction"] + losses["kl"] + losses["adversarial"]


def test_loss(model, test: Split, corrupt) -> float:
    """Reconstruction error and KL of an image, its code the mean, in evaluation mode."""
    rng = np.random.default_rng(0)
    size = min(model.config.batch, len(test))
    parts = [len(batch.x) * sum(model.evaluate(batch, rng).values())
             for batch in Batches(test, size, rng, model.prepare(), corrupt, shuffle=False)]
    return float(sum(parts) / len(test))


def picture(model, test: Split) -> bytes:
    """A row of test images, of what the encoder sees of them if it is another, of x'; a PNG."""
    rng = np.random.default_rng(0)
    batch = next(iter(Batches(test, PICTURED, rng, model.prepare(), model.corrupt(), False)))
    rows = [batch.target] if batch.x is batch.target else [batch.target, batch.x]
    rows.append(model.reconstruct(batch.x))
    return image_grid(np.concatenate(rows), PICTURED)


def codes(model, test: Split) -> bytes:
    """mu of test images and their labels; an npz."""
    mu, _ = model.encode(test.read(slice(CODED)))
    labels = np.zeros(0, np.int64) if test.labels is None else test.labels[:CODED]
    file = io.BytesIO()
    np.savez(file, mu=mu, labels=labels)
    return file.getvalue()


def _estimate(dataset: Dataset, parts, jobs: int) -> None:
    """Say how long the missing cells will take, from a few steps of one model."""
    epochs = [length for part, cells, length in parts for cell in cells
              if part.key_of(cell) not in part.results]
    if not epochs:
        return
    model = model_of(cell_of("vaegan", True, PLAIN)).start(dataset.shape)
    batches = model.batches(dataset["train"])
    batch = next(iter(batches))
    model.step(batch)
    begun = time.perf_counter()
    for _ in range(TIMED):
        model.step(batch)
    seconds = (time.perf_counter() - begun) / TIMED * len(batches)
    tell_estimate(seconds * sum(epochs) / len(epochs), len(epochs), jobs)
