"""The engine: layers with explicit forward and hand-derived backward passes.

Losses are minimised: `backward` receives dL/dy and returns dL/dx. A cache is a value that the
caller holds; a network's parameters are one flat vector, its gradients another.
"""

from avanet.nn.activations import (
    ACTIVATIONS, Identity, LeakyReLU, Logistic, ReLU, Softmax, Softplus, Tanh,
)
from avanet.nn.containers import Chain, Concatenate, Container, InTraining, Residual
from avanet.nn.conv import Conv2D, ConvTranspose2D
from avanet.nn.dropout import Dropout
from avanet.nn.initialise import INITIALISERS, initialiser
from avanet.nn.layers import Dense, Layer
from avanet.nn.network import DivergedError, NonFiniteError, Sequential
from avanet.nn.normalise import BatchNorm, LayerNorm
from avanet.nn.optim import (
    OPTIMISERS, SGD, Adam, AdamW, Momentum, RMSprop, clip_by_norm, clip_by_value, sgd,
)
from avanet.nn.pooling import AveragePool2D, MaxPool2D, Upsample2D
from avanet.nn.schedules import SCHEDULES, constant, cosine, step_decay, warm_up
from avanet.nn.shape import Flatten, Reshape, split
from avanet.nn.store import Store

__all__ = [
    "ACTIVATIONS", "Adam", "AdamW", "AveragePool2D", "BatchNorm", "Chain", "Concatenate",
    "Container", "Conv2D", "ConvTranspose2D", "Dense", "DivergedError", "Dropout", "Flatten",
    "INITIALISERS", "Identity", "InTraining", "Layer", "LayerNorm", "LeakyReLU", "Logistic",
    "MaxPool2D", "Momentum", "NonFiniteError", "OPTIMISERS", "RMSprop", "ReLU", "Reshape",
    "Residual", "SCHEDULES", "SGD", "Sequential", "Softmax", "Softplus", "Store", "Tanh",
    "Upsample2D", "clip_by_norm", "clip_by_value", "constant", "cosine", "initialiser", "sgd",
    "split", "step_decay", "warm_up",
]
