"""What every model of batches keeps to: trains, saves, repeats itself, and fails with a name."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avanet.data import Batch, Split
from avanet.errors import InputError
from avanet.models import MODELS, model_class
from avanet.models.base import Model
from avanet.models.priors import PRIORS, unmixed
from avanet.models.pyramid import pyramid, up
from avanet.nn import DivergedError

SIDE = 8
TINY = {  # settings that make a model small, where it has them
    "batch": 4, "latent": 3, "hidden": 5, "discriminator_hidden": 4, "width": 2, "channels": 2,
    "classes": 3, "epochs": 2}
OTHER = {  # settings that are not the default's
    "survey-vae": {"annealing": "cyclical", "cycles": 2, "schedule": "cosine"},
    "gan": {"k": 2, "loss": "saturating", "optimiser": "adam"},
    "dcgan": {"dropout": 0.0, "clip_norm": 0.1, "optimiser": "rmsprop"},
    "cgan": {"classes": 4, "k": 3, "momentum": 0.0},
    "cdcgan": {"classes": 5, "optimiser": "adamw"},
    "classifier": {"optimiser": "sgd"},
    "lapgan": {"levels": 1},
    "bigan": {"dropout": 0.5, "optimiser": "rmsprop"},
    "aae": {"prior": "mixture", "labels": True, "adversarial": 1.0},
    "savae": {"n_dis": 2, "first": 0.3, "gamma": 0.0},
    "vaegan": {"batch_norm": False, "adversarial": 0.0},
    "denoising-vaegan": {"noise": 0.1, "hidden": 0},
    "overview-ae": {"latent": 2, "schedule": "cosine"},
    "overview-vae": {"scale": 0.5},
    "overview-beta-vae": {"beta": 1.0},
    "overview-beta-tcvae": {"estimate": "stratified"},
}


def small(name, **settings) -> Model:
    kind = model_class(name)
    known = {field.name for field in dataclasses.fields(kind.Config)}
    tiny = {key: value for key, value in TINY.items() if key in known}
    return kind(random_state=3, **tiny | settings)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(8)
    return Split(rng.integers(0, 256, (10, SIDE, SIDE, 1), np.uint8), np.arange(10) % 3, "random")


def params(model):
    return {name: player.params.copy() for name, player in model.players_.items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", MODELS)
def test_it_trains_and_repeats_itself(name, data):
    model = small(name).fit(data)
    assert model.n_steps_ == 2 * 3
    start = params(small(name).start(data.images.shape[1:]))
    assert all(not np.array_equal(start[player], moved) for player, moved in params(model).items())
    assert same(params(model), params(small(name).fit(data)))
    other = small(name)
    other.random_state = 4
    assert not same(params(model), params(other.fit(data)))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_moves_players_and_leaves_no_gradient(name, dtype, data):
    model = small(name)
    model.dtype = dtype
    model.start(data.images.shape[1:], 4)
    before = params(model)
    batch = next(iter(model.batches(data)))
    losses = model.step(batch)
    assert not same(before, params(model))
    assert batch.x.dtype == batch.target.dtype == dtype
    for player, network in model.players_.items():
        assert network.params.dtype == dtype
        assert not network.grads.any(), player
    assert losses and all(isinstance(loss, float) and np.isfinite(loss)
                          for loss in losses.values())


@pytest.mark.parametrize("name", MODELS)
def test_other_settings_than_the_default_train_too(name, data):
    model = small(name, **OTHER[name]).fit(data)
    default = small(name).fit(data)
    assert any(not np.array_equal(a, b) if a.shape == b.shape else True
               for a, b in zip(params(model).values(), params(default).values()))


@pytest.mark.parametrize("name", MODELS)
def test_colour_and_other_sizes(name):
    rng = np.random.default_rng(0)
    X = rng.random((4, 12, 8, 3))
    model = small(name, epochs=1).fit(X, np.arange(4) % 3)
    if hasattr(model, "sample"):
        images = model.sample(3)
        assert images.shape == (3, 12, 8, 3) and images.dtype == np.float32
        assert 0 <= images.min() <= images.max() <= 1
        assert np.array_equal(images, model.sample(3, random_state=0))
        assert not np.array_equal(images, model.sample(3, random_state=1))
        assert model.sample(0).shape == (0, 12, 8, 3)


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded_it_is_the_same(name, data, tmp_path):
    model = small(name).fit(data)
    model.save(tmp_path / "model.npz")
    again = model_class(name).load(tmp_path / "model.npz")
    assert again.config == model.config and again.n_steps_ == model.n_steps_
    assert same(params(again), params(model))
    if hasattr(model, "sample"):  # which needs the running statistics too
        assert np.array_equal(again.sample(3), model.sample(3))
    other = next(kind for kind in MODELS if kind != name)
    with pytest.raises(InputError, match=f"holds a {name}"):
        model_class(other).load(tmp_path / "model.npz")


@pytest.mark.parametrize("name", MODELS)
def test_nan_is_named(name, data):
    model = small(name).start(data.images.shape[1:])
    batch = next(iter(model.batches(data)))
    first = next(iter(model.players_))
    model.players_[first].params[:] = np.nan
    with pytest.raises(DivergedError, match=f"{name}: NaN or overflow at step 1 in {first}, "):
        model.step(batch)
    assert model.n_steps_ == 0


@pytest.mark.parametrize("name", MODELS)
def test_use_before_training_is_refused(name):
    model = small(name)
    for use in ("sample", "generate", "decode", "discriminate", "encode", "reconstruct"):
        if hasattr(model, use):
            with pytest.raises(InputError, match="not fitted yet"):
                getattr(model, use)(np.zeros((2, 3)) if use != "sample" else 2)


@pytest.mark.parametrize("name", MODELS)
def test_settings_that_make_no_sense(name):
    for field in dataclasses.fields(model_class(name).Config):
        bad = {int: -1, float: -1.0, str: "nothing", bool: 2}[
            type(field.default)]
        with pytest.raises(InputError, match=rf"{field.name}|{bad}"):
            small(name, **{field.name: bad}).config
    with pytest.raises(InputError, match="unknown setting 'latnet'|unknown setting"):
        small(name, latnet=3).config


@pytest.mark.parametrize("name", MODELS)
def test_the_table_says_where_it_comes_from(name):
    kind = model_class(name)
    assert kind.name == name and kind.paper and kind.__doc__
    assert isinstance(kind.Config().batch, int)


# GANs ---------------------------------------------------------------------------------------------

def test_dcgan_has_the_parameters_of_the_program():
    """100-12544 without bias and its batch norm, three kernels 5x5, two batch norms; Keras counts
    2,330,944 with the running statistics; and 1,664 + 204,928 + 6,273 for the discriminator."""
    model = model_class("dcgan")().start((28, 28, 1))
    generator, discriminator = model.players_.values()
    running = sum(buffer.size for buffer in generator.buffers().values())
    assert generator.params.size + running == 2_330_944
    assert discriminator.params.size == 212_865
    assert generator.output_shape((100,)) == (28, 28, 1)
    adam = model.optimisers_["generator"]
    assert (adam.beta1, adam.epsilon, adam.epsilon_hat) == (0.9, 1e-7, True)


def test_other_gans_halve_beta1():
    for name in ("cgan", "cdcgan", "bigan", "lapgan"):
        model = model_class(name)().start((4, 4, 1))
        assert {adam.beta1 for adam in model.optimisers_.values()} == {0.5}


def test_dcgan_steps_both_players_from_one_pass(data):
    """The generator's step must not see the discriminator's."""
    model, frozen = small("dcgan"), small("dcgan")
    for m in (model, frozen):
        m.start(data.images.shape[1:])
    batch = next(iter(model.batches(data)))
    model.update(batch, np.random.default_rng(1))
    frozen.gradients(batch, np.random.default_rng(1))
    frozen.apply("generator")
    assert np.array_equal(model.players_["generator"].params, frozen.players_["generator"].params)


@pytest.mark.parametrize("name", ["dcgan", "cdcgan"])
def test_dcgan_needs_sides_that_are_multiples_of_four(name):
    with pytest.raises(InputError, match="multiples of 4, got 6 x 8"):
        small(name).start((6, 8, 1))


def test_gan_takes_k_steps_of_the_discriminator_for_one_of_the_generator(data):
    model = small("gan", k=3).start(data.images.shape[1:])
    moved = []
    for k in range(6):
        before = params(model)
        losses = model.step(next(iter(model.batches(data))))
        moved.append([not np.array_equal(before[player], model.players_[player].params)
                      for player in ("generator", "discriminator")])
        assert ("generator" in losses) == moved[-1][0]
    assert moved == [[False, True], [False, True], [True, True]] * 2


def test_gan_draws_for_every_step_of_its_own(data):
    """The generator's noise is not the discriminator's."""
    model = small("gan").start(data.images.shape[1:])
    draws, normal = [], model.normal
    model.normal = lambda *arguments: draws.append(normal(*arguments)) or draws[-1]
    model.step(next(iter(model.batches(data))))
    assert len(draws) == 2 and not np.array_equal(*draws)


def test_discriminate_gives_probabilities(data):
    for name in ("gan", "dcgan"):
        d = small(name).fit(data).discriminate(data.images)
        assert d.shape == (10,) and np.all((0 < d) & (d < 1))
    for name in ("cgan", "cdcgan"):
        model = small(name).fit(data)
        d = model.discriminate(data.images, data.labels)
        assert not np.array_equal(d, model.discriminate(data.images, (data.labels + 1) % 3))


def test_a_network_asked_for_classes_is_the_network_of_their_outputs(data):
    """Its gradients too: by the chain rule, only those of the asked outputs count."""
    model = small("cdcgan").start(data.images.shape[1:])
    discriminator, x = model.players_["discriminator"], model.inputs(data.images)
    v, caches = discriminator.forward(x)
    asked, same = model.asked(data.labels).forward(x)
    rows = np.arange(len(x))
    assert np.array_equal(asked[:, 0], v[rows, data.labels])
    dv = np.zeros_like(v)
    dv[rows, data.labels] = 2
    discriminator.accumulate(dv, caches)
    expected = discriminator.grads.copy()
    model.asked(data.labels).accumulate(np.full_like(asked, 2), same)
    assert np.array_equal(discriminator.grads, 2 * expected) and expected.any()
    dx = model.asked(data.labels).propagate(np.full_like(asked, 2), same)
    assert np.array_equal(dx, discriminator.propagate(dv, caches))


@pytest.mark.parametrize("name", ["cgan", "cdcgan"])
def test_conditional_samples(name, data):
    model = small(name).fit(data)
    asked = model.sample(6, labels=[0, 1, 2, 0, 1, 2])
    assert np.array_equal(asked, model.sample(6))  # in turn by default
    ones = model.sample(6, labels=1)
    np.testing.assert_allclose(ones[[1, 4]], asked[[1, 4]], atol=1e-5)
    assert not np.allclose(ones[0], asked[0], atol=1e-5)
    z = model.draw(2, 0)
    np.testing.assert_allclose(model.generate(z, np.array([0, 1])), asked[:2], atol=1e-5)


@pytest.mark.parametrize("name", ["cgan", "cdcgan"])
@pytest.mark.parametrize("labels, text", [
    (None, "needs labels 0..2, got none"), (np.array([0, 1, 3, 0]), "got 0..3; set classes"),
    (np.array([0, -1, 1, 0]), "got -1..1"), (np.zeros((4, 2), int), r"shape \(4, 2\)"),
    (np.zeros(4), "got float64")])
def test_labels_that_do_not_fit(name, labels, text):
    x = np.zeros((4, SIDE, SIDE, 1), np.float32)
    model = small(name).start(x.shape[1:])
    with pytest.raises(InputError, match=text):
        model.step(Batch(x, x, labels, np.arange(4)))


# Variants -----------------------------------------------------------------------------------------

def test_pyramid_by_hand_and_back():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    (detail, below), (coarse, nothing) = pyramid(x, 2)
    assert nothing is None
    np.testing.assert_array_equal(coarse[0, ..., 0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(below[0, 0, :, 0], [2.5, 3, 4, 4.5])  # 3/4 and 1/4 of both
    np.testing.assert_array_equal(detail + below, x)


@given(st.integers(1, 4), st.integers(0, 2**32))
def test_details_add_up_to_the_image(levels, seed):
    x = np.random.default_rng(seed).random((2, 8, 16, 3))
    *details, (image, _) = pyramid(x, levels)
    for detail, below in reversed(details):
        np.testing.assert_allclose(up(image), below, atol=1e-12)
        image = up(image) + detail
    np.testing.assert_allclose(image, x, atol=1e-12)


def test_lapgan_needs_sides_that_can_be_halved():
    with pytest.raises(InputError, match="3 levels need sides that are multiples of 4, got 8 x 6"):
        small("lapgan").start((8, 6, 1))
    small("lapgan", levels=2).start((8, 6, 1))


def test_lapgan_without_details_enlarges_the_coarsest_image(data):
    model = small("lapgan").fit(data)
    for k in (0, 1):
        model.players_[f"generator{k}"].layers[-1].W[...] = 0
        model.players_[f"generator{k}"].layers[-1].b[...] = 0
    images = model.sample(4)
    coarse = images.reshape(4, 2, 4, 2, 4, 1).mean(axis=(2, 4))
    assert np.corrcoef(up(up(coarse)).ravel(), images.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("name", ["bigan", "aae"])
def test_codes_are_certain_and_reconstruct(name, data):
    model = small(name).fit(data)
    mu, variance = model.encode(data.images)
    assert mu.shape == variance.shape == (10, 3) and not variance.any()
    np.testing.assert_array_equal(model.reconstruct(data.images), model.decode(mu))
    loss = model.losses(data)["reconstruction"]
    if name == "bigan":
        error = ((model.reconstruct(data.images) - data.images / 255) ** 2).sum() / 10
        assert loss == pytest.approx(error, rel=1e-4)
        d = model.discriminate(data.images)
        assert d.shape == (10,) and np.all((0 < d) & (d < 1))


def test_mixture_by_hand():
    """Component 1 of 4 lies on the second axis: (4 + 1 e1, 0.4 e2) turned by a right angle."""
    z = PRIORS["mixture"](np.array([[1.0, 2, 3]] * 2), np.array([0, 1]), 4)
    np.testing.assert_allclose(z, [[5, 0.8, 3], [-0.8, 5, 3]], atol=1e-12)
    epsilon = np.ones((2, 3))
    assert PRIORS["gaussian"](epsilon, np.array([0, 1]), 4) is epsilon


def test_unmixed_undoes_the_mixture():
    rng = np.random.default_rng(2)
    epsilon, components = 0.5 * rng.standard_normal((300, 3)), rng.integers(5, size=300)
    again, found = unmixed(PRIORS["mixture"](epsilon, components, 5), 5)
    np.testing.assert_array_equal(found, components)
    np.testing.assert_allclose(again, epsilon, atol=1e-12)


def test_aae_samples_the_components_that_are_asked_for(data):
    model = small("aae", prior="mixture", labels=True).fit(data)
    rng = lambda: np.random.default_rng(0)
    first = model.decode(model.prior(4, rng(), np.full(4, 2)))
    np.testing.assert_array_equal(model.sample(4, labels=2), first)
    with pytest.raises(InputError, match="needs labels 0..2, got none"):
        small("aae", prior="mixture", labels=True).fit(data.images)


@pytest.mark.parametrize("settings, text", [
    ({"prior": "mixture", "latent": 1}, "latent of at least 2, got 1"),
    ({"labels": True}, "prior=mixture"), ({"prior": "mixtuer"}, "mixture")])
def test_aae_settings_that_do_not_go_together(settings, text):
    with pytest.raises(InputError, match=text):
        small("aae", **settings).start((4, 4, 1))


def test_an_overflow_between_the_networks_is_a_named_stop_and_no_warning():
    model = model_class("survey-vae")(latent=2, hidden=3, batch=4).start((4, 4, 1), 4)
    model.players_["encoder"].layers[-1].b[2:] = 1e4  # log sigma^2: sigma is beyond float32
    X = np.random.default_rng(0).random((4, 4, 4, 1)).astype(np.float32)
    with pytest.raises(DivergedError, match="step 1 in "):
        model.step(next(iter(model.batches(Split(X)))))
