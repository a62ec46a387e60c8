"""The AVA paper's models in the manners of the others are the AVA paper's models."""

import numpy as np
import pytest

from avanet import AVA, Protocol
from avanet.errors import InputError
from avanet.models import AVA_MODELS, load, model_class

SMALL = {"latent": 2, "hidden": 3}


def both(name, images, **settings):
    ours = model_class(name)(random_state=5, **SMALL, **settings).fit(images)
    known = {key: settings[key] for key in ("rules", "covariance") if key in settings}
    protocol = Protocol(channels=settings.get("channels", "separate"))
    return ours, AVA(name, latent_dim=2, hidden_dim=3, random_state=5, protocol=protocol,
                     **known).fit(images)


@pytest.mark.parametrize("name", AVA_MODELS)
@pytest.mark.parametrize("settings", [{}, {"channels": "joint", "rules": "exact"}])
def test_training_is_that_of_ava(name, images, settings):
    """The same start values and draws; the compiled pass of AVA rounds differently."""
    ours, theirs = both(name, images, **settings)
    for channel, players in enumerate(theirs.players_):
        for player, network in players._asdict().items():
            if network is not None:
                np.testing.assert_allclose(ours.players_[f"{channel}.{player}"].params,
                                           network.params, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"covariance": "full"}, {"channels": "joint"}])
def test_codes_are_rows_and_images_the_same(images, settings):
    ours, theirs = both("ava1", images, **settings)
    mu, var = ours.encode(images)
    assert mu.shape == var.shape == (len(images), 2 if "channels" in settings else 6)
    np.testing.assert_allclose(ours.decode(mu), theirs.reconstruct(images), atol=1e-6)
    np.testing.assert_allclose(ours.reconstruct(images), theirs.reconstruct(images), atol=1e-6)
    assert (var > 0).all()
    np.testing.assert_allclose(ours.sample(3), theirs.sample(3), atol=1e-6)


def test_saved_and_loaded(images, tmp_path):
    ours, _ = both("ava5", images)
    ours.save(tmp_path / "a.npz")
    np.testing.assert_array_equal(load(tmp_path / "a.npz").reconstruct(images),
                                  ours.reconstruct(images))


def test_the_pole_without_encoder_cannot_encode(images):
    ours, _ = both("ava-gan", images)
    assert not hasattr(ours, "encode") and not hasattr(ours, "reconstruct")
    assert 0 < ours.evaluate(next(iter(ours.batches(_split(images)))), None)["verdict"] < 1


def _split(images):
    from avanet.data import Split
    return Split(images)


@pytest.mark.parametrize("settings, message", [
    ({"optimiser": "adam"}, "optimiser must be sgd"), ({"rate": 1.5}, r"rate must lie in \(0, 1"),
    ({"rules": "prined"}, "did you mean 'printed'"), ({"start": "zero"}, "did you mean 'zeros'"),
    ({"covariance": "ful"}, "did you mean 'full'"), ({"schedule": "cosine"}, "schedule must be")])
def test_settings_that_the_paper_has_not(settings, message):
    with pytest.raises(InputError, match=message):
        model_class("ava1")(**settings).config
