r"""From the LaTeX of `avanet.step.formulas` to MathML (page) and Unicode (terminal).

The subset of LaTeX understood here is the one used there; anything else is a ValueError.
`\term{name}{...}` marks a term of a rule.
"""

import html
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

# Reading ---------------------------------------------------------------------------------------


class Node(NamedTuple):
    """A piece of a formula: what it is, its text, and the pieces inside."""

    kind: str
    text: str = ""
    parts: tuple = ()


LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "theta": "θ",
    "lambda": "λ", "mu": "μ", "phi": "φ", "psi": "ψ", "rho": "ρ", "sigma": "σ", "Theta": "Θ",
    "Phi": "Φ", "Psi": "Ψ", "Lambda": "Λ", "Sigma": "Σ", "Delta": "Δ", "partial": "∂", "nabla": "∇",
    "infty": "∞",
}
SIGNS = {
    "cdot": "·", "times": "×", "leftarrow": "←", "to": "→", "mid": "|", "sim": "∼", "approx": "≈",
    "le": "≤", "ge": "≥", "ne": "≠", "in": "∈", "dots": "…", "lVert": "‖", "rVert": "‖",
    "pm": "±", "propto": "∝",
}
FUNCTIONS = ("log", "exp", "tr", "det", "max", "min", "argmin", "argmax", "diag")
SPACES = {",": "0.17em", ";": "0.28em", "quad": "1em", " ": "0.28em"}
STYLES = ("mathrm", "text", "operatorname")
TOKEN = re.compile(r"\s*(\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|.)", re.DOTALL)


class _Reader:
    """Recursive descent over the LaTeX source."""

    def __init__(self, source: str):
        self.source, self.at = source, 0

    def error(self, what: str) -> ValueError:
        return ValueError(f"{what} at character {self.at} of {self.source!r}")

    def peek(self) -> str:
        match = TOKEN.match(self.source, self.at)
        return match[1] if match and match[1].strip() or match and match[1] == "\\ " else ""

    def next(self) -> str:
        token = self.peek()
        if token:
            self.at = TOKEN.match(self.source, self.at).end()
        return token

    def expect(self, token: str) -> None:
        if self.next() != token:
            raise self.error(f"expected {token!r}")

    def raw(self) -> str:
        """The characters of a braced argument."""
        self.expect("{")
        end = self.source.find("}", self.at)
        if end < 0:
            raise self.error("expected '}'")
        text, self.at = self.source[self.at: end], end + 1
        return text

    def row(self, *ends: str) -> Node:
        parts = []
        while self.peek() not in ("", *ends):
            parts.append(self.scripted())
        if ends and not self.peek():
            raise self.error(f"expected {ends[0]!r}")
        return parts[0] if len(parts) == 1 else Node("row", "", tuple(parts))

    def group(self) -> Node:
        """A braced argument, or one token."""
        if self.peek() != "{":
            return self.atom()
        self.next()
        row = self.row("}")
        self.next()
        return row

    def scripted(self) -> Node:
        base = self.atom()
        primes, sub, sup = "", None, None
        while (token := self.peek()) in ("'", "_", "^") and token:
            self.next()
            if token == "'":
                primes += "′"
            elif token == "_" and sub is None:
                sub = self.group()
            elif token == "^" and sup is None:
                sup = self.group()
            else:
                raise self.error("two subscripts or two superscripts")
        if primes:
            prime = Node("sign", primes)
            sup = prime if sup is None else Node("row", "", (prime, sup))
        if sub is None and sup is None:
            return base
        return Node("scripts", "", (base, sub, sup))

    def atom(self) -> Node:
        token = self.next()
        if not token:
            raise self.error("unexpected end")
        if token == "{":
            self.at -= 1
            return self.group()
        if token in "}_^'&#$%~":
            raise self.error(f"unexpected {token!r}")
        if token[0] != "\\":
            return _character(token)
        return self.command(token[1:])

    def command(self, name: str) -> Node:
        if name in LETTERS:
            return Node("letter", LETTERS[name])
        if name in SIGNS:
            return Node("sign", SIGNS[name])
        if name == "|":
            return Node("sign", "‖")
        if name in SPACES:
            return Node("space", SPACES[name])
        if name in FUNCTIONS:
            return Node("function", name)
        if name == "sum":
            return Node("sum", "∑")
        if name == "frac":
            return Node("frac", "", (self.group(), self.group()))
        if name == "sqrt":
            return Node("sqrt", "", (self.group(),))
        if name == "term":
            return Node("term", self.raw(), (self.group(),))
        if name in ("bar", "hat"):
            return Node("accent", {"bar": "¯", "hat": "^"}[name], (self.group(),))
        if name == "mathbf":
            return Node("bold", self.raw())
        if name in STYLES:
            return Node("text", self.raw())
        if name == "left":
            opening = self.next()
            inside = self.row(r"\right")
            self.next()
            closing = self.next()
            if opening not in "([|." or closing not in ")]|.":
                raise self.error("only ( ) [ ] | grow")
            return Node("fence", opening + closing, (inside,))
        raise self.error(f"unknown command \\{name}")


