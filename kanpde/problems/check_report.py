"""What `kanpde check` says of a problem that passed: the equations as understood, and what was found in order."""

from __future__ import annotations

from collections.abc import Iterator

from kanpde.problems.checks import corner_warnings
from kanpde.problems.equation_forms import Form, form_of
from kanpde.problems.language import compile_expression, jet_expression, latex_of, text_of
from kanpde.problems.problem import Eigen, Energy, Problem


def statement_lines(problem: Problem) -> Iterator[str]:
    """A problem as the program understands it: each residual in the problem language, in LaTeX, and what it needs."""
    box = zip(problem.coordinates, problem.domain.lower, problem.domain.upper, strict=True)
    yield problem.title
    yield "  domain: " + ", ".join(f"{name} in [{a:g}, {b:g}]" for name, a, b in box)
    yield from _task_lines(problem)
    for name, residual in problem.equations.items():
        jets = compile_expression(residual, problem.coordinates, problem.fields).jets
        yield f"  {name}: {text_of(residual)} = 0"
        yield f"    LaTeX {latex_of(residual)} = 0"
        yield "    needs " + ", ".join(text_of(jet_expression(jet, problem.coordinates)) for jet in jets)
    for condition in problem.conditions:
        yield f"  {condition.name}: {text_of(condition.residual)} = 0"
    if problem.periodic:
        yield "  periodic in " + ", ".join(problem.coordinates[axis] for axis in problem.periodic)
    for name, value in problem.exact.items():
        yield f"  {name} = {text_of(value)} exactly"


def _task_lines(problem: Problem) -> Iterator[str]:
    match problem.task:
        case Energy(density):
            yield f"  energy: ∫ {text_of(density)}, the least"
            yield f"    LaTeX \\int {latex_of(density)}"
        case Eigen(_, density, norm):
            yield f"  energies: ∫ {text_of(density)} / ∫ {text_of(norm)}, the {len(problem.fields)} least"
            yield f"    LaTeX \\int {latex_of(density)} \\Big/ \\int {latex_of(norm)}"


def verdicts(problem: Problem) -> Iterator[str]:
    """A line for each thing that was checked."""
    for axis, name in enumerate(problem.coordinates):
        if axis not in problem.family and problem.task is None and "fit" not in problem.source:
            yield from _condition_verdicts(problem, axis, name)
    for name, residual in problem.equations.items():
        for field in problem.fields:
            if (form := form_of(residual, field, problem)) is not Form.NONE:
                yield f"{name}: {field} has {form}"
    yield "values: finite all over the domain"
    if problem.exact:
        yield "exact: satisfies every equation and condition to 1e-9 of its terms"
    elif problem.conditions and not any(corner_warnings(problem)):
        yield "corners: conditions agree where they meet"


def _condition_verdicts(problem: Problem, axis: int, name: str) -> Iterator[str]:
    for field in problem.fields:
        order = problem.order_along(field, axis)
        if axis in problem.periodic:
            yield f"{name}: {field} is periodic"
        elif problem.region is not None and axis != problem.time:
            yield f"{name}: conditions on {field} cover the whole boundary"
        else:
            count = sum(c.side.axis == axis and field in c.fields for c in problem.conditions)
            yield f"{name}: order {order} of {field}, {count} condition{'s' * (count != 1)}"
