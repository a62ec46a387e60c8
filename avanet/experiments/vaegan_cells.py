"""The cells of `avanet reproduce vaegan`: which settings stand in which table and figure."""

from collections.abc import Mapping
from typing import Any

from avanet.experiments.vaegan_published import COLUMNS, EPOCHS

KEY = ("model", "batch_norm", "latent", "hidden", "noise", "rate", "seed")
Cell = dict[str, Any]
Setting = Mapping[str, Any]

PLAIN: Setting = {"latent": 20, "hidden": 0, "noise": 0.0, "rate": 0.01}  # Tables 1 and 2
DENOISING: Setting = {**PLAIN, "latent": 10, "noise": 0.8}                # Tables 3, 4: d^2 = 100
HIGH: Setting = {**PLAIN, "latent": 23, "noise": 0.8}                     # Fig. 14: d^2 = 529
PLANE: Setting = {**PLAIN, "latent": 2, "hidden": 400}                    # Figs. 15 and 16
GRID = [{**PLAIN, "latent": latent, "noise": noise, "rate": rate}         # of the search
        for latent in (10, 20)
        for noise, rate in ((0.3, 0.01), (0.5, 0.01), (0.8, 0.01), (1.0, 0.01), (0.8, 0.003))]
SEARCH_EPOCHS = 4
# seeds, epochs, whether the grid is searched
SCALES = {"quick": (1, 2, False), "default": (5, EPOCHS, True), "paper": (11, EPOCHS, True)}


def setting_of(model: str) -> Setting:
    """The setting of a model in the tables."""
    return DENOISING if model.startswith("denoising") else PLAIN


def cell_of(model: str, batch_norm: bool, setting: Setting, seed: int = 0) -> Cell:
    """A cell from its parts, its fields in the order of `KEY`."""
    return {"model": model, "batch_norm": batch_norm, **setting, "seed": seed}


def list_cells(seeds: int) -> list[Cell]:
    """The cells of tables and figures, all of a seed before those of the next."""
    tables = [cell_of(model, norm, setting_of(model), seed)
              for seed in range(seeds) for model, norm in COLUMNS]
    figures = [cell_of("vaegan", norm, PLANE) for norm in (False, True)]
    return [*tables, *figures, cell_of("denoising-vaegan", True, HIGH)]


def search_cells() -> list[Cell]:
    """The cells of the search for what the paper leaves open for the denoising model."""
    return [cell_of("denoising-vaegan", norm, setting) for setting in GRID
            for norm in (False, True)]


def stem(cell: Cell) -> str:
    """A cell, whatever its seed, as a file name."""
    norm = "batch-norm" if cell["batch_norm"] else "normal"
    return f"{cell['model']}-{norm}-d{cell['latent']}-noise{cell['noise']:g}-rate{cell['rate']:g}"


def picture_name(cell: Cell, epoch: int) -> str:
    """File of test images and their reconstructions after an epoch."""
    return f"pictures/{stem(cell)}-epoch{epoch}.png"


def codes_name(cell: Cell) -> str:
    """File of the codes of test images."""
    return f"codes/{stem(cell)}.npz"


def plane_name(cell: Cell) -> str:
    """File of the images over the plane of codes."""
    return f"pictures/{stem(cell)}-plane.png"
