"""The claims of the AVA paper's section 3, tested over seeds, and what its program reveals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

from avanet.ava.published import MODELS, PUBLISHED, PUBLISHED_TABLE3, Table3, table3
from avanet.experiments.statistics import ALPHA, TTest, paired_t, welch_t
from avanet.tables import DASH, Table, number

Line = Mapping[str, Any]
Samples = Mapping[str, Mapping[int, Table3]]


@dataclass(frozen=True)
class Claim:
    """`statistic` of `model` is above (sign +1) or below (-1) that of every one of `rivals`.

    `or_equal` admits equal numbers. The statistic is a field of Table 3, taken per seed over the
    learning rates.
    """

    text: str
    statistic: str
    model: str
    sign: int
    rivals: tuple[str, ...]
    or_equal: bool = False

    def holds_in(self, column: Mapping[str, Table3]) -> bool:
        """Whether one Table 3 says so."""
        differences = [self.sign * (getattr(column[self.model], self.statistic)
                                    - getattr(column[rival], self.statistic))
                       for rival in self.rivals]
        return all(d > 0 or (self.or_equal and d == 0) for d in differences)


def _all_but(model: str) -> tuple[str, ...]:
    return tuple(other for other in MODELS if other != model)


CLAIMS = (
    Claim("AVA5: highest mean of all", "mean", "ava5", +1, _all_but("ava5")),
    Claim("mean: AVA5 > GAN", "mean", "ava5", +1, ("gan",)),
    Claim("mean: AVA1 > GAN", "mean", "ava1", +1, ("gan",)),
    Claim("mean: AVA2 > GAN", "mean", "ava2", +1, ("gan",)),
    Claim("AVA3: lowest mean of all", "mean", "ava3", -1, _all_but("ava3")),
    Claim("mean: AVA3 < VAE", "mean", "ava3", -1, ("vae",)),
    Claim("mean: AVA4 < VAE (\"all AVA variants\")", "mean", "ava4", -1, ("vae",)),
    Claim("maximum: AVA2 > GAN", "maximum", "ava2", +1, ("gan",)),
    Claim("maximum: AVA5 > GAN", "maximum", "ava5", +1, ("gan",)),
    Claim("minimum: AVA3 < VAE", "minimum", "ava3", -1, ("vae",)),
    Claim("minimum: AVA4 < VAE", "minimum", "ava4", -1, ("vae",)),
    Claim("SD: AVA1 < GAN", "sd", "ava1", -1, ("gan",)),
    Claim("SD: AVA2 < GAN", "sd", "ava2", -1, ("gan",)),
    Claim("SD: AVA3 ≤ VAE", "sd", "ava3", -1, ("vae",), or_equal=True),
    Claim("SD: AVA4 ≤ VAE", "sd", "ava4", -1, ("vae",), or_equal=True),
    Claim("AVA5: smallest SD of all", "sd", "ava5", -1, _all_but("ava5")),
)


TESTS = (f"{len(CLAIMS)} two-sided t-tests at 5 % each. SD: of one seed's difference. Seeds needed:"
         " to settle a difference of this size with a power of 80 %.")


def seed_table3(lines: Iterable[Line]) -> dict[str, dict[int, Table3]]:
    """Table 3 of every single seed, by model and seed, from the result lines of one rule set.

    A model's seed counts when it has a number at every rate that occurs in `lines`, so that all
    statistics are over the same rates; a stopped or missing cell leaves that seed out.
    """
    finished: dict[int, dict[tuple[str, float], float]] = {}
    rates = set()
    for line in lines:
        rates.add(line["rate"])
        if line["bm_abs"] is not None:
            finished.setdefault(line["seed"], {})[line["model"], line["rate"]] = line["bm_abs"]
    samples: dict[str, dict[int, Table3]] = {}
    for seed, cells in sorted(finished.items()):
        for model, column in table3(cells).items():
            if all((model, rate) in cells for rate in rates):
                samples.setdefault(model, {})[seed] = column
    return samples


class Outcome(NamedTuple):
    """A claim's verdict and the comparison that decides it: its rival and its test, if any.

    `difference` is the mean over seeds of model minus rival, known from one seed on.
    """

    claim: Claim
    verdict: str
    rival: str = ""
    difference: float = math.nan
    test: TTest | None = None


def evaluate(claim: Claim, samples: Samples, paired: bool) -> Outcome:
    """Test a claim against the rival that speaks most against it, two-sided at 5 %.

    holds: every comparison is settled in the claim's direction (each at 5 %, which needs no
    correction for their number). fails: one is settled in the other direction (at 5 % divided by
    their number). identical: no difference in any seed. not settled: anything else. Paired tests
    use the seeds that both models have, unpaired ones (Welch) all seeds of each.
    """
    comparisons = [_compare(claim, rival, samples, paired) for rival in claim.rivals]
    unknown = [c for c in comparisons if math.isnan(c.difference)]
    if unknown:
        return Outcome(claim, "not available")
    untested = [c for c in comparisons if c.test is None]
    if untested:
        closest = min(untested, key=lambda c: claim.sign * c.difference)
        return closest._replace(verdict="one seed, untested")
    weakest = min(comparisons, key=_confidence)
    confidence = _confidence(weakest)
    if weakest.test and weakest.test.identical:
        verdict = "identical"
    elif confidence > 1 - ALPHA:
        verdict = "holds"
    elif confidence < -(1 - ALPHA / len(claim.rivals)):
        verdict = "fails"
    else:
        verdict = "not settled"
    return weakest._replace(verdict=verdict)


def _compare(claim: Claim, rival: str, samples: Samples, paired: bool) -> Outcome:
    """Model against one rival, without a verdict."""
    ours, theirs = ({seed: value for seed, column in samples.get(model, {}).items()
                     if not math.isnan(value := getattr(column, claim.statistic))}
                    for model in (claim.model, rival))
    if paired:
        common = sorted(ours.keys() & theirs.keys())
        ours, theirs = {s: ours[s] for s in common}, {s: theirs[s] for s in common}
    a, b = list(ours.values()), list(theirs.values())
    if not a or not b:
        return Outcome(claim, "", rival)
    if min(len(a), len(b)) == 1:
        return Outcome(claim, "", rival, fmean(a) - fmean(b))
    test = paired_t(a, b) if paired else welch_t(a, b)
    return Outcome(claim, "", rival, test.difference, test)


def _confidence(outcome: Outcome) -> float:
    """1 - p, negative where the difference points against the claim."""
    if outcome.test is None or outcome.test.difference == 0:
        return 0.0
    return outcome.claim.sign * math.copysign(1 - outcome.test.p, outcome.test.difference)


def published_claims_table() -> Table:
    """Each claim in the paper's own numbers: Table 3 as printed, and unrounded from Tables 1-2."""
    unrounded = table3(PUBLISHED)
    rows = [(claim.text, *("holds" if claim.holds_in(column) else "fails"
                           for column in (PUBLISHED_TABLE3, unrounded))) for claim in CLAIMS]
    return Table("The paper's claims in its own numbers",
                 ("claim", "Table 3", "from Tables 1-2"), rows)


