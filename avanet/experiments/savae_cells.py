"""The cells of `avanet reproduce savae`: which data, code, beta and gamma, and how trained.

A cell without beta and gamma is step 1 alone, which all cells of its data, K_z and seed begin with.
"""

from typing import Any, NamedTuple

KEY = ("data", "latent", "beta", "gamma", "seed")
Cell = dict[str, Any]

LATENTS, GAMMAS = (2, 100), (0.0, 0.1)
PLANE = 2                                             # the K_z that is drawn
PAIRS = {"latent": 100, "beta": 0.001, "gamma": 0.0}  # of Fig. 10
PAIRS_DATA, PAIRS_ALPHA = "cifar10", 1.0
PAPER_SETS = ("mnist", "omniglot", "caltech101-silhouettes", "fashion-mnist")


class Training(NamedTuple):
    """How a step is trained, by Adam, its rate falling to 0 by a cosine.

    length : updates, or epochs if the scale counts them
    """

    batch: int
    rate: float
    length: int


class Scale(NamedTuple):
    """How the models of a scale are built and trained: step 1 and step 2."""

    width: int
    hidden: int
    first: Training
    second: Training
    epochs: bool
    betas: tuple[float, ...]
    sets: tuple[str, ...]

    def training(self, cell: Cell) -> Training:
        """Of the step that the cell is."""
        return self.first if is_first(cell) else self.second

    def steps(self, cell: Cell, images: int) -> int:
        """Updates with so many training images."""
        batch, _, length = self.training(cell)
        return length * (-(-images // min(batch, images)) if self.epochs else 1)

    @property
    def protocol(self) -> dict[str, Any]:
        """What is recorded of how the cells are trained."""
        return {"width": self.width, "hidden": self.hidden, "first": list(self.first),
                "second": list(self.second), "epochs": self.epochs}


SCALES = {
    "quick": Scale(4, 32, Training(16, 2e-3, 300), Training(8, 4e-3, 100), False,
                   (0.0, 0.005, 0.5), PAPER_SETS[:1]),
    "default": Scale(4, 64, Training(16, 2e-3, 1000), Training(8, 1e-3, 1000), False,
                     (0.0, 0.005, 0.1, 0.5), (PAPER_SETS[0], PAPER_SETS[3])),
    "paper": Scale(16, 256, Training(128, 1e-3, 10), Training(128, 1e-3, 10), True,
                   (0.0, 0.001, 0.003, 0.005, 0.01, 0.1, 0.5), PAPER_SETS),
}


def first_cells(sets: list[str], seeds: int) -> list[Cell]:
    """Step 1 of all data sets, both K_z and all seeds."""
    return [first_of({"data": name, "latent": latent, "seed": seed})
            for seed in range(seeds) for name in sets for latent in LATENTS]


def grid_cells(scale: Scale, sets: list[str], seeds: int) -> list[Cell]:
    """Fig. 9: all data sets, K_z, beta and gamma, those of a seed before those of the next."""
    return [{"data": name, "latent": latent, "beta": beta, "gamma": gamma, "seed": seed}
            for seed in range(seeds) for name in sets for latent in LATENTS
            for beta in scale.betas for gamma in GAMMAS]


def pairs_cell() -> Cell:
    """Fig. 10."""
    return {"data": PAIRS_DATA, **PAIRS, "seed": 0}


def first_of(cell: Cell) -> Cell:
    """The step 1 that a cell begins with."""
    return {"data": cell["data"], "latent": cell["latent"], "beta": None, "gamma": None,
            "seed": cell["seed"]}


def is_first(cell: Cell) -> bool:
    """Whether a cell is step 1 alone."""
    return cell["beta"] is None


def settings_of(cell: Cell, scale: Scale, classes: int) -> dict[str, Any]:
    """The settings of a cell's model."""
    batch, rate, _ = scale.training(cell)
    settings = {"width": scale.width, "hidden": scale.hidden, "batch": batch, "rate": rate,
                "schedule": "cosine", "latent": cell["latent"], "classes": classes}
    if is_first(cell):
        return settings | {"first": 1.0}
    if cell["data"] == PAIRS_DATA:
        settings["alpha"] = PAIRS_ALPHA
    return settings | {"first": 0.0, "beta": cell["beta"], "gamma": cell["gamma"]}


def file_name(cell: Cell, what: str) -> str:
    """File of a cell: the tensors or codes of step 1, or a picture."""
    place = "step1" if is_first(cell) else "pictures"
    weights = "" if is_first(cell) else f"-beta{cell['beta']:g}-gamma{cell['gamma']:g}"
    ending = "npz" if is_first(cell) else "png"
    return f"{place}/{cell['data']}-{cell['latent']}{weights}-seed{cell['seed']}-{what}.{ending}"
