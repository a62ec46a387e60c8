"""The layer table: shapes that networks give, parameters that they have, FLOPs counted by hand."""

import numpy as np
import pytest

from avanet.models import AVA_MODELS, MODELS, model_class
from avanet.models.summary import flops, layer_table, parameters_of
from avanet.nn import (
    BatchNorm, Chain, Concatenate, Conv2D, ConvTranspose2D, Dense, ReLU, Residual, Sequential,
)


@pytest.mark.parametrize("layer, shape, operations", [
    (Dense(3, 5), (3,), 2 * 3 * 5),
    (ReLU(), (4, 4, 2), 0),
    (BatchNorm(4), (4,), 0),
    (Conv2D(2, 3, 3), (6, 5, 2), 2 * (4 * 3) * (3 * 3) * 2 * 3),
    (Conv2D(1, 4, 5, 2, "same"), (28, 28, 1), 2 * 14 * 14 * 25 * 4),
    (ConvTranspose2D(4, 1, 5, 2, "same"), (14, 14, 4), 2 * 14 * 14 * 25 * 4),
    (Chain([Dense(3, 5), ReLU(), Dense(5, 2)]), (3,), 2 * (15 + 10)),
    (Residual([Dense(3, 5)], Dense(3, 5)), (3,), 2 * 30),
    (Concatenate([2, 3], [[Dense(2, 4)], []]), (5,), 2 * 8),
])
def test_operations_counted_by_hand(layer, shape, operations):
    assert flops(layer, shape) == operations


@pytest.mark.parametrize("name", [*MODELS, *AVA_MODELS])
def test_the_table_is_true_of_every_model(name):
    """Its totals are those of the players, its shapes what they take."""
    small = {"width": 2, "hidden": 4} if name != "vaegan" else {}
    kind = model_class(name)
    known = {key: value for key, value in small.items() if hasattr(kind.Config(), key)}
    model = kind(**known).start((28, 28, 1))
    table = layer_table(model)
    total = sum(player.params.size for player in model.players_.values())
    assert table.rows[-1][3] == f"{total:,}"
    counted = sum(int(row[3].replace(",", "")) for row in table.rows[:-1] if row[3])
    assert counted == total
    for each, player in model.players_.items():
        shape = model.input_shape(each)
        y, _ = player.forward(np.zeros((2, *shape), model.dtype))
        assert y.shape[1:] == player.output_shape(shape)


def test_parameters_of_a_network_are_those_of_its_layers():
    network = Sequential([Conv2D(1, 2, 3), BatchNorm(2)])
    assert sum(map(parameters_of, network.layers)) == network.params.size == 18 + 2 + 4
