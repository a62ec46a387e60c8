"""The output folder: whole lines or none, one writer, one protocol, nothing of others touched."""

import json
import os
from contextlib import contextmanager

import pytest

from avanet.errors import InputError
from avanet.experiments.store import RunFolder
from avanet.files import PARTIAL
from avanet.folder import encode, read_lines

KEY = ("model", "rate")
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")


def line_of(model, rate, value=0.5):
    return {"model": model, "rate": rate, "value": value}


@contextmanager
def opened(path, protocol=None, environment=None, fresh=False):
    with RunFolder(path, KEY) as folder:
        folder.open_run(protocol or {"slope": 0.5}, environment or {}, fresh=fresh)
        yield folder


def filled(path, *lines):
    with opened(path) as folder:
        folder.append(list(lines), [])
    return path / "results.jsonl"


def test_a_folder_goes_on_where_it_was(tmp_path):
    filled(tmp_path, line_of("b", 0.1))
    with opened(tmp_path) as folder:
        assert folder.results == {("b", 0.1): line_of("b", 0.1)}
        folder.append([line_of("a", 0.1)], [{"model": "a", "rate": 0.1, "seconds": 2.0}])
        folder.finish()
        assert list(folder.results) == [("a", 0.1), ("b", 0.1)]  # the order of a report's rows
    assert read_lines(tmp_path / "results.jsonl")[0] == [line_of("a", 0.1), line_of("b", 0.1)]


def test_finishing_sorts_numbers_as_numbers_and_leaves_a_sorted_file_alone(tmp_path):
    cells = [("b", 10), ("b", 9), ("a", "x"), ("a", None), ("a", 2.5)]
    path = filled(tmp_path, *(line_of(*cell) for cell in cells))
    with opened(tmp_path) as folder:
        folder.finish()
        before = path.stat()
        folder.finish()
        assert path.stat() == before
        folder.append([line_of("c", 1)], [])
    order = [(line["model"], line["rate"]) for line in read_lines(path)[0]]
    assert order == [("a", None), ("a", 2.5), ("a", "x"), ("b", 9), ("b", 10), ("c", 1)]


def test_a_cell_counts_once_and_may_not_contradict_itself(tmp_path):
    path = filled(tmp_path, line_of("a", 0.1), line_of("a", 0.1), line_of("b", 0.1))
    with opened(tmp_path) as folder:
        assert len(folder.results) == 2
        folder.finish()
    assert len(read_lines(path)[0]) == 2
    filled(tmp_path, line_of("a", 0.1, value=0.6))
    with pytest.raises(InputError, match=r"results\.jsonl, line 3: .*--fresh"):
        filled(tmp_path)


@pytest.mark.parametrize("line", [{"model": "a"}, {"model": "a", "rate": [1]}])
def test_a_line_without_its_key_is_named(tmp_path, line):
    filled(tmp_path).write_bytes(encode(line))
    with pytest.raises(InputError, match="line 1: expected fields model, rate"):
        filled(tmp_path)


def test_the_protocol_is_refused_by_its_first_difference_and_nothing_changes(tmp_path):
    protocol = {"data": {"name": "orbit", "size": (100, 64)}, "slope": 0.5}
    with opened(tmp_path, protocol) as folder:
        folder.append([line_of("a", 0.1)], [])
    before = {path: path.read_bytes() for path in tmp_path.glob("*.json*")}
    other = {"data": {"name": "orbit", "size": (64, 64)}, "slope": 0.6}
    with pytest.raises(InputError) as refused:
        with opened(tmp_path, other):
            pass
    assert str(refused.value) == (
        f"{tmp_path} was made with data.size = [100, 64], not [64, 64]; "
        "give another --out, or --fresh to start anew"
    )
    assert {path: path.read_bytes() for path in tmp_path.glob("*.json*")} == before
    with opened(tmp_path, protocol) as folder:
        assert len(folder.results) == 1


def test_every_environment_that_made_a_line_is_kept_and_each_line_names_its_own(tmp_path):
    for rate, version in enumerate(("2.0", "2.1", "2.0", "2.2", "2.1")):
        with opened(tmp_path, environment={"numpy": version}) as folder:
            folder.append([line_of("a", rate)], [{"rate": rate}])
    with opened(tmp_path, environment={"numpy": "3.0"}):
        pass  # which makes no line
    run = json.loads((tmp_path / "run.json").read_text())
    assert run == {"protocol": {"slope": 0.5}, "environment": {"numpy": "2.0"},
                   "continued": {"1": {"numpy": "2.1"}, "2": {"numpy": "2.2"}}}
    timings = [json.loads(line) for line in (tmp_path / "timings.jsonl").read_text().splitlines()]
    assert [line.get("environment", 0) for line in timings] == [0, 1, 0, 2, 1]


