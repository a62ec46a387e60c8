"""What is said of a sweep while it runs."""

import io
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet import progress as module
from avanet.progress import Progress, describe, duration, estimate


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(module, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.4, "1 s"),
        (1, "1 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (3540, "59 min"),
        (3599, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (360000, "100 h 0 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_estimate_counts_the_rounds_of_the_workers():
    assert estimate(2.0, 12, 2) == "about 12 s"
    assert estimate(2.0, 13, 2) == "about 14 s"
    assert estimate(2.0, 1, 4) == "about 2 s"
    assert estimate(0.001, 10, 1) == "about 1 s"


def test_describe():
    assert describe(12, 133, 10, 4.0) == "12 of 133 cells, 2.5 cells/s, 48 s left"
    assert describe(12, 133, 0, 4.0) == "12 of 133 cells"
    assert describe(133, 133, 10, 4.0) == "133 of 133 cells, 2.5 cells/s"
    assert describe(3, 9, 1, 2.0, "steps", "kl 4") == "3 of 9 steps, 0.5 steps/s, 12 s left; kl 4"


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1e9))
def test_describe_takes_any_numbers(done, rest, new, seconds):
    text = describe(done, done + rest, min(new, done), seconds)
    assert text.startswith(f"{done} of {done + rest} cells") and "\n" not in text


def test_lines_come_every_few_seconds_and_count_the_new_cells_alone(clock):
    stream = io.StringIO()
    with Progress(stream) as progress:
        for done in range(50, 101):
            progress(done, 100)
            clock.now += 0.25
    assert stream.getvalue().splitlines() == [
        "50 of 100 cells",
        "70 of 100 cells, 4 cells/s, 8 s left",
        "90 of 100 cells, 4 cells/s, 2 s left",
        "100 of 100 cells, 4 cells/s",
    ]


def test_a_terminal_gets_a_bar():
    pytest.importorskip("rich")
    stream = Terminal()
    with Progress(stream) as progress:
        progress(0, 4)
        progress(4, 4)
    assert "4 of 4 cells" in stream.getvalue()
    assert "\x1b[" in stream.getvalue() and "not drawn" not in stream.getvalue()


def test_a_terminal_without_rich_is_told_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    stream = Terminal()
    with Progress(stream) as progress:
        progress(4, 4)
    assert stream.getvalue().splitlines() == [
        "progress bar not drawn: install avanet[app]",
        "4 of 4 cells",
    ]


def test_stderr_is_the_stream(capsys):
    with Progress() as progress:
        progress(1, 1)
    assert capsys.readouterr() == ("", "1 of 1 cells\n")
