"""What speaks about the error of a solution without knowing the truth, each a number and a sentence.

A sign's estimate is of the relative L2 error. `equation_signs` asks the equations, `energy_signs` the energies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import sympy
import torch

from kanpde.problems.checks import periodic_jumps
from kanpde.problems.freedoms import too_few_equations
from kanpde.problems.geometry.regions import inside_points, piece_points
from kanpde.problems.language import all_jets_of, jet_slopes
from kanpde.problems.problem import Problem
from kanpde.references.means import OutOfMeans, time_limit
from kanpde.results.error_equation import estimated_error
from kanpde.results.errors import field_scales
from kanpde.results.verdicts import Sign
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.solution import Solution

POINTS, SEED = 2000, 33

UNEXPLAINED = 0.5
"""Share of the residual from which the error equation is taken to have missed something."""

GROWTH = 5.0
"""Of an unexplained relative residual in equations that evolve, where errors add up over time."""

LOCAL = 0.2
"""Of an unexplained relative residual in stationary equations, where what is left is fine and local."""

HARMLESS = 1e-3
"""What an unexplained residual may at most stand for to be no sign of its own: the part that is explained is closer."""

UNDETERMINED = 1.0
"""Half-width of a learned parameter's interval, relative to the parameter, from which it is not determined."""


def equation_signs(solution: Solution, ansatz: Ansatz, metrics: Mapping[str, float]) -> list[Sign]:
    """The signs of a problem of equations, conditions and data."""
    problem = solution.problem
    if free := too_few_equations(problem):
        return [Sign(math.inf, free)]
    with time_limit(math.inf):  # of few points: there is no run without
        signs = [*_condition_signs(solution, ansatz), *_data_signs(problem, metrics), *_learned_signs(problem, metrics)]
        if not problem.equations:
            return signs
        signs += _period_signs(problem)
        left = relative_residual(solution)
    growth = LOCAL if problem.time is None else GROWTH
    try:
        found = estimated_error(solution, ansatz)
    except OutOfMeans:
        hasty = f"The residual is {left:.1e} of its equation's largest term; there was no time for the error it makes."
        return [*signs, Sign(growth * left, hasty)]
    if found is None:
        return [*signs, Sign(left, f"The residual is {left:.1e} of its equation's largest term.")]
    signs.append(Sign(found.size, f"The error that the held-out residual stands for is about {found.size:.1e}."))
    if found.unexplained > UNEXPLAINED and growth * left > HARMLESS:
        share = f"The residual is {left:.1e} of its equation's largest term, and what error it stands for is not clear."
        signs.append(Sign(growth * left, share))
    return signs


