"""Frechet distance on Gaussians with a known one; the manifold on points laid by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.metrics.features import (
    covered, frechet_distance, frechet_of_moments, nearest,
)

RNG = np.random.default_rng(2)


def test_of_gaussians_that_share_their_axes():
    """|m|^2 + sum (s_a - s_b)^2, s the standard deviations along the common axes."""
    axes = np.linalg.qr(RNG.standard_normal((5, 5)))[0]
    s_a, s_b = RNG.random(5), RNG.random(5)
    m = RNG.standard_normal(5)
    got = frechet_of_moments(0 * m, axes * s_a**2 @ axes.T, m, axes * s_b**2 @ axes.T)
    assert got == pytest.approx(m @ m + ((s_a - s_b)**2).sum())


def test_of_gaussians_in_general_by_the_eigenvalues_of_the_product():
    A, B = RNG.standard_normal((2, 4, 4))
    A, B, zero = A @ A.T, B @ B.T, np.zeros(4)
    root = np.sqrt(np.linalg.eigvals(A @ B).astype(complex)).sum().real
    assert frechet_of_moments(zero, A, zero, B) == pytest.approx(np.trace(A + B) - 2 * root)


def test_of_samples_it_is_that_of_their_moments():
    a, b = RNG.standard_normal((300, 3)), RNG.standard_normal((200, 3)) * [1, 2, 3] + 1
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(a, a + [3, 0, 4]) == pytest.approx(25)
    many = np.random.default_rng(0).standard_normal((200_000, 2))
    assert frechet_distance(many, 3 * many[::-1] + 1) == pytest.approx(2 + 2 * 4, abs=0.1)


def test_features_that_never_fire_and_float32():
    dead = np.zeros((50, 3), np.float32)
    dead[:, 0] = RNG.standard_normal(50)
    assert frechet_distance(dead, dead + np.float32(1)) == pytest.approx(3, rel=1e-6)


def naive(points, by, k):
    """By the definition, point by point."""
    hit = []
    for point in points:
        balls = [(np.linalg.norm(point - c), sorted(np.linalg.norm(by - c, axis=1))[k]) for c in by]
        hit.append(any(distance <= radius for distance, radius in balls))
    return hit


@settings(max_examples=25)
@given(st.integers(0, 9999), st.integers(1, 3))
def test_the_manifold_is_the_union_of_balls(seed, k):
    rng = np.random.default_rng(seed)
    points, by = rng.standard_normal((40, 2)), rng.standard_normal((6, 2))
    np.testing.assert_array_equal(covered(points, by, k), naive(points, by, k))


def test_precision_and_recall_tell_collapse_from_noise():
    data = RNG.standard_normal((400, 2))
    twins, collapsed, wild = (RNG.standard_normal((400, 2)) for _ in range(3))
    collapsed, wild = 0.05 * collapsed, 4 * wild
    assert covered(twins, data).mean() > 0.9 < covered(data, twins).mean()
    assert covered(collapsed, data).mean() > 0.9 and covered(data, collapsed).mean() < 0.1
    assert covered(wild, data).mean() < 0.3 and covered(data, wild).mean() > 0.9


def test_points_that_are_all_the_same():
    same = np.full((10, 3), 0.1)
    assert covered(same, same).all() and not covered(same + 1e-9, same).any()


def test_nearest_by_loops():
    points, to = np.random.default_rng(0).standard_normal((2, 40, 3))
    expected = [min(((p - t)**2).mean() for t in to[:37]) for p in points]
    np.testing.assert_allclose(nearest(points, to[:37]), expected)
    assert nearest(points, points).max() == 0
