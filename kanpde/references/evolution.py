"""Equations with time as a system of first order, point by point: what the highest time derivatives are, and slopes.

    r(x, t, u, u_x, …, u_t) = 0, linear in the highest time derivatives w:   M w + r|_{w=0} = 0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy
import torch
from torch import Tensor

from kanpde.problems.language import (
    ExpressionError,
    Formula,
    Jet,
    compile_expression,
    coordinate_symbols,
    derivative,
    jet_slopes,
    jets_of,
)
from kanpde.problems.problem import Condition, Problem
from kanpde.references.means import NotSolved

Variable = tuple[str, int]
"""A time derivative of a field, below its highest: an unknown of the system of first order."""
Jets = Mapping[Jet, Tensor]

SINGULAR = 1e-12


@dataclass(frozen=True, eq=False)
class Statement:
    """A residual with its slopes in every jet."""

    residual: Formula
    slopes: dict[Jet, Formula]
    constant: bool  # the slopes, whatever the time and the fields


def statement(problem: Problem, residual: sympy.Expr) -> Statement:
    try:
        slopes = jet_slopes(residual, problem.coordinates)
    except ExpressionError as error:
        raise NotSolved(f"needs slopes of every equation; one of them {error}") from error
    time = coordinate_symbols(problem.coordinates)[problem.time_axis]
    return Statement(
        compile_expression(residual, problem.coordinates, problem.fields),
        {jet: compile_expression(slope, problem.coordinates, problem.fields) for jet, slope in slopes.items()},
        not any(jets_of(slope) or time in slope.free_symbols for slope in slopes.values()),
    )


@dataclass(frozen=True, eq=False)
class Evolution:
    """The equations of a problem with time; refused where they do not give the highest time derivatives.

    Raises (by `evolution_of`):
        NotSolved: which equation does not, and what the method takes.
    """

    problem: Problem
    orders: dict[str, int]  # of the highest time derivative of each field
    equations: tuple[Statement, ...]

    @property
    def variables(self) -> tuple[Variable, ...]:
        return tuple((field, k) for field, order in self.orders.items() for k in range(order))

    @cached_property
    def highest(self) -> tuple[Jet, ...]:
        """The jets solved for, one a field."""
        size, time = len(self.problem.coordinates), self.problem.time_axis
        return tuple((field, tuple(order * (axis == time) for axis in range(size)))
                     for field, order in self.orders.items())  # fmt: skip

    @cached_property
    def jets(self) -> tuple[Jet, ...]:
        """The others: space derivatives of variables."""
        return tuple(sorted({jet for one in self.equations for jet in one.slopes} - set(self.highest)))

    def variable(self, jet: Jet) -> tuple[Variable, tuple[int, ...]]:
        """The variable and its space derivative that a jet is, the entry of time set to zero."""
        field, index = jet
        time = self.problem.time_axis
        return (field, index[time]), tuple(0 if axis == time else count for axis, count in enumerate(index))

    def order_along(self, variable: Variable, axis: int) -> int:
        """The highest derivative of a variable along an axis in the equations."""
        found = [index[axis] for own, index in map(self.variable, self.jets) if own == variable]
        return max(found, default=0)

    def rates(self, points: Tensor, jets: Jets) -> Tensor:  # [n, d] -> [fields, n]
        """The highest time derivatives."""
        zero = points.new_zeros(len(points))
        jets = {**jets, **dict.fromkeys(self.highest, zero)}
        rest = torch.stack([one.residual(points, jets) for one in self.equations])
        return -self._solved(points, jets, rest[:, None])[:, 0]

    def slopes(self, points: Tensor, jets: Jets) -> dict[Jet, Tensor]:  # [fields, n] each
        """∂ w / ∂ jet."""
        values = self.rates(points, jets)
        jets = {**jets, **dict(zip(self.highest, values, strict=True))}
        zero = points.new_zeros(len(points))
        lines = [[one.slopes[jet](points, jets) if jet in one.slopes else zero for jet in self.jets]
                 for one in self.equations]  # fmt: skip
        found = -self._solved(points, jets, torch.stack([torch.stack(line) for line in lines]))
        return {jet: found[:, place] for place, jet in enumerate(self.jets)}

    def _solved(self, points: Tensor, jets: Jets, right: Tensor) -> Tensor:  # [fields, k, n] -> [fields, k, n]
        """M⁻¹ of columns at every point."""
        if self._inverse is not None:
            return torch.tensordot(self._inverse, right, dims=1)
        zero = points.new_zeros(len(points))
        rows = [[one.slopes[jet](points, jets) if jet in one.slopes else zero for jet in self.highest]
                for one in self.equations]  # fmt: skip
        matrix = torch.stack([torch.stack(row) for row in rows]).permute(2, 0, 1)
        try:
            return torch.linalg.solve(matrix, right.permute(2, 0, 1)).permute(1, 2, 0)
        except RuntimeError as error:
            raise NotSolved(f"needs equations that determine {self._named()} everywhere; they do not") from error

    @cached_property
    def _inverse(self) -> Tensor | None:
        """M⁻¹ where it is the same at all points and times."""
        slopes = [[one.slopes.get(jet) for jet in self.highest] for one in self.equations]
        points = torch.zeros((1, len(self.problem.coordinates)), dtype=torch.float64)
        if any(one is not None and not one.is_constant for row in slopes for one in row):
            return None
        matrix = torch.tensor([[0.0 if one is None else float(one(points)) for one in row] for row in slopes],
                              dtype=torch.float64)  # fmt: skip
        if abs(torch.linalg.det(matrix)) <= SINGULAR * matrix.abs().max() ** len(matrix):
            raise NotSolved(f"takes equations that determine {self._named()}; these do not")
        return torch.linalg.inv(matrix)

    def _named(self) -> str:
        time = self.problem.coordinates[self.problem.time_axis]
        return ", ".join(f"{field}_{time * order}" for field, order in self.orders.items())


def evolution_of(problem: Problem) -> Evolution:
    """The equations as a system of first order in time."""
    time = problem.time_axis
    orders = {field: problem.order_along(field, time) for field in problem.fields}
    for field, order in orders.items():
        if order == 0:
            raise NotSolved(f"takes equations with a time derivative of every field; there is none of {field}")
    if len(problem.equations) != len(orders):
        raise NotSolved(f"takes as many equations as fields, {len(orders)}; there are {len(problem.equations)}")
    evolution = Evolution(problem, orders, tuple(statement(problem, one) for one in problem.equations.values()))
    for name, one in zip(problem.equations, evolution.equations, strict=True):
        _check_solvable(evolution, name, one)
    evolution._inverse  # noqa: B018 - refuses equations that do not determine the derivatives
    return evolution


def _check_solvable(evolution: Evolution, name: str, one: Statement) -> None:
    highest, time, orders = set(evolution.highest), evolution.problem.time_axis, evolution.orders
    mixed = [jet for jet in one.slopes if jet not in highest and jet[1][time] >= orders[jet[0]]]
    bent = [jet for jet in highest & set(one.slopes) if highest & set(one.slopes[jet].jets)]
    if mixed or bent or not highest & set(one.slopes):
        raise NotSolved(
            f"takes equations that can be solved for the highest time derivatives {evolution._named()}, which occur "
            f"linearly and without further derivatives; the equation {name} cannot"
        )


def differentiated(problem: Problem, condition: Condition, times: int) -> sympy.Expr:
    """A condition's residual, differentiated in time, so that it holds for time derivatives of the field."""
    time = coordinate_symbols(problem.coordinates)[problem.time_axis]
    try:
        return derivative(condition.residual, time, times)
    except ExpressionError as error:
        raise NotSolved(f"needs time derivatives of the condition on {condition.name}, which {error}") from error
