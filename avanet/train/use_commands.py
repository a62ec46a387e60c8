"""The verbs of the command line that use models: list, look into, and use a finished run."""

import json
from dataclasses import fields
from pathlib import Path

from avanet.arguments import add_data, count, positive, seed
from avanet.errors import InputError, unknown_name
from avanet.files import write_whole

DONE = 0
MOST_IMAGES = 10_000  # of a traversal

RUN_HELP = "folder that avanet train wrote, or file of a saved model"


def add_use(verbs) -> None:
    """Add `models`, `summary`, and what uses a run, to the command line."""
    models = verbs.add_parser("models", help="list the models: paper, parameters, settings")
    models.set_defaults(verb=_models)
    summary = verbs.add_parser("summary", help="the layers of a model: shapes, parameters, FLOPs")
    summary.add_argument("model", metavar="MODEL", help="a name from avanet models")
    summary.add_argument("--shape", nargs=3, type=count, metavar=("H", "W", "C"),
                         help="of the images (default 28 28 1)")
    summary.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                         help="a setting of the model; may be given again")
    add_data(summary, "shaped as the images of this set")
    summary.set_defaults(verb=_summary)

    sample = _verb(verbs, "sample", _sample, "images from a trained model", "samples.png",
                   "a picture (.png), or the images themselves (.npz)")
    sample.add_argument("-n", type=count, default=64, metavar="N", help="how many (default 64)")
    sample.add_argument("--seed", type=seed, default=0, metavar="N", help="of the draws")

    reconstruct = _verb(verbs, "reconstruct", _reconstruct, "images beside what a model makes of "
                        "them", "reconstructions.png", "a picture (.png), or the images (.npz)")
    reconstruct.add_argument("-n", type=count, default=32, metavar="N",
                             help="the first N images of the split (default 32)")
    encode = _verb(verbs, "encode", _encode, "the codes of images", "codes.npz", ".npz or .csv")
    interpolate = _verb(verbs, "interpolate", _interpolate, "the way from one image to another",
                        "interpolation.png", "a strip (.png); a .gif of the same name beside it")
    interpolate.add_argument("--from", dest="start", type=seed, default=0, metavar="I",
                             help="index of the first image; of a model without encoder, seed of "
                                  "its draw (default 0)")
    interpolate.add_argument("--to", dest="end", type=seed, default=1, metavar="J",
                             help="of the last (default 1)")
    interpolate.add_argument("--steps", type=count, default=11, metavar="N",
                             help="images along the way (default 11)")
    interpolate.add_argument("--path", default="line", metavar="line|slerp",
                             help="straight (default), or along the sphere")
    traverse = _verb(verbs, "traverse", _traverse, "what each dimension of a code does to images",
                     "traversal.png", "a picture, a row a dimension (.png); a .gif of the same "
                     "name beside it, a column a dimension")
    traverse.add_argument("-n", type=count, default=3, metavar="N",
                          help="the first N images of the split (default 3)")
    traverse.add_argument("--reach", type=positive, default=6.0, metavar="R",
                          help="values from -R to R (default 6)")
    traverse.add_argument("--steps", type=count, default=9, metavar="N",
                          help="values of a dimension (default 9)")
    traverse.add_argument("--dims", type=count, default=8, metavar="N",
                          help="the N dimensions that vary most over the split (default 8)")
    evaluate = _verb(verbs, "evaluate", _evaluate, "how good a trained model is, in numbers with "
                     "intervals", "evaluation.json", ".json")
    evaluate.add_argument("-n", type=count, default=1000, metavar="N",
                          help="images and samples that are looked at (default 1000)")
    evaluate.add_argument("--seed", type=seed, default=0, metavar="N", help="of the draws")
    for verb in (reconstruct, encode, interpolate, traverse, evaluate):
        add_data(verb, "default: the run's own set")
        verb.add_argument("--split", metavar="NAME",
                          help="default: the one that the run was validated on")


