"""`avanet reproduce bm`: Tables 1-3 and Figure 5 of the AVA paper, published value beside ours.

A cell is one model at one rate under one rule set with one seed: train once through the images,
then score by BM. Its draws are keyed by (seed, model, rate), so that no cell depends on another.
With more than one seed every cell is run a second time with draws keyed by (seed, rate) alone:
models then share them, and the paper's rankings can be tested pairwise (folder `paired`).
"""

import io
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from avanet import data
from avanet.ava.balance import score, score_trivial
from avanet.ava.model import AVA, DivergedError
from avanet.ava.plans import RULE_SETS
from avanet.ava.protocol import Protocol
from avanet.ava.published import MODELS, RATES
from avanet.ava.warmup import prepare, warmup
from avanet.data.bundled import BUNDLED
from avanet.environment import environment
from avanet.errors import InputError, unknown_name
from avanet.experiments import bm_report
from avanet.experiments.running import (
    SweepRequest, tell_estimate, tell_of_other_versions, workers,
)
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import Outcome, run_cells
from avanet.experiments.verdicts import drawn, verdicts_file
from avanet.folder import first_difference
from avanet.nn import NonFiniteError
from avanet.plots import MissingExtra, contact_sheet, figure5
from avanet.progress import Progress

KEY = ("rules", "model", "rate", "seed")
SCALES = {"quick": ((1.0, 0.5, 0.1, 0.05, 0.01), 1), "default": (RATES, 3), "paper": (RATES, 12)}
AUTHORS_IMAGES = "6323d178f2b26db2b009642aeef4cec29fbc2250c5d6c9d18b057e832bd6319d"
LATENT_DIM, HIDDEN_DIM, PER_IMAGE = 10, 100, 10


@dataclass(frozen=True)
class Request(SweepRequest):
    """What the user asked for; None leaves the choice to `scale`."""

    data: str = "orbit"
    size: tuple[int, int] | None = None
    models: list[str] | None = None
    rates: list[float] | None = None
    rules: tuple[str, ...] | list[str] = ("as-run", "printed")


@dataclass(frozen=True)
class Task:
    """What every cell shares."""

    images: np.ndarray
    share_draws: bool


def reproduce(request: Request) -> None:
    """Run what is missing in the output folder, then write tables, figure and pictures.

    Raises
    ------
    InputError
        For bad input, or a folder that cannot be used.
    KeyboardInterrupt
        With the number of cells kept as its text.
    """
    cells = list_cells(request)
    images = data.load(request.data, request.size)
    if request.out == "":
        raise InputError("--out is empty: expected a folder")
    out = Path(request.out or f"runs/bm-{Path(request.data).resolve().name}")
    paired_cells = cells if len({cell["seed"] for cell in cells}) > 1 else []
    with workers(request.scheduler, request.jobs) as (pool, jobs), RunFolder(out, KEY) as folder, \
            RunFolder(out / "paired", KEY) as paired:
        run, _ = (part.open_run(protocol_of(images, part is paired),
                                environment() | {"data": _place(request.data)}, request.fresh)
                  for part in (folder, paired))
        tell_of_other_versions(run)
        missing = [cell for part, asked in ((folder, cells), (paired, paired_cells))
                   for cell in asked if part.key_of(cell) not in part.results]
        _estimate(missing, images.pixels, jobs)
        sweeps = [(folder, cells, False), (paired, paired_cells, True)]
        total = len(cells) + len(paired_cells)

        def done() -> int:
            return sum(part.key_of(cell) in part.results for part, asked, _ in sweeps
                       for cell in asked)

        try:
            with Progress() as progress:
                for part, asked, share_draws in sweeps:
                    elsewhere = done() - sum(part.key_of(cell) in part.results for cell in asked)
                    run_cells(asked, work, part, jobs, keep=keep_best, pool=pool,
                              shared=Task(images.pixels, share_draws),
                              progress=lambda here, _: progress(elsewhere + here, total))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"{done()} of {total} cells are kept; the same command goes on") from None
        with folder.counted():
            _report(folder, paired, images, request)


