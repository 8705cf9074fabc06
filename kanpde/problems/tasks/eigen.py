"""The task `eigen`: the lowest states of an operator, and their energies (Rayleigh)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import sympy

from kanpde.errors import InputError
from kanpde.problems.language import Scope, latex_of, renamed, shortened, suggestion, text_of
from kanpde.problems.problem import Condition, Integral, Problem, Task
from kanpde.problems.reading.densities import check_bounded, check_no_time, check_quadratic, read_density
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.schema_parts import EXPRESSION, Schema, object_of

MOST_STATES = 12
KEYS = ("energy", "norm", "states")
STATES: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_STATES}


@dataclass(frozen=True)
class Eigen(Task):
    """The lowest stationary points of ∫ density / ∫ norm, both quadratic; one field of the problem each.

    `density` and `norm` are written in the field `name`; the problem's fields are the states, `name_1`, `name_2`, …
    """

    name: str
    density: sympy.Expr
    norm: sympy.Expr

    key: ClassVar[str] = "eigen"
    example: ClassVar[str] = "{energy: psi_x**2/2 + V*psi**2, states: 2}"
    about: ClassVar[str] = (
        "in place of equations: `{energy: psi_x**2/2 + V*psi**2, norm: psi**2, states: 2}`, lowest states first"
    )
    schema: ClassVar[Schema] = object_of({"energy": EXPRESSION, "norm": EXPRESSION, "states": STATES}, ["energy"])
    replaces: ClassVar[tuple[str, ...]] = ("initial", "data")

    @classmethod
    def read(cls, source: Source, scope: Scope) -> Eigen:
        check_no_time(source, cls.key, scope)
        given, where = source.data[cls.key], source.where(cls.key)
        _check_entries(source, given, scope)
        (name,) = scope.fields
        density = read_density(given["energy"], scope, f"{where}.energy")
        norm = read_density(given.get("norm", f"{name}**2"), scope, f"{where}.norm")
        for key, expr in (("energy", density), ("norm", norm)):
            check_quadratic(expr, scope, f"{where}.{key}", name)
        check_bounded(density, scope, f"{where}.energy")
        check_bounded(norm, scope, f"{where}.norm")
        return cls(name, density, norm)

    def fields(self, source: Source, scope: Scope) -> tuple[str, ...]:
        """psi_1, psi_2, … for the field psi."""
        return tuple(f"{self.name}_{number}" for number in range(1, _states(source) + 1))

    def conditions(
        self, conditions: tuple[Condition, ...], fields: tuple[str, ...], scope: Scope, where: str
    ) -> tuple[Condition, ...]:
        """The conditions on the field, for each state; they have to be u = 0, or states could not be added up."""
        found = []
        for condition in conditions:
            solved = condition.solved(scope.coordinates)
            if solved is None or any(solved[0][1]) or solved[1] != 0:
                raise InputError(
                    f"{where} of an eigenproblem takes {self.name} = 0; {condition.name} has another condition. Leave "
                    "it out where the natural condition of the energy holds."
                )
            for state in fields:
                residual = renamed(condition.residual, self.name, state, scope.coordinates)
                found.append(replace(condition, name=f"{condition.name}.{state}", residual=residual, fields=(state,)))
        return tuple(found)

    def integrals(self) -> tuple[sympy.Expr, ...]:
        return self.density, self.norm

    def mapped(self, of: Callable[[sympy.Expr], sympy.Expr]) -> Eigen:
        return replace(self, density=of(self.density), norm=of(self.norm))

    def densities(self, problem: Problem) -> tuple[sympy.Expr, ...]:
        both, place = (self.density, self.norm), problem.coordinates
        return tuple(renamed(expr, self.name, state, place) for state in problem.fields for expr in both)

    def lines(self, problem: Problem) -> Iterator[str]:
        count = len(problem.fields)
        yield f"  energies: ∫ {text_of(self.density)} / ∫ {text_of(self.norm)}, the {count} least"
        yield f"    LaTeX \\int {latex_of(self.density)} \\Big/ \\int {latex_of(self.norm)}"

    def shown(self, problem: Problem) -> tuple[Integral | str, ...]:
        count = len(problem.fields)
        lowest = f"the {count} least values" if count > 1 else "the least value"
        return Integral(self.density, lowest), "over", Integral(self.norm)


def _check_entries(source: Source, given: object, scope: Scope) -> None:
    where, exact = source.where(Eigen.key), source.data.get("exact")
    if not isinstance(given, dict) or "energy" not in given:
        raise wrong_kind(where, "energy and states", given, Eigen.example)
    for key in given:
        if key not in KEYS:
            hint = suggestion(key, KEYS) or " Remove it."
            raise InputError(f"{where} takes {', '.join(KEYS)}; it has {shortened(key)}.{hint}")
    if len(scope.fields) != 1 or scope.family or exact:
        raise InputError(
            f"{where} needs one field, no ranges of parameters and no exact; there are {len(scope.fields)} fields"
            f"{', a range' if scope.family else ''}{', exact' if exact else ''}. State one operator; its states are "
            "numbered."
        )
    _states(source)


def _states(source: Source) -> int:
    states = source.data[Eigen.key].get("states", 1)
    if type(states) is not int or not 1 <= states <= MOST_STATES:
        raise InputError(
            f"{source.where('eigen.states')} needs 1 to {MOST_STATES}: more states than that are not separated by one "
            f"network; it has {shortened(states)}. Ask for fewer."
        )
    return states
