"""Work for the sweeps of the tests, in a module that spawned processes can import.

As a script (OUT JOBS CELLS SECONDS) it is a command that runs a sweep of `draw`.
"""

import multiprocessing.connection
import os
import random
import signal
import sys
import time
from pathlib import Path

from avanet.errors import InputError
from avanet.experiments.store import RunFolder
from avanet.experiments.sweep import Outcome, run_cells
from avanet.threads import ONE_THREAD

KEY = ("model", "rate", "seed")


def cells_of(number):
    return [{"model": f"m{i % 3}", "rate": i / 7, "seed": i} for i in range(number)]


def draw(cell, shared):
    """A number and a file that depend on the cell alone; `shared` is the time to take."""
    value = random.Random(str(cell)).random()
    time.sleep(shared or 0)
    return Outcome({"value": value}, 0.5, {f"best/{cell['model']}.txt": b"%.17f" % value})


def draw_quickly(cell, shared):
    """As `draw`, and so quick that a worker is given several cells at once."""
    return Outcome(draw(cell, 0).line, 0.0)


def highest(name, old, new):
    return new if old is None else max(old, new, key=float)


def environment(cell, shared):
    return Outcome({name: os.environ[name] for name in ONE_THREAD}, 0)


class Counted:
    """Knows how often it has been unpickled in this process."""

    arrivals = 0

    def __setstate__(self, state):
        Counted.arrivals += 1

    def __getstate__(self):
        return {"some": "state"}


def count_arrivals(cell, shared):
    return Outcome({"arrivals": shared.arrivals, "process": os.getpid()}, 0)


def die(cell, shared):
    """Kill this process in cell 3: the first time if `shared` is a marker file, else always."""
    if cell["seed"] == 3 and not (shared and shared.exists()):
        if shared:
            shared.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(cell, 0)


def die_among_quick_cells(cell, shared):
    """Kill this process in cell 50, which comes in a batch."""
    if cell["seed"] == 50:
        die(cell | {"seed": 3}, shared)
    return draw_quickly(cell, shared)


def die_while_answering(cell, marker):
    """Kill this process when half of its first answer is in the pipe."""

    def half(self, data, *_):
        os.write(self.fileno(), bytes(data[: len(data) // 2]))
        os.kill(os.getpid(), signal.SIGKILL)

    if not marker.exists():
        marker.touch()
        multiprocessing.connection.Connection._send = half
    return draw(cell, 0)


def divide(cell, shared):
    return Outcome({"value": 1 / (cell["seed"] - 3)}, 0)


def refuse(cell, shared):
    raise InputError("the data are gone")


def exhaust(cell, shared):
    raise MemoryError


def not_a_number(cell, shared):
    return Outcome({"value": float("nan") if cell["seed"] == 3 else 0.0}, 0)


def hold(cell, folder):
    """Lock a file and stay for a minute."""
    import fcntl

    with open(folder / f"{cell['seed']}.held", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        time.sleep(60)
    return Outcome({}, 60)


def main(out, jobs, number, seconds, work="draw"):
    shared = Path(seconds) if work == "hold" else float(seconds)
    try:
        with RunFolder(out, KEY) as folder:
            folder.open_run({"cells": "drawn"}, {})
            print("begun", flush=True)
            cells = cells_of(int(number))
            run_cells(cells, globals()[work], folder, int(jobs), shared=shared, keep=highest)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(interrupt, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
