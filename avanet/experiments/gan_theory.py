"""`avanet reproduce gan-theory`: the theory of GANs as numbers on one-dimensional toys.

Three kinds of cells, each told apart by KEY:

exact           D* and C(G) by quadrature, nothing is trained
discriminator   a dense network, trained on samples of p_data and p_G, against D*
algorithm       Algorithm 1, k steps of D for one of G, both losses of G: does p_G reach p_data?

Source: the survey, Sec. 3.7 and Algorithm 1; Goodfellow et al., "Generative adversarial nets",
2014.
"""

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from avanet.environment import environment
from avanet.errors import InputError
from avanet.experiments import gan_theory_report
from avanet.experiments.gan_toys import (
    GRID, STEP, TARGETS, TOYS, Mixture, best_reply, binned_jsd, jsd, optimal_logit, value,
)
from avanet.experiments.running import (
    SweepRequest, tell_estimate, tell_of_other_versions, workers,
)
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import Outcome, run_cells
from avanet.experiments.verdicts import verdicts_file
from avanet.models.adversarial_losses import GENERATOR_LOSSES, tell_apart
from avanet.nn import Adam, Dense, Logistic, Momentum, NonFiniteError, Sequential, Tanh
from avanet.nn.schedules import SCHEDULES
from avanet.plots import MissingExtra
from avanet.progress import Progress

KEY = ("what", "toy", "loss", "k", "seed")
STEPS = (1, 5)        # k
BATCH, HIDDEN = 128, 32
ADAM_RATE, RATE, MOMENTUM = 1e-2, 0.1, 0.5
EDGES = np.linspace(-5, 5, 101)
COSINE = SCHEDULES["cosine"]
Z = 4000              # points of z whose images make the histogram of p_G
MARKS = 21            # moments of Algorithm 1 that are kept


@dataclass(frozen=True)
class Scale:
    """Updates of the trained discriminator and of the generator, and seeds."""

    discriminator: int
    generator: int
    seeds: int


SCALES = {"quick": Scale(500, 500, 1), "default": Scale(4000, 2000, 3),
          "paper": Scale(20_000, 20_000, 5)}


