"""Training steps of the deep models and single convolutions, avanet beside PyTorch.

    python bench/deep.py [--parts conv,models] [--models dcgan,...] [--json FILE]

Both sides compute the same from the same start weights, on the same threads, and must agree to
1e-3, or nothing is timed. Beside each time stands the ceiling: what the step's matrix products
take alone, with NumPy. See README.md.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numba
import numpy as np

from avanet.data import Batch, load_dataset
from avanet.models import model_class
from avanet.nn import Conv2D, ConvTranspose2D, Dense, Sequential

CHECKED = 32  # images of a batch where models are compared
AGREEMENT = 1e-3   # largest difference, relative to the largest value of an array
BETTER, DEFAULT, SHARE = 1.0, 1.5, 0.7  # goals: times PyTorch's better format, its default; ceiling
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PARTS = ("conv", "models")


class Shape(NamedTuple):
    """A convolution of a model: its layer, without data."""

    model: str
    batch: int
    size: int  # rows and columns of an image
    make: Any

    def layer(self):
        return self.make()


def conv(n_in, n_out, size, stride=1, padding=0):
    return lambda: Conv2D(n_in, n_out, size, stride, padding)


def up(n_in, n_out, size, stride=1, padding=0, extra=0):
    return lambda: ConvTranspose2D(n_in, n_out, size, stride, padding, extra)


SHAPES = (
    Shape("dcgan", 256, 7, up(256, 128, 5, 1, 2)),
    Shape("dcgan", 256, 7, up(128, 64, 5, 2, 2, 1)),
    Shape("dcgan", 256, 14, up(64, 1, 5, 2, 2, 1)),
    Shape("dcgan", 256, 28, conv(1, 64, 5, 2, 2)),
    Shape("dcgan", 256, 14, conv(64, 128, 5, 2, 2)),
    Shape("overview-vae", 128, 64, conv(3, 64, 4, 2, 1)),
    Shape("overview-vae", 128, 32, conv(64, 128, 4, 2, 1)),
    Shape("overview-vae", 128, 16, conv(128, 128, 4, 2, 1)),
    Shape("overview-vae", 128, 8, conv(128, 256, 4, 2, 1)),
    Shape("overview-vae", 128, 4, conv(256, 512, 4, 2, 1)),
    Shape("overview-vae", 128, 2, conv(512, 32, 4, 2, 1)),
    Shape("overview-vae", 128, 1, up(32, 512, 1)),
    Shape("overview-vae", 128, 1, up(512, 256, 4)),
    Shape("overview-vae", 128, 4, up(256, 128, 4, 2, 1)),
    Shape("overview-vae", 128, 8, up(128, 128, 4, 2, 1)),
    Shape("overview-vae", 128, 16, up(128, 64, 4, 2, 1)),
    Shape("overview-vae", 128, 32, up(64, 3, 4, 2, 1)),
    Shape("overview-vae", 128, 64, conv(3, 3, 5, 1, 2)),
    Shape("lapgan", 128, 28, conv(16, 16, 5, 1, 2)),
    Shape("savae", 128, 28, conv(8, 8, 3, 1, 1)),
    Shape("savae", 128, 7, conv(32, 32, 3, 1, 1)),
    Shape("3x3", 128, 28, conv(32, 32, 3, 1, 1)),
    Shape("3x3", 128, 14, conv(64, 64, 3, 1, 1)),
)


class Unequal(ArithmeticError):
    """The two sides do not compute alike, so their times cannot be compared."""


def compare(name: str, ours, theirs) -> float:
    """Largest relative difference of pairs of arrays; `Unequal` beyond the limit."""
    worst = max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30))
                for a, b in zip(ours, theirs))
    if not worst <= AGREEMENT:
        raise Unequal(f"{name}: PyTorch ends {worst:.1e} from avanet, allowed are {AGREEMENT:.0e}")
    return worst


def can_compile() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs."""
    return any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++")))


def best_times(runners, how, least: float = 0.05) -> list[float]:
    """Best time of a call of each, in seconds, each timing at least `least` seconds long.

    They take turns, so that a busy machine hits all.
    """
    clock, counts = CLOCKS[how.clock], []
    for run in runners:
        run()
        start = clock()
        run()
        counts.append(max(1, round(least / (clock() - start))))
    best = [np.inf] * len(runners)
    for _ in range(how.repeats):
        for k, run in enumerate(runners):
            start = clock()
            for _ in range(counts[k]):
                run()
            best[k] = min(best[k], (clock() - start) / counts[k])
    return best


