"""The walk on a terminal: keys to go through it, and a quiz that asks before it shows."""

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

import numpy as np

from avanet.ava.model import DivergedError
from avanet.ava.plans import RULE_SETS, VARIANTS
from avanet.errors import InputError
from avanet.step.models import trace_model
from avanet.step.scenes import Ask, Scene, number
from avanet.step.small import small_batched, small_model
from avanet.step.tracing import Trace, trace
from avanet.step.walk import neurons, walk

RELATIVE, ABSOLUTE = 0.01, 0.0005  # how near an answer has to come: within either
NEXT, BACK = ("n", "\r", "\n", " ", "\x1b[C"), ("b", "\x1b[D")
QUIT = ("q", "\x04")
UP, DOWN, SCROLL = ("k", "\x1b[A"), ("j", "\x1b[B"), 8  # lines at a time
ENTER, ERASE, CANCEL = ("\r", "\n"), ("\x7f", "\b"), "\x1b"
KEYS = ("n next  b back  p player  1-9 + - neuron  r rules  g rate  s seed  ? help  q quit")
HELP = """n, Enter, space, right arrow    the next scene
b, left arrow                   the one before
up, down arrow, or k, j         the rest of a scene that is higher than the window
p                               the next player's update
1 to 9, + and -                 another neuron: its own line of algebra
r                               the next rule set, from the same start values and draws
g                               another rate γ, from the same start
s                               another seed: other start values and draws
q, Ctrl-D                       quit
Colours need the package rich: pip install 'avanet[app]'"""
CLEAR = "\x1b[H\x1b[2J"


@dataclass(frozen=True)
class Start:
    """What an update is traced from.

    Start values and draws hang on the seed and the net alone: whatever the AVA model and the rule
    set, a player that two models share starts with the same weights and meets the same r.
    `rules` are those of the AVA models; without a `rate` each model has its own.
    """

    model: str
    net: str
    rules: str
    rate: float | None
    seed: int
    X: np.ndarray
    steps: int = 1
    labels: np.ndarray | None = None

    def trace(self) -> Trace:
        """Trace the updates.

        Raises
        ------
        InputError
            For a start that makes no sense, or a training that overflows.
        """
        try:
            return self._ava() if self.model in VARIANTS else self._batched()
        except DivergedError as error:
            raise InputError(f"{error}; take a smaller rate or fewer steps") from None

    def _ava(self) -> Trace:
        rate = 0.5 if self.rate is None else self.rate
        model = small_model(self.model, self.net, self.rules, rate, self.seed)
        whole = small_model("ava5", self.net, "printed", seed=self.seed)
        for one in (model, whole):
            one._start(self.X.shape[1:])
        for player, same in zip(model.players_[0], whole.players_[0]):
            if player is not None:
                player.params[:] = same.params
        draws = np.random.default_rng((self.seed, 1)).standard_normal(
            (self.steps, model.latent_dim))
        return trace(model, self.X, self.steps, draws)

    def _batched(self) -> Trace:
        model = small_batched(self.model, self.net, self.rate, self.seed, self.steps)
        return trace_model(model, self.X, self.labels, self.steps)