def claims_table(title: str, lines: Sequence[Line], paired: bool) -> Table:
    """The claims over the seeds of one rule set, one row each."""
    samples = seed_table3(lines)
    outcomes = [evaluate(claim, samples, paired) for claim in CLAIMS]
    header = ("claim", "against", "difference", "SD", "t", "p", "verdict", "seeds needed")
    return Table(title, header, [_row(outcome) for outcome in outcomes], labels=2, note=TESTS)


def claims_overview(ours: Mapping[str, Sequence[Line]],
                    shared: Mapping[str, Sequence[Line]]) -> Table:
    """Every claim's verdict in the paper's own numbers and under each rule set, in one table.

    A verdict that is not settled is followed by the number of seeds that would settle it.
    """
    columns = {"paper": [row[2] for row in published_claims_table().rows]}
    for lines_by_rules, suffix in ((ours, ""), (shared, ", paired")):
        for rules, lines in lines_by_rules.items():
            samples = seed_table3(lines)
            columns[rules + suffix] = [_verdict(evaluate(claim, samples, bool(suffix)))
                                       for claim in CLAIMS]
    rows = [(claim.text, *verdicts) for claim, *verdicts in zip(CLAIMS, *columns.values())]
    return Table("The paper's claims (seeds needed to settle them)", ("claim", *columns), rows,
                 note="Paired: with draws shared between models. Differences, t and p of each test "
                      "are in tables.md.")


