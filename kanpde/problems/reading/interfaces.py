"""What a jump inside a derivative says: div(k*grad(T)) with k = where(y < 1, 1.38, 400) keeps T and k T_y continuous.

The derivative of a jump at y = w holds Δ·δ(y - w). The equation is left without it, and the flux q of the field's
second derivative along y goes on across the wall,

    q(w⁺) - q(w⁻) = 0,    q = A T_y + b,    A = ∂R/∂T_yy,    b(w⁺) - b(w⁻) = Δ where T_y = 0,

which is a condition between the values on its two sides.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy

from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.regions import Place
from kanpde.problems.language import (
    ExpressionError,
    Remote,
    Scope,
    coordinate_symbols,
    derivative,
    fields_of,
    jet_expression,
    jet_slopes,
    jets_of,
    moved,
)
from kanpde.problems.language.functions import choice, delta
from kanpde.problems.problem import Condition

BESIDE = 1e-9
"""How far beside a wall its sides are looked at, of the box."""


def across_walls(
    equations: dict[str, sympy.Expr], scope: Scope, box: Box
) -> tuple[dict[str, sympy.Expr], tuple[Condition, ...]]:
    """Equations without the δ of jumps, and what goes on across each wall.

    Raises:
        ExpressionError: a jump stands where no flux is known from.
    """
    left: dict[str, sympy.Expr] = {}
    found: list[Condition] = []
    for name, residual in equations.items():
        jumps = sorted(residual.atoms(delta), key=str)
        for jump in jumps:
            axis = scope.coordinates.index(jump.args[0].name)
            if axis == (scope.coordinates.index(scope.time) if scope.time else None):
                raise ExpressionError("takes the derivative in time of what jumps in time. Smooth the jump with tanh.")
            wall = float(jump.args[1])
            if box.lower[axis] < wall < box.upper[axis]:
                flux = _continued(residual, jump, axis, scope, BESIDE * box.lengths[axis])
                place = Place(tuple(wall if other == axis else None for other in range(len(scope.coordinates))))
                label = f"{name}_at_{scope.coordinates[axis]}_{len(found) + 1}"
                text = f"the flux of {name} goes on across {scope.coordinates[axis]} = {wall:g}"
                found.append(Condition(label, place, flux, "interface", fields_of(flux), text))
        left[name] = _without(residual, jumps)
    return left, tuple(found)


def _without(residual: sympy.Expr, jumps: list[sympy.Expr]) -> sympy.Expr:
    return residual.xreplace(dict.fromkeys(jumps, sympy.S.Zero))


def _continued(residual: sympy.Expr, jump: sympy.Expr, axis: int, scope: Scope, step: float) -> sympy.Expr:
    """q(w⁺) - q(w⁻), of values beside the wall."""
    names, dummy = scope.coordinates, sympy.Dummy(real=True)
    x, (_, wall) = coordinate_symbols(names)[axis], jump.args
    others = [other for other in residual.atoms(delta) if other != jump]
    weight = derivative(_without(residual, others).xreplace({jump: dummy}), dummy)
    if weight.has(dummy) or any(isinstance(name, Remote) for name, _ in jets_of(residual)):
        raise ExpressionError("takes a jump in a derivative that is not linear. State the problem as an energy.")
    unit = tuple(int(other == axis) for other in range(len(names)))
    slopes = jet_slopes(_without(residual, [jump, *others]), names)
    factors = {field: a for (field, index), a in slopes.items() if index == tuple(2 * one for one in unit)}
    if not factors:
        raise ExpressionError(
            f"takes the derivative of a where(…) that jumps at {names[axis]} = {wall}, with no second derivative along "
            f"{names[axis]} in whose flux it stands. Write div(k*grad(u)), or smooth the jump with tanh or erf."
        )
    normal = {field: jet_expression((field, unit), names) for field in factors}
    flux = sympy.Add(*(a * normal[field] for field, a in factors.items()))
    rest = weight.xreplace(dict.fromkeys(normal.values(), sympy.S.Zero))
    sides = [_decided(moved(flux, {x: wall + sign * sympy.Float(step)}, names)) for sign in (1, -1)]
    return sides[0] - sides[1] + _decided(moved(rest, {x: wall}, names))


def _decided(expr: sympy.Expr) -> sympy.Expr:
    """The expression with each where(…) whose distance is a number replaced by its branch."""
    while known := [node for node in expr.atoms(choice) if node.args[0].is_number]:
        expr = expr.xreplace({node: node.args[1] if node.args[0] < 0 else node.args[2] for node in known})
    return expr


def wall_lines(conditions: tuple[Condition, ...]) -> Iterator[str]:
    """What `kanpde check` prints of them."""
    return (f"  {text}" for text in dict.fromkeys(c.written for c in conditions if c.kind == "interface"))
