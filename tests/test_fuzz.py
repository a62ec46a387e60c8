"""Hostile files and arguments, in short; `bench/fuzz.py` runs them by the hundred thousand."""

import io
import json
import sys
import tracemalloc
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avanet.ava import AVA
from avanet.data import read_folder
from avanet.data.arrays import read_npz
from avanet.data.idx import read_idx
from avanet.errors import InputError
from avanet.models import load, model_class

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
fuzz = import_module("fuzz")
sys.path.pop(0)

READERS = [name for name in fuzz.READERS if name != "processes"]
MEMORY = 2**24  # that refusing a file may take


@pytest.fixture(scope="module", params=READERS)
def reader(request, tmp_path_factory):
    """A reader and its valid files."""
    found = fuzz.READERS[request.param]
    if request.param == "safetensors":
        pytest.importorskip("safetensors")
    return found, found.valid(tmp_path_factory.mktemp("valid"))


@given(rng=st.randoms(use_true_random=False))
@settings(max_examples=40,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_result_or_a_refusal(reader, rng, tmp_path_factory):
    found, valid = reader
    try:
        found.read(found.case(rng, valid), tmp_path_factory.mktemp("case"))
    except InputError as error:
        assert str(error)


def test_what_cases_are_made_from_is_valid(tmp_path):
    found = fuzz.READERS["checkpoint"]
    found.read(found.valid(tmp_path)[0], tmp_path)
    found = fuzz.READERS["recorded"]
    found.read(json.dumps(found.valid(tmp_path)[0]).encode(), tmp_path)
    found = fuzz.READERS["settings"]
    for name, texts in found.valid(tmp_path):
        fuzz.read_settings((name, texts), tmp_path)


def test_a_whole_process_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="'bmm'"):
        fuzz.run_process(["reproduce", "bmm"], tmp_path)


def test_the_harness_sees_a_traceback_and_a_file_outside(tmp_path, monkeypatch):
    def stray(case, folder):
        (folder.parent / "stray").write_text("")

    def broken(case, folder):
        raise KeyError(case)

    monkeypatch.chdir(tmp_path)
    for name, read, what in ("stray", stray, "wrote outside"), ("broken", broken, "KeyError"):
        root = tmp_path / name
        root.mkdir()
        monkeypatch.setitem(fuzz.READERS, name, fuzz.Reader(lambda _: [b""], lambda *_: b"", read))
        failures = fuzz.fuzz(name, 3, 0, root)["failures"]
        assert [number for what_, (number, _) in failures.items() if what in what_] == [3]


# Headers that announce more than there is -----------------------------------------------------

def npy(shape, dtype="<f4"):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + b"\0" * 64


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def refused(read, path):
    """The refusal; little memory must have been taken for it."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as refusal:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    return str(refusal.value)


@pytest.mark.parametrize("n", [10**9, 10**12, 2**63])
def test_giants_are_refused_unallocated(tmp_path, n):
    (tmp_path / "x.idx").write_bytes(b"\0\0\x08\x02" + b"\0\x0f\x42\x40" * 2 + b"\0" * 64)
    refused(read_idx, tmp_path / "x.idx")
    refused(read_npz, zipped(tmp_path / "data.npz", x_train=npy((n, 1, 1), "|u1")))
    for read in AVA.load, load:
        refused(read, zipped(tmp_path / "model.npz", header=npy((n,), "|u1")))
    text = (f'{{"params": {{"dtype": "F32", "shape": [{n}], "data_offsets": [0, {4 * n}]}}, '
            '"__metadata__": {"avanet": "{}"}}').encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 64)
    refused(load, tmp_path / "x.safetensors")


@pytest.mark.parametrize("setting, value", [("shape", [10**5, 10**5, 3]), ("latent", 10**6)])
def test_a_model_file_whose_header_announces_a_giant(tmp_path, setting, value):
    from avanet.tensors import read_tensors, write_tensors
    model_class("survey-vae")(latent=2).start((4, 4, 1)).save(tmp_path / "m.npz")
    header, tensors = read_tensors(tmp_path / "m.npz")
    (header if setting in header else header["settings"])[setting] = value
    write_tensors(tmp_path / "m.npz", header, tensors)
    assert "where only" in refused(load, tmp_path / "m.npz")


# Found by the long mode -----------------------------------------------------------------------

@pytest.mark.parametrize("old, new", [
    (b"'descr': ", b"'descr'A "), (b"{'descr", b"  0descr"), (b"(1,)", b"(1,,"),
    (b"'<f4'", b"['<f'")])
def test_an_npy_header_that_is_no_python(tmp_path, old, new):
    data = npy((1,)).replace(old, new)
    assert "is damaged" in refused(read_npz, zipped(tmp_path / "x.npz", x_train=data))


def test_an_npy_header_of_python_2_is_read_in_silence(tmp_path):
    data = npy("(1L, 4L, 4L)")
    assert read_npz(zipped(tmp_path / "x.npz", x_train=data))["train"].images.shape == (1, 4, 4, 1)


def test_an_idx_file_of_nothing_along_giant_axes(tmp_path):
    (tmp_path / "x.idx").write_bytes(b"\0\0\x08\x03\xfe\0\0\2\0\0\0\0\xa8\0\0\0")
    assert "at most" in refused(read_idx, tmp_path / "x.idx")


def test_a_picture_larger_than_the_memory(tmp_path, monkeypatch):
    from PIL import Image

    from avanet.data import FolderImages, images

    def full(shape, dtype):
        raise MemoryError

    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    monkeypatch.setattr(images.np, "empty", full)
    for read in (lambda: read_folder(tmp_path), lambda: FolderImages(tmp_path)[:]):
        with pytest.raises(InputError, match="no memory for 1 x 4 x 4: give --size"):
            read()


def test_a_number_beyond_every_float(tmp_path):
    from avanet.experiments.store import RunFolder
    (tmp_path / "run.json").write_text('{"protocol": {}, "environment": {"cores": 1e999}}')
    with pytest.raises(InputError), RunFolder(tmp_path, ("seed",)) as folder:
        folder.open_run({}, {})


def test_names_that_are_no_list(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.zeros((1, 2, 2)), class_names=np.array("a"))
    assert read_npz(tmp_path / "x.npz").class_names == ("a",)


def test_a_palette_without_its_colours(tmp_path):
    from PIL import Image
    file = io.BytesIO()
    Image.new("P", (4, 4)).save(file, "PNG")
    data = file.getvalue()
    at = data.index(b"PLTE") - 4
    size = int.from_bytes(data[at: at + 4], "big")
    (tmp_path / "x.png").write_bytes(data[:at] + data[at + 12 + size:])
    with pytest.raises(InputError, match="x.png is damaged"):
        read_folder(tmp_path)


def test_names_of_no_characters(tmp_path):
    names = np.array([0x7FFFFFFF], "<u4").view("<U1")
    np.savez(tmp_path / "x.npz", x_train=np.zeros((1, 2, 2)), class_names=names)
    assert "class_names of" in refused(read_npz, tmp_path / "x.npz")


def test_labels_that_are_bytes(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.zeros((1, 2, 2)), y_train=np.array([b"seven"]))
    assert "expected labels as whole numbers from 0, got |S5" in refused(
        read_npz, tmp_path / "x.npz")


def test_a_path_that_is_too_long():
    from avanet.data import load, load_dataset
    for read in load, load_dataset:
        with pytest.raises(InputError, match="cannot read aaa.*too long"):
            read("a" * 9999)
