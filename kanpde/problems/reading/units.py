"""The key `units`, `{x: m, t: s, T: K, k: W/(m*K)}`: terms that are added have one unit.

    [u_xt] = [u]/([x] [t]),    [a b] = [a] [b],    [a + b] = [a] = [b],    [exp(a)] = 1 = [a]

Numbers, and names without an entry, take any unit. SI units and their products are known, without prefixes: values are
what the file says, and nothing is converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

import sympy

from kanpde.errors import InputError
from kanpde.problems.language import (
    Remote,
    Scope,
    coordinate_symbols,
    jet_expression,
    jets_of,
    parse_components,
    parse_expression,
    text_of,
)
from kanpde.problems.language.functions import absolute, choice, larger, smaller, sqrt
from kanpde.problems.memberships import Membership
from kanpde.problems.problem import Condition
from kanpde.problems.reading.entries import Source

Unit = dict[str, Fraction]
"""Powers of base units; those that are zero are left out."""

DERIVED = {
    "N": "kg*m/s**2", "Pa": "kg/(m*s**2)", "J": "kg*m**2/s**2", "W": "kg*m**2/s**3", "Hz": "1/s", "C": "A*s",
    "V": "kg*m**2/(A*s**3)", "ohm": "kg*m**2/(A**2*s**3)", "F": "A**2*s**4/(kg*m**2)", "T": "kg/(A*s**2)",
}  # fmt: skip
BASE = ("m", "s", "kg", "K", "A", "mol", "cd", "rad")


def check_units(statement: Source, scope: Scope, conditions: tuple[Condition, ...]) -> None:
    """Refuse equations and conditions whose terms have different units.

    Raises:
        InputError: such a one, a unit that there is not, or a name that there is not.
    """
    given = statement.mapping("units", "{x: m, t: s, u: K}")
    if not given:
        return
    names = [*scope.names]
    for name in given:
        if name not in names:
            raise InputError(
                f"{statement.where('units')} needs names of the problem ({', '.join(names)}); {name} is none. "
                "Remove it."
            )
    known = {name: unit_of(str(text), statement.where(f"units.{name}")) for name, text in given.items()}
    parts = {part: known[name] for name, own in (*scope.vectors.items(), *scope.complexes.items())
             if name in known for part in own}  # fmt: skip
    plain = replace(scope, definitions={}, parameters=(*scope.parameters, *scope.definitions), auto=True, walls=True)
    for key, text, normal in _texts(statement, scope, conditions):
        for residual in parse_components(text, replace(plain, normal=normal), statement.where(key)):
            _Terms(known | parts, scope.coordinates, statement.where(key)).unit(residual)


def unit_of(text: str, where: str) -> Unit:
    """The powers of base units in a text such as `W/(m*K)`.

    >>> unit_of("N*s", "example") == unit_of("kg*m/s", "example")
    True
    """
    units = {name: unit_of(inner, where) for name, inner in DERIVED.items()} if text not in DERIVED.values() else {}
    units |= {name: {name: Fraction(1)} for name in BASE if name != "rad"} | {"rad": {}}
    expr = parse_expression(text, Scope(parameters=tuple(units)), where)
    found = _Terms(units, (), where).unit(expr)
    return {} if found is None else found


def _texts(
    statement: Source, scope: Scope, conditions: tuple[Condition, ...]
) -> Iterator[tuple[str, str, tuple[sympy.Expr, ...] | None]]:
    """Key, text and normal of each equation and condition."""
    equations = statement.data.get("equations") or {}
    for name, text in equations.items() if isinstance(equations, dict) else [("equation", equations)]:
        yield f"equations.{name}", str(text), None
    ones = (sympy.S.One,) * len(scope.coordinates)
    space = tuple(one * (name != scope.time) for one, name in zip(ones, scope.coordinates, strict=True))
    for condition in conditions:
        if condition.kind in ("boundary", "initial", "final") and condition.written:
            yield f"{condition.kind}.{condition.name}", condition.written, space


class _Terms:
    """Units of expressions, by the rules above."""

    def __init__(self, known: Mapping[str, Unit], coordinates: tuple[str, ...], where: str):
        self.known, self.coordinates, self.where = known, coordinates, where

    def unit(self, expr: sympy.Expr) -> Unit | None:
        """The unit, None for any."""
        if expr.is_number:
            return None
        if isinstance(expr, sympy.Symbol):
            return self.known.get(expr.name)
        if expr.is_Add or isinstance(expr, (larger, smaller)):
            return self._shared(expr.args)
        if expr.is_Mul:
            return self._product([(part, Fraction(1)) for part in expr.args])
        if expr.is_Pow and expr.exp.is_Rational:
            return self._product([(expr.base, Fraction(int(expr.exp.p), int(expr.exp.q)))])
        if isinstance(expr, sqrt):
            return self._product([(expr.args[0], Fraction(1, 2))])
        if isinstance(expr, choice):
            return self._shared(expr.args[1:])
        if isinstance(expr, absolute):
            return self.unit(expr.args[0])
        jets = jets_of(expr)
        if len(jets) == 1 and expr == jet_expression(jets[0], self.coordinates):
            return self._of_jet(*jets[0])
        if isinstance(expr, Membership):
            return {}
        for part in expr.args:  # of a function
            if self.unit(part):
                raise InputError(
                    f"{self.where} needs arguments without a unit in {type(expr).__name__}(…); {text_of(part)} has "
                    f"{_said(self.unit(part) or {})}. Divide by a scale."
                )
        return {}

    def _shared(self, parts: tuple[sympy.Expr, ...]) -> Unit | None:
        units = [(part, unit) for part in parts if (unit := self.unit(part)) is not None]
        for part, unit in units[1:]:
            if unit != units[0][1]:
                raise InputError(
                    f"{self.where} needs terms of one unit; {text_of(units[0][0])} has {_said(units[0][1])} and "
                    f"{text_of(part)} has {_said(unit)}. Correct the equation, or units."
                )
        return units[0][1] if units else None

    def _product(self, parts: list[tuple[sympy.Expr, Fraction]]) -> Unit | None:
        units = [(self.unit(part), power) for part, power in parts if not part.is_number]
        total: Unit = {}
        for unit, power in units:
            if unit is None:
                return None
            for name, own in unit.items():
                total[name] = total.get(name, Fraction(0)) + power * own
        return {name: power for name, power in total.items() if power}

    def _of_jet(self, field: str | Remote, index: tuple[int, ...]) -> Unit | None:
        if isinstance(field, Remote) or field not in self.known:
            return None
        symbols = coordinate_symbols(self.coordinates)
        parts = [(symbol, Fraction(-order)) for symbol, order in zip(symbols, index, strict=True) if order]
        return self._product([(sympy.Symbol(field, real=True), Fraction(1)), *parts])


def _said(unit: Unit) -> str:
    """Such as `K/s`."""
    named = sorted(unit.items(), key=lambda item: (item[1] < 0, item[0]))
    return "*".join(name if power == 1 else f"{name}**{power}" for name, power in named) or "no unit"