class Products:
    """Matrix products of given shapes (m, k, n) on arrays of their own, and nothing else.

    `share` is the context in which they are made: of BLAS's threads, which avanet's leave one.
    """

    def __init__(self, shapes, share=nullcontext):
        self.share = share
        rng = np.random.default_rng(0)
        draw = lambda *shape: rng.standard_normal(shape, np.float32)
        self.arrays = [(draw(m, k), draw(k, n), np.empty((m, n), np.float32))
                       for m, k, n in shapes]

    def __call__(self) -> None:
        with self.share():
            for a, b, out in self.arrays:
                np.matmul(a, b, out=out)


def blas():
    """The library behind NumPy's products, whose threads can be limited."""
    import threadpoolctl
    return threadpoolctl.ThreadpoolController().select(internal_api="openblas")


def flops(shapes) -> float:
    """Operations of matrix products."""
    return 2.0 * sum(m * k * n for m, k, n in shapes)


# One convolution ----------------------------------------------------------------------------


class Ours:
    """A layer of avanet with its input and the error of its output."""

    def __init__(self, shape: Shape):
        rng = np.random.default_rng(0)
        self.layer = shape.layer()
        self.network = Sequential([self.layer], rng)
        self.layer.b[:] = rng.standard_normal(len(self.layer.b), np.float32)
        sides = shape.size, shape.size
        self.x = rng.standard_normal((shape.batch, *sides, self.layer.channels_in), np.float32)
        out = self.layer.output_shape(self.x.shape[1:])
        self.dy = rng.standard_normal((shape.batch, *out), np.float32)

    def forward(self):
        return self.layer.forward(self.x)

    def both(self):
        self.network.grads[:] = 0
        _, cache = self.layer.forward(self.x)
        return self.layer.backward(self.dy, cache)

    def values(self):
        dx = self.both()
        return self.forward()[0], dx, self.layer.dW, self.layer.db

    def products(self) -> tuple[list, list]:
        """Shapes of the products of the forward pass, and of both passes."""
        (kh, kw, _, wide), narrow = self.layer.W.shape, self.layer.W.shape[2]
        small = self.x if isinstance(self.layer, ConvTranspose2D) else self.dy
        patches, length = small.size // wide, kh * kw * narrow
        correlate, spread = (patches, length, wide), (patches, wide, length)
        first, other = ((spread, correlate) if isinstance(self.layer, ConvTranspose2D)
                        else (correlate, spread))
        return [first], [first, other, (length, patches, wide)]


def measure_conv(shape: Shape, how) -> dict[str, Any]:
    """Check, then time one convolution in all ways."""
    import torch_deep
    ours = Ours(shape)
    name = f"{ours.layer.name} on {shape.size}x{shape.size}"
    theirs = [torch_deep.Convolution(ours.layer, ours.x, ours.dy, last) for last in (False, True)]
    difference = max(compare(name, ours.values(), side.values()) for side in theirs)
    row: dict[str, Any] = {"model": shape.model, "name": name, "batch": shape.batch,
                           "difference": difference}
    for what, shapes in zip(("forward", "both"), ours.products()):
        times = best_times([getattr(ours, what), *(getattr(side, what) for side in theirs),
                            Products(shapes, partial(blas().limit, limits=how.threads))], how)
        row[what] = figures(times[0], dict(zip(torch_deep.FORMATS, times[1:])), times[-1])
        row[what]["gflops"] = flops(shapes) / 1e9
    return row


def figures(ours: float, theirs: dict[str, float], ceiling: float) -> dict[str, Any]:
    """Times in ms, and the three ratios that have goals."""
    return {"avanet_ms": 1e3 * ours, "torch_ms": {k: 1e3 * v for k, v in theirs.items()},
            "ceiling_ms": 1e3 * ceiling, "times_better": min(theirs.values()) / ours,
            "times_default": theirs["default"] / ours, "share": ceiling / ours}


# Models -------------------------------------------------------------------------------------


class Task(NamedTuple):
    """A model as it is trained here, and what is set otherwise where the sides are compared."""

    model: str
    batch: int
    compare: dict[str, Any] = {}  # dropout draws differently on both sides
    data: str = "digits"
    settings: dict[str, Any] = {}
    what: str = ""                # of the model is timed, where that is not its only step


SURE: dict[str, Any] = {"dropout": 0.0}
CAREFUL = SURE | {"rate": 1e-5}  # where a first step of Adam's magnifies what rounding turns round
TASKS = (Task("survey-vae", 128), Task("vaegan", 128), Task("vaegan", 2000),
         Task("dcgan", 256, SURE), Task("cgan", 100, CAREFUL), Task("cdcgan", 256, CAREFUL),
         Task("lapgan", 128, CAREFUL), Task("bigan", 128, CAREFUL), Task("aae", 128),
         Task("overview-vae", 128, {"rate": 1e-6}, data="faces"),
         Task("overview-beta-tcvae", 128, {"rate": 1e-6}, data="faces"),
         Task("savae", 128, {"rate": 1e-6}, settings={"first": 1.0}, what=", step 1"),
         Task("savae", 128, {"rate": 1e-6}, settings={"first": 0.0}, what=", step 2"))
