"""Step through the update equations: symbol, numbers, result, for one update of each network."""

from avanet.step.trace import Event, Trace, trace

__all__ = ["Event", "Trace", "trace"]
