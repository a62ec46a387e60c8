"""Compiling ahead of time: what it leaves on disk, and that later processes use it."""

import shutil

import numba
import pytest

from avanet import kernels
from avanet.ava.warmup import is_warm, warmup

COLD = """
import sys, time
from avanet.ava.warmup import is_warm, warmup
print(is_warm("float32"))
seconds, folder = warmup(("float32",))
print(is_warm("float32"), is_warm("float64"), seconds > 0)
print(folder)
"""
compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing to compile")


@compiled
@pytest.mark.slow
def test_a_cold_cache_is_filled_once(tmp_path, python):
    environment = {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    code, output, errors = python("-c", COLD, env=environment)
    assert code == 0, errors
    cold, warm, folder = output.split("\n")[:3]
    assert (cold, warm) == ("False", "True False True") and folder.startswith(str(tmp_path))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
    assert files
    code, output, errors = python("-c", COLD, env=environment)
    assert output.split("\n")[:2] == ["True", "True False True"], errors
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")} == files


def test_a_folder_without_kernels_is_cold(tmp_path, python):
    question = "from avanet.ava.warmup import is_warm; print(is_warm('float32'))"
    environment = {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    for disabled, answer in (("0", "False\n"), ("1", "True\n")):  # without a JIT nothing is missing
        result = python("-c", question, env=environment | {"NUMBA_DISABLE_JIT": disabled})
        assert result == (0, answer, "")


def test_warming_up_leaves_a_warm_folder():
    seconds, folder = warmup()
    assert seconds > 0 and folder == numba.config.CACHE_DIR and is_warm("float64")


def test_kernels_of_the_same_source_in_another_place_are_others(tmp_path, monkeypatch):
    here = kernels.source_state()
    for name in ("kernels", "ava"):
        shutil.copytree(kernels._PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(kernels, "_PACKAGE", tmp_path)
    assert kernels.source_state() != here
