"""Mini-batches: shuffled, prepared and corrupted on the way, and resumable to the bit.

A step of a pipeline is a plain function (images (B, H, W, C) float32, rng) -> images.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from avanet.data.dataset import Split
from avanet.errors import InputError

Step = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Batch(NamedTuple):
    """One mini-batch.

    Attributes
    ----------
    x : (B, H, W, C) float32, the network's input: `target`, corrupted if the pipeline says so
    target : (B, H, W, C) float32, what it should give back; the same array as x if not corrupted
    labels : (B,) or (B, F) int64, or None
    indices : (B,) int64, the places in the split
    """

    x: np.ndarray
    target: np.ndarray
    labels: np.ndarray | None
    indices: np.ndarray


class Batches:
    """The mini-batches of a split, one epoch for each `for` loop.

    Parameters
    ----------
    split : Split
    size : int
        Images in a batch.
    rng : numpy.random.Generator
        Draws the order of each epoch and whatever the steps draw. Others may draw from it between
        the batches: its state belongs to `state`.
    prepare : steps from images in [0, 1] to the target
    corrupt : steps from the target to the input
    shuffle : bool
        If not, every epoch has the order of the split.
    partial : bool
        Whether the last batch, if fewer images are left, is given too.

    Attributes
    ----------
    epoch, position : int
        Finished epochs, and batches given in the one that is under way.

    Raises
    ------
    InputError
        If the size is not positive or larger than the split.
    """

    def __init__(self, split: Split, size: int, rng: np.random.Generator,
                 prepare: Sequence[Step] = (), corrupt: Sequence[Step] = (), shuffle: bool = True,
                 partial: bool = True):
        if not 1 <= size <= len(split):
            raise InputError(f"expected a batch size from 1 to the {len(split)} images of "
                             f"{split.source}, got {size}")
        self.split, self.size, self.rng = split, int(size), rng
        self.prepare, self.corrupt = tuple(prepare), tuple(corrupt)
        self.shuffle, self.partial = shuffle, partial
        self.epoch = self.position = 0
        self._order: np.ndarray | None = None
        self._before_order: Mapping[str, Any] = {}

    def __len__(self) -> int:
        """Batches in an epoch."""
        return (math.ceil if self.partial else math.floor)(len(self.split) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        """What is left of the epoch under way, or a new one."""
        if self._order is None:
            self._draw_order()
        while self.position < len(self):
            indices = self._order[self.position * self.size:(self.position + 1) * self.size]
            self.position += 1
            yield self._batch(indices)
        self.epoch, self.position, self._order = self.epoch + 1, 0, None

    def _draw_order(self) -> None:
        self._before_order = self.rng.bit_generator.state
        n = len(self.split)
        self._order = self.rng.permutation(n) if self.shuffle else np.arange(n)

    def _batch(self, indices: np.ndarray) -> Batch:
        target = _apply(self.prepare, self.split.read(indices), self.rng)
        x = _apply(self.corrupt, target, self.rng)
        labels = None if self.split.labels is None else self.split.labels[indices]
        return Batch(x, target, labels, indices)

    def state(self) -> dict[str, Any]:
        """Where the next batch is, and the generator: plain data, for PCG64 fit for JSON.

        Taken between two batches of a loop or between epochs; with the same split, size and steps,
        `restore` goes on from there bit for bit.
        """
        return {"epoch": self.epoch, "position": self.position,
                "order": copy.deepcopy(self._before_order) if self._order is not None else None,
                "generator": copy.deepcopy(self.rng.bit_generator.state)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; sets the generator too.

        Raises
        ------
        InputError
            If the state is another generator's, or beyond the epoch's end.
        """
        try:
            epoch, position = int(state["epoch"]), int(state["position"])
            if epoch < 0 or not 0 <= position <= len(self) or position and not state["order"]:
                raise ValueError(f"batch {position} of {len(self)} in epoch {epoch}")
            self._order = None
            if state["order"]:
                self.rng.bit_generator.state = state["order"]
                self._draw_order()
            self.rng.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not the state of these batches ({error}): start afresh") from error
        self.epoch, self.position = epoch, position


def _apply(steps: Sequence[Step], images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    for step in steps:
        images = step(images, rng)
    return images


# Steps ----------------------------------------------------------------------------------------

def gaussian_noise(deviation: float, low: float = 0.0, high: float = 1.0) -> Step:
    """x + deviation N(0, 1), clipped to [low, high]: noise for a denoising autoencoder.

    Raises `InputError` if the deviation is negative or not finite.
    """
    if not 0 <= deviation < math.inf:
        raise InputError(f"expected a noise deviation of at least 0, got {deviation}")

    def add(images, rng):
        noisy = rng.standard_normal(images.shape, np.float32)
        noisy *= np.float32(deviation)
        noisy += images
        return np.clip(noisy, low, high, out=noisy)
    return add


def threshold(at: float = 0.5) -> Step:
    """1 where x > at, 0 elsewhere: fixed binarisation."""
    return lambda images, rng: (images > at).astype(np.float32)


def bernoulli(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """1 with probability x, 0 otherwise, drawn anew every time: stochastic binarisation.

    Source: Salakhutdinov and Murray, "On the quantitative analysis of deep belief networks", 2008.
    """
    return (rng.random(images.shape, np.float32) < images).astype(np.float32)


def symmetric(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """2 x - 1: from [0, 1] to [-1, 1], the range of tanh."""
    return 2 * images - 1
