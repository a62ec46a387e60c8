"""`python -m avanet`: BLAS is told to use one thread, whatever the environment asked for."""

import os
from importlib import metadata

from avanet import __main__, cli


def test_blas_has_one_thread_before_the_command_line_starts(monkeypatch):
    names = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"
    for name in names:
        monkeypatch.setenv(name, "8")
    monkeypatch.setattr(cli, "main", lambda: [os.environ.get(name) for name in names])
    assert __main__.main() == ["1", "1", "1"]


def test_the_installed_command_is_the_same():
    scripts = metadata.distribution("avanet").entry_points.select(group="console_scripts")
    assert scripts["avanet"].load() is __main__.main
