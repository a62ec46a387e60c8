r"""The paper's equations as LaTeX, in the subset that `avanet.step.typeset` reads.

`FORMULAS` has one entry for each rule that a trace names, `formula_name` the entry that fits the
terms a rule was called with, `PAPER` the paper's own numbered lines.
Terms are marked where they stand: `\term{x_}{x'_i}` is the term x_ of the rule, printed x'_i.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avanet.ava.plans import variant

FAKE_d, FAKE_D = r"\frac{a'_d(d(x'))}{1 - d(x')}", r"\frac{a'_D(D(\mu(x')))}{1 - D(\mu(x'))}"
REAL_d, REAL_D = r"\frac{a'_d(d(x))}{d(x)}", r"\frac{a'_D(D(\mu(x)))}{D(\mu(x))}"
KL = r"\mathrm{KL}(\mu(x), \Sigma(x) \mid N(0, I))"
HALF_SQUARE = r"\frac{1}{2} \lVert x - x' \rVert^2"


@dataclass(frozen=True)
class Formula:
    r"""One equation, for one element i of its result.

    Attributes
    ----------
    title : str
        What it computes, in words.
    equation : str
        Its number in the paper; empty for the engine's own steps.
    player : str
        "f", "g", "d", "D", or empty where no player has it alone.
    result : str
        LaTeX of the left side.
    symbols : str
        LaTeX of the right side as the paper has it, each term as `\term{name}{...}`, the names
        being the parameters of the rule's function.
    closed : str
        The right side in the form that is computed, where that is another one.
    summed : bool
        Whether `closed` is the summand of a sum over i rather than the whole.
    carried : bool
        Whether `closed` is the summand of a sum over j, the term W being a matrix (i, j).
    """

    title: str
    equation: str
    player: str
    result: str
    symbols: str
    closed: str = ""
    summed: bool = False
    carried: bool = False

    @property
    def latex(self) -> str:
        """Left side = right side."""
        return f"{self.result} = {self.symbols}"

    @property
    def computed(self) -> str:
        """The right side that numbers are put into."""
        return self.closed or self.symbols


_W_DELTA = r"\term{W}{W_{ij}}\,\term{delta}{\delta_j}"
_DIFFERENCE = r"\term{difference}{\left(x_i - x'_i\right)}"
IMAGE_TERMS = {  # by the terms that a model has
    "": rf"{_DIFFERENCE} + \term{{q}}{{q_i}} + \term{{P}}{{P_i}}",
    "_q": rf"{_DIFFERENCE} + \term{{q}}{{q_i}}",
    "_P": rf"{_DIFFERENCE} + \term{{P}}{{P_i}}",
    "_x": _DIFFERENCE,
    "_d": r"\term{q}{q_i}",
}

FORMULAS = {
    "sample_code": Formula(
        "The code z is drawn", "8", "f", "z_i",
        r"\term{mu}{\mu_i} + \sqrt{\term{var}{\Sigma_i}}\,\term{r}{r_i}"),
    "mean_error": Formula(
        "Error of the encoder's mean", "5", "f", r"\delta_{\mu_i}",
        r"-\term{mu}{\mu_i}\,\term{slope}{a'_f(\mu_i)}"),
    "assessed_mean_error": Formula(
        "Error of the encoder's mean, assessed by D", "14", "f", r"\delta_{\mu_i}",
        rf"-\left(\term{{mu}}{{\mu_i}} - \term{{pull}}{{{FAKE_D}}}\right)"
        r"\,\term{slope}{a'_f(\mu_i)}",
        r"-\left(\term{mu}{\mu_i} - \term{pull}{p_D}\right)\,\term{slope}{a'_f(\mu_i)}"),
    "variance_error": Formula(
        "Error of the encoder's variance", "5", "f", r"\delta_{\Sigma_i}",
        r"\frac{1}{2}\left({\term{var}{\Sigma_i}}^{-1} - \term{identity}{1}\right)"
        r"\,\term{slope}{a'_f(\Sigma_i)}"),
    "cholesky_error": Formula(
        "Error of the encoder's Cholesky factor", "5", "f", r"\delta_{L_{ij}}",
        r"\frac{[i = j]}{\term{L}{L_{ij}}} - \term{identity}{1}\,\term{L}{L_{ij}}"),
    "pull_d": Formula(
        "What d says of x'", "6", "g", "p_d",
        rf"{FAKE_d} = \term{{s}}{{s}}\,\term{{d}}{{d(x')}}",
        r"\term{s}{s}\,\term{d}{d(x')}"),
    "pull_D": Formula(
        "What D says of the mean of x'", "14", "f", "p_D",
        rf"{FAKE_D} = \term{{s}}{{s}}\,\term{{d}}{{D(\mu(x'))}}",
        r"\term{s}{s}\,\term{d}{D(\mu(x'))}"),
    "own_pull_g": Formula(
        "What the authors' program has in place of d", "6", "g", "p_i",
        r"\frac{1}{2}\,\term{y}{x'_i}"),
    "own_pull_f": Formula(
        "What the authors' program has in place of D", "14", "f", "p_i",
        r"\frac{1}{2}\,\term{y}{\mu_i}"),
    "decoder_error": Formula(
        "Error of the decoder", "6", "g", r"\delta_i",
        rf"\left(\left(\term{{x}}{{x_i}} - \term{{x_}}{{x'_i}}\right)"
        rf" + \term{{pull}}{{{FAKE_d}}}\right)\,\term{{slope}}{{a'_g(x'_i)}}",
        r"\left(\left(\term{x}{x_i} - \term{x_}{x'_i}\right) + \term{pull}{p_d}\right)"
        r"\,\term{slope}{a'_g(x'_i)}"),
    "plain_decoder_error": Formula(
        "Error of the decoder, without d", "6", "g", r"\delta_i",
        r"\left(\term{x}{x_i} - \term{x_}{x'_i}\right)\,\term{slope}{a'_g(x'_i)}"),
    "own_decoder_error": Formula(
        "Error of the decoder, as run", "6", "g", r"\delta_i",
        r"\left(\left(\term{x}{x_i} - \term{x_}{x'_i}\right)"
        r" + \term{pull}{\frac{1}{2} x'_i}\right)\,\term{slope}{a'_g(x'_i)}"),
    "own_mean_error": Formula(
        "Error of the encoder's mean, as run", "14", "f", r"\delta_{\mu_i}",
        r"-\left(\term{mu}{\mu_i} - \term{pull}{\frac{1}{2} \mu_i}\right)"
        r"\,\term{slope}{a'_f(\mu_i)}"),
    "real_error_d": Formula(
        "Error of d on the real x", "7", "d", r"\delta",
        rf"{REAL_d} = \term{{s}}{{s}}\left(1 - \term{{d}}{{d(x)}}\right)",
        r"\term{s}{s}\left(1 - \term{d}{d(x)}\right)"),
    "fake_error_d": Formula(
        "Error of d on the fake x'", "7", "d", r"\delta",
        rf"-{FAKE_d} = -\term{{s}}{{s}}\,\term{{d}}{{d(x')}}",
        r"-\term{s}{s}\,\term{d}{d(x')}"),
    "real_error_D": Formula(
        "Error of D on the real mean", "13", "D", r"\delta",
        rf"{REAL_D} = \term{{s}}{{s}}\left(1 - \term{{d}}{{D(\mu(x))}}\right)",
        r"\term{s}{s}\left(1 - \term{d}{D(\mu(x))}\right)"),
    "fake_error_D": Formula(
        "Error of D on the fake mean", "13", "D", r"\delta",
        rf"-{FAKE_D} = -\term{{s}}{{s}}\,\term{{d}}{{D(\mu(x'))}}",
        r"-\term{s}{s}\,\term{d}{D(\mu(x'))}"),
    "leaning_sum_d": Formula(
        "Leaning sum of the decoder", "10", "d", "C",
        r"\sum_i \left(\term{x}{x_i} - \term{x_}{x'_i}\right)\,\term{slope}{a'_g(x'_i)}",
        r"\left(\term{x}{x_i} - \term{x_}{x'_i}\right)\,\term{slope}{a'_g(x'_i)}", summed=True),
    "leaning_error_d": Formula(
        "Error of d on the fake x', leaning to the decoder", "10", "d", r"\delta",
        rf"-{FAKE_d} + \term{{slope}}{{a'_d(d_0)}}\,\term{{C}}{{C}}",
        r"-\term{s}{s}\,\term{d}{d(x')} + \term{slope}{a'_d(d_0)}\,\term{C}{C}"),
    "leaning_sum_D": Formula(
        "Leaning sum of the encoder", "16", "D", "C",
        r"\sum_i \left(\term{x}{\mu(x)_i} - \term{x_}{\mu(x')_i}\right)"
        r"\,\term{slope}{a'_f(\mu(x')_i)}",
        r"\left(\term{x}{\mu(x)_i} - \term{x_}{\mu(x')_i}\right)"
        r"\,\term{slope}{a'_f(\mu(x')_i)}", summed=True),
    "leaning_error_D": Formula(
        "Error of D on the fake mean, leaning to the encoder", "16", "D", r"\delta",
        rf"-{FAKE_D} + \term{{slope}}{{a'_D(D_0)}}\,\term{{C}}{{C}}",
        r"-\term{s}{s}\,\term{d}{D(\mu(x'))} + \term{slope}{a'_D(D_0)}\,\term{C}{C}"),
    "carried_q": Formula(
        "What d says of x', carried back through its weights", "12", "g", "q_i",
        rf"B_d\left({FAKE_d}\right)_i = \sum_j {_W_DELTA}", _W_DELTA, carried=True),
    "carried_Q": Formula(
        "What D says of the fake mean, carried back through its weights", "12", "f", "Q_i",
        rf"B_D\left({FAKE_D}\right)_i = \sum_j {_W_DELTA}", _W_DELTA, carried=True),
    "exact_fake_mean_error": Formula(
        "Error of the fake mean, exact", "12", "f", r"\delta_{\mu'_i}",
        r"\term{Q}{Q_i}\,\term{slope}{a'_f(\mu(x')_i)}"),
    "carried_P": Formula(
        "What D says of x', carried back through the encoder", "12", "g", "P_i",
        rf"B_f(\delta_{{\mu'}})_i = \sum_j {_W_DELTA}", _W_DELTA, carried=True),
    "carried_h": Formula(
        "The loss carried back through the decoder, to z", "12", "f", "h_i",
        rf"B_g(\delta)_i = \sum_j {_W_DELTA}", _W_DELTA, carried=True),
    **{f"exact_image_error{ending}": Formula(
        "What would lower the loss at x'", "12", "g", "e_i", terms_)
        for ending, terms_ in IMAGE_TERMS.items()},
    "exact_decoder_error": Formula(
        "Error of the decoder, exact", "12", "g", r"\delta_i",
        r"\term{e}{e_i}\,\term{slope}{a'_g(x'_i)}"),
    "exact_mean_error": Formula(
        "Error of the encoder's mean, exact", "12", "f", r"\delta_{\mu_i}",
        r"\left(\term{h}{h_i} - \term{mu}{\mu_i}\right)\,\term{slope}{a'_f(\mu_i)}"),
    "exact_variance_error": Formula(
        "Error of the encoder's variance, exact", "12", "f", r"\delta_{\Sigma_i}",
        r"\left(\frac{\term{h}{h_i}\,\term{r}{r_i}}{2\,\sqrt{\term{var}{\Sigma_i}}}"
        r" + \frac{1}{2}\left({\term{var}{\Sigma_i}}^{-1} - 1\right)\right)"
        r"\,\term{slope}{a'_f(\Sigma_i)}"),
    "forward": Formula(
        "A unit's net input", "", "", "v_j",
        r"\sum_i \term{x}{x_i}\,\term{W}{W_{ij}} + \term{b}{b_j}"),
    "activation": Formula(
        "A unit's output", "", "", "y_j",
        r"a(\term{v}{v_j}) = \frac{1}{1 + e^{-s (v_j - m)}}", r"a(\term{v}{v_j})"),
    "hidden_error": Formula(
        "Error of a hidden unit", "", "", r"\delta_i",
        r"a'(v_i) \sum_j \term{W}{W_{ij}}\,\term{delta}{\delta_j},\quad"
        r" a'(v_i) = \term{s}{s}\,\term{y}{y_i} (1 - \term{y}{y_i})"),
    "weight_update": Formula(
        "A weight's update", "", "", "W_{ij}",
        r"\term{W}{W_{ij}} + \term{rate}{\gamma}\,\term{x}{x_i}\,\term{delta}{\delta_j}"),
    "bias_update": Formula(
        "A bias's update", "", "", "b_j",
        r"\term{b}{b_j} + \term{rate}{\gamma}\,\term{delta}{\delta_j}"),
}


def formula_name(where: str, terms_: Mapping, own: bool = False) -> str:
    """The entry of `FORMULAS` for a rule, by what its terms were.

    Parameters
    ----------
    where : str
        The rule's name in a trace.
    terms_ : mapping
        Its terms; a plain 0 stands for what the model lacks.
    own : bool
        Whether the unit's own output stands in the discriminator's place.
    """
    there = [name for name, value in terms_.items() if isinstance(value, list)]
    if where == "decoder_error" and "pull" not in there:
        return "plain_decoder_error"
    if where == "exact_image_error":
        return where + {("difference", "q", "P"): "", ("difference", "q"): "_q",
                        ("difference", "P"): "_P", ("difference",): "_x"}.get(tuple(there), "_d")
    if own:
        return {"decoder_error": "own_decoder_error",
                "assessed_mean_error": "own_mean_error"}.get(where, where)
    return where


_B_d = r"\log d(x) + \log(1 - d(x'))"
_B_D = r"\log D(\mu(x)) + \log(1 - D(\mu(x')))"
_L_D = r"\log(1 - D(\mu(x')))"

PAPER = {
    "1": rf"l_{{VAE}} = {HALF_SQUARE} + {KL}",
    "2": rf"b_{{GAN}} = {_B_d}",
    "3": rf"l_{{AVA}} = {HALF_SQUARE} + {KL} + \log(1 - d(x'))",
    "4": rf"b_{{AVA}} = {_B_d}",
    "5": r"\Theta = \Theta - \gamma \left(\mu(x) - \frac{1}{2} \Sigma(x)^{-1} + \frac{1}{2} I"
         r"\right) a'_f(x)",
    "6": rf"\Phi_i = \Phi_i + \gamma \left((x_i - x'_i) + {FAKE_d}\right) a'_g(x'_i)",
    "7": rf"\Psi = \Psi + \gamma \left({REAL_d} - {FAKE_d}\right)",
    "8": r"z = \mu(x) + \Sigma(x)^{\frac{1}{2}} r",
    "9": rf"b_{{AVA}} = {_B_d} - {HALF_SQUARE}",
    "10": rf"\Psi = \Psi + \gamma \left({REAL_d} - {FAKE_d}"
          r" + a'_d(d_0) \sum_i (x_i - x'_i) a'_g(x'_i)\right)",
    "11": rf"B_{{AVA}} = {_B_D}",
    "12": rf"l_{{AVA}} = {HALF_SQUARE} + {KL} + \log(1 - d(x')) + {_L_D}",
    "13": rf"\Lambda = \Lambda + \gamma \left({REAL_D} - {FAKE_D}\right)",
    "14": r"\Theta_\mu = \Theta_\mu - \gamma \left(\mu(x)"
          r" - \frac{a'_D(D(x'))}{1 - D(x')}\right) a'_f(x)",
    "15": rf"B_{{AVA}} = {_B_D} - \frac{{1}}{{2}} \lVert \mu(x) - \mu(x') \rVert^2",
    "16": rf"\Lambda = \Lambda + \gamma \left({REAL_D} - {FAKE_D}"
          r" + a'_D(D_0) \sum_i (\mu(x)_i - \mu(x')_i) a'_g(\mu(x')_i)\right)",
    "17": r"BM = \frac{1}{N} \sum_i \frac{1}{n_i} \sum_j d_{ij} (1 - d_{ij})",
}


def objective(model: str, rules: str, player: str) -> str:
    """LaTeX of what a player's update maximises, as a function of its own weights.

    A bar marks what is frozen at its value before the update.

    Raises
    ------
    InputError
        For an unknown model.
    """
    v = variant(model)
    assessed = {"f": v.assess_encoder, "g": v.assess_decoder}.get(player, False)
    if rules == "exact":
        return _exact_objective(v, player)
    if player in "dD":
        return _balance(v, rules, player)
    if rules.startswith("as-run"):
        return _as_run_objective(player, assessed, "2" if rules == "as-run-mu4" else r"\frac{1}{2}")
    if player == "g":
        pulled = assessed or rules == "letter" and v.assess_encoder
        return f"-{HALF_SQUARE}" + (
            r" - \log(1 - a_d(\bar{v}_0 + \sum_i (x'_i - \bar{x}'_i)))" if pulled else "")
    return f"-{KL}" + (
        r" - \log(1 - a_D(\bar{V}_0 + \sum_i (\mu_i - \bar{\mu}_i)))" if assessed else "")


def _balance(v, rules: str, player: str) -> str:
    value = _B_d if player == "d" else _B_D
    fake = "d(x')" if player == "d" else r"D(\mu(x'))"
    if rules == "letter":
        net_input = "v(x')" if player == "d" else r"V(\mu(x'))"
        value = rf"\bar{{K}}\,{net_input} + \log(1 - {fake})"
    leans = v.lean_decoder if player == "d" else v.lean_encoder
    return value + (rf" + \bar{{C}}\,{fake}" if leans else "")


def _as_run_objective(player: str, assessed: bool, factor: str) -> str:
    if player == "g":
        return f"-{HALF_SQUARE}" + (r" + \frac{1}{4} \lVert x' \rVert^2" if assessed else "")
    mean = rf"-{factor} \lVert \mu \rVert^2"
    own = r" + \frac{1}{4} \lVert \mu \rVert^2" if assessed else ""
    return rf"{mean} + \frac{{1}}{{2}} \sum_i \log \Sigma_i{own}"


def _exact_objective(v, player: str) -> str:
    if player in "dD":
        return _printed_balance(v, player)
    parts = _loss_terms(v, "fgdD" if v.encoder else "gd")
    return "-" + (parts[0] if len(parts) == 1 else rf"\left({' + '.join(parts)}\right)")


def paper_loss(model: str, player: str, networks: Sequence[str]) -> tuple[str, str]:
    """The printed loss or balance of a player: its equation's number, and LaTeX of it.

    Parameters
    ----------
    networks : sequence of {"f", "g", "d", "D"}
        Those that are there: a rule set may do without a discriminator, and with it goes its
        term. The LaTeX is empty if no term is left.
    """
    v = variant(model)
    if player == "d":
        number = "9" if v.lean_decoder else "4" if v.encoder else "2"
    elif player == "D":
        number = "15" if v.lean_encoder else "11"
    else:
        number = "2" if not v.encoder else "12" if v.assess_encoder else (
            "3" if v.assess_decoder else "1")
    return number, _printed_balance(v, player) if player in "dD" else " + ".join(
        _loss_terms(v, networks))


def _loss_terms(v, networks: Sequence[str]) -> list[str]:
    """What Theta and Phi minimise, term by term."""
    return [term for term, there in (
        (HALF_SQUARE, v.encoder), (KL, v.encoder),
        (r"\log(1 - d(x'))", v.assess_decoder and "d" in networks),
        (_L_D, v.assess_encoder and "D" in networks)) if there]


def _printed_balance(v, player: str) -> str:
    leans = v.lean_decoder if player == "d" else v.lean_encoder
    difference = HALF_SQUARE if player == "d" else r"\frac{1}{2} \lVert \mu(x) - \mu(x') \rVert^2"
    return (_B_d if player == "d" else _B_D) + (f" - {difference}" if leans else "")
