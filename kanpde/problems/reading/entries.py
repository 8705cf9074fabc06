"""The data of one problem file: plain entries, and expressions in the names that are known."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.language import (
    AUTO,
    ExpressionError,
    Scope,
    check_name,
    constant_value,
    derivative,
    jets_of,
    moved,
    parse_components,
    parse_expression,
    shortened,
    substituted,
)
from kanpde.problems.named_files import NamedFiles
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.parameter_entries import checked_entry, is_learned, is_range


@dataclass(frozen=True)
class Source:
    """The data of one problem, the name of its file, and the files that it names in turn."""

    data: Entries
    label: str
    files: NamedFiles

    def where(self, key: str) -> str:
        return f"{self.label}: {key}"

    def mapping(self, key: str, example: str) -> Entries:
        value = self.data.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise wrong_kind(self.where(key), "a mapping of names", value, f"{key}: {example}")
        return value

    def words(self, key: str, example: str) -> tuple[str, ...]:
        value = self.data[key]
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise wrong_kind(self.where(key), "a list of names", value, f"{key}: {example}")
        return tuple(value)

    def parameters(self) -> dict[str, sympy.Expr]:
        """Values by name, each an expression in numbers, pi and the parameters before it."""
        values: dict[str, sympy.Expr] = {}
        for name, text in self.mapping("parameters", "{nu: 0.01/pi}").items():
            if is_range(text):
                continue  # a coordinate
            where = self.where(f"parameters.{name}")
            check_name(name, "parameter", self.where("parameters"))
            fixed = {known: value for known, value in values.items() if not is_learned(self.data["parameters"][known])}
            scope = Scope(parameters=tuple(fixed), definitions=fixed)
            value = parse_expression(self.parameter_value(text, where), scope, where)
            values[name] = double_of(value, where)
        return values

    def parameter_value(self, value: object, where: str) -> str | int | float:
        if isinstance(value, dict):
            value = checked_entry(value, where)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise wrong_kind(where, "a number or an expression", value, "0.01/pi")
        return value

    def known(self, key: str, text: object, scope: Scope) -> sympy.Expr:
        """An expression without fields."""
        value = parse_expression(text, scope, self.where(key))
        if jets := jets_of(value):
            raise InputError(
                f"{self.where(key)} needs coordinates and parameters only; it has the field {jets[0][0]}. Write it out."
            )
        return value

    def residuals(self, key: str, text: object, scope: Scope, exact: dict[str, sympy.Expr]) -> tuple[sympy.Expr, ...]:
        """The residuals of an equation or condition, one a component, `auto` resolved."""
        where = self.where(key)
        if not isinstance(text, str):
            raise wrong_kind(where, "an equation", text, f"{scope.fields[0]} = 0")
        residuals = parse_components(text, scope, where)
        try:
            residuals = tuple(_resolved(residual, exact, self.truth(), scope.coordinates) for residual in residuals)
        except ExpressionError as error:
            raise InputError(f"{where} {error}") from None
        if not all(map(jets_of, residuals)):
            raise InputError(
                f"{where} needs to involve a field ({', '.join(scope.fields)}); {shortened(text)} leaves none. "
                "Correct or remove it."
            )
        return residuals

    def truth(self) -> dict[sympy.Symbol, sympy.Expr]:
        """The true values of learned parameters, with which `auto` is worked out."""
        entries = self.data.get("parameters") or {}
        if not any(map(is_learned, entries.values())):
            return {}
        values = self.parameters().items()
        return {sympy.Symbol(name, real=True): value for name, value in values if is_learned(entries[name])}


def double_of(value: sympy.Expr, where: str) -> sympy.Expr:
    """A constant expression as a number."""
    try:
        number = constant_value(value)
    except ExpressionError as error:
        raise InputError(f"{where} {error}") from None
    return sympy.Integer(int(number)) if number.is_integer() and abs(number) < 2**53 else sympy.Float(number)


def _resolved(
    residual: sympy.Expr,
    exact: dict[str, sympy.Expr],
    truth: dict[sympy.Symbol, sympy.Expr],
    coordinates: tuple[str, ...],
) -> sympy.Expr:
    """Put in for `auto` what makes the exact solution hold: r(u) - auto becomes r(u) - r(u_exact)."""
    if not residual.has(AUTO):
        return residual
    if not derivative(residual, AUTO).is_number:
        raise ExpressionError(
            'may have "auto" as a term by itself on the right-hand side; it stands within another term. Write … + auto.'
        )
    rest = residual.xreplace({AUTO: sympy.S.Zero})
    return rest - substituted(moved(rest, truth, coordinates), exact)
