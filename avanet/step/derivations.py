r"""How each equation of the paper, and each loss, follows from its objective: the texts.

Texts carry mathematics as $...$, in the LaTeX that `avanet.step.formulas` reads.
"""

from dataclasses import dataclass

from avanet.ava.rules import EXACT, HEURISTIC, UNIT_WEIGHT
from avanet.step.formulas import HALF_SQUARE, KL, PAPER


@dataclass(frozen=True)
class Derivation:
    """One equation or loss.

    Attributes
    ----------
    title : str
    formula : str
        LaTeX, as the paper prints it.
    objective : str
        LaTeX of what the steps differentiate, or of the whole where it is an objective itself.
    steps : tuple of str
        From objective to rule, assumption by assumption.
    grade, verdict : str
        As in `avanet.ava.rules.Rule`, and in words. Metrics have the grade "-".
    unit_weight : int
        The step at which weights are assumed to be 1; 0 for none.
    rules : tuple of str
        Names in `avanet.ava.rules.RULES` that compute it.
    model, player : str
        On whose update it is shown with numbers; empty for losses and metrics.
    where : tuple of str
        Names in `avanet.step.formulas.FORMULAS`, the printed equations to put numbers in.
    misprints : tuple of int
        Numbers in `avanet.verify.misprints` that touch it.
    """

    title: str
    formula: str
    objective: str
    steps: tuple[str, ...]
    grade: str
    verdict: str
    unit_weight: int = 0
    rules: tuple[str, ...] = ()
    model: str = ""
    player: str = ""
    where: tuple[str, ...] = ()
    misprints: tuple[int, ...] = ()


KL_SUM = r"\frac{1}{2} \sum_i (\mu_i^2 + \Sigma_i - 1 - \log \Sigma_i)"
CHAIN = ("An error $\\delta$ is the derivative by an output's net input $v$; from there it goes "
         "back through the network: $\\delta\\, x_i$ is the derivative by the weight on the input "
         "$x_i$.")
EXACT_OBJECTIVE = ("an objective, not an update: the rule set \"exact\" follows its gradient, "
                   "and this is checked")
DERIVATIVE = "the closed forms are the derivatives of the loss"
ON_OWN_PASS = ("$x$ and $x'$ are two evaluations of the same network. Each error goes back on its "
               "own pass and the two gradients are added; the sum that is printed has no single "
               "pass to go back on.")


def _loss(number: str, model: str, terms: str, *steps: str, misprints=()) -> Derivation:
    return Derivation(
        f"The loss of {terms}", PAPER[number], PAPER[number].split(" = ", 1)[1], steps, EXACT,
        EXACT_OBJECTIVE, model=model, player="g", misprints=misprints)


def _balance(number: str, model: str, player: str, title: str, *steps: str,
             misprints=()) -> Derivation:
    return Derivation(
        title, PAPER[number], PAPER[number].split(" = ", 1)[1], steps, EXACT, EXACT_OBJECTIVE,
        model=model, player=player, misprints=misprints)


REAL_AND_FAKE = (
    "The discriminator calls real what it believes in: $d(x)$ is to be near 1, $d(x')$ near 0.",
    "$\\log d(x)$ and $\\log(1 - d(x'))$ are the log-likelihoods of the two right answers; both "
    "are at most 0, and the discriminator maximises their sum.",
    "By the output on $x$: $\\frac{1}{d(x)}$. By the output on $x'$: $-\\frac{1}{1 - d(x')}$.",
)

