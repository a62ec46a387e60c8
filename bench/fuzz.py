"""Hostile files and arguments: every reader must end in a result or in avanet's own error.

    python bench/fuzz.py [--reader idx,npz,...] [--count 100000] [--seed 0] [--keep FOLDER]

Each reader runs in a process of its own whose address space may grow by `MEMORY`, a case may take
`SECONDS`, and no case may leave a file behind. Files are valid ones with mutations, at random bytes
and inside their structure (members of a zip with right checksums, values of a JSON document).
`processes` are whole runs of the command line. Cases that fail are kept in --keep. See README.md.
"""

import argparse
import contextlib
import functools
import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avanet.errors import InputError

MEMORY = 2**29  # bytes that reading one file may take: 512 MiB
SECONDS = 20    # that a case may take
PATIENCE = 30   # seconds after which a whole process gets a Ctrl-C
GIANTS = (2**31 - 1, 2**32 - 1, 2**32, 2**40, 10**12, 2**63 - 1, 2**63, 2**64 - 1, 10**30)
SMALL = (0, 1, 2, 3, 7, 8, 255, 256, 65535, 65536, -1, -2**31)
TEXTS = ("", "x", "../victim", "/etc/passwd", "\0", "é" * 9, "ava5", "avanet-ava-1", "nan",
         "1e999", "float32", "float16", "object", "a" * 9999, "..", "survey-vae", "__class__")

Rng = random.Random
Case = tuple[bytes, ...]


class Reader(NamedTuple):
    """How to make a case from valid ones, and what reads it from a folder of its own."""

    valid: Callable[[Path], list[Any]]
    case: Callable[[Rng, list[Any]], Any]
    read: Callable[[Any, Path], None]


# Mutations ------------------------------------------------------------------------------------

def mutated(rng: Rng, data: bytes) -> bytes:
    """A few changes of the bytes."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(result) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 64))
        kind = rng.randrange(7)
        if kind == 0 and at < len(result):
            result[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            result[at: at + size] = rng.randbytes(size)
        elif kind == 2:
            result[at:at] = rng.randbytes(size)
        elif kind == 3:
            del result[at: at + size]
        elif kind == 4:
            del result[at:]
        elif kind == 5:
            result[at:at] = result[at: at + size] * rng.choice((1, 2, 50))
        else:
            number = rng.choice(SMALL + GIANTS) % 2**(8 * min(size, 8))
            result[at: at + min(size, 8)] = number.to_bytes(
                min(size, 8), rng.choice(("little", "big")))
    return bytes(result)


def hostile_value(rng: Rng) -> Any:
    """A value that a JSON document may hold and a reader may not expect."""
    return rng.choice((
        None, True, False, [], {}, [[]], {"a": 1}, [1, 2, 3], 0.5, -0.0, 1e308, 5e-324, 1e-9,
        float("nan"), float("inf"), rng.choice(SMALL), rng.choice(GIANTS), rng.choice(TEXTS)))


def mutated_json(rng: Rng, value: Any) -> Any:
    """The document with one of its values replaced, removed or added."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.08:
        return hostile_value(rng)
    value = value.copy()
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    kind = rng.random()
    if kind < 0.1:
        del value[key]
    elif kind < 0.15 and isinstance(value, dict):
        value[rng.choice(TEXTS)] = hostile_value(rng)
    elif kind < 0.2 and isinstance(value, list):
        value *= rng.choice((0, 2))
    else:
        value[key] = mutated_json(rng, value[key])
    return value


def json_case(rng: Rng, document: Any) -> bytes:
    """A mutated document as text, or its text mutated, or brackets without end."""
    kind = rng.random()
    if kind < 0.02:
        return rng.choice((b"[", b'{"a":', b"[[], ")) * rng.choice((10, 10**4, 10**5))
    if kind < 0.7:
        for _ in range(rng.choice((1, 1, 2, 4))):
            document = mutated_json(rng, document)
        return json.dumps(document).encode()
    return mutated(rng, json.dumps(document).encode())


