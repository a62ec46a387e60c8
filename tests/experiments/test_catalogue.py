"""`avanet reproduce` alone, and the file of verdicts that it reads."""

import json
import os

import pytest

from avanet.cli import main
from avanet.experiments import catalogue
from avanet.experiments.verdicts import drawn, held, last_found, verdicts_file
from avanet.tables import DASH

ITEMS = [(paper, item) for paper, items in catalogue.PAPERS.items() for item in items]


def keep(runs, folder, experiment, scale, found, when):
    (name, content), = verdicts_file(experiment, scale, "digits", found).items()
    path = runs / folder / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    os.utime(path, ns=(when, when))
    return path


def test_the_newest_run_of_each_experiment_is_heard(tmp_path):
    keep(tmp_path, "a", "bm", "default", {"Table 1": "new"}, 2000)
    keep(tmp_path, "b", "bm", "quick", {"Table 1": "old"}, 1000)
    keep(tmp_path, "c", "survey", "quick", {"Figure 10": "drawn"}, 500)
    found = last_found(tmp_path)
    assert set(found) == {"bm", "survey"}
    assert found["bm"] == ("default", "digits", {"Table 1": "new"})


@pytest.mark.parametrize("content", [
    b"", b"not JSON", b"[]", b"{}", b'{"experiment": "bm"}',
    b'{"experiment": ["bm"], "scale": "quick", "data": "x", "verdicts": {}}',
    b'{"experiment": "bm", "scale": "quick", "data": "x", "verdicts": {"Table 1": 1}}',
    b'{"experiment": "bm", "scale": "quick", "data": "x", "verdicts": []}'])
def test_a_file_of_another_kind_has_no_say(tmp_path, content):
    keep(tmp_path, "a", "survey", "quick", {}, 1)
    other = tmp_path / "b" / "verdicts.json"
    other.parent.mkdir()
    other.write_bytes(content)
    assert set(last_found(tmp_path)) == {"survey"}
    assert last_found(tmp_path / "nowhere") == {}


def test_what_is_counted_and_drawn():
    assert held(["holds (3 of 3 seeds)", "fails", "holds"]) == "2 of 3 claims hold"
    assert drawn(["a.png"], {"Figure 1": "a.png", "Figure 2": "b.png"}) == {
        "Figure 1": "drawn", "Figure 2": "not drawn"}


def test_every_item_is_named_once_and_every_command_exists(capsys):
    names = [(paper, item.name) for paper, item in ITEMS]
    assert len(set(names)) == len(names)
    assert {item.experiment for _, item in ITEMS} - {None} == set(catalogue.MINUTES)
    for name in catalogue.MINUTES:
        with pytest.raises(SystemExit) as ended:
            main(["reproduce", name, "--help"])
        assert ended.value.code == 0
    capsys.readouterr()


def test_every_reproduction_of_the_command_line_is_listed(capsys):
    with pytest.raises(SystemExit):
        main(["reproduce", "--help"])
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()
              if line.startswith("    ") and not line.startswith("     ")]
    assert set(listed) - {"[NAME]"} == set(catalogue.MINUTES)


def test_the_list_says_where_each_item_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce"]) == 0
    before = capsys.readouterr().out
    assert before.count("not run") == len(catalogue.MINUTES) + sum(
        item.experiment is not None for _, item in ITEMS)
    keep(tmp_path / "runs", "a", "bm", "quick", {"Table 1": "as-run: 9 of 9 inside"}, 1)
    assert main(["reproduce"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row, = (line for line in lines if "rates 1 to 0.1" in line)
    assert row.endswith("avanet reproduce bm          as-run: 9 of 9 inside")
    row, = (line for line in lines if "Table 3 as curves" in line)
    assert row.endswith("not in this run")
    row, = (line for line in lines if "the networks, as graphs" in line)
    assert row.split()[-1] == DASH
    assert any("quick, digits" in line for line in lines)


@pytest.mark.parametrize("minutes, text", [(0.5, "0.5 min"), (60, "60 min"), (720, "12 h")])
def test_durations(minutes, text):
    assert catalogue.duration(minutes) == text


def test_a_reproduction_writes_what_the_list_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "bm", "--models", "vae", "--rates", "0.5", "--seeds", "2",
                 "--rules", "as-run", "--jobs", "1", "--size", "10", "8"]) == 0
    content = json.loads((tmp_path / "runs/bm-orbit/verdicts.json").read_bytes())
    assert content["experiment"] == "bm" and "of 1 inside" in content["verdicts"]["Table 1"]
    assert set(content["verdicts"]) == {item.name for _, item in ITEMS if item.experiment == "bm"}
    capsys.readouterr()
    main(["reproduce"])
    assert content["verdicts"]["Table 1"] in capsys.readouterr().out
