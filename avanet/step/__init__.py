"""Step through the update equations: symbol, numbers, result, for one update of each network."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avanet.step.tracing import Event, Trace, trace

__all__ = ["Event", "Trace", "trace"]


def __getattr__(name: str):
    """The tracer, imported when it is first asked for: the command line starts without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from avanet.step import tracing
    return getattr(tracing, name)
