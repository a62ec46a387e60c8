"""A checkpoint: the model, and whatever else training needs to go on bit for bit.

A file of named arrays with a JSON header (`avanet.tensors`): what `Model.save` writes, so that
`Model.load` reads it too, and under "training" the optimisers, the generator, where in which order
of batches the epoch is, and the sums of its losses so far.
"""

from dataclasses import dataclass, field
from pathlib import Path

from avanet.data import Batches
from avanet.errors import InputError
from avanet.models.base import Losses, Model, check_none_left
from avanet.tensors import not_ours, read_tensors, write_tensors


@dataclass
class Sums:
    """Losses of the epoch under way, each times the images of its batch, and these images.

    A loss counts where it is given: a generator may learn from every k-th batch alone.
    """

    losses: Losses = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    def add(self, losses: Losses, images: int) -> None:
        """Count a batch of so many images."""
        for name, loss in losses.items():
            self.losses[name] = self.losses.get(name, 0.0) + float(loss) * images
            self.images[name] = self.images.get(name, 0) + images

    def means(self) -> Losses:
        """The mean of each loss over its images so far."""
        return {name: total / self.images[name] for name, total in self.losses.items()}


def save_checkpoint(path: Path, model: Model, batches: Batches, sums: Sums,
                    advice: str = "") -> None:
    """Write the checkpoint, whole or not at all.

    Raises InputError, which ends with `advice`, if the system refuses.
    """
    state, tensors = model.training_state()
    state |= {"batches": batches.state(), "sums": sums.losses, "images": sums.images}
    write_tensors(path, model.header() | {"training": state}, model.tensors() | tensors,
                  advice)


def load_checkpoint(path: Path, model: Model, batches: Batches) -> Sums:
    """Bring a started model and its batches to where the checkpoint was written; the sums.

    Raises
    ------
    InputError
        If the file is damaged, is no checkpoint, or one of another model or version.
    """
    header, tensors = read_tensors(path)
    with not_ours(path):
        state, expected = header.pop("training"), model.header()
        for name in ("format", "model", "dtype", "shape"):
            if header[name] != expected[name]:
                raise ValueError(f"expected {name} {expected[name]}, got {header[name]}")
        model.take(tensors)
        model.take_training(state, tensors)
        check_none_left(tensors)
        sums = Sums({name: float(total) for name, total in state["sums"].items()},
                    {name: int(state["images"][name]) for name in state["sums"]})
        model.n_steps_ = int(header["n_steps"])
        try:
            batches.restore(state["batches"])
        except InputError as error:
            raise ValueError(str(error)) from None
        if model.n_steps_ != batches.epoch * len(batches) + batches.position:
            raise ValueError(f"{model.n_steps_} steps do not fit epoch {batches.epoch}, "
                             f"batch {batches.position}")
    return sums
