"""The estimator: what goes in and out, that a fit is its steps, and what it refuses."""

import copy
import threading

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet import AVA, Protocol
from avanet.ava import fast
from avanet.ava.model import DivergedError
from avanet.ava.plans import RULE_SETS, VARIANTS
from avanet.errors import InputError

SHAPES = {(6,): 1, (3, 2): 1, (2, 3, 3): 3, (3, 2, 1): 1}  # of a sample, and its channels
RANDOM = Protocol(start="glorot")


def small(model="ava5", **options):
    return AVA(model, latent_dim=2, hidden_dim=3, **options)


def data(shape, n=4, seed=1):
    return np.random.default_rng(seed).random((n, *shape))


def parameters(model):
    """All parameters of all networks, one after the other."""
    return np.concatenate([player.params for players in model.players_ for player in players
                           if player is not None])


def test_the_constructor_only_remembers():
    nonsense = {"model": 3, "latent_dim": "x", "hidden_dim": None, "rules": (), "rate": -1,
                "covariance": 0, "protocol": [], "dtype": "text", "random_state": {}}
    model = AVA(nonsense["model"], **{name: nonsense[name] for name in list(nonsense)[1:]})
    assert vars(model) == nonsense == model.get_params()
    assert all(value is nonsense[name] for name, value in vars(model).items())


