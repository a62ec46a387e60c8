"""The models of batches: what each gradient method adds to a player, against its objective.

A model's players are made tiny, in float64, and moved away from their start values. Its objective
is written from the paper's loss (`avanet.verify.batched_objectives`) on complex twins of the
players; what the method draws is frozen by giving both the same generator. The other players are
held fixed. A new model needs its objectives, and a line in `CASES`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from avanet.data import Batch
from avanet.models import model_class
from avanet.models.base import Model, Shape
from avanet.nn.gradcheck import TOLERANCES, check_function, named_views, twin_of
from avanet.verify import batched_objectives as o
from avanet.verify.result import Item, Outcome, of_report, together

B = 3
METHOD = "direction"
IMAGE: Shape = (4, 4, 1)
Objectives = Mapping[str, Mapping[str, o.Objective]]  # gradient method -> player -> objective


class Case(NamedTuple):
    """A model as it is checked: for each of its gradient methods, each player's objective."""

    model: str
    objectives: Objectives
    settings: Mapping[str, Any] = {}
    shape: Shape = IMAGE


BOTH: Objectives = {"discriminator_gradients": {"discriminator": o.gan_discriminator},
                    "generator_gradients": {"generator": o.gan_generator}}
AT_ONCE: Objectives = {"gradients": {"generator": o.dcgan_generator,
                                     "discriminator": o.gan_discriminator}}
DENSE: dict[str, Any] = {"latent": 2, "hidden": 3}
CONVOLUTIONAL: dict[str, Any] = {"latent": 2, "width": 2}
ENCODER = ("stage 1", "stage 2", "stage 3", "code")
SAVAE: Objectives = {
    "vec_gradients": {player: o.savae_vec for player in (*ENCODER, "classifier")},
    "real_gradients": {"discriminator": o.savae_real},
    "generated_gradients": {"discriminator": o.savae_generated},
    "decoder_gradients": {"decoder": o.savae_decoder},
}
LEVELS: Objectives = {"gradients": {
    f"{player}{k}": objective(k) for k in range(2) for player, objective in (
        ("generator", o.lapgan_generator), ("discriminator", o.lapgan_discriminator))}}
PAIRS: Objectives = {"gradients": {
    "generator": o.bigan_generator_encoder, "encoder": o.bigan_generator_encoder,
    "discriminator": o.bigan_discriminator}}
CODES: Objectives = {"gradients": {
    "encoder": o.aae_autoencoder, "decoder": o.aae_autoencoder,
    "discriminator": o.aae_discriminator}}
VAEGAN: Objectives = {"gradients": {"encoder": o.vaegan_autoencoder,
                                    "decoder": o.vaegan_autoencoder,
                                    "discriminator": o.vaegan_discriminator}}
SMALL_VAEGAN: dict[str, Any] = DENSE | {"discriminator_hidden": 3, "adversarial": 0.7}
WIDE: dict[str, Any] = CONVOLUTIONAL | {"scale": 0.5}


def overview(objective: o.Objective) -> Objectives:
    """Encoder and decoder lower the same."""
    return {"gradients": {"encoder": objective, "decoder": objective}}


