"""The key `mapping`: domains that move, as functions of coordinates that do not.

    x = Φ(ξ, t):    ∂/∂x_k = Σ_j (A⁻¹)_jk ∂/∂ξ_j,    ∂/∂t at x = ∂/∂t - Σ_j (A⁻¹ Φ_t)_j ∂/∂ξ_j,    A = ∂Φ/∂ξ

Coordinates that no place is given for are places themselves.
"""

from __future__ import annotations

from dataclasses import replace

import sympy

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.language import (
    ExpressionError,
    Scope,
    check_name,
    compile_expression,
    coordinate_symbols,
    depends_on,
    derivative,
    jet_expression,
    jets_of,
    parse_expression,
    substituted,
)
from kanpde.problems.reading.entries import Source

MOST_AXES = 3
POINTS, SEED = 512, 3


def read_mapping(statement: Source, scope: Scope, box: Box) -> Scope:
    """The scope with the places' names, and derivatives along them."""
    given = statement.mapping("mapping", "{x: xi*s(t)}")
    if not given:
        return scope
    where = statement.where("mapping")
    if "equations" not in statement.data or scope.metric is not None:
        raise InputError(f"{where} goes with equations, and with no metric; there is another. Write it out.")
    space = [axis for axis, name in enumerate(scope.coordinates) if name != scope.time and name not in scope.family]
    if not 1 <= len(space) <= MOST_AXES:
        raise InputError(f"{where} needs one to {MOST_AXES} space coordinates; there are {len(space)}. Remove some.")
    places = {axis: (scope.coordinates[axis], coordinate_symbols(scope.coordinates)[axis]) for axis in space}
    for name, text in given.items():
        check_name(name, "place", where)
        if name in scope.names:
            raise InputError(f"{where}.{name} needs a name of its own; {name} is used already. Rename it.")
        expr = parse_expression(text, replace(scope, ranges={}), f"{where}.{name}")
        if any(any(index) for _, index in jets_of(expr)):
            raise InputError(f"{where}.{name} takes fields, and no derivatives of them; it has some. Write xi*s(t).")
        free = [axis for axis in space if places[axis][0] == scope.coordinates[axis]
                and scope.coordinates[axis] in depends_on(_still(expr, scope))]  # fmt: skip
        if not free:
            raise InputError(f"{where}.{name} needs a coordinate that no other place has; it has none. Add it.")
        places[free[0]] = name, expr
    definitions = {**scope.definitions, **{name: expr for name, expr in places.values() if name in given}}
    return replace(scope, definitions=definitions, slopes=_slopes(scope, places, where))


def check_mapping(statement: Source, scope: Scope, box: Box, exact: dict[str, sympy.Expr]) -> None:
    """Refuse a mapping that folds or shrinks to nothing inside, as far as it is known."""
    if not scope.slopes:
        return
    space = [name for name in scope.slopes if name != scope.time]
    rows = [scope.slopes[name] for name in space]
    columns = [axis for axis, name in enumerate(scope.coordinates) if name != scope.time and name not in scope.family]
    inverse = sympy.Matrix([[row[axis] for axis in columns] for row in rows]).det()
    inverse = substituted(inverse, exact) if exact else inverse
    if jets_of(inverse) or depends_on(inverse) - set(scope.coordinates):
        return
    volume = 1 / compile_expression(inverse, scope.coordinates)(uniform_points(box, POINTS, SEED))
    if not bool((volume.isfinite() & (volume > 0)).all()):
        raise InputError(
            f"{statement.where('mapping')} needs places that move apart with their coordinates all over the box; where "
            f"they do least, the volume changes by a factor of {float(volume.nan_to_num(0.0).min()):.3g}. Correct it, "
            "or the ranges."
        )


def _still(expr: sympy.Expr, scope: Scope) -> sympy.Expr:
    """The expression with fields as constants."""
    return expr.xreplace({jet_expression(jet, scope.coordinates): sympy.S.One for jet in jets_of(expr)})


def _slopes(
    scope: Scope, places: dict[int, tuple[str, sympy.Expr]], where: str
) -> dict[str, tuple[sympy.Expr, ...]]:
    """The weights of ∂/∂(each coordinate) in derivatives along places and time."""
    symbols, axes = coordinate_symbols(scope.coordinates), list(places)
    try:
        rows = [[_partial(expr, symbols[axis], scope) for axis in axes] for _, expr in places.values()]
        jacobian = sympy.Matrix(rows)
        moving = [_partial(expr, symbols[scope.coordinates.index(scope.time)], scope) if scope.time else sympy.S.Zero
                  for _, expr in places.values()]  # fmt: skip
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None
    volume = jacobian.det()
    if volume == 0:
        raise InputError(f"{where} needs places that differ; their Jacobian is singular everywhere. Correct it.")
    inverse = jacobian.adjugate() / volume
    found = {}
    for row, (name, _) in enumerate(places.values()):
        weights = [sympy.S.Zero] * len(symbols)
        for column, axis in enumerate(axes):
            weights[axis] = inverse[column, row]
        found[name] = tuple(weights)
    if scope.time is not None:
        drift = inverse * sympy.Matrix(moving)
        weights = [sympy.Integer(name == scope.time) for name in scope.coordinates]
        for column, axis in enumerate(axes):
            weights[axis] = -drift[column]
        found[scope.time] = tuple(weights)
    return found


def _partial(expr: sympy.Expr, symbol: sympy.Symbol, scope: Scope) -> sympy.Expr:
    """∂/∂ξ, without derivatives of fields along what they do not depend on."""
    found, axis = derivative(expr, symbol), scope.coordinates.index(symbol.name)
    still = [jet for jet in jets_of(found) if axis in scope.narrow.get(jet[0], ()) and jet[1][axis]]
    return found.xreplace({jet_expression(jet, scope.coordinates): sympy.S.Zero for jet in still})
