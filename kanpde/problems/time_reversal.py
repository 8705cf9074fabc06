"""Problems whose conditions stand at the end of time: the same ones run backward, t → a + b - t on [a, b]."""

from __future__ import annotations

from dataclasses import replace

import sympy

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.language import coordinate_symbols, jet_expression, jets_of
from kanpde.problems.problem import Problem


def ends_alone(problem: Problem) -> bool:
    """Whether time has conditions at its end and none at its start."""
    kinds = {condition.kind for condition in problem.conditions}
    return "final" in kinds and "initial" not in kinds


def reversed_in_time(problem: Problem) -> Problem:
    """The problem for v(x, t) = u(x, a + b - t), whose final conditions are initial ones.

    Fields at other places and times must not occur.
    """
    time = problem.time_axis
    t, total = coordinate_symbols(problem.coordinates)[time], problem.domain.lower[time] + problem.domain.upper[time]

    def of(expr: sympy.Expr) -> sympy.Expr:
        jets = {jet: sympy.Dummy(real=True) for jet in jets_of(expr)}
        here = {jet: jet_expression(jet, problem.coordinates) for jet in jets}
        plain = expr.xreplace({here[jet]: name for jet, name in jets.items()}).xreplace({t: sympy.Float(total) - t})
        return plain.xreplace({name: (-1) ** jet[1][time] * here[jet] for jet, name in jets.items()})

    start = Side(time, 0, "t-")
    first = {c.name: replace(c, name=c.name.replace("t+", "t-"), side=start, kind="initial")
             for c in problem.conditions if c.kind == "final"}  # fmt: skip
    conditions = (replace(first.get(c.name, c), residual=of(c.residual)) for c in problem.conditions)
    return replace(
        problem, equations={name: of(residual) for name, residual in problem.equations.items()},
        conditions=tuple(conditions), exact={}, data=None,
    )  # fmt: skip
