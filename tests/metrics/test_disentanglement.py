"""MIG, SAP and DCI on codes that keep factors apart, mix them, or know nothing of them."""

import numpy as np
import pytest

from avanet.metrics.disentanglement import binned, dci, mig, mutual_information, sap

RNG = np.random.default_rng(0)
V = np.stack(np.meshgrid(*[np.arange(k) for k in (3, 4, 5)], indexing="ij"), -1).reshape(-1, 3)
V = np.tile(V, (20, 1))
APART = np.concatenate([V * [2., -1, 0.1], np.zeros((len(V), 1))], axis=1)
TURN = np.eye(3) - 2 / 3  # orthogonal; two dimensions tell as much of each factor
MIXED = (V - V.mean(axis=0)) / V.std(axis=0) @ TURN
NOISE = RNG.standard_normal((len(V), 4))


def test_a_code_that_is_the_factors_is_perfect():
    assert mig(APART, V) == pytest.approx(1)
    assert sap(APART, V) == pytest.approx(1)
    np.testing.assert_allclose(dci(APART, V), 1)


def test_a_turned_code_is_informative_but_mixed():
    disentanglement, completeness, informativeness = dci(MIXED, V)
    assert informativeness == pytest.approx(1)
    assert max(disentanglement, completeness) < 0.2
    assert mig(MIXED, V) < 0.3 and sap(MIXED, V) < 1e-9


def test_noise_knows_nothing():
    assert mig(NOISE, V) < 0.05 and sap(NOISE, V) < 0.02 and dci(NOISE, V).informativeness < 0.02
    assert dci(np.zeros((len(V), 2)), V) == pytest.approx((0, 0, 0), abs=1e-12)


def test_the_gap_by_hand():
    """Two factors of two values; the code has the first whole, and once more, noisy."""
    V = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2)
    Z = np.stack([V[:, 0], V[:, 0] ^ (np.arange(8) == 0), V[:, 1]], axis=1).astype(float)
    information = mutual_information(Z, V)
    assert information[0] == pytest.approx([np.log(2), 0])
    joint = np.array([[3, 1], [0, 4]]) / 8
    known = sum(p * np.log(p / (a * b)) for row, a in zip(joint, joint.sum(1))
                for p, b in zip(row, joint.sum(0)) if p)
    assert information[1, 0] == pytest.approx(known)
    expected = (1 - known / np.log(2) + 1 - information[1, 1] / np.log(2)) / 2
    assert mig(Z, V) == pytest.approx(expected)


def test_scores_do_not_depend_on_order_scale_or_place():
    other = MIXED[:, ::-1] * [3, -2, 0.5] + 7
    assert sap(other, V) == pytest.approx(sap(MIXED, V), abs=1e-9)
    np.testing.assert_allclose(dci(other, V), dci(MIXED, V))
    assert binned(np.array([0, .49, .5, 1]), 2).tolist() == [0, 0, 1, 1]


def test_what_cannot_be_scored():
    with pytest.raises(ValueError, match="no factor varies"):
        mig(NOISE, np.zeros_like(V))
    with pytest.raises(ValueError, match="two dimensions"):
        sap(NOISE[:, :1], V)
