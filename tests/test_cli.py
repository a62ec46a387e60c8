"""The command line as a user types it: one line for what is wrong, and the exit code."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import avanet
from avanet import verify
from avanet.ava.warmup import warmup
from avanet.cli import main
from avanet.experiments import bm

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals, limits and permissions")
SMALL = ["--models", "ava5,vae", "--rates", "0.5,0.1", "--seeds", "2", "--jobs", "2"]


def reproduce(folder, out, *more):
    return ["reproduce", "bm", "--data", str(folder), "--out", str(out), *SMALL, *more]


def refusal(capsys, arguments):
    """The one line that a refused command prints."""
    assert main([str(argument) for argument in arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == "" and errors.startswith("avanet: ") and errors.count("\n") == 1
    return errors


# Arguments ------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, message", [
    ("", "required: COMMAND; see avanet --help"),
    ("reproduce bn", "'bn' .*'?bm'?"),
    ("reprodce bm", "'reprodce'[ ,].*reproduce"),
    ("reproduce bm --models ava6", "unknown model 'ava6': did you mean 'ava5'"),
    ("reproduce bm --models vae,", "names separated by commas, got 'vae,'"),
    ("reproduce bm --rules printd", "unknown rule set 'printd': did you mean 'printed'"),
    ("reproduce bm --rates 0.55", r"unknown rate 0.55: did you mean 0\.[56]\?"),
    ("reproduce bm --rates 0.5,1.5", r"must lie in \(0, 1\], got 1.5"),
    ("reproduce bm --rates 0", r"must lie in \(0, 1\], got 0"),
    ("reproduce bm --rates nan", r"must lie in \(0, 1\], got nan"),
    ("reproduce bm --rates fast", "numbers separated by commas, got 'fast'"),
    ("reproduce bm --seeds 0", "whole number of at least 1, got '0'"),
    ("reproduce bm --seeds three", "whole number of at least 1, got 'three'"),
    ("reproduce bm --seeds 1.5", "whole number of at least 1, got '1.5'"),
    ("reproduce bm --jobs 0", "whole number of at least 1, got '0'"),
    ("reproduce bm --scale huge", "'huge' .*quick"),
    ("reproduce bm --size 12", "--size: expected 2 arguments"),
    ("reproduce bm --size 12 x", "--size: .*'x'"),
    ("reproduce bm --sise 12 8", "unrecognized arguments: --sise"),
    ("reproduce bm --data orbt", "unknown data set 'orbt': did you mean 'orbit'"),
    ("data make orbt --out x", "'orbt': did you mean 'orbit'"),
    ("data make orbit", "required: --out"),
    ("verify --seed x", "--seed: .*'x'"),
    ("verify --seed -1", "--seed: .*-1"),
    ("warmup now", "unrecognized arguments: now"),
])
def test_bad_arguments(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, refusal(capsys, arguments.split()))
    assert os.listdir(tmp_path) == []


def test_the_command_line_is_there_before_anything_heavy_is_imported(python):
    heavy = "{'numpy', 'numba', 'PIL'} & set(sys.modules)"
    program = f"import sys, avanet.cli; avanet.cli._parser(); print({heavy})"
    assert python("-c", program) == (0, "set()\n", "")


def test_help_and_version(capsys):
    for arguments, text in (["--version"], f"avanet {avanet.__version__}\n"), (
            ["--help"], "avanet reproduce bm"), (["reproduce", "bm", "--help"], "as-run,printed"):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0 and text in capsys.readouterr().out


def test_the_module_is_the_command(python):
    assert python("-m", "avanet", "--version") == (0, f"avanet {avanet.__version__}\n", "")
    code, output, errors = python("-m", "avanet", "reproduce", "bm", "--rates", "0.55")
    assert (code, output) == (2, "") and errors.startswith("avanet: unknown rate 0.55")


# Data -----------------------------------------------------------------------------------------

def png(path, size=(12, 8)):
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(path)


def missing(folder):
    return "expected a folder of images, got .*: No such file"


def empty(folder):
    folder.mkdir()
    return "no images in .*: expected files in .png"


def a_file(folder):
    png(folder.with_suffix(".png"))
    folder.with_suffix(".png").rename(folder)
    return "expected a folder of images, got .*: Not a directory"


def corrupt(folder):
    folder.mkdir()
    png(folder / "a.png")
    data = bytearray((folder / "a.png").read_bytes())
    data[len(data) // 2] ^= 0xff
    (folder / "a.png").write_bytes(data)
    return "a.png is damaged"


def truncated(folder):
    folder.mkdir()
    png(folder / "a.jpg", (200, 200))
    data = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").write_bytes(data[:-200])
    return "a.jpg is damaged"


def different_sizes(folder):
    folder.mkdir()
    png(folder / "a.png")
    png(folder / "b.png", (8, 12))
    return "different sizes: a.png is 12 x 8, b.png 8 x 12; give --size W H"


def text_named_png(folder):
    folder.mkdir()
    png(folder / "a.png")
    (folder / "notes.png").write_text("dear diary")
    return "notes.png is damaged, or no PNG"


@pytest.mark.parametrize("make", [missing, empty, a_file, corrupt, truncated, different_sizes,
                                  text_named_png])
def test_bad_data(capsys, tmp_path, make):
    message = make(tmp_path / "data")
    assert re.search(message, refusal(capsys, reproduce(tmp_path / "data", tmp_path / "out")))
    assert not (tmp_path / "out").exists()


# Output folders -------------------------------------------------------------------------------

def test_a_folder_of_another_protocol(capsys, tmp_path, image_folder):
    for run, message in ({"protocol": {"experiment": "other"}}, "--fresh to start anew"), (
            {"scripts": {}}, "was not written by a run; give another --out"):
        (tmp_path / "run.json").write_text(json.dumps(run))
        assert message in refusal(capsys, reproduce(image_folder, tmp_path))
        assert json.loads((tmp_path / "run.json").read_text()) == run


def test_a_place_that_is_no_folder(capsys, tmp_path, image_folder):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        assert "give another --out" in refusal(capsys, reproduce(image_folder, out))


@posix
@pytest.mark.parametrize("arguments", [
    ["train", "survey-vae", "--data"], ["train", "survey-vae", "--data", "mnist", "--data-dir"],
    ["train", "--run"], ["sample"], ["replay"], ["reproduce", "bm", "--data"]])
def test_a_path_that_is_too_long(capsys, arguments):
    assert "File name too long" in refusal(capsys, [*arguments, "a" * 9999])


def test_no_permission(capsys, image_folder, reachable, unprivileged):
    shutil.copytree(image_folder, reachable / "data")
    os.chmod(reachable / "data", 0o755)
    os.mkdir(reachable / "locked", 0o555)
    with unprivileged():
        for out in (reachable / "locked", reachable / "locked" / "out"):
            line = refusal(capsys, reproduce(reachable / "data", out))
            assert "Permission denied; give another --out" in line


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
from avanet.cli import main
sys.exit(main(sys.argv[1:]))
"""