class Session:
    """Where somebody is in a walk, and what a key does there.

    Parameters
    ----------
    traced : Trace
    start : Start, optional
        Of the trace; without it there are no other rules, rates and seeds.
    player, neuron
        As in `avanet.step.walk.walk`.
    """

    def __init__(self, traced: Trace, start: Start | None, player: str | None, neuron: int):
        self.traced, self.start, self.player, self.neuron = traced, start, player, neuron
        self.scenes = walk(traced, player, neuron)
        self.at = self.top = 0
        self.message = ""
        self._prompt = self._typed = ""
        self._entered: Callable[[str], None] = self._new_rate

    @property
    def scene(self) -> Scene:
        """The one that is shown."""
        return self.scenes[self.at]

    def key(self, key: str) -> bool:
        """Do what a key says; False to quit."""
        if self._prompt:
            return self._type(key)
        self.message = ""
        if key in QUIT:
            return False
        if key in NEXT:
            self.at, self.top = min(self.at + 1, len(self.scenes) - 1), 0
        elif key in BACK:
            self.at, self.top = max(self.at - 1, 0), 0
        elif key in UP + DOWN:
            self.top += SCROLL if key in DOWN else -SCROLL
        elif key in tuple("123456789"):
            self._choose(int(key))
        elif key in ("+", "=", "-"):
            self._choose(self.neuron + (-1 if key == "-" else 1))
        elif key in self._actions():
            self._actions()[key]()
        return True

    def lines(self, height: int = 10**6) -> list[tuple[str, str]]:
        """What to draw, each line with its style; of a scene that is higher, the part in view."""
        model = self.traced.model
        seed = f", seed {self.start.seed}" if self.start else ""
        rules = f", rules {model['rules']}" if "rules" in model else ""
        shown = [(f"{model['name']}{rules}, γ = {model['rate']:g}{seed}, neuron "
                  f"{self.neuron}   [{self.at + 1}/{len(self.scenes)}]", "dim"), ("", ""),
                 (self.scene.title, "bold cyan")]
        body = [(f"  {line}", "green" if isinstance(line, Ask) else "")
                for line in self.scene.lines]
        room = height - 5 - len(self.message.splitlines())
        self.top = max(0, min(self.top, len(body) - room))
        below = len(body) - self.top - room
        shown += body[self.top: self.top + room]
        if self.top or below > 0:
            shown[1] = (f"  ({self.top} lines above, {max(below, 0)} below: up and down arrows)",
                        "yellow")
        shown += [("", "")] + [(line, "yellow") for line in self.message.splitlines()]
        return shown + [(self._prompt + self._typed or KEYS, "bold" if self._prompt else "dim")]

    # Keys ---------------------------------------------------------------------------------------

    def _actions(self) -> dict[str, Callable[[], None]]:
        return {"p": self._next_player, "r": self._next_rules, "?": self._help,
                "g": lambda: self._ask("rate γ in (0, 1]: ", self._new_rate),
                "s": lambda: self._ask("seed: ", self._new_seed)}

    def _help(self) -> None:
        self.message = HELP

    def _choose(self, neuron: int) -> None:
        """Another neuron of the same scene, as far as there is one."""
        most = max(neurons(self.traced, name)
                   for name in ([self.player] if self.player else self.traced.players()))
        if 1 <= neuron <= most:
            self.neuron = neuron
            self.scenes = walk(self.traced, self.player, neuron)
        else:
            self.message = f"there are neurons 1 to {most}"

    def _next_player(self) -> None:
        """The first scene of the next player's update, from the last one's on to the first."""
        self.top = 0
        places = range(len(self.scenes))
        around = [*places[self.at + 1:], *places[:self.at + 1]]
        self.at = next(k for k in around
                       if self.scenes[k].player not in ("", self.scene.player)
                       or self.scenes[k].player and self.scenes[k].step != self.scene.step
                       or k == self.at)

    def _next_rules(self) -> None:
        """The next rule set under which the chosen player is trained at all."""
        if self.start is None:
            return self._ask("", self._new_rate)
        if "rules" not in self.traced.model:
            self.message = "rule sets are the AVA models': this one has its own losses"
            return None
        names = list(RULE_SETS)
        k = names.index(self.start.rules)
        for name in names[k + 1:] + names[:k]:
            if self._retrace(replace(self.start, rules=name)):
                return None
        return None

    def _ask(self, prompt: str, entered: Callable[[str], None]) -> None:
        if self.start is None:
            self.message = "this trace was read from a file: it cannot be traced anew"
        else:
            self._prompt, self._typed, self._entered = prompt, "", entered

    def _type(self, key: str) -> bool:
        """A key while a number is being typed."""
        if key in ENTER:
            self._prompt, typed, self._typed = "", self._typed, ""
            self._entered(typed)
        elif key in ERASE:
            self._typed = self._typed[:-1]
        elif key == CANCEL:
            self._prompt = self._typed = ""
        elif key == "\x04":
            return False
        elif key.isprintable():
            self._typed += key
        return True

    def _new_rate(self, typed: str) -> None:
        try:
            rate = float(typed)
        except ValueError:
            self.message = f"a rate is a number in (0, 1], not {typed!r}"
        else:
            self._retrace(replace(self.start, rate=rate))

    def _new_seed(self, typed: str) -> None:
        if typed.isascii() and typed.isdigit() and len(typed) < 10:
            self._retrace(replace(self.start, seed=int(typed)))
        else:
            self.message = f"a seed is a whole number from 0, not {typed!r}"

    def _retrace(self, start: Start) -> bool:
        """Go on from another start, at the scene that comes nearest to this one."""
        try:
            traced = start.trace()
            scenes = walk(traced, self.player, self.neuron)
        except InputError as error:
            self.message = str(error)
            return False
        here = [k for k, scene in enumerate(scenes) if scene.title == self.scene.title]
        self.at = here[0] if here else min(self.at, len(scenes) - 1)
        self.start, self.traced, self.scenes, self.message = start, traced, scenes, ""
        return True


