"""The verbs `reproduce`, `replay` and `diff` of the command line."""

import argparse
import os

from avanet.arguments import count, names

DONE, FAILED = 0, 1
SCALES = ("quick", "default", "paper")


def add_reproduce(verbs) -> None:
    """Add `avanet reproduce` to the command line."""
    reproduce = verbs.add_parser("reproduce", help="re-create a table or figure of a paper")
    reproduce.set_defaults(verb=_list_reproductions)
    what = reproduce.add_subparsers(title="what", metavar="[NAME]",
                                    description="without a name: all tables and figures, and "
                                    "where each stands")
    _add_bm(what)
    _add_gan_theory(what)
    _add_vaegan(what)
    _add_survey(what)
    _add_variants(what)
    _add_overview(what)
    _add_savae(what)


def _list_reproductions(args) -> int:
    from avanet.experiments import catalogue
    catalogue.show()
    return DONE


def _add_bm(what):
    bm = what.add_parser("bm", help="Tables 1-3 and Figure 5 of the AVA paper")
    bm.add_argument("--data", default="orbit", metavar="NAME|FOLDER",
                    help="a folder of images of one size, or orbit, the bundled set (default)")
    bm.add_argument("--size", nargs=2, type=int, metavar=("W", "H"), help="resize every image")
    bm.add_argument("--scale", default="default", choices=SCALES,
                    help="quick: 5 rates, 1 seed; default: 19 rates, 3 seeds; paper: 12 seeds")
    bm.add_argument("--models", type=names, metavar="A,B,...", help="default: all seven")
    bm.add_argument("--rates", type=_rates, metavar="R,R,...", help="in (0, 1]; default: by scale")
    bm.add_argument("--seeds", type=count, metavar="N", help="seeds 0..N-1; default: by scale")
    bm.add_argument("--rules", type=names, default=["as-run", "printed"], metavar="A,B,...",
                    help="rule sets: as-run, printed, printed-mean, letter, exact, as-run-mu4; "
                         "default as-run,printed")
    _add_jobs(bm)
    _add_folder(bm, "runs/bm-DATA")
    bm.set_defaults(verb=_reproduce_bm)


def _add_gan_theory(what):
    theory = what.add_parser("gan-theory", help="Sec. 3.7 of the survey: D*, C(G), Algorithm 1")
    theory.add_argument("--scale", default="default", choices=SCALES,
                        help="updates of D alone, of G, and seeds: quick 500, 500 and 1, default "
                             "4000, 2000 and 3, paper 20,000, 20,000 and 5")
    theory.add_argument("--seeds", type=count, metavar="N", help="seeds 0..N-1; default: by scale")
    _add_jobs(theory)
    _add_folder(theory, "runs/gan-theory, for another --scale runs/gan-theory-SCALE")
    theory.set_defaults(verb=_reproduce_gan_theory)


def _reproduce_gan_theory(args) -> int:
    from avanet.experiments import gan_theory
    gan_theory.reproduce(gan_theory.SweepRequest(args.scale, args.seeds, args.jobs, args.out,
                                                 args.fresh, args.scheduler))
    return DONE


def _add_vaegan(what):
    vaegan = what.add_parser("vaegan", help="Tables 1-4 and Figures 10-17 of the VAE-GAN paper")
    _add_data(vaegan, "mnist, if there, else digits, the bundled set")
    vaegan.add_argument("--scale", default="default", choices=SCALES,
                        help="quick: 1 seed, 2 epochs; default: 5 seeds, 10 epochs, and the search "
                             "for what is open in the denoising tables; paper: 11 seeds")
    vaegan.add_argument("--seeds", type=count, metavar="N", help="seeds 0..N-1; default: by scale")
    _add_jobs(vaegan)
    _add_folder(vaegan, "runs/vaegan-DATA, for --scale quick runs/vaegan-DATA-quick")
    vaegan.set_defaults(verb=_reproduce_vaegan)


def _reproduce_vaegan(args) -> int:
    from avanet.experiments import vaegan
    vaegan.reproduce(_data_request(args))
    return DONE


def _add_survey(what):
    survey = what.add_parser("survey", help="Figures 10-13 of the survey: VAE and DCGAN samples")
    _add_data(survey, "mnist and fashion-mnist, if there, else digits, the bundled set")
    survey.add_argument("--scale", default="default", choices=SCALES,
                        help="epochs of VAE and DCGAN: quick 2 and 1, default 10 and 3, paper 10 "
                             "and 180; a larger scale goes on from a smaller one")
    _add_folder(survey, "runs/survey")
    survey.set_defaults(verb=_reproduce_survey, out="runs/survey")


def _reproduce_survey(args) -> int:
    from avanet.experiments import survey
    survey.reproduce(survey.Request(data=args.data, data_dir=args.data_dir, scale=args.scale,
                                    out=args.out, fresh=args.fresh))
    return DONE


def _add_variants(what):
    variants = what.add_parser("variants", help="Secs. 3.9.3-3.9.7 of the survey: LAPGAN, "
                               "conditional GANs, BiGAN, adversarial autoencoders")
    _add_data(variants, "mnist, if there, else digits, the bundled set")
    variants.add_argument("--scale", default="default", choices=SCALES,
                          help="quick: an epoch of MNIST each, convolutions of width 8; default: "
                               "2 to 25 epochs, width 16; paper: up to 100 epochs, width 64")
    _add_folder(variants, "runs/variants-DATA, for another --scale runs/variants-DATA-SCALE")
    variants.set_defaults(verb=_reproduce_variants)


