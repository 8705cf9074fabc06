"""What a classical solver is given and what it gives back; one method is one leaf beside this file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kanpde.statements import Problem

Field = Callable[[np.ndarray], np.ndarray]
"""Points [n, d] -> values [n, fields]."""


class NotSolved(Exception):
    """Why a method cannot solve a problem, or did not converge; the end of a sentence that begins with the method."""


@dataclass(frozen=True, eq=False)
class Solved:
    """A problem solved at one resolution.

    Attributes:
        values: The fields, as a function of points.
        unknowns: How many numbers were solved for.
        energies: Eigenvalues in increasing order, or the one minimum of an energy; empty for equations.
    """

    values: Field
    unknowns: int
    energies: np.ndarray = field(default_factory=lambda: np.empty(0))


Solver = Callable[[Problem, int], Solved]
"""A method at a resolution (its own unit: nodes an axis, cells, …); raises NotSolved."""
