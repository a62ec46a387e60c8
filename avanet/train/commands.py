"""The verbs of the command line that train models."""

import argparse
from pathlib import Path

from avanet.arguments import add_data, count, seed
from avanet.errors import InputError

DONE = 0

TRAIN_EXAMPLES = """examples:
  avanet train survey-vae                      on digits, the bundled set, into runs/survey-vae-digits
  avanet train dcgan --data mnist --data-dir FOLDER --epochs 3
  avanet train survey-vae --set latent=2 --set annealing=linear --run runs/two
  avanet train --run runs/two                  goes on after a stop, as the same command does

The settings of a model are listed by avanet models.
"""  # noqa: E501


def add_train(verbs) -> None:
    """Add `avanet train` to the command line."""
    train = verbs.add_parser(
        "train", help="train a model, resumable at any moment", epilog=TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    train.add_argument("model", nargs="?", metavar="MODEL", help="a name from avanet models")
    add_data(train, "default: digits, the bundled set")
    train.add_argument("--run", metavar="FOLDER", help="default: runs/MODEL-DATA")
    train.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                       help="a setting of the model; may be given again")
    train.add_argument("--epochs", metavar="N", help="short for --set epochs=N")
    train.add_argument("--seed", type=seed, metavar="N",
                       help="of start values, batch order and noise (default 0)")
    train.add_argument("--patience", type=count, metavar="N",
                       help="stop after N epochs without a better validation loss")
    train.add_argument("--fresh", action="store_true", help="start anew instead of going on")
    train.set_defaults(verb=_train)


def _train(args) -> int:
    from avanet.data import load_dataset
    from avanet.models import AVA_MODELS
    from avanet.nn import DivergedError
    from avanet.train.callbacks import EarlyStopping
    from avanet.train.loop import default_callbacks, train
    model, given, folder = _asked(args) if args.model else _recorded(args)
    dataset = load_dataset(given["data"], given["size"], root=given["data_dir"])
    callbacks = default_callbacks()
    if args.patience:
        callbacks.append(EarlyStopping(args.patience))
    if model.name in AVA_MODELS:
        from avanet.ava.warmup import prepare
        prepare(model.dtype)
    try:
        training = train(model, dataset, folder, callbacks, fresh=args.fresh, given=given)
    except DivergedError as error:
        raise InputError(f"{error}; what was kept before is in {folder}; try a smaller rate, as "
                         "in --set rate=1e-4 --fresh") from None
    print(training.summary())
    return DONE


def _asked(args):
    """Model, where the data is, and folder from the arguments."""
    from avanet.models import model_class
    from avanet.models.config import parsed
    kind = model_class(args.model)
    texts = [*args.set, *([f"epochs={args.epochs}"] if args.epochs is not None else [])]
    model = kind(random_state=args.seed or 0, **parsed(kind.Config, texts))
    data = args.data or "digits"
    given = {"data": data, "data_dir": args.data_dir,
             "size": tuple(args.size) if args.size else None}
    return model, given, args.run or f"runs/{model.name}-{Path(data).resolve().stem}"


def _recorded(args):
    """The same from the run that --run names."""
    from avanet.models import model_class
    from avanet.models.config import parsed
    from avanet.train.run import Run, place_of_data, recorded_model
    if args.run is None:
        raise InputError("name a model, as in avanet train survey-vae, or a run by --run FOLDER")
    for option in ("data", "size", "seed"):
        if getattr(args, option) is not None:
            raise InputError(f"--{option} is the run's own: leave it out, or name a model too")
    if args.set:
        raise InputError("--set is the run's own: leave it out, or name a model too")
    run = Run(args.run).read_run()
    if run is None:
        raise InputError(f"{args.run} holds no run: name a model to start one")
    try:
        given = place_of_data(run)
        kind = model_class(run[Run.section]["model"])
        more = [] if args.epochs is None else [f"epochs={args.epochs}"]
        model = recorded_model(run, parsed(kind.Config, more))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{args.run}/run.json is damaged ({error!r}); start anew with --fresh "
                         "and a model") from None
    return model, given | ({"data_dir": args.data_dir} if args.data_dir else {}), args.run
