"""Ctrl-C and SIGTERM that are noted, or held back."""

import os
import signal

import pytest

from avanet.interrupts import held_back, interrupts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def test_what_comes_is_noted_and_breaks_nothing_off():
    with interrupts() as came:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
    assert came == [signal.SIGINT, signal.SIGTERM, signal.SIGINT]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_what_is_held_back_comes_at_the_end():
    done = False
    with pytest.raises(KeyboardInterrupt):
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done = True
    assert done


def test_what_is_held_back_is_noted_where_it_would_have_been():
    with interrupts() as came, held_back():
        with held_back():
            signal.raise_signal(signal.SIGTERM)
        assert came == []
    assert came == [signal.SIGTERM]


def test_a_failure_loses_no_interrupt():
    with interrupts() as came, pytest.raises(ZeroDivisionError):
        with held_back():
            signal.raise_signal(signal.SIGINT)
            1 / 0
    assert came == [signal.SIGINT]


def test_what_is_ignored_stays_ignored():
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts() as came, held_back():
            signal.raise_signal(signal.SIGINT)
        assert came == []
    finally:
        signal.signal(signal.SIGINT, old)
