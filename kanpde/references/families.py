"""Families of problems: solved at Chebyshev nodes of the parameters by any method, interpolated between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from itertools import product

import numpy as np
import sympy

from kanpde.problems.geometry.boxes import Box
from kanpde.problems.language import coordinate_symbols, jet_expression, jets_of
from kanpde.problems.problem import Problem
from kanpde.references.interface import Field
from kanpde.references.interpolants import ChebyshevAxis
from kanpde.references.means import NotSolved

COUNTS = {1: (5, 9, 17, 33), 2: (3, 5, 9)}
"""Nodes of each parameter, each set within the next; more parameters take the first two of the last."""


@dataclass(frozen=True, eq=False)
class Family:
    """Solutions at the nodes of the parameters, which are the last coordinates.

    Attributes:
        axes: Of the parameters.
        members: One for every combination of nodes, the first parameter varying slowest.
    """

    axes: tuple[ChebyshevAxis, ...]
    members: tuple[Field, ...]

    def __call__(self, points: np.ndarray) -> np.ndarray:  # [n, d] -> [n, fields]
        points = np.asarray(points, dtype=float)
        inner, outer = points[:, : -len(self.axes)], points[:, -len(self.axes) :]
        lines = [axis.matrix(x) for axis, x in zip(self.axes, outer.T, strict=True)]
        weights = reduce(lambda a, b: (a[:, :, None] * b[:, None]).reshape(len(points), -1), lines)
        first, *others = (weights[:, i : i + 1] * member(inner) for i, member in enumerate(self.members))
        return sum(others, first)


def node_counts(problem: Problem) -> tuple[int, ...]:
    """How many nodes to try for each parameter."""
    parameters = len(problem.family)
    return COUNTS[parameters] if parameters in COUNTS else COUNTS[max(COUNTS)][:2]


def family_axes(problem: Problem, count: int) -> tuple[ChebyshevAxis, ...]:
    """The nodes of every parameter."""
    box = problem.domain
    return tuple(ChebyshevAxis(box.lower[axis], box.upper[axis], count) for axis in problem.family)


def combinations(axes: tuple[ChebyshevAxis, ...]) -> list[tuple[float, ...]]:
    """Values of the parameters, rounded so that sets of nodes share what they have in common."""
    return [tuple(map(float, values)) for values in product(*(np.round(axis.nodes, 14) for axis in axes))]


def middle(problem: Problem) -> Problem:
    """One problem of a family, to see which method takes it; the problem itself if it is no family."""
    box = problem.domain
    return member(problem, tuple((box.lower[axis] + box.upper[axis]) / 2 for axis in problem.family))


def member(problem: Problem, values: tuple[float, ...]) -> Problem:
    """The problem of a family with these values of its parameters.

    Raises:
        NotSolved: it has derivatives in a parameter, or is an eigenproblem.
    """
    if not problem.family:
        return problem
    if len(problem.task.integrals()) > 1:
        raise NotSolved("takes no families of eigenproblems")
    kept = tuple(name for axis, name in enumerate(problem.coordinates) if axis not in problem.family)
    names = [problem.coordinates[axis] for axis in problem.family]
    fixed = dict(zip(coordinate_symbols(tuple(names)), map(sympy.Float, values), strict=True))

    def of(expr: sympy.Expr) -> sympy.Expr:
        return _restricted(expr, problem.coordinates, kept, fixed)

    return replace(
        problem,
        coordinates=kept,
        domain=Box(problem.domain.lower[: len(kept)], problem.domain.upper[: len(kept)]),
        parameters={**problem.parameters, **dict(zip(names, values, strict=True))},
        equations={name: of(residual) for name, residual in problem.equations.items()},
        conditions=tuple(replace(one, residual=of(one.residual)) for one in problem.conditions),
        task=problem.task.mapped(of),
        exact={},
        family=(),
        data=None,
    )


def _restricted(
    expr: sympy.Expr, old: tuple[str, ...], new: tuple[str, ...], fixed: dict[sympy.Symbol, sympy.Expr]
) -> sympy.Expr:
    """The expression with fields over fewer coordinates, the last ones fixed."""
    inward = {}
    for field, index in jets_of(expr):
        if any(index[len(new) :]):
            raise NotSolved("takes families without derivatives in their parameters")
        inward[jet_expression((field, index), old)] = jet_expression((field, index[: len(new)]), new)
    return expr.xreplace(inward).xreplace(fixed)
