"""The tables, figures and verdicts of `avanet reproduce variants`, from its scores."""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from avanet.experiments.variants_scores import CODED, JUDGED, Codes, Scores
from avanet.experiments.verdicts import held, verdicts_file
from avanet.metrics.intervals import Estimate
from avanet.metrics.normality import Normality
from avanet.plots import MissingExtra, clouds, image_grid
from avanet.tables import DASH, Table, documents, number, terminal

ASKED = 0.9    # the share of samples that should be of the class that was asked for
NEAR = 0.1     # a code is near its prior if no mean is farther from 0, no SD farther from 1,
DISTANT = 0.05  # and no Kolmogorov-Smirnov distance larger
SECTIONS = ("3.9.3", "3.9.5", "3.9.6", "3.9.7")  # of the survey
SHOWN = ("batch", "rate", "schedule", "optimiser", "width", "hidden", "latent", "prior")


class Claim(NamedTuple):
    """What is claimed of a variant, in which section of the survey it is, and what was found."""

    section: str
    text: str
    measured: str
    holds: bool

    @property
    def verdict(self) -> str:
        return "holds" if self.holds else "fails"


def interval(estimate: Estimate, digits: int = 3) -> str:
    """An estimate with the ends of its interval."""
    value, low, high = (number(each, digits) for each in estimate)
    return f"{value} ({low} to {high})"


# Tables ---------------------------------------------------------------------------------------

def trainings_table(scores: Scores) -> Table:
    """What was trained, and how long."""
    rows = []
    for name, each in scores.trained.items():
        c: Any = each.model.config
        settings = ", ".join(f"{key} {getattr(c, key)}" for key in SHOWN if hasattr(c, key))
        rows.append((name, settings, str(each.epochs), f"{each.model.n_steps_:,}"))
    return Table("Trainings", ("", "settings", "epochs", "steps"), rows, 2)


def samples_table(scores: Scores) -> Table:
    """What the judge says of the samples."""
    rows = [(name, interval(each.asked) if each.asked else DASH,
             f"{each.worst[1]:.2f} (class {each.worst[0]})" if each.worst else DASH,
             interval(each.frechet, 2)) for name, each in scores.samples.items()]
    return Table("Samples", ("", "classified as asked", "worst class", "Frechet distance"), rows, 1,
                 f"{JUDGED} samples each, with 95 % intervals: Wilson's of shares, by bootstrap of "
                 "the Frechet distance from as many test images by the judge's features. It names "
                 f"the class of {interval(scores.accuracy)} of these.")


def errors_table(scores: Scores) -> Table:
    """Reconstructions beside what takes no inference."""
    rows = [(name, interval(error, 4), interval(kept))
            for name, (error, kept) in scores.errors.items()]
    return Table("Reconstructions", ("", "squared error of a pixel", "class kept"), rows, 1,
                 f"Of up to {JUDGED} test images, with 95 % intervals. The mean image is that of "
                 "training images; another image is a random one of the same test images. Class "
                 "kept: the judge names the original's.")


def codes_table(scores: Scores) -> Table:
    """Moments of the codes, beside those of true samples."""
    rows = []
    for name, codes in scores.codes.items():
        for k in range(len(codes.found.mean)):
            rows.append((name if not k else "", str(k + 1),
                         *(number(values[k], 3) for values in codes.found)))
            rows.append(("", "chance", *(
                f"{number(low[k], 3)} to {number(high[k], 3)}"
                for low, high in zip(*codes.chance))))
    return Table("Codes as draws of N(0, 1)", ("", "dimension", *Normality._fields), rows, 2,
                 f"Of up to {CODED} test images; those of a mixture are turned back and scaled by "
                 "the component where they are densest. Kurtosis: in excess of a normal one's 3. "
                 "Distance: Kolmogorov's and Smirnov's. Chance: 95 % of true samples of the prior, "
                 "as large.")


def components_table(scores: Scores) -> Table:
    """How often each component of a mixture is used, and whether it is the label's."""
    rows = [(name, _between(codes.shares), _between(codes.chance_shares),
             interval(codes.told) if codes.told else DASH)
            for name, codes in scores.codes.items() if codes.shares]
    return Table("Components of the mixture", ("", "least to largest share", "by chance",
                                               "codes in their label's"), rows, 1,
                 "By chance: the extremes of true samples of the prior, as large.")


def _between(ends: tuple[float, float] | None) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else DASH


