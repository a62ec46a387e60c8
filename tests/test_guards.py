"""Numbers at the edge: finite results or a named stop, never a silent NaN."""

import dataclasses
import json
import math
from contextlib import contextmanager
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avanet.ava import AVA, RULES, VARIANTS
from avanet.ava.balance import balance, score_trivial
from avanet.data import Split
from avanet.errors import InputError
from avanet.experiments.bm import Task, work
from avanet.experiments.store import RunFolder
from avanet.models import MODELS, model_class
from avanet.nn import BatchNorm, DivergedError, Sequential
from avanet.nn.activations import Logistic
from avanet.nn.losses import binary_cross_entropy_from_logits, gaussian_kl_from_log_variance

PLANS = ("printed", "printed-mean", "letter", "as-run", "exact")
unit = st.floats(0, 1, width=32)
net_inputs = st.floats(-2.0**99, 2.0**99, width=32)


@contextmanager
def sixty_digits():
    """Decimal arithmetic whose rounding error is far below float64's."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 60, 10**15, -10**15
        yield


def exact_logistic(v, s=1.0, m=0.0):
    """1 / (1 + exp(-s (v - m)))."""
    with sixty_digits():
        u = Decimal(s) * (Decimal(v) - Decimal(m))
        if abs(u) > 10**9:  # 1 or 0 to more digits than there are
            return Decimal(int(u > 0))
        return 1 / (1 + (-u).exp())


def exact_softplus(v):
    """log(1 + exp v)."""
    with sixty_digits():
        if abs(v) > 10**9:
            return max(Decimal(v), Decimal(0))
        return (1 + Decimal(v).exp()).ln()


# Closed forms ---------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [0.0, 1.0, 1e-45, 1e-38, 2**-24, 1 - 2**-24, 0.5])
@pytest.mark.parametrize("s", [0.5, 1.0])
def test_ratios_of_the_discriminator_are_exact_at_saturation(d, s, dtype):
    """a'/(1 - d) = s d and a'/d = s (1 - d), as fractions, where the quotients themselves fail."""
    verdict = np.array([[d]], dtype)
    x, rate = Fraction(float(verdict[0, 0])), Fraction(s)
    for rule, expected in (("pull", rate * x), ("real_error", rate * (1 - x)),
                           ("fake_error", -rate * x)):
        got = RULES[rule](verdict, s)[0, 0]
        assert np.isfinite(got) and got.dtype == dtype
        assert abs(Fraction(float(got)) - expected) <= Fraction(float(np.finfo(dtype).eps)) \
            * abs(expected) + Fraction(float(np.finfo(dtype).smallest_subnormal))
        if 0 < x < 1:
            slope = rate * x * (1 - x)
            quotient = {"pull": slope / (1 - x), "real_error": slope / x,
                        "fake_error": -slope / (1 - x)}[rule]
            assert quotient == expected


@given(v=net_inputs, s=st.sampled_from([0.5, 1.0, 4.0]), m=st.sampled_from([0.0, 0.5]))
def test_the_logistic_against_sixty_digits(v, s, m):
    for dtype, digits in ((np.float32, 1e-6), (np.float64, 1e-14)):
        y = Logistic(s, m).f(np.array([v], dtype))[0]
        expected = exact_logistic(float(dtype(v)), s, m)
        scale = 1 + abs(s * (v - m)) * (0 < y < 1)  # rounding of the net input counts that often
        assert np.isfinite(y)
        assert abs(float(y) - float(expected)) <= digits * scale * float(expected) \
            + float(np.finfo(dtype).tiny)


@given(v=net_inputs, target=st.sampled_from([0.0, 0.25, 1.0]))
def test_cross_entropy_from_logits_against_sixty_digits(v, target):
    for dtype, digits in ((np.float32, 1e-6), (np.float64, 1e-14)):
        value, dv = binary_cross_entropy_from_logits(*np.array([[[v]], [[target]]], dtype))
        softplus, pull = exact_softplus(v), Decimal(target) * Decimal(v)
        assert np.isfinite(value) and np.isfinite(dv).all()
        assert abs(Decimal(float(value)) - (softplus - pull)) <= Decimal(digits) * (
            softplus + abs(pull))
        assert abs(float(dv[0, 0]) - float(exact_logistic(v) - Decimal(target))) <= digits


@given(l=st.floats(-80, 80, width=32))
def test_the_kl_from_the_log_variance_against_sixty_digits(l):
    for dtype, digits in ((np.float32, 1e-6), (np.float64, 1e-14)):
        log_var = np.array([[l]], dtype)
        value, (_, dl) = gaussian_kl_from_log_variance(np.zeros_like(log_var), log_var)
        with sixty_digits():
            excess = Decimal(l).exp() - 1
            terms = (excess - Decimal(l)) / 2, excess / 2
        size = max(abs(excess), abs(Decimal(l)))
        bound = Decimal(digits) * size + Decimal(float(np.finfo(dtype).tiny))
        for got, exact in zip((value, dl[0, 0]), terms):
            assert abs(Decimal(float(got)) - exact) <= bound


@given(x=unit, x_=unit, d=unit, r=st.floats(-9, 9, width=32), mu=unit)
def test_errors_stay_finite_over_all_verdicts_and_codes(x, x_, d, r, mu):
    x, x_, d, r, mu = (np.array([[value]], np.float32) for value in (x, x_, d, r, mu))
    slope = d * (1 - d) / 2
    for error in (RULES["decoder_error"](x, x_, RULES["pull"](d, 0.5), x_ * (1 - x_)),
                  RULES["mean_error"](mu, RULES["pull"](d, 0.5), mu * (1 - mu)),
                  RULES["leaning_error"](d, slope, RULES["leaning_sum"](x, x_, slope), 0.5),
                  RULES["sample_code"](mu, d, r)):
        assert np.isfinite(error).all()


# Whole models ---------------------------------------------------------------------------------

def ends_well(model, X):
    """Finite parameters and codes, or a stop that names the layer."""
    try:
        model.fit(X)
    except DivergedError as error:
        assert error.where and str(error).startswith(f"{model.model}: NaN or overflow at step")
        return False
    for players in model.players_:
        for player in filter(None, players):
            assert np.isfinite(player.params).all()
    for code in model.code_ or ():
        assert np.isfinite(code).all()
    assert np.isfinite(model.sample(2)).all()
    return True


@pytest.mark.parametrize("rules", PLANS)
@pytest.mark.parametrize("model", VARIANTS)
@pytest.mark.parametrize("rate", [1.0, 1e-30])
def test_extreme_rates(model, rules, rate):
    X = np.random.default_rng(0).random((12, 6))
    ends_well(AVA(model, rules=rules, rate=rate, latent_dim=2, hidden_dim=3), X)


@pytest.mark.parametrize("X", [np.zeros((9, 6)), np.ones((9, 6)), np.full((1, 1), 0.5),
                               np.full((3, 4), 1e-45), np.zeros((1, 2, 2, 3))])
@pytest.mark.parametrize("model", VARIANTS)
def test_constant_single_and_vanishing_images(model, X):
    assert ends_well(AVA(model, latent_dim=2, hidden_dim=2), X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", [1e4, -1e4, 1e30, -1e30])
def test_saturated_players(v, dtype):
    """Biases that hold every output at 0 or 1, Sigma at 0 among them: finite or named."""
    X = np.random.default_rng(0).random((3, 4))
    model = AVA("ava5", rules="printed", latent_dim=2, hidden_dim=2, dtype=dtype).step(X[:1])
    for player in filter(None, model.players_[0]):
        player.layers[-2].b[:] = v
    try:
        for x in X:
            model.step(x)
    except DivergedError as error:
        assert error.where
    else:
        for player in filter(None, model.players_[0]):
            assert np.isfinite(player.params).all()


@pytest.mark.parametrize("var", [0, 1e-45])
def test_sigma_at_zero_stops_by_name(var):
    """1 / Sigma overflows: an infinity that the encoder's check names, not a NaN."""
    from avanet.ava.heads import HEADS
    var, slope = np.array([[var]], np.float32), np.array([[0.25]], np.float32)
    with np.errstate(divide="ignore", over="ignore"):
        error = HEADS["diagonal"](1).kl_error(var, slope, 1.0)
    assert np.isposinf(error).all()


