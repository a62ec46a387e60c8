"""Compiling ahead of time: what it leaves on disk, and that later processes use it."""

import os
import shutil
import signal
import time

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


COMPILER = """
import os, signal, sys, time
from avanet.ava import warmup
from avanet.cli import main

def compiler(dtypes):
    if {deaf}:
        signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGINT, signal.SIGTERM}})
        print(os.getpid(), *dtypes, flush=True)
        time.sleep(200)
    os._exit(9)

if __name__ == "__main__":
    warmup.is_warm, warmup.warmup = (lambda dtype: dtype == "float64"), compiler
    sys.exit(main(["warmup"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_compiler_that_hears_no_signal_ends_with_the_command(tmp_path, start, number, code):
    (tmp_path / "deaf.py").write_text(COMPILER.format(deaf=True))
    with start(tmp_path / "deaf.py") as process:
        pid, *dtypes = process.stdout.readline().split()
        assert dtypes == ["float32"] and "compiling the kernels" in process.stderr.readline()
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == code
    end = time.monotonic() + 60
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(int(pid), 0)
            time.sleep(0.05)


def test_a_compiler_that_dies_is_told(tmp_path, python):
    (tmp_path / "dying.py").write_text(COMPILER.format(deaf=False))
    code, _, errors = python(tmp_path / "dying.py")
    assert code == 2 and "the process that compiles the kernels ended with 9" in errors


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
