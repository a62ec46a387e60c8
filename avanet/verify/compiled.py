"""The compiled steps against the readable ones, and the kernels against their NumPy twins."""

from functools import partial

import numpy as np

from avanet.ava.heads import DiagonalHead
from avanet.ava.plans import RULE_SETS, VARIANTS, plan
from avanet.ava.protocol import ORDERS, Protocol
from avanet.ava.step import Step, build_players
from avanet.verify.models import copies
from avanet.verify.result import Item, Outcome, together, within

M, N, HIDDEN = 7, 3, 5
N_STEPS = 36
RATE = 0.5
AGREEMENT = {"float32": 1e-5, "float64": 1e-12}
SHAPES = ((1, 1), (3, 2), (4, 9), (7, 1), (130, 33), (5, 1025))  # (wide, hidden) of a layer
DEPTH = 16  # room for pending updates


def compare_steps(model: str, rules: str, order: str, dtype: str, seed: int = 0,
                  steps=range(1, N_STEPS + 1)) -> float:
    """The largest difference of parameters and codes, compiled and readable, after some steps.

    Relative to the largest parameter of a player. The compiled pass starts anew for every number
    of steps, so that what it keeps pending differs each time. Start weights are random.
    """
    from avanet.ava import fast
    rng = np.random.default_rng((seed, 11))
    p, protocol, head = plan(model, rules), Protocol("glorot", order=order), DiagonalHead(N)
    start = build_players(M, N, HIDDEN, p, protocol, rng, np.dtype(dtype), head)
    images = rng.random((max(steps), M)).astype(dtype)
    r = rng.standard_normal((max(steps), N)).astype(dtype)
    readable, step, worst = copies(start), Step(p, protocol, head), 0.0
    for k in range(1, max(steps) + 1):
        code = step(readable, images[k - 1: k], r[k - 1: k], RATE)
        if k in steps:
            compiled = copies(start)
            compiled_code, _, stopped = fast.run(compiled, p, protocol, images[:k], r[:k], RATE)
            if stopped:
                return np.inf
            pairs = [(a.params, b.params) for a, b in zip(compiled, readable) if a is not None]
            pairs += list(zip(compiled_code, code or ()))
            worst = max(worst, *(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs))
    return worst


def check_steps(rules: str, dtype: str, seed: int = 0, steps=range(1, N_STEPS + 1)) -> Outcome:
    """`compare_steps` for all models and both orders."""
    errors = {f"{model}, {order}": compare_steps(model, rules, order, dtype, seed, steps)
              for model in VARIANTS for order in ORDERS}
    worst = max(errors, key=errors.__getitem__)
    return within(errors[worst], AGREEMENT[dtype], f"7 models, both orders; worst {worst}")


def check_kernel(name: str, dtype: str, seed: int = 0) -> Outcome:
    """One kernel against its twin, over shapes and numbers of pending updates."""
    from avanet.kernels import compiled, reference
    rng = np.random.default_rng((seed, 13))
    outcomes = []
    for wide, hidden in SHAPES:
        for pending in (0, 1, 5, DEPTH):
            arguments = _arguments(name, rng, wide, hidden, pending, dtype)
            ours = [np.copy(a) for a in arguments]
            theirs = [np.copy(a) for a in arguments]
            got = getattr(compiled, name)(*_scalars(ours))
            expected = getattr(reference, name)(*_scalars(theirs))
            scale = float(np.abs(theirs[-1]).max(initial=1.0))
            error = float(np.abs(ours[-1] - theirs[-1]).max(initial=0.0)) / scale
            untouched = all(np.array_equal(a, b) for a, b in zip(ours[:-1], arguments[:-1]))
            outcomes.append(Outcome(
                error, error <= AGREEMENT[dtype] and untouched and bool(got) == bool(expected)))
    return together(*outcomes)


def _arguments(name, rng, wide, hidden, pending, dtype):
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)
    A, X, Y = draw(wide, hidden), draw(DEPTH, wide), draw(DEPTH, hidden)
    s, k = np.dtype(dtype).type(0.5), np.int64(pending)
    return {
        "to_hidden": [draw(wide), A, draw(hidden)],
        "from_hidden": [draw(hidden), A, draw(wide)],
        "products": [draw(pending, wide), A, np.zeros((pending, hidden), dtype)],
        "correct": [draw(wide), X, Y, k, draw(hidden)],
        "flush": [X, Y, k, A],
        "logistic": [s, s, 20 * draw(wide)],
        "logistic_slope": [rng.random(wide).astype(dtype), s, draw(wide)],
    }[name]


def _scalars(arguments):
    """Zero-dimensional copies as the scalars that they were."""
    return [a[()] if np.ndim(a) == 0 else a for a in arguments]


def items() -> list[Item]:
    """One item a rule set and dtype, and one a kernel and dtype."""
    from avanet.kernels import NAMES
    steps = [Item(f"compiled steps, {rules}, {dtype}", "all", "the readable step, each of 36", "-",
                  "comparison", tolerance, partial(check_steps, rules, dtype))
             for rules in RULE_SETS for dtype, tolerance in AGREEMENT.items()]
    kernels = [Item(f"kernel {name}, {dtype}", "-", "its NumPy twin", "-", "comparison", tolerance,
                    partial(check_kernel, name, dtype))
               for name in NAMES for dtype, tolerance in AGREEMENT.items()]
    return steps + kernels
