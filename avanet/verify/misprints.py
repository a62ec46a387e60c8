"""The paper's misprints and silences, in the order of their numbers."""

from collections.abc import Collection, Iterator

from avanet.verify import misprints_covariance, misprints_equations, misprints_results
from avanet.verify.erratum import Erratum


ON_IMAGES = {6, 9, 10}  # those that take a training on the images


def misprints(seed: int = 0, numbers: Collection[int] | None = None) -> Iterator[Erratum]:
    """Each misprint with its number: what can be computed fails as printed, passes as corrected.

    Parameters
    ----------
    numbers : collection of int, optional
        The misprints wanted; all unless given.

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
    if numbers is None or not ON_IMAGES.isdisjoint(numbers):
        found += misprints_results.on_images(seed)
    found += misprints_results.on_tables()
    wanted = [one for one in found if numbers is None or one.number in numbers]
    yield from sorted(wanted, key=lambda erratum: erratum.number)
