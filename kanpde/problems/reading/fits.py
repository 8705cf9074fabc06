"""The key `fit`: fields that follow an expression or data instead of equations."""

from __future__ import annotations

import sympy

from kanpde.errors import InputError
from kanpde.problems.language import Scope, jet_expression
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind


def fitted_expressions(statement: Source, scope: Scope) -> dict[str, sympy.Expr]:
    """What each field is fitted to; empty without `fit`, and where data take its place."""
    given, where = statement.data.get("fit"), statement.where("fit")
    if "fit" not in statement.data:
        return {}
    for key in ("equations", "boundary", "initial"):
        if statement.data.get(key):
            raise InputError(f"{where} takes the place of {key}; both are there. Remove one of them.")
    if given is True:
        if statement.data.get("data") is None:
            raise InputError(f"{where}: true needs data; there are none. Add data: {{file: observations.csv}}.")
        return {}
    if not isinstance(given, dict):
        raise wrong_kind(where, "an expression for each field, or true with data", given, "{u: sin(pi*x)}")
    if set(given) != set(scope.fields):
        raise InputError(
            f"{where} needs an expression for each field ({', '.join(scope.fields)}) and nothing else; it has "
            f"{', '.join(map(str, given)) or 'none'}. Correct it."
        )
    if statement.data.get("exact"):
        raise InputError(f"{where} is the exact solution already; there is exact as well. Remove exact.")
    return {name: statement.known(f"fit.{name}", given[name], scope) for name in scope.fields}


def fitted_equations(fitted: dict[str, sympy.Expr], scope: Scope) -> dict[str, sympy.Expr]:
    """u - expression = 0 for each field."""
    return {
        f"fit_{name}": jet_expression((name, (0,) * len(scope.coordinates)), scope.coordinates) - value
        for name, value in fitted.items()
    }
