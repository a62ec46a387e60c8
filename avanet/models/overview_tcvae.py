"""The overview's beta-TCVAE, whose beta weighs the total correlation alone."""

from dataclasses import dataclass

from avanet.models.correlation import ESTIMATES, total_correlation
from avanet.models.overview_vae import BetaConfig, OverviewVAE


@dataclass(frozen=True)
class Config(BetaConfig):
    """beta: the weight of the total correlation, of which the KL has 1; estimate: of q(z) by the
    mini-batch, weighted or stratified."""

    beta: float = 20.0
    estimate: str = "weighted"

    def __post_init__(self):
        super().__post_init__()
        self.one_of(ESTIMATES, "estimate")


class OverviewBetaTCVAE(OverviewVAE):
    """L = -E_q[log p(x|z)] + KL(q(z|x) || N(0, I)) + (beta - 1) TC, minimised (Sec. V).

    TC = KL(q(z) || prod_d q(z_d)), q(z) the mean of q(z|x) over the data, estimated from the batch
    (`avanet.models.correlation`): the KL's three parts weighted 1, beta, 1. beta = 1 is the VAE.
    The value of TC that training reports belongs to its gradient and to the batch;
    `avanet.metrics.kl_parts` estimates the parts themselves.
    """

    name = "overview-beta-tcvae"
    paper = "vae-overview, Sec. V"
    Config = Config
    images_ = 0

    def batches(self, split):
        self.images_ = len(split)  # N, which stratified weights need
        return super().batches(split)

    def prior(self, mu, log_var, z):
        """KL + (beta - 1) TC, each value by name and without its weight."""
        losses, kl_slopes = super().prior(mu, log_var, z)
        M = len(z)
        log_W = ESTIMATES[self._config.estimate](M, max(self.images_, M))
        tc, tc_slopes = total_correlation(mu, log_var, z, log_W)
        weight = z.dtype.type(self._config.beta - 1)
        return losses | {"total_correlation": float(tc)}, tuple(
            a + weight * b for a, b in zip(kl_slopes, tc_slopes))
