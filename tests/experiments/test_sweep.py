"""Sweeps: the same lines whatever is killed, and in whatever order the cells finish."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sweep_work
from sweep_work import KEY, cells_of

from avanet.errors import InputError
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import MOST, TICK, SpawnedWorkers, attempt, run_cells
from avanet.folder import read_lines
from avanet.threads import ONE_THREAD

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and limits")


@contextmanager
def opened(path):
    with RunFolder(path, KEY) as folder:
        folder.open_run({"cells": "drawn"}, {})
        yield folder


@contextmanager
def in_this_process(work, shared, jobs):
    """Another pool: threads, as a cluster's executor would be."""

    class Threads(ThreadPoolExecutor):
        def submit(self, cells):
            return super().submit(attempt, work, cells, shared)

    with Threads(jobs) as threads:
        yield threads


@contextmanager
def at_once(work, shared, jobs):
    """A pool whose cells are done when they are submitted, but for those without an outcome."""

    class Pool:
        def submit(self, cells):
            future = Future()
            if (outcome := work(cells[0], shared)) is not None:
                future.set_result([outcome])
            return future

    yield Pool()


def sweep(path, number=8, jobs=2, work=sweep_work.draw, **options):
    options = {"keep": sweep_work.highest, "pool": in_this_process} | options
    with opened(path) as folder:
        return run_cells(cells_of(number), work, folder, jobs, **options)