def energy_signs(parting: float, course: Sequence[float] = ()) -> list[Sign]:
    """The signs of a minimum: an energy errs by the square of its function's error.

    Args:
        parting: 1 + the relative gap, in per cent, of the energy that was trained and the one held out.
        course: The energy at each step of the last stage, of which the last third says whether it still falls.
    """
    gap = math.sqrt(max(parting - 1, 0.0) / 100)
    text = f"Energies by two rules of points differ by {gap**2:.1e}, which an error of {gap:.1e} would make."
    signs = [Sign(gap, text)]
    if len(course) > 1:
        before, last = course[-1 - max(1, len(course) // 3)], course[-1]
        fall = (before - last) / max(abs(before), abs(last), 1e-300)
        left = math.sqrt(max(fall, 0.0)) if math.isfinite(fall) else math.inf
        falls = f"The energy fell by {fall:.1e} over the last third of its steps, as with an error of {left:.1e}"
        signs.append(Sign(left, f"{falls}; it may have no least value."))
    return signs


def relative_residual(solution: Solution) -> float:
    """The largest, over the equations, of rms(R) over the largest of rms(term of R) and what a whole error makes of R.

    The latter counts where all terms vanish at the solution, and rounding is all of them: a residual r in
    a ∂^m u makes an error of about r L^m / a on a length L.

        max( ‖∂R/∂(∂ᵗu)‖ s_u / T^m ,  min over space axes that occur of  ‖∂R/∂(∂ᵃu)‖ s_u / L_a^m )
    """
    problem = solution.problem
    inside = points = inside_points(problem.region, problem.domain, POINTS, seed=SEED)

    def rms(expr: sympy.Expr) -> float:
        return float(np.sqrt(np.mean(solution.evaluate(expr, points) ** 2)))

    scales = _scales_of(solution, inside)
    shares = []
    for name, residual in problem.equations.items():
        points = problem.where_holds(name, inside)
        largest = max(rms(term) for term in sympy.Add.make_args(residual))
        found = _whole_residuals(problem, residual).items()
        whole = {axis: max(rms(expr) * scales[field].item() for expr, field in made) for axis, made in found}
        in_time = whole.pop(problem.time_axis, 0.0) if problem.time is not None else 0.0
        largest = max(largest, in_time, min(whole.values(), default=0.0))
        shares.append(rms(residual) / largest if largest > 0 else 0.0)
    return max(shares, default=math.nan)


def _scales_of(solution: Solution, points: torch.Tensor) -> torch.Tensor:  # [n, d] -> [fields]
    """The scales of fields, each where it lives."""
    values, lives = torch.from_numpy(solution.values(points)), solution.problem.lives(points)
    own = [column[there] for column, there in zip(values.T, lives.T, strict=True)]
    sizes = torch.stack([column.square().mean().sqrt() for column in own])
    return field_scales(sizes, torch.stack([column.std(correction=0) for column in own]))


def _whole_residuals(problem: Problem, residual: sympy.Expr) -> dict[int, list[tuple[sympy.Expr, int]]]:
    """What each derivative along one axis alone puts into R if it is 1/L^m, with its field's place, by axis."""
    found: dict[int, list[tuple[sympy.Expr, int]]] = {}
    for (name, index), slope in jet_slopes(residual, problem.coordinates).items():
        axes = [axis for axis, order in enumerate(index) if order]
        if len(axes) == 1 and name in problem.fields:
            axis = axes[0]
            length = problem.domain.lengths[axis] ** index[axis]
            found.setdefault(axis, []).append((slope / length, problem.fields.index(name)))
    return found


def _condition_signs(solution: Solution, ansatz: Ansatz) -> Iterator[Sign]:
    """What the conditions that are not built in are missed by, relative to the size of the solution."""
    problem = solution.problem
    for condition in ansatz.penalties:
        points = piece_points(problem.region, problem.domain, condition.side, 256, SEED)
        missed = float(np.sqrt(np.mean(solution.evaluate(condition.residual, points) ** 2)))
        largest = _largest_term(solution, condition.residual, points)
        share = missed / largest if largest > 0 else 0.0
        yield Sign(share, f"The condition {condition.name} is missed by {share:.1e} of its terms.")


def _largest_term(solution: Solution, residual: sympy.Expr, points: torch.Tensor) -> float:
    """The largest rms of a condition's terms on its side, or of the fields inside of which it speaks, and no others."""
    problem, terms = solution.problem, sympy.Add.make_args(residual)
    sizes = [float(np.sqrt(np.mean(solution.evaluate(term, points) ** 2))) for term in terms]
    points = inside_points(problem.region, problem.domain, 256, seed=SEED)
    inside, lives = solution.values(points), problem.lives(points).numpy()
    spoken = {name for name, _ in all_jets_of(residual)}
    places = [place for place, name in enumerate(problem.fields) if name in spoken]
    own = inside[:, places][lives[:, places]]
    return max(*sizes, float(np.sqrt(np.mean(own**2))) if own.size else 0.0)


def _data_signs(problem: Problem, metrics: Mapping[str, float]) -> Iterator[Sign]:
    """A fit is judged by what it was not shown; where equations are solved as well, data are noisy evidence."""
    error = metrics.get("test_error", metrics.get("data_misfit", math.nan))
    if not problem.equations and not math.isnan(error):
        yield Sign(error, f"The data are missed by {error:.1e}.")


def _period_signs(problem: Problem) -> Iterator[Sign]:
    """What residuals at points cannot see: a jump J of the m-th derivative across a period L moves on, as J (L/8)^m."""
    for found in periodic_jumps(problem):
        length = problem.domain.lengths[problem.coordinates.index(found.coordinate)]
        estimate = found.jump * (length / 8) ** found.order / max(found.size, 1e-300)
        yield Sign(estimate, f"{found.sentence()}, and no residual sees what comes of it.")


def _learned_signs(problem: Problem, metrics: Mapping[str, float]) -> Iterator[Sign]:
    for name in problem.learned if problem.data is not None else ():  # else equations and constraints determine it
        value, width = metrics.get(f"parameter_{name}", math.nan), metrics.get(f"parameter_{name}_interval95", math.nan)
        if math.isnan(width):
            yield Sign(math.inf, f"No interval of {name} ({value:.3g}) is known: data or equations are not met.")
        elif not width <= UNDETERMINED * abs(value):
            known = f"give or take {width:.1e}" if math.isfinite(width) else "and other values, with others beside it"
            yield Sign(math.inf, f"The data do not determine {name}: {value:.3g}, {known}.")