def npy(rng: Rng, data: bytes) -> bytes:
    """The bytes of an npy file with another shape or type in its header, or mutated."""
    if rng.random() < 0.5:
        return mutated(rng, data)
    shape = tuple(rng.choice(SMALL + GIANTS) for _ in range(rng.randrange(5)))
    dtype = rng.choice(("|u1", "<f4", "<f8", "|O", "<U9", "|V3", "<c16", "<i8", ">f4", "|b1"))
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + data[128:]


def zip_case(rng: Rng, members: dict[str, bytes],
             header: Callable[[Rng, bytes], bytes] | None = None) -> bytes:
    """A zip file of these members, some mutated, with right checksums; or its bytes mutated."""
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(
            file, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as out:
        for name, data in members.items():
            if rng.random() < 0.4:
                data = header(rng, data) if header and name == "header.npy" else npy(rng, data)
            if rng.random() < 0.03:
                name = rng.choice(("../victim", "/tmp/victim.npy", "x_train", "\1", name + "x"))
            if rng.random() > 0.03:
                out.writestr(name, data)
    data = file.getvalue()
    return data if rng.random() < 0.6 else mutated(rng, data)


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class Trap:
    """Leaves a file behind if it is ever unpickled."""

    def __reduce__(self):
        return open, ("executed", "w")


# Data -----------------------------------------------------------------------------------------

def idx_valid(folder: Path) -> list[bytes]:
    pixels = np.arange(2 * 3 * 4, dtype=">u1")
    return [bytes([0, 0, code, 3]) + struct.pack(">3I", 2, 3, 4) + pixels.astype(dtype).tobytes()
            for code, dtype in ((8, ">u1"), (11, ">i2"), (13, ">f4"), (14, ">f8"))]


def idx_case(rng: Rng, valid: list[bytes]) -> bytes:
    data = rng.choice(valid)
    if rng.random() < 0.3:
        sizes = [rng.choice(SMALL + GIANTS) % 2**32 for _ in range(rng.randrange(1, 5))]
        data = data[:3] + bytes([len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + data[16:]
    else:
        data = mutated(rng, data)
    if rng.random() < 0.2:
        data = gzip.compress(data, 1)
        data = data if rng.random() < 0.5 else mutated(rng, data)
    return data


def read_idx(case: bytes, folder: Path) -> None:
    from avanet.data.idx import read_idx
    (folder / "case").write_bytes(case)
    read_idx(folder / "case")


def npz_valid(folder: Path) -> list[dict[str, bytes]]:
    file = io.BytesIO()
    np.savez(file, x_train=np.eye(4, dtype=np.uint8)[None], y_train=np.array([1]),
             x_test=np.full((2, 4, 4, 1), 0.5, np.float32), y_test=np.array([0, 1]),
             class_names=np.array(["a", "b"]))
    trap = io.BytesIO()
    np.savez(trap, x_train=np.array([Trap()], object))
    return [members_of(file.getvalue()), members_of(trap.getvalue())]


def npz_case(rng: Rng, valid: list[dict[str, bytes]]) -> bytes:
    return zip_case(rng, rng.choice(valid))


def read_npz(case: bytes, folder: Path) -> None:
    from avanet.data.arrays import read_npz
    (folder / "case.npz").write_bytes(case)
    read_npz(folder / "case.npz")


def images_valid(folder: Path) -> list[bytes]:
    from PIL import Image
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
    pictures = [(Image.fromarray(pixels).convert(mode), kind)
                for mode, kinds in (("RGB", ("PNG", "JPEG", "BMP")), ("L", ("PNG", "JPEG", "BMP")),
                                    ("RGBA", ("PNG",)), ("P", ("PNG", "BMP")), ("1", ("PNG",)))
                for kind in kinds]
    pictures.append((Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG"))
    files = []
    for picture, kind in pictures:
        file = io.BytesIO()
        picture.save(file, kind)
        files.append(file.getvalue())
    return files


def images_case(rng: Rng, valid: list[bytes]) -> bytes:
    data = rng.choice(valid)
    if data[:4] == b"\x89PNG" and rng.random() < 0.6:
        return png_case(rng, data)
    return mutated(rng, data)


def png_case(rng: Rng, data: bytes) -> bytes:
    """A PNG with mutated chunks whose checksums are right."""
    result, at = data[:8], 8
    while at < len(data):
        size = int.from_bytes(data[at: at + 4], "big")
        kind, content = data[at + 4: at + 8], data[at + 8: at + 8 + size]
        at += 12 + size
        if rng.random() < 0.4:
            if kind == b"IHDR" and rng.random() < 0.5:
                width, height = (rng.choice(SMALL + GIANTS) % 2**32 for _ in range(2))
                content = struct.pack(">2I", width, height) + content[8:]
            elif kind == b"IDAT" and rng.random() < 0.5:
                content = zlib.compress(mutated(rng, zlib.decompress(content)))
            else:
                content = mutated(rng, content)
        for _ in range(rng.choice((1,) * 20 + (0, 2))):
            result += struct.pack(">I", len(content)) + kind + content
            result += struct.pack(">I", zlib.crc32(kind + content))
    return result


def read_images(case: bytes, folder: Path) -> None:
    from avanet.data import FolderImages, load_dataset, read_folder
    (folder / "case.png").write_bytes(case)
    with contextlib.suppress(InputError):
        read_folder(folder)
    FolderImages(folder)[:]
    load_dataset(folder, size=(3, 2)).checksum


# Models, runs, traces -------------------------------------------------------------------------

def models_valid(suffix: str) -> Callable[[Path], list[bytes]]:
    def valid(folder: Path) -> list[bytes]:
        from avanet.ava import AVA
        from avanet.models import model_class
        files = []
        X = np.random.default_rng(0).random((4, 4, 4, 1))
        for model in (AVA("ava5", latent_dim=2, hidden_dim=2).fit(X[..., 0]),
                      AVA("ava1", latent_dim=1, hidden_dim=2, covariance="full").fit(X[..., 0]),
                      model_class("survey-vae")(latent=2, hidden=2).start((4, 4, 1))):
            model.save(folder / f"case{suffix}")
            files.append((folder / f"case{suffix}").read_bytes())
        return files
    return valid


def header_member(rng: Rng, data: bytes) -> bytes:
    """The member that holds the JSON header, its document mutated."""
    array = np.lib.format.read_array(io.BytesIO(data))
    text = json_case(rng, json.loads(array.tobytes()))
    file = io.BytesIO()
    np.lib.format.write_array(file, np.frombuffer(text, np.uint8))
    return file.getvalue()


def model_npz_case(rng: Rng, valid: list[bytes]) -> bytes:
    return zip_case(rng, members_of(rng.choice(valid)), header_member)


def safetensors_case(rng: Rng, valid: list[bytes]) -> bytes:
    data = rng.choice(valid)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8: 8 + size])
    kind = rng.random()
    if kind < 0.4:
        inner = json.loads(header["__metadata__"]["avanet"])
        header["__metadata__"]["avanet"] = json_case(rng, inner).decode(errors="replace")
    elif kind < 0.7:
        header = mutated_json(rng, header)
    text = json.dumps(header).encode()
    result = len(text).to_bytes(8, "little") + text + data[8 + size:]
    return result if kind < 0.7 else mutated(rng, result)


def read_model(suffix: str) -> Callable[[bytes, Path], None]:
    def read(case: bytes, folder: Path) -> None:
        from avanet import models
        from avanet.ava import AVA
        path = folder / f"case{suffix}"
        path.write_bytes(case)
        with contextlib.suppress(InputError):
            AVA.load(path)
        models.load(path)
    return read


def checkpoint_valid(folder: Path) -> list[bytes]:
    from avanet.train.checkpoint import Sums, save_checkpoint
    model, batches = small_training()
    sums = Sums()
    for batch in batches:
        sums.add(model.step(batch), len(batch.x))
        break
    save_checkpoint(folder / "case.npz", model, batches, sums)
    return [(folder / "case.npz").read_bytes()]


def small_training():
    from avanet.models import model_class
    model = model_class("survey-vae")(latent=2, hidden=2, batch=2).start((4, 4, 1), 4)
    return model, model.batches(small_set()["train"])


def read_checkpoint(case: bytes, folder: Path) -> None:
    from avanet.train.checkpoint import load_checkpoint
    (folder / "case.npz").write_bytes(case)
    load_checkpoint(folder / "case.npz", *small_training())


BM_CELL = {"rules": "as-run", "model": "ava5", "rate": 0.5}


@functools.cache
def two_images() -> tuple[tempfile.TemporaryDirectory, Any]:
    """A folder of small images, which lives as long as this process, and what is in it."""
    from PIL import Image

    from avanet import data
    folder = tempfile.TemporaryDirectory(prefix="avanet-fuzz-images-")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(Path(folder.name, f"{number}.png"))
    return folder, data.load(folder.name)


def run_valid(folder: Path) -> list[Any]:
    """run.json, results.jsonl and files.jsonl of two cells on small images, as a sweep has them."""
    from avanet.experiments import bm
    place, images = two_images()
    run = {"protocol": bm.protocol_of(images, False),
           "environment": {"avanet": "0.1.0", "numpy": "2.0", "data": place.name}}
    lines = [bm.work(BM_CELL | {"seed": seed}, bm.Task(images.pixels, False)).line
             for seed in range(2)]
    return [run, lines, [{"file": "best/a.png"}, {"file": "tables.md"}]]


def run_case(rng: Rng, valid: list[Any]) -> Case:
    """Contents of run.json, results.jsonl and files.jsonl, one of them damaged at least."""
    run, *journals = valid
    damaged = rng.randrange(3)
    files = [json_case(rng, run) if damaged == 0 else json.dumps(run).encode()]
    for number, journal in enumerate(journals, 1):
        files.append(journal_case(rng, journal) if damaged == number else written(journal))
    return tuple(files)


def written(journal: list[Any]) -> bytes:
    """The lines of a journal."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in journal)


def journal_case(rng: Rng, journal: list[Any]) -> bytes:
    """A journal with a damaged line, and perhaps a damaged end."""
    lines = [json.dumps(line).encode() for line in journal]
    at = rng.randrange(len(lines))
    lines[at] = json_case(rng, journal[at])
    return b"\n".join(lines) + rng.choice((b"\n", b"\n", b"", b"\n{", b"\0\n"))


def read_run(case: Case, folder: Path) -> None:
    """Reading for `diff` and `replay`, going on with the run, and starting it anew.

    What `replay` would run again runs here, without worker processes.
    """
    from avanet.experiments import replay
    from avanet.experiments.bm import KEY
    from avanet.experiments.diff import diff
    from avanet.experiments.store import RunFolder
    for name, data in zip(("run.json", "results.jsonl", "files.jsonl"), case):
        (folder / name).write_bytes(data)
    failures = []
    replay.run_cells = lambda cells, work, folder, jobs, *, shared, progress: [
        work(cell, shared).line for cell in cells]
    for use in (lambda: list(diff(folder, folder)), lambda: replay.replay(folder),
                lambda: open_run(RunFolder(folder, KEY)),
                lambda: open_run(RunFolder(folder, KEY), fresh=True)):
        try:
            with unheard():
                use()
        except InputError as error:
            failures.append(error)
    if failures:
        raise failures[0]


@contextlib.contextmanager
def unheard():
    """What is printed in here is thrown away."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def open_run(folder, fresh: bool = False) -> None:
    from avanet.experiments import bm
    with folder:
        folder.open_run(bm.protocol_of(two_images()[1], False), {}, fresh)
        folder.finish()


def small_set():
    from avanet.data import Dataset, Split
    X = np.random.default_rng(0).random((4, 4, 4, 1)).astype(np.float32)
    return Dataset("small", {"train": Split(X, source="small")})


def train_small(folder: Path) -> None:
    """One epoch, or going on with a run that has it."""
    from avanet.models import model_class
    from avanet.train.loop import train
    train(model_class("survey-vae")(latent=2, hidden=2, batch=2, epochs=1), small_set(), folder, [])


def training_valid(folder: Path) -> list[Any]:
    """run.json, log.jsonl and the checkpoint's name and bytes of a training run."""
    with unheard():
        train_small(folder / "run")
    checkpoint, = (folder / "run").glob("last.*")
    logged = (folder / "run" / "log.jsonl").read_text().splitlines()
    valid = [json.loads((folder / "run" / "run.json").read_text()), list(map(json.loads, logged)),
             checkpoint.name, checkpoint.read_bytes()]
    shutil.rmtree(folder / "run")
    return valid


def training_case(rng: Rng, valid: list[Any]) -> Any:
    """One of the three files damaged."""
    run, log, name, checkpoint = valid
    damaged = rng.randrange(3)
    if damaged == 2:
        change = model_npz_case if name.endswith(".npz") else safetensors_case
        checkpoint = change(rng, [checkpoint])
    return (json_case(rng, run) if damaged == 0 else json.dumps(run).encode(),
            journal_case(rng, log) if damaged == 1 else written(log), name, checkpoint)


def read_training(case: Any, folder: Path) -> None:
    """Using the run's model, comparing runs, and going on with the training."""
    from avanet.experiments.diff import diff
    from avanet.train.run import open_run
    run, log, name, checkpoint = case
    for file, data in (("run.json", run), ("log.jsonl", log), (name, checkpoint)):
        (folder / file).write_bytes(data)
    failures = []
    for use in (lambda: open_run(folder)[0].sample(2), lambda: list(diff(folder, folder)),
                lambda: train_small(folder)):
        try:
            with unheard():
                use()
        except InputError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def recorded_valid(folder: Path) -> list[Any]:
    """run.json of a training on a file beside it, whose place is written as PLACE."""
    from avanet.environment import environment
    from avanet.models import model_class
    from avanet.train.run import describe
    model = model_class("survey-vae")(latent=2, hidden=2, batch=2, epochs=1)
    return [{"training": describe(model, small_set()), "settings": model.settings,
             "data": "PLACE/data.npz", "data_dir": None, "size": None, "weights": ".npz",
             "environment": environment()}]


def read_recorded(case: bytes, folder: Path) -> None:
    """What `train --run FOLDER` goes on with, and the data that `evaluate FOLDER` finds."""
    from avanet.data import load_dataset
    from avanet.train import commands, use_commands
    from avanet.train.run import Run
    np.savez(folder / "data.npz", x_train=small_set()["train"].images)
    (folder / "run.json").write_bytes(case.replace(b"PLACE", os.fsencode(folder)))
    with contextlib.suppress(InputError):
        use_commands._dataset(parser().parse_args(["evaluate", str(folder)]),
                              Run(folder).read_run())
    model, given, _ = commands._recorded(parser().parse_args(["train", "--run", str(folder)]))
    model.config
    load_dataset(given["data"], given["size"], root=given["data_dir"])


def settings_valid(folder: Path) -> list[tuple[str, list[str]]]:
    """Models and all their settings as `--set` takes them."""
    from dataclasses import fields

    from avanet.models import AVA_MODELS, MODELS, model_class
    return [(name, [f"{field.name}={field.default}" for field in fields(model_class(name).Config)])
            for name in (*MODELS, *AVA_MODELS)]


def settings_case(rng: Rng, valid: list[tuple[str, list[str]]]) -> tuple[str, list[str]]:
    """A few of a model's settings, with another's among them, or other values, or mutated."""
    name, texts = rng.choice(valid)
    texts = rng.sample(texts, rng.randrange(1, 4))
    for at, text in enumerate(texts):
        kind = rng.random()
        if kind < 0.5:
            texts[at] = f"{text.split('=')[0]}={hostile_value(rng)}"
        elif kind < 0.6:
            texts[at] = rng.choice(rng.choice(valid)[1])
        elif kind < 0.8:
            texts[at] = mutated(rng, text.encode()).decode(errors="surrogateescape")
    return name, texts


def read_settings(case: tuple[str, list[str]], folder: Path) -> None:
    """As text from the command line, and as values from a document."""
    from avanet.models import model_class
    from avanet.models.config import parsed
    name, texts = case
    kind = model_class(name)
    settings = dict(text.partition("=")[::2] for text in texts)
    with contextlib.suppress(InputError):
        kind(**settings).config
    kind(**parsed(kind.Config, texts)).config


def trace_valid(folder: Path) -> list[Any]:
    from avanet.step.small import reduced, small_model
    from avanet.step.tracing import trace
    steps = trace(small_model("ava5", net="2-1-1"), reduced("orbit", 2), steps=1)
    steps.save(folder / "case.json")
    return [json.loads((folder / "case.json").read_text())]


def document_case(rng: Rng, valid: list[Any]) -> bytes:
    return json_case(rng, valid[0])


def read_trace(case: bytes, folder: Path) -> None:
    from avanet.step.commands import _scenes, _traced
    (folder / "case.json").write_bytes(case)
    args = parser().parse_args(["step", str(folder / "case.json")])
    _scenes(_traced(args)[0], args)


# The command line -----------------------------------------------------------------------------

WORDS = ("reproduce", "bm", "verify", "step", "explain", "data", "list", "make", "download",
         "warmup", "doctor", "replay", "diff", "train", "ava5", "ava1", "eq6", "orbit", "digits",
         "mnist", "survey-vae", "--data", "--out", "--jobs", "--models", "--rates", "--seeds",
         "--rules", "--scale", "quick", "--size", "--fresh", "--seed", "--json", "--html", "--x",
         "--net", "4-3-2", "--rate", "--steps", "--player", "--neuron", "--quiz", "--gallery",
         "--latex", "--cell", "model=ava5", "--epochs", "--set", "latent=2", "--run", "--patience",
         "--data-dir", "--help", "--version", "--", "-1", "0", "1", "2", "0.5", "1e999", "nan",
         "vae,gan", "as-run", "1" * 5000, "٣", "", " ", ",", "=", "a=b", "../x", "/dev/null",
         "\udcff", "x\0y", "-", "@x", "%s", "{}", "*", "--errata")
STARTS = (["reproduce", "bm"], ["step"], ["step", "ava5"], ["explain"], ["explain", "eq6"],
          ["data", "list"], ["data", "make", "orbit"], ["replay"], ["diff"], ["train"],
          ["train", "survey-vae", "--epochs", "1"], ["verify", "--errata"],
          ["reproduce", "bm", "--models", "vae", "--rates", "0.5", "--seeds", "1"], [])


def arguments_valid(folder: Path) -> list[list[str]]:
    return [list(start) for start in STARTS]


def arguments_case(rng: Rng, valid: list[list[str]]) -> list[str]:
    words = list(rng.choice(valid))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        words.insert(rng.randrange(len(words) + 1), rng.choice(WORDS))
    if words and rng.random() < 0.3:
        at = rng.randrange(len(words))
        words[at] = mutated(rng, words[at].encode(errors="surrogateescape")).decode(
            errors="replace")
    return words


@functools.cache
def parser() -> argparse.ArgumentParser:
    from avanet.cli import _parser
    return _parser()


def parse_arguments(case: list[str], folder: Path) -> None:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            parser().parse_args(case)
    except SystemExit as end:
        if end.code:
            raise


def run_process(case: list[str], folder: Path) -> None:
    """The whole command in an empty folder; one that goes on for long gets a Ctrl-C."""
    words = [word.replace("\0", "") for word in case if word != "download"]
    home = folder / "home"
    home.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "avanet", *words], cwd=home, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    text = errors.decode(errors="replace")
    if b"Traceback" in errors or process.returncode not in (0, 1, 2, 130):
        raise RuntimeError(f"exit code {process.returncode} of {words}\n{text}")
    if process.returncode == 2:
        if text.count("avanet: ") != 1 or len(text) > 20_000:
            raise RuntimeError(f"not one clear line for {words}\n{text}")
        raise InputError(text)


READERS = {
    "idx": Reader(idx_valid, idx_case, read_idx),
    "npz": Reader(npz_valid, npz_case, read_npz),
    "images": Reader(images_valid, images_case, read_images),
    "model-npz": Reader(models_valid(".npz"), model_npz_case, read_model(".npz")),
    "safetensors": Reader(models_valid(".safetensors"), safetensors_case,
                          read_model(".safetensors")),
    "checkpoint": Reader(checkpoint_valid, model_npz_case, read_checkpoint),
    "run": Reader(run_valid, run_case, read_run),
    "training": Reader(training_valid, training_case, read_training),
    "recorded": Reader(recorded_valid, document_case, read_recorded),
    "settings": Reader(settings_valid, settings_case, read_settings),
    "trace": Reader(trace_valid, document_case, read_trace),
    "arguments": Reader(arguments_valid, arguments_case, parse_arguments),
    "processes": Reader(arguments_valid, arguments_case, run_process),
}


# One reader -----------------------------------------------------------------------------------

class Hang(BaseException):
    """A case took more than `SECONDS`."""


def hang(number, frame):
    raise Hang


def fuzz(name: str, count: int, seed: int, root: Path) -> dict[str, Any]:
    """How the cases of one reader ended; {"failures": {what: [how often, first case]}}."""
    reader, victim = READERS[name], root / "victim"
    victim.write_text("untouched")
    (valid_folder := root / "valid").mkdir()
    valid = reader.valid(valid_folder)
    shutil.rmtree(valid_folder)
    folder = root / "case"
    os.chdir(root)
    ended: Counter = Counter()
    failures: dict[str, list] = {}
    signal.signal(signal.SIGALRM, hang)
    for number in range(count):
        case = reader.case(Rng(f"{name} {seed} {number}"), valid)
        folder.mkdir()
        try:
            signal.alarm(SECONDS if name != "processes" else 3 * PATIENCE)
            reader.read(case, folder)
            ended["read"] += 1
        except InputError:
            ended["refused"] += 1
        except (Exception, Hang) as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {str(error)[:300]} ({frame.filename}:{frame.lineno})"
            failures.setdefault(what, [0, repr(case)])[0] += 1
        finally:
            signal.alarm(0)
        shutil.rmtree(folder)
        if sorted(os.listdir(root)) != ["victim"] or victim.read_text() != "untouched":
            failures.setdefault("wrote outside its folder", [0, repr(case)])[0] += 1
            for stray in set(os.listdir(root)) - {"victim"}:
                (root / stray).unlink()
            victim.write_text("untouched")
    return dict(ended) | {"failures": failures}


def limited(memory: int) -> None:
    """Let the address space of this process grow by no more than `memory`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (bound, resource.RLIM_INFINITY))


def child(name: str, count: int, seed: int) -> None:
    import avanet.experiments.bm  # noqa: F401 (what is imported does not count as memory read)
    import avanet.models  # noqa: F401
    import avanet.step.commands  # noqa: F401
    import avanet.train.loop  # noqa: F401
    metadata.version = functools.cache(metadata.version)  # a third of a run's case
    with tempfile.TemporaryDirectory(prefix="avanet-fuzz-") as root:
        READERS[name].valid(Path(root))  # loads and compiles what a first use does
        for left in Path(root).iterdir():
            left.unlink()
        if name != "processes":
            limited(MEMORY)
        result = fuzz(name, count, seed, Path(root))
        os.chdir("/")
    result["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


def main(argv: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--reader", default=",".join(READERS))
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", type=Path, help="folder for the cases that fail")
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in a shell's background; inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if args.child:
        child(args.reader, args.count, args.seed)
        return 0
    failed = False
    print("| reader | cases | read | refused | failed | seconds | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in args.reader.split(","):
        start = time.monotonic()
        count = args.count if name != "processes" else min(args.count, 300)
        run = subprocess.run(
            [sys.executable, __file__, "--child", "--reader", name, "--count", str(count),
             "--seed", str(args.seed)], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
        if run.returncode:
            print(f"| {name} | {count} | the process ended with {run.returncode} |")
            failed = True
            continue
        result = json.loads(run.stdout)
        wrong = result["failures"]
        print(f"| {name} | {count:,} | {result.get('read', 0):,} | {result.get('refused', 0):,} | "
              f"{sum(n for n, _ in wrong.values())} | {time.monotonic() - start:.0f} | "
              f"{result['peak']} |", flush=True)
        for what, (number, case) in wrong.items():
            failed = True
            print(f"    {number} x {what}\n        {case[:300]}", flush=True)
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                (args.keep / f"{name}-{zlib.crc32(what.encode()):08x}.txt").write_text(case)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
