"""Equations that are not linear by way of easier ones, where Newton's method does not get there from nothing.

    F_s = (1 - s) F_0 + s F,    F_0 = F|_{u=0} + Σ_j ∂F/∂u_j|_{u=0} u_j  over the derivatives u_j,    s: 0 → 1

From the linear problem at s = 0 each solution is the start of the next; s goes on by twice as much where Newton's
method ended, by half as much where it did not. In a flow s is the share of its Reynolds number: no parameter is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sympy
from torch import Tensor

from kanpde.problems.language import ExpressionError, jet_expression, jet_slopes, jets_of
from kanpde.problems.problem import Problem
from kanpde.solving.optimizers.interface import Ended, Loss, Observer, Optimizer, StopReason

FIRST, SHORTEST = 0.25, 1 / 128
"""The first step of s, and the shortest."""


def softened(problem: Problem, share: float) -> Problem | None:
    """The problem with so much of what is not linear in its equations; None where nothing is, or nothing else is."""
    if problem.remotes() or problem.learned:
        return None
    equations, curved = {}, False
    for name, residual in problem.equations.items():
        zero = {jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in jets_of(residual)}
        try:
            slopes = jet_slopes(residual, problem.coordinates)
        except ExpressionError:
            return None
        terms = [slope.xreplace(zero) * jet_expression(jet, problem.coordinates) for jet, slope in slopes.items()]
        linear = residual.xreplace(zero) + sympy.Add(*terms)
        if linear.has(sympy.zoo, sympy.nan, sympy.oo) or not jets_of(linear):
            return None
        curved |= any(jets_of(slope) for slope in slopes.values())
        equations[name] = (1 - share) * linear + share * residual
    return replace(problem, equations=equations) if curved else None


def continued(
    problem: Problem,
    objective_of: Callable[[Problem], Loss],
    method: Optimizer,
    theta: Tensor,
    steps: int,
    observe: Observer,
) -> Ended | None:
    """The solution at s = 1; None where s cannot be brought there.

    Args:
        objective_of: Of a problem with other equations, at the same points.
        theta: Where the linear problem is begun from.
        steps: Of Newton's method for each s.
        observe: Is shown all of them.
    """
    share, length, reached = 0.0, FIRST, -1.0
    while reached < 1:
        easier = softened(problem, share)
        if easier is None:
            return None
        ended = method.minimize(objective_of(easier), theta, steps, observe)
        if ended.reason is StopReason.STALLED:
            theta, reached, length = ended.theta, share, 2 * length if share else length
        else:
            length /= 2
        if length < SHORTEST or reached < 0:
            return None
        share = min(1.0, reached + length)
    return ended
