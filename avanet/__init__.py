"""avanet: generative models with every gradient derived by hand.

`avanet.nn` is the engine, `avanet.ava` the AVA paper's models and equations, `avanet.experiments`
what re-creates its tables, `avanet.verify` what checks every equation numerically.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avanet.ava import AVA, Protocol

__version__ = "0.1.0"
__all__ = ["AVA", "Protocol", "__version__"]


def __getattr__(name: str):
    """Import the models on first use, so that `import avanet` stays fast."""
    if name in ("AVA", "Protocol"):
        return getattr(import_module("avanet.ava"), name)
    raise AttributeError(f"module 'avanet' has no attribute {name!r}")
