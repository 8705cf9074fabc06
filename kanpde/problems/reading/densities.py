"""Densities that are integrated: what an energy and an eigenproblem take, and what has no least value."""

from __future__ import annotations

from dataclasses import replace

import sympy

from kanpde.errors import InputError
from kanpde.problems.language import (
    ExpressionError,
    Jet,
    Scope,
    constant_value,
    jet_expression,
    jet_slopes,
    jets_of,
    parse_expression,
    shortened,
)
from kanpde.problems.reading.entries import Source


def check_no_time(source: Source, key: str, scope: Scope) -> None:
    """Refuse what depends on time: an integral over it has no least value worth having."""
    if scope.time is not None:
        raise InputError(
            f"{source.where(key)} needs space coordinates only; there is the time t. Remove it, or write equations."
        )


def read_density(text: object, scope: Scope, where: str) -> sympy.Expr:
    density = parse_expression(text, replace(scope, auto=False), where)
    if not jets_of(density):
        raise InputError(
            f"{where} needs to involve a field ({', '.join(scope.fields)}); {shortened(text)} has none. Correct it."
        )
    return density


def _slopes(expr: sympy.Expr, scope: Scope, where: str) -> dict[Jet, sympy.Expr]:
    try:
        return jet_slopes(expr, scope.coordinates)
    except ExpressionError as error:
        raise InputError(f"{where} needs to be smooth in the fields; it {error}") from None


def check_quadratic(expr: sympy.Expr, scope: Scope, where: str, name: str) -> None:
    """Second derivatives without fields, first ones and the value zero at zero."""
    slopes = _slopes(expr, scope, where)
    second = [line for slope in slopes.values() for line in _slopes(slope, scope, where).values()]
    at_zero = [_without_fields(part, scope) for part in (expr, *slopes.values())]
    if any(jets_of(line) for line in second) or any(part != 0 for part in at_zero):
        raise InputError(
            f"{where} of an eigenproblem needs to be quadratic in {name}, as {name}_x**2/2 + V*{name}**2 is; it is "
            "not. Correct it."
        )


def _without_fields(expr: sympy.Expr, scope: Scope) -> sympy.Expr:
    return expr.xreplace({jet_expression(jet, scope.coordinates): sympy.S.Zero for jet in jets_of(expr)})


def check_bounded(expr: sympy.Expr, scope: Scope, where: str) -> None:
    """Legendre's condition where it can be read off: the highest derivatives' squares have no negative factor."""
    slopes = _slopes(expr, scope, where)
    highest = max(sum(index) for _, index in slopes)
    for jet, slope in slopes.items():
        own = _slopes(slope, scope, where).get(jet, sympy.S.Zero)
        if sum(jet[1]) == highest and own.is_number and constant_value(own) < 0:
            raise InputError(
                f"{where} needs a least value; a negative square of the highest derivative has none. Change its sign."
            )
