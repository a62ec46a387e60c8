"""The overview's models: its networks, beta = 1, and the total correlation with its gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avanet.data import Split
from avanet.metrics.decomposition import kl_parts
from avanet.models import model_class
from avanet.models.correlation import ESTIMATES, stratified, total_correlation, weighted
from avanet.nn.gradcheck import check_loss

NAMES = ("overview-ae", "overview-vae", "overview-beta-vae", "overview-beta-tcvae")
SMALL = {"width": 2, "latent": 3, "batch": 4, "epochs": 2, "rate": 0.01}
FACES = Split(np.random.default_rng(5).integers(0, 256, (10, 16, 16, 3), np.uint8))


def code(M, n, seed=0):
    mu, log_var, epsilon = np.random.default_rng(seed).standard_normal((3, M, n))
    return {"mu": mu, "log_var": log_var, "z": mu + np.exp(log_var / 2) * epsilon}


def fitted(name, **settings):
    return model_class(name)(random_state=1, **SMALL | settings).fit(FACES)


# Networks -----------------------------------------------------------------------------------------

def test_the_layers_of_the_program():
    """64 x 64 x 3, latent 32: kernels 4x4 without biases, two numbers a channel of batch norm."""
    encoder, decoder = model_class("overview-vae")().start((64, 64, 3)).players_.values()
    down = [3, 64, 128, 128, 256, 512]
    norms = 2 * sum(down[1:])
    kernels = sum(16 * a * b for a, b in zip(down, down[1:]))
    last, heads = 16 * 512 * 32 + 32, 2 * (32 * 32 + 32)
    assert encoder.params.size == kernels + norms + last + heads
    up = [512, 256, 128, 128, 64, 3]
    kernels = 32 * 512 + sum(16 * a * b for a, b in zip(up, up[1:]))
    assert decoder.params.size == kernels + 2 * sum(up) + 25 * 9 + 3
    sides = [shape[0] for shape in _shapes(decoder, (32,)) if len(shape) == 3]
    assert list(dict.fromkeys(sides)) == [1, 4, 8, 16, 32, 64]
    sides = [shape[0] for shape in _shapes(encoder, (64, 64, 3)) if len(shape) == 3]
    assert list(dict.fromkeys(sides)) == [32, 16, 8, 4, 2, 1]


def _shapes(network, shape):
    for layer in network.layers:
        shape = layer.output_shape(shape)
        yield shape


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 1), (5, 130, 2), (1, 1, 1), (33, 7, 3)])
def test_images_of_any_size_come_back_in_it(shape):
    encoder, decoder = model_class("overview-vae")(width=1, latent=3).start(shape).players_.values()
    assert encoder.output_shape(shape) == (6,)
    assert decoder.output_shape((3,)) == shape


# Losses -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES[2:])
def test_beta_1_is_the_vae(name):
    vae, other = fitted("overview-vae"), fitted(name, beta=1.0)
    for player, network in vae.players_.items():
        np.testing.assert_array_equal(network.params, other.players_[player].params)


def test_the_loss_is_the_likelihood_without_its_constant():
    model = fitted("overview-vae", scale=0.3)
    mu, _ = model.encode(FACES.images)
    constant = 16 * 16 * 3 * (np.log(0.3) + np.log(2 * np.pi) / 2)
    loss = model.losses(FACES)["reconstruction"]
    assert -model.log_likelihood(FACES.images, mu).mean() == pytest.approx(loss + constant)
    assert model.score(FACES.images) == pytest.approx(
        -loss - model.losses(FACES)["kl"])


def test_a_plain_squared_error():
    """sigma^2 = 1/2 is ||x - x'||^2, what the autoencoder lowers."""
    for name, scale in (("overview-ae", {}), ("overview-vae", {"scale": 0.5**0.5})):
        model = fitted(name, **scale)
        error = ((model.reconstruct(FACES.images) - FACES.read(slice(None)))**2).sum() / 10
        assert model.losses(FACES)["reconstruction"] == pytest.approx(error, rel=1e-4)


def test_more_beta_less_kl():
    kl = [fitted("overview-beta-vae", beta=beta, scale=0.7, epochs=20).losses(FACES)["kl"]
          for beta in (0.1, 100.0)]
    assert kl[1] < 0.1 * kl[0]


# Total correlation --------------------------------------------------------------------------------

@pytest.mark.parametrize("estimate", ESTIMATES)
@pytest.mark.parametrize("M, N", [(6, 50), (6, 6), (2, 9), (1, 5)])
def test_its_gradient_by_a_complex_step(estimate, M, N):
    log_W = ESTIMATES[estimate](M, N)
    arguments = code(M, 3) | {"log_W": log_W}
    loss = lambda **a: total_correlation(**a | {"log_W": log_W})
    report = check_loss(loss, arguments, ("z", "mu", "log_var"))
    if M > 1:
        assert report.passed, str(report)
    else:
        value, slopes = total_correlation(**arguments)
        assert abs(value) < 1e-12 and not any(np.abs(slope).max() > 1e-12 for slope in slopes)


@given(st.integers(2, 9), st.integers(0, 1000))
def test_stratified_weights_sum_to_one(M, more):
    W = np.exp(stratified(M, M + more))
    np.testing.assert_allclose(W.sum(axis=1), 1)
    np.testing.assert_allclose(np.diag(W), 1 / (M + more))


def test_a_collapsed_code_has_none():
    z = np.random.default_rng(0).standard_normal((8, 32))
    for estimate in ESTIMATES.values():
        value, _ = total_correlation(np.zeros((8, 32)), np.zeros((8, 32)), z, estimate(8, 1000))
        assert abs(value) < 1e-10


def test_stratified_weights_are_on_average_what_is_reported_with():
    """Over the choices of the other image the weights are those of `kl_parts`."""
    M, N = 7, 40
    own = np.full(M, (N - 1) / (N * (M - 1)))
    own[0] = 1 / N
    shifted = [np.exp(stratified(M, N))[0]]
    for k in range(1, M - 1):
        shifted.append(np.concatenate([shifted[0][:1], np.roll(shifted[0][1:], k)]))
    np.testing.assert_allclose(np.mean(shifted, axis=0), own)


def test_dependent_dimensions_correlate():
    """Of codes of small variance on a line, and of independent ones, beside the reported parts."""
    rng = np.random.default_rng(2)
    line = rng.standard_normal((200, 1)) * [1.0, 1.0]
    apart = rng.standard_normal((200, 2))
    found = []
    for mu in (line, apart):
        log_var = np.full(mu.shape, -2.0)
        z = mu + np.exp(-1) * rng.standard_normal(mu.shape)
        value, _ = total_correlation(mu, log_var, z, weighted(200, 200))
        found.append(value)
        assert value == pytest.approx(
            kl_parts(mu, np.exp(log_var), z).total_correlation.mean(), abs=1e-9)
    assert found[0] > 0.5 > abs(found[1])


def test_the_model_knows_how_many_images_there_are():
    model = fitted("overview-beta-tcvae", estimate="stratified")
    assert model.images_ == 10
