"""How large the fields of a problem are, as far as its conditions and data say before anything is solved.

    s_f = the largest root mean square of what a condition or the data give for f
"""

from collections.abc import Iterator, Mapping

import sympy
import torch

from kanpde.problems.geometry.regions import piece_points
from kanpde.problems.language import compile_expression, coordinate_symbols, jets_of
from kanpde.problems.problem import Problem

POINTS, SEED = 256, 7

FAR_APART, LEAST_SIZE = 100.0, 1e-12
"""How many times as large one field may be as another without a word; and what counts as nothing beside the largest."""


def set_sizes(problem: Problem) -> dict[str, float]:
    """s_f of those fields for which anything but zero is given."""
    found: dict[str, float] = {}
    for field, size in (*_by_conditions(problem), *_by_data(problem)):
        if 0 < size < float("inf"):
            found[field] = max(size, found.get(field, 0.0))
    return found


def _by_conditions(problem: Problem) -> Iterator[tuple[str, float]]:
    places = set(coordinate_symbols(problem.coordinates))
    for condition in problem.conditions:
        solved = condition.solved(problem.coordinates)
        if solved is None or any(solved[0][1]) or jets_of(solved[1]) or solved[1].free_symbols - places:
            continue
        points = piece_points(problem.region, problem.domain, condition.side, POINTS, SEED)
        yield solved[0][0], _rms(compile_expression(sympy.sympify(solved[1]), problem.coordinates)(points))


def _by_data(problem: Problem) -> Iterator[tuple[str, float]]:
    if problem.data is not None:
        for name, values in zip(problem.data.fields, problem.data.values.T, strict=True):
            if name in problem.fields:
                yield name, _rms(torch.from_numpy(values))


def _rms(values: torch.Tensor) -> float:
    return float(values.double().square().mean().sqrt())


def small_ones(sizes: Mapping[str, float]) -> list[str]:
    """Fields that are far smaller than the largest.

    >>> small_ones({"T": 300.0, "c": 1.2, "k": 10.0})
    ['c']
    """
    largest = max(sizes.values(), default=0.0)
    return [name for name, size in sizes.items() if LEAST_SIZE * largest < size < largest / FAR_APART]


def size_sentences(sizes: Mapping[str, float]) -> list[str]:
    """A word on fields of very different size, of which the smaller ones count for little beside the largest.

    >>> size_sentences({"T": 300.0, "c": 1.2})[0][:54]
    'T (300) is 250 times as large as c (1.2): an error of '
    >>> size_sentences({"u": 1.0, "v": 0.02, "zero": 0.0})
    []
    """
    largest = max(sizes, key=lambda name: sizes[name], default="")
    return [
        f"{largest} ({sizes[largest]:.3g}) is {sizes[largest] / sizes[name]:.3g} times as large as {name} "
        f"({sizes[name]:.3g}): an error of all of {name} hides behind rel_l2, which is of all fields together; "
        f"rel_l2_{name} and the verdict are of each. Write the problem in units in which both are about 1."
        for name in small_ones(sizes)
    ]