def _character(token: str) -> Node:
    if token[0].isdigit():
        return Node("number", token)
    if token.isalpha():
        return Node("letter", token)
    return Node("sign", {"-": "−", "*": "∗"}.get(token, token))


def read(latex: str) -> Node:
    """The tree of a formula.

    Raises
    ------
    ValueError
        For what lies outside the subset, naming it and its place.
    """
    reader = _Reader(latex)
    return reader.row()


def terms(latex: str) -> dict[str, str]:
    r"""The LaTeX of each `\term`, by name, the first occurrence of each."""
    found: dict[str, str] = {}
    for name, start, end in _term_spans(latex):
        found.setdefault(name, latex[start:end])
    return found


def with_values(latex: str, values: Mapping[str, str]) -> str:
    r"""The formula with the content of each `\term` replaced by its value, a number as text.

    Negative numbers are put in parentheses. Terms without a value keep their symbols.
    """
    result, last = [], 0
    for name, start, end in _term_spans(latex):
        if name in values:
            value = values[name]
            negative = value.lstrip().startswith(("-", "−"))
            result += [latex[last:start], f"({value})" if negative else value]
            last = end
    return "".join([*result, latex[last:]])


def _term_spans(latex: str) -> list[tuple[str, int, int]]:
    """Name, start and end of the content of each term."""
    spans = []
    for match in re.finditer(r"\\term\{(\w+)\}\{", latex):
        depth, end = 1, match.end()
        while depth and end < len(latex):
            depth += {"{": 1, "}": -1}.get(latex[end], 0)
            end += 1
        spans.append((match[1], match.end(), end - 1))
    return spans


# Writing ---------------------------------------------------------------------------------------


def to_mathml(latex: str, display: bool = False) -> str:
    """The formula as a MathML element; terms become <mrow data-term="name">.

    Parameters
    ----------
    display : bool
        With fractions and sums of full size, to stand on a line of its own.

    Raises
    ------
    ValueError
        For what lies outside the subset.
    """
    mode = ' displaystyle="true"' if display else ""
    return f'<math{mode} class="formula">{_mathml(read(latex))}</math>'


def _mathml(node: Node) -> str:
    return MATHML[node.kind](node)


def _mathml_scripts(node: Node) -> str:
    base, sub, sup = node.parts
    limits = base.kind == "sum"
    tag = ("munder" if limits else "msub") if sup is None else (
        ("mover" if limits else "msup") if sub is None else "munderover" if limits else "msubsup")
    inside = "".join(_mathml(part) for part in (base, sub, sup) if part is not None)
    return f"<{tag}>{inside}</{tag}>"


def _mathml_fence(node: Node) -> str:
    opening, closing = ("" if side == "." else f'<mo stretchy="true">{side}</mo>'
                        for side in list(node.text))
    return f"<mrow>{opening}{_mathml(node.parts[0])}{closing}</mrow>"


def _tagged(tag: str) -> Callable[[Node], str]:
    return lambda node: f"<{tag}>{html.escape(node.text)}</{tag}>"


def _inside(tag: str) -> Callable[[Node], str]:
    return lambda node: f"<{tag}>{''.join(_mathml(part) for part in node.parts)}</{tag}>"


def _mathml_sign(node: Node) -> str:
    grows = ' stretchy="false"' if node.text in "()[]|‖" else ""
    return f"<mo{grows}>{html.escape(node.text)}</mo>"


