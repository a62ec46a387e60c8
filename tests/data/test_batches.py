"""Mini-batches: every image once an epoch, pipelines by hand, and going on bit for bit."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from avanet.data import Batches, FolderImages, Split
from avanet.data.batches import bernoulli, gaussian_noise, symmetric, threshold
from avanet.errors import InputError

X = np.random.default_rng(0).integers(0, 256, (11, 3, 2)).astype(np.uint8)
SPLIT = Split(X, np.arange(11))
NOISY = {"prepare": (bernoulli, symmetric), "corrupt": (gaussian_noise(0.5, -1, 1),)}


def rng(seed=0):
    return np.random.default_rng(seed)


# --- epochs -------------------------------------------------------------------------------------

@settings(max_examples=40)
@given(st.integers(1, 11), st.booleans(), st.booleans(), st.integers(0, 99))
def test_an_epoch_gives_every_image_once(size, shuffle, partial, seed):
    batches = Batches(SPLIT, size, rng(seed), shuffle=shuffle, partial=partial)
    for epoch in range(2):
        assert batches.epoch == epoch
        given_ = list(batches)
        indices = np.concatenate([batch.indices for batch in given_])
        expected = 11 if partial else 11 - 11 % size
        assert len(given_) == len(batches) and len(indices) == len(set(indices)) == expected
        assert all(len(batch.x) == size for batch in given_[:11 // size])
        if not shuffle:
            np.testing.assert_array_equal(indices, np.arange(expected))


def test_a_batch_holds_what_belongs_together():
    for batch in Batches(SPLIT, 4, rng()):
        assert batch.x is batch.target and batch.x.dtype == np.float32
        np.testing.assert_array_equal(batch.x[..., 0], X[batch.indices] / np.float32(255))
        np.testing.assert_array_equal(batch.labels, batch.indices)
    assert next(iter(Batches(Split(X), 4, rng()))).labels is None


def test_orders_differ_from_epoch_to_epoch_and_belong_to_the_seed():
    def order(batches):
        return [i for batch in batches for i in batch.indices]

    batches = Batches(SPLIT, 4, rng(1))
    first, second = order(batches), order(batches)
    again = Batches(SPLIT, 4, rng(1))
    assert first != second and [first, second] == [order(again), order(again)]
    assert order(Batches(SPLIT, 4, rng(2))) != first


def test_every_order_is_equally_likely():
    counts = {}
    batches = Batches(Split(X[:3]), 3, rng(5))
    for _ in range(1200):
        (batch,) = batches
        counts[tuple(batch.indices)] = counts.get(tuple(batch.indices), 0) + 1
    assert len(counts) == 6 and all(150 < n < 250 for n in counts.values())  # 200 +- 4 deviations


def test_a_folder_serves_too(tmp_path):
    for i in range(3):
        Image.new("RGB", (2, 2), (i, 0, 0)).save(tmp_path / f"{i}.png")
    for batch in Batches(Split(FolderImages(tmp_path)), 2, rng()):
        np.testing.assert_array_equal(np.rint(batch.x[:, 0, 0, 0] * 255), batch.indices)


# --- steps --------------------------------------------------------------------------------------

def test_noise_corrupts_the_input_and_not_the_target():
    split = Split(np.full((2, 100, 100), 0.5))
    (batch,) = Batches(split, 2, rng(), corrupt=(gaussian_noise(0.1),))
    np.testing.assert_array_equal(batch.target, np.float32(0.5))
    noise = batch.x - batch.target
    assert batch.x.dtype == np.float32
    assert noise.std() == pytest.approx(0.1, rel=0.02) and abs(noise.mean()) < 0.004
    (strong,) = Batches(split, 2, rng(), corrupt=(gaussian_noise(5),))
    assert strong.x.min() == 0 and strong.x.max() == 1
    # beyond 0 or 1: P(|N| > 0.1) = 0.920
    assert np.isin(strong.x, [0, 1]).mean() == pytest.approx(0.920, abs=0.01)
    (none,) = Batches(split, 2, rng(), corrupt=(gaussian_noise(0),))
    np.testing.assert_array_equal(none.x, none.target)


def test_a_fixed_threshold():
    images = np.array([0, 0.5, 0.50001, 1], np.float32)
    np.testing.assert_array_equal(threshold()(images, rng()), [0, 0, 1, 1])
    np.testing.assert_array_equal(threshold(0.6)(images, rng()), [0, 0, 0, 1])
    assert threshold()(images, rng()).dtype == np.float32


def test_bernoulli_pixels_have_the_image_as_their_mean():
    images = np.array([0, 0.2, 0.7, 1], np.float32)
    source = rng()
    draws = np.array([bernoulli(images, source) for _ in range(4000)])
    assert set(np.unique(draws)) == {0, 1} and draws.dtype == np.float32
    np.testing.assert_allclose(draws.mean(0), images, atol=0.03)  # 4 deviations
    assert (draws[:, 0] == 0).all() and (draws[:, 3] == 1).all()


def test_scaling_to_the_range_of_tanh():
    (batch,) = Batches(Split(np.array([[[0, 127.5, 255]]]) / 255), 1, rng(), prepare=(symmetric,))
    np.testing.assert_array_equal(batch.x.ravel(), [-1, 0, 1])
    assert batch.x.dtype == np.float32


def test_steps_run_in_their_order():
    (batch,) = Batches(Split(X), 11, rng(), prepare=(threshold(), symmetric))
    np.testing.assert_array_equal(batch.x[..., 0], np.where(X[batch.indices] > 127, 1, -1))


# --- going on -----------------------------------------------------------------------------------

@settings(max_examples=40)
@given(stop=st.integers(0, 11), size=st.integers(2, 11), shuffle=st.booleans(), data=st.data())
def test_a_restored_pipeline_goes_on_bit_for_bit(stop, size, shuffle, data):
    def run(batches, count):
        """So many batches, with a draw of someone else's between them."""
        seen = []
        while len(seen) < count:
            for batch in batches:
                seen.append((batch, batches.rng.random()))
                if len(seen) == count:
                    break
        return seen

    whole = Batches(SPLIT, size, rng(4), shuffle=shuffle, **NOISY)
    expected = run(whole, stop + 9)[stop:]
    first = Batches(SPLIT, size, rng(4), shuffle=shuffle, **NOISY)
    run(first, stop)
    state = json.loads(json.dumps(first.state()))
    second = Batches(SPLIT, size, rng(99), shuffle=shuffle, **NOISY)
    if data.draw(st.booleans()):
        run(second, 1)
    second.restore(state)
    assert second.state() == state
    for (ours, mine), (theirs, other) in zip(run(second, 9), expected):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b)
        assert mine == other
    assert second.state() == whole.state()


