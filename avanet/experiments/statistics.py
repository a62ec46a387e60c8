"""The statistics behind a verdict: spread over seeds, Student's t, and how many seeds settle it."""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

ALPHA = 0.05
POWER = 0.80
ROUNDING = 0.00005  # a number printed with four digits is at most this far from the one behind it


class Cell(NamedTuple):
    """One published number and ours: mean and sample SD over `n` seeds, beside `stopped` runs."""

    published: float
    ours: float
    sd: float
    n: int
    stopped: int = 0

    @classmethod
    def of(cls, published: float, values: Sequence[float | None]) -> "Cell":
        """From one value per seed: None for a run that stopped, NaN where none is defined."""
        done = [value for value in values if value is not None and math.isfinite(value)]
        return cls(published, fmean(done) if done else math.nan, sample_sd(done), len(done),
                   sum(value is None for value in values))

    @property
    def difference(self) -> float:
        return self.ours - self.published

    @property
    def verdict(self) -> str:
        """inside if |ours - published| <= 2 s sqrt(1 + 1/n) + 0.00005, or why there is none."""
        if self.n == 0:
            return "stopped" if self.stopped else "–"
        if self.n == 1:
            return "one seed"
        allowed = 2 * self.sd * math.sqrt(1 + 1 / self.n) + ROUNDING
        return "inside" if abs(self.difference) <= allowed else "outside"


class TTest(NamedTuple):
    """A difference of means over seeds and its two-sided t-test.

    `sd` is the standard deviation of one seed's difference; `p` the two-sided probability of a
    |t| at least this large between equal means; `seeds` the seeds needed to settle a difference
    of this size (infinite for a difference of zero).
    """

    difference: float
    sd: float
    t: float
    df: float
    p: float
    seeds: float

    @property
    def identical(self) -> bool:
        """No difference and no spread: the two samples are the same number for number."""
        return self.difference == 0 and self.sd == 0


def sample_sd(values: Sequence[float]) -> float:
    """Sample standard deviation sqrt(sum (v - mean)^2 / (n - 1)); NaN for fewer than two values."""
    return stdev(values) if len(values) > 1 else math.nan


def incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """Regularised incomplete beta function I_x(a, b), with y = 1 - x given without cancellation.

    I_x(a, b) = x^a y^b / (a B(a, b)) / (1 + c_1 / (1 + c_2 / (1 + ...))), evaluated by Lentz's
    method, where (Abramowitz and Stegun 26.5.8)

        c_2m = m (b - m) x / ((a + 2m - 1)(a + 2m)),
        c_2m+1 = -(a + m)(a + b + m) x / ((a + 2m)(a + 2m + 1)).

    It converges fast for x < (a + 1) / (a + b + 2); beyond, I_x(a, b) = 1 - I_y(b, a).
    """
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, y, x)
    log_front = (math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
                 + a * math.log(x) + b * math.log(y))
    fraction, upper, lower, k, factor = 1.0, 1.0, 0.0, 0, 0.0
    while abs(factor - 1) > 1e-15 and k < 100_000:
        k += 1
        m = k // 2
        if k % 2:
            c = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            c = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + c * lower)
        upper = 1 + c / upper
        factor = upper * lower
        fraction *= factor
    return math.exp(log_front) / (a * fraction)


def t_two_sided(t: float, df: float) -> float:
    """P(|T| > |t|) for Student's t with df degrees of freedom: I_{df/(df+t^2)}(df/2, 1/2)."""
    if math.isinf(t):
        return 0.0
    return incomplete_beta(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t))


def t_quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = p for 0 < p < 1, by bisection on `t_two_sided`."""
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while t_two_sided(high, df) > 2 * (1 - p):
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if t_two_sided(middle, df) > 2 * (1 - p):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def expected_misses(seeds_per_cell: Iterable[int]) -> float:
    """How many cells the verdict puts outside if each published value is one more seed of ours.

    With normal errors and the deviation s estimated from n seeds,
    (mean of n - one more) / (s sqrt(1 + 1/n)) is t-distributed with n - 1 degrees of freedom, so
    a cell misses with probability P(|t_{n-1}| > 2): .30 at 2 seeds, .18 at 3, .077 at 10, .046
    for many. Cells with one seed have no verdict and count nothing.
    """
    return sum(t_two_sided(2.0, n - 1) for n in seeds_per_cell if n > 1)


def seeds_needed(difference: float, sd: float, samples: int) -> float:
    """Seeds per sample to settle a difference: two-sided 5 %, power 80 %.

    The smallest n with n >= ((t_{.975, v} + t_{.80, v}) sd / difference)^2, v = samples (n - 1),
    searched upwards from the same expression with normal quantiles (which is returned beyond
    10,000, where the two agree to a few seeds).

    Parameters
    ----------
    difference : float
        The difference of means to be seen.
    sd : float
        Standard deviation of one seed's difference (unpaired: sqrt(s_a^2 + s_b^2)).
    samples : int
        1 for paired seeds, 2 for unpaired ones.
    """
    if difference == 0:
        return math.inf
    ratio = (sd / difference) ** 2
    normal = NormalDist()
    n = max(2, math.ceil((normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) ** 2 * ratio))
    while n <= 10_000:
        df = samples * (n - 1)
        if n >= (t_quantile(1 - ALPHA / 2, df) + t_quantile(POWER, df)) ** 2 * ratio:
            break
        n += 1
    return n


def _t_test(difference: float, sd: float, error: float, df: float, samples: int) -> TTest:
    """A TTest from the difference, its standard error and the degrees of freedom."""
    if error > 0:
        t = difference / error
    else:
        t = math.copysign(math.inf, difference) if difference else 0.0
    return TTest(difference, sd, t, df, t_two_sided(t, df), seeds_needed(difference, sd, samples))


def paired_t(a: Sequence[float], b: Sequence[float]) -> TTest:
    """t-test of mean(a - b) over pairs that share their draws: t = mean / (s / sqrt n), n >= 2."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    n, sd = len(differences), stdev(differences)
    return _t_test(fmean(differences), sd, sd / math.sqrt(n), n - 1, samples=1)


def welch_t(a: Sequence[float], b: Sequence[float]) -> TTest:
    """Welch's t-test of mean(a) - mean(b) over independent seeds, at least two in each sample.

    t = (mean a - mean b) / sqrt(u + w), u = s_a^2 / n_a, w = s_b^2 / n_b, with
    (u + w)^2 / (u^2 / (n_a - 1) + w^2 / (n_b - 1)) degrees of freedom (Welch-Satterthwaite).
    """
    sd_a, sd_b = stdev(a), stdev(b)
    u, w = sd_a ** 2 / len(a), sd_b ** 2 / len(b)
    spread = u ** 2 / (len(a) - 1) + w ** 2 / (len(b) - 1)
    df = (u + w) ** 2 / spread if spread > 0 else len(a) + len(b) - 2
    return _t_test(fmean(a) - fmean(b), math.hypot(sd_a, sd_b), math.sqrt(u + w), df, samples=2)
