"""`avanet reproduce overview`: Figs. 1 and 2 of the overview, and its claims as numbers.

A cell is one model with one beta, one likelihood scale sigma and one seed, trained and then scored:
reconstruction error, the parts of the KL, MIG, SAP and DCI, the Frechet distance of its samples.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from avanet.data import Dataset, Split, load_dataset
from avanet.data.named import locate
from avanet.environment import environment
from avanet.errors import InputError, unknown_name
from avanet.experiments import overview_report
from avanet.experiments.overview_cells import (
    BETA_TCVAE, KEY, MODELS, SCALES, Cell, Scale, cell_of, list_cells, picture_name, settings_of,
)
from avanet.experiments.running import (
    DataRequest, check_protocol, check_seed, data_of, outcome, slug, some, tell_estimate,
    tell_of_other_versions, workers,
)
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import Outcome, run_cells
from avanet.metrics import (
    dci, frechet_distance, kl_parts, mig, nearest, sap, sharpness,
)
from avanet.metrics.pictures import pooled, squared_error
from avanet.models import model_class
from avanet.plots import image_grid
from avanet.progress import Progress
from avanet.train.loop import seconds_per_step
from avanet.train.use import codes, pairs_picture, reconstructed, traversals

SCORED = 2000    # training images whose codes are scored, and samples
TESTED = 500     # test images that are reconstructed; also of the parts on the way
MARKS = 10       # moments of the training at which the parts are estimated
SHOWN = 16       # samples of a picture
REACH = 6.0      # of a traversal, as in the paper
ROWS, ALONG = 6, 9  # dimensions and images of a traversal


@dataclass(frozen=True)
class Task:
    """What every cell shares: the scale, the images to learn from, some to score, some to test."""

    scale: Scale
    train: Split
    scored: Split
    test: Split


def reproduce(request: DataRequest) -> None:
    """Run what is missing in the output folder, then write tables, figures and verdicts.

    Raises
    ------
    InputError
        For bad input, or a folder that cannot be used.
    KeyboardInterrupt
        With the number of cells kept as its text.
    """
    scale = SCALES[request.scale]
    dataset = load_dataset(request.data or default_data(request), root=request.data_dir)
    ending = "" if request.scale == "default" else f"-{request.scale}"
    cells = list_cells(scale, request.seeds or scale.seeds)
    shared = task(dataset, scale)
    out = request.out or f"runs/overview-{slug(dataset.source)}{ending}"
    with workers(request.scheduler, request.jobs) as (pool, jobs), RunFolder(out, KEY) as folder:
        run = folder.open_run(protocol_of(dataset, request.scale), environment() | {
            "data": dataset.source, "data_dir": request.data_dir}, request.fresh)
        tell_of_other_versions(run)
        missing = [cell for cell in cells if folder.key_of(cell) not in folder.results]
        if missing:
            tell_estimate(seconds_of_a_cell(shared), len(missing), jobs)
        with Progress() as progress:
            run_cells(cells, work, folder, jobs, shared=shared, progress=progress, pool=pool)
        with folder.counted():
            overview_report.write(folder, request.scale, dataset)


def default_data(request: DataRequest) -> str:
    """At the paper's scale CelebA, if it is there; else the bundled faces."""
    if request.scale != "paper":
        return "faces"
    if locate("celeba", request.data_dir):
        return "celeba"
    print("note: celeba not found (--data-dir or AVANET_DATA): running on faces, the bundled set",
          file=sys.stderr)
    return "faces"


def task(dataset: Dataset, scale: Scale) -> Task:
    """What the cells share."""
    train = dataset["train"]
    return Task(scale, train, some(train, SCORED), some(dataset.splits.get("test", train), TESTED))


def protocol_of(dataset: Dataset, scale: str) -> dict[str, Any]:
    """What two runs must have in common for their cells to stand in one folder."""
    return {"experiment": "overview", "data": dataset.checksum, "scale": scale,
            **SCALES[scale].settings, "steps": SCALES[scale].steps}


def task_of(run: dict, place: str | None = None) -> Task:
    """What the cells of a recorded run share; `place` is where the data is now.

    Raises
    ------
    InputError
        If the data is not there or is another, or the protocol is not this module's.
    """
    scale = run["protocol"].get("scale")
    dataset = data_of(run, place) if scale in SCALES else None
    if dataset is None:
        raise InputError("run.json does not say where the data is, or at which scale")
    check_protocol(run, protocol_of(dataset, scale))
    return task(dataset, SCALES[scale])


