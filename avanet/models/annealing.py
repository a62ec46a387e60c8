"""The weight of a KL term over the training: plain functions of the moment, from 0 to 1.

Source: the survey, Sec. 2.6; Bowman et al., 2016 (linear); Fu et al., 2019 (cyclical).
"""


def none(moment: float, cycles: int) -> float:
    """1 throughout."""
    return 1.0


def linear(moment: float, cycles: int) -> float:
    """From 0 to 1 over the first half of the training, then 1."""
    return min(2 * moment, 1.0)


def cyclical(moment: float, cycles: int) -> float:
    """`cycles` times from 0 to 1 over half a cycle, then 1 for the other half."""
    return min(2 * (moment * cycles % 1.0), 1.0) if moment < 1 else 1.0


ANNEALING = {"none": none, "linear": linear, "cyclical": cyclical}
