"""Saved models: the same bits back, and nothing but an InputError from any other file."""

import io
import json
import os
import pickle
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet import AVA, Protocol
from avanet.errors import InputError

SUFFIXES = (".npz", ".safetensors")
UNUSUAL = Protocol("glorot", s=0.75, m=0.25, order="simultaneous", passes=2, channels="joint")
X = np.random.default_rng(0).random((3, 2, 3, 3))
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and limits")


def trained(model="ava5", latent_dim=2, **options):
    return AVA(model, latent_dim=latent_dim, hidden_dim=3, **options).fit(X[:2])


def arrays(model):
    """Every array that a model holds, by name."""
    named = {f"{c}.{name}": player.params for c, players in enumerate(model.players_)
             for name, player in players._asdict().items() if player is not None}
    return named | {f"{c}.code{i}": part for c, code in enumerate(model.code_ or [])
                    for i, part in enumerate(code)}


def bits(model):
    return [(name, array.dtype, array.shape, array.tobytes())
            for name, array in arrays(model).items()]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a saved AVA5, by suffix."""
    folder = tmp_path_factory.mktemp("saved")
    for suffix in SUFFIXES:
        trained().save(folder / f"model{suffix}")
    return {suffix: (folder / f"model{suffix}").read_bytes() for suffix in SUFFIXES}


@pytest.fixture
def load(tmp_path, saved):
    """Loads an npz with changes: a header of any text, header fields, arrays (None drops one)."""

    def load(text=None, header=(), **changes):
        with np.load(io.BytesIO(saved[".npz"])) as file:
            stored = dict(file)
        original = json.loads(stored.pop("header").tobytes())
        text = json.dumps(original | dict(header)) if text is None else text
        stored |= {name.replace("_", "."): array for name, array in changes.items()}
        np.savez(tmp_path / "changed.npz", header=np.frombuffer(text.encode(), np.uint8),
                 **{name: array for name, array in stored.items() if array is not None})
        return AVA.load(tmp_path / "changed.npz")

    return load


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("options", [
    {}, {"model": "ava-gan", "rate": 0.1}, {"model": "ava3", "rules": "as-run"},
    {"dtype": "float64", "covariance": "full", "rules": "exact"},
    {"model": "ava-vae", "protocol": UNUSUAL, "random_state": 7, "rules": "letter"},
])
def test_a_round_trip_keeps_every_bit(tmp_path, suffix, options):
    model = trained(**options)
    model.save(tmp_path / f"m{suffix}")
    again = AVA.load(str(tmp_path / f"m{suffix}"))
    assert bits(again) == bits(model)
    assert again.get_params() | {"protocol": model.protocol} == model.get_params()
    assert again.protocol == (model.protocol or Protocol())
    assert (again.n_steps_, again.n_features_in_, again.shape_) == (
        model.n_steps_, 18, (2, 3, 3))
    np.testing.assert_array_equal(again.sample(3), model.sample(3))
    r = np.ones((1, 2))
    np.testing.assert_array_equal(again.sample_near_code(r), model.sample_near_code(r))
    assert bits(again.step(X[2], r)) == bits(model.step(X[2], r))
    assert os.listdir(tmp_path) == [f"m{suffix}"]


def test_what_numpy_gave_is_saved_too(tmp_path):
    options = {"latent_dim": np.int64(2), "rate": np.float32(0.5), "dtype": np.dtype("float64"),
               "random_state": np.int64(3)}
    trained(**options).save(tmp_path / "m.npz")
    again = AVA.load(tmp_path / "m.npz")
    assert {name: getattr(again, name) for name in options} == options
    trained(random_state=np.random.default_rng(1)).save(tmp_path / "m.npz")
    assert AVA.load(tmp_path / "m.npz").random_state is None  # a generator's state is not kept


def test_a_stopped_model_has_no_code(tmp_path):
    model = trained()
    with np.errstate(all="ignore"), pytest.raises(ArithmeticError):
        model.step(np.full((2, 3, 3), 3.4e38))
    model.save(tmp_path / "m.npz")
    assert AVA.load(tmp_path / "m.npz").code_ is None


@pytest.mark.parametrize("text", [
    "", "[]", "{}", "{", "3", "null", '"text"', "\0", "[" * 10**5, "NaN",
    '{"format": "avanet-ava-1"}',
])
def test_a_header_that_is_none(load, text):
    with pytest.raises(InputError, match="changed.npz is damaged or is no model"):
        load(text)


@pytest.mark.parametrize("field, value", [
    ("format", "avanet-ava-2"), ("format", None), ("model", "ava9"), ("model", 3), ("model", []),
    ("rules", "x"), ("rules", None), ("covariance", "full"), ("dtype", "float64"), ("dtype", "O"),
    ("latent_dim", 3), ("latent_dim", "2"), ("latent_dim", 2.0), ("hidden_dim", 10**14),
    ("hidden_dim", 10**18), ("rate", 2), ("rate", "x"), ("random_state", "x"), ("n_steps", "x"),
    ("shape", None), ("shape", 18), ("shape", []), ("shape", [-18]), ("shape", ["a"]),
    ("shape", [[2, 3, 3]]), ("shape", [10**9] * 3), ("shape", [10**30]), ("shape", [2.0, 3, 3]),
    ("protocol", None), ("protocol", {"s": "x"}), ("protocol", {"__class__": 1}),
    ("protocol", {"channels": "joint"}), ("self", 1), ("more", 1),
])
def test_a_field_that_does_not_fit(load, field, value):
    with pytest.raises(InputError, match="changed.npz is damaged or is no model") as refused:
        load(header={field: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("changes", [
    {"0_f": None}, {"0_f": np.zeros(3, np.float32)}, {"0_g": np.zeros(33)},
    {"0_mu": np.zeros((7, 9))}, {"0_mu": np.zeros((1, 2))}, {"0_Sigma": None},
    {"2_Sigma": np.zeros(3, np.float32)}, {"3_f": np.zeros(3)}, {"0_d": np.array("text")},
])
def test_arrays_that_do_not_fit(load, changes):
    with pytest.raises(InputError, match="changed.npz is damaged or is no model"):
        load(**changes)


class Hostile:
    """Unpickled, it leaves a mark."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickles_are_never_executed(tmp_path, load):
    mark = tmp_path / "executed"
    hostile = np.array([Hostile(mark)], dtype=object)
    with pytest.raises(InputError, match="holds Python objects"):
        load(**{"0_f": hostile})
    np.savez(tmp_path / "a.npz", header=hostile)
    np.save(tmp_path / "b.npy", hostile)
    for name in ("c.npz", "c.safetensors", "c.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Hostile(mark)))
    for name in ("a.npz", "b.npy", "c.npz", "c.safetensors", "c.pkl"):
        with pytest.raises(InputError, match=f"{name} is damaged or is no model"):
            AVA.load(tmp_path / name)
    assert not mark.exists()
    np.load(tmp_path / "b.npy", allow_pickle=True)
    assert mark.exists()  # it would have been


def test_other_files_are_no_models(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    safetensors.numpy.save_file({"x": np.zeros(3)}, tmp_path / "plain.safetensors")
    (tmp_path / "notes.npz").write_text("dear diary")
    for path in tmp_path.iterdir():
        with pytest.raises(InputError, match="is damaged or is no model"):
            AVA.load(path)
    for path in (tmp_path, tmp_path / "none.npz", tmp_path / "none.safetensors",
                 tmp_path / "notes.npz" / "m.npz"):
        with pytest.raises(InputError, match=str(path)):
            AVA.load(path)


def model_or_refusal(suffix, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{suffix}"
        path.write_bytes(data)
        try:
            AVA.load(path)
        except InputError as error:
            assert "\n" not in str(error)


@settings(max_examples=50)
@given(suffix=st.sampled_from(SUFFIXES), data=st.binary(max_size=300),
       head=st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY\x01\x00", b"\x80\x04",
                             b"\x08\0\0\0\0\0\0\0{"]))
def test_random_bytes_are_refused(suffix, data, head):
    model_or_refusal(suffix, head + data)


@settings(max_examples=50)
@given(suffix=st.sampled_from(SUFFIXES), draw=st.data())
def test_damage_is_refused_or_harmless(saved, suffix, draw):
    data = bytearray(saved[suffix])
    for place in draw.draw(st.lists(st.integers(0, len(data) - 1), max_size=3)):
        data[place] = draw.draw(st.integers(0, 255))
    model_or_refusal(suffix, data[:draw.draw(st.integers(0, len(data)))])
    model_or_refusal(suffix, data)


def test_damage_to_the_index_of_the_archive(saved):
    # versions, flags, compression methods, sizes and offsets of its members
    whole = saved[".npz"]
    for place in range(whole.index(b"PK\x01\x02"), len(whole), 3):
        data = bytearray(whole)
        data[place] ^= 0xff
        model_or_refusal(".npz", data)


@contextmanager
def file_size_limit(size):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@posix
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_save_leaves_the_old_file_whole(tmp_path, saved, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(saved[suffix])
    with file_size_limit(1000), pytest.raises(InputError, match=f"cannot write {path}"):
        trained(rate=0.1).save(path)
    assert path.read_bytes() == saved[suffix] and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_that_cannot_be_written(tmp_path, suffix):
    (tmp_path / "file").write_text("")
    (tmp_path / f"folder{suffix}").mkdir()
    for path in (tmp_path / "none" / f"m{suffix}", tmp_path / "file" / f"m{suffix}",
                 tmp_path / f"folder{suffix}"):
        with pytest.raises(InputError, match=f"cannot write {path}: [A-Z]") as refused:
            trained().save(path)
        assert "\n" not in str(refused.value)
    assert sorted(os.listdir(tmp_path)) == ["file", f"folder{suffix}"]


@pytest.mark.parametrize("name", ["m", "m.pkl", "m.npy", ".npz"])
def test_an_unknown_suffix(tmp_path, name):
    with pytest.raises(InputError, match="saved as .npz or .safetensors"):
        trained().save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_without_safetensors_it_is_named(tmp_path, saved, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_bytes(saved[".safetensors"])
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for use in (trained().save, AVA.load):
        with pytest.raises(InputError, match=r"pip install 'avanet\[weights\]'"):
            use(path)
    trained().save(tmp_path / "m.npz")
    assert bits(AVA.load(tmp_path / "m.npz")) == bits(trained())
