"""The wheel and the sdist in empty environments, on any Python, with newest or lowest versions.

    python bench/packages.py [--python PATH ...] [--lowest] [--tests nn,ava,...] [--jobs N]

Each interpreter gets an environment with the wheel and all that its tests need, and one with the
sdist and the base install alone. In both, commands run with `-W error` in an empty folder; in the
first, the tests run too, away from the source tree. No file of the installed package may change
meanwhile. --lowest installs the least version of everything that setup.cfg names. See README.md.
"""

import argparse
import configparser
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("app", "data", "weights", "dask", "test")
SHOWN = ("numpy", "numba", "pillow")
COMMANDS = (["doctor"], ["verify", "--errata"], ["step", "ava5", "--net", "4-3-2"],
            ["reproduce", "bm", "--models", "vae", "--rates", "0.5", "--seeds", "1"],
            ["replay", "runs/bm-orbit"], ["train", "survey-vae", "--epochs", "1"],
            ["evaluate", "runs/survey-vae-digits"])


class Failed(Exception):
    """The command that failed, and the end of what it printed."""


def run(*words: object, cwd: Path, **variables: str) -> str:
    """What a command prints, away from any PYTHONPATH. Raises Failed."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(list(map(str, words)), cwd=cwd, env=clean | variables, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if ended.returncode:
        raise Failed(f"{' '.join(map(str, words))}\n{ended.stdout[-6000:]}")
    return ended.stdout


def environment(path: Path, python: str) -> Path:
    """The interpreter of a new, empty environment."""
    run(python, "-m", "venv", path, cwd=path.parent)
    return path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def built(root: Path) -> tuple[Path, Path, Path]:
    """Wheel and sdist of the source tree, and what the sdist carries besides the package."""
    maker = environment(root / "maker", sys.executable)
    run(maker, "-m", "pip", "install", "-q", "build", cwd=root)
    run(maker, "-m", "build", "--outdir", root / "dist", ROOT, cwd=root)
    (wheel,), (sdist,) = (root / "dist").glob("*.whl"), (root / "dist").glob("*.tar.gz")
    shutil.unpack_archive(sdist, root / "unpacked")
    tree, = (root / "unpacked").iterdir()
    shutil.rmtree(tree / "avanet")
    (tree.parent / "shared").symlink_to(ROOT.parent / "shared")  # data that tests may read
    return wheel, sdist, tree


def lowest(*extras: str) -> list[str]:
    """The least versions that setup.cfg allows, of the base install and of these extras."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    texts = [parser["options"]["install_requires"],
             *(parser["options.extras_require"][extra] for extra in extras)]
    return [line.replace(">=", "==") for text in texts for line in text.split() if ">=" in line]


def versions(python: Path, cwd: Path) -> str:
    """Of Python and of the base install, as cells of a table."""
    code = ("import platform; from importlib.metadata import version\n"
            f"print(platform.python_version(), *map(version, {SHOWN}))")
    return " | ".join(run(python, "-c", code, cwd=cwd).split())


def contents(python: Path, cwd: Path) -> dict[str, str]:
    """The checksum of every file of the installed package."""
    place = run(python, "-c", "import avanet; print(*avanet.__path__)", cwd=cwd).strip()
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(place).rglob("*")) if path.is_file()}


def commands(python: Path, cwd: Path, cache: str) -> None:
    """Run each of `COMMANDS`, any warning an error. Raises Failed."""
    for words in COMMANDS:
        run(python, "-W", "error", "-m", "avanet", *words, cwd=cwd, XDG_CACHE_HOME=cache)


def tried(kind: str, package: Path, python: str, args, root: Path, tree: Path) -> str:
    """A line of the table. Raises Failed."""
    root.mkdir()
    (root / "empty").mkdir()
    inside = environment(root / "environment", python)
    extra, pins = ("[test]", EXTRAS) if kind == "wheel" else ("", ())
    run(inside, "-m", "pip", "install", "-q", f"{package}{extra}",
        *(lowest(*pins) if args.lowest else []), cwd=root)
    before = contents(inside, root)
    commands(inside, root / "empty", str(root / "cache"))
    passed = "-"
    if kind == "wheel" and args.tests:
        folders = [f"tests/{name}" for name in args.tests.split(",")] if args.tests != "all" else []
        passed = run(inside, "-m", "pytest", "-n", args.jobs, *folders, cwd=tree,
                     XDG_CACHE_HOME=str(root / "cache")).strip().splitlines()[-1]
    after = contents(inside, root)
    changed = sum(before.get(path) != after.get(path) for path in before.keys() | after)
    if changed:
        raise Failed(f"{changed} files of the installed package changed")
    return f"| {versions(inside, root)} | {kind} | {passed} |"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], help="an interpreter, or several")
    parser.add_argument("--lowest", action="store_true")
    parser.add_argument("--tests", default="", help="folders and files in tests/, or all")
    parser.add_argument("--jobs", default="auto", help="processes that run the tests")
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory(prefix="avanet-packages-") as folder:
        root = Path(folder)
        wheel, sdist, tree = built(root)
        print("| Python | numpy | numba | pillow | from | tests |\n"
              "| --- | --- | --- | --- | --- | --- |", flush=True)
        for number, python in enumerate(args.python or [sys.executable]):
            for kind, package in (("sdist", sdist), ("wheel", wheel)):
                try:
                    line = tried(kind, package, python, args, root / f"{kind}{number}", tree)
                except Failed as error:
                    failed, line = True, f"| {python} | | | | {kind} | FAILED: {error} |"
                print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