def protocol_of(images: data.ImageSet, draws_shared: bool) -> dict:
    """What two runs must have in common for their cells to stand in one folder."""
    return {
        "experiment": "bm", "size": list(images.pixels.shape[2:0:-1]),
        "n_images": len(images.pixels), "images": images.checksum, "latent_dim": LATENT_DIM,
        "hidden_dim": HIDDEN_DIM, "per_image": PER_IMAGE, "dtype": "float32",
        "training": asdict(Protocol()), "draws_shared": draws_shared,
    }


def _place(source: str) -> str:
    """Where the images are, whatever the working directory."""
    return source if source in BUNDLED else str(Path(source).resolve())


def list_cells(request: Request) -> list[dict]:
    """The cells that a request asks for.

    Raises
    ------
    InputError
        For an unknown model, rate or rule set, with the nearest known one.
    """
    rates, seeds = SCALES[request.scale]
    for kind, got, known in (("model", request.models or (), MODELS),
                             ("rule set", request.rules, RULE_SETS)):
        for name in got:
            if name not in known:
                raise unknown_name(kind, name, known)
    for rate in request.rates or ():
        if rate not in RATES:
            near = min(RATES, key=lambda known: abs(known - rate))
            raise InputError(f"unknown rate {rate:g}: did you mean {near:g}? the paper's are "
                             f"{', '.join(f'{known:g}' for known in RATES)}")
    return [{"rules": rules, "model": model, "rate": rate, "seed": seed}
            for rules in dict.fromkeys(request.rules)
            for model in dict.fromkeys(request.models or MODELS)
            for rate in dict.fromkeys(request.rates or rates)
            for seed in range(request.seeds or seeds)]


def task_of(run: dict, place: str | None = None) -> Task:
    """What the cells of a recorded run share; `place` is where the images are now.

    Raises
    ------
    InputError
        If the images are not there or are others, or this avanet has another protocol.
    """
    recorded, begun = run["protocol"], run.get("environment")
    source = place or (begun.get("data") if isinstance(begun, dict) else None)
    if not isinstance(source, str):
        raise InputError("run.json does not say where the images are; give --data")
    size = recorded.get("size")
    if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int for n in size)):
        raise InputError(f"run.json: expected size as two whole numbers, got {size!r}")
    images = data.load(source, (size[0], size[1]))
    share_draws = recorded.get("draws_shared") is True
    if found := first_difference(recorded, protocol_of(images, share_draws)):
        raise InputError(f"the run was made with {found[0]} = {found[1]!r}, here it is "
                         f"{found[2]!r}" + ("; give --data" if found[0] == "images" else ""))
    return Task(images.pixels, share_draws)


def check_cell(cell: dict) -> None:
    """InputError unless `work` knows the cell."""
    seed, known = cell["seed"], {"rules": RULE_SETS, "model": MODELS, "rate": RATES}
    for name, values in known.items():
        if cell[name] not in list(values):
            raise unknown_name(name, cell[name], map(str, values))
    if type(seed) is not int or seed < 0:
        raise InputError(f"expected a seed as a whole number of at least 0, got {seed!r}")


def work(cell: dict, task: Task) -> Outcome:
    """Train and score one cell; a NaN or an overflow becomes the line's `stopped`."""
    start = time.perf_counter()
    model_name, rate, seed = cell["model"], cell["rate"], cell["seed"]
    rng = generator(seed, None if task.share_draws else model_name, rate)
    line = cell | {"bm_abs": None, "bm_printed": None, "n_images": len(task.images)}
    files = {}
    try:
        model = AVA({"vae": "ava-vae", "gan": "ava-gan"}.get(model_name, model_name),
                    latent_dim=LATENT_DIM, hidden_dim=HIDDEN_DIM, rules=cell["rules"], rate=rate,
                    random_state=rng)
        result = score(model.fit(task.images), task.images, rng, PER_IMAGE)
        line |= {"bm_abs": result.balance.absolute, "bm_printed": result.balance.printed}
        if not task.share_draws:
            files[_best_name(cell)] = _png(result.best_image, result.best)
    except DivergedError as error:
        line["stopped"] = f"{name_of(cell)}, step {error.step}: NaN or overflow in {error.where}"
    except NonFiniteError as error:
        line["stopped"] = f"{name_of(cell)}, scoring: {error}"
    return Outcome(line, time.perf_counter() - start, files)


def name_of(cell: dict) -> str:
    """A cell as people say it."""
    return f"{cell['model']}, {cell['rules']}, rate {cell['rate']:g}, seed {cell['seed']}"


def generator(seed: int, model: str | None, rate: float) -> np.random.Generator:
    """The generator of a cell's draws; without a model, that of all models at this rate."""
    key = len(MODELS) if model is None else MODELS.index(model)
    return np.random.default_rng([seed, key, round(rate * 10**6)])


def keep_best(name: str, old: bytes | None, new: bytes) -> bytes:
    """Over seeds keep the image of higher BM; at a tie the smaller file content, in any order."""
    return new if old is None or (_bm_of(new), old) > (_bm_of(old), new) else old


def _best_name(cell) -> str:
    return f"best/{cell['rules']}/{cell['model']}-{cell['rate']:g}.png"


def _png(image: np.ndarray, bm: float) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("BM", repr(bm))
    file = io.BytesIO()
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _bm_of(png: bytes) -> float:
    with Image.open(io.BytesIO(png)) as image:
        return float(image.info["BM"])


def _estimate(missing, images, jobs) -> None:
    """Say how long the missing cells will take, from one of them; compile first if need be."""
    if not missing:
        return
    prepare("float32")
    warmup(("float32",))  # loads them
    seconds = work(missing[0], Task(images, False)).seconds
    tell_estimate(seconds, len(missing), jobs)


def _report(folder: RunFolder, paired: RunFolder, images, request: Request) -> None:
    """Write tables, figure and contact sheets from the folder's lines; print the summary."""
    results, shared = list(folder.results.values()), list(paired.results.values())
    authors = images.checksum == AUTHORS_IMAGES
    trivial = [(name, *bm) for name, bm in score_trivial(images.pixels).items()]
    files = bm_report.report(results, shared, authors_images=authors, trivial=trivial)
    try:
        files |= figure5(*bm_report.figure5_input(results))
    except MissingExtra as missing:
        old = "; figure5 shows an earlier state of this folder" \
            if folder.read("figure5.svg") else ""
        print(f"note: {missing}{old}", file=sys.stderr)
    for rules in dict.fromkeys(line["rules"] for line in results):
        if sheet := _contact_sheet(folder, rules):
            files[f"best/{rules}.png"] = sheet
    files |= verdicts_file("bm", request.scale, _place(request.data), {
        **bm_report.verdicts(results), **drawn(files, {"Figure 5": "figure5.png"})})
    for name, content in files.items():
        folder.write(name, content)
    print(bm_report.summary(results, shared, authors_images=authors))
    written = dict.fromkeys(name.partition("/")[0] for name in files)
    print(f"written to {folder.path}: {', '.join(written)}")


def _contact_sheet(folder: RunFolder, rules: str) -> bytes | None:
    """The best image of every model (across) at every rate (down)."""
    rates = [rate for rate in RATES for line in folder.results.values()
             if (line["rules"], line["rate"]) == (rules, rate)]
    images = []
    for rate in dict.fromkeys(rates):
        for model in MODELS:
            png = folder.read(_best_name({"rules": rules, "model": model, "rate": rate}))
            if png:
                with Image.open(io.BytesIO(png)) as image:
                    images.append((f"{model.upper()} {rate:g}", np.asarray(image)))
    return contact_sheet(images, columns=len(MODELS)) if images else None
