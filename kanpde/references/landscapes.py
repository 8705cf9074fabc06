"""The localization landscape of a Schrödinger operator H = -½Δ + V, and what it tells of the lowest states.

    H u = 1,   W = 1/u,   E_n ≈ (1 + d/4)·(n-th minimum of W),   |ψ| ≤ E u ‖ψ‖_∞

W is an effective potential: states sit in its wells. The estimate of E_n is a heuristic, the bound a theorem.

Source: Filoche and Mayboroda, PNAS 109 (2012); Arnold et al., Phys. Rev. Lett. 116 (2016).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy
import sympy

from kanpde.problems.language import (
    ExpressionError,
    euler_lagrange,
    jet_expression,
    jet_slopes,
    jets_of,
    renamed,
)
from kanpde.problems.problem import Problem
from kanpde.problems.tasks.energy import Energy
from kanpde.references.means import NotSolved
from kanpde.references.meshed import Function
from kanpde.references.methods import elements

WELLS = 5
"""Minima of 1/u that are compared with the reference's."""


def landscape_problem(problem: Problem) -> Problem:
    """H u = 1 for the operator of an eigenproblem, as the minimum of ∫ a(u, u)/2 - w u dx."""
    state, (density, norm) = problem.fields[0], problem.task.integrals()
    name = jets_of(norm)[0][0]  # the field in which both are written
    value = jet_expression((name, (0,) * len(problem.coordinates)), problem.coordinates)
    weight = norm.xreplace({value: sympy.S.One})
    own = [condition for condition in problem.conditions if condition.fields == (state,)]
    conditions = [
        replace(c, residual=renamed(c.residual, state, name, problem.coordinates), fields=(name,)) for c in own
    ]
    task = Energy(density / 2 - weight * value)
    return replace(problem, fields=(name,), task=task, conditions=tuple(conditions))


def landscape_of(problem: Problem) -> Function | None:
    """u by spectral elements; None where they do not apply, or the norm is no weight times ψ²."""
    none = (0,) * len(problem.coordinates)
    if len(problem.task.integrals()) != 2 or {index for _, index in jets_of(problem.task.integrals()[1])} != {none}:
        return None
    stated = landscape_problem(problem)
    if not elements.applicable(stated):
        return None
    try:
        return elements.solve(stated, elements.resolutions(stated)[0]).values
    except NotSolved:  # an operator that is not positive has no landscape
        return None


def is_landscape(problem: Problem) -> bool:
    """Whether the problem itself is H u = 1, and there is a coefficient to draw beside 1/u."""
    if len(problem.fields) != 1 or not problem.coefficients or problem.time is not None:
        return False
    residual = _residual(problem)
    if residual is None:
        return False
    jets = {jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in jets_of(residual)}
    linear = not any(jets_of(slope) for slope in jet_slopes(residual, problem.coordinates).values())
    return linear and residual.xreplace(jets) == -1


def _residual(problem: Problem) -> sympy.Expr | None:
    """H u - 1, of the one equation or from the energy."""
    try:
        if len(integrals := problem.task.integrals()) == 1:
            return euler_lagrange(integrals[0], problem.fields[0], problem.coordinates)
        return next(iter(problem.equations.values())) if len(problem.equations) == 1 else None
    except ExpressionError:
        return None


def peaks(u: np.ndarray) -> np.ndarray:  # [n_1, …] -> [m, d]
    """Indices of the local maxima on a grid, the highest first."""
    inner = np.pad(np.ones([n - 2 for n in u.shape], dtype=bool), 1)
    found = np.argwhere((u == scipy.ndimage.maximum_filter(u, size=3)) & inner)
    return found[np.argsort(-u[tuple(found.T)], kind="stable")]


def wells_error(u: np.ndarray, reference: np.ndarray) -> float:
    """Largest relative error of 1/u at the lowest minima of 1/u_ref."""
    lowest = tuple(peaks(np.nan_to_num(reference))[:WELLS].T)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.abs(reference[lowest] / u[lowest] - 1).max(initial=0.0))


def bumps(u: np.ndarray, count: int) -> np.ndarray:  # [n_1, …] -> [count, n_1, …]
    """u in the basins of its highest maxima, zero elsewhere: what the lowest states look like.

    Where there are fewer maxima than asked for, the last bumps are waves over the whole of u.
    """
    highest, basin = peaks(u)[:count], _basins(u)
    found = [np.where(basin == basin[tuple(place)], u, 0.0) for place in highest]
    waves = np.indices(u.shape)[0] / max(u.shape[0] - 1, 1)
    found += [u * np.cos(np.pi * number * waves) for number in range(1, count - len(found) + 1)]
    return np.stack(found)


def _basins(u: np.ndarray) -> np.ndarray:
    """For each point the flat index of the maximum that steepest ascent leads to."""
    padded = np.pad(u, 1, constant_values=-np.inf)
    flat = np.pad(np.arange(u.size).reshape(u.shape), 1)
    best: np.ndarray = u.copy()
    above: np.ndarray = np.arange(u.size).reshape(u.shape)
    for shift in np.ndindex(*(3,) * u.ndim):
        window = tuple(slice(s, s + n) for s, n in zip(shift, u.shape, strict=True))
        higher = padded[window] > best
        best, above = np.where(higher, padded[window], best), np.where(higher, flat[window], above)
    above = above.ravel()
    while not np.array_equal(above, above[above]):
        above = above[above]
    return above.reshape(u.shape)
