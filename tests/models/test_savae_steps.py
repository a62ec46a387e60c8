"""The semi-supervised adversarial VAE: what its two steps train, and what they leave alone."""

import numpy as np
import pytest

from avanet.data import Split
from avanet.errors import InputError
from avanet.models.savae import SAVAE
from avanet.models.savae_vec import FIRST

SIZES = {"latent": 3, "width": 1, "hidden": 4, "classes": 3, "batch": 10}


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (20, 8, 8), np.uint8), rng.integers(0, 3, 20))


def trained(split, **settings):
    return SAVAE(**SIZES | settings).fit(split)


def test_each_step_trains_its_players_alone(split):
    new = SAVAE(**SIZES).start((8, 8, 1))
    first, second = trained(split, first=1.0, epochs=2), trained(split, first=0.0, epochs=2)
    for name in new.players_:
        moved = [not np.array_equal(model.players_[name].params, new.players_[name].params)
                 for model in (first, second)]
        assert moved == [name in FIRST, name not in FIRST], name
    buffers = new.first_tensors()
    assert all(np.array_equal(second.first_tensors()[name], buffers[name]) for name in buffers)


@pytest.mark.parametrize("seed", range(3))
def test_codes_start_near_the_prior(seed):
    """At the default widths too, where Glorot's weights gave log sigma^2 = 90."""
    model = SAVAE(random_state=seed).start((28, 28, 1))
    mu, variance = model.encode(np.random.default_rng(seed).random((4, 28, 28, 1)))
    assert np.abs(mu).max() < 1 and np.abs(np.log(variance)).max() < 1


def test_what_step_1_leaves_is_taken_over(split):
    first = trained(split, first=1.0, epochs=3)
    second = SAVAE(**SIZES, random_state=1).start((8, 8, 1))
    second.adopt(first.first_tensors())
    images = split.read(slice(None))
    assert np.array_equal(second.classify(images), first.classify(images))
    assert np.array_equal(second.encode(images)[1], first.encode(images)[1])
    assert not any(name.startswith("decoder") for name in first.first_tensors())
    with pytest.raises(ValueError, match="stage 1.params has shape"):
        second.adopt(SAVAE(**SIZES | {"width": 2}).start((8, 8, 1)).first_tensors())


def test_the_losses_by_weight(split):
    """alpha weighs later features less: of three features, 1, alpha, alpha^2."""
    batch = next(iter(SAVAE(**SIZES).start((8, 8, 1)).batches(split)))
    losses = [SAVAE(**SIZES, alpha=alpha).start((8, 8, 1)).decoder_gradients(
        batch, np.random.default_rng(0))["reconstruction"] for alpha in (0.0, 1.0, 2.0)]
    second_and_third, with_powers = losses[1] - losses[0], losses[2] - losses[0]
    third = (with_powers - 2 * second_and_third) / 2
    assert 0 < third < second_and_third


@pytest.mark.parametrize("settings", [{"kl": -1.0}, {"alpha": -1.0}, {"first": 1.5}, {"n_dis": 0},
                                      {"classes": 1}, {"hidden": 0}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        SAVAE(**settings).config
