"""The settings of the AVA paper's models."""

from dataclasses import dataclass

from avanet.ava import Protocol
from avanet.ava.heads import HEADS
from avanet.ava.plans import RULE_SETS
from avanet.errors import InputError
from avanet.models import base


@dataclass(frozen=True)
class Config(base.Config):
    """latent, hidden: units of z and of the hidden layer; rules, covariance: as for
    `avanet.ava.AVA`; start, order, channels: of its `Protocol`, whose passes are the epochs.

    The paper goes once through the images in their order, one at a time, by plain SGD.
    """

    epochs: int = 1
    batch: int = 1
    rate: float = 0.5
    optimiser: str = "sgd"
    latent: int = 10
    hidden: int = 100
    rules: str = "printed"
    covariance: str = "diagonal"
    start: str = "zeros"
    order: str = "back-to-front"
    channels: str = "separate"

    def __post_init__(self):
        super().__post_init__()
        self.at_least(1, "latent", "hidden")
        self.one_of(RULE_SETS, "rules")
        self.one_of(HEADS, "covariance")
        if self.rate > 1:
            raise InputError(f"rate must lie in (0, 1], got {self.rate}")
        for name, only in (("optimiser", "sgd"), ("schedule", "constant"), ("clip_norm", 0.0)):
            if getattr(self, name) != only:
                raise InputError(f"{name} must be {only} for the models of the AVA paper, got "
                                 f"{getattr(self, name)}")
        self.protocol()

    def protocol(self) -> Protocol:
        """The AVA model's."""
        return Protocol(start=self.start, order=self.order, channels=self.channels)
