"""Keys, quiz and command line of `avanet step`."""

import io
import json
import os
import pty
import select
import signal
import sys
import termios
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.ava import RULE_SETS, VARIANTS
from avanet.cli import main
from avanet.errors import InputError
from avanet.step import Trace
from avanet.step.terminal import Session, Start, drawn, grade, quiz
from avanet.step.scenes import Ask, Scene, number
from avanet.step.walk import walk

X = np.random.default_rng(2).random((3, 4))


def start_of(model="ava5", **changes):
    return Start(**{"model": model, "net": "4-3-2", "rules": "printed", "rate": 0.5, "seed": 0,
                    "X": X} | changes)


def session_of(model="ava5", player=None, neuron=1, **changes):
    start = start_of(model, **changes)
    return Session(start.trace(), start, player, neuron)


def press(session, keys):
    return [session.key(key) for key in keys][-1]


# The same start -------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", RULE_SETS)
def test_start_values_and_draws_hang_on_the_seed_alone(rules):
    reference = start_of().trace().steps[0]
    for name in VARIANTS:
        step = start_of(name, rules=rules).trace().steps[0]
        assert step["r"] == reference["r"] and step["x"] == reference["x"]
        for player, record in step["players"].items():
            assert record["before"] == reference["players"][player]["before"]
    other = start_of(seed=1).trace().steps[0]
    assert other["r"] != reference["r"]
    assert other["players"]["g"]["before"] != reference["players"]["g"]["before"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_update_that_overflows_is_one_line():
    start = start_of(X=np.full((1, 4), 1e308), steps=3)
    with pytest.raises(InputError, match="overflow.*smaller rate") as error:
        start.trace()
    assert "\n" not in str(error.value)


# Keys -----------------------------------------------------------------------------------------


def test_next_and_back_stop_at_the_ends():
    session = session_of()
    assert session.at == 0 and press(session, "b") and session.at == 0
    for keys, step in (("n", 1), ("\r", 1), ("\n", 1), (" ", 1), (["\x1b[C"], 1), ("b", -1),
                       (["\x1b[D"], -1)):
        before = session.at
        press(session, keys)
        assert session.at == before + step
    press(session, "n" * 200)
    assert session.at == len(session.scenes) - 1


def test_p_goes_to_the_next_players_update_and_around():
    session = session_of(steps=2)
    visited = []
    for _ in range(9):
        press(session, "p")
        visited.append((session.scene.step, session.scene.player))
        assert "the equations" in session.scene.title
    assert visited == [(k, p) for k in (1, 2) for p in "fgdD"] + [(1, "f")]
    alone = session_of(player="g")
    press(alone, "pp")
    assert alone.scene.player == "g"


def test_neurons():
    session = session_of()
    press(session, "pp")
    first = session.lines()
    press(session, "3")
    assert session.neuron == 3 and session.scene.player == "g" and session.lines() != first
    assert "i = 3" in session.scene.title
    press(session, "+")
    assert session.neuron == 4
    press(session, "+")
    assert session.neuron == 4 and "1 to 4" in session.message
    press(session, "----")
    assert session.neuron == 1 and "1 to 4" in session.message
    press(session, "1")
    assert session.lines() == first


def test_rules_are_traced_anew_from_the_same_start():
    session = session_of()
    press(session, "pp")
    title, seen = session.scene.title, []
    before = session.traced.steps[0]["players"]["g"]["before"]
    for _ in RULE_SETS:
        press(session, "r")
        seen.append(session.traced.model["rules"])
        assert session.traced.steps[0]["players"]["g"]["before"] == before
        assert session.scene.title == title
    assert sorted(seen) == sorted(RULE_SETS) and seen[-1] == "printed"


def test_rules_that_do_not_train_the_chosen_player_are_passed_over():
    session = session_of("ava1", player="d")
    seen = set()
    for _ in range(6):
        press(session, "r")
        seen.add(session.start.rules)
    assert seen == {"printed", "printed-mean", "letter", "exact"}


def test_rate_and_seed_are_typed():
    session = session_of()
    press(session, ["g", "0", ".", "9", "\x7f", "2", "\n"])
    assert session.traced.model["rate"] == 0.2 and session.start.rate == 0.2
    before = session.traced.steps[0]["r"]
    press(session, ["s", "7", "\r"])
    assert session.start.seed == 7 and session.traced.steps[0]["r"] != before
    for keys in ("g2\n", "gx\n", "g\n", "gnan\n", "s-1\n", "sx\n", "s1.5\n", "s99999999999\n"):
        press(session, keys)
        assert session.message and session.start.rate == 0.2 and session.start.seed == 7
    press(session, ["g", "1", "\x1b", "n"])
    assert session.start.rate == 0.2 and session.at == 1


def test_help_quit_and_keys_without_a_meaning():
    session = session_of()
    press(session, "?")
    assert "another rate" in session.message and "rich" in session.message
    lines = session.lines()
    press(session, "n")
    assert session.message == "" and session.lines() != lines
    at = session.at
    for key in ("x", "\x00", "\x1b[A", "é", "0"):
        assert session.key(key) and session.at == at
    assert not session.key("q") and not session.key("\x04")
    press(session, "g")
    assert session.key("q") and not session.key("\x04")


@given(st.lists(st.sampled_from("nbp123+-rgs?\n\x7f05.\x1b"), max_size=12))
@settings(max_examples=20)
def test_no_key_breaks_it(keys):
    session = session_of()
    for key in keys:
        assert session.key(key)
        assert all("\n" not in line for line, _ in session.lines())


def test_a_trace_from_a_file_cannot_be_traced_anew():
    start = start_of()
    session = Session(start.trace(), None, None, 1)
    for key in "rgs":
        press(session, key)
        assert "read from a file" in session.message
    press(session, "n")
    assert session.at == 1


def test_drawing_needs_no_rich(monkeypatch):
    lines = [("title", "bold cyan"), ("[not markup] x = 1", "green"), ("", "")]
    pytest.importorskip("rich")
    coloured = drawn(lines)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert drawn(lines) == "title\n[not markup] x = 1\n"
    assert "[not markup] x = 1" in coloured


# A real terminal ------------------------------------------------------------------------------


class Terminal:
    """The command on a pseudo-terminal."""

    def __init__(self, start, *arguments):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.process = start("-m", "avanet", "step", *arguments, stdin=self.slave,
                             stdout=self.slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)

    def until(self, text):
        """What is written until the text appears."""
        seen, end = "", time.monotonic() + 60
        while text not in seen:
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end, seen
            if select.select([self.master], [], [], 0.2)[0]:
                seen += os.read(self.master, 65536).decode()
        return seen

    def type(self, keys):
        os.write(self.master, keys.encode())

    def ended(self):
        """Exit code and standard error; the terminal must be as it was."""
        code = self.process.wait(60)
        assert termios.tcgetattr(self.slave) == self.before
        return code, self.process.stderr.read()


def test_keys_on_a_pseudo_terminal(start):
    with Terminal(start, "ava1", "--seed", "1") as screen:
        screen.until("q quit")
        for keys, text in (("n", "forward, encoder f on x"), ("pp", "Φ, decoder g: the equations"),
                           ("2", "the equations, i = 2"), ("r", "rules printed-mean"),
                           ("g0.25\n", "γ = 0.25"), ("s5\r", "seed 5"),
                           ("\x1b[D", "Θ, encoder f: the objective")):
            screen.type(keys)
            screen.until(text)
        screen.type("q")
        assert screen.ended() == (0, "")


@pytest.mark.parametrize("stop, code, said", [
    (lambda screen: screen.type("\x04"), 0, ""),
    (lambda screen: screen.process.send_signal(signal.SIGINT), 130, "avanet: interrupted\n")])
def test_an_end_from_outside_leaves_the_terminal_whole(start, stop, code, said):
    with Terminal(start, "ava-vae") as screen:
        screen.until("q quit")
        stop(screen)
        assert screen.ended() == (code, said)


# Quiz -----------------------------------------------------------------------------------------

SCENES = [Scene(1, "", "one", ("given", Ask("a", 0.5), "after a")),
          Scene(1, "g", "two", (Ask("b", -2.0), Ask("c", 0.0)))]


@pytest.mark.parametrize("answers, score", [
    ("0.5\n-2\n0\n", "3 of 3"), ("+\n-\n+\n", "1 of 3"), ("\n\n\n", "0 of 3"),
    ("0.504\n-1.99\n0.0004\n", "3 of 3"), ("0.506\n-1.97\n0.0006\n", "0 of 3"),
    ("what\n0.5\n-2\n0\n", "3 of 3"), ("0.5\nq\n", "1 of 1"), ("0.5", "1 of 1"), ("", "0 of 0"),
    ("nan\n-2\n1e999\n", "1 of 3"),
])
def test_scores(answers, score):
    output = io.StringIO()
    points = quiz(SCENES, io.StringIO(answers), output)
    assert str(points) == f"score: {score}"
    assert output.getvalue().endswith(f"score: {score}\n")


def test_a_number_is_asked_before_it_is_shown():
    output = io.StringIO()
    quiz(SCENES, io.StringIO("0.5\n"), output)
    text = output.getvalue()
    assert "1%" in text and "0.0005" in text
    assert text.index("given") < text.index("a = ?") < text.index("0.5000") < text.index("after a")
    assert "-2.0000" not in text


@given(st.floats(-100, 100))
@settings(max_examples=50)
def test_the_number_as_shown_is_always_right(value):
    assert grade(number(value), value) == 1
    assert grade("+" if value > 0 else "-", value) == (0.5 if value else 0)


@pytest.mark.parametrize("model", VARIANTS)
def test_no_scene_gives_its_answers_away(model):
    """Before a number is asked for, its line's own scene has not shown the line with it."""
    for scene in walk(start_of(model).trace()):
        asked = [line for line in scene.lines if isinstance(line, Ask)]
        for ask in asked:
            before = scene.lines[:scene.lines.index(ask)]
            last = [str(line) for line in before][-1:]
            assert not any(line.rstrip("]").endswith(number(ask.value)) and "into" not in line
                           and "=" in line for line in last if abs(ask.value) > 1e-3), (scene, ask)


def test_the_quiz_takes_a_pipe(start):
    with start("-m", "avanet", "step", "ava1", "--quiz", "--player", "g", stdin=-1) as process:
        output, errors = process.communicate("+\n\nq\n", timeout=60)
    assert process.returncode == 0 and errors == ""
    assert output.endswith("score: 0.5 of 2\n") and "= ?" in output


# Command line ---------------------------------------------------------------------------------


def test_without_a_terminal_the_whole_walk_is_printed(capsys):
    assert main(["step", "ava2", "--x", "0.2,0.7,0.1,0.9", "--neuron", "2", "--steps", "2"]) == 0
    output = capsys.readouterr().out
    start = Start("ava2", "4-3-2", "printed", 0.5, 0, np.array([[0.2, 0.7, 0.1, 0.9]]), 2)
    assert output == "\n\n".join(map(str, walk(start.trace(), neuron=2))) + "\n"
    assert "x = [0.2000  0.7000  0.1000  0.9000]" in output and "step 2" in output


def test_options_reach_the_trace(capsys, tmp_path, image_folder):
    path = tmp_path / "trace.json"
    assert main(["step", "ava3", "--net", "6-5-3", "--data", str(image_folder), "--rules", "exact",
                 "--rate", "0.1", "--seed", "4", "--steps", "3", "--json", str(path)]) == 0
    assert capsys.readouterr().out == f"wrote {path}\n"
    model = Trace.load(path).model
    assert (model["name"], model["rules"], model["rate"]) == ("ava3", "exact", 0.1)
    assert model["players"]["f"]["widths"] == [6, 5, 6] and model["latent_dim"] == 3
    assert len(Trace.load(path).steps) == 3


def test_a_saved_trace_is_walked_through(capsys, tmp_path):
    path = tmp_path / "trace.json"
    arguments = ["--steps", "2", "--seed", "3"]
    assert main(["step", "ava4", *arguments, "--json", str(path)]) == 0
    capsys.readouterr()
    assert main(["step", str(path)]) == 0
    saved = capsys.readouterr().out
    assert main(["step", "ava4", *arguments]) == 0
    assert saved == capsys.readouterr().out


WHOLE = json.loads(start_of().trace().to_json())


@pytest.mark.parametrize("damage", [
    {"model": 1}, {"steps": []}, {"steps": [1]}, {"model": {}}, {"steps": [{"players": {}}]},
    {"model": WHOLE["model"] | {"players": {}}}, {"steps": [WHOLE["steps"][0] | {"events": [{}]}]},
    {"steps": [WHOLE["steps"][0] | {"players": {"g": {}}}]},
    {"steps": [WHOLE["steps"][0] | {"players": {
        name: player | {"before": [player["before"][0] | {"W": "x"}, player["before"][1]]}
        for name, player in WHOLE["steps"][0]["players"].items()}}]}])
def test_a_damaged_trace_is_one_line(damage, tmp_path, capsys):
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(WHOLE | damage))
    assert main(["step", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "trace" in said.err


@pytest.mark.parametrize("arguments, about", [
    ("", "name a model"),
    ("ava9", "unknown model"),
    ("ava1 --gallery there", "leave out the model"),
    ("ava1 --net 4-3", "m-hidden-n"),
    ("ava1 --net 900-90-9", "too many weights"),
    ("ava1 --x 0.1,0.2", "2 values"),
    ("ava1 --x 0.1,0.2,0.3,4", "in [0, 1]"),
    ("ava1 --x a", "numbers separated"),
    ("ava1 --player D", "unknown player"),
    ("ava-gan --player f", "unknown player"),
    ("ava1 --neuron 5", "1 to 4"),
    ("ava1 --neuron 0", "from 1"),
    ("ava1 --rate 0", "(0, 1]"),
    ("ava1 --rate 1.5", "(0, 1]"),
    ("ava1 --rate nan", "(0, 1]"),
    ("ava1 --rate fast", "expected a number"),
    ("ava1 --rules prnted", "did you mean 'printed'"),
    ("ava1 --seed -1", "from 0"),
    ("ava1 --steps 0", "from 1"),
    ("ava1 --steps 1001", "to 1,000"),
    ("ava1 --data nowhere", "unknown data set"),
    ("ava1 --json {file}/trace.json", "cannot write"),
    ("ava1 --html {file}/page.html", "cannot write"),
    ("none.json", "cannot read"),
    ("survey-vae --rules exact", "losses of its own"),
    ("survey-vae --player f", "unknown player of survey-vae"),
    ("survey-vae --neuron 9", "1 to 4"),
    ("survey-vae --net 400-90-9", "too many to be stepped"),
    ("survey-vea", "did you mean 'survey-vae'"),
    ("gan --html {file}/page.html", "cannot write"),
    ("dcgan --net 4-1-2", "multiples of 4"),
])
def test_bad_arguments_are_one_line(arguments, about, capsys, tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert main(["step", *arguments.format(file=tmp_path / "file").split()]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("avanet: ") and about in said.err


@pytest.mark.parametrize("end", ["stdin", "stdout"])
@pytest.mark.parametrize("option", ["", "--quiz"])
def test_a_closed_end_is_no_error(end, option, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys, end, None)
    assert main(["step", "ava1", *option.split()]) == 0


def test_a_scene_higher_than_the_window_is_scrolled():
    session = Session(start_of().trace(), None, None, 1)
    session.at = next(k for k, s in enumerate(session.scenes) if len(s.lines) > 12)
    scene = [str(line) for line in session.scene.lines]
    top = [line for line, _ in session.lines(14)]
    assert len(top) <= 14 and "below: up and down arrows" in top[1] and scene[-1] not in str(top)
    for _ in range(9):
        session.key("\x1b[B")
        seen = [line for line, _ in session.lines(14)]
    assert seen[-3].strip() == scene[-1].strip() and "0 below" in seen[1]
    session.key("k")
    assert [line for line, _ in session.lines(14)] != seen
    assert not any("arrows" in line for line, _ in session.lines(90)[:2])
