"""Every layer, activation and loss of `avanet.nn`, and whole networks by every method."""

from collections.abc import Callable
from functools import partial

import numpy as np

from avanet.nn import (
    ACTIVATIONS, AveragePool2D, BatchNorm, Concatenate, Conv2D, ConvTranspose2D, Dense, Dropout,
    Flatten, InTraining, LayerNorm, LeakyReLU, Logistic, MaxPool2D, Reshape, Residual,
    Sequential, Softmax, Tanh, Upsample2D,
)
from avanet.nn.conv import Patches
from avanet.nn.gradcheck import TOLERANCES, check_layer, check_loss, check_network
from avanet.nn.layers import Layer
from avanet.nn.losses import LOSSES
from avanet.verify.result import Item, Outcome, of_report, relative_error, together, within

B, M = 4, 5
ROUNDING = {"float32": 1e-5, "float64": 1e-12}
OUTPUTS = {"identity": "y = v", "logistic": "y = 1 / (1 + exp(-s (v - m)))", "tanh": "y = tanh v",
           "relu": "y = max(v, 0)", "leaky relu": "y = max(v, alpha v)",
           "softplus": "y = log(1 + exp v)"}
FORMULAS = {
    "half_squared_error": ("Eq. 1", "||y - t||^2 / 2", "y"),
    "binary_cross_entropy": ("-", "-[t log p + (1 - t) log(1 - p)]", "p"),
    "binary_cross_entropy_from_logits": ("-", "softplus(v) - t v", "v"),
    "categorical_cross_entropy_from_logits": ("-", "-sum t log softmax(v)", "v"),
    "gaussian_kl": ("Eq. 1", "KL(N(mu, var) || N(0, I))", ("mu", "var")),
    "gaussian_kl_from_log_variance": ("-", "KL(N(mu, exp l) || N(0, I))", ("mu", "log_var")),
    "gan_discriminator": ("Eqs. 2, 4", "-log d(x) - log(1 - d(x'))", ("d_real", "d_fake")),
    "gan_generator_saturating": ("Eqs. 2, 3", "log(1 - d(x'))", "d_fake"),
    "gan_generator_non_saturating": ("-", "-log d(x')", "d_fake"),
}
UNKNOWN = ("-", "its own value", "y")
IMAGES = (2, 5, 4, 3)  # odd and even sides
PATCHES = (Patches((3, 3), (1, 1), (1, 1), (5, 4)), Patches((2, 5), (2, 1), (0, 4), (2, 7)),
           Patches((4, 1), (3, 4), (2, 0), (3, 1)), Patches((1, 1), (1, 1), (3, 3), (9, 8)))
LAYERS = {
    "conv": ("y = P(x) W + b", IMAGES, lambda: (
        Conv2D(3, 2, 3), Conv2D(3, 2, (3, 2), (2, 1), "same"),
        Conv2D(3, 2, 4, 3, ((0, 2), (1, 3))))),
    "conv transpose": ("y = P^T(x W^T) + b", IMAGES, lambda: (
        ConvTranspose2D(3, 2, (2, 3)), ConvTranspose2D(3, 2, 5, 2, "same"),
        ConvTranspose2D(3, 1, 3, (2, 3), 1, output_padding=1))),
    "max pool": ("y = max of a window", IMAGES, lambda: (MaxPool2D(2), MaxPool2D((3, 2), 1))),
    "average pool": ("y = mean of a window", IMAGES, lambda: (
        AveragePool2D(2), AveragePool2D((3, 2), (1, 2)))),
    "upsample": ("y = R x C^T", IMAGES, lambda: (
        Upsample2D((2, 3)), Upsample2D((2, 3), "bilinear"))),
    "batch norm": ("y = gamma u + beta", IMAGES, lambda: (
        BatchNorm(3), InTraining(BatchNorm(3)))),
    "batch norm, dense": ("y = gamma u + beta", (B, M), lambda: (
        BatchNorm(M), InTraining(BatchNorm(M)))),
    "layer norm": ("y = gamma u + beta", IMAGES, lambda: (LayerNorm(3),)),
    "dropout": ("y = k x", (B, M), lambda: (Dropout(0.4), InTraining(Dropout(0.4)))),
    "softmax": ("y = exp v / sum exp v", (B, M), lambda: (Softmax(),)),
    "flatten, reshape": ("y = x", IMAGES, lambda: (Flatten(), Reshape((3, 20)))),
    "residual": ("y = h(x) + P x", IMAGES, lambda: (
        Residual([Conv2D(3, 3, 3, 1, "same"), Tanh()]),
        InTraining(Residual([Conv2D(3, 2, 3, 2, "same"), BatchNorm(2)], Conv2D(3, 2, 1, 2))))),
    "concatenate": ("y = [h(x), z]", (B, M), lambda: (
        Concatenate([3, M - 3], [[Dense(3, 2), Tanh()], []]),)),
}
BIG = (64, 160)
COMPILED: dict[str, Callable[[], Layer]] = {
    "relu": ACTIVATIONS["relu"], "leaky relu": lambda: LeakyReLU(0.3),
    "logistic": Logistic, "batch norm": lambda: InTraining(BatchNorm(BIG[1])),
    "batch norm, evaluation": lambda: BatchNorm(BIG[1]), "dropout": lambda: Dropout(0.4),
}


def check_dense(seed: int = 0) -> Outcome:
    """dL/dx, dL/dW and dL/db of a dense layer."""
    x = np.random.default_rng(seed).standard_normal((B, M))
    return of_report(check_layer(Dense(M, 3), x, seed))


