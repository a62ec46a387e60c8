"""The ready notebook runs, and its page has a fallback."""

import html
import json
import re
from importlib import resources

import pytest

from avanet.step.page import notebook_html
from avanet.step.small import reduced, small_model
from avanet.step.tracing import trace

NOTEBOOK = resources.files("avanet.step").joinpath("step.ipynb")


@pytest.fixture(scope="module")
def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_nothing_is_stored_but_the_source(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_every_cell_runs(cells, capsys, monkeypatch):
    shown = []
    display = type("display", (), {"HTML": shown.append})
    monkeypatch.setitem(__import__("sys").modules, "IPython", type("IPython", (), {}))
    monkeypatch.setitem(__import__("sys").modules, "IPython.display", display)
    names: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert "<iframe" in shown[0]
    assert "cosine" in capsys.readouterr().out
    assert len(names["both"]) < 2_000_000


def test_the_frame_holds_the_page_and_a_table_follows_it():
    text = notebook_html(trace(small_model("ava1"), reduced("orbit", 4), 1))
    source = re.search(r'srcdoc="([^"]*)"', text)[1]
    assert html.unescape(source).startswith("<!DOCTYPE html>")
    after = text.partition("</iframe>")[2]
    assert "<script" not in after
    assert "<table>" in after and "<math" in after


def test_the_frame_holds_no_quote_that_ends_it_early():
    text = notebook_html(trace(small_model("ava-vae"), reduced("orbit", 4), 1))
    frame = text.partition("></iframe>")[0]
    assert re.fullmatch(r'<iframe srcdoc="[^"]*" title="[^"]*" style="[^"]*"', frame)
