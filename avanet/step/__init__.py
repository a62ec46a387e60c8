"""Step through the update equations: symbol, numbers, result, for one update of each network."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avanet.step.trace import Event, Trace, trace

__all__ = ["Event", "Trace", "trace"]


def __getattr__(name: str):
    """Import the tracer on first use: the command line needs the verbs alone."""
    if name in __all__:
        value = getattr(import_module("avanet.step.trace"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'avanet.step' has no attribute {name!r}")