def test_a_fresh_start_removes_what_the_run_wrote_and_nothing_else(tmp_path):
    with opened(tmp_path) as folder:
        folder.append([line_of("a", 0.1)], [])
        folder.write("best/a.png", b"image")
        folder.write("best/more/b.png", b"image")
        folder.write("tables.md", b"table")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "best" / "mine.png").write_text("mine")
    with opened(tmp_path, {"slope": 0.6}, fresh=True) as folder:
        assert folder.results == {} and folder.read("best/a.png") is None
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {".lock", "run.json", "notes.txt", "best", "best/mine.png"}


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("foreign", ["{}", "[1]", "not JSON", '{"protocol": 1}'])
def test_a_run_json_of_something_else_is_left_alone(tmp_path, foreign, fresh):
    (tmp_path / "run.json").write_text(foreign)
    with pytest.raises(InputError, match="run.json was not written by a run; give another --out"):
        with opened(tmp_path, fresh=fresh):
            pass
    assert (tmp_path / "run.json").read_text() == foreign


@pytest.mark.parametrize("fresh", [False, True])
def test_results_without_their_run_json_are_left_alone(tmp_path, fresh):
    (tmp_path / "results.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="results without their run.json; give"):
        with opened(tmp_path, fresh=fresh):
            pass
    assert (tmp_path / "results.jsonl").read_text() == "{}\n"


def test_files_stay_inside_the_folder(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("mine")
    with opened(tmp_path / "run") as folder:
        (tmp_path / "run" / "link").symlink_to(outside)
        for name in ("../outside/a", str(outside / "a"), "link/a"):
            for action in (folder.read, lambda name: folder.write(name, b"")):
                with pytest.raises(InputError, match="is not a path inside"):
                    action(name)
    (tmp_path / "run" / "files.jsonl").write_bytes(encode({"file": "../outside/a"}))
    with pytest.raises(InputError, match="is not a path inside"):
        with opened(tmp_path / "run", fresh=True):
            pass
    assert (outside / "a").read_text() == "mine"


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("line", [{}, {"file": [1]}, {"file": "a\0b"}])
def test_a_damaged_record_of_files_is_named(tmp_path, line, fresh):
    with opened(tmp_path):
        pass
    (tmp_path / "files.jsonl").write_bytes(encode(line))
    with pytest.raises(InputError, match="is not a path inside"):
        with opened(tmp_path, fresh=fresh):
            pass


def test_halves_of_files_are_cleared_away(tmp_path):
    with opened(tmp_path) as folder:
        folder.write("best/a.png", b"image")
    halves = [tmp_path / f".a.1{PARTIAL}", tmp_path / "best" / f".a.png.1{PARTIAL}"]
    for half in halves:
        half.write_bytes(b"im")
    with opened(tmp_path) as folder:
        assert folder.read("best/a.png") == b"image"
    assert not any(half.exists() for half in halves)


def test_a_folder_has_one_writer(tmp_path):
    with opened(tmp_path):
        with pytest.raises(InputError) as refused:
            RunFolder(tmp_path, KEY).__enter__()
    assert str(refused.value) == (
        f"another run (process {os.getpid()}) is writing to {tmp_path}; "
        "wait for it or give another --out"
    )
    with opened(tmp_path):
        pass


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is not a folder; give another --out"):
        RunFolder(tmp_path / "file", KEY).__enter__()
    with pytest.raises(InputError, match="Not a directory; give another --out"):
        RunFolder(tmp_path / "file" / "below", KEY).__enter__()


@posix
def test_a_folder_without_permission(reachable, unprivileged):
    filled(reachable / "run", line_of("a", 0.1))
    (reachable / "run" / ".lock").chmod(0o444)
    reachable.chmod(0o555)
    for path in (reachable / "run", reachable / "new"):
        with unprivileged(), pytest.raises(InputError, match="Permission denied; give another"):
            RunFolder(path, KEY).__enter__()
    reachable.chmod(0o755)


@posix
def test_permission_lost_in_the_middle(reachable, unprivileged):
    with opened(reachable / "run") as folder:
        folder.append([line_of("a", 0.1)], [])
        (reachable / "run" / "results.jsonl").chmod(0o444)
        with unprivileged(), pytest.raises(InputError) as refused, folder.counted():
            folder.append([line_of("b", 0.1)], [])
    assert str(refused.value).endswith(
        f"results.jsonl: Permission denied; 1 cells are kept in {reachable / 'run'}, "
        "the same command goes on"
    )