CASES = (
    Case("survey-vae", {"elbo_gradients": {"encoder": o.elbo, "decoder": o.elbo}},
         DENSE | {"annealing": "linear"}),
    Case("classifier", {"gradients": {"classifier": o.classifier}},
         {"classes": 3, "channels": 2, "width": 3}, (5, 4, 2)),
    Case("gan", BOTH, DENSE),
    Case("gan", BOTH, DENSE | {"loss": "saturating"}),
    Case("dcgan", AT_ONCE, CONVOLUTIONAL),
    Case("cgan", BOTH, DENSE | {"classes": 3}),
    Case("cdcgan", AT_ONCE, CONVOLUTIONAL | {"classes": 3}, (8, 4, 2)),
    Case("lapgan", LEVELS, DENSE | CONVOLUTIONAL | {"levels": 2}),
    Case("bigan", PAIRS, DENSE),
    Case("aae", CODES, DENSE | {"adversarial": 0.7, "dropout": 0.2}),
    Case("aae", CODES, DENSE | {"prior": "mixture", "classes": 4}),
    Case("aae", CODES, DENSE | {"prior": "mixture", "classes": 3, "labels": True}),
    Case("vaegan", VAEGAN, SMALL_VAEGAN | {"batch_norm": True}),
    Case("vaegan", VAEGAN, SMALL_VAEGAN | {"batch_norm": False}),
    Case("denoising-vaegan", VAEGAN, SMALL_VAEGAN | {"batch_norm": True}),
    Case("savae", SAVAE, {"latent": 2, "width": 1, "hidden": 3, "classes": 3, "beta": 0.3}),
    Case("overview-ae", overview(o.squared), CONVOLUTIONAL, (7, 4, 2)),
    Case("overview-vae", overview(o.gaussian_elbo), WIDE),
    Case("overview-beta-vae", overview(o.gaussian_elbo), WIDE | {"beta": 5.0}),
    Case("overview-beta-tcvae", overview(o.gaussian_elbo_tc), WIDE | {"beta": 20.0}, (7, 4, 2)),
    Case("overview-beta-tcvae", overview(o.gaussian_elbo_tc),
         WIDE | {"beta": 20.0, "estimate": "stratified"}),
)


def small_model(case: Case, seed: int) -> Model:
    """The model of a case in float64, in the middle of its training, away from its start."""
    model = model_class(case.model)(dtype="float64", random_state=seed, **case.settings)
    model.start(case.shape, total_steps=10)
    model.n_steps_ = 3
    for name, player in model.players_.items():
        rng = np.random.default_rng((seed, len(name)))
        player.params += 0.1 * rng.standard_normal(player.params.shape)
    return model


def small_batch(model: Model, seed: int) -> Batch:
    """Random images, corrupted ones, and labels 0, 1, 2."""
    rng = np.random.default_rng((seed, 19))
    x, target = model.low + (1 - model.low) * rng.random((2, B, *model.shape_))
    return Batch(x, target, np.arange(B) % 3, np.arange(B))


def check_player(case: Case, method: str, player: str, seed: int = 0) -> Outcome:
    """What a method adds to a player's grads against the derivative of the player's objective.

    It must add, give the same for the same generator, and leave players without objective alone.
    """
    model = small_model(case, seed)
    batch = small_batch(model, seed)
    networks = model.players_

    def add():
        getattr(model, method)(batch, np.random.default_rng((seed, 23)))
        return {name: network.grads.copy() for name, network in networks.items()}

    once, twice = add(), add()
    objective = case.objectives[method][player]
    twins = {name: twin_of(network, np.complex128) for name, network in networks.items()}
    views = named_views(twins[player], twins[player].params)

    def value(**params):
        for name, view in views.items():
            view[...] = params[name]
        return objective(o.Scene(model, twins, batch, np.random.default_rng((seed, 23))))

    report = check_function(
        value, named_views(networks[player], networks[player].params),
        named_views(networks[player], once[player]), METHOD, seed, item=f"{case.model}, {player}")
    strangers = [name for name in networks if name not in case.objectives[method]]
    manners = [
        (np.allclose(twice[player], 2 * once[player], rtol=1e-9, atol=0),
         "does not add, or not the same again"),
        (not any(once[name].any() for name in strangers), "changes another player's grads"),
    ]
    return together(of_report(report), *(Outcome(0.0, kept, "" if kept else f"{method} {broken}")
                                         for kept, broken in manners))


def items() -> list[Item]:
    """One item for each case, gradient method and player."""
    return [Item(f"model {case.model}, {player}{_set(case)}", model_class(case.model).paper,
                 objective.__doc__.splitlines()[0], "exact", METHOD, TOLERANCES[METHOD],
                 partial(check_player, case, method, player))
            for case in CASES for method, players in case.objectives.items()
            for player, objective in players.items()]


def _set(case: Case) -> str:
    """The settings in words: those that are no size."""
    return "".join(f", {name if value is True else value}" for name, value in case.settings.items()
                   if isinstance(value, str) or value is True)
