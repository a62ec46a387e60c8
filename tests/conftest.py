"""What several test files need: the authors' images, small images, a Python of their own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
COMPILE = ("import sys; from avanet.ava.warmup import is_warm, warmup; "
           "is_warm(sys.argv[1]) or warmup(sys.argv[1:])")
AUTHORS_IMAGES = ROOT / "../shared/data/orbit-100x64"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}

hypothesis.settings.register_profile("untimed", deadline=None)  # a first example compiles
hypothesis.settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in a shell's background; children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start_python(*arguments, **options):
    """A Python that finds this avanet, in a session of its own, its output in pipes."""
    environment = ENVIRONMENT | options.pop("env", {})
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], env=environment, text=True, start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options)


def run_python(*arguments, **options):
    """The same, ended: (exit code, standard output, standard error)."""
    with start_python(*arguments, **options) as process:
        try:
            output, errors = process.communicate(timeout=240)
        finally:
            process.kill()
    return process.returncode, output, errors


def pytest_configure(config):
    """Compile before several workers start, which would all compile the same."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        for process in [start_python("-c", COMPILE, dtype) for dtype in ("float32", "float64")]:
            process.communicate()


@pytest.fixture(scope="session")
def python():
    return run_python


@pytest.fixture(scope="session")
def start():
    return start_python


@pytest.fixture
def reachable():
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.fixture
def unprivileged():
    """Within `with unprivileged():` root, who may do everything, is nobody; others stay."""
    @contextlib.contextmanager
    def nobody():
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(user)
    return nobody


@pytest.fixture(scope="session")
def authors_images():
    if not AUTHORS_IMAGES.is_dir():
        pytest.skip("the authors' images are not here (../shared/data/orbit-100x64)")
    return AUTHORS_IMAGES


@pytest.fixture(scope="session")
def images():
    """Four images of 12 x 8, drawn at random."""
    return np.random.default_rng(5).random((4, 8, 12, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory, images):
    """The same as PNG files."""
    folder = tmp_path_factory.mktemp("images")
    for i, pixels in enumerate(images):
        Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder
