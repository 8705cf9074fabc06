"""What constraints say of fields on a mesh: g(u) = R(∫ f_1(u) dx, ∫ f_2(u) dx, …) = 0, and its slopes

    ∂g/∂c = Σ_k ∂R/∂(∫ f_k) Σ_q ω_q Σ_jets ∂f_k/∂jet Ψ_jet(x_q)

Points and weights are those of the problem's own rules, so that curved sides of the mesh cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy
import torch

from kanpde.problems.geometry.regions import Place
from kanpde.problems.language import (
    Formula,
    Integrated,
    Jet,
    Placed,
    Remote,
    Rule,
    compile_expression,
    coordinate_symbols,
    jet_expression,
    jet_slopes,
    jets_of,
)
from kanpde.problems.problem import Condition, Problem
from kanpde.references.applicability import with_values
from kanpde.references.galerkin import Discrete, Integral
from kanpde.references.means import NotSolved


@dataclass(frozen=True, eq=False)
class Constraint:
    """g and its slopes in all values at nodes."""

    point: torch.Tensor  # [1, d], where it holds
    residual: Formula
    slopes: dict[Jet, Formula]
    totals: dict[Jet, Integral]

    def value(self, full: np.ndarray) -> float:
        return self.residual(self.point, self._amounts(full)).item()

    def gradient(self, full: np.ndarray) -> np.ndarray:  # -> [size]
        amounts, found = self._amounts(full), np.zeros_like(full)
        for jet, slope in self.slopes.items():
            found += slope(self.point, amounts).item() * self.totals[jet].jacobian(full).sum(axis=0)
        return found

    def _amounts(self, full: np.ndarray) -> dict[Jet, torch.Tensor]:
        return {jet: torch.tensor([one.amount(full)[0]], dtype=torch.float64) for jet, one in self.totals.items()}


def constraint_of(discrete: Discrete, condition: Condition) -> Constraint:
    """What a condition says of the fields of a problem without time.

    Raises:
        NotSolved: it says more than integrals over space and values at places do.
    """
    problem, residual = discrete.problem, with_values(discrete.problem, condition.residual)
    if not isinstance(condition.side, Place):
        raise NotSolved(f"takes constraints that hold once; {condition.name} holds all along {condition.side.name}")
    point = torch.tensor([[0.0 if value is None else value for value in condition.side.values]], dtype=torch.float64)
    slopes = {jet: compile_expression(slope, problem.coordinates, problem.fields)
              for jet, slope in jet_slopes(residual, problem.coordinates).items()}  # fmt: skip
    totals = {jet: _total(discrete, condition, jet[0], point) for jet in jets_of(residual)}
    return Constraint(point, compile_expression(residual, problem.coordinates, problem.fields), slopes, totals)


def _total(discrete: Discrete, condition: Condition, name: str, point: torch.Tensor) -> Integral:
    """∫ f over points in space, or a field at a place."""
    problem, symbols = discrete.problem, coordinate_symbols(discrete.problem.coordinates)
    if isinstance(name, Placed):
        there = [compile_expression(part, problem.coordinates)(point) for part in name.place]
        return discrete.sum_over(torch.stack(there, dim=1).numpy(), np.ones(1), _local(problem, name.jet), name.jet[0])
    if not isinstance(name, Integrated) or {s.variable.name for s in name.spans} != {f"{x}'" for x in symbols}:
        what = "integrals over some coordinates" if isinstance(name, Remote) else "fields at every point"
        raise NotSolved(f"takes constraints of integrals over all of space; {condition.name} has {what}")
    rule = Rule(problem.coordinates, name.spans)
    nodes, weights = rule(point)
    here = tuple(span.variable for span in name.spans)
    own = {str(span.variable): nodes[:, len(symbols) + place] for place, span in enumerate(name.spans)}
    points = torch.stack([own[f"{symbol.name}'"] for symbol in symbols], dim=1)
    local = {jet_expression(jet, problem.coordinates): _moved_here(problem, jet, condition)
             for jet in jets_of(name.density)}  # fmt: skip
    named = {variable: sympy.Symbol(variable.name[:-1], real=True) for variable in here}
    density = name.density.xreplace(local).xreplace(named)
    return discrete.sum_over(points.numpy(), weights[0].numpy(), density, condition.fields[0])


def _local(problem: Problem, jet: Jet) -> sympy.Expr:
    return jet_expression(jet, problem.coordinates)


def _moved_here(problem: Problem, jet: Jet, condition: Condition) -> sympy.Expr:
    """A jet at the variables of integration as one at the point itself."""
    name = jet[0]
    wanted = tuple(f"{own}'" for own in problem.coordinates)
    if not isinstance(name, Placed) or tuple(str(part) for part in name.place) != wanted:
        raise NotSolved(f"takes integrals of fields where they are integrated; {condition.name} has others")
    return _local(problem, name.jet)
