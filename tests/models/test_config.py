"""Settings: of the right type, from Python and as text, or refused with the nearest name."""

from dataclasses import dataclass, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avanet.errors import InputError
from avanet.models import AVA_MODELS, MODELS, model_class
from avanet.models.config import Config, checked, configured, parsed


@dataclass(frozen=True)
class Example(Config):
    latent: int = 2
    bound: float = 0.5
    norm: bool = True
    start: str = "zeros"


@given(st.integers(1, 10**6), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_text_gives_back_what_was_written(latent, bound, norm):
    texts = [f"latent={latent}", f"bound={bound!r}", f"norm={norm}", "start=a=b"]
    assert parsed(Example, texts) == {"latent": latent, "bound": bound, "norm": norm,
                                      "start": "a=b"}


@pytest.mark.parametrize("name", [*MODELS, *AVA_MODELS])
def test_every_setting_of_every_model_is_read_from_its_own_text(name):
    kind = model_class(name).Config
    texts = [f"{field.name}={getattr(kind(), field.name)}" for field in fields(kind)]
    assert configured(kind, parsed(kind, texts)) == kind()


@pytest.mark.parametrize("text, message", [
    ("latnt=3", "unknown setting 'latnt': did you mean 'latent'"),
    ("latent", "expected a setting as name=value, got 'latent'"),
    ("latent=3.0", "latent must be a whole number, got '3.0'"),
    ("latent=1000001", "latent must be at most a million"),
    ("bound=x", "bound must be a number, got 'x'"),
    ("bound=inf", "bound must be finite"),
    ("norm=1", "norm must be true or false, got '1'"),
])
def test_text_that_is_no_setting(text, message):
    with pytest.raises(InputError, match=message):
        parsed(Example, [text])


@pytest.mark.parametrize("value, kind", [
    (True, int), (2.0, int), ("2", int), (True, float), (None, float), (1, bool), (3, str)])
def test_a_value_of_another_type(value, kind):
    with pytest.raises(InputError, match="x must be"):
        checked("x", value, kind)
