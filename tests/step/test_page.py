"""The page as text: what it holds, how large it is, and what it refuses."""

import copy
import functools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from avanet.ava import AVA
from avanet.ava.plans import RULE_SETS, VARIANTS
from avanet.errors import InputError
from avanet.step.page import (PLACES, WORDS, gallery, notebook_html, page, static_table, view,
                              write_gallery, write_page)
from avanet.step.small import TEACHING, reduced, small_model
from avanet.step.tracing import Trace, trace


@functools.cache
def traced(name="ava5", rules="printed", steps=2, net="4-3-2"):
    m = int(net.split("-")[0])
    return trace(small_model(name, net, rules), reduced("orbit", m), steps)


@pytest.fixture(scope="module")
def ava5():
    return traced(steps=20)


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = {"meta", "br", "input", "link", "hr", "img"}

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("model", sorted(VARIANTS))
@pytest.mark.parametrize("rules", sorted(RULE_SETS))
def test_every_model_and_rule_set_has_a_page(model, rules):
    text = page(traced(model, rules))
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "@@" not in text.partition("<script")[0]


def test_twenty_steps_are_under_two_megabytes(ava5):
    assert len(page(ava5).encode()) < 2_000_000


def test_nothing_points_outside(ava5):
    text = page(ava5)
    assert "default-src 'none'" in text
    assert not re.search(r'<(?:link|img|iframe|object)\b|\bsrc=|@import|url\(', text)
    addresses = set(re.findall(r"https?://[^\"'\s<]+", text))
    assert all(a.startswith("http://www.w3.org/") for a in addresses), addresses


def test_data_cannot_end_its_element():
    t = copy.deepcopy(traced())
    t.model["players"]["f"]["name"] = "</script><b>"
    assert "</script><b>" not in page(t)
    assert data_of(page(t))["views"][0]["model"]["players"]["f"]["name"] == "</script><b>"


def test_phases_follow_the_order_of_the_paper(ava5):
    players = [phase["player"] for phase in view(ava5)["phases"]]
    assert [p for k, p in enumerate(players) if k == 0 or players[k - 1] != p] \
        == ["", "f", "g", "d", "D"]
    keys = [phase["key"] for phase in view(ava5)["phases"]]
    assert len(set(keys)) == len(keys)
    assert keys.index("g-pull_d") < keys.index("g-decoder_error") < keys.index("g-backward-z") \
        < keys.index("g-update")


@pytest.mark.parametrize("model", sorted(VARIANTS))
@pytest.mark.parametrize("rules", sorted(RULE_SETS))
def test_phases_point_at_the_events_they_name(model, rules):
    t = traced(model, rules)
    whole = view(t)
    for step in t.steps:
        for phase in whole["phases"]:
            if phase["kind"] == "rule":
                event = step["events"][phase["event"]]
                assert event["kind"] == "rule"
                assert phase["key"].endswith(event["where"]) or phase["key"] == "sample"
                assert phase["formula"] in WORDS and phase["formula"] in PLACES
        for name, layers in whole["gradients"].items():
            for layer, k in layers.items():
                event = step["events"][k]
                assert (event["kind"], event["player"], event["on"]) \
                    == ("gradient", *name.split("|"))
                assert event["layer"] == int(layer)
    updates = [phase["of"] for phase in whole["phases"] if phase["kind"] == "update"]
    assert updates == list(t.steps[0]["players"])


def test_numbers_are_the_traces_to_twelve_digits(ava5):
    whole = view(ava5)
    for kept, step in zip(whole["steps"], ava5.steps):
        for event, full in zip(kept["events"], step["events"]):
            if full["kind"] == "rule":
                np.testing.assert_allclose(event["result"], full["result"], rtol=1e-11)
        for name, player in step["players"].items():
            assert kept["players"][name]["cosine"] == pytest.approx(player["cosine"], rel=1e-11)


