"""The verbs `step` and `explain` of the command line."""

import argparse
import io
import sys
from dataclasses import replace
from pathlib import Path

from avanet.errors import InputError

DONE, FAILED = 0, 1
PAGE_RULES = ("printed", "exact", "as-run")

STEP_EXAMPLES = """examples:
  avanet step ava1                             one update, every number of it
  avanet step ava5 --player g --neuron 2       the decoder's second output alone
  avanet step ava1 --rules exact --x 0.2,0.7,0.1,0.9
  avanet step ava2 --quiz                      asks for each number before it shows it
  avanet step survey-vae --steps 5             a model of another paper, with its optimiser
  avanet step ava5 --steps 20 --html ava5.html
  avanet step --gallery pages                  all seven models side by side

On a terminal the walk follows the keys (? lists them); otherwise it is printed as a whole.
"""


def add_step(verbs) -> None:
    """Add `avanet step` to the command line."""
    step = verbs.add_parser(
        "step", help="walk through one update, number by number", epilog=STEP_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    step.add_argument("model", nargs="?", metavar="MODEL",
                      help="ava1 to ava5, ava-vae, ava-gan; a model of avanet models, made small; "
                           "or a trace that --json wrote")
    step.add_argument("--net", metavar="M-HIDDEN-N",
                      help="inputs, hidden units, dimension of z (default 4-3-2, or the smallest "
                           "that the model takes)")
    step.add_argument("--data", metavar="NAME|PATH",
                      help="images, reduced to M gray values (default orbit; for the models of the "
                           "other papers digits)")
    step.add_argument("--x", metavar="V,V,...", help="one sample instead, values in [0, 1]")
    step.add_argument("--rules", metavar="NAME",
                      help="of the AVA models: printed (default), printed-mean, letter, as-run, "
                           "as-run-mu4, exact")
    step.add_argument("--rate", type=_rate, metavar="R",
                      help="in (0, 1]; default 0.5, or the model's own")
    step.add_argument("--seed", type=_from(0), default=0, metavar="N",
                      help="of start values and draws (default 0)")
    step.add_argument("--steps", type=_from(1, 1000), default=1, metavar="N",
                      help="updates, one a sample (default 1, at most 1000)")
    step.add_argument("--player", metavar="NAME",
                      help="one alone: f, g, d or D, or encoder, generator, ...; default: all")
    step.add_argument("--neuron", type=_from(1), default=1, metavar="K",
                      help="which output to show the numbers of (default 1)")
    step.add_argument("--json", metavar="FILE", help="write the trace instead of walking")
    step.add_argument("--html", metavar="FILE", help="write a page instead of walking")
    step.add_argument("--gallery", metavar="DIR", help="write a page of each of the seven models")
    step.add_argument("--quiz", action="store_true", help="ask for each number before showing it")
    step.set_defaults(verb=_step)


def _step(args) -> int:
    if args.gallery is not None:
        return _gallery(args)
    if args.model is None:
        raise InputError("name a model, as in avanet step ava1, or give --gallery DIR")
    traced, start = _traced(args)
    if args.json is not None or args.html is not None:
        return _write(traced, start, args)
    return _walk(traced, start, args)


def _traced(args):
    """The trace, and what it was started from: None if it was read from a file."""
    from avanet.step.tracing import Trace
    if args.model.endswith(".json"):
        return Trace.load(args.model), None
    start = _start(args.model, args) if _is_ava(args) else _start_batched(args)
    return start.trace(), start


def _is_ava(args) -> bool:
    """Whether it is one of the seven; InputError if it is no model at all."""
    from avanet.ava.plans import VARIANTS, plan
    from avanet.errors import unknown_name
    from avanet.models import MODELS
    if args.model in VARIANTS:
        plan(args.model, args.rules or "printed")
        return True
    if args.model not in MODELS:
        raise unknown_name("model", args.model, [*VARIANTS, *MODELS])
    if args.rules is not None:
        raise InputError(f"--rules are the AVA models'; {args.model} has losses of its own")
    return False


def _start(model: str, args):
    """Where an AVA model starts."""
    from avanet.step.small import NET, one_sample, reduced, widths
    from avanet.step.terminal import Start
    net = args.net or NET
    m = widths(net)[0]
    X = reduced(args.data or "orbit", m) if args.x is None else one_sample(args.x, m)
    return Start(model, net, args.rules or "printed", args.rate, args.seed, X, args.steps)


def _start_batched(args):
    """Where a model of another paper starts."""
    from avanet.step.small import default_net, grid, one_sample, reduced_images, widths
    from avanet.step.terminal import Start
    net = args.net or default_net(args.model)
    m, labels = widths(net)[0], None
    if args.x is None:
        X, labels = reduced_images(args.data or "digits", m)
    else:
        X = one_sample(args.x, m).reshape(-1, *grid(m))
    return Start(args.model, net, "", args.rate, args.seed, X, args.steps, labels)


def _walk(traced, start, args) -> int:
    from avanet.step import terminal
    scenes = _scenes(traced, args)
    if args.quiz:
        terminal.quiz(scenes, sys.stdin or io.StringIO(), sys.stdout or io.StringIO())
    elif all(end is not None and end.isatty() for end in (sys.stdin, sys.stdout)):
        terminal.run(terminal.Session(traced, start, args.player, args.neuron),
                     sys.stdin, sys.stdout)
    else:
        print("\n\n".join(map(str, scenes)))
    return DONE


def _scenes(traced, args):
    """The walk; a file may be JSON of the right format and still not be whole."""
    from avanet.step.walk import walk
    try:
        return walk(traced, args.player, args.neuron)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        if not args.model.endswith(".json"):
            raise
        raise InputError(f"{args.model} is a damaged trace ({error!r}); write it anew with "
                         "avanet step MODEL --json FILE") from None


def _write(traced, start, args) -> int:
    """Write what was asked for; a page also holds the other rule sets, from the same start."""
    _scenes(traced, args)
    if args.json is not None:
        traced.save(args.json)
        print(f"wrote {args.json}")
    if args.html is not None:
        from avanet.step.page import write_page
        others = [replace(start, rules=rules).trace() for rules in PAGE_RULES
                  if "rules" in traced.model and start and rules != start.rules]
        write_page([traced, *others], args.html)
        print(f"wrote {args.html}")
    return DONE


def _gallery(args) -> int:
    if args.model is not None:
        raise InputError("--gallery shows all seven models; leave out the model, "
                         f"got {args.model!r}")
    from avanet.ava.plans import VARIANTS
    from avanet.step.page import write_gallery
    traces = [_start(model, args).trace() for model in VARIANTS]
    write_gallery(traces, args.gallery)
    print(f"wrote {Path(args.gallery) / 'index.html'}")
    return DONE


# Explain --------------------------------------------------------------------------------------


def add_explain(verbs) -> None:
    """Add `avanet explain` to the command line."""
    explain = verbs.add_parser("explain", help="derive an equation, and check it")
    explain.add_argument("equation", nargs="?", metavar="EQ",
                         help="eq1 to eq17, a loss of avanet.nn, or a model; without it all are "
                              "listed")
    explain.add_argument("--seed", type=_from(0), default=0, metavar="N",
                         help="of the tiny network (default 0)")
    explain.add_argument("--latex", action="store_true", help="print a LaTeX document")
    explain.add_argument("--html", metavar="FILE", help="write a page with MathML")
    explain.set_defaults(verb=_explain)


def _explain(args) -> int:
    from avanet.step import explain
    if args.equation is None:
        if args.latex or args.html is not None:
            raise InputError("name an equation, as in avanet explain eq6 --latex")
        print(explain.listing())
        return DONE
    page = explain.explain(args.equation, args.seed)
    if args.html is not None:
        explain.write_html(page, args.html)
        print(f"wrote {args.html}")
    else:
        print(explain.latex(page) if args.latex else explain.text(page))
    return DONE if page.passed else FAILED


# Arguments ------------------------------------------------------------------------------------


def _from(least: int, most: int = 10**6):
    """A whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:10]) <= most):
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {least} to {most:,}, got {text!r}")
        return int(text)

    return read


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None
    if not 0 < rate <= 1:
        raise argparse.ArgumentTypeError(f"a rate must lie in (0, 1], got {text}")
    return rate
