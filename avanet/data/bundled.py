"""Where the data that comes with avanet is."""

from pathlib import Path

from avanet.errors import InputError

BUNDLED = ("orbit",)  # folders of pictures


def bundled_folder(name: str) -> Path:
    """The folder of a bundled set: `avanet/bundled/` once installed, `data/` in the source tree.

    Raises `InputError` when neither holds the set.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "bundled" / name, package.parent / "data" / name):
        if folder.is_dir():
            return folder
    raise InputError(f"this copy of avanet lacks its bundled images: run avanet data make {name}"
                     " --out FOLDER and give the path of what it writes")
