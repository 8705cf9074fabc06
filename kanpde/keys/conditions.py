"""The keys `boundary` and `initial`: what holds on each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sympy

from kanpde.domains import Side, box_sides
from kanpde.errors import InputError
from kanpde.expressions import Scope, jets_of, shortened, suggestion
from kanpde.keys.messages import wrong_kind
from kanpde.statements import Condition

if TYPE_CHECKING:
    from kanpde.keys.statement import Statement


def read_conditions(
    statement: Statement, scope: Scope, exact: dict[str, sympy.Expr], periodic: tuple[int, ...]
) -> tuple[Condition, ...]:
    """Every condition, in the order of the coordinates."""
    return _Conditions(statement, scope, exact, periodic).all()


@dataclass(frozen=True)
class _Conditions:
    """Reads `boundary` and `initial`."""

    statement: Statement
    scope: Scope
    exact: dict[str, sympy.Expr]
    periodic: tuple[int, ...]

    def all(self) -> tuple[Condition, ...]:
        conditions: list[Condition] = []
        for side, key, texts in self.texts():
            residuals = []
            for number, text in enumerate(texts, 1):
                residuals += self.residuals(side, key if len(texts) == 1 else f"{key}[{number}]", text)
            conditions += [self.condition(side, number, residual) for number, residual in enumerate(residuals, 1)]
        return tuple(conditions)

    def residuals(self, side: Side, place: str, text: object) -> tuple[sympy.Expr, ...]:
        normal = tuple(map(sympy.Integer, side.normal(len(self.scope.coordinates))))
        scope = replace(self.scope, normal=None if side.name == "t-" else normal)
        return self.statement.statement(place, text, scope, self.exact)

    def condition(self, side: Side, number: int, residual: sympy.Expr) -> Condition:
        fields = tuple(sorted({field for field, _ in jets_of(residual)}))
        name = side.name if number == 1 else f"{side.name}.{number}"
        return Condition(name, side, residual, "initial" if side.name == "t-" else "boundary", fields)

    def texts(self) -> list[tuple[Side, str, list]]:
        """The conditions of each side in the order of the coordinates, and the key they stand under."""
        sides = {side.name: side for side in box_sides(self.scope.coordinates)}
        given = self.statement.data.get("boundary")
        if given is not None and not isinstance(given, dict):
            raise wrong_kind(self.statement.where("boundary"), "a condition for each side", given, "{x-: u = 0}")
        found = {self.side(name, sides).name: (f"boundary.{name}", texts) for name, texts in (given or {}).items()
                 if name != "*"}  # fmt: skip
        if "*" in (given or {}):
            rest = [side.name for side in sides.values() if self.takes_conditions(side) and side.name not in found]
            self.check_rest(rest)
            found |= dict.fromkeys(rest, ('boundary."*"', given["*"]))
        if self.statement.data.get("initial") is not None:
            found["t-"] = ("initial", self.statement.data["initial"])
            self.check_time()
        return [(side, found[name][0], self.listed(*found[name])) for name, side in sides.items() if name in found]

    def check_rest(self, rest: list[str]) -> None:
        if not rest:
            where = self.statement.where('boundary."*"')
            raise InputError(
                f"{where} needs sides without a condition of their own; none is left that is not periodic. Remove it."
            )

    def takes_conditions(self, side: Side) -> bool:
        return side.axis not in self.periodic and self.scope.coordinates[side.axis] not in ("t", *self.scope.family)

    def side(self, name: str, sides: Mapping[str, Side]) -> Side:
        where = self.statement.where("boundary")
        possible = [side.name for side in sides.values() if self.takes_conditions(side)]
        if name in ("t-", "t+") and name in sides:
            raise InputError(
                f"{where} takes conditions in space; it has {name}. Write conditions at the start of time under "
                "initial; if t is no time, call it otherwise."
            )
        if name not in sides or sides[name].axis in map(self.scope.coordinates.index, self.scope.family):
            hint = suggestion(name, possible) or ""
            raise InputError(
                f'{where} needs sides ({", ".join(possible) or "none here"}, or "*" for all that remain); it has '
                f"{shortened(name)}. Rename or remove it.{hint}"
            )
        if sides[name].axis in self.periodic:
            raise InputError(
                f"{where} takes no condition on {name}: {name[:-1]} is periodic. Remove the condition or periodic."
            )
        return sides[name]

    def check_time(self) -> None:
        if "t" not in self.scope.coordinates:
            raise InputError(
                f"{self.statement.where('initial')} needs the coordinate t, time; there is none. "
                "Add t to coordinates, or move the condition to boundary."
            )

    def listed(self, key: str, texts: object) -> list:
        texts = texts if isinstance(texts, list) else [texts]
        for text in texts:
            if isinstance(text, dict):
                raise InputError(
                    f"{self.statement.where(key)} needs conditions on whole sides, such as u = 0; it has a mapping, "
                    "which this version does not have yet. Write the condition as text."
                )
        if not texts:
            raise wrong_kind(self.statement.where(key), "a condition", texts, f"{self.scope.fields[0]} = 0")
        return texts