def test_a_state_at_the_end_of_an_epoch_leaves_nothing_of_it():
    batches = Batches(SPLIT, 4, rng())
    for batch in batches:
        state = batches.state()
    assert (state["epoch"], state["position"]) == (0, 3)
    batches.restore(state)
    assert list(batches) == [] and batches.epoch == 1 and len(list(batches)) == 3


@pytest.mark.parametrize("change", [
    {"position": 4}, {"position": -1}, {"epoch": -1}, {"epoch": None}, {"order": None},
    {"generator": {"bit_generator": "MT19937"}}, {"generator": None}, {"order": 7}])
def test_another_state_is_refused(change):
    batches = Batches(SPLIT, 4, rng())
    next(iter(batches))
    with pytest.raises(InputError, match="not the state of these batches"):
        batches.restore(batches.state() | change)
    with pytest.raises(InputError, match="not the state of these batches"):
        batches.restore({})


# --- bad input ----------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, -1, 12])
def test_a_batch_that_does_not_fit_the_data(size):
    with pytest.raises(InputError, match=f"from 1 to the 11 images of data, got {size}"):
        Batches(SPLIT, size, rng())


@pytest.mark.parametrize("deviation", [-1, np.nan, np.inf])
def test_a_deviation_that_is_none(deviation):
    with pytest.raises(InputError, match="deviation of at least 0"):
        gaussian_noise(deviation)