def check_layers_of(name: str, seed: int = 0) -> Outcome:
    """dL/dx and every parameter's gradient of the layers of that name, in both modes."""
    _, shape, make = LAYERS[name]
    x = np.random.default_rng(seed).standard_normal(shape)
    return together(*(of_report(check_layer(layer, x, seed), layer.name) for layer in make()))


def check_patches(name: str, dtype: str, seed: int = 0) -> Outcome:
    """A kernel of the convolution against its NumPy twin: strides, edges, lines in the middle."""
    from avanet.kernels.convolution import PAIRS
    rng = np.random.default_rng((seed, 17))
    outcomes = []
    for patches in PATCHES:
        image = rng.standard_normal((3, *IMAGES[1:])).astype(dtype)
        lines, length = 2 * patches.grid[0], 3 * patches.size[0] * patches.size[1]
        columns = rng.standard_normal((lines * patches.grid[1], length)).astype(dtype)
        source, target = (image, columns) if name == "gather" else (columns, image)
        ours, theirs = target.copy(), target.copy()
        PAIRS[name][0](source, patches, 1, ours)
        PAIRS[name][1](source, patches, 1, theirs)
        outcomes.append(within(relative_error(ours, theirs), ROUNDING[dtype]))
    return together(*outcomes)


def check_large(name: str, dtype: str, seed: int = 0) -> Outcome:
    """A layer on arrays for which the compiled kernels are taken.

    In float64 its gradients; in float32 its output and dL/dx against those in float64.
    """
    x, dy = np.random.default_rng((seed, 29)).standard_normal((2, *BIG))
    if dtype == "float64":
        return of_report(check_layer(COMPILED[name](), x, seed, method="direction"))
    sides = []
    for kind in (np.float32, np.float64):
        network = Sequential([COMPILED[name]()], np.random.default_rng(seed), kind)
        y, caches = network.forward(x.astype(kind))
        sides.append((y, network.backward(dy.astype(kind), caches)))
    return together(*(within(relative_error(*pair), ROUNDING[dtype]) for pair in zip(*sides)))


def check_activation(name: str, seed: int = 0) -> Outcome:
    """dL/dv; a logistic also with another slope and midpoint."""
    v = 2 * np.random.default_rng(seed).standard_normal((B, M))
    layers = [ACTIVATIONS[name]()] + [Logistic(0.5, 0.5)] * (name == "logistic")
    return together(*(of_report(check_layer(layer, v, seed)) for layer in layers))


def check_kinks(name: str, seed: int = 0) -> Outcome:
    """Net inputs of exactly 0 are found to be kinks, counted, and not judged."""
    v = np.random.default_rng(seed).standard_normal((B, M))
    v[1, 2] = v[3, 0] = 0
    report = check_layer(ACTIVATIONS[name](), v, seed, method="central")
    outcome = of_report(report)
    found = {index for _, index in report.kinks} == {(1, 2), (3, 0)}
    return together(outcome, Outcome(0, found, f"{len(report.kinks)} of 2 kinks found"))


def check_one_loss(name: str, seed: int = 0) -> Outcome:
    """dL/d of every argument that is not a target."""
    rng = np.random.default_rng(seed)
    wrt = FORMULAS.get(name, UNKNOWN)[2]
    names = (wrt,) if isinstance(wrt, str) else wrt
    in_interval = {"p", "var", "d_real", "d_fake"}
    arguments = {name: rng.uniform(0.05, 0.95, (B, M)) if name in in_interval
                 else rng.standard_normal((B, M)) for name in names}
    if len(names) == 1 and names[0] != "d_fake":
        arguments["target"] = rng.random((B, M))
    return of_report(check_loss(LOSSES[name], arguments, wrt, rng=seed))


def check_method(method: str, seed: int = 0) -> Outcome:
    """A network of three layers, and below its last activation, by one method."""
    rng = np.random.default_rng(seed)
    network = Sequential([Dense(M, 4), ACTIVATIONS["tanh"](), Dense(4, 3), Logistic(0.5, 0.5)],
                         rng, np.float64)
    x = rng.standard_normal((B, M))
    return together(*(of_report(check_network(network, x, seed, below, method))
                      for below in (False, True)))


def items() -> list[Item]:
    """One item a layer, activation, loss and method."""
    item = partial(Item, grade="exact", method="complex", tolerance=TOLERANCES["complex"])
    result = [item("layer dense", "-", "y = x W + b", check=check_dense)]
    result += [item(f"layer {name}", "-", formula, check=partial(check_layers_of, name))
               for name, (formula, *_) in LAYERS.items()]
    result += [Item(f"kernel {name}, {dtype}", "-", "its NumPy twin", "-", "comparison", tolerance,
                    partial(check_patches, name, dtype))
               for name in ("gather", "scatter") for dtype, tolerance in ROUNDING.items()]
    result += [Item(f"compiled {name}, {dtype}", "-", "the layer's own equation", "exact",
                    "direction" if dtype == "float64" else "comparison",
                    TOLERANCES["direction"] if dtype == "float64" else ROUNDING[dtype],
                    partial(check_large, name, dtype))
               for name in COMPILED for dtype in ROUNDING]
    result += [item(f"activation {name}", "-", OUTPUTS.get(name, "its own output"),
                    check=partial(check_activation, name)) for name in ACTIVATIONS]
    result += [item(f"activation {name} at 0", "-", OUTPUTS[name], method="central",
                    tolerance=TOLERANCES["central"], check=partial(check_kinks, name))
               for name in ("relu", "leaky relu")]
    result += [item(f"loss {name}", *FORMULAS.get(name, UNKNOWN)[:2],
                    check=partial(check_one_loss, name)) for name in LOSSES]
    result += [item("network 5-4-3", "-", "a random functional of its output", method=method,
                    tolerance=TOLERANCES[method], check=partial(check_method, method))
               for method in TOLERANCES]
    return result