def test_real_factors_are_the_discriminators_jacobian(ava5):
    """By central differences, from the trace's weights alone."""
    def net_input(layers, x):
        (one, two) = layers
        hidden = 1 / (1 + np.exp(-(x @ np.array(one["W"]) + one["b"])))
        return (hidden @ np.array(two["W"]) + two["b"])[0]

    for step, note in zip(ava5.steps, view(ava5)["notes"]):
        d, x_ = step["players"]["d"]["before"], np.array(step["x_"])
        moves = 1e-5 * np.eye(len(x_))
        row = [(net_input(d, x_ + e) - net_input(d, x_ - e)) / 2e-5 for e in moves]
        np.testing.assert_allclose(note["g"]["row"], row, atol=1e-9)
        pull = next(e["result"][0][0] for e in step["events"] if e["where"] == "pull_d")
        np.testing.assert_allclose(note["g"]["real"], pull * np.array(row), atol=1e-9)
        np.testing.assert_allclose(note["g"]["cosine"],
                                   np.sum(row) / np.linalg.norm(row) / np.sqrt(len(row)), rtol=1e-6)
        np.testing.assert_allclose(note["g"]["difference"], np.array(step["x"]) - x_, rtol=1e-9)


def test_the_printed_rule_agrees_with_its_numerical_derivative(ava5):
    for note in view(ava5)["notes"]:
        assert max(note["agrees"].values()) < 1e-12


def test_several_rule_sets_share_a_page():
    text = page([traced(rules="printed"), traced(rules="exact")])
    assert [v["model"]["rules"] for v in data_of(text)["views"]] == ["printed", "exact"]


@pytest.mark.parametrize("group", [
    [], [("ava1", "printed"), ("ava2", "printed")], [("ava1", "printed"), ("ava1", "printed")]])
def test_traces_that_do_not_belong_together_are_refused(group):
    with pytest.raises(InputError, match="a page"):
        page([traced(*names, steps=1) for names in group])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="too large to draw.*64"):
        page(traced(net="4-65-2", steps=1))
    with pytest.raises(InputError, match="no steps"):
        page(Trace(traced(steps=1).model, []))
    full = AVA("ava1", latent_dim=2, hidden_dim=3, rules="printed", protocol=TEACHING,
               dtype="float64", covariance="full")
    with pytest.raises(InputError, match="diagonal"):
        page(trace(full, reduced("orbit", 4), 1))


@pytest.mark.parametrize("key", ["events", "players", "x_"])
def test_a_damaged_trace_is_named(key):
    t = copy.deepcopy(traced())
    del t.steps[1][key]
    with pytest.raises(InputError, match=f"damaged: it has no '{key}'"):
        page(t)


def test_the_widest_network_is_drawn():
    assert page(traced(net="64-16-8", steps=1))


def test_pages_are_written_and_failures_named(tmp_path, ava5):
    write_page(ava5, tmp_path / "p.html")
    assert (tmp_path / "p.html").read_text(encoding="utf-8") == page(ava5)
    write_page(ava5, tmp_path / "new" / "p.html")  # makes the folder, as every other command
    assert (tmp_path / "new" / "p.html").read_bytes() == (tmp_path / "p.html").read_bytes()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_page(ava5, tmp_path / "file" / "p.html")
    with pytest.raises(InputError, match="cannot write"):
        write_gallery([ava5], tmp_path / "file")


def test_the_gallery_has_a_page_for_each_model_and_an_index(tmp_path):
    traces = [traced(name, steps=3) for name in VARIANTS]
    files = gallery([*traces, traced("ava1", "exact", 3)])
    assert set(files) == {"index.html", *(f"{name}.html" for name in VARIANTS)}
    assert len(data_of(files["ava1.html"])["views"]) == 2
    index = data_of(files["index.html"])
    assert [v["name"] for v in index["views"]] \
        == ["AVA1", "AVA2", "AVA3", "AVA4", "AVA5", "VAE", "GAN"]
    assert len(files["index.html"].encode()) < 1_000_000
    write_gallery(traces, tmp_path / "g")
    written = (tmp_path / "g" / "index.html").read_text(encoding="utf-8")
    assert written == gallery(traces)["index.html"]
    with pytest.raises(InputError, match="at least one"):
        gallery([])


def test_the_table_has_every_rule_with_its_numbers(ava5):
    table = static_table(ava5, 4)
    for event in ava5.steps[4]["events"]:
        if event["kind"] == "rule":
            assert f"{event['result'][0][0]:.4f}".replace("-", "−") in table
    assert table.count("<tr>") == 1 + 12 + 4
    assert table in notebook_html(ava5).replace(static_table(ava5), table)
