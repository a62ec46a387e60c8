"""`avanet reproduce savae`: Figs. 7-10 of the semi-supervised adversarial VAE, claims as numbers.

Step 1 (encoder and classifier) is a cell of its own for each data set, K_z and seed; what it leaves
is kept in the folder, and the cells over beta and gamma train their decoders against it. A cell
that is run again without the folder trains its step 1 first, from the same seed: to the same bits.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from avanet.data import Dataset, Split
from avanet.data.named import locate
from avanet.environment import environment
from avanet.errors import InputError
from avanet.experiments import savae_report
from avanet.experiments.running import (
    DataRequest, check_protocol, check_seed, found, outcome, slug, some, tell_estimate,
    tell_of_other_versions, workers,
)
from avanet.experiments.savae_cells import (
    KEY, PAIRS_DATA, PLANE, SCALES, Cell, Scale, file_name, first_cells, first_of,
    grid_cells, is_first, pairs_cell, settings_of,
)
from avanet.experiments.savae_data import learnt
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import Outcome, run_cells
from avanet.metrics import judge, sharpness, squared_error
from avanet.models.classifier import Classifier
from avanet.models.savae import SAVAE
from avanet.plots import image_grid
from avanet.progress import Progress
from avanet.tensors import Tensors, not_ours
from avanet.train.loop import seconds_per_step
from avanet.train.use import codes, npz, pairs_picture, plane, reconstructed

TESTED = 500     # test images that are reconstructed, and whose codes are drawn
SHOWN = 40       # test images of Fig. 9
PLANE_SIDE, REACH = 15, 2.0  # images across the plane of codes, and how far it goes


@dataclass(frozen=True)
class Material:
    """A data set as the cells use it, and who else judges its classes; of Fig. 10's, nobody."""

    train: Split
    test: Split
    classes: int
    judge: Classifier | None


@dataclass(frozen=True)
class Task:
    """What every cell shares; `first` is what each step 1 has left, by its key."""

    scale: Scale
    sets: Mapping[str, Material]
    first: dict[tuple, Tensors] = field(default_factory=dict)


def reproduce(request: DataRequest) -> None:
    """Run what is missing in the output folder, then write tables, figures and verdicts.

    Raises
    ------
    InputError
        For bad input, or a folder that cannot be used.
    KeyboardInterrupt
        With the number of cells kept as its text.
    """
    scale, seeds = SCALES[request.scale], request.seeds or 1
    sources = [request.data] if request.data else found(scale.sets, request.data_dir)
    pairs = not request.data and locate(PAIRS_DATA, request.data_dir) is not None
    asked = [*sources, PAIRS_DATA] if pairs else sources
    datasets = {slug(source): learnt(source, request.data_dir) for source in asked}
    grid = [slug(source) for source in sources]
    first, second = first_cells(grid, seeds), grid_cells(scale, grid, seeds)
    if pairs:
        first, second = [*first, first_of(pairs_cell())], [pairs_cell(), *second]
    ending = "" if request.scale == "default" else f"-{request.scale}"
    out = request.out or f"runs/savae-{'-'.join(grid)}{ending}"
    with workers(request.scheduler, request.jobs) as (pool, jobs), RunFolder(out, KEY) as folder:
        run = folder.open_run(protocol_of(datasets, request.scale), environment() | {
            "data": asked, "data_dir": request.data_dir}, request.fresh)
        tell_of_other_versions(run)
        shared = task(datasets, scale)
        missing = [cell for cell in first + second if folder.key_of(cell) not in folder.results]
        if missing:
            tell_estimate(seconds_of_a_cell(shared, missing), len(missing), jobs)
        for cells in first, second:
            with Progress() as progress:
                run_cells(cells, work, folder, jobs, shared=shared, progress=progress, pool=pool)
            shared.first.update(kept_tensors(folder, first))
        with folder.counted():
            savae_report.write(folder, request.scale, {name: datasets[name] for name in grid})


