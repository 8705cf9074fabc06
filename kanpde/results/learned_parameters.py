"""What a finished run says of its data and of the parameters it has learned."""

import math

import torch
from sympy import Expr

from kanpde.models.learned_constants import half_widths, rates
from kanpde.problems.observations import Observations
from kanpde.problems.problem import Problem
from kanpde.solving.losses.residuals import LARGEST_JACOBIAN, Residuals
from kanpde.solving.solution import Solution
from kanpde.solving.training.setup import Setup


def data_metrics(setup: Setup, solution: Solution) -> dict[str, float]:
    """Misfits to the data, and each learned parameter with its error and 95 % interval where they are known."""
    problem = setup.problem
    if problem.data is None:  # constants that equations and constraints determine
        return _parameter_metrics(problem, solution)
    measured = problem.data.measured(problem.coordinates)
    values = {"data_misfit": _misfit(solution, measured, problem.data.fitted())}
    if (tested := problem.data.tested()) is not None:
        values["test_error"] = _misfit(solution, measured, tested)
    return values | _parameter_metrics(problem, solution) | _intervals(setup, solution)


def _misfit(solution: Solution, measured: tuple[Expr, ...], observed: Observations) -> float:
    """‖u - d‖ / ‖d‖ over the observations."""
    found = torch.stack([torch.from_numpy(solution.evaluate(expr, observed.points)) for expr in measured], dim=1)
    size = observed.values.norm().item()
    return (found - observed.values).norm().item() / (size if size > 0 else 1.0)


def _parameter_metrics(problem: Problem, solution: Solution) -> dict[str, float]:
    values = {}
    for name, value in solution.learned.items():
        values[f"parameter_{name}"] = value
        if problem.exact:  # only then is the value in the file the truth
            truth = problem.parameters[name]
            values[f"parameter_{name}_error"] = abs(value - truth) / (abs(truth) or 1.0)
    return values


def _intervals(setup: Setup, solution: Solution) -> dict[str, float]:
    """Half of each 95 % interval, where the Jacobian that it takes fits in memory."""
    names = setup.problem.learned
    residuals = _residuals(setup, solution) if names else None
    if residuals is None or residuals.size * residuals.theta.numel() * 8 > LARGEST_JACOBIAN:
        return {}
    residual, jacobian = residuals.linearize(residuals.theta)
    count = sum(bound.factors.numel() for bound in residuals.blocks if bound.values is not None)
    rows = slice(residuals.size - count, residuals.size)  # the data come last
    widths = half_widths(jacobian.double(), residual.double(), rows, len(names))
    widths = widths * rates(solution.network).to(widths)
    found = zip(names, widths.tolist(), strict=True)
    return {f"parameter_{name}_interval95": width for name, width in found if not math.isnan(width)}


def _residuals(setup: Setup, solution: Solution) -> Residuals:
    found = setup.goal.objective(solution.network, setup.sampling, seed=5)
    if not isinstance(found, Residuals):
        raise TypeError(f"Intervals are of residuals; {type(found).__name__} has none.")
    return found