MODELS = tuple(dict.fromkeys([*(task.model for task in TASKS), *(s.model for s in SHAPES)]))


def started(task: Task, n: int, **settings):
    """avanet's model at the start of a long training, and a batch of n images of its data.

    With a little noise: among equal pixels the sides' max-pooling chooses differently.
    """
    model = model_class(task.model)(batch=n, random_state=1, **task.settings | settings)
    split = load_dataset(task.data)["train"]
    places = np.arange(n) % len(split)
    images = split.read(places)
    noise = np.random.default_rng(0).random(images.shape, np.float32)
    images = (0.999 * images + 0.001 * noise).astype(model.dtype)
    model.start(images.shape[1:], total_steps=10**9)
    images = images * (1 - model.low) + model.low
    labels = split.labels[places] if split.labels.ndim == 1 else None
    return model, Batch(images, images, labels, places)


def check_model(task: Task) -> float:
    """The largest difference of three losses each and of the first gradients.

    On few images, and gradients in float64: in float32 a hidden unit may cross its kink. PyTorch is
    given the noise that avanet drew.
    """
    from torch_trainings import training
    differences = []
    for dtype in ("float64", "float32"):
        for last in (False, True):
            model, batch = started(task, CHECKED, dtype=dtype, **task.compare)
            side = training(model, batch, last)
            for step in range(3):
                ours, draws, gradients = noted_update(model, batch, step)

                def before(names):
                    for name in names:
                        model.players_[name].grads[:] = gradients.pop(0)
                        if not step and dtype == "float64":
                            differences.append(compare(
                                f"{task.model}, {name}",
                                *map(flat, zip(*side.networks[name].gradients()))))
                        model.players_[name].grads[:] = 0

                theirs = {name: loss.item() for name, loss in side.step(draws, before).items()}
                differences.extend(
                    compare(f"{task.model}, loss {name}, {dtype}", [ours[name]], [theirs[name]])
                    for name in theirs)
    return max(differences)


def noted_update(model, batch, seed: int):
    """(losses, the noise that was drawn, the gradients that were applied) of one update."""
    draws, gradients = [], []

    def normal(rng, *shape):
        draws.append(type(model).normal(model, rng, *shape))
        return draws[-1]

    def apply(*players):
        gradients.extend(model.players_[player].grads.copy() for player in players)
        type(model).apply(model, *players)

    with mock.patch.object(model, "normal", normal), mock.patch.object(model, "apply", apply):
        return model.update(batch, np.random.default_rng(seed)), draws, gradients


def flat(arrays):
    """All values of several arrays, as the one array of a list."""
    return [np.concatenate([array.ravel() for array in arrays])]


def measure_model(task: Task, how, with_compile: bool) -> dict[str, Any]:
    """Check, then time a training step in all ways."""
    from torch_trainings import training
    difference = check_model(task)
    model, batch = started(task, task.batch)
    with recorded() as shapes:
        model.step(batch)
    default = training(model, batch)
    sides = {"default": default.step}
    if default.images:
        sides["channels last"] = training(model, batch, last=True).step
    if with_compile:
        sides["compiled"] = training(model, batch, compiled=True).step
    products = Products(shapes, partial(blas().limit, limits=how.threads))
    ours, *theirs, ceiling = best_times(
        [lambda: model.step(batch), *sides.values(), products], how)
    return {"model": task.model + task.what, "batch": task.batch, "difference": difference,
            "gflops": flops(shapes) / 1e9, **figures(ours, dict(zip(sides, theirs)), ceiling)}