@pytest.mark.parametrize("channels", ["separate", "joint"])
@pytest.mark.parametrize("shape", SHAPES)
def test_fit_infers_sizes_and_returns_the_model(shape, channels):
    model, X = small(protocol=Protocol(channels=channels)), data(shape)
    before = X.copy()
    assert model.fit(X) is model
    assert model.n_features_in_ == np.prod(shape) and model.n_steps_ == len(X)
    n_channels = SHAPES[shape] if channels == "separate" else 1
    assert len(model.players_) == len(model.code_) == n_channels
    m = np.prod(shape) // n_channels
    for f, g, d, D in model.players_:
        widths = [[layer.n_in for layer in net.layers[::2]] for net in (f, g, d, D)]
        assert widths == [[m, 3], [2, 3], [m, 3], [2, 3]]
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("covariance, passes", [("diagonal", 1), ("diagonal", 2), ("full", 2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_fit_is_its_steps_with_the_same_draws(shape, covariance, passes):
    options = {"covariance": covariance, "dtype": "float64"}
    X = data(shape)
    fitted = small(protocol=Protocol("glorot", passes=passes), **options).fit(X)
    stepped = small(protocol=RANDOM, **options).fit(X[:1])
    for x in [*X, *X][1: passes * len(X)]:
        stepped.step(x)
    assert fitted.n_steps_ == stepped.n_steps_ == passes * len(X)
    np.testing.assert_allclose(parameters(fitted), parameters(stepped), rtol=1e-11, atol=1e-13)
    for ours, theirs in zip(fitted.code_, stepped.code_):
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-11)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-11)


def test_a_step_may_come_first_where_its_size_is_clear():
    flat, images = data((6,)), data((2, 3, 3))
    for first, again in ((flat[0], flat[:1]), (flat[:1], flat[:1]), (images[:1], images[:1])):
        stepped, fitted = small(dtype="float64").step(first), small(dtype="float64").fit(again)
        assert stepped.shape_ == fitted.shape_ and stepped.n_steps_ == 1
        np.testing.assert_allclose(parameters(stepped), parameters(fitted), rtol=1e-11)
    with pytest.raises(InputError, match="before fit, step expects"):
        small().step(images[0])


def test_draws_may_be_given():
    X, draws = data((6,)), np.random.default_rng(0).standard_normal((4, 2))
    drawn, given = small(dtype="float64"), small(dtype="float64")
    for x, r in zip(X[:, None], draws):  # a start at zero draws nothing
        drawn.step(x)
        given.step(x, r)
    np.testing.assert_array_equal(parameters(drawn), parameters(given))


def test_the_random_state_decides():
    X = data((2, 3, 3))
    model = small(protocol=RANDOM, random_state=3)
    same = small(protocol=RANDOM, random_state=np.random.default_rng(3)).fit(X)
    for _ in range(2):  # a second fit starts anew
        np.testing.assert_array_equal(parameters(model.fit(X)), parameters(same))
    assert np.any(parameters(same.fit(X)) != parameters(model))  # the generator has gone on
    assert np.any(parameters(small(protocol=RANDOM, random_state=4).fit(X)) != parameters(model))
    np.testing.assert_array_equal(model.sample(3, 1), model.sample(3, 1))
    assert np.any(model.sample(3, 1) != model.sample(3, 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
@pytest.mark.parametrize("model", VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_and_dtypes(shape, model, covariance, dtype):
    X, channels = data(shape), SHAPES[shape]
    ava = small(model, covariance=covariance, dtype=dtype, protocol=RANDOM).fit(X)
    r = np.random.default_rng(2).standard_normal((5, 2))
    made = [ava.sample(5), ava.decode(r), ava.sample_near_code(r)]
    if model != "ava-gan":
        mu, Sigma = ava.encode(X)
        assert mu.shape == (4, channels, 2) and mu.dtype == Sigma.dtype == dtype
        assert Sigma.shape == (4, channels, 2) + (2,) * (covariance == "full")
        made += [ava.reconstruct(X)]
        np.testing.assert_array_equal(ava.reconstruct(X), ava.decode(mu))
    if model in ("ava1", "ava2", "ava5", "ava-gan"):
        d = ava.discriminate(X)
        assert d.shape == (4, channels) and d.dtype == dtype and np.all((0 < d) & (d < 1))
    for samples in made:
        assert samples.shape[1:] == shape and samples.dtype == dtype
        assert np.all((0 < samples) & (samples < 1))
    np.testing.assert_array_equal(made[1], ava.decode(np.repeat(r[:, None], channels, 1)))


def test_an_untrained_model_is_gray():
    # All parameters zero: every net input is 0, and a(0) = 1 / (1 + exp(1/4)) = 0.4378.
    model = small(rate=1e-12, dtype="float64").fit(data((2, 3, 3), n=1))
    np.testing.assert_allclose(model.sample(2), 0.437823499114, rtol=1e-10)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_samples_near_the_code_are_decoded_draws(covariance):
    X, r = data((2, 3, 3)), np.random.default_rng(2).standard_normal((5, 2))
    model = small("ava1", covariance=covariance, dtype="float64", protocol=RANDOM).fit(X)
    for c, (mu, Sigma) in enumerate(model.code_):
        z = mu + (r * np.sqrt(Sigma) if covariance == "diagonal" else r @ Sigma[0].T)
        near = model.decode(np.repeat(z[:, None], 3, 1))[..., c]
        np.testing.assert_allclose(near, model.sample_near_code(r)[..., c], rtol=1e-12)
    gan = small("ava-gan").fit(X)
    np.testing.assert_array_equal(gan.sample_near_code(r), gan.decode(r))


@settings(max_examples=15)
@given(seed=st.integers(0, 99), model=st.sampled_from(sorted(set(VARIANTS) - {"ava-gan"})))
def test_a_full_covariance_is_one(seed, model):
    X = data((6,), seed=seed)
    _, Sigma = small(model, covariance="full", dtype="float64", protocol=RANDOM,
                     random_state=seed).fit(X).encode(X)
    np.testing.assert_allclose(Sigma, np.swapaxes(Sigma, -1, -2), rtol=1e-14)
    assert np.linalg.eigvalsh(Sigma).min() > 0 and np.abs(Sigma[..., 0, 1]).min() > 0


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
@pytest.mark.parametrize("rules", RULE_SETS)
@pytest.mark.parametrize("model", VARIANTS)
def test_a_batch_is_the_mean_of_single_updates(model, rules, covariance):
    X, r = data((2, 2, 3), 3), np.random.default_rng(2).standard_normal((3, 2))
    start = small(model, rules=rules, covariance=covariance, dtype="float64",
                  protocol=Protocol("glorot", order="simultaneous")).fit(X[:1])
    batch = copy.deepcopy(start).step(X, r)
    single = [copy.deepcopy(start).step(x, r_x) for x, r_x in zip(X, r)]
    mean = np.mean([parameters(step) for step in single], axis=0)
    np.testing.assert_allclose(parameters(batch), mean, rtol=1e-12, atol=1e-15)
    assert batch.n_steps_ == 2 and np.any(mean != parameters(start))
    if model in ("ava1", "ava2", "ava-vae"):  # the code is that of the last sample
        np.testing.assert_allclose(batch.code_[0][1], single[-1].code_[0][1], rtol=1e-12)


@settings(max_examples=20)
@given(order=st.permutations(range(3)), model=st.sampled_from(sorted(VARIANTS)),
       rules=st.sampled_from(sorted(RULE_SETS)))
def test_channels_are_separate_models_of_the_same_draws(order, model, rules):
    X = data((2, 2, 3))
    straight, permuted = (small(model, rules=rules).fit(Y).sample(2) for Y in (X, X[..., order]))
    np.testing.assert_array_equal(permuted, straight[..., order])
    alone = small(model, rules=rules).fit(X[..., 0]).sample(2)
    np.testing.assert_array_equal(alone, straight[..., 0])


@settings(max_examples=30)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), n=st.integers(1, 3),
       latent=st.integers(1, 3), hidden=st.integers(1, 4), model=st.sampled_from(sorted(VARIANTS)),
       rate=st.floats(0, 1, exclude_min=True), seed=st.integers(0, 99))
def test_any_size_trains(shape, n, latent, hidden, model, rate, seed):
    X = data(shape, n, seed)
    ava = AVA(model, latent_dim=latent, hidden_dim=hidden, rate=rate, random_state=seed).fit(X)
    assert np.isfinite(parameters(ava)).all() and ava.sample(2).shape == (2, *shape)


@pytest.mark.parametrize("options, message", [
    ({"model": "ava6"}, "unknown model 'ava6': did you mean 'ava5'"),
    ({"model": "vae"}, "did you mean 'ava-vae'"),
    ({"model": 5}, "unknown model 5: "),
    ({"rules": "as_run"}, "did you mean 'as-run'"),
    ({"rules": None}, "unknown rule set None: "),
    ({"covariance": "fulll"}, "did you mean 'full'"),
    ({"dtype": "float23"}, "unknown dtype 'float23': did you mean 'float32'"),
    ({"dtype": "float16"}, "unknown dtype 'float16'"),
    *[({"rate": rate}, r"rate .*\(0, 1\]") for rate in (0, -0.5, 1.01, np.nan, np.inf, "fast",
                                                        None)],
    *[({name: value}, name) for name in ("latent_dim", "hidden_dim")
      for value in (0, -1, 2.5, "x", None)],
    *[({"random_state": state}, "random_state") for state in (-1, 1.5, "x")],
    ({"protocol": "zeros"}, "protocol"),
])
def test_bad_hyperparameters_are_told_in_one_line(options, message):
    options = {"model": "ava1", "latent_dim": 2, "hidden_dim": 3} | options
    for use in (lambda model: model.fit(data((6,))), lambda model: model.step(data((6,))[0])):
        with pytest.raises(InputError, match=message) as refused:
            use(AVA(options["model"], **{k: v for k, v in options.items() if k != "model"}))
        assert "\n" not in str(refused.value)


BAD_DATA = {
    "1-D": np.zeros(6), "5-D": np.zeros((1,) * 5), "no samples": np.zeros((0, 6)),
    "no features": np.zeros((3, 0)), "NaN": np.full((2, 6), np.nan), "inf": np.full((2, 6), np.inf),
    "beyond float32": np.full((2, 6), 1e300), "text": [["a", "b"]], "ragged": [[1, 2], [3]],
    "complex": np.full((2, 6), 1j), "nothing": None, "a number": 3.0,
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_are_told_in_one_line(name):
    fitted = small().fit(data((6,)))
    for use in (small().fit, fitted.encode, fitted.reconstruct, fitted.discriminate):
        with pytest.raises(InputError, match="expected|contain NaN or inf") as refused:
            use(BAD_DATA[name])
        assert "\n" not in str(refused.value)


def test_data_of_another_shape_are_refused():
    model, bad = small().fit(data((3, 2, 3))), data((2, 3, 3))
    for use in (model.step, model.encode, model.reconstruct, model.discriminate):
        with pytest.raises(InputError, match=r"\(3, 2, 3\) expected, got \(2, 3, 3\)"):
            use(bad)
    for codes in (np.zeros((2, 3)), np.zeros((2, 2, 2)), np.zeros(2), np.full((1, 2), np.nan)):
        with pytest.raises(InputError, match="expected, got|NaN"):
            model.decode(codes)
        with pytest.raises(InputError, match="expected, got|NaN"):
            model.sample_near_code(codes)
    for r in (np.zeros(3), np.zeros((2, 2)), np.zeros((1, 3)), [np.nan, 0], "ab"):
        with pytest.raises(InputError):
            model.step(data((3, 2, 3))[0], r)
    assert model.n_steps_ == 4


def test_what_a_model_has_not_is_named():
    X = data((6,))
    for use in ("encode", "decode", "reconstruct", "discriminate", "sample_near_code", "save"):
        with pytest.raises(InputError, match="not fitted yet: call fit"):
            getattr(small(), use)(X)
    with pytest.raises(InputError, match="not fitted yet"):
        small().sample(1)
    for use in ("encode", "reconstruct"):
        with pytest.raises(InputError, match="ava-gan has no encoder"):
            getattr(small("ava-gan").fit(X), use)(X)
    for model, rules in (("ava-vae", "printed"), ("ava3", "printed"), ("ava1", "as-run")):
        with pytest.raises(InputError, match=f"{model} under rules '{rules}' has no discriminator"):
            small(model, rules=rules).fit(X).discriminate(X)


def test_a_model_that_could_not_start_can_be_mended():
    model = small(random_state="x")
    with pytest.raises(InputError):
        model.fit(data((6,)))
    with pytest.raises(InputError):
        model.step(data((6,))[0])
    model.random_state = 0
    assert model.step(data((6,))[0]).n_steps_ == 1


def wide(**options):
    """60 inputs, 20 hidden units: at inputs of 3e38 some hidden sum overflows float32."""
    return AVA("ava1", latent_dim=2, hidden_dim=20, protocol=RANDOM, **options)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_a_stop_is_named_and_keeps_what_was_before(covariance):
    X = data((60,))
    X[2] = 3e38
    model, before = wide(covariance=covariance), wide(covariance=covariance).fit(X[:2])
    with np.errstate(all="ignore"):
        message = "^ava1: NaN or overflow at step 3 in encoder f, dense 60-20$"
        with pytest.raises(DivergedError, match=message) as stop:
            model.fit(X)
        assert (stop.value.step, stop.value.where) == (3, "encoder f, dense 60-20")
        np.testing.assert_allclose(parameters(model), parameters(before), rtol=1e-5, atol=1e-7)
        assert model.n_steps_ == 2 and np.isfinite(model.sample(2)).all()
        with pytest.raises(InputError, match="training stopped"):
            model.sample_near_code(np.zeros((1, 2)))
        with pytest.raises(DivergedError, match="at step 3 in encoder f, dense 60-20$"):
            model.step(X[2])
    assert model.step(X[3]).n_steps_ == 3 and model.sample_near_code(np.zeros((1, 2))).all()


def test_channels_train_at_once_and_end_as_one_after_another(monkeypatch):
    X, run, meeting = data((6, 10, 3)), fast.run, threading.Barrier(3, timeout=30)

    def together(*arguments):
        meeting.wait()
        return run(*arguments)

    monkeypatch.setattr(numba, "get_num_threads", lambda: 1)
    alone = wide().fit(X)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 8)
    monkeypatch.setattr(fast, "run", together)
    for one, other in zip(alone.players_, wide().fit(X).players_):
        np.testing.assert_array_equal(one.g.params, other.g.params)
        np.testing.assert_array_equal(one.f.params, other.f.params)


def test_the_earliest_stop_of_the_channels_is_told():
    X = data((6, 10, 3))
    X[3, ..., 0] = X[1, ..., 2] = 3e38
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match="at step 2 in encoder f"):
        wide().fit(X)
