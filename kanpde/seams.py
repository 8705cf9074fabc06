"""Initial data with a kink across a period, rounded as the equation's own diffusion rounds it.

    g ≈ J/2 |δ| + smooth,    δ the distance from the seam, J the jump of ∂_x g across it
    L = g + J/2 K(|δ|),      K(δ) = ε/√π exp(-δ²/ε²) - δ erfc(δ/ε),    ε² = 4 d (t - t_0) + ε_0²

|δ| + K solves u_t = d u_xx and is smooth for t > t_0, so what is left to a network is smooth as well. Left as it is, a
kink in a lift stays for all times, and residuals inside the period cannot see it. ε_0 keeps K smooth at t_0 itself.
"""

import math

import sympy

from kanpde.expressions import coordinate_symbols, derivative, jet_slopes
from kanpde.expressions.vocabulary import erf, exp, sqrt
from kanpde.statements import Problem

SHARPEST = 1e-4
"""ε_0 relative to the period."""
WIDEST = 0.2
"""Largest ε relative to the period: where the two ends do not feel each other to rounding."""


def diffusivity(problem: Problem, field: str, axis: int) -> float | None:
    """d of u_t = d u_xx + …, if the equations of a field say so with a constant d > 0; None otherwise."""
    if problem.time is None or problem.order_along(field, problem.time) != 1 or problem.order_along(field, axis) != 2:
        return None
    unit = [tuple(int(a == b) for b in range(len(problem.coordinates))) for a in (problem.time, axis)]
    first, second = (field, unit[0]), (field, tuple(2 * order for order in unit[1]))
    found = []
    for residual in problem.equations.values():
        slopes = jet_slopes(residual, problem.coordinates)
        if first in slopes:
            found.append(-slopes.get(second, sympy.S.Zero) / slopes[first])
    if len(found) != 1 or not found[0].is_number or not found[0] > 0:
        return None
    rate = float(found[0])
    box = problem.domain
    return rate if 2 * (rate * box.lengths[problem.time]) ** 0.5 < WIDEST * box.lengths[axis] else None


def rounding(problem: Problem, field: str, lift: sympy.Expr) -> sympy.Expr:
    """What to add to a lift so that its kinks across periods are rounded off; zero where it has none."""
    return sum((_rounded_seam(problem, field, axis, lift) for axis in problem.periodic), sympy.S.Zero)


def _rounded_seam(problem: Problem, field: str, axis: int, lift: sympy.Expr) -> sympy.Expr:
    rate = diffusivity(problem, field, axis)
    if rate is None:
        return sympy.S.Zero
    symbols = coordinate_symbols(problem.coordinates)
    x, t = symbols[axis], symbols[problem.time]
    lower, upper = (sympy.Float(end[axis]) for end in (problem.domain.lower, problem.domain.upper))
    begin = problem.domain.lower[problem.time]
    slope = derivative(lift, x).subs(t, begin)
    jump = slope.subs(x, lower) - slope.subs(x, upper)
    if not jump.is_number or abs(float(jump)) < 1e-9:
        return sympy.S.Zero
    sharpest = (SHARPEST * problem.domain.lengths[axis]) ** 2
    width = sqrt(4 * rate * (t - begin) + sharpest)
    return sympy.Float(float(jump) / 2) * (_kernel(x - lower, width) + _kernel(upper - x, width))


def _kernel(distance: sympy.Expr, width: sympy.Expr) -> sympy.Expr:
    scaled = distance / width
    return width / math.sqrt(math.pi) * exp(-(scaled**2)) - distance * (1 - erf(scaled))
