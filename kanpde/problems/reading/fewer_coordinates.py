"""Fields of fewer coordinates than a problem: with `fields: {u: [x, t], a: [x]}`, ∂a/∂t = 0 is one equation more."""

from __future__ import annotations

import sympy

from kanpde.errors import InputError
from kanpde.problems.language import Scope, jet_expression
from kanpde.problems.reading.entries import Source


def coordinates_of(value: object, coordinates: object) -> tuple[str, ...] | None:
    """The coordinates that an entry of `fields` names; None where it says something else."""
    known = [str(name) for name in coordinates] if isinstance(coordinates, (dict, list, tuple)) else []
    if not isinstance(value, list) or not value or not all(isinstance(part, str) for part in value):
        return None
    return tuple(value) if set(value) <= set(known) else None


def fewer_coordinates(statement: Source, scope: Scope) -> dict[str, tuple[int, ...]]:
    """The axes along which a field does not vary, by field; those that vary along all are left out."""
    given, found = statement.data["fields"], {}
    for name, value in given.items() if isinstance(given, dict) else ():
        own = coordinates_of(value, scope.coordinates)
        if own is None:
            continue
        if len(set(own)) < len(own):
            raise InputError(
                f"{statement.where(f'fields.{name}')} needs each coordinate once; it has {', '.join(own)}. Correct it."
            )
        if axes := tuple(axis for axis, one in enumerate(scope.coordinates) if one not in own):
            found[name] = axes
    if found and set(found) == set(scope.fields):
        shared = set.intersection(*map(set, found.values()))
        for axis in sorted(shared):
            raise InputError(
                f"{statement.where('fields')} need a field of every coordinate; none varies along "
                f"{scope.coordinates[axis]}. Remove {scope.coordinates[axis]} from coordinates, or give it to a field."
            )
    return found


def still_equations(narrow: dict[str, tuple[int, ...]], coordinates: tuple[str, ...]) -> dict[str, sympy.Expr]:
    """∂a/∂x = 0 along each axis on which a field does not vary, by names `a_along_x`."""
    return {
        f"{name}_along_{coordinates[axis]}": jet_expression(
            (name, tuple(int(axis == other) for other in range(len(coordinates)))), coordinates
        )
        for name, axes in narrow.items()
        for axis in axes
    }
