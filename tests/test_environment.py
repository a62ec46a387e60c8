"""What a run says about the machine and the versions it ran on."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np

import avanet
from avanet import environment as module
from avanet.environment import cpu_model, environment

CPUINFO = """processor\t: 0
vendor_id\t: Some Vendor
model name\t: Some CPU: 2.0 GHz
processor\t: 1
model name\t: Some Other CPU
"""


def with_cpuinfo(monkeypatch, text):
    def read_text(path):
        assert path == Path("/proc/cpuinfo")
        if text is None:
            raise FileNotFoundError(path)
        return text

    monkeypatch.setattr(Path, "read_text", read_text)


def test_versions_and_machine():
    found = environment()
    assert found["avanet"] == avanet.__version__ and found["numpy"] == np.__version__
    assert found["python"] == platform.python_version() and found["cores"] == os.cpu_count()
    for package in ("numba", "llvmlite", "pillow"):
        assert found[package] == metadata.version(package)
    assert found["system"].startswith(platform.system())
    assert found == environment() == json.loads(json.dumps(found))


def test_numpy_kernels_are_another_environment(monkeypatch):
    import numba
    assert (environment()["jit"] != "on") == bool(numba.config.DISABLE_JIT)
    for value, jit in ("1", "off (NUMBA_DISABLE_JIT)"), ("0", "on"), ("", "on"):
        monkeypatch.setenv("NUMBA_DISABLE_JIT", value)
        assert environment()["jit"] == jit


def test_the_cpu_is_the_first_of_the_list(monkeypatch):
    with_cpuinfo(monkeypatch, CPUINFO)
    assert cpu_model() == "Some CPU: 2.0 GHz"


def test_a_system_that_does_not_say_its_cpu(monkeypatch):
    monkeypatch.setattr(module.platform, "processor", lambda: "another")
    for text in (None, "processor\t: 0\n"):
        with monkeypatch.context() as patched:
            with_cpuinfo(patched, text)
            assert cpu_model() == "another"
