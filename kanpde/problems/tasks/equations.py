"""The task `equations`: fields of which left and right of every equation and condition agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import sympy

from kanpde.errors import InputError
from kanpde.problems.checks import check_boundary_conditions
from kanpde.problems.language import Scope, shortened
from kanpde.problems.problem import Problem, Task
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.schema_parts import TEXT, Schema, mapping_of
from kanpde.problems.singular_ends import singular_ends


@dataclass(frozen=True)
class Equations(Task):
    """Residuals of zero; as many conditions as the derivatives take."""

    key: ClassVar[str] = "equations"
    example: ClassVar[str] = "{poisson: lap(u) = 1}"
    about: ClassVar[str] = "one or several by name, `left = right`"
    schema: ClassVar[Schema] = mapping_of(TEXT)

    def equations(self, source: Source, scope: Scope, exact: dict[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        found = {}
        scope = replace(scope, walls=True)
        for name, text in _named(source).items():
            residuals = source.residuals(f"equations.{name}", text, scope, exact)
            for number, residual in enumerate(residuals, 1):
                own = name if len(residuals) == 1 else f"{name}_{number}"
                if own in found:
                    raise InputError(
                        f"{source.where('equations')} needs different names; {own} comes twice. Rename it."
                    )
                found[own] = residual
        return found

    def checked(self, problem: Problem, label: str) -> Iterator[str]:
        return check_boundary_conditions(problem, label)

    def findings(self, problem: Problem) -> Iterator[str]:
        for axis, name in enumerate(problem.coordinates):
            if axis not in problem.family:
                yield from _condition_findings(problem, axis, name)


def _named(source: Source) -> dict[str, object]:
    equations = source.data.get("equations", {})
    if isinstance(equations, str):
        equations = {"equation": equations}
    if not isinstance(equations, dict):
        raise wrong_kind(source.where("equations"), "named equations", equations, "{momentum: u_t + u*u_x = 0}")
    for name in equations:
        if isinstance(name, str) and name.count("(") != name.count(")"):
            raise InputError(
                f"{source.where('equations')} needs quotes around what has a comma inside {{…}}; {shortened(name)} "
                "came apart at its comma. Write it in double quotes, or each equation on a line of its own."
            )
        if not re.fullmatch(r"[A-Za-z]\w{0,39}", name, re.ASCII):
            raise InputError(
                f"{source.where('equations')} needs names of letters, digits and underscores; it has "
                f"{shortened(name)}. Rename it."
            )
    return equations


def _condition_findings(problem: Problem, axis: int, name: str) -> Iterator[str]:
    for field in problem.fields:
        order = problem.order_along(field, axis)
        if axis in problem.periodic:
            yield f"{name}: {field} is periodic"
        elif not problem.region.whole and axis != problem.time:
            yield f"{name}: conditions on {field} cover the whole boundary"
        else:
            count = sum(c.side.axis == axis and field in c.fields for c in problem.conditions)
            none = [side.name for side in (singular_ends(problem, field, axis) if count < order else ())]
            more = f"; none needed on {' and '.join(none)}, where the factor of {field}'s highest derivative vanishes"
            yield f"{name}: order {order} of {field}, {count} condition{'s' * (count != 1)}{more * bool(none)}"
