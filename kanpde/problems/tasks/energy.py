"""The task `energy`: the field for which an integral is least (Ritz).

Integrals over sides of the box become part of the density, by the divergence of a field that ends at one side:

    ∮_{x=b} g ds = ∫ ∂/∂x (x - a)/(b - a) g(x, u) dx,    ∮_{x=a} g ds = -∫ ∂/∂x (b - x)/(b - a) g(x, u) dx

On a domain of shapes they are taken along the boundary, with points of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import sympy

from kanpde.errors import InputError
from kanpde.problems.geometry.regions import Piece
from kanpde.problems.geometry.rims import rim_pieces
from kanpde.problems.language import (
    ExpressionError,
    Scope,
    coordinate_symbols,
    derivative,
    jets_of,
    latex_of,
    shortened,
    suggestion,
    text_of,
)
from kanpde.problems.language.arithmetic import number_of
from kanpde.problems.problem import Integral, Problem, Task
from kanpde.problems.reading.densities import check_bounded, check_no_time, read_density
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.schema_parts import EXPRESSION, Schema, mapping_of, object_of


@dataclass(frozen=True)
class Energy(Task):
    """Minimize E(u) = ∫ bulk dx + Σ ∮ side ds = ∫ bulk + inward dx + Σ ∮ rim ds."""

    bulk: sympy.Expr
    inward: sympy.Expr = sympy.S.Zero
    sides: tuple[tuple[str, sympy.Expr], ...] = ()
    rims: tuple[tuple[str, sympy.Expr], ...] = ()

    key: ClassVar[str] = "energy"
    example: ClassVar[str] = "u_x**2/2 - u"
    about: ClassVar[str] = (
        "in place of equations: the density of an energy to minimize (Ritz), as `u_x**2/2 - f*u`; with integrals over "
        "sides and around plane shapes, `{density: u_x**2/2, boundary: {x+: h*(u - 1)**2/2}}`"
    )
    schema: ClassVar[Schema] = {
        "anyOf": [EXPRESSION, object_of({"density": EXPRESSION, "boundary": mapping_of(EXPRESSION)}, ["density"])]
    }
    replaces: ClassVar[tuple[str, ...]] = ("initial", "data")

    @classmethod
    def read(cls, source: Source, scope: Scope) -> Energy:
        check_no_time(source, cls.key, scope)
        where, given = source.where(cls.key), source.data[cls.key]
        given = given if isinstance(given, dict) else {"density": given}
        if "density" not in given or set(given) - {"density", "boundary"}:
            raise wrong_kind(where, "density, and boundary by sides", given, "{density: u_x**2/2, boundary: {x+: -u}}")
        bulk = read_density(given["density"], scope, where)
        check_bounded(bulk, scope, where)
        sides = tuple(_on_sides(source, given.get("boundary", {}), scope))
        if scope.filled:
            return cls(bulk, rims=sides)
        return cls(bulk, sympy.Add(*(_inward(*one, scope, where) for one in sides)), sides)

    def integrals(self) -> tuple[sympy.Expr, ...]:
        return (self.bulk + self.inward,)

    def mapped(self, of: Callable[[sympy.Expr], sympy.Expr]) -> Energy:
        sides, rims = (tuple((name, of(expr)) for name, expr in parts) for parts in (self.sides, self.rims))
        return Energy(of(self.bulk), of(self.inward), sides, rims)

    def around(self, problem: Problem) -> tuple[tuple[Piece, sympy.Expr], ...]:
        found = ((rim_pieces(problem.region, problem.coordinates, name), expr) for name, expr in self.rims)
        return tuple((piece, expr) for pieces, expr in found for piece in pieces)

    def checked(self, problem: Problem, label: str) -> Iterator[str]:
        """A least energy has no place for a constraint's multiplier."""
        for condition in problem.conditions:
            if condition.kind == "constraint":
                raise InputError(
                    f"{label}: energy needs conditions that give values on the boundary, which are built in; it has "
                    f"the {condition.name} {text_of(condition.residual)} = 0. Write the equation of its minimum under "
                    "equations, which take constraints, or add a penalty to the energy."
                )
        yield from ()

    def lines(self, problem: Problem) -> Iterator[str]:
        around = "".join(f" + ∮ over {name} of {text_of(expr)}" for name, expr in (*self.sides, *self.rims))
        yield f"  energy: ∫ {text_of(self.bulk)}{around}, the least"
        yield f"    LaTeX \\int {latex_of(self.bulk)}"

    def shown(self, problem: Problem) -> tuple[Integral | str, ...]:
        around = [f"and the integral of {text_of(expr)} over {name}" for name, expr in (*self.sides, *self.rims)]
        return (Integral(self.bulk, "least"), *around)


def _on_sides(source: Source, given: object, scope: Scope) -> Iterator[tuple[str, sympy.Expr]]:
    """What is integrated over each side."""
    where = source.where("energy.boundary")
    sides = [f"{name}{end}" for name in scope.coordinates if name not in scope.family for end in "-+"]
    if not isinstance(given, dict):
        raise wrong_kind(where, "what is integrated over each side", given, "{x+: h*(u - 1)**2/2}")
    if scope.filled:
        sides += [*scope.regions]
        if given and len(scope.coordinates) - len(scope.family) != 2:
            raise InputError(
                f"{where} needs a plane domain, where there are shapes; this one has "
                f"{len(scope.coordinates) - len(scope.family)} dimensions. Write equations with dn(u)."
            )
    for name in given:
        if name not in (*sides, "*"):
            raise InputError(
                f'{where} needs sides ({", ".join(sides)}, or "*" for all that remain); it has {shortened(name)}. '
                f"Correct it.{suggestion(name, sides) or ''}"
            )
    for side in sides:
        if side not in given and "*" not in given:
            continue
        expr = read_density(given.get(side, given.get("*")), scope, f"{where}.{side}")
        if any(any(index) for _, index in jets_of(expr)):
            raise InputError(
                f"{where}.{side} takes fields, and no derivatives of them; it has some. Write e.g. h*(u - 1)**2/2."
            )
        yield side, expr


def _inward(side: str, expr: sympy.Expr, scope: Scope, where: str) -> sympy.Expr:
    """The density whose integral is that of an expression over a side."""
    (x,), (low, high) = coordinate_symbols((side[:-1],)), map(number_of, scope.ranges[side[:-1]])
    weight = (x - low) / (high - low) if side[-1] == "+" else (x - high) / (high - low)
    try:
        return derivative(weight * expr, x)
    except ExpressionError as error:
        raise InputError(f"{where}.boundary.{side} {error}") from None