def start(*arguments, **options):
    """The command that sweeps, in a session of its own."""
    command = [sys.executable, sweep_work.__file__, *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": path},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def results(path):
    """The bytes that must not depend on how the run went."""
    files = [path / "results.jsonl", *sorted(path.glob("best/*"))]
    return [(file.name, file.read_bytes()) for file in files]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A sweep of 40 cells without a fault, in one thread of this process."""
    path = tmp_path_factory.mktemp("undisturbed")
    sweep(path, 40, jobs=1)
    return results(path)


def test_a_line_is_the_key_then_the_results_and_lines_are_sorted(tmp_path):
    lines = sweep(tmp_path, 8)
    assert [list(line) for line in lines] == [[*KEY, "value"]] * 8
    assert [line["seed"] for line in lines] == list(range(8))
    stored, _ = read_lines(tmp_path / "results.jsonl")
    assert stored == sorted(lines, key=lambda line: (line["model"], line["rate"]))
    timings, _ = read_lines(tmp_path / "timings.jsonl")
    assert sorted(line["seed"] for line in timings) == list(range(8))
    assert {line["seconds"] for line in timings} == {0.5}


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_processes_give_the_same_bytes_as_threads(tmp_path, undisturbed, jobs):
    sweep(tmp_path, 40, jobs, pool=SpawnedWorkers)
    assert results(tmp_path) == undisturbed


def test_what_has_a_line_is_not_done_again(tmp_path):
    done = []

    def work(cell, shared):
        done.append(cell["seed"])
        return sweep_work.draw(cell, shared)

    sweep(tmp_path, 3, work=work)
    assert len(sweep(tmp_path, 5, work=work)) == 5
    assert len(sweep(tmp_path, 2, work=work)) == 2
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_cells_asked_twice_are_done_once(tmp_path):
    with opened(tmp_path) as folder:
        lines = run_cells(cells_of(3) * 2, sweep_work.draw, folder, 2, pool=in_this_process)
    assert len(lines) == len(read_lines(tmp_path / "results.jsonl")[0]) == 3


def test_no_cells(tmp_path):
    assert sweep(tmp_path, 0, pool=SpawnedWorkers) == []


def test_the_best_file_is_kept_whatever_the_order(tmp_path):
    for seed in range(3):
        cells = cells_of(12)
        random.Random(seed).shuffle(cells)
        with opened(tmp_path / str(seed)) as folder:
            run_cells(
                cells, sweep_work.draw, folder, 4, keep=sweep_work.highest, pool=in_this_process
            )
    lines, _ = read_lines(tmp_path / "0" / "results.jsonl")
    best = max(line["value"] for line in lines if line["model"] == "m1")
    assert (tmp_path / "0" / "best" / "m1.txt").read_bytes() == b"%.17f" % best
    assert results(tmp_path / "0") == results(tmp_path / "1") == results(tmp_path / "2")


def test_files_are_there_before_their_line(tmp_path):
    seen = []

    def progress(done, total):
        lines, _ = read_lines(tmp_path / "results.jsonl")
        seen.append((done, total))
        assert len(lines) == done
        assert all((tmp_path / "best" / f"{line['model']}.txt").exists() for line in lines)

    sweep(tmp_path, 9, progress=progress)
    assert seen[0] == (0, 9) and seen[-1] == (9, 9) and seen == sorted(seen)


def test_few_cells_are_in_flight(tmp_path):
    flying, most = set(), []

    @contextmanager
    def counting(work, shared, jobs):
        with in_this_process(work, shared, jobs) as threads:

            class Pool:
                def submit(self, cells):
                    future = threads.submit(cells)
                    flying.add(future)
                    future.add_done_callback(flying.discard)
                    most.append(len(flying))
                    return future

            yield Pool()

    sweep(tmp_path, 50, jobs=3, shared=0.005, pool=counting)
    assert 3 < max(most) <= 6


def batches(path, number, work, pool=in_this_process):
    """Cells done by a sweep on two workers, batch by batch."""
    given = []

    @contextmanager
    def listening(work, shared, jobs):
        with pool(work, shared, jobs) as inner:

            class Pool:
                def submit(self, cells):
                    given.append(cells)
                    return inner.submit(cells)

            yield Pool()

    lines = sweep(path, number, work=work, pool=listening)
    assert [line["seed"] for line in lines] == list(range(number))
    return given


def test_quick_cells_go_to_a_worker_in_batches_and_slow_ones_alone(tmp_path):
    sizes = [len(batch) for batch in batches(tmp_path / "quick", 5000, sweep_work.draw_quickly)]
    assert sizes[0] == 1 and max(sizes) <= MOST and len(sizes) < 2500
    assert {len(batch) for batch in batches(tmp_path / "slow", 50, sweep_work.draw)} == {1}


def test_what_a_batch_has_no_time_for_goes_to_other_workers(tmp_path):
    done = []

    def work(cell, shared):
        done.append(cell["seed"])
        if cell["seed"] == 100:
            time.sleep(2 * TICK)
        return sweep_work.draw_quickly(cell, shared)

    given = batches(tmp_path, 400, work)
    first, = [batch for batch in given if batch[0]["seed"] <= 100 <= batch[-1]["seed"]]
    assert len(first) > 1 and sorted(done) == list(range(400))
    after = [batch for batch in given if batch[0]["seed"] == 101]
    assert [len(batch) for batch in after] == [1] or first[-1]["seed"] == 100


def test_quick_cells_are_written_in_groups(tmp_path):
    reports = []
    sweep(tmp_path, 500, progress=lambda done, total: reports.append(done))
    assert len(reports) < 100 and reports[-1] == 500


def test_workers_compute_on_one_thread_and_the_parent_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    line = sweep(tmp_path, 1, work=sweep_work.environment, pool=SpawnedWorkers)[0]
    assert {name: line[name] for name in ONE_THREAD} == ONE_THREAD
    assert os.environ == before


def test_what_is_shared_reaches_each_worker_once(tmp_path):
    work, shared = sweep_work.count_arrivals, sweep_work.Counted()
    lines = sweep(tmp_path, 20, work=work, shared=shared, pool=SpawnedWorkers)
    assert {line["arrivals"] for line in lines} == {1}
    assert os.getpid() not in {line["process"] for line in lines}


def test_a_bug_shows_its_traceback_and_loses_nothing(tmp_path):
    with pytest.raises(RuntimeError, match=r"'seed': 3(.|\n)*in divide(.|\n)*ZeroDivisionError"):
        sweep(tmp_path, work=sweep_work.divide, jobs=1, pool=SpawnedWorkers)
    lines, _ = read_lines(tmp_path / "results.jsonl")
    assert {line["seed"] for line in lines} >= {0, 1, 2}


def test_refusals_of_the_work_are_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="^the data are gone; 0 cells are kept in "):
        sweep(tmp_path, work=sweep_work.refuse, pool=SpawnedWorkers)
    with pytest.raises(InputError, match="out of memory in cell .*fewer --jobs; 0 cells"):
        sweep(tmp_path, work=sweep_work.exhaust, pool=SpawnedWorkers)


def test_not_a_number_is_a_bug_and_spares_the_cells_that_finish_with_it(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        sweep(tmp_path, 4, jobs=2, work=sweep_work.not_a_number, pool=at_once)
    lines, _ = read_lines(tmp_path / "results.jsonl")
    assert [line["seed"] for line in sorted(lines, key=str)] == [0, 1, 2]


def test_a_line_of_another_cell_is_a_bug(tmp_path):
    def work(cell, shared):
        return sweep_work.Outcome({"seed": -1}, 0)

    with pytest.raises(ValueError, match="is not of cell"):
        sweep(tmp_path, 1, work=work)


@posix
def test_the_cell_of_a_killed_worker_is_tried_again(tmp_path):
    work, marker = sweep_work.die, tmp_path / "died"
    sweep(tmp_path / "killed", work=work, shared=marker, pool=SpawnedWorkers)
    sweep(tmp_path / "calm")
    assert marker.exists()
    assert results(tmp_path / "killed") == results(tmp_path / "calm")


@posix
def test_a_batch_whose_worker_is_killed_is_done_once(tmp_path):
    work, marker = sweep_work.die_among_quick_cells, tmp_path / "died"
    sweep(tmp_path / "killed", 400, work=work, shared=marker, pool=SpawnedWorkers)
    sweep(tmp_path / "calm", 400, work=sweep_work.draw_quickly)
    assert marker.exists()
    assert results(tmp_path / "killed") == results(tmp_path / "calm")
    with pytest.raises(InputError, match=r"'seed': 50\} died 3 times"):
        sweep(tmp_path / "named", 400, work=work, pool=SpawnedWorkers)


@posix
def test_a_worker_killed_halfway_through_its_answer_hangs_nothing(tmp_path):
    work, marker = sweep_work.die_while_answering, tmp_path / "died"
    sweep(tmp_path / "killed", work=work, shared=marker, pool=SpawnedWorkers)
    sweep(tmp_path / "calm")
    assert marker.exists()
    assert results(tmp_path / "killed") == results(tmp_path / "calm")


@posix
def test_a_cell_that_kills_three_workers_is_named(tmp_path):
    with pytest.raises(InputError, match=r"'seed': 3\} died 3 times"):
        sweep(tmp_path, 4, jobs=1, work=sweep_work.die, pool=SpawnedWorkers)
    lines, _ = read_lines(tmp_path / "results.jsonl")
    assert {line["seed"] for line in lines} == {0, 1, 2}


@posix
@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_kills_at_any_moment_change_nothing(tmp_path, undisturbed, jobs):
    moment = random.Random(jobs)
    for _ in range(4):
        process = start(tmp_path, jobs, 40, 0.02)
        process.stdout.readline()
        time.sleep(moment.uniform(0.1, 0.6))
        process.kill()
        process.communicate()
    process = start(tmp_path, jobs, 40, 0)
    assert process.communicate()[1] == "" and process.returncode == 0
    assert results(tmp_path) == undisturbed


@posix
def test_a_line_cut_short_is_done_again(tmp_path, undisturbed):
    sweep(tmp_path, 40)
    for file in ("results.jsonl", "timings.jsonl"):
        os.truncate(tmp_path / file, (tmp_path / file).stat().st_size - 9)
    with open(tmp_path / "files.jsonl", "ab") as file:
        file.write(b'{"file": "be')
    sweep(tmp_path, 40)
    assert results(tmp_path) == undisturbed


@posix
@pytest.mark.parametrize("number, whom", [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)])
def test_an_interrupt_stops_soon_and_keeps_what_is_done(tmp_path, undisturbed, number, whom):
    process = start(tmp_path, 2, 40, 0.05)
    process.stdout.readline()
    time.sleep(1.0)
    whom(process.pid, number)
    begun = time.monotonic()
    _, errors = process.communicate()
    assert time.monotonic() - begun < 3
    assert process.returncode == 130
    lines, _ = read_lines(tmp_path / "results.jsonl")
    assert errors == f"{len(lines)} of 40 cells are kept; the same command goes on\n"
    sweep(tmp_path, 40)
    assert results(tmp_path) == undisturbed


def test_an_interrupt_keeps_what_is_finished_but_not_written(tmp_path):
    def work(cell, shared):
        if cell["seed"] == 7:
            signal.raise_signal(signal.SIGINT)
            return None
        return sweep_work.draw(cell, shared)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="^7 of 40 cells are kept; the same command goes"):
        sweep(tmp_path, 40, jobs=2, work=work, pool=at_once)
    assert len(read_lines(tmp_path / "results.jsonl")[0]) == 7
    assert signal.getsignal(signal.SIGINT) is handler


@posix
def test_an_interrupt_does_not_wait_for_long_cells(tmp_path):
    process = start(tmp_path, 2, 4, tmp_path, "hold")
    wait_until(lambda: is_held(tmp_path / "0.held"))
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=5)[1].startswith("0 of 4 cells are kept")


@posix
def test_two_runs_in_one_folder(tmp_path):
    first = start(tmp_path, 1, 4, tmp_path, "hold")
    first.stdout.readline()
    second = start(tmp_path, 1, 4, 0)
    message = second.communicate()[1]
    assert second.returncode == 2
    assert message == (
        f"another run (process {first.pid}) is writing to {tmp_path}; "
        "wait for it or give another --out\n"
    )
    first.kill()
    first.communicate()
    third = start(tmp_path, 1, 4, 0)
    third.communicate()
    assert third.returncode == 0


@posix
def test_workers_do_not_outlive_their_parent(tmp_path):
    held = [tmp_path / "0.held", tmp_path / "1.held"]
    process = start(tmp_path, 2, 4, tmp_path, "hold")
    wait_until(lambda: all(map(is_held, held)))
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(is_held, held)))


@posix
def test_a_file_too_large_keeps_what_was_written(tmp_path, undisturbed):
    with file_size_limit(1000):
        with pytest.raises(InputError, match="File too large") as refused:
            sweep(tmp_path, 40)
    lines, size = read_lines(tmp_path / "results.jsonl")
    assert f"; {len(lines)} cells are kept in {tmp_path}" in str(refused.value)
    assert 0 < size == (tmp_path / "results.jsonl").stat().st_size <= 1000
    sweep(tmp_path, 40)
    assert results(tmp_path) == undisturbed


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a file system")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("pages", range(6))
def test_a_full_disk_keeps_what_was_written(pages, small_disk, tmp_path):
    """With room for one page more, another write is the one that fails."""
    out, ballast = small_disk / "out", small_disk / "ballast"
    sweep(out, 5)
    with pytest.raises(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    os.truncate(ballast, ballast.stat().st_size - 4096 * pages)
    with pytest.raises(InputError) as refused:
        sweep(out, 400)
    lines, size = read_lines(out / "results.jsonl")
    assert len(lines) >= 5 and size == (out / "results.jsonl").stat().st_size
    assert str(refused.value).endswith(f": No space left on device; {len(lines)} cells are kept "
                                       f"in {out}, the same command goes on")
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    sweep(out, 400)
    sweep(tmp_path / "undisturbed", 400)
    assert results(out) == results(tmp_path / "undisturbed")


@contextmanager
def file_size_limit(size):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def is_held(path):
    import fcntl

    if not path.exists():
        return False
    with open(path, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