def task(datasets: Mapping[str, Dataset], scale: Scale) -> Task:
    """What the cells share."""
    return Task(scale, {
        name: Material(dataset["train"], some(dataset.splits.get("test", dataset["train"]), TESTED),
                       dataset.n_classes, judge(dataset) if name != PAIRS_DATA else None)
        for name, dataset in datasets.items()})


def kept_tensors(folder: RunFolder, cells: list[Cell]) -> dict[tuple, Tensors]:
    """What each step 1 has left in the folder."""
    tensors = {}
    for cell in cells:
        name = file_name(cell, "networks")
        if data := folder.read(name):
            with not_ours(folder.path / name), np.load(io.BytesIO(data)) as file:
                tensors[folder.key_of(cell)] = dict(file)
    return tensors


def protocol_of(datasets: Mapping[str, Dataset], scale: str) -> dict[str, Any]:
    """What two runs must have in common for their cells to stand in one folder."""
    return {"experiment": "savae", "scale": scale, **SCALES[scale].protocol,
            "data": {name: dataset.checksum for name, dataset in datasets.items()}}


def task_of(run: dict, place: str | None = None) -> Task:
    """What the cells of a recorded run share; `place` is where the data is now: the root of the
    named sets, or a run's only set.

    Raises
    ------
    InputError
        If the data is not there or is another, or the protocol is not this module's.
    """
    begun, scale = run.get("environment"), run["protocol"].get("scale")
    sources = begun.get("data") if isinstance(begun, dict) else None
    if scale not in SCALES or not isinstance(sources, list) \
            or not all(isinstance(source, str) for source in sources):
        raise InputError("run.json does not say where the data is, or at which scale")
    root = begun.get("data_dir")
    places = [place] if place and len(sources) == 1 else sources
    datasets = {slug(source): learnt(at, place or root) for source, at in zip(sources, places)}
    check_protocol(run, protocol_of(datasets, scale))
    return task(datasets, SCALES[scale])


def check_cell(cell: Cell) -> None:
    """InputError unless `work` knows the cell."""
    if not isinstance(cell["data"], str):
        raise InputError(f"expected the name of a data set, got {cell['data']!r}")
    SAVAE(**settings_of(cell, SCALES["quick"], 2)).config
    check_seed(cell)


def work(cell: Cell, task: Task) -> Outcome:
    """Train and score one cell."""
    return outcome(Course(cell, task))


