"""Arguments of the command line that several verbs take."""

import argparse


def names(text: str) -> list[str]:
    """Names separated by commas."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected names separated by commas, got {text!r}")
    return found


def seed(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1 to a million."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 10**6:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def add_data(verb: argparse.ArgumentParser, text: str) -> None:
    """--data NAME|PATH, --data-dir and --size."""
    verb.add_argument("--data", metavar="NAME|PATH", help=text)
    verb.add_argument("--data-dir", metavar="FOLDER",
                      help="root of the named sets (default: AVANET_DATA, or a user cache)")
    verb.add_argument("--size", nargs=2, type=int, metavar=("W", "H"), help="resize every image")
