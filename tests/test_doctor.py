"""The report on the machine, and that its self check can fail."""

import numpy as np
import pytest

from avanet import doctor
from avanet.cli import main


def test_the_report_names_what_numbers_depend_on(capsys):
    assert main(["doctor"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["numpy"] == np.__version__
    assert {"avanet", "python", "numba", "cpu", "threads", "blas", "cache", "data"} <= set(lines)
    assert lines["gradients"].startswith("ok ") and lines["kernels"].startswith("ok ")
    assert "ms a step" in lines["speed"] and "GFLOP/s" in lines["speed"]


def test_a_wrong_gradient_is_found_and_named(monkeypatch, capsys):
    from avanet.nn.activations import Tanh
    monkeypatch.setattr(Tanh, "slope", lambda self, y: 1 - y)
    monkeypatch.setattr(doctor, "facts", lambda: [])
    assert main(["doctor"]) == 1
    assert "gradients   FAILED" in (output := capsys.readouterr().out)
    assert "failed: activation tanh" in output


def test_a_wrong_kernel_is_found(monkeypatch):
    monkeypatch.setattr("avanet.verify.compiled.compare_steps", lambda *a, **k: 1e-3)
    assert doctor.kernels_agree()[1] is False


def test_no_check_is_no_success():
    assert doctor.gradients(budget=-1) == ("0 against numerical derivatives", False)


@pytest.mark.parametrize("name, value, expected", [
    ("OMP_NUM_THREADS", "3", "OMP_NUM_THREADS=3"), ("XDG_CACHE_HOME", "/x", "")])
def test_thread_limits_are_shown(monkeypatch, name, value, expected):
    monkeypatch.setenv(name, value)
    assert expected in dict(doctor.threads())["threads"]


def test_extras_that_are_missing_are_named():
    assert doctor.version("no-such-package") == "no-such-package not installed"