class Course:
    """One cell's training: its model, its batches, and what is known of it so far.

    Attributes
    ----------
    line : dict
        The cell and, after the training, its scores.
    files : dict of name -> bytes
        What step 1 leaves; pictures, of the first seed.
    """

    def __init__(self, cell: Cell, task: Task):
        if cell["data"] not in task.sets:
            raise InputError(f"the run has no data {cell['data']!r}")
        self.cell, self.task, self.material = cell, task, task.sets[cell["data"]]
        train = self.material.train
        self.steps = task.scale.steps(cell, len(train))
        self.model = SAVAE(random_state=cell["seed"], **settings_of(
            cell, task.scale, self.material.classes)).start(train.images.shape[1:], self.steps)
        self.batches = self.model.batches(train)
        self.line: dict[str, Any] = dict(cell)
        self.files: dict[str, bytes] = {}

    def run(self) -> None:
        self.train()
        self.score()

    def train(self) -> None:
        """All steps; of a decoder against what step 1 has left."""
        if not is_first(self.cell):
            self.model.adopt(self.first_tensors())
        while self.model.n_steps_ < self.steps:
            for batch in self.batches:
                self.model.step(batch)
                if self.model.n_steps_ == self.steps:
                    return

    def first_tensors(self) -> Tensors:
        """Of the step 1 that this cell begins with; trained now if nobody has."""
        cell = first_of(self.cell)
        key = tuple(cell[name] for name in KEY)
        if key not in self.task.first:
            course = Course(cell, self.task)
            course.train()
            self.task.first[key] = course.model.first_tensors()
        return self.task.first[key]

    def score(self) -> None:
        """What a trained model is judged by."""
        if is_first(self.cell):
            self.score_first()
        else:
            self.score_second()

    def score_first(self) -> None:
        """Of step 1: the share of test images whose class is named rightly, and the KL."""
        test, model = self.material.test, self.model
        found = codes(model, test)
        mu, var = found["mu"], found["var"]
        kl = (mu * mu + var - 1 - np.log(var)).sum(axis=1) / 2
        self.line |= {"kept": self.kept(test.read(slice(None))), "kl": float(kl.mean()),
                      "judge": self.judged(test.read(slice(None)))}
        self.files[file_name(self.cell, "networks")] = npz(model.first_tensors())
        if self.cell["seed"] == 0 and mu.shape[1] == PLANE:
            self.files[file_name(self.cell, "codes")] = npz(
                {"mu": mu, "labels": found["labels"]})

    def score_second(self) -> None:
        """Of step 2: class consistency, sharpness relative to the images', error of a pixel."""
        images = self.material.test.read(slice(None))
        again = reconstructed(self.model, images)
        self.line |= {
            "kept": self.kept(again), "judge": self.judged(again),
            "sharpness": float(sharpness(again).mean() / sharpness(images).mean()),
            "squared_error": float(squared_error(again, images).mean())}
        if self.cell["seed"] == 0:
            self.draw(images[:SHOWN], again[:SHOWN])

    def kept(self, images: np.ndarray) -> float:
        """The share of images of which Class(mu) is the test image's class."""
        return self._share(self.model.classify, images)

    def judged(self, images: np.ndarray) -> float | None:
        """The same by the independent judge, if there is one."""
        judge = self.material.judge
        return None if judge is None else self._share(judge.probabilities, images)

    def _share(self, probabilities, images) -> float:
        named = np.concatenate([probabilities(images[at:at + 250]).argmax(axis=1)
                                for at in range(0, len(images), 250)])
        return float((named == self.material.test.labels).mean())

    def draw(self, images: np.ndarray, again: np.ndarray) -> None:
        """Reconstructions, framed in red where Class says another class; the plane of codes."""
        wrong = self.model.classify(again).argmax(axis=1) != self.material.test.labels[:SHOWN]
        self.files[file_name(self.cell, "images")] = image_grid(framed(images), 10, 0)
        self.files[file_name(self.cell, "reconstructions")] = image_grid(
            framed(again, wrong), 10, 0)
        self.files[file_name(self.cell, "pairs")] = pairs_picture(images[:16], again[:16])
        if self.cell["latent"] == PLANE:
            self.files[file_name(self.cell, "plane")] = image_grid(
                plane(self.model, PLANE_SIDE, REACH), PLANE_SIDE, 0)


def framed(images: np.ndarray, red: np.ndarray | None = None) -> np.ndarray:
    """Images in RGB with a frame of two pixels, white or, where `red`, red."""
    images = images if images.shape[3] == 3 else images[..., :1]
    n, height, width, _ = images.shape
    sheet = np.ones((n, height + 4, width + 4, 3), images.dtype)
    if red is not None:
        sheet[red, :, :, 1:] = 0
    sheet[:, 2:-2, 2:-2] = images
    return sheet


def seconds_of_a_cell(task: Task, cells: list[Cell]) -> float:
    """How long one of the cells takes in the mean, from a few steps of each step of one of them."""
    total = 0.0
    for kind in True, False:
        of_kind = [cell for cell in cells if is_first(cell) == kind]
        if of_kind:
            total += len(of_kind) * seconds_of(Course(of_kind[0], task))
    return total / len(cells)


def seconds_of(course: Course) -> float:
    """A cell's training and its scoring, which is about as long as learning from the images."""
    scored = len(course.material.test) / course.batches.size
    return seconds_per_step(course.model, course.material.train) * (course.steps + scored)
