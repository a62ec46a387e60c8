"""What a finite sample says about a number: the estimate with its 95 % interval."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Z = 1.96  # standard errors to either side of the estimate


class Estimate(NamedTuple):
    """A number and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def mean(values: np.ndarray) -> Estimate:
    """m +- 1.96 s / sqrt(N): the mean of N independent values, s their sample SD.

    NaN ends for a single value.
    """
    values = np.asarray(values, np.float64)
    m = float(values.mean())
    error = math.nan
    if len(values) > 1:
        error = Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(m, m - error, m + error)


def proportion(hits: np.ndarray) -> Estimate:
    """The share of N independent trials that hit, with Wilson's interval, which stays in [0, 1].

    (p + z^2/2N +- z sqrt(p(1-p)/N + z^2/4N^2)) / (1 + z^2/N), z = 1.96. Source: Wilson,
    "Probable inference, the law of succession, and statistical inference", 1927.
    """
    N, p = len(hits), float(np.mean(hits))
    centre, width = p + Z * Z / (2 * N), Z * math.sqrt(p * (1 - p) / N + (Z / (2 * N))**2)
    scale = 1 + Z * Z / N
    return Estimate(p, (centre - width) / scale, (centre + width) / scale)


def bootstrap(statistic: Callable[..., float], *samples: np.ndarray, rng: np.random.Generator,
              resamples: int = 100) -> Estimate:
    """T +- 1.96 s*, s* the SD of the statistic T over samples drawn anew with replacement.

    The rows of each sample are drawn independently of the others'. The interval is centred at T
    of the samples themselves: statistics such as the Frechet distance are larger on resamples.
    Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993, ch. 13.
    """
    value = float(statistic(*samples))
    again = [statistic(*(sample[rng.integers(len(sample), size=len(sample))]
                         for sample in samples)) for _ in range(resamples)]
    error = Z * float(np.std(again, ddof=1))
    return Estimate(value, value - error, value + error)
