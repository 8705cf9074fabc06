"""The task `energy`: the field for which an integral is least (Ritz)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import sympy

from kanpde.problems.language import Scope, latex_of, text_of
from kanpde.problems.problem import Integral, Problem, Task
from kanpde.problems.reading.densities import check_bounded, check_no_time, read_density
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.schema_parts import EXPRESSION, Schema


@dataclass(frozen=True)
class Energy(Task):
    """Minimize E(u) = ∫ density dx."""

    density: sympy.Expr

    key: ClassVar[str] = "energy"
    example: ClassVar[str] = "u_x**2/2 - u"
    about: ClassVar[str] = (
        "in place of equations: the density of an energy to minimize (Ritz), as `u_x**2/2 - f*u`"
    )
    schema: ClassVar[Schema] = EXPRESSION
    replaces: ClassVar[tuple[str, ...]] = ("initial", "data")

    @classmethod
    def read(cls, source: Source, scope: Scope) -> Energy:
        check_no_time(source, cls.key, scope)
        where = source.where(cls.key)
        density = read_density(source.data[cls.key], scope, where)
        check_bounded(density, scope, where)
        return cls(density)

    def integrals(self) -> tuple[sympy.Expr, ...]:
        return (self.density,)

    def mapped(self, of: Callable[[sympy.Expr], sympy.Expr]) -> Energy:
        return Energy(of(self.density))

    def lines(self, problem: Problem) -> Iterator[str]:
        yield f"  energy: ∫ {text_of(self.density)}, the least"
        yield f"    LaTeX \\int {latex_of(self.density)}"

    def shown(self, problem: Problem) -> tuple[Integral | str, ...]:
        return (Integral(self.density, "least"),)
