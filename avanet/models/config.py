"""Hyperparameters as frozen dataclasses, checked, and as text from the command line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, get_type_hints

import numpy as np

from avanet.errors import InputError, unknown_name
from avanet.nn import OPTIMISERS, SCHEDULES

MOST = 10**6  # of a setting that is a whole number
WORDS = {"true": True, "yes": True, "false": False, "no": False}
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}


@dataclass(frozen=True)
class Config:
    """Hyperparameters that every model has; a model's own are added by inheritance.

    Attributes
    ----------
    epochs, batch : int
    rate : float
        Learning rate of every player, before the schedule.
    schedule : str
        One of `avanet.nn.schedules.SCHEDULES`, over the whole training.
    optimiser : str
        One of `avanet.nn.OPTIMISERS`.
    clip_norm : float
        Each player's gradient is clipped to this norm; 0 for no clipping.
    """

    epochs: int = 10
    batch: int = 128
    rate: float = 1e-3
    schedule: str = "constant"
    optimiser: str = "adam"
    clip_norm: float = 0.0

    def __post_init__(self):
        hints = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, checked(field.name, value, hints[field.name]))
        self.at_least(1, "epochs", "batch")
        self.at_least(0, "clip_norm")
        self.one_of(SCHEDULES, "schedule")
        self.one_of(OPTIMISERS, "optimiser")
        if not 0 < self.rate < np.inf:
            raise InputError(f"rate must be positive, got {self.rate}")

    def at_least(self, least: float, *names: str) -> None:
        """InputError for the first of these settings that is less."""
        for name in names:
            if not getattr(self, name) >= least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")

    def fractions(self, *names: str) -> None:
        """InputError for the first of these settings that is not in [0, 1)."""
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} must lie in [0, 1), got {getattr(self, name)}")

    def one_of(self, known: Mapping[str, Any], name: str) -> None:
        """InputError, with the nearest name, for a setting that is not in the table."""
        if getattr(self, name) not in known:
            raise unknown_name(name, getattr(self, name), known)


def checked(name: str, value: Any, kind: type) -> Any:
    """The value as the field's type (int, float, bool or str); InputError if it is not one."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    fits = {bool: isinstance(value, bool), int: whole, str: isinstance(value, str),
            float: isinstance(value, Real) and not isinstance(value, bool)}[kind]
    if not fits:
        raise InputError(f"{name} must be {KINDS[kind]}, got {value!r}")
    if kind is float and not math.isfinite(value):
        raise InputError(f"{name} must be finite, got {value}")
    if whole and abs(value) > MOST:
        raise InputError(f"{name} must be at most a million, got {value}")
    return kind(value)


def configured(kind: type[Config], settings: Mapping[str, Any]) -> Config:
    """A config of that kind; InputError, with the nearest name, for a setting it has not."""
    known = [field.name for field in fields(kind)]
    for name in settings:
        if name not in known:
            raise unknown_name("setting", name, known)
    return kind(**settings)


def parsed(kind: type[Config], texts: Sequence[str]) -> dict[str, Any]:
    """Settings of that kind from texts `name=value`, of the types of its fields.

    Raises
    ------
    InputError
        For an unknown name, with the nearest known one, or a value of another type.
    """
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"expected a setting as name=value, got {text!r}")
        if name not in known:
            raise unknown_name("setting", name, known)
        settings[name] = _read(name, value, hints[name])
    return settings


def _read(name: str, text: str, kind: type) -> Any:
    try:
        return checked(name, WORDS[text.lower()] if kind is bool else kind(text), kind)
    except (KeyError, ValueError):
        raise InputError(f"{name} must be {KINDS[kind]}, got {text!r}") from None
