"""Cells on a Dask cluster of worker processes over loopback: the same lines as on this machine."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sweep_work
from sweep_work import KEY, cells_of

from avanet.cli import main
from avanet.errors import InputError
from avanet.experiments import cluster as module
from avanet.experiments.cluster import cluster
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import run_cells

pytest.importorskip("distributed", reason="the optional extra dask is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # of distributed's own

ROOT = Path(__file__).parents[2]
WORKER = "import avanet\nif {0}: avanet.__version__ = {0}\n" \
         "from distributed.cli.dask_worker import main\nmain()"


def start(*arguments):
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL,
                            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a scheduler."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    scheduler = start("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                      "--no-dashboard", "--scheduler-file", str(file))
    end = time.monotonic() + 60
    found = None
    while found is None:
        assert time.monotonic() < end and scheduler.poll() is None
        with suppress(OSError, ValueError, KeyError):
            found = json.loads(file.read_text())["address"]
        time.sleep(0.05)
    yield found
    scheduler.kill()
    scheduler.wait()


@contextmanager
def workers(address, number, version=None):
    processes = [start("-c", WORKER.format(repr(version)), address, "--nthreads", "1",
                       "--no-nanny", "--no-dashboard") for _ in range(number)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def sweep(path, pool, jobs, number, work, progress=lambda done, total: None):
    with RunFolder(path, KEY) as folder:
        folder.open_run({"cells": "drawn"}, {})
        run_cells(cells_of(number), work, folder, jobs, shared=0.05, pool=pool,
                  keep=sweep_work.highest, progress=progress)
    return [file.read_bytes() for file in (path / "results.jsonl", *path.glob("best/m1.txt"))]


@pytest.mark.parametrize("number, work", [
    (30, sweep_work.draw), (900, sweep_work.draw_quickly)])
def test_the_same_bytes_with_a_worker_killed_in_the_middle(tmp_path, address, number, work):
    """One cell a task, and many."""
    alone = sweep(tmp_path / "alone", None, 1, number, work)
    with workers(address, 2) as processes:
        def kill(done, total):
            if done >= 5:
                processes[0].kill()

        with cluster(address) as (pool, jobs):
            assert sweep(tmp_path / "cluster", pool, max(jobs, 2), number, work, kill) == alone
        assert processes[0].wait() != 0


def test_workers_of_another_version_are_refused(address):
    with workers(address, 1, "9.9"):
        with pytest.raises(InputError, match="has avanet 9.9, not .*install the same versions"):
            with cluster(address):
                pass


def test_a_worker_that_joined_later_is_refused():
    other = module.versions() | {"numpy": "0.1"}
    answer, = module.do(sweep_work.draw, cells_of(2), 0, other)
    assert isinstance(answer, InputError) and "not 0.1" in str(answer)


class Report:
    """Nothing to report."""

    summary = tables = found = staticmethod(lambda *_: {})
    figures = tables


def test_another_reproduction_has_the_same_results_on_a_cluster(tmp_path, address, monkeypatch):
    from avanet.experiments import gan_theory
    monkeypatch.setitem(gan_theory.SCALES, "quick", gan_theory.Scale(3, 21, 1))
    monkeypatch.setattr(gan_theory, "seconds_of", lambda cell, scale: 0.0)
    exact = [cell for cell in gan_theory.list_cells(1) if cell["what"] == "exact"]
    monkeypatch.setattr(gan_theory, "list_cells", lambda seeds: exact)
    monkeypatch.setattr(gan_theory, "gan_theory_report", Report)
    command = ["reproduce", "gan-theory", "--scale", "quick", "--out"]
    assert main([*command, str(tmp_path / "here"), "--jobs", "1"]) == 0
    with workers(address, 2):
        assert main([*command, str(tmp_path / "there"), "--scheduler", address]) == 0
    here, there = ((tmp_path / name / "results.jsonl").read_bytes() for name in ("here", "there"))
    assert here == there and here.count(b"\n") > 3


@pytest.mark.parametrize("name", ["gan-theory", "vaegan", "overview"])
def test_every_reproduction_of_cells_takes_a_scheduler(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    assert main(["reproduce", name, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "no Dask scheduler at" in capsys.readouterr().err.splitlines()[-1]


def test_no_workers_and_no_scheduler(address, monkeypatch, capsys):
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    with pytest.raises(InputError, match="has no workers; start some with dask worker"):
        with cluster(address):
            pass
    for wrong in ("tcp://127.0.0.1:1", "nonsense://x", "127.0.0.1:99999", ""):
        assert main(["reproduce", "bm", "--scheduler", wrong]) == 2
        assert "no Dask scheduler at" in capsys.readouterr().err.splitlines()[-1]


def test_without_the_extra_it_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["reproduce", "bm", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err == (
        "avanet: --scheduler needs the package distributed: pip install 'avanet[dask]'\n")
