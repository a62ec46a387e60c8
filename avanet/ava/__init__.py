"""The AVA paper: its equations, its seven models, its protocol and its metric.

Source: Nguyen, Abdalla and Amer, "Adversarial Variational Autoencoders to Extend and Improve
Generative Model", preprint, 2024.
"""

from avanet.ava.model import AVA
from avanet.ava.plans import RULE_SETS, VARIANTS
from avanet.ava.protocol import Protocol
from avanet.ava.rules import RULES

__all__ = ["AVA", "RULES", "RULE_SETS", "VARIANTS", "Protocol"]
