"""What weak forms make of conditions where fields end at the rims of parts.

With the normal n out of a shape and the fluxes φ_f = n·F_f of fields that end at its rim, inside (σ = 1) or outside
(σ = -1),

    R_f + σ_f ∮ ψ φ_f = 0,      Σ_f K_jf φ_f + r_j = 0,      Σ_f α_mf f + γ_m = 0,

where R_f is the weak form of f without its rim, j counts conditions on fluxes, m those on values. Each of the latter
ties the value of one field at every node to those of others, and what remains of the weak forms there are

    Σ_f σ_f K_jf R_f - ∮ ψ r_j = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import sympy
import torch

from kanpde.problems.geometry.regions import Seam
from kanpde.problems.language import (
    Formula,
    Jet,
    Placed,
    compile_expression,
    coordinate_symbols,
    derivative,
    jet_expression,
    jet_slopes,
    jets_of,
)
from kanpde.problems.memberships import memberships_of
from kanpde.problems.problem import Condition, Problem
from kanpde.references.applicability import with_values
from kanpde.references.means import NotSolved
from kanpde.references.weak_forms import Statement, slope_indices, space_order

SAME = 1e-9
"""Relative difference up to which factors along a rim count as one number."""


@dataclass(frozen=True, eq=False)
class Rim:
    """The conditions on one stretch where fields end.

    fields: Those that end, with σ.
    values: Of each condition on values, α by field and -γ with its time derivatives.
    fluxes: K, [conditions on fluxes, fields].
    rests: r of each of them.
    """

    seam: Seam
    fields: dict[str, int]
    values: tuple[tuple[dict[str, sympy.Expr], sympy.Expr], ...]
    fluxes: np.ndarray
    rests: tuple[sympy.Expr, ...]

    def inflows(self) -> dict[str, sympy.Expr]:
        """What the weak form of each field takes from the rim, so that Σ_f σ_f K_jf of them is -r_j."""
        if not self.rests:
            return {}
        spread = np.linalg.pinv(self.fluxes)  # K K⁺ = 1
        return {field: -sign * sympy.Add(*(sympy.Float(share) * rest for share, rest in
                                           zip(spread[place], self.rests, strict=True) if share))
                for place, (field, sign) in enumerate(self.fields.items())}  # fmt: skip

    def rows(self) -> np.ndarray:  # [conditions on fluxes, fields]
        """σ_f K_jf; of fields that nothing is tied to, each by itself."""
        return self.fluxes * [*self.fields.values()] if self.values else np.eye(len(self.fields))


def is_rim(condition: Condition) -> bool:
    """Whether fields end where a condition holds."""
    return isinstance(condition.side, Seam) and condition.name.startswith("rim_")


def rims_of(problem: Problem, forms: tuple[Statement, ...], points_of: dict[Seam, torch.Tensor]) -> tuple[Rim, ...]:
    """Of each stretch with such conditions; points lie along it.

    Raises:
        NotSolved: for conditions that are no sums of fluxes or of values with factors that stay the same.
    """
    return tuple(_Reader(problem, forms, seam, points).rim() for seam, points in points_of.items())


@dataclass(frozen=True)
class _Reader:
    problem: Problem
    forms: tuple[Statement, ...]
    seam: Seam
    points: torch.Tensor  # [n, d]

    def rim(self) -> Rim:
        problem = self.problem
        own = [replace(c, residual=self.here(c.residual)) for c in problem.conditions
               if is_rim(c) and c.side == self.seam]  # fmt: skip
        fields = {name: side for name in problem.fields if (side := self.side(name))}
        plain = [c for c in own if not any(space_order(problem, index) for _, index in jets_of(c.residual))]
        fluxes = [self.flux(c, [*fields]) for c in own if c not in plain]
        return Rim(
            self.seam, fields, tuple(self.tie(c) for c in plain),
            np.array([row for row, _ in fluxes]).reshape(-1, len(fields)), tuple(rest for _, rest in fluxes),
        )  # fmt: skip

    def side(self, field: str) -> int:
        """1 for a field that lives inside alone, -1 outside alone, 0 for one that does not end here."""
        own = self.problem.lives(self.beside(-1))[0], self.problem.lives(self.beside(1))[0]
        place = self.problem.fields.index(field)
        return int(own[0][place]) - int(own[1][place])

    def beside(self, sign: int) -> torch.Tensor:
        """The middle point, a little inside or outside."""
        axes, point = list(self.problem.region.axes), self.points[len(self.points) // 2][None].clone()
        length = max(self.problem.domain.lengths[axis] for axis in axes)
        point[:, axes] += sign * 1e-6 * length * self.seam.facet.normals(point[:, axes])
        return point

    def here(self, expr: sympy.Expr) -> sympy.Expr:
        """With fields at the rim itself, and coefficients by shapes as they are inside."""
        found = {jet_expression((name, index), self.problem.coordinates):
                 jet_expression(name.jet, self.problem.coordinates)
                 for name, index in jets_of(expr) if isinstance(name, Placed)}  # fmt: skip
        return self.decided(with_values(self.problem, expr.xreplace(found)), -1)

    def decided(self, expr: sympy.Expr, sign: int) -> sympy.Expr:
        """With coefficients by shapes as they are on one side."""
        space = self.beside(sign)[:, list(self.problem.region.axes)]
        shapes = dict(self.problem.parts)
        return expr.xreplace({one: sympy.Integer(int(shapes[one.title].contains(space)[0]))
                              for one in memberships_of(expr)})  # fmt: skip

    def tie(self, condition: Condition) -> tuple[dict[str, sympy.Expr], sympy.Expr]:
        """α of each field, and -γ."""
        slopes = jet_slopes(condition.residual, self.problem.coordinates)
        if any(jets_of(slope) for slope in slopes.values()) or any(any(index) for _, index in slopes):
            raise NotSolved(f"takes values that are in proportion across rims; {condition.written} is not linear")
        zero = {jet_expression(jet, self.problem.coordinates): sympy.S.Zero for jet in slopes}
        return {field: slope for (field, _), slope in slopes.items()}, -condition.residual.xreplace(zero)

    def flux(self, condition: Condition, fields: list[str]) -> tuple[list[float], sympy.Expr]:
        """K of each field, and r, scaled so that the largest of K is 1."""
        problem = self.problem
        slopes = {jet: slope for jet, slope in jet_slopes(condition.residual, problem.coordinates).items()
                  if space_order(problem, jet[1])}  # fmt: skip
        flat = {jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in slopes}
        factors = {field: self.factor(condition, field, slopes) for field in dict.fromkeys(name for name, _ in slopes)}
        if not set(factors) <= set(fields):
            raise NotSolved(f"takes fluxes of fields that end at rims; {condition.written} has others")
        values = {field: self.at(factor, condition) for field, factor in factors.items()}
        scale = max(values, key=lambda field: float(values[field].abs().mean()))
        shares = {field: value / values[scale] for field, value in values.items()}
        if any(float((share - share[0]).abs().max()) > SAME * (1 + float(share[0].abs())) for share in shares.values()):
            raise NotSolved(f"takes fluxes in the same proportion all along a rim; those of {condition.written} vary")
        rest = condition.residual.xreplace(flat) / factors[scale]
        return [float(shares[field][0]) if field in shares else 0.0 for field in fields], rest

    def factor(self, condition: Condition, field: str, slopes: dict[Jet, sympy.Expr]) -> sympy.Expr:
        """K of c·∇f = K n·A∇f."""
        problem, form = self.problem, next(form for form in self.forms if form.field == field)
        if not form.principal or set(form.principal) != {field}:
            raise NotSolved(f"takes fluxes of one field each at rims; that of {field} is of others as well")
        symbols = coordinate_symbols(problem.coordinates)
        normal = self.seam.normal_expressions(tuple(symbols[axis] for axis in problem.region.axes))
        matrix = [[self.decided(a, -self.side(field)) for a in row] for row in form.principal[field]]
        along = [sum(n * row[column] for n, row in zip(normal, matrix, strict=True)) for column in range(len(normal))]
        asked = [slopes.get((field, index), sympy.S.Zero) for index in slope_indices(problem)]
        ratio = sum(a * c for a, c in zip(along, asked, strict=True)) / sum(a**2 for a in along)
        missed = self.at(sum((c - ratio * a) ** 2 for a, c in zip(along, asked, strict=True)), condition)
        if float(missed.max()) > SAME:
            raise NotSolved(f"takes slopes along the flux at rims; {condition.written} is oblique")
        return ratio

    def at(self, expr: sympy.Expr, condition: Condition) -> torch.Tensor:  # -> [n]
        if jets_of(expr):
            raise NotSolved(f"takes fluxes at rims whose factors are known; those of {condition.written} are of fields")
        return compile_expression(expr, self.problem.coordinates)(self.points)


@dataclass(frozen=True, eq=False)
class Ties:
    """One stretch's ties at its nodes, whose number every field has in common.

    nodes: By number, [n].
    known: Of each condition on values -γ and its time derivatives.
    tied: Which field follows, at which node of these, from which others by which factors, and from which -γ.
    mixed: Which field's weak form at which node is which sum.
    """

    nodes: np.ndarray
    points: torch.Tensor  # [n, d]
    time: int | None
    known: tuple[tuple[Formula, ...], ...]
    tied: tuple[tuple[str, int, dict[str, float], np.ndarray], ...]
    mixed: tuple[tuple[str, int, dict[str, float]], ...]

    def at(self, order: int, t: float) -> np.ndarray:  # -> [conditions, n]
        """-γ, differentiated so often in time."""
        points = self.points.clone()
        if self.time is not None:
            points[:, self.time] = t
        return np.array([one[order](points).numpy() for one in self.known]).reshape(-1, len(points))


def ties_of(
    problem: Problem, rim: Rim, nodes: np.ndarray, points: torch.Tensor, free: dict[str, np.ndarray]
) -> Ties:
    """At each node as many fields are tied as there are conditions on values; those of which `free` has the node."""
    alphas = [{field: compile_expression(alpha, problem.coordinates)(points).numpy() for field, alpha in own.items()}
              for own, _ in rim.values]  # fmt: skip
    open_to = {field: np.isin(nodes, free[field]) for field in rim.fields}
    tied, mixed = [], []
    for place in range(len(nodes)):
        fields = dict.fromkeys((*(field for own in alphas for field in own), *rim.fields))
        matrix = np.array([[own[field][place] if field in own else 0.0 for field in fields] for own in alphas])
        matrix, sources = matrix.reshape(len(alphas), len(fields)), np.eye(len(alphas))
        own = [field for field in rim.fields if open_to[field][place]]
        for row in range(len(alphas)):
            columns = [number for number, field in enumerate(fields) if field in own]
            if not columns or not np.abs(matrix[row, columns]).max() > 0:
                continue  # both ends are given
            pivot = max(columns, key=lambda number: abs(matrix[row, number]))
            sources[row] /= matrix[row, pivot]
            matrix[row] /= matrix[row, pivot]
            for other in range(len(alphas)):
                if other != row:
                    sources[other] -= matrix[other, pivot] * sources[row]
                    matrix[other] -= matrix[other, pivot] * matrix[row]
            own.remove([*fields][pivot])
            tied.append((row, pivot, place, [*fields], matrix, sources))
        rows = rim.rows() if rim.values else np.empty((0, len(rim.fields)))
        mixed += [(field, place, dict(zip(rim.fields, weights.tolist(), strict=True)))
                  for field, weights in zip(own, rows, strict=False)]  # fmt: skip
    found = tuple((fields[pivot], place, {field: -float(matrix[row, number]) for number, field in enumerate(fields)
                                          if number != pivot and matrix[row, number] != 0}, sources[row])
                  for row, pivot, place, fields, matrix, sources in tied)  # fmt: skip
    known = tuple(tuple(compile_expression(one, problem.coordinates) for one in _in_time(problem, value))
                  for _, value in rim.values)  # fmt: skip
    return Ties(nodes, points, problem.time, known, found, tuple(mixed))


def _in_time(problem: Problem, expr: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """An expression and its time derivatives, as many as equations have; itself without time."""
    found = [expr]
    if problem.time is not None:
        for _ in range(max(problem.order_along(field, problem.time) for field in problem.fields)):
            found.append(derivative(found[-1], coordinate_symbols(problem.coordinates)[problem.time]))
    return tuple(found)