EQUATIONS = {
    "eq1": _loss(
        "1", "ava-vae", "VAE",
        "The encoder gives the mean $\\mu$ and the diagonal variance $\\Sigma$, Eq. 8 draws "
        "$z = \\mu + \\sqrt{\\Sigma}\\, r$, the decoder gives $x'$.",
        f"${HALF_SQUARE}$ is minus the logarithm of the likelihood of $x$ under $N(x', I)$, up to "
        "a constant. Its derivative by $x'_i$ is $x'_i - x_i$.",
        f"The divergence of $N(\\mu, \\Sigma)$ from $N(0, I)$ is ${KL_SUM}$. Its derivatives are "
        "$\\mu_i$ by $\\mu_i$ and $\\frac{1}{2}(1 - {\\Sigma_i}^{-1})$ by $\\Sigma_i$.",
        "The decoder's weights enter the first term alone. The encoder's enter both: the first "
        "through $z$, with the derivative $-h$ by $z$, where $h$ is the decoder's error carried "
        "back to its input.",
        "The paper calls the two parts independent of one another and drops $h$: see Eq. 5.",
        misprints=(1, 15, 23)),
    "eq2": _balance(
        "2", "ava-gan", "d", "The balance of GAN", *REAL_AND_FAKE,
        "The decoder minimises the same function; it enters the second term only.",
        misprints=(13,)),
    "eq3": _loss(
        "3", "ava1", "AVA1 and AVA2",
        "The first two terms are those of Eq. 1.",
        "$\\log(1 - d(x'))$ is the discriminator's term of Eq. 2: minimising it raises $d(x')$, "
        "so the decoder learns to be believed.",
        "Its derivative by $x'_i$ is $-\\frac{1}{1 - d(x')}$ times the derivative of $d$ by its "
        "input $i$, which holds the weights of $d$: the vector $-q$. The decoder's error is "
        "$((x_i - x'_i) + q_i)\\, a'_g(x'_i)$.",
        "Eq. 6 is what remains of this once the weights of $d$ are taken as 1.",
        misprints=(1, 13, 15)),
    "eq4": _balance(
        "4", "ava1", "d", "The balance of AVA", *REAL_AND_FAKE,
        "It is Eq. 2 with $x' = g(z)$, $z$ from the encoder. Its gradient by $\\Psi$ is Eq. 7.",
        misprints=(1, 3, 13)),
    "eq5": Derivation(
        "The encoder's update", PAPER["5"], f"-{KL}",
        (f"The loss of Eq. 1 is ${HALF_SQUARE} + {KL}$, and the encoder is to minimise it.",
         "Assumption: the first term does not depend on $\\Theta$. It does, through $z$; the paper "
         "drops that part, and the encoder is not told how well $x$ is reconstructed.",
         f"What remains is $-{KL} = -{KL_SUM}$, to be maximised.",
         "Its derivatives are $-\\mu_i$ by $\\mu_i$ and $\\frac{1}{2}({\\Sigma_i}^{-1} - 1)$ by "
         "$\\Sigma_i$.",
         "Both are outputs of logistic units; times the slope at the output they become errors at "
         "the net input: $\\delta_{\\mu_i} = -\\mu_i\\, a'_f(\\mu_i)$ and "
         "$\\delta_{\\Sigma_i} = \\frac{1}{2}({\\Sigma_i}^{-1} - 1)\\, a'_f(\\Sigma_i)$.",
         CHAIN),
        EXACT, "exact for the divergence alone; the reconstruction's gradient through z is left "
        "out",
        rules=("variance_error",), model="ava-vae", player="f",
        where=("mean_error", "variance_error"), misprints=(12, 15)),
    "eq6": Derivation(
        "The decoder's update", PAPER["6"], rf"-{HALF_SQUARE} - \log(1 - d(x'))",
        (f"The loss of Eq. 3 holds the decoder in ${HALF_SQUARE} + \\log(1 - d(x'))$; minus this "
         "is to be maximised.",
         "By $x'_i$ the first term gives $x_i - x'_i$.",
         "By the discriminator's net input $v$ the second gives, with $d = a_d(v)$, "
         "$\\frac{a'_d(d(x'))}{1 - d(x')}$; for a logistic of slope $s$ that is $s\\, d(x')$.",
         "From $v$ to $x'_i$ the chain rule multiplies by $\\frac{\\partial v}{\\partial x'_i}$, a "
         "sum of products of the discriminator's weights. \"When weights are assumed to be 1\", "
         "writes the paper: it takes $\\frac{\\partial v}{\\partial x'_i} = 1$ for every $i$, as "
         "if the discriminator's output were wired to each $x'_i$ by a weight of 1. Every $x'_i$ "
         "gets the same push upwards, whatever the discriminator has learned.",
         "Times the slope $a'_g(x'_i)$ of the decoder's output this is the error at its net input, "
         "the bracket of Eq. 6.",
         CHAIN),
        UNIT_WEIGHT, "the gradient of the loss only if every weight on the way through d were 1",
        unit_weight=4, rules=("pull", "decoder_error"), model="ava1", player="g",
        where=("pull_d", "decoder_error"), misprints=(2, 6, 13, 17)),
    "eq7": Derivation(
        "The update of the decoder's discriminator", PAPER["7"], PAPER["4"].split(" = ", 1)[1],
        ("The balance of Eq. 4 is to be maximised; $\\Psi$ enters through $d(x)$ and $d(x')$.",
         "By the net input on $x$, with $d = a_d(v)$: "
         "$\\frac{a'_d(d(x))}{d(x)}$; for a logistic of slope $s$ that is $s\\, (1 - d(x))$.",
         "By the net input on $x'$: $-\\frac{a'_d(d(x'))}{1 - d(x')} = -s\\, d(x')$.",
         ON_OWN_PASS, CHAIN),
        EXACT, "exact, if each of the two errors goes back on its own pass",
        rules=("real_error", "fake_error"), model="ava1", player="d",
        where=("real_error_d", "fake_error_d"), misprints=(3, 17)),
    "eq8": Derivation(
        "How the code is drawn", PAPER["8"], r"z = \mu(x) + \Sigma(x)^{\frac{1}{2}} r",
        ("$r$ is drawn from $N(0, I)$; then $A\\, r$ has the covariance $A A^T$.",
         "For a diagonal $\\Sigma$, $A$ is the diagonal of the roots, element by element: "
         "$z_i = \\mu_i + \\sqrt{\\Sigma_i}\\, r_i$ has mean $\\mu_i$ and variance $\\Sigma_i$.",
         "The randomness is in $r$ alone, so that $z$ has derivatives: 1 by $\\mu_i$ and "
         "$\\frac{r_i}{2\\, \\sqrt{\\Sigma_i}}$ by $\\Sigma_i$.",
         "For a full $\\Sigma$ roots element by element give another covariance, or none: a factor "
         "$L$ with $L L^T = \\Sigma$ is needed."),
        EXACT, "exact for a diagonal Sigma", rules=("sample_code",), model="ava1", player="f",
        where=("sample_code",), misprints=(20, 21, 23)),
    "eq9": _balance(
        "9", "ava2", "d", "The balance of AVA2, which leans to the decoder", *REAL_AND_FAKE,
        f"$-{HALF_SQUARE}$ is added. $\\Psi$ does not enter it: its derivative by $\\Psi$ is "
        "exactly zero. Eq. 10 gives it one all the same.",
        "Never minimise this by $\\Phi$: that would make the reconstruction worse."),
    "eq10": Derivation(
        "The update of d that leans to the decoder", PAPER["10"],
        r"\log d(x) + \log(1 - d(x')) + \bar{C} d(x')",
        ("The first two terms are those of Eq. 7.",
         f"Eq. 9 adds $-{HALF_SQUARE}$, in which $\\Psi$ does not occur. Its derivative by $\\Psi$ "
         "is zero, and an exact rule would stop here.",
         "The paper reverses the wiring: it treats the discriminator's output as the cause of "
         "every $x'_i$ (Figure 3), so that each $x_i - x'_i$, times $a'_g(x'_i)$, flows back into "
         "it.",
         "\"Suppose all weights are 1\": each of these flows back through a weight of 1, and their "
         "sum is $C = \\sum_i (x_i - x'_i)\\, a'_g(x'_i)$.",
         "Times the slope of the discriminator's output the error is $a'_d(d_0)\\, C$. It is the "
         "derivative of $\\bar{C}\\, d(x')$ with $C$ held fixed: $d(x')$ is pushed up where the "
         "image should be brighter as a whole.",
         "$d_0$ is taken on the pass of $x'$; the paper does not say."),
        HEURISTIC, "the added term is the gradient of nothing that depends on Psi",
        unit_weight=4, rules=("leaning_sum", "leaning_error"), model="ava2", player="d",
        where=("real_error_d", "leaning_sum_d", "leaning_error_d"), misprints=(5, 7, 17)),
    "eq11": _balance(
        "11", "ava3", "D", "The balance of the encoder's discriminator",
        "$D$ judges codes as $d$ judges images: $\\mu(x)$ is to pass for real, $\\mu(x')$, the "
        "mean of the decoded and encoded $x'$, for fake.",
        "By the output on $\\mu(x)$: $\\frac{1}{D(\\mu(x))}$. By the output on $\\mu(x')$: "
        "$-\\frac{1}{1 - D(\\mu(x'))}$.",
        "Its gradient by $\\Lambda$ is Eq. 13.", misprints=(14,)),
    "eq12": _loss(
        "12", "ava5", "AVA5; without the term of d, of AVA3 and AVA4",
        "The first three terms are those of Eq. 3.",
        "$\\log(1 - D(\\mu(x')))$ is the term of Eq. 11 with the fake mean; minimising it makes "
        "$\\mu(x')$ look like the mean of a real image.",
        "It reaches $\\Theta$ by two ways: through the second encoding, of $x'$, and through $x'$ "
        "and $z$, which the first encoding made. It reaches $\\Phi$ through $x'$.",
        "The exact rules carry all of it back: $e = (x - x') + q + P$ in the decoder, with $q$ "
        "from $d$ and $P$ from $D$ through the encoder; $h$ in the encoder.",
        "Eqs. 6 and 14 keep one way each, with the weights on it taken as 1.", misprints=(16,)),
    "eq13": Derivation(
        "The update of the encoder's discriminator", PAPER["13"], PAPER["11"].split(" = ", 1)[1],
        ("The balance of Eq. 11 is to be maximised; $\\Lambda$ enters through $D(\\mu(x))$ and "
         "$D(\\mu(x'))$.",
         "By the net input on $\\mu(x)$: $\\frac{a'_D(D(\\mu(x)))}{D(\\mu(x))} = "
         "s\\, (1 - D(\\mu(x)))$ for a logistic of slope $s$.",
         "By the net input on $\\mu(x')$: $-\\frac{a'_D(D(\\mu(x')))}{1 - D(\\mu(x'))} = "
         "-s\\, D(\\mu(x'))$.", ON_OWN_PASS.replace("$x$ and $x'$", "$\\mu(x)$ and $\\mu(x')$"),
         CHAIN),
        EXACT, "exact, if each of the two errors goes back on its own pass",
        rules=("real_error", "fake_error"), model="ava3", player="D",
        where=("real_error_D", "fake_error_D"), misprints=(3, 14)),
    "eq14": Derivation(
        "The encoder's update, assessed by D", PAPER["14"], rf"-{KL} - \log(1 - D(\mu(x')))",
        (f"The loss of Eq. 12 holds the encoder in ${KL} + \\log(1 - D(\\mu(x')))$; minus this is "
         "to be maximised. As in Eq. 5 the reconstruction is left out.",
         "The divergence gives $-\\mu_i$ by $\\mu_i$.",
         "By the net input $V$ of $D$ on $\\mu(x')$ the second term gives "
         "$\\frac{a'_D(D(\\mu(x')))}{1 - D(\\mu(x'))} = s\\, D(\\mu(x'))$.",
         "From $V$ back to the mean the chain rule multiplies by the weights of $D$. As in Eq. 6 "
         "they are assumed to be 1: every $\\mu_i$ gets the same push.",
         "$D$ was asked about $\\mu(x')$, the push is given to $\\mu(x)$: the mean of $x$ is moved "
         "as if it were the mean of $x'$.",
         "Times $a'_f(\\mu_i)$ this is the error at the net input. The variance head keeps Eq. 5."),
        UNIT_WEIGHT, "the gradient of the loss only if every weight on the way through D were 1, "
        "and if mu(x) were mu(x')",
        unit_weight=4, rules=("pull", "mean_error"), model="ava3", player="f",
        where=("pull_D", "assessed_mean_error"), misprints=(4, 15)),
    "eq15": _balance(
        "15", "ava4", "D", "The balance of AVA4, which leans to the encoder",
        "The first two terms are those of Eq. 11.",
        "$-\\frac{1}{2} \\lVert \\mu(x) - \\mu(x') \\rVert^2$ is added. $\\Lambda$ does not enter "
        "it: its derivative by $\\Lambda$ is exactly zero. Eq. 16 gives it one all the same.",
        misprints=(14,)),
    "eq16": Derivation(
        "The update of D that leans to the encoder", PAPER["16"],
        r"\log D(\mu(x)) + \log(1 - D(\mu(x'))) + \bar{C} D(\mu(x'))",
        ("The first two terms are those of Eq. 13.",
         "Eq. 15 adds $-\\frac{1}{2} \\lVert \\mu(x) - \\mu(x') \\rVert^2$, in which $\\Lambda$ "
         "does not occur: its derivative by $\\Lambda$ is zero.",
         "As in Eq. 10 the output of $D$ is treated as the cause of every $\\mu(x')_i$.",
         "All weights are supposed to be 1: the sum is "
         "$C = \\sum_i (\\mu(x)_i - \\mu(x')_i)\\, a'_f(\\mu(x')_i)$. The paper prints $a'_g$, but "
         "$\\mu$ comes out of the encoder.",
         "Times the slope of the output of $D$ the error is $a'_D(D_0)\\, C$, the derivative of "
         "$\\bar{C}\\, D(\\mu(x'))$ with $C$ held fixed."),
        HEURISTIC, "the added term is the gradient of nothing that depends on Lambda",
        unit_weight=4, rules=("leaning_sum", "leaning_error"), model="ava4", player="D",
        where=("real_error_D", "leaning_sum_D", "leaning_error_D"), misprints=(7, 8, 17)),
    "eq17": Derivation(
        "The balance metric", PAPER["17"], PAPER["17"].split(" = ", 1)[1],
        ("$d_{ij}$ is the Euclidean norm of the difference of two pixels, of the generated image "
         "and of image $i$, values in $[0, 1]$; for three colours it reaches $\\sqrt{3}$.",
         "$d_{ij}$ stands for similarity, $1 - d_{ij}$ for diversity; their product is largest, "
         "$\\frac{1}{4}$, at $d_{ij} = \\frac{1}{2}$.",
         "Beyond $d_{ij} = 1$ the product is negative. The published numbers average its absolute "
         "value over pixels, images and generated images."),
        "-", "a metric: no gradient is taken", misprints=(9, 10, 22)),
}

