"""The task `fit`: fields that follow an expression or data instead of equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy

from kanpde.errors import InputError
from kanpde.problems.language import Scope, jet_expression
from kanpde.problems.problem import Task
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.schema_parts import EXPRESSION, Schema, mapping_of


@dataclass(frozen=True)
class Fit(Task):
    """u - expression = 0 for each field, or data alone."""

    key: ClassVar[str] = "fit"
    example: ClassVar[str] = "{u: sin(pi*x)}"
    about: ClassVar[str] = (
        "in place of equations: an expression for each field, `{u: exp(x)}`, or `true` for data alone"
    )
    schema: ClassVar[Schema] = {"anyOf": [{"const": True}, mapping_of(EXPRESSION)]}
    replaces: ClassVar[tuple[str, ...]] = ("boundary", "initial")

    @classmethod
    def solution(cls, source: Source, scope: Scope) -> dict[str, sympy.Expr]:
        """What each field is fitted to; empty where data take its place."""
        given, where = source.data["fit"], source.where("fit")
        if given is True:
            if source.data.get("data") is None:
                raise InputError(f"{where}: true needs data; there are none. Add data: {{file: observations.csv}}.")
            return {}
        if not isinstance(given, dict):
            raise wrong_kind(where, "an expression for each field, or true with data", given, cls.example)
        if set(given) != set(scope.fields):
            raise InputError(
                f"{where} needs an expression for each field ({', '.join(scope.fields)}) and nothing else; it has "
                f"{', '.join(map(str, given)) or 'none'}. Correct it."
            )
        if source.data.get("exact"):
            raise InputError(f"{where} is the exact solution already; there is exact as well. Remove exact.")
        return {name: source.known(f"fit.{name}", given[name], scope) for name in scope.fields}

    @classmethod
    def test_share(cls, source: Source) -> float:
        return 0.2 if source.data["fit"] is True else 0.0

    def equations(self, source: Source, scope: Scope, exact: dict[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        fitted, none = {} if source.data["fit"] is True else exact, (0,) * len(scope.coordinates)
        return {
            f"fit_{name}": jet_expression((name, none), scope.coordinates) - value for name, value in fitted.items()
        }