@contextmanager
def recorded():
    """The list of the shapes of all matrix products of avanet's layers, as they are made."""
    shapes: list[tuple[int, int, int]] = []

    def sizes(layer, x, y):
        if isinstance(layer, Dense):
            return len(x), layer.n_in, layer.n_out
        small = x if isinstance(layer, ConvTranspose2D) else y
        length, wide = layer.W[..., 0].size, layer.W.shape[3]
        return (small.size // wide, *((wide, length) if small is x else (length, wide)))

    def wrap(cls, name, note):
        method = getattr(cls, name)

        def wrapped(layer, a, *rest):
            result = method(layer, a, *rest)
            note(layer, a, *rest, result)
            return result
        return mock.patch.object(cls, name, wrapped)

    def forward(layer, x, result):
        shapes.append(sizes(layer, x, result[0]))

    def accumulate(layer, dy, x, result):
        m, k, n = sizes(layer, x, dy)
        shapes.append((k, m, n))

    def propagate(layer, dy, x, result):
        m, k, n = sizes(layer, x, dy)
        shapes.append((m, n, k))

    with ExitStack() as stack:
        for cls in (Dense, Conv2D, ConvTranspose2D):
            for note in (forward, accumulate, propagate):
                stack.enter_context(wrap(cls, note.__name__, note))
        yield shapes


# Report ---------------------------------------------------------------------------------------


HEAD = (f"{'avanet':>10}{'default':>10}{'last':>10}{'compiled':>10}{'products':>10}"
        f"{'x better':>10}{'x default':>11}{'ceiling':>9}")


def line(name: str, batch: int, row) -> str:
    """Times in ms and ratios."""
    theirs = [row["torch_ms"].get(k) for k in ("default", "channels last", "compiled")]
    return (f"{name:42}{batch:6d}{row['avanet_ms']:10.2f}"
            + "".join(f"{'-':>10}" if ms is None else f"{ms:10.2f}" for ms in theirs)
            + f"{row['ceiling_ms']:10.2f}{row['times_better']:10.2f}{row['times_default']:11.2f}"
            f"{100 * row['share']:7.0f} %")


def report_conv(rows) -> str:
    """A table for the forward pass, one for both."""
    return "\n\n".join("\n".join(
        [f"{title + ', ms':42}{'batch':>6}{HEAD}"]
        + [line(row["name"], row["batch"], row[what]) for row in rows])
        for what, title in (("forward", "forward"), ("both", "forward and backward")))


MODELS_HEAD = f"{'a training step, ms':42}{'batch':>6}{HEAD}{'steps/s':>10}   misses"


def report_model(row) -> str:
    """The line of a model's training step."""
    return (line(row["model"], row["batch"], row)
            + f"{1e3 / row['avanet_ms']:10.2f}   {misses(row)}")


def misses(row) -> str:
    """The goals that are missed, and by how much."""
    allowed = min(DEFAULT, SHARE * row["torch_ms"]["default"] / row["ceiling_ms"])
    goals = (("better format", row["times_better"], BETTER), ("default", row["times_default"],
             allowed), ("ceiling", row["share"], SHARE))
    return ", ".join(f"{name} by {100 * (1 - got / goal):.0f} %"
                     for name, got, goal in goals if got < goal) or "none"


def parse(argv) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="of both sides (default 1)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="best of (default 5)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall",
                        help="cpu: of this process, where others share the machine; one thread")
    parser.add_argument("--models", default=",".join(MODELS), metavar="A,B,...",
                        help="whose steps and convolutions to measure")
    parser.add_argument("--parts", default=",".join(PARTS), metavar="A,B,...",
                        help=f"of {', '.join(PARTS)}")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here too")
    options = parser.parse_args(argv)
    if options.clock == "cpu" and options.threads > 1:
        parser.error("--clock cpu adds up all threads: take it with --threads 1")
    for name, known in (("models", MODELS), ("parts", PARTS)):
        setattr(options, name, getattr(options, name).split(","))
        unknown = set(getattr(options, name)) - set(known)
        if unknown:
            parser.error(f"unknown in --{name}: {', '.join(sorted(unknown))}; "
                         f"known are {', '.join(known)}")
    return options


def main(argv=None) -> int:
    """Run the parts; 0 also when a goal is missed, 2 without PyTorch, 1 if the sides differ."""
    options = parse(argv)
    try:
        import threadpoolctl  # noqa: F401
        import torch
    except ImportError as error:
        print(f"{error.name} is not installed: pip install 'avanet[bench]'", file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    numba.set_num_threads(options.threads)
    torch.manual_seed(0)
    result: dict[str, Any] = {"machine": {
        "cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(),
        "threads": options.threads, "clock": options.clock, "python": platform.python_version(),
        "numpy": np.__version__, "torch": torch.__version__}}
    compiles = can_compile() and not options.no_compile
    try:
        with blas().limit(limits=1):
            if "conv" in options.parts:
                result["conv"] = [measure_conv(shape, options) for shape in SHAPES
                                  if shape.model in options.models]
                print(report_conv(result["conv"]), end="\n\n", flush=True)
            if "models" in options.parts:
                if not compiles:
                    print("torch.compile is left out: no C++ compiler, or not wanted")
                result["models"] = []
                print(MODELS_HEAD, flush=True)
                for task in (task for task in TASKS if task.model in options.models):
                    result["models"].append(measure_model(task, options, compiles))
                    print(report_model(result["models"][-1]), flush=True)
    except Unequal as error:
        print(f"not timed: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
