"""The engine: layers with explicit forward and hand-derived backward passes.

Losses are minimised: `backward` receives dL/dy and returns dL/dx. A cache is a value that the
caller holds; a network's parameters are one flat vector, its gradients another.
"""

from avanet.nn.activations import ACTIVATIONS, Identity, LeakyReLU, Logistic, ReLU, Tanh
from avanet.nn.initialise import INITIALISERS, initialiser
from avanet.nn.layers import Dense, Layer
from avanet.nn.network import NonFiniteError, Sequential
from avanet.nn.optim import Momentum, sgd
from avanet.nn.store import Store

__all__ = [
    "ACTIVATIONS", "INITIALISERS", "Dense", "Identity", "Layer", "LeakyReLU", "Logistic",
    "Momentum", "NonFiniteError", "ReLU", "Sequential", "Store", "Tanh", "initialiser", "sgd",
]
