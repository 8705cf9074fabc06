"""Errors of a solution against its reference, and where they are measured."""

import numpy as np
import torch
from sympy import Expr
from torch import Tensor

from kanpde.models.jets import IndexSet, closure
from kanpde.problems.freedoms import aligned
from kanpde.problems.geometry.regions import piece_points
from kanpde.problems.language import compile_expression, coordinate_symbols, derivative
from kanpde.problems.problem import Problem
from kanpde.references import Reference
from kanpde.solving.solution import Solution

OFFSET = 0.2
"""A field that varies by less of its size stands on an offset, which measures no error."""

LEAST_VARIATION = 1e-3
LEAST_FIELD = 1e-4


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


def first_order_indices(problem: Problem) -> IndexSet:
    """{0} and the unit multi-indices; sorted, so the last coordinate's derivative comes first."""
    unit = np.eye(len(problem.coordinates), dtype=int).tolist()
    return closure([tuple(row) for row in unit], len(unit))


def relative_l2(difference: Tensor, reference: Tensor) -> float:
    """‖u - u_ref‖₂ / ‖u_ref‖₂ over the points; the absolute norm where the reference vanishes."""
    size = reference.norm().item()
    return difference.norm().item() / (size if size > 0 else 1.0)


def varying_error(difference: Tensor, reference: Tensor, lives: Tensor | None = None) -> float:  # [n, fields] each
    """The worst field's error relative to what is of interest in it: 10 K are much where 300 K rise by 30.

        max_f ‖u_f - u_f,ref‖₂ / s_f,   s_f = ‖u_f,ref - mean‖₂ if that is less than a fifth of ‖u_f,ref‖₂, else this

    s_f is at least 1e-3 of ‖u_f,ref‖₂ and 1e-4 of the largest field's, so that rounding in what is constant or zero
    counts for nothing. Fields vanish where they do not live, and means are those of where they do.

    >>> known = 300 + torch.tensor([[0.0], [10.0], [20.0]])
    >>> round(varying_error(torch.full((3, 1), 5.0), known), 2)
    0.61
    """
    own = torch.ones_like(reference) if lives is None else lives.to(reference)
    means = (own * reference).sum(0) / own.sum(0).clamp(min=1)
    scales = field_scales(reference.norm(dim=0), (own * (reference - means)).norm(dim=0))
    return max((difference.norm(dim=0) / scales).tolist())


def field_scales(sizes: Tensor, spreads: Tensor) -> Tensor:  # [fields] each, and the scales
    """s_f of fields with these norms, and these norms about their means; 1 for what vanishes altogether."""
    scales = torch.where(spreads < OFFSET * sizes, spreads, sizes)
    scales = torch.maximum(torch.maximum(scales, LEAST_VARIATION * sizes), LEAST_FIELD * sizes.max())
    return torch.where(scales > 0, scales, 1.0)


def errors(solution: Solution, points: Tensor, reference: Reference | None = None) -> dict[str, float]:  # [n, d]
    """rel_l2 (over all fields, and of each), the relative H¹ error, the largest error and the reference's own.

        h1 = (‖e‖² + ‖∇e‖²)^½ / (‖u‖² + ‖∇u‖²)^½

    Empty where neither the exact solution nor a reference is known; without h1 where it is a reference.
    """
    problem = solution.problem
    if not problem.exact:
        return {} if reference is None else _reference_errors(solution, points, reference)
    found = solution.jets(points, first_order_indices(problem)).cpu().double()
    exact, lives = exact_jets(problem, points, order=1), problem.lives(points)
    exact[:, 0] = aligned(problem, points, found[:, 0], exact[:, 0].masked_fill(~lives, torch.nan))
    for jets in (found, exact):
        jets.masked_fill_(~lives[:, None], 0.0)
    return {
        **value_errors(problem.fields, found[:, 0], exact[:, 0], lives),
        "h1": relative_l2(found - exact, exact),
        "reference_error": torch.finfo(torch.float64).eps,  # a closed form, evaluated in double precision
    }


def _reference_errors(solution: Solution, points: Tensor, reference: Reference) -> dict[str, float]:
    problem, lives = solution.problem, solution.problem.lives(points)
    found, known = torch.from_numpy(solution.values(points)), torch.from_numpy(reference.values(points.numpy()))
    known = aligned(problem, points, found, known.masked_fill(~lives, torch.nan))
    found, known = (values.masked_fill(~lives, 0.0) for values in (found, known))
    own = {"reference_error": reference.error, "reference_time_s": reference.seconds}
    measured = value_errors(problem.fields, found, known, lives)
    return {**measured, **own, "reference_unknowns": reference.unknowns}


def value_errors(
    fields: tuple[str, ...], found: Tensor, known: Tensor, lives: Tensor | None = None
) -> dict[str, float]:  # [n, fields] each
    """rel_l2, varying_error and max_error over all fields; of several fields, rel_l2 of each as well."""
    difference = found - known
    values = {
        "rel_l2": relative_l2(difference, known),
        "varying_error": varying_error(difference, known, lives),
        "max_error": difference.abs().max().item(),
    }
    if len(fields) > 1:
        for place, name in enumerate(fields):
            values[f"rel_l2_{name}"] = relative_l2(difference[:, place], known[:, place])
    return values


def known_values(problem: Problem, points: Tensor, reference: Reference | None) -> Tensor | None:  # -> [n, fields]
    """The exact solution or its reference at points, NaN where fields do not live; None where neither is known."""
    if problem.exact:
        known = exact_jets(problem, points, order=0)[:, 0]
    elif reference is not None:
        known = torch.from_numpy(reference.values(points.numpy()))
    else:
        return None
    return known.masked_fill(~problem.lives(points), torch.nan)


def equations_rms(solution: Solution, points: Tensor) -> float:  # [n, d]
    """Root mean square of all equations' residuals R(x; u), in the equations' own units."""
    problem = solution.problem
    return _rms([
        _residual(solution, expr, problem.where_holds(name, points)) for name, expr in problem.equations.items()
    ])


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
