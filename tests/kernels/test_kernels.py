"""Each compiled kernel against its NumPy twin, and where compiled code is kept.

With NUMBA_DISABLE_JIT=1 the compiled kernels run as the Python loops that they are.
"""

import inspect
import os
import shutil
import signal
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet import kernels
from avanet.kernels import compiled, reference

JIT = not numba.config.DISABLE_JIT
# wide, hidden, K, k: nothing and all pending, sizes around the unrolled two and four
SIZES = [(1, 1, 1, 0), (1, 1, 1, 1), (4, 8, 4, 4), (3, 5, 4, 0), (7, 3, 6, 5), (8, 1, 3, 3),
         (130, 33, 9, 8)]
sizes = pytest.mark.parametrize("size", SIZES)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
layouts = pytest.mark.parametrize("layout", ["contiguous", "strided"])


def copied(value, layout):
    """A copy; strided: as every second element of a larger array."""
    if not isinstance(value, np.ndarray):
        return value
    if layout == "contiguous":
        return value.copy()
    every_second = tuple(slice(None, None, 2) for _ in value.shape)
    larger = np.full([2 * n for n in value.shape], np.nan, value.dtype)
    larger[every_second] = value
    return larger[every_second]


def run(twin, name, layout, *arguments):
    """What the kernel returns and leaves in its last argument; the others must not change."""
    given = [copied(value, layout) for value in arguments]
    returned = getattr(twin, name)(*given)
    for before, after in zip(arguments[:-1], given):
        np.testing.assert_array_equal(after, before)
    assert given[-1].dtype == arguments[-1].dtype
    return returned, given[-1]


def agree(name, layout, *arguments):
    """Both twins do the same, up to the rounding of a sum; the result."""
    ours, theirs = (run(twin, name, layout, *arguments) for twin in (compiled, reference))
    assert ours[0] == theirs[0]
    tolerance = 1e-13 if ours[1].dtype == np.float64 else 2e-5
    np.testing.assert_allclose(ours[1], theirs[1], rtol=tolerance, atol=tolerance)
    return ours[1]


def layer(size, dtype, seed=0):
    """u : (wide,), v : (hidden,), A, X, Y, k; rows that are not pending are NaN."""
    wide, hidden, K, k = size
    rng = np.random.default_rng(seed)
    shapes = (wide,), (hidden,), (wide, hidden), (K, wide), (K, hidden)
    u, v, A, X, Y = (rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes)
    X[k:] = Y[k:] = np.nan
    return u, v, A, X, Y, k


def nothing(shape, dtype):
    """An output whose old contents must not matter."""
    return np.full(shape, np.nan, dtype)


@sizes
@dtypes
@layouts
def test_compiled_kernels_equal_their_twins(size, dtype, layout):
    u, v, A, X, Y, k = layer(size, dtype)
    agree("to_hidden", layout, u, A, v)
    agree("from_hidden", layout, v, A, u)
    agree("correct", layout, u, X, Y, k, v)
    agree("products", layout, X[:k], A, nothing((k, len(v)), dtype))
    flushed = agree("flush", layout, X, Y, k, A)
    if not k:
        np.testing.assert_array_equal(flushed, A)


@settings(max_examples=30)
@given(wide=st.integers(1, 9), hidden=st.integers(1, 9), K=st.integers(1, 9), data=st.data())
def test_pending_updates_count_as_if_they_were_flushed(wide, hidden, K, data):
    size = wide, hidden, K, data.draw(st.integers(0, K))
    u, v, A, X, Y, k = layer(size, "float64", data.draw(st.integers(0, 99)))
    flushed = A + sum((np.outer(X[row], Y[row]) for row in range(k)), np.zeros_like(A))
    for twin in (compiled, reference):
        left = run(twin, "correct", "contiguous", u, X, Y, k, 0 * v)[1]
        right = run(twin, "correct", "contiguous", v, Y, X, k, 0 * u)[1]
        pairs = [(run(twin, "to_hidden", "contiguous", u, A, left)[1], u @ flushed),
                 (run(twin, "from_hidden", "contiguous", v, A, right)[1], flushed @ v),
                 (run(twin, "flush", "contiguous", X, Y, k, A)[1], flushed)]
        for got, expected in pairs:
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 5, 100])
@dtypes
@layouts
def test_logistic_and_its_slope(n, dtype, layout):
    s, m = np.array([0.5, 0.5], dtype)
    v = np.linspace(-60, 60, n).astype(dtype)
    y = agree("logistic", layout, s, m, v)
    np.testing.assert_allclose(y, 1 / (1 + np.exp((0.5 - v.astype(float)) / 2)), rtol=2e-5)
    slope = agree("logistic_slope", layout, y, s, nothing(n, dtype))
    np.testing.assert_allclose(slope, y * (1 - y) / 2, rtol=1e-5)
    assert run(compiled, "logistic", layout, s, m, v)[0] is True


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 6])
@dtypes
def test_logistic_tells_what_is_not_finite(value, place, dtype):
    s, m = np.array([0.5, 0.5], dtype)
    v = np.zeros(7, dtype)
    v[place] = value
    with np.errstate(all="ignore"):
        for twin in (compiled, reference):
            assert run(twin, "logistic", "contiguous", s, m, v)[0] is False


