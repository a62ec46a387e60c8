"""The paper's misprints: each fails as printed and passes as corrected."""

import json

import numpy as np
import pytest

from avanet import verify
from avanet.verify.erratum import Erratum, format_erratum, notation
from avanet.verify.misprints import misprints
from avanet.verify.misprints_covariance import elementwise_root, flattened_matrix
from avanet.verify.misprints_equations import CHECKS, NOTATION, Bench, by_weights


@pytest.fixture(scope="module")
def found():
    return list(misprints(seed=0))


def test_all_pass(found):
    assert [format_erratum(e) for e in found if not e.passed] == []


def test_every_number_of_the_list_is_there_in_order(found):
    numbers = [e.number for e in found]
    assert numbers == sorted(numbers)
    assert set(range(1, 20)) <= set(numbers)


def test_what_is_not_computed_says_why(found):
    silent = [e for e in found if e.error_printed is None]
    assert all(e.shows and e.error_corrected is None for e in silent)
    assert {e.number for e in silent} == {14, 17, 23}
    assert len(found) - len(silent) >= 26


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_equations_for_other_seeds(check, seed):
    erratum = check(Bench(seed))
    assert erratum.passed, format_erratum(erratum)
    if erratum.error_printed is not None:
        assert erratum.error_printed > 1e-3


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("check", [elementwise_root, flattened_matrix])
def test_covariances_for_other_seeds(check, seed):
    assert check(seed).passed


def test_numbers_of_the_published_tables(found):
    by_number = {(e.number, e.where): e for e in found}
    assert by_number[11, "after Table 3"].error_printed == pytest.approx(0.0005)
    assert by_number[18, "before Table 1"].error_printed == 1
    assert by_number[18, "after Table 3"].error_printed == pytest.approx(0.0018)
    assert by_number[19, "after Table 3"].error_printed == pytest.approx(2.2e-5, rel=0.05)
    assert "0.060605 of AVA3, 0.060583 of VAE" in by_number[19, "after Table 3"].shows


def test_numbers_of_the_images(found):
    """Far off as printed, close as corrected: the images differ by 0.01, trainings by 0.005."""
    on_images = [e for e in found if e.number in (6, 9, 10)]
    assert [e.number for e in on_images] == [6, 9, 10]
    assert [e.tolerance for e in on_images] == [0.02, 0.01, 0.02]
    assert all(e.error_corrected < 0.01 < 1.5 * e.tolerance < e.error_printed for e in on_images)
    assert on_images[0].error_printed > 0.1
    assert "all-black image scores -0.0" in on_images[1].shows


def test_a_misprint_that_holds_is_no_misprint():
    e = Erratum(1, "Eq. 1", "a", "b", 1e-15, 1e-15, "nothing")
    assert not e.passed and format_erratum(e).startswith("FAILED")


def test_a_correction_that_fails_is_none():
    assert not Erratum(1, "Eq. 1", "a", "b", 1.0, 1e-3, "nothing").passed
    assert not Erratum(1, "Eq. 1", "a", "b", np.nan, 0.0, "nothing").passed


def test_lines_and_json():
    e = Erratum(4, "Eq. 14", "D(x')", "D(mu(x'))", np.inf, 1e-16, "no value")
    assert format_erratum(e) == ("ok      4  Eq. 14: D(x') -> D(mu(x')) | error as printed inf, "
                                 "corrected 1e-16 | no value")
    data = json.loads(json.dumps(e.to_json(), allow_nan=False))
    assert data["error_printed"] == "inf" and data["passed"] is True
    word = notation(23, "before Eq. 8", "decoded", "encoded", "a word")
    assert word.passed and format_erratum(word).startswith("- ")
    assert NOTATION[0].to_json()["error_printed"] is None


def test_gradient_by_weights():
    # sum(x W) + 3 sum(b): by W the input, by b 3.
    x = np.array([[2.0, 5.0]])
    gradient = by_weights(lambda n: (x @ n[0][0]).sum() + 3 * n[0][1].sum(),
                          [(np.ones((2, 1)), np.ones(1))])
    np.testing.assert_allclose(gradient, [2, 5, 3], rtol=1e-15)


def test_errata_is_what_the_command_line_prints(monkeypatch):
    monkeypatch.setattr(verify.misprints, "misprints", lambda seed: iter(NOTATION))
    report = verify.errata(seed=0)
    lines = list(report)
    assert lines[:-1] == [format_erratum(e) for e in NOTATION]
    assert lines[-1] == "3 checks, 0 failed" and report.passed
    assert len(report.to_json()["results"]) == 3


def test_those_that_are_asked_for_by_number():
    assert {erratum.number for erratum in misprints(seed=0, numbers=(2, 5, 21))} == {2, 5, 21}