def reproduce(request: SweepRequest) -> None:
    """Run what is missing in the output folder, then write table, figure and verdicts.

    Raises
    ------
    InputError
        For a folder that cannot be used.
    KeyboardInterrupt
        With the number of cells kept as its text.
    """
    scale = SCALES[request.scale]
    cells = list_cells(request.seeds or scale.seeds)
    other = "" if request.scale == "default" else f"-{request.scale}"
    with workers(request.scheduler, request.jobs) as (pool, jobs), \
            RunFolder(request.out or f"runs/gan-theory{other}", KEY) as folder:
        run = folder.open_run(protocol_of(request.scale), environment(), request.fresh)
        tell_of_other_versions(run)
        missing = [cell for cell in cells if folder.key_of(cell) not in folder.results]
        if missing:
            tell_estimate(seconds_of(missing[len(missing) // 2], scale), len(missing), jobs)
        with Progress() as progress:
            lines = run_cells(cells, work, folder, jobs, shared=scale, progress=progress, pool=pool)
        files = gan_theory_report.tables(lines)
        try:
            files |= gan_theory_report.figures(lines, centres(), EDGES[1] - EDGES[0])
        except MissingExtra as missing_extra:
            print(f"note: {missing_extra}", file=sys.stderr)
        files |= verdicts_file("gan-theory", request.scale, "toys",
                               gan_theory_report.found(lines, files))
        for name, content in files.items():
            folder.write(name, content)
        print(gan_theory_report.summary(lines, request.scale))
        print(f"written to {folder.path}: {', '.join(files)}")


def list_cells(seeds: int) -> list[dict[str, Any]]:
    """The cells: exact ones once, trained ones for each seed."""
    exact = [("exact", toy, None, None, 0) for toy in TOYS]
    trained = [("discriminator", toy, None, None, seed) for toy in TOYS for seed in range(seeds)]
    algorithm = [("algorithm", toy, loss, k, seed) for toy in TARGETS for loss in GENERATOR_LOSSES
                 for k in STEPS for seed in range(seeds)]
    return [dict(zip(KEY, cell)) for cell in [*exact, *trained, *algorithm]]


def protocol_of(scale: str) -> dict[str, Any]:
    """What two runs must have in common for one to go on with the other."""
    updates = {"discriminator": SCALES[scale].discriminator, "generator": SCALES[scale].generator}
    return {"experiment": "gan-theory", "scale": scale, **updates, "batch": BATCH,
            "hidden": HIDDEN, "adam_rate": ADAM_RATE, "rate": RATE, "momentum": MOMENTUM}


def task_of(run: dict[str, Any], place: str | None) -> Scale:
    """The scale of a recorded run; InputError if its protocol is not this module's."""
    scale = run["protocol"].get("scale")
    if scale not in SCALES or protocol_of(scale) != run["protocol"]:
        raise InputError("this run was made by another protocol of gan-theory")
    return SCALES[scale]


def check_cell(cell: dict[str, Any]) -> None:
    """InputError for a cell that this experiment has not."""
    if dict(cell, seed=0) not in list_cells(1):
        raise InputError(f"gan-theory has no cell {cell}")


def seconds_of(cell: dict[str, Any], scale: Scale) -> float:
    """How long a cell takes at that scale, from a tenth of its updates."""
    few = Scale(max(scale.discriminator // 10, 1), max(scale.generator // 10, 1), 1)
    work(cell, Scale(1, 1, 1))  # which compiles the optimisers
    return 10 * work(cell, few).seconds


def work(cell: dict[str, Any], scale: Scale) -> Outcome:
    """One cell; a NaN or an overflow becomes the line's `stopped`."""
    start = time.perf_counter()
    rng = np.random.default_rng([cell["seed"], KINDS.index(cell["what"]), cell["k"] or 0])
    try:
        line = WORK[cell["what"]](cell, scale, rng)
    except NonFiniteError as error:
        line = {"stopped": str(error)}
    return Outcome(cell | line, time.perf_counter() - start)


# The three kinds of cells ---------------------------------------------------------------------

def exact(cell, scale, rng) -> dict[str, Any]:
    """C(G) = max_D V(G, D), by the best reply at every x and by the formula for D*, and the JSD."""
    log_p, log_q = (density.log_density(GRID) for density in TOYS[cell["toy"]])
    v = optimal_logit(log_p, log_q)
    seen = np.logaddexp(log_p, log_q) > -30  # where there is anything to tell apart
    off = np.abs(best_reply(log_p, log_q) - Logistic().f(v))[seen].max()
    return {"c": value(log_p, log_q, v), "jsd": jsd(log_p, log_q), "best_reply_error": float(off)}


def discriminator(cell, scale, rng) -> dict[str, Any]:
    """A network that has learnt from samples alone, held against D* by quadrature."""
    p, q = TOYS[cell["toy"]]
    log_p, log_q = p.log_density(GRID), q.log_density(GRID)
    network = dense("discriminator", rng)
    step, rate = Adam(), COSINE(scale.discriminator)
    for t in range(scale.discriminator):
        tell_apart(network, p.sample(BATCH, rng), q.sample(BATCH, rng), rng)
        step(network.params, network.grads, ADAM_RATE * rate(t))
        network.grads[:] = 0
    v = network.forward(GRID[:, None])[0][:, 0]
    best = Logistic().f(optimal_logit(log_p, log_q))
    weight = (np.exp(log_p) + np.exp(log_q)) / 2 * STEP
    off = np.sqrt((weight * (Logistic().f(v) - best)**2).sum())
    return {"v": value(log_p, log_q, v), "rms": float(off),
            "d": Logistic().f(network.forward(centres()[:, None])[0][:, 0]).tolist()}


def algorithm(cell, scale, rng) -> dict[str, Any]:
    """Algorithm 1: k steps of D up V, then one of G down; JSD(p_data || p_G) on the way."""
    p = TARGETS[cell["toy"]]
    players = dense("generator", rng), dense("discriminator", rng)
    optimisers, rate = (Momentum(MOMENTUM), Momentum(MOMENTUM)), COSINE(scale.generator)
    marks = np.linspace(0, scale.generator, MARKS).astype(int).tolist()
    found: dict[str, Any] = {"steps": marks, "jsd": [], "p_g": [], "d": []}
    for t in range(scale.generator + 1):
        if t in marks:
            masses = generated(players[0])
            found["jsd"].append(binned_jsd(p.masses(EDGES), masses))
            if t in (0, marks[MARKS // 8], scale.generator):
                found["p_g"].append(masses.tolist())
                v, _ = players[1].forward(centres()[:, None])
                found["d"].append(Logistic().f(v[:, 0]).tolist())
        if t < scale.generator:
            update(players, optimisers, RATE * rate(t), p, cell, rng)
    return found


def update(players, optimisers, rate: float, p: Mixture, cell, rng) -> None:
    """One round of Algorithm 1, every step on samples of its own."""
    generator, judge = players
    for _ in range(cell["k"]):
        fake, _ = generator.forward(rng.standard_normal((BATCH, 1)))
        tell_apart(judge, p.sample(BATCH, rng), fake, rng)
        optimisers[1](judge.params, judge.grads, rate)
        judge.grads[:] = 0
    fake, caches = generator.forward(rng.standard_normal((BATCH, 1)))
    v, judge_caches = judge.forward(fake)
    _, dv = GENERATOR_LOSSES[cell["loss"]](v)
    generator.accumulate(judge.propagate(dv, judge_caches), caches)
    optimisers[0](generator.params, generator.grads, rate)
    generator.grads[:] = 0


WORK = {"exact": exact, "discriminator": discriminator, "algorithm": algorithm}
KINDS = list(WORK)


def dense(name: str, rng: np.random.Generator) -> Sequential:
    """A network 1-32-32-1 of tanh units, in float64: toys are cheap."""
    return Sequential([Dense(1, HIDDEN), Tanh(), Dense(HIDDEN, HIDDEN), Tanh(), Dense(HIDDEN, 1)],
                      rng, np.float64, name)


def centres() -> np.ndarray:
    """The middles of the bins."""
    return (EDGES[1:] + EDGES[:-1]) / 2


def generated(generator: Sequential) -> np.ndarray:
    """The probability of each bin under p_G, and of what lies outside, last.

    From the images of points that cut N(0, 1) into equal parts, found from its distribution
    function on a grid.
    """
    fine = np.linspace(-6, 6, 6001)
    cdf = np.cumsum(np.exp(-fine**2 / 2))
    z = np.interp((np.arange(Z) + 0.5) / Z, cdf / cdf[-1], fine)
    x = generator.forward(z[:, None])[0][:, 0]
    counts, _ = np.histogram(x, EDGES)
    return np.append(counts, Z - counts.sum()) / Z
