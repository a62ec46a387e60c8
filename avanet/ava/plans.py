"""Which terms each player's error has: a variant of the model times a rule set is a plan.

A variant is a row of two switches per discriminator; a rule set says how the paper's lists of
update equations are read. `plan` puts them together into a handful of plain values, which the
readable step (`avanet.ava.step`) and the compiled one (`avanet.ava.fast`) both follow.
"""

from dataclasses import dataclass
from typing import NamedTuple

from avanet.errors import unknown_name


@dataclass(frozen=True)
class Variant:
    """One of the seven models.

    encoder : mu(x), Sigma(x) = f(x); without it z is drawn from N(0, I).
    assess_decoder, lean_decoder : has the discriminator d(x | Psi); leans it by Eq. 10.
    assess_encoder, lean_encoder : has the discriminator D(mu | Lambda); leans it by Eq. 16.
    """

    encoder: bool = True
    assess_decoder: bool = False
    lean_decoder: bool = False
    assess_encoder: bool = False
    lean_encoder: bool = False


VARIANTS = {
    "ava1": Variant(assess_decoder=True),
    "ava2": Variant(assess_decoder=True, lean_decoder=True),
    "ava3": Variant(assess_encoder=True),
    "ava4": Variant(assess_encoder=True, lean_encoder=True),
    "ava5": Variant(True, True, True, True, True),
    "ava-vae": Variant(),
    "ava-gan": Variant(encoder=False, assess_decoder=True),
}

NOTHING, DISCRIMINATOR, OWN_OUTPUT = 0, 1, 2  # where a pull comes from
SUM, MEAN = 1, 2  # how a leaning sum is read; 0 = no leaning


class Plan(NamedTuple):
    """The terms of one step, player by player."""

    encoder: bool
    exact: bool  # true gradients of the printed losses in place of the printed rules
    reconstruct: bool  # x - x' stands in the decoder's error
    decoder_pull: int  # a'_d / (1 - d) in Eq. 6: NOTHING, DISCRIMINATOR or OWN_OUTPUT
    mean_pull: int  # the same in Eq. 14
    mean_factor: float  # of mu in Eqs. 5 and 14
    identity: float  # of I in Eq. 5
    train_d: bool  # Psi is updated
    train_D: bool  # Lambda is updated
    lean_d: int  # 0, SUM or MEAN in Eq. 10
    lean_D: int  # the same in Eq. 16
    lean_D_on_x: bool  # Lambda carries the decoder's leaning term too (AVA5's list)
    one_pass: bool  # Eqs. 7 and 13 enter as one sum on the pass of x'
    recode: bool  # the code left for scoring is that of x', decoded and encoded after the step

    @property
    def needs_d(self) -> bool:
        """Whether d is evaluated at all."""
        return self.train_d or self.decoder_pull == DISCRIMINATOR

    @property
    def needs_D(self) -> bool:
        """Whether D and the encoder's pass on x' are evaluated at all."""
        return self.train_D or self.mean_pull == DISCRIMINATOR


def _printed(v: Variant) -> Plan:
    return Plan(
        encoder=v.encoder,
        exact=False,
        reconstruct=True,
        decoder_pull=DISCRIMINATOR if v.assess_decoder else NOTHING,
        mean_pull=DISCRIMINATOR if v.assess_encoder else NOTHING,
        mean_factor=1.0,
        identity=1.0,
        train_d=v.assess_decoder,
        train_D=v.assess_encoder,
        lean_d=SUM if v.lean_decoder else 0,
        lean_D=SUM if v.lean_encoder else 0,
        lean_D_on_x=False,
        one_pass=False,
        recode=v.assess_encoder,
    )


def _printed_mean(v: Variant) -> Plan:
    return _printed(v)._replace(
        lean_d=MEAN if v.lean_decoder else 0, lean_D=MEAN if v.lean_encoder else 0)


def _letter(v: Variant) -> Plan:
    """AVA3 and AVA4 keep the term of a d that nothing trains; AVA5's Psi has no update."""
    both = v.lean_decoder and v.lean_encoder
    return _printed(v)._replace(
        decoder_pull=DISCRIMINATOR if v.assess_decoder or v.assess_encoder else NOTHING,
        train_d=v.assess_decoder and not both,
        lean_D_on_x=both,
        one_pass=True,
    )


def _as_run(v: Variant) -> Plan:
    """The decoder's own output stands where the paper has d(x'), mu where it has D; I is lost."""
    return _printed(v)._replace(
        decoder_pull=OWN_OUTPUT if v.assess_decoder else NOTHING,
        mean_pull=OWN_OUTPUT if v.assess_encoder else NOTHING,
        identity=0.0,
        train_d=False,
        train_D=False,
        lean_d=0,
        lean_D=0,
    )


def _exact(v: Variant) -> Plan:
    """Leaning terms have no gradient in Psi or Lambda, so the exact rules have none."""
    return _printed(v)._replace(exact=True, reconstruct=v.encoder, lean_d=0, lean_D=0)


RULE_SETS = {
    "as-run": _as_run,
    "printed": _printed,
    "printed-mean": _printed_mean,
    "letter": _letter,
    "exact": _exact,
    "as-run-mu4": lambda v: _as_run(v)._replace(mean_factor=4.0),
}


def variant(model: str) -> Variant:
    """The variant of that name.

    Raises
    ------
    InputError
        For an unknown name, with the nearest known one.
    """
    if model not in VARIANTS:
        raise unknown_name("model", model, VARIANTS)
    return VARIANTS[model]


def plan(model: str, rules: str) -> Plan:
    """The plan of a model under a rule set.

    Raises
    ------
    InputError
        For an unknown model or rule set, with the nearest known one.
    """
    if rules not in RULE_SETS:
        raise unknown_name("rule set", rules, RULE_SETS)
    return RULE_SETS[rules](variant(model))
