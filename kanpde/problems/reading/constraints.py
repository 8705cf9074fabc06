"""What holds of integrals, means and values elsewhere: the key `constraints`, and equations that say nothing else.

Such a statement holds at one point, or along the coordinates that it depends on, and not all over the domain.
"""

from __future__ import annotations

from dataclasses import replace

import sympy

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.regions import Place, Region, inside_points
from kanpde.problems.language import Remote, Scope, depends_on, fields_of, jets_of, shortened
from kanpde.problems.problem import Condition
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind


def read_constraints(
    source: Source, scope: Scope, exact: dict[str, sympy.Expr], region: Region, box: Box
) -> tuple[Condition, ...]:
    """The conditions under `constraints`."""
    found = []
    for name, text in _named(source).items():
        key = f"constraints.{name}"
        residuals = source.residuals(key, text, replace(scope, auto=bool(exact)), exact)
        for number, residual in enumerate(residuals, 1):
            own = name if len(residuals) == 1 else f"{name}_{number}"
            if not _is_constraint(residual, scope):
                raise InputError(
                    f"{source.where(key)} needs integrals, means or fields at places; {shortened(str(text))} has a "
                    "field at every point. Write it under equations, or give the place, as in u(0) = u(1)."
                )
            _check_once(source.where(key), residual, str(text), scope, region)
            found.append(_condition(own, residual, str(text), scope, region, box))
    return tuple(found)


def _check_once(where: str, residual: sympy.Expr, text: str, scope: Scope, region: Region) -> None:
    """Something is said of a field, on shapes once or at each time."""
    if not fields_of(residual):
        raise InputError(
            f"{where} needs to involve a field ({', '.join(scope.fields)}); {shortened(text)} has none. Correct it."
        )
    space = [scope.coordinates[axis] for axis in region.axes]
    if along := [name for name in space if name in depends_on(residual) and not region.whole]:
        raise InputError(
            f"{where} needs to hold once, or at each time, on a domain of shapes; {shortened(text)} holds for each "
            f"{', '.join(along)}. Integrate over {', '.join(space)} as well, or take a box."
        )


def parted(
    equations: dict[str, sympy.Expr], scope: Scope, region: Region, box: Box, written: dict[str, object]
) -> tuple[dict[str, sympy.Expr], tuple[Condition, ...]]:
    """Equations that hold all over the domain, and those that are constraints."""
    apart = {name: residual for name, residual in equations.items() if _is_constraint(residual, scope)}
    left = {name: residual for name, residual in equations.items() if name not in apart}
    conditions = (
        _condition(name, residual, str(written.get(name, "")), scope, region, box) for name, residual in apart.items()
    )
    return left, tuple(conditions)


def _named(source: Source) -> dict[str, object]:
    given = source.data.get("constraints")
    if given is None:
        return {}
    if isinstance(given, dict):
        return given
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(text, str) for text in listed):
        raise wrong_kind(source.where("constraints"), "equations", given, "[mean(p) = 0]")
    return {"constraint" + f"_{n}" * (n > 1): text for n, text in enumerate(listed, 1)}


def _is_constraint(residual: sympy.Expr, scope: Scope) -> bool:
    """Whether no field occurs at the point itself, and some coordinate does not matter."""
    here = any(not isinstance(name, Remote) for name, _ in jets_of(residual))
    return not here and not set(scope.coordinates) <= depends_on(residual)


def _condition(name: str, residual: sympy.Expr, text: str, scope: Scope, region: Region, box: Box) -> Condition:
    needed, middle = depends_on(residual), inside_points(region, box, 1, 0)[0].tolist()
    values = (None if own in needed else value for own, value in zip(scope.coordinates, middle, strict=True))
    return Condition(name, Place(tuple(values)), residual, "constraint", fields_of(residual), text)