MATHML: dict[str, Callable[[Node], str]] = {
    "row": _inside("mrow"),
    "frac": _inside("mfrac"),
    "sqrt": _inside("msqrt"),
    "letter": _tagged("mi"),
    "number": _tagged("mn"),
    "text": _tagged("mtext"),
    "sum": lambda node: '<mo movablelimits="false">∑</mo>',
    "sign": _mathml_sign,
    "function": lambda node: f'<mi>{node.text}</mi><mspace width="0.17em"></mspace>',
    "bold": lambda node: f'<mi style="font-weight:bold">{html.escape(node.text)}</mi>',
    "space": lambda node: f'<mspace width="{node.text}"></mspace>',
    "scripts": _mathml_scripts,
    "fence": _mathml_fence,
    "accent": lambda node: f"<mover>{_mathml(node.parts[0])}<mo>{node.text}</mo></mover>",
    "term": lambda node: (f'<mrow data-term="{html.escape(node.text)}">'
                          f"{_mathml(node.parts[0])}</mrow>"),
}

SUBSCRIPTS = dict(zip("0123456789aehijklmnoprstuvx+-−()=",
                      "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₊₋₋₍₎₌"))
SUPERSCRIPTS = dict(zip("0123456789in+-−()=", "⁰¹²³⁴⁵⁶⁷⁸⁹ⁱⁿ⁺⁻⁻⁽⁾⁼"))
SPACED = "+−=←→≈∼≤≥≠∈|±∝"


def to_unicode(latex: str) -> str:
    """The formula as one line of Unicode text, for the terminal.

    Subscripts and superscripts that Unicode lacks are written a_d and e^(...), fractions (a)/(b).

    Raises
    ------
    ValueError
        For what lies outside the subset.
    """
    text = re.sub(r" +", " ", _unicode(read(latex))).strip()
    return re.sub(r"\b(log|exp) \(", r"\1(", text)


def _unicode(node: Node) -> str:
    if node.kind == "row":
        return _unicode_row(node.parts)
    if node.kind == "scripts":
        return _unicode_scripts(*node.parts)
    if node.kind == "frac":
        text = "/".join(_closed(part) for part in node.parts)
        return {"1/2": "½", "1/4": "¼"}.get(text, text)
    if node.kind == "sqrt":
        return "√" + _closed(node.parts[0])
    if node.kind == "fence":
        opening, closing = (side.strip(".") for side in list(node.text))
        return f"{opening}{_unicode(node.parts[0]).strip()}{closing}"
    if node.kind == "accent":
        return _unicode(node.parts[0]) + {"¯": "\u0304", "^": "\u0302"}[node.text]
    if node.kind == "term":
        return _unicode(node.parts[0])
    if node.kind == "function":
        return node.text + " "
    if node.kind == "space":
        return " "
    return node.text


def _unicode_row(parts: tuple) -> str:
    """Binary signs get spaces; a sign at the start, or after another sign, is a prefix."""
    text = ""
    for part in parts:
        piece = _unicode(part)
        if part.kind == "sign" and piece in SPACED:
            prefix = piece == "−" and (not text.strip() or text.rstrip()[-1] in "+−=←([,")
            text += piece if prefix else f" {piece} "
        elif part.kind == "sign" and piece == ",":
            text += ", "
        else:
            text += piece
    return text


def _unicode_scripts(base: Node, sub: Node | None, sup: Node | None) -> str:
    text = _unicode(base)
    if base.kind in ("row", "frac") or base.kind == "term" and _is_compound(text):
        text = f"({text})"
    if sup is not None and sup.kind == "sign" and set(sup.text) == {"′"}:
        text, sup = text + sup.text, None
    text += "" if sub is None else _script(_unicode(sub), SUBSCRIPTS, "_")
    text += "" if sup is None else _script(_unicode(sup), SUPERSCRIPTS, "^")
    return f" {text} " if base.kind == "sum" else text


def _script(text: str, table: Mapping[str, str], mark: str) -> str:
    if all(character in table for character in text):
        return "".join(table[character] for character in text)
    return mark + (text if len(text) == 1 else f"({text})" if _is_compound(text) else text)


def _closed(node: Node) -> str:
    """In parentheses, unless it holds together by itself."""
    text = _unicode(node)
    return f"({text})" if _is_compound(text) else text


def _is_compound(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if depth == 0 and character in " +−/":
            return True
    return False