def check_cell(cell: Cell) -> None:
    """InputError unless `work` knows the cell."""
    if cell["model"] not in MODELS:
        raise unknown_name("model", cell["model"], MODELS)
    model_class(cell["model"])(**settings_of(cell, SCALES["quick"])).config
    check_seed(cell)


def work(cell: Cell, task: Task) -> Outcome:
    """Train and score one cell."""
    return outcome(Course(cell, task))


class Course:
    """One cell's training: its model, its batches, and what is known of it so far.

    Attributes
    ----------
    line : dict
        The cell; `steps`, and at each of them `error` and the `parts` of the KL (`MARKS` moments);
        and the scores after the last.
    files : dict of name -> bytes
        Pictures, of the first seed.
    """

    def __init__(self, cell: Cell, task: Task):
        self.cell, self.task = cell, task
        model = model_class(cell["model"])(random_state=cell["seed"],
                                           **settings_of(cell, task.scale))
        per_epoch = -(-len(task.train) // model.batch_size(task.train))
        self.steps = task.scale.steps or 30 * per_epoch
        self.model = model.start(task.train.images.shape[1:], self.steps)
        self.batches = model.batches(task.train)
        self.line: dict[str, Any] = cell | {"steps": [], "error": [], "parts": []}
        self.files: dict[str, bytes] = {}

    def run(self) -> None:
        self.train()
        self.score()

    def train(self) -> None:
        """All steps; error and parts on the way."""
        marks = np.linspace(0, self.steps, MARKS + 1).astype(int)[1:]
        while self.model.n_steps_ < self.steps:
            for batch in self.batches:
                self.model.step(batch)
                if self.model.n_steps_ in marks:
                    self.line["steps"].append(self.model.n_steps_)
                    self.line["error"].append(self.error())
                    self.line["parts"].append(self.parts(some(self.task.scored, TESTED)))
                if self.model.n_steps_ == self.steps:
                    return

    def error(self) -> float:
        """Mean squared error of a pixel of the test images."""
        images = self.task.test.read(slice(None))
        return float(squared_error(images, reconstructed(self.model, images)).mean())

    def parts(self, split: Split) -> list[float] | None:
        """Mutual information, total correlation and dimension-wise KL, if the code is random."""
        found = codes(self.model, split)
        if not found["var"].any():
            return None
        z = found["mu"] + np.sqrt(found["var"]) * np.random.default_rng(0).standard_normal(
            found["mu"].shape)
        each = kl_parts(found["mu"], found["var"], z, len(self.task.train))
        return [float(part.mean()) for part in each]

    def score(self) -> None:
        """What a trained model is judged by."""
        model, scored = self.model, self.task.scored
        samples, images = model.sample(len(scored)), scored.read(slice(None))
        real, fake = pooled(images), pooled(samples)
        self.line |= {
            "squared_error": self.error(), "kl_parts": self.parts(scored),
            "sharpness": float(sharpness(samples).mean()),
            "frechet": frechet_distance(real, fake),
            "distance": float(nearest(fake[:TESTED], real).mean())}
        mu = codes(model, scored)["mu"]
        if scored.labels is not None and scored.labels.ndim == 2 and mu.shape[1] > 1:
            self.line |= {"mig": mig(mu, scored.labels), "sap": sap(mu, scored.labels),
                          **dci(mu, scored.labels)._asdict()}
        if self.cell["seed"] == 0:
            self.draw(samples, mu)

    def draw(self, samples: np.ndarray, mu: np.ndarray) -> None:
        """Samples, the traversal of a test image along the dimensions that vary most, and test
        images above their reconstructions."""
        test = self.task.test
        images = test.read(np.linspace(0, len(test) - 1, min(8, len(test))).astype(int))
        most = np.argsort(-mu.var(axis=0))[:ROWS]
        along = traversals(self.model, images[-1:], most, np.linspace(-REACH, REACH, ALONG))[0]
        pictures = {"samples": image_grid(samples[:SHOWN], 4),
                    "traversal": image_grid(along.reshape(-1, *along.shape[2:]), ALONG),
                    "reconstructions": pairs_picture(images, reconstructed(self.model, images))}
        self.files = {picture_name(self.cell, what): png for what, png in pictures.items()}


def seconds_of_a_cell(task: Task) -> float:
    """How long a cell takes, from a few steps of the slowest model.

    Scoring an image takes about as long as learning from it.
    """
    course = Course(cell_of(BETA_TCVAE), task)
    scored = len(task.scored) + MARKS * len(task.test)
    return seconds_per_step(course.model, task.train) * (
        course.steps + scored / course.batches.size)
