"""The tables, the figures and the verdicts of `avanet reproduce gan-theory`, from result lines."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from avanet.experiments.gan_toys import GRID, LOG_4, TARGETS, TOYS, optimal_logit
from avanet.experiments.verdicts import drawn, held
from avanet.nn import Logistic
from avanet.plots import Curve, curves
from avanet.tables import Table, documents, number, terminal

Line = Mapping[str, Any]

EXACT = 1e-10     # quadrature
REPLY = 1e-6      # golden sections
LEARNT = 0.02     # a trained discriminator: root mean square of D - D*
REACHED = 0.02    # nats of JSD(p_data || p_G) after Algorithm 1; the start is about log 2 = 0.69


def of_kind(lines: Sequence[Line], what: str) -> list[Line]:
    """The lines of that kind that did not stop."""
    return [line for line in lines if line["what"] == what and "stopped" not in line]


def criterion_table(lines: Sequence[Line]) -> Table:
    """C(G) beside both right-hand sides."""
    rows = [(line["toy"], number(line["c"], 6), number(line["jsd"], 6),
             number(line["jsd"] - LOG_4, 6), number(2 * line["jsd"] - LOG_4, 6),
             f"{abs(line['c'] - line['jsd'] + LOG_4):.1e}",
             f"{abs(line['c'] - 2 * line['jsd'] + LOG_4):.1e}") for line in of_kind(lines, "exact")]
    return Table("The criterion C(G) = max_D V(G, D), by quadrature",
                 ("toy", "C(G)", "JSD", "−log 4 + JSD", "−log 4 + 2 JSD", "error as printed",
                  "corrected"), rows,
                 note="The survey prints −log 4 + JSD; Goodfellow's identity, whose JSD is the "
                      "mean of two divergences from the mixture, has 2 JSD. JSD in nats.")


def discriminator_table(lines: Sequence[Line]) -> Table:
    """A trained discriminator beside the optimal one: medians and extremes over seeds."""
    exact = {line["toy"]: line for line in of_kind(lines, "exact")}
    rows = []
    for toy, c in ((toy, line["c"]) for toy, line in exact.items()):
        own = [line for line in of_kind(lines, "discriminator") if line["toy"] == toy]
        if own:
            rms = [line["rms"] for line in own]
            gaps = [c - line["v"] for line in own]
            rows.append((toy, number(median(rms)), number(max(rms)), number(median(gaps), 6),
                         number(min(gaps), 6), str(len(own))))
    return Table("A trained discriminator against D* = p_data / (p_data + p_G)",
                 ("toy", "RMS of D − D*", "largest", "C(G) − V(G, D)", "smallest", "seeds"), rows,
                 note="RMS under (p_data + p_G) / 2. V of the trained D is integrated too: no D "
                      "may exceed C(G), so the last gaps are positive.")


def algorithm_table(lines: Sequence[Line]) -> Table:
    """JSD(p_data || p_G) before and after Algorithm 1."""
    rows = []
    for name, own in runs(lines).items():
        end = [line["jsd"][-1] for line in own]
        rows.append((*name, number(median(line["jsd"][0] for line in own)), number(median(end)),
                     number(max(end)), number(median(min(line["jsd"]) for line in own)),
                     str(len(own))))
    return Table("Algorithm 1: JSD(p_data || p_G) in nats", (
        "p_data", "loss of G", "k", "at the start", "at the end", "worst seed", "least on the way",
        "seeds"), rows, labels=3,
        note="k discriminator steps for one of the generator, momentum; medians over seeds. JSD of "
             "binned probabilities, a lower bound; log 2 = 0.6931 is the most there can be.")


def runs(lines: Sequence[Line]) -> dict[tuple[str, str, str], list[Line]]:
    """The runs of Algorithm 1 by toy, loss and k."""
    found: dict[tuple[str, str, str], list[Line]] = {}
    for line in of_kind(lines, "algorithm"):
        found.setdefault((line["toy"], line["loss"], str(line["k"])), []).append(line)
    return found


def verdicts(lines: Sequence[Line]) -> Table:
    """Each statement of Sec. 3.7: holds or fails, with its number."""
    exact, trained = of_kind(lines, "exact"), of_kind(lines, "discriminator")
    c_of = {line["toy"]: line["c"] for line in exact}
    printed = max(abs(line["c"] - line["jsd"] + LOG_4) for line in exact)
    corrected = max(abs(line["c"] - 2 * line["jsd"] + LOG_4) for line in exact)
    reply = max(line["best_reply_error"] for line in exact)
    equal = abs(c_of["equal"] + LOG_4)
    least = min(c for toy, c in c_of.items() if toy != "equal") + LOG_4
    rows = [
        ("D* = p_data / (p_data + p_G) maximises V", reply < REPLY, f"error {reply:.1e}"),
        ("C(G) = −log 4 + JSD, as printed", printed < EXACT, f"error {printed:.4f}"),
        ("C(G) = −log 4 + 2 JSD, corrected", corrected < EXACT, f"error {corrected:.1e}"),
        ("C(G) = −log 4 at p_G = p_data", equal < EXACT, f"error {equal:.1e}"),
        ("C(G) > −log 4 elsewhere", least > 0, f"by {least:.4f} or more")]
    if trained:
        rms = max(line["rms"] for line in trained)
        gap = min(c_of[line["toy"]] - line["v"] for line in trained)
        rows += [("a trained D comes to D*", rms < LEARNT, f"RMS {rms:.4f} at most"),
                 ("no trained D exceeds C(G)", gap > -EXACT, f"below by {gap:.1e} or more")]
    for (toy, loss, k), own in runs(lines).items():
        end = median(line["jsd"][-1] for line in own)
        rows.append((f"Algorithm 1 brings p_G to p_data: {toy}, {loss}, k = {k}", end < REACHED,
                     f"JSD {end:.4f}"))
    stopped = sum("stopped" in line for line in lines)
    note = f"{stopped} runs stopped for NaN or overflow." if stopped else ""
    return Table("Verdicts", ("statement", "", "number"),
                 [(text, "holds" if good else "FAILS", shown) for text, good, shown in rows],
                 labels=2, note=note)


def found(lines: Sequence[Line], files: Iterable[str]) -> dict[str, str]:
    """The verdicts of Sec. 3.7 counted, Algorithm 1's by themselves, and the figure's."""
    rows = verdicts(lines).rows
    algorithm = [row[1] for row in rows if row[0].startswith("Algorithm 1")]
    identities = [row[1] for row in rows if not row[0].startswith("Algorithm 1")]
    return {"Figure 6": held(algorithm), "Sec. 3.7": held(identities),
            **drawn(files, {"Figure 7": "algorithm1.png"})}


def all_tables(lines: Sequence[Line]) -> list[Table]:
    """The tables in the order of the report."""
    return [criterion_table(lines), discriminator_table(lines), algorithm_table(lines),
            verdicts(lines)]


def tables(lines: Sequence[Line]) -> dict[str, bytes]:
    """tables.md, tables.csv, tables.tex."""
    found = all_tables(lines)
    rows = [("table", "row", "column", "value")]
    rows += [(table.title, " ".join(row[:table.labels]), column, cell) for table in found
             for row in table.rows
             for column, cell in zip(table.header[table.labels:], row[table.labels:])]
    return documents("The theory of GANs in numbers", found, rows)


def summary(lines: Sequence[Line], scale: str) -> str:
    """The end summary for the terminal."""
    return "\n".join([*map(terminal, all_tables(lines)), f"scale: {scale}"])


def figures(lines: Sequence[Line], x: np.ndarray, width: float) -> dict[str, bytes]:
    """discriminator, algorithm1 (the survey's Figure 7) and jsd, as PNG and SVG.

    x : the middles of the bins of the lines' `d` and `p_g`, `width` their width.
    Raises MissingExtra without matplotlib.
    """
    return (curves("discriminator", _discriminators(lines, x), "x", "density, D", columns=3)
            | curves("algorithm1", _stages(lines, x, width), "x", "density, D", columns=3)
            | curves("jsd", _ways(lines), "updates of G", "JSD, nats"))


def _discriminators(lines, x) -> dict[str, list[Curve]]:
    panels = {}
    for toy, pair in TOYS.items():
        log_p, log_q = (np.interp(x, GRID, density.log_density(GRID)) for density in pair)
        panel = [Curve("p_data", x, np.exp(log_p), 0), Curve("p_G", x, np.exp(log_q), 3),
                 Curve("D*", x, Logistic().f(optimal_logit(log_p, log_q)), 1)]
        own = [line for line in of_kind(lines, "discriminator") if line["toy"] == toy]
        panels[toy] = panel + [Curve("D trained", x, line["d"], 6, True) for line in own[:1]]
    return panels


def _stages(lines, x, width) -> dict[str, list[Curve]]:
    """p_data, p_G and D at the start, early and at the end, of the first seed with k = 5."""
    panels = {}
    for (toy, loss, k), own in runs(lines).items():
        if (loss, k) != ("non-saturating", "5"):
            continue
        p = np.exp(TARGETS[toy].log_density(x))
        for stage, p_g, d in zip(("start", "early", "end"), own[0]["p_g"], own[0]["d"]):
            panels[f"{toy}: {stage}"] = [
                Curve("p_data", x, p, 0), Curve("D", x, d, 1, True),
                Curve("p_G", x, np.minimum(np.array(p_g[:-1]) / width, 2), 3)]
    return panels


def _ways(lines) -> dict[str, list[Curve]]:
    """The JSD on the way, medians over seeds, a panel for each p_data."""
    panels: dict[str, list[Curve]] = {}
    for (toy, loss, k), own in runs(lines).items():
        panel = panels.setdefault(toy, [])
        middle = np.median([line["jsd"] for line in own], axis=0)
        panel.append(Curve(f"{loss}, k = {k}", own[0]["steps"], middle, 1 + len(panel)))
    return panels
