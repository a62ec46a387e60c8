"""The layer table of a model: shapes, parameters, and the arithmetic that an image takes."""

from collections.abc import Iterator
from math import prod

from avanet.models.base import Model
from avanet.nn import Concatenate, Container, Dense, Residual
from avanet.nn.conv import Convolution, ConvTranspose2D
from avanet.nn.layers import Layer, Shape
from avanet.tables import Table

NOTE = ("FLOPs: of one image's forward pass, 2 for each multiply-add of dense layers and "
        "convolutions; biases, activations, normalisation and pooling are not counted.")


def layer_table(model: Model) -> Table:
    """The layers of a started model, player by player."""
    rows, parameters, total = [], 0, 0
    for name, player in model.players_.items():
        shape = model.input_shape(name)
        rows.append([name, "input", _sizes(shape), "", ""])
        parameters += player.params.size
        for layer in player.layers:
            work, shape = flops(layer, shape), layer.output_shape(shape)
            total += work
            rows.append(["", layer.name, _sizes(shape), f"{parameters_of(layer):,}", f"{work:,}"])
    rows.append(["all", "", "", f"{parameters:,}", f"{total:,}"])
    return Table(f"{model.name} on images of {_sizes(model.shape_)}",
                 ["player", "layer", "output", "parameters", "FLOPs"], rows, labels=3, note=NOTE)


def parameters_of(layer: Layer) -> int:
    """How many parameters a layer has."""
    return sum(prod(shape) for shape in layer.shapes().values())


def flops(layer: Layer, shape: Shape) -> int:
    """Operations of a sample of that shape, 2 for each multiply-add of a matrix product."""
    if isinstance(layer, Container):
        return sum(flops(part, given) for part, given in _parts(layer, shape))
    if isinstance(layer, Dense):
        return 2 * prod(shape[:-1]) * layer.n_in * layer.n_out
    if isinstance(layer, Convolution):  # the transpose goes from its input to what it spreads over
        places = shape if isinstance(layer, ConvTranspose2D) else layer.output_shape(shape)
        return 2 * prod(places[:2]) * prod(layer.size) * layer.channels_in * layer.channels_out
    return 0


def _parts(layer: Container, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """What a container is made of, each with the shape that it is given."""
    if isinstance(layer, Residual):
        yield from ((layer.inner, shape), (layer.projection, shape))
    elif isinstance(layer, Concatenate):
        yield from ((branch, (*shape[:-1], width))
                    for branch, width in zip(layer.branches, layer.widths))
    else:
        for part in layer.children.values():
            yield part, shape
            shape = part.output_shape(shape)


def _sizes(shape: Shape) -> str:
    return " x ".join(map(str, shape))
