"""The paper's misprints and silences, in the order of their numbers."""

from collections.abc import Iterator

from avanet.verify import misprints_covariance, misprints_equations, misprints_results
from avanet.verify.erratum import Erratum


def misprints(seed: int = 0) -> Iterator[Erratum]:
    """Each misprint with its number: what can be computed fails as printed, passes as corrected.

    Raises
    ------
    InputError
        If this copy of avanet lacks the bundled images.
    """
    bench = misprints_equations.Bench(seed)
    found = [check(bench) for check in misprints_equations.CHECKS]
    found += misprints_equations.NOTATION
    found += [misprints_covariance.elementwise_root(seed),
              misprints_covariance.flattened_matrix(seed)]
    found += misprints_results.on_images(seed)
    found += misprints_results.on_tables()
    yield from sorted(found, key=lambda erratum: erratum.number)
