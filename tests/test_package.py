"""The house as a whole: what loads at import, who imports whom, what is never used."""

import ast
import configparser
import sys
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest

import avanet

PACKAGE = Path(avanet.__file__).parent
ROOT = PACKAGE.parent
FLOORS = [  # imports go down only, or stay within a package
    {"arguments", "errors", "interrupts", "threads"},
    {"environment", "files", "kernels", "npz", "processes", "progress"},
    {"nn", "data", "folder", "plots", "tables", "tensors"},
    {"ava"}, {"models"}, {"metrics"}, {"verify", "train"}, {"doctor", "experiments", "step"},
    {"cli"}, {"__main__"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_name(path): ast.parse(path.read_text(), str(path))
         for path in sorted(PACKAGE.rglob("*.py"))}


def at_import(tree):
    """The nodes that run when a module is imported: not those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            yield from at_import(node)


def imported(nodes):
    """The full names of the modules that these nodes import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in TREES else node.module


def room(name):
    """What of the house a module belongs to: avanet.nn.layers to nn."""
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("name", TREES)
def test_imports_go_down_only(name):
    if name == "avanet":
        return
    assert room(name) in FLOOR, f"give {room(name)!r} a floor in this test"
    for other in imported(ast.walk(TREES[name])):
        if other.startswith("avanet.") and room(other) != room(name):
            assert FLOOR[room(other)] < FLOOR[room(name)], f"{name} imports {other}"


def test_no_import_runs_in_a_circle():
    TopologicalSorter({name: {other for other in imported(at_import(tree)) if other in TREES}
                       for name, tree in TREES.items()}).prepare()


EACH_FIRST = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [module for module in sys.modules if module.split(".")[0] == "avanet"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""


def test_each_module_can_be_imported_first(python):
    assert python("-W", "error", "-c", EACH_FIRST, *TREES) == (0, "", "")


def test_optional_and_heavy_packages_load_at_first_use():
    for name, tree in TREES.items():
        tops = {module.split(".")[0] for module in imported(at_import(tree))}
        assert not tops & {"rich", "matplotlib", "safetensors", "torch", "scipy"}, name
        assert "numba" not in tops or room(name) == "kernels", name


HEAVY = {"numba", "rich", "matplotlib", "safetensors"}
VERSION = "from avanet.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass"


@pytest.mark.parametrize("code, heavy", [
    ("import avanet", HEAVY | {"numpy", "PIL"}),
    ("import avanet.__main__", HEAVY | {"numpy", "PIL"}),
    ("import avanet.cli", HEAVY), (VERSION, HEAVY)])
def test_import_loads_nothing_heavy(python, code, heavy):
    ask = f"import sys; print('loaded', sorted({heavy} & set(sys.modules)))"
    result, output, errors = python("-c", f"{code}\n{ask}")
    assert (result, output.splitlines()[-1], errors) == (0, "loaded []", "")


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_nothing_from_a_file_is_executed():
    """Pickles go between a sweep and its own workers alone; no module evaluates text."""
    formats = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    for name, tree in TREES.items():
        if name != "avanet.experiments.sweep":
            assert not formats & {m.split(".")[0] for m in imported(ast.walk(tree))}, name
        for call in calls(tree):
            assert ast.unparse(call.func) not in ("eval", "exec", "__import__", "pickle.load",
                                                  "pickle.loads"), name
            for keyword in call.keywords:
                if keyword.arg == "allow_pickle":
                    assert ast.unparse(keyword.value) == "False", name


def test_no_global_random_state():
    allowed = {"default_rng", "Generator", "PCG64", "SeedSequence"}
    for name, tree in TREES.items():
        assert "random" not in set(imported(ast.walk(tree))), name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np.random":
                assert node.attr in allowed, f"{name}: np.random.{node.attr}"


def test_the_names_of_the_package():
    assert avanet.AVA.__module__ == "avanet.ava.model"
    assert all(getattr(avanet, name) for name in avanet.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        avanet.nothing


def test_the_version_is_that_of_the_installed_package():
    try:
        installed = metadata.version("avanet")
    except metadata.PackageNotFoundError:
        pytest.skip("avanet is not installed")
    assert installed == avanet.__version__


@pytest.fixture
def setup():
    if not (ROOT / "setup.cfg").exists():
        pytest.skip("not in the source tree")
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_the_metadata_name_this_version_and_every_package(setup):
    assert setup["metadata"]["version"] == avanet.__version__
    folders = {module_name(path) for path in PACKAGE.rglob("__init__.py")}
    assert set(setup["options"]["packages"].split()) == folders | {"avanet.bundled"}


def test_every_file_that_is_no_module_is_installed_too(setup):
    patterns = {package: value.replace(",", " ").split()
                for package, value in setup["options.package_data"].items()}
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc", ".nbi", ".nbc"):
            package = module_name(path.parent)
            assert any(fnmatch(path.name, pattern) for pattern in patterns.get(package, [])), path


def test_the_base_install_is_three_packages(setup):
    names = [line.split(">")[0] for line in setup["options"]["install_requires"].split()]
    assert sorted(names) == ["numba", "numpy", "pillow"]
    used = {module.split(".")[0] for tree in TREES.values() for module in imported(at_import(tree))}
    assert used - set(sys.stdlib_module_names) == {"avanet", "numba", "numpy", "PIL"}