def kept(result, out, reason):
    """The lines of a run that a full disk has stopped, which its last words must count."""
    code, output, errors = result
    last = errors.splitlines()[-1]
    assert (code, output) == (2, "") and "Traceback" not in errors
    assert last.startswith("avanet: cannot write ") and reason in last
    part = out / "paired" if "/paired/" in last else out
    lines = (part / "results.jsonl").read_text().splitlines()
    assert last.endswith(f"; {len(lines)} cells are kept in {part}, the same command goes on")
    return set(lines if part == out else [])


@posix
def test_a_limit_on_file_size(tmp_path, image_folder, python):
    warmup(("float32",))  # its files may be larger
    out, command = tmp_path / "out", reproduce(image_folder, tmp_path / "out")
    lines = kept(python("-c", LIMITED, *command), out, "File too large")
    assert python("-m", "avanet", *command)[0] == 0
    assert lines < set((out / "results.jsonl").read_text().splitlines())


@posix
def test_a_full_disk(tmp_path, image_folder, python):
    disk, out = tmp_path / "disk", tmp_path / "disk" / "out"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    try:
        command = ["-m", "avanet", *reproduce(image_folder, out)]
        lines = kept(python(*command), out, "No space left on device")
        subprocess.run(["mount", "-o", "remount,size=9m", str(disk)], check=True)
        assert python(*command)[0] == 0
        assert lines < set((out / "results.jsonl").read_text().splitlines())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# Interruptions --------------------------------------------------------------------------------

@pytest.fixture
def running(tmp_path, start):
    """A run of a minute in the background, once it has kept a cell."""
    out = tmp_path / "out"
    command = ["reproduce", "bm", "--rates", "0.5,0.1", "--out", str(out), "--jobs", "2"]
    with start("-m", "avanet", *command) as process:
        end = time.monotonic() + 120
        results = out / "results.jsonl"
        while not results.exists() or not results.read_bytes():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        yield process, command, results
        process.kill()


@posix
def test_ctrl_c_and_two_runs_at_once(running, capsys):
    process, command, results = running
    assert f"another run (process {process.pid}) is writing to" in refusal(capsys, command)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=30)
    kept = len(results.read_text().splitlines())
    assert process.returncode == 130 and 1 <= kept < 84 and "Traceback" not in errors
    assert errors.splitlines()[-1] == (
        f"avanet: interrupted; {kept} of 168 cells are kept; the same command goes on")


def test_ctrl_c_before_the_first_cell(capsys, monkeypatch):
    def interrupted(request):
        raise KeyboardInterrupt

    monkeypatch.setattr(bm, "reproduce", interrupted)
    assert main(["reproduce", "bm"]) == 130
    assert capsys.readouterr().err == "avanet: interrupted\n"


@posix
@pytest.mark.parametrize("arguments", ["--version", "--help", "data make orbit --out {}"])
def test_a_reader_that_went_away_is_no_error(tmp_path, python, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    result = python("-m", "avanet", *arguments.format(tmp_path / "x").split(), stdout=writer)
    os.close(writer)
    assert result == (0, None, "")


# The other commands ---------------------------------------------------------------------------

def test_data_make(capsys, tmp_path):
    assert main(["data", "make", "orbit", "--out", str(tmp_path / "made")]) == 0
    assert capsys.readouterr().out.endswith(f" to {tmp_path / 'made'}\n")
    bundled = Path(avanet.data.bundled.bundled_folder("orbit"))
    for path in bundled.iterdir():
        with Image.open(path) as ours, Image.open(tmp_path / "made" / path.name) as made:
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(made))


def test_warmup(capsys):
    assert main(["warmup"]) == 0
    output = capsys.readouterr().out
    assert output.count("\n") == 1 and " ready in " in output and " s, kept in " in output


class Report:
    """What `avanet.verify` hands over: lines while the checks are made, then the outcome."""

    def __init__(self, passed):
        self.passed, self.read = passed, False

    def __iter__(self):
        yield "a check"
        self.read = True

    def to_json(self):
        return {"passed": self.passed, "complete": self.read}


@pytest.mark.parametrize("passed, code", [(True, 0), (False, 1)])
@pytest.mark.parametrize("option, function", [([], "everything"), (["--errata"], "errata")])
def test_verify_tells_the_outcome(capsys, monkeypatch, passed, code, option, function):
    seeds = []
    monkeypatch.setattr(verify, function, lambda seed: seeds.append(seed) or Report(passed))
    assert main(["verify", *option, "--seed", "7"]) == code
    assert capsys.readouterr().out == "a check\n"
    assert main(["verify", *option, "--json"]) == code and seeds == [7, 0]
    assert json.loads(capsys.readouterr().out) == {"passed": passed, "complete": True}