SIGMOID = r"\frac{1}{1 + e^{-v}}"

LOSS_FORMULAS = {
    "half_squared_error": Derivation(
        "Half the squared error", HALF_SQUARE.replace("x - x'", "y - t"), "",
        ("The loss is $\\frac{1}{2} \\sum_i (y_i - t_i)^2$, averaged over the $B$ rows of a batch.",
         "Each square gives twice its inside, and the half takes the two away: the derivative by "
         "$y_i$ is $\\frac{y_i - t_i}{B}$."), EXACT, DERIVATIVE),
    "binary_cross_entropy": Derivation(
        "Binary cross-entropy of probabilities",
        r"-\sum_i (t_i\, \log p_i + (1 - t_i)\, \log(1 - p_i))", "",
        ("$p_i$ is the probability of a 1, $t_i$ what came: the loss is minus the logarithm of the "
         "likelihood.",
         "By $p_i$: $-\\frac{t_i}{p_i} + \\frac{1 - t_i}{1 - p_i}$.",
         "On one denominator this is $\\frac{p_i - t_i}{p_i\\, (1 - p_i)}$, divided by $B$."),
        EXACT, DERIVATIVE),
    "binary_cross_entropy_from_logits": Derivation(
        "Binary cross-entropy of net inputs", r"\sum_i (\log(1 + e^{v_i}) - t_i\, v_i)", "",
        (f"Put $p = {SIGMOID}$ into the binary cross-entropy.",
         "Then $-\\log p = \\log(1 + e^{-v})$ and $-\\log(1 - p) = \\log(1 + e^{v})$, and their "
         "difference is $v$: the sum becomes $\\log(1 + e^{v}) - t\\, v$.",
         "The first term's derivative is $p$: the whole is $p_i - t_i$, divided by $B$. The slope "
         "of the logistic has cancelled, so that nothing overflows."), EXACT, DERIVATIVE),
    "categorical_cross_entropy_from_logits": Derivation(
        "Cross-entropy of classes, from net inputs",
        r"-\sum_k t_k\, \log s_k", "",
        ("$s_k = e^{v_k} / \\sum_j e^{v_j}$ is the probability of class $k$, $t_k$ is 1 for the "
         "class that came; the loss is minus the logarithm of the likelihood.",
         "$\\log s_k = v_k - \\log \\sum_j e^{v_j}$.",
         "By $v_i$ the first part is 1 where $i = k$; the second gives $-s_i$ whatever $k$ is.",
         "The sum over $k$ is $s_i \\sum_k t_k - t_i$, divided by $B$: $s_i - t_i$ where the "
         "targets sum to 1."), EXACT, DERIVATIVE),
    "gaussian_kl": Derivation(
        "Divergence of a Gaussian from the standard one", KL_SUM, "",
        ("Minus the entropy of $N(\\mu, \\Sigma)$ is $-\\frac{1}{2} \\sum_i (\\log \\Sigma_i + "
         "1)$, without the constants, which cancel.",
         "The mean of $-\\log N(z \\mid 0, I)$ is $\\frac{1}{2} \\sum_i (\\mu_i^2 + \\Sigma_i)$, "
         "as the mean of $z_i^2$ is $\\mu_i^2 + \\Sigma_i$.",
         "Their sum is the divergence. By $\\mu_i$: $\\mu_i$. By $\\Sigma_i$: "
         "$\\frac{1}{2} (1 - {\\Sigma_i}^{-1})$. Both divided by $B$. Minus them, times the slope, "
         "is Eq. 5."), EXACT, DERIVATIVE),
    "gaussian_kl_from_log_variance": Derivation(
        "The same divergence, by the logarithm of the variance",
        r"\frac{1}{2} \sum_i (\mu_i^2 + e^{l_i} - 1 - l_i)", "",
        ("Put $\\Sigma_i = e^{l_i}$; every real $l_i$ is a variance.",
         "By $\\mu_i$: $\\mu_i$. By $l_i$: $\\frac{1}{2} (e^{l_i} - 1)$. Both divided by $B$."),
        EXACT, DERIVATIVE),
    "gan_discriminator": Derivation(
        "The discriminator's loss", r"-\log d(x) - \log(1 - d(x'))", "",
        ("Minus the balance of Eqs. 2 and 4: the engine minimises.",
         "By $d(x)$: $-\\frac{1}{d(x)}$. By $d(x')$: $\\frac{1}{1 - d(x')}$. Both divided by $B$."),
        EXACT, DERIVATIVE),
    "gan_generator_saturating": Derivation(
        "The generator's loss, as the paper has it", r"\log(1 - d(x'))", "",
        ("The generator's term of Eqs. 2 and 3, to be minimised.",
         "By $d(x')$: $-\\frac{1}{1 - d(x')}$, divided by $B$.",
         "In the net input it is $-s\\, d(x')$: it vanishes where the discriminator is sure of a "
         "fake, just where there is most to learn."), EXACT, DERIVATIVE),
    "gan_generator_non_saturating": Derivation(
        "The generator's loss that does not saturate", r"-\log d(x')", "",
        ("It has the same direction and the same fixed point as the saturating one.",
         "By $d(x')$: $-\\frac{1}{d(x')}$, divided by $B$.",
         "In the net input it is $-s\\, (1 - d(x'))$: largest where the discriminator is sure of a "
         "fake."), EXACT, DERIVATIVE),
}

DERIVATIONS = EQUATIONS | LOSS_FORMULAS
