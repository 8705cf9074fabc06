"""Equations in time alone, algebraic ones among them: Radau collocation, stiff or not.

    F(t, y, v) = 0,   v = (highest time derivative of each field; the field itself where it has none)

Newton's method gives v at every stage, so equations need not be solved for the derivatives, and fields without a time
derivative follow the others, as long as ∂F/∂v is regular (index 1). Each variable's error is relative to its own size.

Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996), section VI.1 for constraints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kanpde.problems.language import Jet, compile_expression
from kanpde.problems.problem import Problem
from kanpde.references.applicability import is_whole_box
from kanpde.references.evolution import Statement, statement
from kanpde.references.interface import Solved
from kanpde.references.interpolants import Interpolant, Pieces
from kanpde.references.means import NotSolved
from kanpde.references.radau import march, unit_nodes

PLACE = 4
ITERATIONS = 30
ENOUGH = 1e-14  # change of v, relative to its size, at which Newton's method ends; where it stalls, HARDLY is right too
HARDLY = 1e-9
FAINT = 1e-7
"""Of the largest: the size below which the others are looked at as if they had it."""


def applicable(problem: Problem) -> bool:
    """Whether the method can take the problem: equations of which time is the only coordinate."""
    in_time = problem.time is not None and problem.domain.dimension == 1
    return in_time and bool(problem.equations) and is_whole_box(problem)


def resolutions(problem: Problem) -> tuple[int, ...]:
    """Digits of the tolerance, from coarse to fine."""
    return 7, 9, 11, 12


def solve(problem: Problem, resolution: int) -> Solved:
    """Solve to a tolerance of `resolution` digits.

    Raises:
        NotSolved: the method does not apply, or finds no solution up to the end of time.
    """
    if not applicable(problem):
        raise NotSolved("takes equations of which time is the only coordinate")
    system = _system(problem.settled())
    begin, end = problem.domain.lower[0], problem.domain.upper[0]
    with np.errstate(over="ignore", invalid="ignore"):  # of steps too long, which are then shortened
        found = march(system, system.start(), begin, end, 10.0**-resolution)
        axis = Pieces(found.breaks, unit_nodes())
        values = system.fields(axis.nodes, found.values)
    return Solved(Interpolant((axis,), values), values.size)


def _system(problem: Problem) -> _System:
    orders = {field: problem.order_along(field, 0) for field in problem.fields}
    if len(problem.equations) != len(orders):
        raise NotSolved(f"takes as many equations as fields, {len(orders)}; there are {len(problem.equations)}")
    return _System(problem, orders, tuple(statement(problem, one) for one in problem.equations.values()))


@dataclass(frozen=True, eq=False)
class _System:
    """y' = f(t, y) for the time derivatives below the highest, one part each."""

    problem: Problem
    orders: dict[str, int]
    equations: tuple[Statement, ...]

    @cached_property
    def variables(self) -> tuple[Jet, ...]:
        return tuple((field, (k,)) for field, order in self.orders.items() for k in range(order))

    @cached_property
    def highest(self) -> tuple[Jet, ...]:
        """v, one a field."""
        return tuple((field, (order,)) for field, order in self.orders.items())

    @cached_property
    def scales(self) -> tuple[slice, ...]:
        return tuple(slice(i, i + 1) for i in range(len(self.variables)))

    @cached_property
    def given(self) -> dict[Jet, float]:
        """What the initial conditions set."""
        point, found = torch.tensor([self.problem.domain.lower], dtype=torch.float64), {}
        for condition in self.problem.conditions:
            jet, value = condition.solved(self.problem.coordinates) or (None, None)
            if jet is None or condition.whole_side.end:
                raise NotSolved(f"takes initial values; the condition on {condition.name} gives none by itself")
            found[jet] = float(compile_expression(value, self.problem.coordinates)(point))
        return found

    def start(self) -> np.ndarray:
        if missing := [jet[0] for jet in self.variables if jet not in self.given]:
            raise NotSolved(f"needs the initial values of {missing[0]}")
        if not self.variables:
            raise NotSolved("takes equations with a time derivative; there is none")
        return np.array([self.given[jet] for jet in self.variables])

    # F(t, y, v) = 0

    def highest_at(self, t: np.ndarray, y: np.ndarray) -> Tensor:  # [s], [s, N] -> [s, fields]
        """v by Newton's method, from what is given at the start."""
        v = torch.tensor([self.given.get(jet, 0.0) for jet in self.highest], dtype=torch.float64).expand(len(t), -1)
        size = np.inf
        for _ in range(ITERATIONS):
            before, jets = size, self._jets(y, v)
            rest = torch.stack([one.residual(_points(t), jets) for one in self.equations], dim=1)
            change = self._solved(t, jets, rest[:, :, None])[:, :, 0]
            v = v - change
            least = max(FAINT * float(v.abs().max()), 1e-300)  # fields that stay zero have nothing but rounding
            size = float((change.abs() / v.abs().amax(0).clamp_min(least)).max())
            if not size > ENOUGH or before <= HARDLY and size >= before:
                break
        return v if size <= HARDLY else v * torch.nan  # the step is too long

    def _jets(self, y: np.ndarray, v: Tensor) -> dict[Jet, Tensor]:
        known = dict(zip(self.variables, torch.from_numpy(np.ascontiguousarray(y.T)), strict=True))
        return {**known, **dict(zip(self.highest, v.unbind(1), strict=True))}

    def _slopes(self, t: np.ndarray, jets: dict[Jet, Tensor], by: tuple[Jet, ...]) -> Tensor:  # -> [s, fields, len(by)]
        points = _points(t)
        zero = points.new_zeros(len(points))
        rows = [[one.slopes[jet](points, jets) if jet in one.slopes else zero for jet in by] for one in self.equations]
        return torch.stack([torch.stack(row) for row in rows]).permute(2, 0, 1)

    def _solved(self, t: np.ndarray, jets: dict[Jet, Tensor], right: Tensor) -> Tensor:
        try:
            return torch.linalg.solve(self._slopes(t, jets, self.highest), right)
        except RuntimeError as error:
            raise NotSolved(
                f"needs equations that determine {', '.join(map(_named, self.highest))} at every time; at "
                f"t = {t[0]:.3g} they do not (a constraint of higher index)"
            ) from error

    # y' = f(t, y)

    def weighed(self, y: np.ndarray) -> np.ndarray:
        return y

    def rates(self, t: np.ndarray, y: np.ndarray) -> np.ndarray:  # [s], [s, N] -> [s, N]
        v = dict(zip(self.highest, self.highest_at(t, y).numpy().T, strict=True))
        known = dict(zip(self.variables, y.T, strict=True)) | v
        return np.stack([known[field, (k + 1,)] for field, (k,) in self.variables], axis=1)

    def slopes(self, t: float, y: np.ndarray) -> Callable[[complex], Callable[[np.ndarray], np.ndarray]]:
        matrix = self._jacobian(np.array([t]), y[None])

        def factored(shift: complex) -> Callable[[np.ndarray], np.ndarray]:
            inverse = np.linalg.inv(shift * np.eye(len(matrix)) - matrix)
            return lambda right: inverse @ right

        return factored

    def _jacobian(self, t: np.ndarray, y: np.ndarray) -> np.ndarray:  # -> [N, N]
        jets = self._jets(y, self.highest_at(t, y))
        rows = -self._solved(t, jets, self._slopes(t, jets, self.variables))[0].numpy()
        found = np.eye(len(self.variables), k=1)
        for place, (field, (k,)) in enumerate(self.variables):
            if k + 1 == self.orders[field]:
                found[place] = rows[list(self.orders).index(field)]
        return found

    def fields(self, t: np.ndarray, y: np.ndarray) -> np.ndarray:  # [n], [n, N] -> [fields, n]
        """Fields with time derivatives, and those that follow them."""
        jets = self._jets(y, self.highest_at(t, y))
        return np.stack([jets[field, (0,)].numpy() for field in self.orders])


def _named(jet: Jet) -> str:
    field, (order,) = jet
    return f"{field}_{'t' * order}" if order else field


def _points(t: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(t, dtype=float))[:, None]
