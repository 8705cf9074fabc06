"""What a problem leaves free: a pressure up to a constant, a potential up to a function of time.

A field of which equations, conditions and data contain derivatives along space alone can be shifted by any function of
the other coordinates; one of which they contain derivatives alone, by a constant. Errors are measured up to that.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.problems.language import all_jets_of, jet_expression, jets_of
from kanpde.problems.problem import Condition, Problem

DEGREE = 8
"""Of the polynomials in time and in a family's parameters that a shift is made of."""


def free_fields(problem: Problem) -> dict[str, tuple[int, ...]]:
    """Fields that may be shifted, and the axes that the shift may depend on; none of them for a constant."""
    if not problem.equations:
        return {}
    others = tuple(axis for axis in range(len(problem.coordinates)) if axis == problem.time or axis in problem.family)
    found = {}
    for name in problem.fields:
        orders = [*_orders(problem, name)]
        if problem.data is not None and name in problem.data.fields or not orders or not all(map(any, orders)):
            continue
        along_space = all(any(o for axis, o in enumerate(order) if axis not in others) for order in orders)
        found[name] = others if along_space else ()
    return found


def _orders(problem: Problem, field: str) -> Iterator[tuple[int, ...]]:
    residuals = [*problem.equations.values(), *(_unshifted(problem, one, field) for one in problem.conditions)]
    return (index for residual in residuals for name, index in all_jets_of(residual) if name == field)


def _unshifted(problem: Problem, condition: Condition, field: str) -> sympy.Expr:
    """A condition's residual; between the sides of a rim, without values whose difference is all it has."""
    if condition.kind != "interface":
        return condition.residual
    same = sympy.Dummy(real=True)
    values = {jet_expression(jet, problem.coordinates): same for jet in jets_of(condition.residual)
              if all_jets_of(jet_expression(jet, problem.coordinates)) == ((field, (0,) * len(problem.coordinates)),)}
    shifted = condition.residual.xreplace(values)
    return condition.residual if shifted.has(same) else shifted


def too_few_equations(problem: Problem) -> str:
    """A word where there are more fields of all coordinates than equations and measured fields; else nothing."""
    whole = [name for name in problem.fields if not problem.narrow.get(name)]
    given = len(problem.equations) + len(problem.data.fields if problem.data is not None else ())
    if not problem.equations or given >= len(whole):
        return ""
    return (
        f"There are {given} equations and measured fields for {len(whole)} fields ({', '.join(whole)}): of many "
        "solutions any may be found. Add an equation, or data."
    )


def freedom_sentences(problem: Problem) -> tuple[str, ...]:
    """What is free, a sentence a field."""
    return tuple(
        f"{name} is determined up to {_named(problem, axes)}, since no equation or condition says more; errors are "
        "measured up to that."
        for name, axes in free_fields(problem).items()
    )


def _named(problem: Problem, axes: tuple[int, ...]) -> str:
    return f"a function of {', '.join(problem.coordinates[axis] for axis in axes)}" if axes else "a constant"


def aligned(problem: Problem, points: Tensor, found: Tensor, known: Tensor) -> Tensor:  # [n, d], [n, fields] twice
    """The known values, shifted by what is free to be as near as can be to those found: [n, fields].

    NaN among the values found, as outside a region, is left out of the fit.
    """
    shifted = known
    for name, axes in free_fields(problem).items():
        place = problem.fields.index(name)
        design = _polynomials(problem, points, axes)
        gap = found[:, place] - known[:, place]
        inside = gap.isfinite()
        if inside.any():
            shift = design @ torch.linalg.lstsq(design[inside], gap[inside, None]).solution
            shifted = shifted.clone()
            shifted[:, place] += shift[:, 0]
    return shifted


def _polynomials(problem: Problem, points: Tensor, axes: tuple[int, ...]) -> Tensor:  # -> [n, m]
    """Products of Chebyshev polynomials along the axes; a column of ones where there is none."""
    columns = np.ones((len(points), 1))
    for axis in axes:
        low, high = problem.domain.lower[axis], problem.domain.upper[axis]
        scaled = 2 * (points[:, axis].cpu().numpy() - low) / (high - low) - 1
        one = np.polynomial.chebyshev.chebvander(scaled, DEGREE)
        columns = (columns[:, :, None] * one[:, None, :]).reshape(len(points), -1)
    return torch.from_numpy(columns)
