"""Logs of whole lines, and where two descriptions of a run differ."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.errors import InputError
from avanet.folder import Journal, encode, first_difference, read_lines

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
finite = scalars.filter(lambda value: value not in (float("inf"), float("-inf")))
objects = st.dictionaries(st.text(), finite, max_size=4)


@settings(max_examples=50)
@given(st.lists(objects, max_size=6), st.data())
def test_a_file_cut_anywhere_has_its_whole_lines_and_grows_again(tmp_path_factory, lines, data):
    path = tmp_path_factory.mktemp("journal") / "lines.jsonl"
    text = b"".join(map(encode, lines))
    cut = data.draw(st.integers(0, len(text)))
    path.write_bytes(text[:cut])
    whole = text[:cut].count(b"\n")
    journal = Journal(path)
    assert journal.lines == lines[:whole]
    assert path.read_bytes() == b"".join(map(encode, lines[:whole]))
    journal.append(lines[whole:])
    assert path.read_bytes() == text
    assert read_lines(path) == (lines, len(text))


@settings(max_examples=50)
@given(st.binary(max_size=60))
def test_any_bytes_are_lines_or_a_clear_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n' + data)
    try:
        lines, size = read_lines(path)
    except InputError as error:
        assert f"{path}, line " in str(error)
    else:
        assert lines[0] == {"a": 1} and path.read_bytes()[:size].count(b"\n") == len(lines)


def test_a_line_keeps_its_order_and_every_digit():
    line = {"z": 0.1 + 0.2, "a": -0.0, "m": None, "t": "é\n"}
    assert encode(line) == b'{"z": 0.30000000000000004, "a": -0.0, "m": null, "t": "\\u00e9\\n"}\n'
    with pytest.raises(ValueError):
        encode({"a": float("nan")})


@pytest.mark.parametrize(
    "damage", [b'{"a": 1', b"\0\0\0", b"[1]", b'{"a": NaN}', b"\xff", b"[" * 9999]
)
def test_damage_is_dropped_at_the_end_and_named_before_it(tmp_path, damage):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n' + damage + b"\n")
    assert read_lines(path) == ([{"a": 1}], 9)
    path.write_bytes(b'{"a": 1}\n' + damage + b'\n{"a": 2}\n')
    with pytest.raises(InputError, match=r"lines\.jsonl, line 2: expected a JSON object"):
        read_lines(path)
    path.write_bytes(b'{"a": 1}\n' + damage + b'\n{"a": 2')
    with pytest.raises(InputError, match=r"lines\.jsonl, line 2: expected a JSON object"):
        read_lines(path)


@settings(max_examples=50)
@given(objects, objects)
def test_first_difference_is_where_two_protocols_differ(old, new):
    found = first_difference({"in": old}, {"in": new})
    names = [name for name in [*old, *new] if old.get(name) != new.get(name)]
    if names:
        assert found == (f"in.{names[0]}", old.get(names[0]), new.get(names[0]))
    else:
        assert found is None
