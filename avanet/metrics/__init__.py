"""How good a generative model is, in numbers with intervals.

>>> from avanet.metrics import evaluate, judge
>>> evaluate(model, digits, judge(digits), np.random.default_rng(0))   # doctest: +SKIP
{'elbo': Estimate(value=-107.9, low=-109.6, high=-106.2), ...}
"""

from avanet.metrics.decomposition import kl_parts
from avanet.metrics.disentanglement import dci, mig, sap
from avanet.metrics.evaluation import evaluate
from avanet.metrics.features import covered, frechet_distance, nearest
from avanet.metrics.intervals import Estimate, bootstrap, mean, proportion
from avanet.metrics.judge import judge
from avanet.metrics.likelihood import elbo_parts, importance_weighted
from avanet.metrics.pictures import (
    class_shares, entropy, kl_to_uniform, modes, sharpness, squared_error,
)

__all__ = [
    "Estimate", "bootstrap", "class_shares", "covered", "dci", "elbo_parts", "entropy", "evaluate",
    "frechet_distance", "importance_weighted", "judge", "kl_parts", "kl_to_uniform", "mean", "mig",
    "modes", "nearest", "proportion", "sap", "sharpness", "squared_error",
]