@dtypes
def test_logistic_saturates(dtype):
    s, m = np.array([1, 0], dtype)
    v = np.array([-3e4, 3e4], dtype)
    for twin in (compiled, reference) if JIT else (reference,):  # Python's exp refuses to overflow
        finite, y = run(twin, "logistic", "contiguous", s, m, v)
        assert finite and y.tolist() == [0, 1]


def test_the_table_has_both():
    module = compiled if JIT else reference
    assert kernels.KERNELS == {name: getattr(module, name) for name in kernels.NAMES}
    for name in kernels.NAMES:
        twins = getattr(compiled, name), getattr(reference, name)
        signatures = [list(inspect.signature(getattr(f, "py_func", f)).parameters) for f in twins]
        assert signatures[0] == signatures[1]


def is_nan(x):
    return x != x


def test_jit_keeps_nan_and_leaves_python_alone():
    function = kernels.jit(is_nan)
    assert function(np.nan) and not function(1.0)
    assert (function is is_nan) != JIT


# The folder of compiled code ------------------------------------------------------------------

@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the sources that the folder is named after, and an empty cache beside it."""
    source = tmp_path / "avanet"
    for name in ("ava", "kernels"):
        shutil.copytree(Path(kernels.__file__).parents[1] / name, source / name)
    monkeypatch.setattr(kernels, "_PACKAGE", source)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return source


def test_the_folder_belongs_to_a_state_of_the_source(package, tmp_path):
    first = Path(kernels._cache_folder())
    assert first.parent == tmp_path / "cache" / "avanet" and first.is_dir()
    assert kernels._cache_folder() == str(first)
    for edited in ("ava/rules.py", "kernels/compiled.py"):
        before = kernels._cache_folder()
        with open(package / edited, "a") as file:
            file.write("# edited\n")
        assert kernels._cache_folder() != before
    (package / "ava" / "notes.txt").write_text("no source")
    assert len(list((tmp_path / "cache" / "avanet").iterdir())) == 3


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX users")
def test_a_user_without_a_home_has_a_folder(package, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 9)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # put back afterwards
    folder = Path(kernels._cache_folder())
    assert folder.is_dir()
    folder.rmdir()


WHERE = """
import subprocess, sys, numpy, numba
from avanet.kernels import KERNELS
slope = numpy.zeros(1)
KERNELS["logistic_slope"](numpy.array([0.25]), 1.0, slope)
print(numba.config.CACHE_DIR, slope[0])
if len(sys.argv) > 1:
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""


def test_a_cache_that_cannot_be_written_is_replaced_for_all_processes(tmp_path, python):
    (tmp_path / "file").write_text("")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "file"), "NUMBA_CACHE_DIR": "",
                   "TMPDIR": str(tmp_path)}
    code, output, errors = python("-c", WHERE, WHERE, env=environment)
    assert (code, errors) == (0, "")
    ours, workers = output.splitlines()
    assert ours == workers and ours.endswith(" 0.1875")
    assert ours.startswith(str(tmp_path / "avanet-kernels-"))


def test_a_user_s_own_cache_folder_is_kept(tmp_path, python):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "mine")}
    assert python("-c", WHERE, env=environment) == (0, f"{tmp_path / 'mine'} 0.1875\n", "")


def doubled(x):
    return x + x


@pytest.mark.skipif(not JIT, reason="nothing to compile")
@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_an_interrupt_waits_for_the_compiler(monkeypatch):
    from numba.core.dispatcher import Dispatcher
    compile_for = Dispatcher.compile

    def interrupted(self, signature):
        signal.raise_signal(signal.SIGINT)
        return compile_for(self, signature)

    monkeypatch.setattr(Dispatcher, "compile", interrupted)
    kernel = kernels.jit(doubled)
    with pytest.raises(KeyboardInterrupt):
        kernel(1.5)
    assert len(kernel.signatures) == 1 and kernel(1.5) == 3.0