def _verdict(outcome: Outcome) -> str:
    if outcome.verdict == "not settled" and math.isfinite(outcome.test.seeds):
        return f"not settled ({outcome.test.seeds:,})"
    return outcome.verdict


def _row(outcome: Outcome) -> tuple[str, ...]:
    test = outcome.test or TTest(*[math.nan] * 6)
    p = "<0.001" if test.p < 0.001 else number(test.p, 3)
    return (outcome.claim.text, outcome.rival.upper(), number(outcome.difference, 5, sign=True),
            number(test.sd, 5), f"{test.t:.3g}" if outcome.test else DASH, p, outcome.verdict,
            f"{test.seeds:,}" if math.isfinite(test.seeds) else DASH)


def _largest(lines: Iterable[Line], one: str, other: str) -> tuple[float, int]:
    """Largest |BM of one - BM of other| over shared (rate, seed), and how many there are."""
    bm = {(line["model"], line["rate"], line["seed"]): line["bm_abs"] for line in lines
          if line["bm_abs"] is not None}
    gaps = [abs(value - bm[other, rate, seed]) for (model, rate, seed), value in bm.items()
            if model == one and (other, rate, seed) in bm]
    return max(gaps, default=math.nan), len(gaps)


def as_run_reveals(results: Sequence[Line], paired: Sequence[Line]) -> list[str]:
    """What the as-run rules say about the published numbers: facts of the rules, with our numbers.

    `paired` shares its draws between models. Nothing when `results` has no as-run lines.
    """
    results, paired = ([line for line in lines if line["rules"] == "as-run"]
                       for lines in (results, paired))
    if not results:
        return []
    facts = [
        "What as-run reveals:",
        "Every weight starts at zero, so the hidden units of a layer receive equal updates and "
        "stay identical: each network is one hidden unit wide.",
        "No discriminator ever touches an image: the models differ only in the decoder's error "
        "(two kinds) and in the encoder's (two kinds, none for GAN), so AVA1 and AVA2 are one "
        "model up to the random draws, and so are AVA3 and AVA4.",
    ]
    for one, other in (("ava1", "ava2"), ("ava3", "ava4")):
        names = f"{one.upper()} and {other.upper()}"
        for lines, draws in ((paired, "shared draws"), (results, "draws of their own")):
            gap, cells = _largest(lines, one, other)
            if cells:
                found = f"largest difference {gap:.5f}" if gap else "identical"
                facts.append(f"{names} with {draws}: {found}, pairs of runs: {cells}.")
        theirs = fmean(abs(PUBLISHED[one, rate] - bm) for (model, rate), bm in PUBLISHED.items()
                       if model == other)
        facts.append(f"{names} in the published tables: mean difference {theirs:.4f} per cell.")
    means = {model: fmean(column.mean for column in seeds.values())
             for model, seeds in seed_table3(results).items()}
    groups = [[means[m] for m in group if m in means]
              for group in (("ava1", "ava2", "ava5", "gan"), ("ava3", "ava4", "vae"))]
    if all(groups):
        low, high = min(groups[0]), max(groups[0])
        facts.append(f"Two groups: the means of AVA1, AVA2, AVA5 and GAN lie in {low:.4f} to "
                     f"{high:.4f}, those of AVA3, AVA4 and VAE in {min(groups[1]):.4f} to "
                     f"{max(groups[1]):.4f}.")
    return facts
