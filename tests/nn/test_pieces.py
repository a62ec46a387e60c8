"""Work in pieces: each value once, the same bits on any number of threads, and no deadlock."""

import threading
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avanet.nn import pieces
from avanet.nn.memory import add_product, product
from avanet.nn.pieces import ENOUGH, MOST, in_pieces, multiply


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(pieces, "_threads", lambda: request.param)
    return request.param


@given(st.integers(0, 50), st.integers(0, 10 * ENOUGH))
def test_the_cuts_make_up_the_whole_and_are_worth_it(length, cost):
    found = in_pieces(lambda part: part, length, cost)
    assert [i for part in found for i in range(length)[part]] == list(range(length))
    assert len(found) <= MOST
    assert len(found) == 1 or cost / len(found) >= ENOUGH


@pytest.mark.parametrize("m, k, n", [(3, 4, 5), (128, 784, 400), (784, 128, 400), (400, 128, 784)])
def test_products(threads, m, k, n):
    """On whole numbers every order of the sums gives the same."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, shape).astype(np.float32) for shape in ((m, k), (k, n)))
    expected = np.einsum("ij,jk->ik", a, b)
    total = np.ones((m, n), np.float32)
    add_product(total, a, b)
    np.testing.assert_array_equal(total, 1 + expected)
    np.testing.assert_array_equal(product(a, b), expected)
    np.testing.assert_array_equal(product(a.T.copy().T, b.T.copy().T), expected)


def test_pieces_run_beside_each_other(threads):
    seen = set()
    meet = threading.Barrier(threads, timeout=20)

    def work(part):
        seen.add(threading.current_thread())
        if part.start < threads:
            meet.wait()

    in_pieces(work, MOST, MOST * ENOUGH)
    assert len(seen) == threads


def test_a_piece_may_be_cut_again(threads):
    found = []

    def work(part):
        in_pieces(lambda inner: found.append((part.start, inner.start)), MOST, MOST * ENOUGH)

    in_pieces(work, MOST, MOST * ENOUGH)
    assert sorted(found) == [(i, j) for i in range(MOST) for j in range(MOST)]


def test_what_a_piece_raises_arrives(threads):
    def work(part):
        if part.start == 2:
            raise ValueError("the third")

    with pytest.raises(ValueError, match="the third"):
        in_pieces(work, MOST, MOST * ENOUGH)


def test_the_callers_errstate_holds_in_all_threads(threads):
    a = np.full((784, 784), 1e30, np.float32)
    out = np.empty_like(a)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(over="ignore", invalid="ignore"):
            multiply(a, a, out)
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            multiply(a, a, out)
    assert np.isinf(out).all()


TRAINING = """
import numpy as np
from avanet.data import Batch
from avanet.models import model_class
from avanet.nn import pieces

def weights(name, threads, **settings):
    pieces._threads = lambda: threads
    model = model_class(name)(batch=128, **settings)
    x = np.random.default_rng(0).random((128, 28, 28, 1), np.float32)
    model.start(x.shape[1:])
    for _ in range(3):
        model.step(Batch(x, x, np.arange(128) % 10, np.arange(128)))
    return [player.params.tobytes() for player in model.players_.values()]

for name, settings in ("survey-vae", {}), ("vaegan", {}), ("dcgan", {"width": 16}):
    one, two, three = (weights(name, n, **settings) for n in (1, 2, 3))
    print(name, one == two == three)
"""


def test_a_training_is_the_same_on_any_number_of_threads(python, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert python("-c", TRAINING) == (0, "survey-vae True\nvaegan True\ndcgan True\n", "")


FORK = """
import os, signal
from avanet.nn import pieces
pieces._threads = lambda: 2
cut = lambda: pieces.in_pieces(lambda part: None, 4, 4 * pieces.ENOUGH)
cut()
child = os.fork()
signal.alarm(30)
if child == 0:
    cut()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_has_threads_of_its_own(python):
    assert python("-W", "ignore::DeprecationWarning", "-c", FORK) == (0, "7\n", "")
