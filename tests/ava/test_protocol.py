"""How training is run: the protocol's values, and both update orders by hand."""

import numpy as np
import pytest

from avanet.ava import Protocol
from avanet.ava.protocol import ascend
from avanet.errors import InputError
from avanet.nn import Dense, Logistic, NonFiniteError, Sequential


def network_2_2_1():
    """Logistics of slope 2 around 0; W1 = 0 and b1 = 0, so that both hidden units are 1/2."""
    network = Sequential([Dense(2, 2), Logistic(2.0, 0.0), Dense(2, 1), Logistic(2.0, 0.0)],
                         dtype=np.float64)
    network.layers[2].W[:] = [[1], [-1]]
    return network


def test_defaults_are_those_of_the_published_tables():
    p = Protocol()
    assert (p.start, p.s, p.m, p.order, p.passes, p.channels) == (
        "zeros", 0.5, 0.5, "back-to-front", 1, "separate")


@pytest.mark.parametrize("values, message", [
    ({"start": "zero"}, "unknown start 'zero': did you mean 'zeros'"),
    ({"order": "simultaneus"}, "unknown order 'simultaneus': did you mean 'simultaneous'"),
    ({"channels": "seperate"}, "unknown channels 'seperate': did you mean 'separate'"),
    ({"s": 0}, "slope s must be positive, got 0"),
    ({"s": float("nan")}, "slope s must be positive, got nan"),
    ({"passes": 0}, "passes must be at least 1, got 0"),
])
def test_bad_values_are_refused_in_one_line(values, message):
    with pytest.raises(InputError, match=message) as error:
        Protocol(**values)
    assert "\n" not in str(error.value)


# x = (1, 0.5), e = 0.8 at the output's net input, rate 0.5, h = (1/2, 1/2), a'(h) = 2 / 4 = 0.5.
#   output: W2 += 0.5 * 0.8 * h = (0.2, 0.2), so W2 = (1.2, -0.8);  b2 += 0.4
#   simultaneous:  hidden error 0.8 * (1, -1) * 0.5     = (0.4, -0.4)
#   back-to-front: hidden error 0.8 * (1.2, -0.8) * 0.5 = (0.48, -0.32)
#   hidden: b1 += 0.5 * error;  W1 += 0.5 * x^T error
@pytest.mark.parametrize("order, b1", [
    ("simultaneous", [0.2, -0.2]),
    ("back-to-front", [0.24, -0.16]),
])
def test_one_step_of_a_2_2_1_network_by_hand(order, b1):
    network = network_2_2_1()
    x = np.array([[1, 0.5]])
    _, caches = network.forward(x)
    ascend(network, [(np.array([[0.8]]), caches)], 0.5, order)
    hidden, output = network.layers[0], network.layers[2]
    np.testing.assert_allclose(output.W.ravel(), [1.2, -0.8], rtol=1e-15)
    np.testing.assert_allclose(output.b, [0.4], rtol=1e-15)
    np.testing.assert_allclose(hidden.b, b1, rtol=1e-15)
    np.testing.assert_allclose(hidden.W, np.outer([1, 0.5], b1), rtol=1e-15)


@pytest.mark.parametrize("order", ["simultaneous", "back-to-front"])
def test_errors_are_averaged_over_a_batch_and_added_over_passes(order):
    """The same row twice moves as far as once; two passes move twice as far as one, in W2."""
    x, e = np.array([[1, 0.5]]), np.array([[0.8]])
    moved = []
    for rows, passes in ((1, 1), (2, 1), (1, 2)):
        network = network_2_2_1()
        _, caches = network.forward(np.repeat(x, rows, 0))
        ascend(network, [(np.repeat(e, rows, 0), caches)] * passes, 0.5, order)
        moved.append(network.layers[2].W - network_2_2_1().layers[2].W)
    np.testing.assert_allclose(moved[1], moved[0], rtol=1e-14)
    np.testing.assert_allclose(moved[2], 2 * moved[0], rtol=1e-14)


def test_ascent_climbs():
    """A positive error at the output raises the output."""
    network, x = network_2_2_1(), np.array([[1, 0.5]])
    before, caches = network.forward(x)
    ascend(network, [(np.ones((1, 1)), caches)], 0.01, "simultaneous")
    assert network.forward(x)[0] > before


@pytest.mark.parametrize("order", ["simultaneous", "back-to-front"])
def test_an_error_that_is_not_finite_is_named(order):
    network = network_2_2_1()
    _, caches = network.forward(np.ones((1, 2)))
    with pytest.raises(NonFiniteError, match="network, dense 2-1"):
        ascend(network, [(np.array([[np.nan]]), caches)], 0.5, order)
