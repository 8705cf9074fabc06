"""Where measured values stand in place of conditions: inverse problems whose boundary nobody measured.

A field of order q along a coordinate takes q conditions; what data say of it inside may determine it as well,
and so may they an unknown coefficient, of which there is no equation.
"""

from __future__ import annotations

from collections.abc import Iterator

from kanpde.problems.observations import MOST_FITTED
from kanpde.problems.problem import Problem
from kanpde.problems.singular_ends import singular_ends


def lacking(problem: Problem) -> Iterator[tuple[str, int, int, int]]:
    """Field, axis, order and number of conditions, where there are fewer of these."""
    for axis in range(len(problem.coordinates)):
        for field in problem.fields if axis not in (*problem.periodic, *problem.family) else ():
            order = problem.order_along(field, axis)
            count = sum(c.side.axis == axis and field in c.fields for c in problem.conditions)
            if count + order // 2 * len(singular_ends(problem, field, axis)) < order:
                yield field, axis, order, count


def determined_by_data(problem: Problem) -> bool:
    """Whether equations and conditions alone leave something open that data are there for."""
    if problem.data is None or not problem.equations:
        return False
    own = len(problem.equations) - sum(map(len, problem.narrow.values()))
    return own < len(problem.fields) or problem.region.whole and any(True for _ in lacking(problem))


def data_sentences(problem: Problem) -> Iterator[str]:
    """What data stand in for, a warning each."""
    if not determined_by_data(problem) or not problem.region.whole:
        return
    for field, axis, order, count in lacking(problem):
        yield (
            f"{field} has order {order} along {problem.coordinates[axis]} and {count or 'no'} condition"
            f"{'s' * (count > 1)}: the data stand in place of what is missing. Add conditions if there are any."
        )


def row_sentences(problem: Problem) -> Iterator[str]:
    """How many of the data are looked at."""
    if problem.data is not None and (count := len(problem.data.points) - len(problem.data.test)) > MOST_FITTED:
        yield (
            f"There are {count:,} observations; a training looks at {MOST_FITTED:,} of them, drawn at random, and "
            "data_misfit at all. Means of neighbors, with deviations, would lose less."
        )