def _reproduce_variants(args) -> int:
    from avanet.experiments import variants
    variants.reproduce(variants.Request(data=args.data, data_dir=args.data_dir, scale=args.scale,
                                        out=args.out, fresh=args.fresh))
    return DONE


def _add_overview(what):
    overview = what.add_parser("overview", help="Figs. 1 and 2 of the overview: AE, VAE, beta-VAE, "
                               "beta-TCVAE, and its claims as numbers")
    _add_data(overview, "faces, the bundled set; at --scale paper celeba, if there")
    overview.add_argument("--scale", default="default", choices=SCALES,
                          help="quick: 4 models, 1 seed; default: several beta, 3 seeds, networks "
                               "an eighth as wide as the paper's; paper: its networks, 30 epochs")
    overview.add_argument("--seeds", type=count, metavar="N",
                          help="seeds 0..N-1; default: by scale")
    _add_jobs(overview)
    _add_folder(overview, "runs/overview-DATA, for another --scale runs/overview-DATA-SCALE")
    overview.set_defaults(verb=_reproduce_overview)


def _reproduce_overview(args) -> int:
    from avanet.experiments import overview
    overview.reproduce(_data_request(args))
    return DONE


def _add_savae(what):
    savae = what.add_parser("savae", help="Figs. 7-10 of the semi-supervised adversarial VAE, and "
                            "its claims as numbers")
    _add_data(savae, "mnist, fashion-mnist and, for Fig. 10, cifar10, as far as they are there, "
              "else digits; at --scale paper omniglot and caltech101-silhouettes too")
    savae.add_argument("--scale", default="default", choices=SCALES,
                       help="quick: 3 beta, one data set, 100 steps of step 2; default: 4 beta, "
                            "two data sets, 1000 steps, narrow networks; paper: all beta and data "
                            "sets, whole epochs")
    savae.add_argument("--seeds", type=count, metavar="N", help="seeds 0..N-1; default: 1")
    _add_jobs(savae)
    _add_folder(savae, "runs/savae-DATA, for another --scale runs/savae-DATA-SCALE")
    savae.set_defaults(verb=_reproduce_savae)


def _reproduce_savae(args) -> int:
    from avanet.experiments import savae
    savae.reproduce(_data_request(args))
    return DONE


def _data_request(args):
    from avanet.experiments.running import DataRequest
    return DataRequest(args.scale, args.seeds, args.jobs, args.out, args.fresh, args.scheduler,
                       args.data, args.data_dir)


def _add_data(verb, default):
    verb.add_argument("--data", metavar="NAME|PATH", help=f"default: {default}")
    verb.add_argument("--data-dir", metavar="FOLDER",
                      help="root of the named sets (default: AVANET_DATA, or a user cache)")


def _add_jobs(verb):
    verb.add_argument("--jobs", type=count, default=min(4, os.cpu_count() or 1), metavar="N",
                      help="worker processes (default: one per core, at most 4)")
    verb.add_argument("--scheduler", metavar="ADDRESS",
                      help="of a Dask cluster that does the cells, as tcp://host:8786")


def _add_folder(verb, default):
    verb.add_argument("--out", metavar="FOLDER", help=f"default: {default}")
    verb.add_argument("--fresh", action="store_true", help="start anew instead of going on")


def _reproduce_bm(args) -> int:
    from avanet.experiments import bm
    bm.reproduce(bm.Request(
        data=args.data, size=tuple(args.size) if args.size else None, scale=args.scale,
        models=args.models, rates=args.rates, seeds=args.seeds, rules=args.rules, jobs=args.jobs,
        out=args.out, fresh=args.fresh, scheduler=args.scheduler))
    return DONE


def add_replay(verbs) -> None:
    """Add `avanet replay` to the command line."""
    replay = verbs.add_parser("replay", help="run recorded cells again: are they the same?")
    replay.add_argument("folder", metavar="FOLDER",
                        help="of a reproduction or a training; it is only read")
    replay.add_argument("--cell", type=_choice, action="append", default=[],
                        metavar="NAME=VALUE,...", help="as model=ava5,rate=0.5,seed=0; what is "
                        "left out may have any value; may be given again (default: all cells)")
    replay.add_argument("--data", metavar="NAME|FOLDER", help="where the data is now")
    replay.add_argument("--jobs", type=count, default=1, metavar="N",
                        help="worker processes (default 1)")
    replay.set_defaults(verb=_replay)


def _replay(args) -> int:
    from avanet.experiments.replay import replay
    return DONE if replay(args.folder, args.cell, args.data, args.jobs) else FAILED


def add_diff(verbs) -> None:
    """Add `avanet diff` to the command line."""
    diff = verbs.add_parser("diff", help="what differs between two runs")
    diff.add_argument("run1", metavar="RUN1", help="the folder of a reproduction or a training")
    diff.add_argument("run2", metavar="RUN2")
    diff.set_defaults(verb=_diff)


def _diff(args) -> int:
    from avanet.experiments.diff import diff
    lines = list(diff(args.run1, args.run2))
    print("\n".join(lines) or "no difference")
    return FAILED if lines else DONE


# Arguments ------------------------------------------------------------------------------------

def _choice(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE,..., got {text!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _rates(text: str) -> list[float]:
    try:
        rates = [float(rate) for rate in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected numbers separated by commas, got {text!r}") from None
    for rate in rates:
        if not 0 < rate <= 1:
            raise argparse.ArgumentTypeError(
                f"a rate must lie in (0, 1], got {rate:g}; the paper uses 1, 0.9, ..., 0.01")
    return rates
