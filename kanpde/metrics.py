"""Errors of a solution against its reference, and where they are measured."""

from collections.abc import Mapping

import numpy as np
import torch
from sympy import Expr
from torch import Tensor

from kanpde.expressions import compile_expression, coordinate_symbols, derivative
from kanpde.jets import closure
from kanpde.regions import inside_points, piece_points
from kanpde.solution import Solution
from kanpde.statements import Problem

PER_AXIS = {1: 1001, 2: 101, 3: 33, 4: 15, 5: 9}
"""Points per axis of the archive's grid, by dimension; about 10⁴ to 6·10⁴ in all."""


def grid_axes(problem: Problem, resolution: int | None = None) -> dict[str, np.ndarray]:
    """Evenly spaced coordinates of the archive's grid, ends included."""
    box = problem.domain
    count = resolution or PER_AXIS.get(box.dimension, max(2, int(5e4 ** (1 / box.dimension))))
    ends = zip(problem.coordinates, box.lower, box.upper, strict=True)
    return {name: np.linspace(lower, upper, count) for name, lower, upper in ends}


def grid_points(axes: Mapping[str, np.ndarray]) -> np.ndarray:  # -> [n, d]
    """All points of a grid, the first coordinate varying slowest."""
    return np.stack([x.ravel() for x in np.meshgrid(*axes.values(), indexing="ij")], axis=1)


def measuring_points(problem: Problem, resolution: int | None = None) -> Tensor:  # -> [n, d]
    """Where errors are measured: the archive's grid in up to three dimensions, 16384 Sobol points beyond."""
    if problem.domain.dimension <= 3:
        points = torch.from_numpy(grid_points(grid_axes(problem, resolution)))
        return points if problem.region is None else points[problem.region.contains(points)]
    return inside_points(problem.region, problem.domain, 2**14, seed=1)


def tracking_points(problem: Problem) -> Tensor:  # -> [n, d]
    """A smaller set, to follow the error during training."""
    return inside_points(problem.region, problem.domain, 2000, seed=2)


def exact_jets(problem: Problem, points: Tensor, order: int) -> Tensor:  # [n, d] -> [n, s, fields]
    """The exact solution's value and, at order 1, its gradient; the rows follow `first_order_indices`."""
    columns = []
    for name in problem.fields:
        exprs = [problem.exact[name]]
        if order:
            symbols = coordinate_symbols(problem.coordinates)
            exprs += [derivative(problem.exact[name], symbol) for symbol in symbols[::-1]]
        rows = [compile_expression(expr, problem.coordinates, ())(points) for expr in exprs]
        columns.append(torch.stack(rows, dim=1))
    return torch.stack(columns, dim=-1)


def first_order_indices(problem: Problem):
    """{0} and the unit multi-indices; sorted, so the last coordinate's derivative comes first."""
    unit = np.eye(len(problem.coordinates), dtype=int).tolist()
    return closure([tuple(row) for row in unit], len(unit))


def relative_l2(difference: Tensor, reference: Tensor) -> float:
    """‖u - u_ref‖₂ / ‖u_ref‖₂ over the points; the absolute norm where the reference vanishes."""
    size = reference.norm().item()
    return difference.norm().item() / (size if size > 0 else 1.0)


def errors(solution: Solution, resolution: int | None = None) -> dict[str, float]:
    """rel_l2 (over all fields, and of each), the relative H¹ error, the largest error and the reference's own.

        h1 = (‖e‖² + ‖∇e‖²)^½ / (‖u‖² + ‖∇u‖²)^½

    Empty where there is no reference.
    """
    problem = solution.problem
    if not problem.exact:
        return {}
    points = measuring_points(problem, resolution)
    found = solution.jets(points, first_order_indices(problem)).cpu().double()
    exact = exact_jets(problem, points, order=1)
    difference = found - exact
    values = {
        "rel_l2": relative_l2(difference[:, 0], exact[:, 0]),
        "h1": relative_l2(difference, exact),
        "max_error": difference[:, 0].abs().max().item(),
        "reference_error": torch.finfo(torch.float64).eps,  # a closed form, evaluated in double precision
    }
    if len(problem.fields) > 1:
        for place, name in enumerate(problem.fields):
            values[f"rel_l2_{name}"] = relative_l2(difference[:, 0, place], exact[:, 0, place])
    return values


def equations_rms(solution: Solution, points: Tensor) -> float:  # [n, d]
    """Root mean square of all equations' residuals R(x; u), in the equations' own units."""
    return _rms([_residual(solution, expr, points) for expr in solution.problem.equations.values()])


def conditions_rms(solution: Solution, count: int = 1024) -> float:
    """Root mean square of all conditions' residuals on their sides, of those that are built in as well."""
    problem = solution.problem
    residuals = []
    for condition in problem.conditions:
        points = piece_points(problem.region, problem.domain, condition.side, count, 4)
        residuals.append(_residual(solution, condition.residual, points))
    return _rms(residuals)


def _residual(solution: Solution, expr: Expr, points: Tensor) -> Tensor:  # [n, d] -> [n]
    return torch.from_numpy(solution.evaluate(expr, points))


def _rms(parts: list[Tensor]) -> float:
    return torch.cat(parts).square().mean().sqrt().item() if parts else float("nan")