def _verb(verbs, name, function, text, out, kinds):
    verb = verbs.add_parser(name, help=text)
    verb.add_argument("run", metavar="RUN", help=RUN_HELP)
    verb.add_argument("--which", choices=("best", "last"),
                      help="of the run's models (default: best if there is one)")
    verb.add_argument("--out", metavar="FILE", help=f"{kinds}; default: RUN/{out}")
    verb.set_defaults(verb=lambda args: _told(function, args), default_out=out)
    return verb


def _told(function, args) -> int:
    """The verb; a model whose numbers overflow is one line."""
    from avanet.nn import DivergedError, NonFiniteError
    try:
        return function(args)
    except (DivergedError, NonFiniteError) as error:
        raise InputError(f"{args.run}: {error}; train it anew, with a smaller rate") from None


# The list and the layers ----------------------------------------------------------------------

def _models(args) -> int:
    from avanet.models import AVA_MODELS, MODELS, model_class
    from avanet.tables import Table, terminal
    rows, lines = [], []
    for name in (*MODELS, *AVA_MODELS):
        kind = model_class(name)
        model = kind().start((28, 28, 1))
        paper, _, section = kind.paper.partition(", ")
        size = sum(player.params.size for player in model.players_.values())
        rows.append([name, paper, section, f"{size:,}"])
        lines.append(f"{name}: " + " ".join(
            f"{field.name}={field.default}" for field in fields(kind.Config)))
    print(terminal(Table("Models", ["name", "paper", "section", "parameters"], rows, labels=3,
                         note="Parameters: with the settings below, on images of 28 x 28 x 1.")))
    print("Settings and their defaults, for --set NAME=VALUE:")
    print("\n".join(lines))
    return DONE


def _summary(args) -> int:
    from avanet.data import load_dataset
    from avanet.models import model_class
    from avanet.models.config import parsed
    from avanet.models.summary import layer_table
    from avanet.tables import terminal
    if args.data and args.shape:
        raise InputError("give --data or --shape, not both")
    kind = model_class(args.model)
    shape = tuple(args.shape or (28, 28, 1))
    if args.data:
        shape = load_dataset(args.data, _size(args.size), root=args.data_dir).shape
    model = kind(**parsed(kind.Config, args.set)).start(shape)
    print(terminal(layer_table(model)), end="")
    return DONE


# A finished run -------------------------------------------------------------------------------

def _sample(args) -> int:
    from avanet.plots import image_grid
    from avanet.train import use
    out = _out(args, ".png", ".npz")
    model, _ = _opened(args)
    images = use.samples(model, args.n, args.seed)
    return _write(out, use.npz({"images": images}) if out.suffix == ".npz"
                  else image_grid(images, least=use.LEAST))


def _reconstruct(args) -> int:
    from avanet.train import use
    out = _out(args, ".png", ".npz")
    model, run = _opened(args)
    use.needs(model, "reconstruct")
    images = _split(args, run).read(slice(0, args.n))
    again = use.reconstructed(model, images)
    print(f"mean squared error of a pixel {float(((images - again) ** 2).mean()):.5f}")
    return _write(out, use.npz({"images": images, "reconstructions": again})
                  if out.suffix == ".npz" else use.pairs_picture(images, again))


def _encode(args) -> int:
    from avanet.train import use
    out = _out(args, ".npz", ".csv")
    model, run = _opened(args)
    use.needs(model, "encode")
    found = use.codes(model, _split(args, run))
    return _write(out, use.codes_csv(found) if out.suffix == ".csv" else use.npz(found))


def _interpolate(args) -> int:
    from avanet.train import use
    out = _out(args, ".png")
    if args.path not in use.PATHS:
        raise unknown_name("path", args.path, use.PATHS)
    model, run = _opened(args)
    use.needs(model, "decode")
    if hasattr(model, "encode"):
        split = _split(args, run)
        for index in (args.start, args.end):
            if index >= len(split):
                raise InputError(f"expected an index below {len(split)}, the images of "
                                 f"{split.source}, got {index}")
        a, b = model.encode(split.read([args.start, args.end]))[0]
    else:
        a, b = (model.draw(1, seed)[0] for seed in (args.start, args.end))
    images = model.decode(use.PATHS[args.path](a, b, args.steps))
    _write(out, use.strip(images))
    return _write(out.with_suffix(".gif"), use.gif(images))