# Engine ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("x", [np.zeros((1, 3)), np.full((1, 3), 1e30), np.full((4, 3), 7.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_of_one_or_of_equal_values(x, dtype):
    rng = np.random.default_rng(0)
    network = Sequential([BatchNorm(3)], rng, dtype)
    with np.errstate(over="ignore"):
        y, caches = network.forward(x.astype(dtype), True)
    assert np.isfinite(y).all() and np.abs(y).max() < 1e-3
    assert np.isfinite(network.backward(np.ones_like(y), caches)).all()
    assert all(np.isfinite(buffer).all() for buffer in network.buffers().values())


@pytest.mark.parametrize("name", ["survey-vae", "gan"])
@pytest.mark.parametrize("pixel", [0.0, 1.0])
def test_models_of_batches_on_one_constant_image(name, pixel):
    model = model_class(name)(epochs=3, batch=1).fit(np.full((1, 6, 6, 1), pixel, np.float32))
    assert all(np.isfinite(player.params).all() for player in model.players_.values())


@pytest.mark.parametrize("rate", [1e30, 1e-30])
@pytest.mark.parametrize("X", [np.zeros((2, 8, 8, 1)), np.ones((1, 8, 8, 1)),
                               np.full((2, 8, 8, 1), 1e-45)])
@pytest.mark.parametrize("name", MODELS)
def test_models_of_batches_of_one_at_rates_beyond_reason(name, X, rate):
    """Batch norm of one image; black, white and vanishing ones. Only the high rate may stop."""
    kind = model_class(name)
    tiny = {"batch": 1, "epochs": 2, "latent": 2, "hidden": 3, "width": 2, "classes": 2}
    known = {field.name for field in dataclasses.fields(kind.Config)}
    model = kind(rate=rate, **{field: tiny[field] for field in tiny.keys() & known})
    try:
        model.fit(Split(X.astype(np.float32), np.zeros(len(X), int)))
    except DivergedError as error:
        assert rate == 1e30
        assert error.where and str(error).startswith(f"{name}: NaN or overflow at step")
    else:
        assert all(np.isfinite(player.params).all() for player in model.players_.values())


