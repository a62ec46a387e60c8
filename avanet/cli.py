"""The command line: thin verbs over the package.

Exit codes: 0 done (a paper's claim may fail), 1 verification failed, 2 bad input or environment,
130 interrupted.
"""

import argparse
import json
import os
import sys
import time

from avanet import __version__
from avanet.arguments import seed
from avanet.doctor import add_doctor
from avanet.errors import InputError, unknown_name
from avanet.experiments.commands import add_diff, add_replay, add_reproduce
from avanet.step.commands import add_explain, add_step
from avanet.train.commands import add_train
from avanet.train.use_commands import add_use

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = """examples:
  avanet reproduce bm                          Tables 1-3 and Figure 5 of the AVA paper
  avanet reproduce bm --scale quick            the same in less than a minute
  avanet reproduce bm --data FOLDER --seeds 3  on other images
  avanet verify                                every equation against numerical derivatives
  avanet verify --errata                       the paper's misprints, each with its number
  avanet step ava1                             one update of AVA1, number by number
  avanet explain eq6                           from objective to rule, assumption by assumption
  avanet train survey-vae                      train a model on the bundled digits, resumable
  avanet sample runs/survey-vae-digits         a picture of samples from it
"""


class Parser(argparse.ArgumentParser):
    """Reports bad arguments in one line, as every other error."""

    def error(self, message):
        """Raise what `main` prints."""
        raise InputError(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        try:
            args = _parser().parse_args(argv)
            return args.verb(args)
        finally:
            if sys.stdout is not None:  # closed by the caller: what is printed goes nowhere
                sys.stdout.flush()
    except InputError as error:
        print(f"avanet: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt as error:
        print(f"avanet: interrupted{f'; {error}' if str(error) else ''}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:  # of a path that cannot be looked at: too long, or in a closed folder
        print(f"avanet: the system refuses: {error}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="avanet", description="Generative models with every gradient derived by hand.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"avanet {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_reproduce(verbs)
    _add_verify(verbs)
    add_step(verbs)
    add_explain(verbs)
    add_train(verbs)
    add_use(verbs)
    _add_data(verbs)
    add_replay(verbs)
    add_diff(verbs)
    add_doctor(verbs)
    warmup = verbs.add_parser("warmup", help="compile the kernels ahead of time")
    warmup.set_defaults(verb=_warmup)
    return parser


# Verify ---------------------------------------------------------------------------------------

def _add_verify(verbs):
    verify = verbs.add_parser("verify", help="check every gradient and equation numerically")
    verify.add_argument("--errata", action="store_true",
                        help="the paper's misprints: each fails as printed, passes as corrected")
    verify.add_argument("--seed", type=seed, default=0, help="of the random networks (default 0)")
    verify.add_argument("--json", action="store_true", help="print the results as JSON")
    verify.set_defaults(verb=_verify)


def _verify(args) -> int:
    from avanet import verify
    from avanet.ava.warmup import prepare
    prepare("float32", *(() if args.errata else ("float64",)))
    report = verify.errata(args.seed) if args.errata else verify.everything(args.seed)
    if args.json:
        for line in report:
            pass
        print(json.dumps(report.to_json(), indent=1))
    else:
        for line in report:
            print(line, flush=True)
    return DONE if report.passed else FAILED


# Data and kernels -----------------------------------------------------------------------------

def _add_data(verbs):
    data = verbs.add_parser("data", help="list, download or draw data sets")
    actions = data.add_subparsers(title="what", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="draw a bundled data set into a folder")
    make.add_argument("name", metavar="NAME", help="orbit, digits or faces")
    make.add_argument("--out", required=True, metavar="FOLDER")
    make.set_defaults(verb=_make_data)
    known = actions.add_parser("list", help="the named data sets, and where they are")
    known.set_defaults(verb=_list_data)
    download = actions.add_parser("download", help="fetch mnist or fashion-mnist, checked")
    download.add_argument("name", metavar="NAME", help="mnist or fashion-mnist")
    download.add_argument("--mirror", metavar="URL", help="a folder with its four gz files")
    download.set_defaults(verb=_download_data)
    for action in (known, download):
        action.add_argument("--data-dir", metavar="FOLDER",
                            help="root of the named sets (default: AVANET_DATA, or a user cache)")


def _make_data(args) -> int:
    from avanet.data.digits import write_digits
    from avanet.data.faces import write_faces
    from avanet.data.orbit import write_orbit
    makers = {"orbit": write_orbit, "digits": write_digits, "faces": write_faces}
    if args.name not in makers:
        raise unknown_name("data set to make", args.name, makers)
    makers[args.name](args.out)
    print(f"wrote {args.name} to {args.out}")
    return DONE


def _list_data(args) -> int:
    from avanet.data import named
    for name, text in named.NAMES.items():
        place = named.locate(name, args.data_dir)
        print(f"{name:24}{text}\n{'':24}{place or named.how_to_get(name)}")
    return DONE


def _download_data(args) -> int:
    from avanet.data import named
    place = named.download(args.name, args.data_dir, [args.mirror] if args.mirror else None)
    print(f"{args.name} is in {place}")
    return DONE


def _warmup(args) -> int:
    from avanet.ava.warmup import prepare, warmup
    from avanet.nn.warmup import warmup as warmup_layers
    begun = time.perf_counter()
    prepare("float32", "float64")
    folder = warmup()[1]
    warmup_layers()
    print("kernels of the AVA steps, of layers, losses and optimisers, in float32 and float64, "
          f"ready in {time.perf_counter() - begun:.1f} s, kept in {folder}")
    return DONE
