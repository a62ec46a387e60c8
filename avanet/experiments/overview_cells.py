"""The cells of `avanet reproduce overview`: which model, beta and likelihood, and how trained."""

from typing import Any, NamedTuple

KEY = ("model", "beta", "sigma", "seed")
Cell = dict[str, Any]

AE, VAE, BETA_VAE, BETA_TCVAE = MODELS = (
    "overview-ae", "overview-vae", "overview-beta-vae", "overview-beta-tcvae")
PAPER_BETAS = {AE: None, VAE: 1.0, BETA_VAE: 5.0, BETA_TCVAE: 20.0}
SQUARED, PROGRAM = 0.5**0.5, 0.01  # sigma: -log p is ||x - x'||^2 as the text has it, 5000 times it


class Scale(NamedTuple):
    """How the models of a scale are built and trained.

    steps : updates, or 0 for the paper's 30 epochs
    betas : those besides the paper's, of beta-VAE and beta-TCVAE
    program : whether the models are trained with the program's sigma too, on one seed
    """

    width: int
    latent: int
    batch: int
    rate: float
    steps: int
    betas: tuple[float, ...]
    seeds: int
    program: bool

    @property
    def settings(self) -> dict[str, Any]:
        """Of a model."""
        return {"width": self.width, "latent": self.latent, "batch": self.batch,
                "rate": self.rate, "epochs": 30}


SCALES = {
    "quick": Scale(8, 10, 32, 1e-3, 250, (), 1, False),
    "default": Scale(8, 10, 32, 1e-3, 1000, (5.0, 20.0), 3, True),
    "paper": Scale(64, 32, 128, 1e-4, 0, (2.0, 5.0, 10.0, 20.0), 3, True),
}


def list_cells(scale: Scale, seeds: int) -> list[Cell]:
    """All cells: of the paper's figures first, those of a seed before those of the next."""
    paper = [cell_of(model) for model in MODELS]
    others = [cell_of(model, beta) for model in (BETA_VAE, BETA_TCVAE) for beta in scale.betas]
    program = [cell_of(model, sigma=PROGRAM) for model in MODELS[1:]] if scale.program else []
    first = list({tuple(cell.values()): cell for cell in [*paper, *others]}.values())
    return [*(cell | {"seed": seed} for seed in range(seeds) for cell in first), *program]


def cell_of(model: str, beta: float | None = None, sigma: float = SQUARED, seed: int = 0) -> Cell:
    """A cell from its parts; beta is the paper's unless given, an autoencoder has no sigma."""
    return {"model": model, "beta": PAPER_BETAS[model] if beta is None else beta,
            "sigma": None if model == AE else sigma, "seed": seed}


def settings_of(cell: Cell, scale: Scale) -> dict[str, Any]:
    """The settings of a cell's model."""
    settings = dict(scale.settings)
    if cell["sigma"] is not None:
        settings["scale"] = cell["sigma"]
    if cell["model"] in (BETA_VAE, BETA_TCVAE):
        settings["beta"] = cell["beta"]
    return settings


def named(cell: Cell) -> str:
    """A cell for a reader: the model and its beta."""
    name = {AE: "AE", VAE: "VAE", BETA_VAE: "β-VAE", BETA_TCVAE: "β-TCVAE"}[cell["model"]]
    return f"{name}, β {cell['beta']:g}" if cell["model"] in (BETA_VAE, BETA_TCVAE) else name


def picture_name(cell: Cell, what: str) -> str:
    """File of a picture of a cell of the first seed: samples, traversal or reconstructions."""
    sigma = "" if cell["sigma"] is None else f"-sigma{cell['sigma']:.3g}"
    beta = "" if cell["beta"] is None else f"-beta{cell['beta']:g}"
    return f"pictures/{cell['model']}{beta}{sigma}-{what}.png"
