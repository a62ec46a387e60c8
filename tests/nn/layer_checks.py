"""What is asked of every layer, whatever it computes."""

import copy
import pickle

import numpy as np

from avanet.nn import InTraining, Sequential
from avanet.nn.gradcheck import check_layer


def draw(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def network_of(*layers, dtype=np.float64, seed=1):
    """A network of these layers at random parameters."""
    network = Sequential(layers, np.random.default_rng(seed), dtype)
    network.params += 0.3 * draw(network.params.size, seed=seed + 1, dtype=dtype)
    return network


def check(layer, x, **options):
    report = check_layer(layer, x, **options)
    assert report.passed, str(report)
    return report


def check_both_modes(layer, x, **options):
    check(layer, x, **options)
    check(InTraining(layer), x, **options)


def keeps_float32(layer, shape):
    """Both modes, forward and back, answer in float32."""
    for train in (False, True):
        network = network_of(copy.deepcopy(layer), dtype=np.float32)
        y, caches = network.forward(draw(*shape, dtype=np.float32), train, np.random.default_rng(0))
        dx = network.backward(np.ones_like(y), caches)
        buffers = network.buffers().values()
        assert {a.dtype for a in (y, dx, network.grads, *buffers)} == {np.dtype(np.float32)}
        assert dx.shape == shape


def strides_do_not_matter(layer, shape):
    """Input and error that are not contiguous give what their copies give."""
    twins = [network_of(copy.deepcopy(layer)) for _ in range(2)]
    x = draw(*(2 * n for n in shape))[tuple(slice(None, None, -2) for _ in shape)]
    (y, caches), (y_, caches_) = (
        net.forward(a, True, np.random.default_rng(0))
        for net, a in zip(twins, (x, np.ascontiguousarray(x))))
    dy = np.asfortranarray(draw(*y.shape, seed=2))
    np.testing.assert_allclose(y, y_, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(twins[0].backward(dy, caches),
                               twins[1].backward(np.ascontiguousarray(dy), caches_),
                               rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(twins[0].grads, twins[1].grads, rtol=1e-12, atol=1e-13)


def copies_answer_the_same(layer, shape):
    """Deep copies and pickles have parameters and buffers of their own, of the same values."""
    net, x = network_of(layer), draw(*shape)
    net.forward(x, True, np.random.default_rng(0))  # moves the buffers
    before = net.forward(x)[0]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin.forward(x)[0], before)
        twin.params += 1
        for value in twin.buffers().values():
            value += 1
        np.testing.assert_array_equal(net.forward(x)[0], before)
        assert not twin.buffers() or (twin.forward(x)[0] != before).any()


def plant(monkeypatch, cls, method, target=None):
    """The method of the class, one component off by 1e-6 of the largest."""
    real = getattr(cls, method)

    def wrong(self, dy, cache, *sums):
        result = real(self, dy, cache, *sums)
        result = result if result is None else np.array(result)
        spoilt = result if target is None else getattr(self, target)
        spoilt.flat[spoilt.size // 2] += 1e-6 * np.abs(spoilt).max()
        return result

    monkeypatch.setattr(cls, method, wrong)
