"""What a classical solver is given and what it gives back; one method is one leaf of `methods`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kanpde.problems.problem import Problem
from kanpde.references.meshed import Function

Field = Callable[[np.ndarray], np.ndarray]
"""Points [n, d] -> values [n, fields]."""


@dataclass(frozen=True, eq=False)
class Solved:
    """A problem solved at one resolution.

    Attributes:
        values: The fields, as a function of points.
        unknowns: How many numbers were solved for.
        energies: Eigenvalues in increasing order, or the one minimum of an energy; empty for equations.
    """

    values: Function
    unknowns: int
    energies: np.ndarray = field(default_factory=lambda: np.empty(0))


Solver = Callable[[Problem, int], Solved]
"""A method at a resolution (its own unit: nodes an axis, cells, …); raises `means.NotSolved`."""