def _traverse(args) -> int:
    import numpy as np

    from avanet.plots import grid_pixels, image_grid
    from avanet.train import use
    out = _out(args, ".png")
    if args.n * args.dims * args.steps > MOST_IMAGES:
        raise InputError(f"-n times --dims times --steps must be at most {MOST_IMAGES} images, got "
                         f"{args.n * args.dims * args.steps}")
    model, run = _opened(args)
    use.needs(model, "encode", "decode")
    split = _split(args, run)
    images = split.read(slice(0, args.n))
    codes = np.asarray(model.encode(split.read(slice(0, use.CHUNK)))[0])
    most = np.argsort(-codes.var(axis=0), kind="stable")[:args.dims]
    shown = use.traversals(model, images, most, np.linspace(-args.reach, args.reach, args.steps))
    print(f"rows: dimensions {', '.join(map(str, most))} of the code, of one image after the other")
    _write(out, image_grid(shown.reshape(-1, *images.shape[1:]), args.steps, least=use.LEAST))
    frames = (grid_pixels(shown[:, :, t].reshape(-1, *images.shape[1:]), len(most), 2, use.LEAST)
              for t in range(args.steps))
    return _write(out.with_suffix(".gif"), use.film(frames))


def _evaluate(args) -> int:
    from avanet.metrics import evaluate, judge
    from avanet.metrics.evaluation import MEANINGS
    from avanet.tables import Table, number, terminal
    out = _out(args, ".json")
    model, run = _opened(args)
    dataset, name = _dataset(args, run)
    judges = dataset.n_classes > 1 and not hasattr(model, "predict")
    found = evaluate(model, dataset[name], judge(dataset) if judges else None, args.seed, args.n)
    rows = [[metric, number(value), f"{number(low)} to {number(high)}", MEANINGS[metric]]
            for metric, (value, low, high) in found.items()]
    print(terminal(Table(f"{model.name} on {dataset.source}, {name}",
                         ["metric", "value", "95 % interval", "meaning"], rows)))
    values = {metric: estimate._asdict() for metric, estimate in found.items()}
    return _write(out, json.dumps({
        "model": model.name, "steps": model.n_steps_, "data": dataset.source, "split": name,
        "checksum": dataset.checksum, "n": args.n, "seed": args.seed, "metrics": values},
        indent=1).encode() + b"\n")


def _opened(args):
    """(model, run.json) that the arguments name."""
    from avanet.train.run import open_run
    return open_run(args.run, args.which)


def _split(args, run):
    """The images that the arguments name, by default those that the run was validated on."""
    dataset, name = _dataset(args, run)
    return dataset[name]


def _dataset(args, run):
    """The data set, and the name of the split."""
    from avanet.data import load_dataset
    from avanet.train.loop import VALIDATION
    from avanet.train.run import place_of_data
    try:
        place = place_of_data(run) if args.data is None else {"data": args.data}
    except (TypeError, ValueError):
        raise InputError(f"{args.run} does not say which data: name it by --data") from None
    dataset = load_dataset(place["data"], _size(args.size) or place.get("size"),
                           root=args.data_dir or place.get("data_dir"))
    there = next((each for each in VALIDATION if each in dataset.splits), "train")
    return dataset, args.split or there


def _size(size):
    return tuple(size) if size else None


def _out(args, *suffixes: str) -> Path:
    """The file to write."""
    folder = Path(args.run) if Path(args.run).is_dir() else Path(args.run).parent
    out = Path(args.out) if args.out else folder / args.default_out
    if out.suffix not in suffixes:
        raise InputError(f"--out: expected a file in {' or '.join(suffixes)}, got {out}")
    return out


def _write(out: Path, data: bytes) -> int:
    write_whole(out, data)
    print(f"wrote {out}")
    return DONE
