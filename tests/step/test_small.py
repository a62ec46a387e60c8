"""The small model and its data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.ava import VARIANTS
from avanet.errors import InputError
from avanet.step.small import grid, one_sample, reduced, small_model, widths


@given(st.integers(1, 3000))
@settings(max_examples=50)
def test_a_grid_holds_all_values_and_is_nearly_square(m):
    h, w = grid(m)
    assert h * w == m and h <= w
    assert not any(m % k == 0 for k in range(h + 1, w) if k * k <= m)


@pytest.mark.parametrize("m", [1, 4, 6, 7, 64])
def test_images_are_reduced_to_gray_values_that_use_the_range(m):
    X = reduced("orbit", m)
    assert X.shape == (36, m) and X.dtype == np.float64
    assert X.min() == pytest.approx(0.05) and X.max() == pytest.approx(0.95)


def test_reduction_averages_blocks(image_folder, images):
    """8 x 12 pixels to 2 x 2: means of blocks of 4 x 6, then stretched."""
    X = reduced(str(image_folder), 4)
    gray = (np.rint(images * 255) / 255).mean(axis=3)
    means = gray.reshape(4, 2, 4, 2, 6).mean(axis=(2, 4)).reshape(4, 4)
    expected = 0.05 + 0.9 * (means - means.min()) / (means.max() - means.min())
    np.testing.assert_allclose(X, expected, atol=1e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_net_gives_the_widths(name):
    model = small_model(name, "6-5-3")
    model.step(np.full((1, 6), 0.5))
    players = model.players_[0]
    assert [(layer.n_in, layer.n_out) for layer in players.g.layers[::2]] == [(3, 5), (5, 6)]
    for player, shape in ((players.f, (6, 5)), (players.d, (6, 5)), (players.D, (3, 5))):
        assert player is None or (player.layers[0].n_in, player.layers[0].n_out) == shape


@pytest.mark.parametrize("net", ["", "4-3", "4-3-2-1", "a-b-c", "4-0-2", "4--2", "-4-3-2", "4-3-²",
                                 "4.0-3-2", "999999-1-1", "٤-3-2"])
def test_other_nets_are_refused(net):
    with pytest.raises(InputError, match="m-hidden-n"):
        widths(net)


def test_a_net_too_large_to_look_at_is_refused():
    with pytest.raises(InputError, match="too many weights"):
        small_model("ava1", "400-20-10")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(max_examples=50)
def test_one_sample_is_read_as_it_was_written(values):
    x = one_sample(",".join(map(repr, values)), len(values))
    np.testing.assert_array_equal(x, [values])


@pytest.mark.parametrize("text, about", [
    ("0.1,0.2", "2 values"), ("0.1,b,c", "separated"), ("", "separated"), ("0,1,nan", "0, 1"),
    ("0,1,inf", "0, 1"), ("0,1,1.5", "0, 1"), ("-0.1,0,0", "0, 1")])
def test_other_samples_are_refused(text, about):
    with pytest.raises(InputError, match=about):
        one_sample(text, 3)
