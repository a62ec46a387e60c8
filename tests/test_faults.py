"""A dozen kills and faults over a sweep and a training run; `bench/faults.py` runs hundreds."""

import os
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
KINDS = "kill,write,interrupt,full disk,read-only,last line,checkpoint,two runs"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and POSIX signals")


def test_nothing_is_lost_doubled_or_different(python):
    code, output, errors = python(BENCH / "faults.py", "--count", "1", "--kinds", KINDS,
                                  env={"OPENBLAS_NUM_THREADS": "1"})
    assert code == 0, output + errors
    assert len(re.findall(r"\| 1 \| \d+ \| 0 \|", output)) == 16


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return import_module("faults")


def test_the_harness_sees_what_is_lost_or_doubled(faults, tmp_path):
    lines = [b'{"model": "m0", "seed": 0, "value": 1}\n', b'{"model": "m0", "seed": 1}\n']
    (tmp_path / "results.jsonl").write_bytes(b"".join(lines))
    assert faults.kept("sweep", tmp_path) == 2
    (tmp_path / "results.jsonl").write_bytes(b"".join(lines + lines[:1]))
    with pytest.raises(AssertionError, match="twice"):
        faults.kept("sweep", tmp_path)
    assert set(faults.contents(tmp_path)) == {"results.jsonl"}
    assert faults.KILLED == -9 and "faults" in sys.modules
