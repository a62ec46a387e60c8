"""Types of command-line arguments."""

from argparse import ArgumentTypeError

import pytest

from avanet.arguments import count, names, seed


def test_what_is_fine():
    assert names(" a, b") == ["a", "b"]
    assert (seed("0"), count("1000000")) == (0, 10**6)


@pytest.mark.parametrize("kind, text", [
    (names, "a,,b"), (names, ""), (seed, "-1"), (seed, "1.0"), (seed, "٣"), (seed, "9" * 19),
    (count, "0"), (count, "1000001"), (count, "1e3"), (count, "")])
def test_what_is_not(kind, text):
    with pytest.raises(ArgumentTypeError, match="expected"):
        kind(text)
