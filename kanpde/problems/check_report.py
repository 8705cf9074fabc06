"""What `kanpde check` says of a problem that passed: the equations as understood, and what was found in order."""

from __future__ import annotations

from collections.abc import Iterator

from kanpde.problems.checks import corner_warnings
from kanpde.problems.equation_forms import Form, form_of
from kanpde.problems.language import compile_expression, jet_expression, latex_of, text_of
from kanpde.problems.problem import Problem


def statement_lines(problem: Problem) -> Iterator[str]:
    """A problem as the program understands it: each residual in the problem language, in LaTeX, and what it needs."""
    box = zip(problem.coordinates, problem.domain.lower, problem.domain.upper, strict=True)
    yield problem.title
    if problem.coordinates:
        yield "  domain: " + ", ".join(f"{name} in [{a:g}, {b:g}]" for name, a, b in box)
    yield from problem.task.lines(problem)
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


def findings(problem: Problem) -> Iterator[str]:
    """A line for each thing that was checked."""
    yield from problem.task.findings(problem)
    for name, residual in problem.equations.items():
        for field in problem.fields:
            if (form := form_of(residual, field, problem)) is not Form.NONE:
                yield f"{name}: {field} has {form}"
    yield "values: finite all over the domain"
    if problem.exact:
        yield "exact: satisfies every equation and condition to 1e-9 of its terms"
    elif problem.conditions and not any(corner_warnings(problem)):
        yield "corners: conditions agree where they meet"