def claims(scores: Scores) -> Iterator[Claim]:
    """Each claim with its numbers."""
    for name, each in scores.samples.items():
        if each.asked:
            section = "3.9.5" if name.endswith("gan") else "3.9.7"
            yield Claim(section, f"{name}: at least {ASKED:.0%} of samples are of the class asked "
                        "for", interval(each.asked), each.asked.value >= ASKED)
    ours, other = scores.samples["lapgan"].frechet, scores.samples["dcgan"].frechet
    yield Claim("3.9.3", "lapgan: nearer to the data than dcgan after as many images",
                f"{interval(ours, 2)} against {interval(other, 2)}", ours.value < other.value)
    error, kept = scores.errors["bigan"]
    for rival in ("another image", "the mean image"):
        least = scores.errors[rival][0]
        yield Claim("3.9.6", f"bigan: G(E(x)) is nearer to x than {rival}",
                    f"{interval(error, 4)} against {interval(least, 4)}", error.high < least.low)
    yield Claim("3.9.6", "bigan: G(E(x)) keeps the class more often than another image",
                f"{interval(kept)} against {interval(scores.errors['another image'][1])}",
                kept.low > scores.errors["another image"][1].high)
    for name, codes in scores.codes.items():
        far = max(np.abs(codes.found.mean).max(), np.abs(codes.found.sd - 1).max())
        distance = codes.found.distance.max()
        yield Claim("3.9.7", f"{name}: codes are near their prior (mean and SD within {NEAR}, "
                    f"distance within {DISTANT})", f"{far:.3f}, {distance:.3f}",
                    bool(far <= NEAR and distance <= DISTANT))
        limit = codes.chance[1][-1].min()
        yield Claim("3.9.7", f"{name}: their distance could be chance",
                    f"{distance:.3f} against {limit:.3f}", bool(distance <= limit))


def claims_table(scores: Scores, data: str, scale: str) -> Table:
    """The claims as a table that names the scale."""
    rows = [(each.section, each.text, each.measured, each.verdict) for each in claims(scores)]
    return Table(f"The variants' claims, at --scale {scale} on {data}",
                 ("section", "", "measured", "verdict"), rows, 4,
                 "The survey prints no numbers for these models; the limits are ours.")


def verdicts(scores: Scores) -> dict[str, str]:
    """Of each section how many of its claims hold."""
    found = list(claims(scores))
    return {f"Sec. {section}": held(each.verdict for each in found if each.section == section)
            for section in SECTIONS}


def tables(scores: Scores, data: str, scale: str) -> list[Table]:
    """All of them."""
    return [trainings_table(scores), samples_table(scores), errors_table(scores),
            codes_table(scores), components_table(scores), claims_table(scores, data, scale)]


# All of it ------------------------------------------------------------------------------------

def report(scores: Scores, data: str, scale: str) -> dict[str, bytes]:
    """All files of the report by name."""
    both = tables(scores, data, scale)
    files = {name: image_grid(images, columns)
             for name, (images, columns) in scores.pictures.items()}
    files |= verdicts_file("variants", scale, data, verdicts(scores))
    files |= documents(f"The survey's GAN variants, --scale {scale}", both, long_rows(scores))
    try:
        files |= clouds("codes", {name: (codes.points[:, :2], codes.labels)
                                  for name, codes in scores.codes.items()})
    except MissingExtra as missing:
        print(f"note: {missing}", file=sys.stderr)
    return files


def long_rows(scores: Scores) -> Iterator[tuple[object, ...]]:
    """One row a number with the ends of its interval, the header first."""
    yield "training", "what", "value", "low", "high"
    yield "judge", "accuracy", *map(_short, scores.accuracy)
    for name, each in scores.samples.items():
        yield name, "frechet", *map(_short, each.frechet)
        if each.asked:
            yield name, "asked", *map(_short, each.asked)
    for name, pair in scores.errors.items():
        for what, estimate in zip(("squared_error", "class_kept"), pair):
            yield name, what, *map(_short, estimate)
    for name, codes in scores.codes.items():
        yield from _code_rows(name, codes)


def _code_rows(name: str, codes: Codes) -> Iterator[tuple[object, ...]]:
    for what, values, low, high in zip(Normality._fields, codes.found, *codes.chance):
        for k, value in enumerate(values):
            yield name, f"{what}_{k + 1}", _short(value), _short(low[k]), _short(high[k])
    if codes.told:
        yield name, "label_component", *map(_short, codes.told)


def _short(value: float) -> str:
    return f"{value:.6g}"


def summary(scores: Scores, data: str, scale: str) -> str:
    """The tables as the terminal shows them."""
    return "\n".join(map(terminal, tables(scores, data, scale)))
