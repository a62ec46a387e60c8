"""`avanet reproduce` alone: every table and figure of the five papers, and where each stands."""

from pathlib import Path
from typing import NamedTuple

from avanet.experiments.verdicts import Found, last_found
from avanet.tables import DASH, Table, terminal

RUNS = Path("runs")  # where reproductions write unless told otherwise
DRAWING = "a drawing"


class Item(NamedTuple):
    """A table or a figure of a paper; `experiment` re-makes it, unless it is a mere drawing."""

    name: str
    shows: str
    experiment: str | None = None


# Minutes at the scales quick, default and paper, about, on two cores.
MINUTES = {
    "bm": (0.5, 4, 16),
    "survey": (15, 60, 3300),
    "gan-theory": (3, 30, 420),
    "vaegan": (1, 25, 60),
    "variants": (6, 40, 1700),
    "overview": (2, 15, 720),
    "savae": (4, 25, 8300),
}

PAPERS = {
    "AVA": (
        Item("Figures 1-4", "the networks, as graphs"),
        Item("Table 1", "BM at the rates 1 to 0.1", "bm"),
        Item("Table 2", "BM at the rates 0.09 to 0.01", "bm"),
        Item("Table 3", "BM: mean, maximum, minimum, SD", "bm"),
        Item("Figure 5", "Table 3 as curves", "bm"),
    ),
    "Survey of VAE and GAN": (
        Item("Figures 1-5", "latent variables, the ELBO, networks"),
        Item("Figure 6", "Algorithm 1: does it reach p_data?", "gan-theory"),
        Item("Figure 7", "p_data, p_G and D while Algorithm 1 runs", "gan-theory"),
        Item("Sec. 3.7", "D* and C(G) in numbers", "gan-theory"),
        Item("Figures 8, 9", "LAPGAN and the adversarial autoencoder, as graphs"),
        Item("Sec. 3.9.3", "LAPGAN beside DCGAN", "variants"),
        Item("Sec. 3.9.5", "conditional GANs: samples of a class", "variants"),
        Item("Sec. 3.9.6", "BiGAN: images and reconstructions", "variants"),
        Item("Sec. 3.9.7", "adversarial autoencoders: codes and their plane", "variants"),
        Item("Figure 10", "samples of the VAE, MNIST", "survey"),
        Item("Figure 11", "samples of the DCGAN, MNIST", "survey"),
        Item("Figure 12", "samples of the VAE, Fashion-MNIST", "survey"),
        Item("Figure 13", "samples of the DCGAN, Fashion-MNIST", "survey"),
        Item("Sec. 4.2", "unsteady GAN, blurred VAE", "survey"),
    ),
    "VAE-GAN": (
        Item("Figures 1-9", "networks and the algorithm"),
        Item("Figure 10", "reconstructions", "vaegan"),
        Item("Table 1", "test loss; Figure 11 has its ten epochs", "vaegan"),
        Item("Table 2", "average loss; Figure 11 has its ten epochs", "vaegan"),
        Item("Figure 12", "denoised images after epoch 1", "vaegan"),
        Item("Table 3", "denoising, test loss; Figure 13 has its ten epochs", "vaegan"),
        Item("Table 4", "denoising, average loss; Figure 13 likewise", "vaegan"),
        Item("Figure 14", "denoised images, more dimensions", "vaegan"),
        Item("Figure 15", "two-dimensional codes", "vaegan"),
        Item("Figure 16", "images over the plane of codes", "vaegan"),
        Item("Figure 17", "Tables 1-4 as curves", "vaegan"),
        Item("Claim", "batch norm lowers the loss at every epoch", "vaegan"),
    ),
    "Overview of VAEs": (
        Item("Figure 1", "samples of AE, VAE, beta-VAE, beta-TCVAE", "overview"),
        Item("Figure 2", "traversals of the four", "overview"),
        Item("Sec. VI-B", "disentangling, error, meaningless samples", "overview"),
    ),
    "Semi-supervised adversarial VAE": (
        Item("Figures 1-6", "networks, the method, images of the data sets"),
        Item("Figure 7", "two-dimensional codes", "savae"),
        Item("Figure 8", "images over the plane of codes", "savae"),
        Item("Figure 9", "reconstructions: data, K_z, beta, gamma", "savae"),
        Item("Figure 10", "CIFAR-10 and its reconstructions", "savae"),
        Item("Sec. 3.4", "three regimes of beta, gamma restores the class", "savae"),
    ),
}


def show() -> None:
    """Print the items, and what their reproductions take."""
    found = last_found(RUNS)
    print(terminal(items_table(found)))
    print(terminal(minutes_table(found)))


def items_table(found: dict[str, Found]) -> Table:
    """A row for each table and figure: the command that re-makes it, and its last verdict."""
    rows = [(paper if not k else "", item.name, item.shows, command(item), verdict(item, found))
            for paper, items in PAPERS.items() for k, item in enumerate(items)]
    return Table("Tables and figures of the papers",
                 ("paper", "", "shows", "command", "last verdict here"), rows, 5,
                 f"Verdicts are of the newest folder of each reproduction in {RUNS}/, at the scale "
                 "and on the data that the second table names.")


def command(item: Item) -> str:
    """What re-makes an item."""
    return f"avanet reproduce {item.experiment}" if item.experiment else DRAWING


def verdict(item: Item, found: dict[str, Found]) -> str:
    """What the last run found of an item."""
    if item.experiment is None:
        return DASH
    if item.experiment not in found:
        return "not run"
    return found[item.experiment].verdicts.get(item.name, "not in this run")


def minutes_table(found: dict[str, Found]) -> Table:
    """A row for each reproduction: its time at each scale, and of what kind the last run was."""
    rows = [(f"avanet reproduce {name}",
             f"{found[name].scale}, {found[name].data}" if name in found else "not run",
             *map(duration, minutes)) for name, minutes in MINUTES.items()]
    return Table("Reproductions, and about how long they take on two cores", (
        "command", "last run here", "--scale quick", "default", "paper"), rows, 2,
        "Each says before it starts what it will take on this machine, and goes on where it was "
        "stopped.")


def duration(minutes: float) -> str:
    """Minutes or hours."""
    return f"{minutes:g} min" if minutes < 120 else f"{minutes / 60:.0f} h"
