"""Tables 1-3 as data: complete, consistent with each other, and what rounding hides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.ava.published import (
    MODELS, PUBLISHED, PUBLISHED_TABLE3, RATES, REPETITION, REPETITION_OVERALL, Table3,
    published_table3, table3,
)


def test_tables_1_and_2_hold_every_model_at_the_19_rates():
    expected = [k / 10 for k in range(10, 0, -1)] + [k / 100 for k in range(9, 0, -1)]
    assert list(RATES) == expected
    assert set(PUBLISHED) == {(model, rate) for model in MODELS for rate in RATES}
    assert len(PUBLISHED) == 133


@pytest.mark.parametrize("model, rate, bm", [
    ("ava1", 1.0, 0.2298), ("gan", 1.0, 0.2298), ("ava4", 0.2, 0.0929), ("gan", 0.1, 0.2107),
    ("ava1", 0.09, 0.2038), ("ava5", 0.03, 0.1855), ("vae", 0.05, 0.1805), ("gan", 0.01, 0.2148),
])
def test_cells_stand_where_the_paper_has_them(model, rate, bm):
    assert PUBLISHED[model, rate] == bm


def test_the_recomputed_table_3_rounds_to_the_printed_one():
    for model, column in table3(PUBLISHED).items():
        assert np.allclose(column, PUBLISHED_TABLE3[model], rtol=0, atol=5.0001e-5), model


def test_unrounded_ava3_is_not_stabler_than_vae():
    recomputed = table3(PUBLISHED)
    assert PUBLISHED_TABLE3["ava3"].sd == PUBLISHED_TABLE3["vae"].sd == 0.0606
    assert round(recomputed["ava3"].sd, 6) == 0.060605
    assert round(recomputed["vae"].sd, 6) == 0.060583


def test_the_repetition_agrees_with_its_columns():
    assert list(REPETITION) == list(MODELS)
    assert np.mean(list(REPETITION.values())) == pytest.approx(REPETITION_OVERALL, abs=1e-4)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(sorted(PUBLISHED)), st.floats(0, 0.25), min_size=1))
def test_table_3_of_any_cells(cells):
    result = table3(cells)
    assert list(result) == [model for model in MODELS if any(key[0] == model for key in cells)]
    for model, column in result.items():
        values = np.array([bm for key, bm in cells.items() if key[0] == model])
        assert column.mean == pytest.approx(values.mean(), abs=1e-15)
        assert (column.maximum, column.minimum) == (values.max(), values.min())
        if len(values) > 1:
            assert column.sd == pytest.approx(values.std(ddof=1), rel=1e-9, abs=1e-15)
        else:
            assert math.isnan(column.sd)


def test_some_rates_are_recomputed_and_all_are_printed():
    assert published_table3(RATES) is PUBLISHED_TABLE3
    assert published_table3({1.0, 0.9})["gan"] == Table3(
        pytest.approx(0.22905), 0.2298, 0.2283, pytest.approx(0.0015 / math.sqrt(2)))
