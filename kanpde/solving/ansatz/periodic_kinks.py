"""Initial data with a kink across a period, rounded as the equation's own diffusion rounds it.

    g ≈ J/2 |δ| + smooth,    δ the distance from the seam, J the jump of ∂_x g across it
    L = g + J/2 K(|δ|),      K(δ) = ε/√π exp(-δ²/ε²) - δ erfc(δ/ε),    ε² = 4 d (t - t_0) + ε_0²

|δ| + K solves u_t = d u_xx and is smooth for t > t_0, so what is left to a network is smooth as well. Left as it is, a
kink in a lift stays for all times, and residuals inside the period cannot see it. ε_0 keeps K smooth at t_0 itself.
"""

import math

import sympy

from kanpde.problems.equation_forms import diffusivity
from kanpde.problems.language import coordinate_symbols, derivative
from kanpde.problems.language.functions import erf, exp, sqrt
from kanpde.problems.problem import Problem

SHARPEST = 1e-6
"""ε_0 relative to the period."""


def rounding(problem: Problem, field: str, lift: sympy.Expr) -> sympy.Expr:
    """What to add to a lift so that its kinks across periods are rounded off; zero where it has none."""
    return sum((_rounded_seam(problem, field, axis, lift) for axis in problem.periodic), sympy.S.Zero)


def _rounded_seam(problem: Problem, field: str, axis: int, lift: sympy.Expr) -> sympy.Expr:
    rate = diffusivity(problem, field, axis)
    if rate is None:
        return sympy.S.Zero
    symbols = coordinate_symbols(problem.coordinates)
    x, t = symbols[axis], symbols[problem.time_axis]
    lower, upper = (sympy.Float(end[axis]) for end in (problem.domain.lower, problem.domain.upper))
    begin = problem.domain.lower[problem.time_axis]
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
