"""The verbs `replay` and `diff` of the command line."""

import argparse

DONE, FAILED = 0, 1


def add_replay(verbs) -> None:
    """Add `avanet replay` to the command line."""
    replay = verbs.add_parser("replay", help="run recorded cells again: are they the same?")
    replay.add_argument("folder", metavar="FOLDER", help="of a reproduction; it is only read")
    replay.add_argument("--cell", type=_choice, action="append", default=[],
                        metavar="NAME=VALUE,...", help="as model=ava5,rate=0.5,seed=0; what is "
                        "left out may have any value; may be given again (default: all cells)")
    replay.add_argument("--data", metavar="NAME|FOLDER", help="where the data is now")
    replay.add_argument("--jobs", type=_jobs, default=1, metavar="N",
                        help="worker processes (default 1)")
    replay.set_defaults(verb=_replay)


def _replay(args) -> int:
    from avanet.experiments.replay import replay
    return DONE if replay(args.folder, args.cell, args.data, args.jobs) else FAILED


def add_diff(verbs) -> None:
    """Add `avanet diff` to the command line."""
    diff = verbs.add_parser("diff", help="what differs between two runs")
    diff.add_argument("run1", metavar="RUN1", help="the folder of a reproduction or a training")
    diff.add_argument("run2", metavar="RUN2")
    diff.set_defaults(verb=_diff)


def _diff(args) -> int:
    from avanet.experiments.diff import diff
    lines = list(diff(args.run1, args.run2))
    print("\n".join(lines) or "no difference")
    return FAILED if lines else DONE


# Arguments ------------------------------------------------------------------------------------

def _choice(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE,..., got {text!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _jobs(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10**6):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)
