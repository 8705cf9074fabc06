"""What is wrong with a problem rather than with its solution: no solution, or several that are as good."""

from __future__ import annotations

from collections.abc import Iterator

from kanpde.problems.freedoms import free_fields
from kanpde.problems.problem import Problem
from kanpde.problems.well_posedness import branch_warnings, is_linear, is_trivial
from kanpde.references.means import NotOne
from kanpde.results.verdicts import Doubt, Word


def doubts_of(problem: Problem, method: str = "", against: NotOne | None = None) -> Iterator[Doubt]:
    """What a problem's statement says, and what a classical method said that was asked for its solution."""
    if against is not None and not free_fields(problem):
        word = Word.UNSOLVED if against.none else Word.UNSURE
        yield Doubt(word, f"The problem does not have one solution: {method} {against}.")
    if is_trivial(problem) and not all(is_linear(problem, one) for one in problem.equations.values()):
        yield Doubt(Word.UNSURE, "Zero satisfies all equations and conditions, and other solutions may as well.")
    for warning in branch_warnings(problem):
        yield Doubt(Word.UNSURE, warning)
