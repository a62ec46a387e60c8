"""Data sets as values: splits of images with their labels, checked once when they are made."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from avanet.data.images import FolderImages, checked_size, crop_size
from avanet.errors import InputError, unknown_name

CHUNK = 256  # images at a time where a folder is read through


@dataclass(frozen=True, eq=False)
class Split:
    """Images and, where they are known, labels; not to be written to.

    Attributes
    ----------
    images : (N, H, W, C) uint8 in 0..255, or float32 in [0, 1], or `FolderImages`
        Given as (N, H, W), a channel axis is added; as bool, they become 0 and 255; as any float
        type, float32.
    labels : (N,) or (N, F) int64, or None
        Classes 0, 1, ..., or the indices of F factors.
    source : str
        For messages.

    Raises
    ------
    InputError
        No images, another shape or type, pixels that are NaN or out of range, labels that are
        negative, not whole, or not one for each image.
    """

    images: np.ndarray | FolderImages
    labels: np.ndarray | None = None
    source: str = "data"

    def __post_init__(self):
        object.__setattr__(self, "images", self._checked_images())
        object.__setattr__(self, "labels", self._checked_labels())

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices) -> np.ndarray:
        """The images at the indices, (B, H, W, C) float32 in [0, 1]."""
        images = self.images[indices]
        return images / np.float32(255) if images.dtype == np.uint8 else images

    def _checked_images(self):
        images = self.images
        if isinstance(images, FolderImages):
            return images
        if images.ndim not in (3, 4) or 0 in images.shape:
            raise InputError(f"{self.source}: expected images of shape (N, H, W) or (N, H, W, C), "
                             f"none of these 0, got {images.shape}")
        images = images if images.ndim == 4 else images[..., None]
        if images.dtype.kind in "bui":
            return _whole_pixels(images, self.source)
        if images.dtype.kind != "f":
            raise InputError(f"{self.source}: expected pixels as numbers, got {images.dtype}")
        low, high = images.min(), images.max()
        if not (0 <= low and high <= 1):  # NaN too
            raise InputError(f"{self.source}: expected float pixels in [0, 1], got "
                             + ("NaN" if np.isnan(low) else f"{low:g} to {high:g}"))
        return images.astype(np.float32, copy=False)

    def _checked_labels(self):
        labels = self.labels
        if labels is None:
            return None
        if labels.ndim not in (1, 2) or len(labels) != len(self) or 0 in labels.shape:
            raise InputError(f"{self.source}: expected a label (or a row of factors) for each of "
                             f"{len(self)} images, got shape {labels.shape}")
        if labels.dtype.kind not in "bui" or labels.min() < 0:
            smallest = f", smallest {labels.min()}" if labels.dtype.kind in "if" else ""
            raise InputError(f"{self.source}: expected labels as whole numbers from 0, got "
                             f"{labels.dtype}{smallest}")
        return labels.astype(np.int64)


def _whole_pixels(images: np.ndarray, source: str) -> np.ndarray:
    """As uint8 in 0..255."""
    if images.dtype == bool:
        return images * np.uint8(255)
    if images.dtype != np.uint8 and (images.min() < 0 or images.max() > 255):
        raise InputError(f"{source}: expected whole pixels in 0..255, got {images.min()} to "
                         f"{images.max()}")
    return images.astype(np.uint8, copy=False)


@dataclass(frozen=True, eq=False)
class Dataset:
    """What `--data NAME|PATH` means: named splits, as `train` and `test`, of images of one size.

    Attributes
    ----------
    source : the name or the path, as the user gave it
    splits : {name: Split}, `train` always among them
    class_names : the C names of the classes, in the order of the labels; () if unknown
    factor_names : the F names of the factors, in the order of the labels' columns; () if unknown

    Raises
    ------
    InputError
        No split `train`, images of different shapes, or a label without a class name.
    """

    source: str
    splits: Mapping[str, Split]
    class_names: tuple[str, ...] = ()
    factor_names: tuple[str, ...] = ()

    def __post_init__(self):
        if "train" not in self.splits:
            raise InputError(f"{self.source}: expected a split train, got {', '.join(self.splits)}")
        for name, split in self.splits.items():
            if split.images.shape[1:] != self.shape:
                raise InputError(f"{self.source}: the images of train are of shape {self.shape}, "
                                 f"of {name} {split.images.shape[1:]}")
            if self.class_names and split.labels is not None \
                    and split.labels.max() >= len(self.class_names):
                raise InputError(f"{self.source}, {name}: expected labels below "
                                 f"{len(self.class_names)}, got {split.labels.max()}")

    def __getitem__(self, name: str) -> Split:
        """The split of that name; `InputError` if there is none."""
        if name not in self.splits:
            raise unknown_name(f"split of {self.source}", name, self.splits)
        return self.splits[name]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return self.splits["train"].images.shape[1:]

    @property
    def n_classes(self) -> int:
        """How many classes there are, 0 without labels or with factors."""
        labels = [split.labels for split in self.splits.values() if split.labels is not None]
        if not labels or any(each.ndim == 2 for each in labels):
            return 0
        return len(self.class_names) or 1 + max(int(each.max()) for each in labels)

    @cached_property
    def checksum(self) -> str:
        """SHA-256, in hexadecimal, of split names, shapes, pixels rounded to 0..255 and labels:
        the same for the same data, whatever the format of the file. Reads every image once."""
        digest = hashlib.sha256()
        for name, split in self.splits.items():
            digest.update(f"{name} {split.images.shape}".encode())
            for start in range(0, len(split), CHUNK):
                pixels = split.images[start:start + CHUNK]
                if pixels.dtype != np.uint8:
                    pixels = np.rint(pixels * 255).astype(np.uint8)
                digest.update(pixels.tobytes())
            if split.labels is not None:
                digest.update(split.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def fitted(dataset: Dataset, size: tuple[int, int] | None = None,
           crop: tuple[int, int, int, int] | None = None) -> Dataset:
    """Every image cropped to (left, top, right, bottom), then resized to (width, height).

    Each new pixel is the mean of the area that it covers (Pillow's BOX filter). For images in
    memory; those of a folder are fitted as they are read. Raises `InputError` for a crop or a
    size that cannot be.
    """
    height, width, _ = dataset.shape
    left, top, right, bottom = crop or (0, 0, width, height)
    kept = crop_size((left, top, right, bottom), (width, height))
    size = checked_size(size or kept)
    splits = {}
    for name, split in dataset.splits.items():
        images = split.images[:, top:bottom, left:right]
        splits[name] = replace(split, images=images if size == kept else _resize(images, size))
    return replace(dataset, splits=splits)


def _resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Channel by channel: (N, H, W, C) -> (N, height, width, C), in the images' dtype."""
    result = np.empty((len(images), size[1], size[0], images.shape[3]), images.dtype)
    for new, old in zip(result, images):
        for c in range(images.shape[3]):
            channel = Image.fromarray(np.ascontiguousarray(old[..., c]))
            new[..., c] = channel.resize(size, Image.Resampling.BOX)
    return result