# Drawing and reading ------------------------------------------------------------------------------


def run(session: Session, stdin: TextIO, stdout: TextIO) -> None:
    """Show the walk and follow the keys until one says quit; both ends are a terminal."""
    import termios
    import tty
    terminal = stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        _show(session, stdout)
        for key in _keys(terminal):
            if not session.key(key):
                break
            _show(session, stdout)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        stdout.write("\n")


def _show(session: Session, stdout: TextIO) -> None:
    height = shutil.get_terminal_size().lines
    stdout.write(CLEAR + drawn(session.lines(height)))
    stdout.flush()


def _keys(terminal: int) -> Iterator[str]:
    """One key at a time, an arrow being one; ends with the input."""
    while typed := os.read(terminal, 64):
        yield from re.findall(r"\x1b\[[A-D]|.", typed.decode(errors="ignore"), re.DOTALL)


def drawn(lines: Sequence[tuple[str, str]]) -> str:
    """Styled lines for a terminal; without rich they come without colour."""
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return "\n".join(line for line, _ in lines)
    paper = io.StringIO()
    console = Console(file=paper, force_terminal=True)
    for k, (line, style) in enumerate(lines):
        console.print(Text(line, style), soft_wrap=True, end="\n" if k < len(lines) - 1 else "")
    return paper.getvalue()


# Quiz -----------------------------------------------------------------------------------------


@dataclass
class Score:
    """Points so far: one for a number, a half for its sign."""

    points: float = 0.0
    asked: int = 0

    def __str__(self) -> str:
        return f"score: {self.points:g} of {self.asked}"


def quiz(scenes: Sequence[Scene], stdin: TextIO, stdout: TextIO) -> Score:
    """Ask for every number before it is shown, until the scenes, the input or the patience end."""
    say = lambda line: print(line, file=stdout, flush=True)
    say(f"Type the number, or its sign alone, + or -. A number counts 1 within {RELATIVE:.0%} or "
        f"{ABSOLUTE}, a sign 1/2. Enter passes, q stops.")
    score = Score()
    for scene in scenes:
        say(f"\n{scene.title}")
        for line in scene.lines:
            if not isinstance(line, Ask):
                say(f"  {line}")
                continue
            points = _put(line, stdin, stdout)
            if points is None:
                say(f"\n{score}")
                return score
            score.points += points
            score.asked += 1
    say(f"\n{score}")
    return score


def _put(ask: Ask, stdin: TextIO, stdout: TextIO) -> float | None:
    """Ask one question until the answer can be read; its points, None for the end."""
    while True:
        print(f"  {ask.text} = ? ", end="", file=stdout, flush=True)
        answer = stdin.readline()
        if not answer or answer.strip() == "q":
            return None
        points = grade(answer.strip(), ask.value)
        if points is not None:
            said = {1: "right", 0.5: "the sign is right", 0: "no" if answer.strip() else "passed"}
            print(f"  {said[points]}: {number(ask.value)}", file=stdout, flush=True)
            return points
        print("  a number, + or -; Enter passes, q stops", file=stdout, flush=True)


def grade(answer: str, value: float) -> float | None:
    """Points for an answer: 1, 1/2 or 0; None if it is neither a number nor a sign."""
    if not answer:
        return 0
    if answer in ("+", "-"):
        return 0.5 if (value > 0 if answer == "+" else value < 0) else 0
    try:
        near = abs(float(answer) - value) <= max(RELATIVE * abs(value), ABSOLUTE)
    except ValueError:
        return None
    return 1 if near else 0
