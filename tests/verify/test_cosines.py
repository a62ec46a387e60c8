"""How far printed updates point from the true gradients."""

import numpy as np
import pytest

from avanet.verify.cosines import CASES, Case, _cosine, _pairs, cosines, format_rows

PULL = "Eq. 6: its pull alone, in Phi's net input"


@pytest.fixture(scope="module")
def rows():
    return cosines(seed=1, sizes=(5, 100), draws=40)


def find(rows, what, networks, m):
    return next(row for row in rows if (row.what, row.networks, row.m) == (what, networks, m))


def test_table_is_complete(rows):
    assert len(rows) == (len(CASES) + 1) * 2 * 2
    assert all(-1 <= row.cosine <= 1 and row.spread >= 0 and row.off > 0 for row in rows)


@pytest.mark.parametrize("m, spread", [(5, 0.48), (100, 0.10)])
def test_pull_is_as_good_as_random(rows, m, spread):
    """Against random discriminators the mean is about 0 and the spread about 1 / sqrt(m)."""
    row = find(rows, PULL, "random", m)
    assert abs(row.cosine) < 4 * spread / np.sqrt(40)
    assert row.spread == pytest.approx(spread, rel=0.35)


def test_spread_falls_with_the_size_of_an_image():
    row = cosines(seed=1, sizes=(6400,), draws=6)[0]
    assert row.what == PULL and row.networks == "random"
    assert abs(row.cosine) < 0.03 and row.spread < 0.03


def test_printed_directions_are_not_the_true_ones(rows):
    for case in CASES:
        assert find(rows, case.what, "trained", 100).off > 1e-3, case


def test_one_pass_keeps_the_output_bias():
    """The last parameter of Psi; the direction as a whole is off."""
    printed, true = _pairs(5, 0, (0, 0))["Eq. 7 as one sum on one pass: Psi of AVA1"]
    assert printed[-1] == pytest.approx(true[-1], rel=1e-12)
    assert _cosine(printed, true) < 0.999


def test_equal_updates_have_cosine_one(monkeypatch):
    """Psi by Eq. 7 on two passes is exact: the same numbers as the exact rules."""
    from avanet.verify import cosines as module
    monkeypatch.setattr(module, "CASES", (Case("Eq. 7", "ava1", "printed", "d"),))
    printed, true = _pairs(5, 1, (0, 0))["Eq. 7"]
    np.testing.assert_array_equal(printed, true)
    assert _cosine(printed, true) == pytest.approx(1)


def test_same_seed_same_rows():
    assert cosines(2, sizes=(5,), draws=2) == cosines(2, sizes=(5,), draws=2)
    assert cosines(2, sizes=(5,), draws=2) != cosines(3, sizes=(5,), draws=2)


def test_lines(rows):
    lines = format_rows(rows)
    assert len(lines) == 2 + 2 * (len(CASES) + 1)
    assert "m = 5" in lines[1] and "m = 100" in lines[1]
    assert len({len(line) for line in lines[1:]}) == 1
