"""Compiling the layers' kernels ahead of time: all of them, as training calls them."""

import numba
import numpy as np
import pytest

from avanet.kernels import convolution, elementwise, optimisers, planes
from avanet.models import model_class
from avanet.nn.warmup import warmup

COMPILED = {name: pair[0] for module in (convolution, elementwise, optimisers, planes)
            for name, pair in module.PAIRS.items()}


def of_dtype(signature):
    """The dtypes of a signature's arrays of real numbers."""
    return {str(part.dtype) for part in signature
            if isinstance(part, numba.types.Array) and isinstance(part.dtype, numba.types.Float)}


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing to compile")
def test_warming_up_compiles_all_that_training_calls(python):
    """In a process of its own: what other tests have compiled does not count."""
    code, _, errors = python(__file__)
    assert code == 0, errors


def compiles_all_that_training_calls():
    warmup()
    for name, kernel in COMPILED.items():
        seen = set().union(*map(of_dtype, kernel.signatures))
        assert seen == {"float32", "float64"} - ({"float64"} if name == "falling" else set()), name
    before = {name: list(kernel.signatures) for name, kernel in COMPILED.items()}
    images = np.random.default_rng(0).random((40, 16, 16, 1), np.float32)
    for name, settings in (("dcgan", {"batch": 40}), ("vaegan", {"batch": 40, "latent": 4}),
                           ("lapgan", {"batch": 40, "levels": 2})):
        for dtype in ("float32", "float64"):
            model_class(name)(epochs=1, dtype=dtype, **settings).fit(images)
    assert {name: kernel.signatures for name, kernel in COMPILED.items()} == before


if __name__ == "__main__":
    compiles_all_that_training_calls()