# Tables ---------------------------------------------------------------------------------------

def test_balance_of_constant_and_equal_images():
    for image in (np.zeros((2, 2, 3)), np.ones((2, 2, 3))):
        assert balance(image, image[None]).tolist() == [[0.0, 0.0]]
    for value in score_trivial(np.zeros((1, 2, 2, 3))).values():
        assert all(map(math.isfinite, value))


@pytest.mark.parametrize("rules", PLANS)
def test_a_cell_has_numbers_or_says_where_it_stopped(rules):
    images = np.ones((4, 3, 2, 3), np.float32)
    for rate in (1.0, 0.01):
        line = work({"rules": rules, "model": "ava5", "rate": rate, "seed": 0},
                    Task(images, False)).line
        json.dumps(line, allow_nan=False)
        assert ("stopped" in line) == (line["bm_abs"] is None)


def test_no_line_of_a_table_may_be_nan(tmp_path):
    with RunFolder(tmp_path, ("seed",)) as folder:
        folder.open_run({}, {})
        with pytest.raises(ValueError, match="not JSON compliant"):
            folder.append([{"seed": 0, "value": math.nan}], [])
    assert not (tmp_path / "results.jsonl").exists() \
        or (tmp_path / "results.jsonl").read_bytes() == b""


def test_pixels_that_are_no_numbers_are_refused():
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(InputError, match="NaN or infinity"):
            AVA("ava1").fit(np.full((2, 3), bad))
