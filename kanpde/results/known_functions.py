"""What is known beside a solution and kept with it: coefficients, the landscape of states, an effective potential."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from kanpde.problems.grids import grid_points
from kanpde.problems.language import compile_expression
from kanpde.problems.problem import Problem
from kanpde.references.landscapes import is_landscape, landscape_of, wells_error
from kanpde.results.archive.record import EFFECTIVE, LANDSCAPE


def known_functions(
    problem: Problem, axes: Mapping[str, np.ndarray], fields: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The coefficients on a grid, and beside states the landscape, or beside a landscape 1/u."""
    points, shape = grid_points(axes), [len(axis) for axis in axes.values()]
    found = {}
    for name, value in problem.coefficients.items():
        known = compile_expression(value, problem.coordinates)(torch.from_numpy(points))
        found[name] = known.broadcast_to(len(points)).numpy().reshape(shape)
    if is_landscape(problem):
        with np.errstate(divide="ignore"):
            found[EFFECTIVE] = 1 / fields[problem.fields[0]]
    elif (u := landscape_of(problem)) is not None:
        found[LANDSCAPE] = u(points).reshape(shape)
    return found


def wells_metrics(problem: Problem, fields: Mapping[str, np.ndarray]) -> dict[str, float]:
    """wells_error of a landscape whose reference is known."""
    name = problem.fields[0]
    if not is_landscape(problem) or f"{name}_ref" not in fields:
        return {}
    return {"wells_error": wells_error(fields[name], fields[f"{name}_ref"])}
