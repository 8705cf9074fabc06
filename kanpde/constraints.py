"""Boundary and initial conditions met exactly: u = L + E·N with a lift L, an envelope E and the network N.

Where m conditions u, ∂u, … = g_0, g_1, … hold at one end of an axis and n at the other, Hermite's polynomials p_j of
degree m + n - 1 interpolate them. On each axis in turn the lift is corrected by what its conditions still miss,

    L ← L + Σ_j p_j(x) (g_j - ∂^j L)|_end,        E ← E · (x - a)^m (x - b)^n,

which is transfinite interpolation (Coons, Gordon). Both are built symbolically from the conditions alone, and hold
wherever these agree at the corners.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile

import sympy
import torch
from torch import Tensor

from kanpde.expressions import compile_expression, coordinate_symbols, derivative
from kanpde.jets import IndexSet, product_matrix
from kanpde.sampling import sobol_unit
from kanpde.statements import Condition, Problem

Expr = sympy.Expr


@dataclass(frozen=True)
class Ansatz:
    """What each field is made of, and which conditions are left for the loss.

    lifts, envelopes: One expression in the coordinates per field; an envelope of 1 leaves the network free.
    penalties: Conditions that the ansatz does not meet by itself.
    warnings: Sentences on conditions that could have been exact but for their data.
    """

    problem: Problem
    lifts: tuple[Expr, ...]
    envelopes: tuple[Expr, ...]
    penalties: tuple[Condition, ...]
    warnings: tuple[str, ...] = ()
    _formulas: dict = field(default_factory=dict, repr=False, compare=False)

    def bind(self, points: Tensor, indices: IndexSet) -> "BoundAnsatz":
        """Evaluate lifts and envelopes with their derivatives at fixed points [n, d]."""
        lift = torch.stack([self._jet(expr, points, indices) for expr in self.lifts], dim=-1)
        if all(envelope == 1 for envelope in self.envelopes):
            return BoundAnsatz(lift, None)
        factors = {expr: product_matrix(self._jet(expr, points, indices), indices) for expr in set(self.envelopes)}
        if len(factors) == 1:
            return BoundAnsatz(lift, factors.popitem()[1][:, None])
        return BoundAnsatz(lift, torch.stack([factors[expr] for expr in self.envelopes], dim=1))

    def _jet(self, expr: Expr, points: Tensor, indices: IndexSet) -> Tensor:  # -> [n, s]
        return torch.stack([self._derivative(expr, index)(points) for index in indices], dim=1)

    def _derivative(self, expr: Expr, index: tuple[int, ...]):
        key = (expr, index)
        if key not in self._formulas:
            for symbol, order in zip(coordinate_symbols(self.problem.coordinates), index, strict=True):
                expr = derivative(expr, symbol, order)
            self._formulas[key] = compile_expression(expr, self.problem.coordinates, ())
        return self._formulas[key]


@dataclass(frozen=True)
class BoundAnsatz:
    """The affine map from network jets to field jets at fixed points: ∂_α u = ∂_α L + Σ_β M_αβ ∂_β N."""

    lift: Tensor  # [n, s, fields]
    matrix: Tensor | None  # [n, fields or 1, s, s]; None is the identity

    def __call__(self, network: Tensor) -> Tensor:  # [n, s, fields] -> [n, s, fields]
        if self.matrix is None:
            return self.lift + network
        if self.matrix.shape[1] == 1:
            return self.lift + self.matrix[:, 0] @ network
        return self.lift + (self.matrix @ network.transpose(1, 2)[..., None])[..., 0].transpose(1, 2)


def penalty_ansatz(problem: Problem) -> Ansatz:
    """Leave every condition to the loss."""
    return Ansatz(problem, _each(problem, 0), _each(problem, 1), problem.conditions)


def exact_ansatz(problem: Problem) -> Ansatz:
    """Build in every condition that prescribes a field's value on a side or its initial time derivatives.

    A field whose conditions contradict each other at corners keeps them all as penalties, with a warning.
    """
    lifts, envelopes, met, warnings = list(_each(problem, 0)), list(_each(problem, 1)), [], []
    for place, name in enumerate(problem.fields):
        prescribed = _prescribed(problem, name)
        lift, envelope = _interpolate(problem, prescribed)
        worst = _largest_miss(problem, prescribed, lift)
        if worst > 1e-9:
            warnings.append(
                f"The conditions on {name} disagree by {worst:.1e} where they meet, so they cannot all hold exactly; "
                "they enter the loss as penalties. Smooth the data at the corners to have them exact."
            )
            continue
        lifts[place], envelopes[place] = lift, envelope
        met.extend(condition for conditions in prescribed.values() for condition, _ in conditions)
    left = tuple(condition for condition in problem.conditions if condition not in met)
    return Ansatz(problem, tuple(lifts), tuple(envelopes), left, tuple(warnings))


def _each(problem: Problem, value: int) -> tuple[Expr, ...]:
    return tuple(sympy.Integer(value) for _ in problem.fields)


Prescribed = Mapping[tuple[int, int], list[tuple[Condition, Expr]]]
"""By (axis, end): the conditions there with their data g, the n-th of them ∂^n u = g along the axis."""


def _prescribed(problem: Problem, name: str) -> Prescribed:
    found: dict[tuple[int, int], list[tuple[Condition, Expr]]] = {}
    for axis in range(problem.domain.dimension):
        for end in (0, 1):
            data = _data_by_order(problem, name, axis, end)
            consecutive = [data[order] for order in takewhile(data.__contains__, count())]
            if consecutive:
                found[axis, end] = consecutive
    return found


def _data_by_order(problem: Problem, name: str, axis: int, end: int) -> dict[int, tuple[Condition, Expr]]:
    """Conditions ∂^n u = g on one side, n the order of a derivative along its axis alone."""
    found = {}
    for condition in problem.conditions:
        solved = (
            condition.solved(problem.coordinates) if (condition.side.axis, condition.side.end) == (axis, end) else None
        )
        if solved is not None and solved[0][0] == name and sum(solved[0][1]) == solved[0][1][axis]:
            found.setdefault(solved[0][1][axis], (condition, solved[1]))
    return found


def _interpolate(problem: Problem, prescribed: Prescribed) -> tuple[Expr, Expr]:
    lift, envelope = sympy.Integer(0), sympy.Integer(1)
    for axis, x in enumerate(coordinate_symbols(problem.coordinates)):
        ends = _number(problem.domain.lower[axis]), _number(problem.domain.upper[axis])
        conditions = [
            (x, ends[end], order, data)
            for end in (0, 1)
            for order, (_, data) in enumerate(prescribed.get((axis, end), []))
        ]
        missing = [(data - derivative(lift, x, order)).subs(x, end) for x, end, order, data in conditions]
        basis = _hermite(x, [(end, order) for _, end, order, _ in conditions])
        lift += sum(polynomial * term for polynomial, term in zip(basis, missing, strict=True))
        for end in (0, 1):
            envelope *= (2 * (x - ends[end]) / (ends[1] - ends[0])) ** len(prescribed.get((axis, end), []))
    return lift, envelope


def _number(value: float) -> Expr:
    """Whole numbers stay whole, so that products with them fold."""
    return sympy.Integer(int(value)) if value == int(value) else sympy.Float(value)


def _hermite(x: sympy.Symbol, nodes: list[tuple[Expr, int]]) -> list[Expr]:
    """Polynomials p_j with ∂^(r_i) p_j(x_i) = δ_ij, for nodes (x_i, r_i)."""
    powers = [x**p for p in range(len(nodes))]
    rows = [[power.diff(x, order).subs(x, end) for power in powers] for end, order in nodes]
    inverse = sympy.Matrix(rows).inv() if nodes else sympy.zeros(0, 0)
    return [sympy.factor(sum(inverse[p, j] * powers[p] for p in range(len(nodes)))) for j in range(len(nodes))]


def _largest_miss(problem: Problem, prescribed: Prescribed, lift: Expr) -> float:
    """How far the lift is from its conditions at scrambled points of each side, relative to the data's size."""
    box, worst = problem.domain, 0.0
    for (axis, end), conditions in prescribed.items():
        points = sobol_unit(64, box.dimension, seed=0)
        points = points * points.new_tensor(box.lengths) + points.new_tensor(box.lower)
        points[:, axis] = (box.lower, box.upper)[end][axis]
        x = coordinate_symbols(problem.coordinates)[axis]
        for order, (_, data) in enumerate(conditions):
            compiled = [
                compile_expression(expr, problem.coordinates, ())(points) for expr in (data, derivative(lift, x, order))
            ]
            worst = max(worst, ((compiled[0] - compiled[1]).abs().max() / compiled[0].abs().max().clamp(min=1)).item())
    return worst
