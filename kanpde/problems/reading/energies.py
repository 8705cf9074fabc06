"""The keys `energy` and `eigen`: what is minimized in place of equations."""

from __future__ import annotations

from dataclasses import replace

import sympy

from kanpde.errors import InputError
from kanpde.problems.language import (
    ExpressionError,
    Scope,
    jet_expression,
    jet_slopes,
    jets_of,
    parse_expression,
    renamed,
    shortened,
    suggestion,
)
from kanpde.problems.problem import Condition, Eigen, Energy
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

MOST_STATES = 12
EIGEN_KEYS = ("energy", "norm", "states")
APART = ("equations", "fit", "initial", "data")


def read_task(statement: Source, scope: Scope) -> Energy | Eigen | None:
    """What `energy` or `eigen` asks for."""
    keys = [key for key in ("energy", "eigen") if key in statement.data]
    if not keys:
        return None
    _check_alone(statement, keys, scope)
    return _energy(statement, scope) if keys == ["energy"] else _eigen(statement, scope)


def state_names(statement: Source, task: Eigen) -> tuple[str, ...]:
    """psi_1, psi_2, … for the field psi."""
    return tuple(f"{task.name}_{number}" for number in range(1, _states(statement) + 1))


def state_conditions(
    conditions: tuple[Condition, ...], task: Eigen, states: tuple[str, ...], scope: Scope, where: str
) -> tuple[Condition, ...]:
    """The conditions on the field, for each state; they have to be u = 0, or states could not be added up."""
    found = []
    for condition in conditions:
        solved = condition.solved(scope.coordinates)
        if solved is None or any(solved[0][1]) or solved[1] != 0:
            raise InputError(
                f"{where} of an eigenproblem takes {task.name} = 0; {condition.name} has another condition. Leave it "
                "out where the natural condition of the energy holds."
            )
        for state in states:
            residual = renamed(condition.residual, task.name, state, scope.coordinates)
            found.append(replace(condition, name=f"{condition.name}.{state}", residual=residual, fields=(state,)))
    return tuple(found)


def _check_alone(statement: Source, keys: list[str], scope: Scope) -> None:
    others = [key for key in (*APART, *keys[1:]) if statement.data.get(key)]
    if others:
        raise InputError(
            f"{statement.where(keys[0])} takes the place of {others[0]}; both are there. Remove one of them."
        )
    if scope.time is not None:
        raise InputError(
            f"{statement.where(keys[0])} needs space coordinates only; there is the time t. Remove it, or write "
            "equations."
        )


def _energy(statement: Source, scope: Scope) -> Energy:
    where = statement.where("energy")
    density = _density(statement.data["energy"], scope, where)
    _check_bounded(density, scope, where)
    return Energy(density)


def _eigen(statement: Source, scope: Scope) -> Eigen:
    given, where = statement.data["eigen"], statement.where("eigen")
    example = "{energy: psi_x**2/2 + V*psi**2, states: 2}"
    if not isinstance(given, dict) or "energy" not in given:
        raise wrong_kind(where, "energy and states", given, example)
    for key in given:
        if key not in EIGEN_KEYS:
            hint = suggestion(key, EIGEN_KEYS) or " Remove it."
            raise InputError(f"{where} takes {', '.join(EIGEN_KEYS)}; it has {shortened(key)}.{hint}")
    if len(scope.fields) != 1 or scope.family or statement.data.get("exact"):
        raise InputError(
            f"{where} needs one field, no ranges of parameters and no exact; there are "
            f"{len(scope.fields)} fields{', a range' if scope.family else ''}"
            f"{', exact' if statement.data.get('exact') else ''}. State one operator; its states are numbered."
        )
    _states(statement)
    (name,) = scope.fields
    density = _density(given["energy"], scope, f"{where}.energy")
    norm = _density(given.get("norm", f"{name}**2"), scope, f"{where}.norm")
    for key, expr in (("energy", density), ("norm", norm)):
        _check_quadratic(expr, scope, f"{where}.{key}", name)
    _check_bounded(density, scope, f"{where}.energy")
    _check_bounded(norm, scope, f"{where}.norm")
    return Eigen(name, density, norm)


def _states(statement: Source) -> int:
    states = statement.data["eigen"].get("states", 1)
    if type(states) is not int or not 1 <= states <= MOST_STATES:
        raise InputError(
            f"{statement.where('eigen.states')} needs 1 to {MOST_STATES}: more states than that are not separated by "
            f"one network; it has {shortened(states)}. Ask for fewer."
        )
    return states


def _density(text: object, scope: Scope, where: str) -> sympy.Expr:
    density = parse_expression(text, replace(scope, auto=False), where)
    if not jets_of(density):
        raise InputError(
            f"{where} needs to involve a field ({', '.join(scope.fields)}); {shortened(text)} has none. Correct it."
        )
    return density


def _slopes(expr: sympy.Expr, scope: Scope, where: str) -> dict:
    try:
        return jet_slopes(expr, scope.coordinates)
    except ExpressionError as error:
        raise InputError(f"{where} needs to be smooth in the fields; it {error}") from None


def _check_quadratic(expr: sympy.Expr, scope: Scope, where: str, name: str) -> None:
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


def _check_bounded(expr: sympy.Expr, scope: Scope, where: str) -> None:
    """Legendre's condition where it can be read off: the highest derivatives' squares have no negative factor."""
    slopes = _slopes(expr, scope, where)
    highest = max(sum(index) for _, index in slopes)
    for jet, slope in slopes.items():
        own = _slopes(slope, scope, where).get(jet, sympy.S.Zero)
        if sum(jet[1]) == highest and own.is_number and own < 0:
            raise InputError(
                f"{where} needs a least value; a negative square of the highest derivative has none. Change its sign."
            )
