"""What the page knows of each rule: where its terms stand in the graph, and what it says."""

from avanet.step.formulas import IMAGE_TERMS

SEEN_ON = {  # the evaluation that the graph shows at a rule, where it is not the usual one:
    # f on x, d on x', D on μ(x')
    "sample_code": {"f": "x"},
    "pull_D": {"f": "x'"},
    "real_error_d": {"d": "x"},
    "real_error_D": {"D": "μ(x)"},
    "fake_error_D": {"f": "x'"},
    "leaning_sum_D": {"f": "x'"},
    "leaning_error_D": {"f": "x'"},
    "exact_fake_mean_error": {"f": "x'"},
    "carried_P": {"f": "x'"},
}
PLACES = {  # where the terms stand in the graph: network.layer.unit, i the chosen one, n + i its Σ
    "sample_code": {"mu": "f.2.i", "var": "f.2.n+i", "r": "r.i", "result": "g.0.i"},
    "mean_error": {"mu": "f.2.i", "slope": "f.2.i", "result": "f.2.i"},
    "assessed_mean_error": {"mu": "f.2.i", "pull": "D.2.0", "slope": "f.2.i", "result": "f.2.i"},
    "variance_error": {"var": "f.2.n+i", "slope": "f.2.n+i", "result": "f.2.n+i"},
    "pull_d": {"d": "d.2.0", "result": "d.2.0"},
    "pull_D": {"d": "D.2.0", "result": "D.2.0"},
    "own_pull_g": {"y": "g.2.i", "result": "g.2.i"},
    "own_pull_f": {"y": "f.2.i", "result": "f.2.i"},
    "decoder_error": {"x": "f.0.i x.i", "x_": "g.2.i d.0.i x_.i", "pull": "d.2.0",
                      "slope": "g.2.i", "result": "g.2.i"},
    "plain_decoder_error": {"x": "f.0.i x.i", "x_": "g.2.i x_.i", "slope": "g.2.i",
                            "result": "g.2.i"},
    "own_decoder_error": {"x": "f.0.i x.i", "x_": "g.2.i x_.i", "pull": "g.2.i", "slope": "g.2.i",
                          "result": "g.2.i"},
    "own_mean_error": {"mu": "f.2.i", "pull": "f.2.i", "slope": "f.2.i", "result": "f.2.i"},
    "real_error_d": {"d": "d.2.0", "result": "d.2.0"},
    "fake_error_d": {"d": "d.2.0", "result": "d.2.0"},
    "real_error_D": {"d": "D.2.0", "result": "D.2.0"},
    "fake_error_D": {"d": "D.2.0", "result": "D.2.0"},
    "leaning_sum_d": {"x": "f.0.* x.*", "x_": "g.2.* x_.*", "slope": "g.2.*"},
    "leaning_sum_D": {"x": "D.0.*", "x_": "f.2.i", "slope": "f.2.i"},
    "leaning_error_d": {"d": "d.2.0", "slope": "d.2.0", "C": "g.2.*", "result": "d.2.0"},
    "leaning_error_D": {"d": "D.2.0", "slope": "D.2.0", "result": "D.2.0"},
    "carried_q": {"delta": "d.1.*", "result": "d.0.i"},
    "carried_Q": {"delta": "D.1.*", "result": "D.0.i"},
    "carried_P": {"delta": "f.1.*", "result": "f.0.i"},
    "carried_h": {"delta": "g.1.*", "result": "g.0.i"},
    "exact_fake_mean_error": {"Q": "D.0.i", "slope": "f.2.i", "result": "f.2.i"},
    **{f"exact_image_error{ending}": {"difference": "x.i x_.i", "q": "d.0.i", "P": "f.0.i",
                                      "result": "g.2.i"} for ending in IMAGE_TERMS},
    "exact_decoder_error": {"e": "g.2.i d.0.i", "slope": "g.2.i", "result": "g.2.i"},
    "exact_mean_error": {"h": "g.0.i", "mu": "f.2.i", "slope": "f.2.i", "result": "f.2.i"},
    "exact_variance_error": {"h": "g.0.i", "r": "r.i", "var": "f.2.n+i", "slope": "f.2.n+i",
                             "result": "f.2.n+i"},
}
WORDS = {
    "sample_code": "The encoder gives a mean μ and a variance Σ for each code unit. The code is "
    "drawn around the mean: the random number r is stretched by √Σ. Written this way, z depends "
    "smoothly on μ and Σ although it is random.",
    "mean_error": "The mean is pulled towards 0, the mean of N(0, I): the larger μ, the stronger "
    "the pull. The slope of the logistic unit turns it into an error at the unit's net input.",
    "assessed_mean_error": "The mean is pulled towards 0, and pushed up by what the discriminator "
    "D says of the mean of x'. The same push for every unit: D's weights are assumed to be 1.",
    "variance_error": "The variance is pulled towards 1, the variance of N(0, I): below 1 the "
    "error is positive, above 1 negative.",
    "pull_d": "How much log(1 − d(x')) would fall if d's net input rose: small where d sees the "
    "fake, near s where d is fooled.",
    "pull_D": "How much log(1 − D(μ(x'))) would fall if D's net input rose.",
    "own_pull_g": "The authors' program puts half of the decoder's own output where the paper has "
    "the discriminator's verdict. No discriminator touches the image.",
    "own_pull_f": "The authors' program puts half of the mean itself where the paper has the "
    "verdict of D.",
    "decoder_error": "Two wishes for each output. The first: come nearer to x, by the difference. "
    "The second: make d believe the image more, by the number that d said of it just before. The "
    "paper gives that number to every output alike, because it takes the weights of d as 1. The "
    "sum is multiplied by the slope of the output unit.",
    "real_error_d": "On the real one the discriminator should say 1. The further it is from "
    "saying so, the larger the error.",
    "fake_error_d": "On the fake one the discriminator should say 0: the error is negative, and "
    "the larger the more it is fooled.",
    "real_error_D": "On the mean of the real x the discriminator should say 1. The further it is "
    "from saying so, the larger the error.",
    "fake_error_D": "On the mean of the fake x' the discriminator should say 0: the error is "
    "negative, and the larger the more it is fooled.",
    "plain_decoder_error": "Each output is to come nearer to x, by the difference, times the slope "
    "of the output unit. This model has no discriminator that judges the image.",
    "own_decoder_error": "Two wishes for each output. The first: come nearer to x, by the "
    "difference. The second is, in the authors' program, half of the output itself where the paper "
    "has d's number: every output is pushed up the more, the brighter it already is.",
    "own_mean_error": "The mean is pulled towards 0, and pushed up by half of itself where the "
    "paper has the number of D: in all it is pulled half as strongly.",
    "leaning_sum_d": "One number for the whole image: how far the decoder's outputs are from x, "
    "each difference weighted by the slope of its unit.",
    "leaning_sum_D": "One number for the whole code: how far the mean of x' is from the mean of x, "
    "each difference weighted by the slope of its unit.",
    "leaning_error_d": "The error on the fake x', plus the leaning term of Eq. 10. The leaning "
    "term's own gradient in the weights of d is zero: it is a heuristic.",
    "leaning_error_D": "The error on the fake mean, plus the leaning term of Eq. 16. The leaning "
    "term's own gradient in the weights of D is zero: it is a heuristic.",
    "carried_q": "d's number p goes back through d, layer by layer, times the weights that d "
    "really has. Each output arrives at its own q, with its own sign. Were all the factors on the "
    "way 1, as Eq. 6 assumes, every q would be p.",
    "carried_Q": "The same for D: its number goes back through its own weights to the fake mean.",
    "carried_P": "The error of the fake mean goes on, back through the encoder that made it, to "
    "the image x'. No printed rule has this way.",
    "carried_h": "The decoder's error goes back through the decoder to the code z: what the "
    "encoder would have to change for x' to come out better. Eq. 5 leaves it out.",
    "exact_fake_mean_error": "What arrived at the fake mean, times the slope of its unit, is the "
    "error at its net input. It goes back on the encoder's pass of x'.",
    **{f"exact_image_error{ending}": "Everything that the loss says of x', added up for each "
       "output: " + words + "." for ending, words in {
           "": "the difference x − x', q from d, and P from D",
           "_q": "the difference x − x', and q from d",
           "_P": "the difference x − x', and P from D",
           "_x": "here the difference x − x' alone",
           "_d": "here q from d alone"}.items()},
    "exact_decoder_error": "The true gradient of the loss: e is the difference x − x' plus what "
    "the discriminators say, carried back through their real weights, each output its own number.",
    "exact_mean_error": "The true gradient: h is the rest of the loss carried back through the "
    "decoder to z. The printed rule leaves it out.",
    "exact_variance_error": "The true gradient: h reaches Σ through the draw, since z moves with "
    "√Σ r. The printed rule leaves it out.",
}
RULE_SETS = {
    "printed": "as the paper prints them",
    "exact": "the true gradient of the loss",
    "as-run": "as the authors' program ran",
    "as-run-mu4": "as run, mean term times 4",
    "printed-mean": "printed, sums read as means",
    "letter": "the lists to the letter",
}
