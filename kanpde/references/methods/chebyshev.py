"""Stationary equations on boxes: Chebyshev and Fourier collocation with a damped Newton method.

    u(x) = Σ_k c_k T_k(x)   (cos and sin along periodic axes; products of them in more dimensions)

The unknowns are coefficients, so that derivatives lose no digits to differences of nodes. An equation of order m
along an axis holds at the N - m Gauss points of that axis, each condition at the N extrema along its side: N rows for
N unknowns along an axis, whatever the order. In more dimensions corners are counted more than once, so the rows,
scaled to equal size, are solved as least squares; they agree wherever the solution is smooth.

Source: Driscoll and Hale, Rectangular spectral collocation, IMA J. Numer. Anal. 36 (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import product

import numpy as np
import scipy
import sympy
import torch
from numpy.polynomial import chebyshev as polynomials

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import Piece, Place
from kanpde.problems.language import (
    BoundFormula,
    ExpressionError,
    Jet,
    Remote,
    compile_expression,
    jet_slopes,
    jets_of,
    remotes_of,
)
from kanpde.problems.problem import Problem
from kanpde.problems.singular_ends import singular_ends
from kanpde.references.applicability import is_whole_box, walls_of, with_values
from kanpde.references.elsewhere import RemoteValues, elsewhere
from kanpde.references.interface import Solved
from kanpde.references.interpolants import ChebyshevAxis, FourierAxis, Interpolant
from kanpde.references.means import NotSolved, OutOfMeans
from kanpde.references.newton import newton

PLACE = 0
ELSEWHERE = True  # takes integrals and shifts of fields
POWER = 3.0
"""With which power of the unknowns the seconds grow."""

MOST_UNKNOWNS = 5000  # a dense matrix of 200 MB, some copies of it while it is factored
MOST_OFFERED = 3500  # of these, by itself: factored in half of a reference's minute
MOST_IN_TIME = 1600  # of several fields in space and time, whose equations have more rows than these
STARTS = (0.0, 1.0)  # the second where the equation cannot be evaluated at the first, as log(u)


def applicable(problem: Problem) -> bool:
    """Whether the method can take the problem: boxes of up to three dimensions, nothing that jumps.

    Time is one of them where no marching serves: equations ask for other times or for integrals, and fields have fewer
    coordinates.
    """
    smooth = not any(len(walls_of(problem, axis)) for axis in range(problem.domain.dimension))
    final = any(condition.kind == "final" for condition in problem.conditions)
    marched = problem.time is not None and not (problem.remotes() or problem.narrow or final)
    whole = is_whole_box(_without_places(problem)) and not marched
    return bool(problem.equations) and whole and problem.domain.dimension <= 3 and smooth


def _without_places(problem: Problem) -> Problem:
    return replace(problem, conditions=tuple(c for c in problem.conditions if not isinstance(c.side, Place)))


def resolutions(problem: Problem) -> tuple[int, ...]:
    """Nodes an axis, coarse to fine; fewer, N with fields · N^d ≤ MOST_OFFERED, where there are many fields."""
    dimension, fields = problem.domain.dimension, len(problem.fields)
    in_time = dimension == 2 and problem.time is not None and fields > 1
    usual = {1: (384, 512), 2: (28, 40), 3: (9, 12)}[dimension]
    finest = int(((MOST_IN_TIME if in_time else MOST_OFFERED) / fields) ** (1 / dimension))
    return usual if finest >= usual[-1] else (finest // 2, 3 * finest // 4, finest)


def solve(problem: Problem, resolution: int) -> Solved:
    """Solve with `resolution` basis functions along every axis (an odd number of them along periodic ones).

    Raises:
        NotSolved: the method does not apply, Newton's does not converge, or the solution is not unique.
    """
    if not applicable(problem):
        raise NotSolved("takes smooth equations on boxes of up to three dimensions, without time unless shifted")
    bases = tuple(_basis(problem, axis, resolution) for axis in range(problem.domain.dimension))
    system = _system(problem, bases)
    with np.errstate(over="ignore", invalid="ignore"):  # of steps too long, which are then halved
        coefficients = _newton(system, _start(system, bases, len(problem.fields)))
    nodal = _kronecker([basis.values(basis.axis.nodes, 0) for basis in bases])
    shape = (len(problem.fields), *(basis.axis.count for basis in bases))
    values = (coefficients.reshape(shape[0], -1) @ nodal.T).reshape(shape)
    return Solved(Interpolant(tuple(basis.axis for basis in bases), values), system.unknowns)


# bases


@dataclass(frozen=True, eq=False)
class _Polynomials:
    axis: ChebyshevAxis

    def values(self, x: np.ndarray, order: int) -> np.ndarray:  # [n] -> [n, N]
        """Derivatives of T_k: the recurrence for their coefficients has positive terms alone."""
        length = self.axis.upper - self.axis.lower
        slopes = polynomials.chebder(np.eye(self.axis.count), order, scl=2 / length)
        unit = (2 * x - self.axis.lower - self.axis.upper) / length
        return polynomials.chebvander(unit, len(slopes) - 1) @ slopes

    def inner(self, order: int) -> np.ndarray:
        """Gauss points, as many as the equation of this order leaves to be satisfied."""
        count = self.axis.count - order
        unit = np.sin(np.pi * (np.arange(count) + 0.5) / count - np.pi / 2)
        return self.axis.lower + (self.axis.upper - self.axis.lower) * (1 + unit) / 2


@dataclass(frozen=True, eq=False)
class _Waves:
    axis: FourierAxis

    def values(self, x: np.ndarray, order: int) -> np.ndarray:  # [n] -> [n, N]
        """1, cos kθ, sin kθ; a derivative turns by a quarter."""
        rate = 2 * np.pi / (self.axis.upper - self.axis.lower) * np.arange(1, self.axis.count // 2 + 1)
        turned = rate * (x[:, None] - self.axis.lower) + order * np.pi / 2
        constant = np.full((len(x), 1), float(order == 0))
        return np.hstack([constant, rate**order * np.cos(turned), rate**order * np.sin(turned)])

    def inner(self, order: int) -> np.ndarray:
        return self.axis.nodes


_Basis = _Polynomials | _Waves


def _basis(problem: Problem, axis: int, count: int) -> _Basis:
    lower, upper = problem.domain.lower[axis], problem.domain.upper[axis]
    if axis in problem.periodic:
        return _Waves(FourierAxis(lower, upper, count | 1))  # an odd count has a sine for every cosine
    return _Polynomials(ChebyshevAxis(lower, upper, count))


def _kronecker(matrices: list[np.ndarray]) -> np.ndarray:
    return reduce(np.kron, matrices)


# rows


@dataclass(frozen=True, eq=False)
class _Block:
    """One equation or condition at its points."""

    residual: BoundFormula
    slopes: dict[Jet, BoundFormula]  # ∂ residual / ∂ jet
    matrices: dict[Jet, np.ndarray]  # coefficients of the jet's field → its values, [n, N]
    columns: dict[Jet, slice]
    elsewhere: tuple[RemoteValues, ...] = ()

    def jets(self, c: np.ndarray) -> dict[Jet, torch.Tensor]:
        here = {jet: torch.from_numpy(matrix @ c[self.columns[jet]]) for jet, matrix in self.matrices.items()}
        return here | {one.jet: torch.from_numpy(one.values(c)) for one in self.elsewhere}

    def values(self, c: np.ndarray) -> np.ndarray:  # [n]
        return self.residual(self.jets(c)).numpy()

    def jacobian(self, c: np.ndarray) -> np.ndarray:  # [n, unknowns]
        jets, found = self.jets(c), np.zeros((len(self.residual.points), len(c)))
        for jet in self.matrices.keys() & self.slopes.keys():
            found[:, self.columns[jet]] += self.slopes[jet](jets).numpy()[:, None] * self.matrices[jet]
        for one in self.elsewhere:
            found += self.slopes[one.jet](jets).numpy()[:, None] * one.jacobian(c)
        return found


@dataclass(frozen=True, eq=False)
class _System:
    """Zero where every equation and condition holds."""

    blocks: tuple[_Block, ...]
    unknowns: int

    def values(self, c: np.ndarray) -> np.ndarray:
        return np.concatenate([block.values(c) for block in self.blocks])

    def jacobian(self, c: np.ndarray) -> np.ndarray:
        return np.concatenate([block.jacobian(c) for block in self.blocks])


def _system(problem: Problem, bases: tuple[_Basis, ...]) -> _System:
    unknowns = len(problem.fields) * int(np.prod([basis.axis.count for basis in bases]))
    if unknowns > MOST_UNKNOWNS:
        raise NotSolved(f"takes up to {MOST_UNKNOWNS} unknowns; there are {unknowns}")
    statements: list[tuple[sympy.Expr, Piece | None]] = [(one, None) for one in problem.equations.values()]
    statements += [(condition.residual, condition.side) for condition in problem.conditions]
    try:
        blocks = tuple(_block(problem, bases, residual, side) for residual, side in statements)
    except ExpressionError as error:
        raise NotSolved(f"needs slopes of every equation; one of them {error}") from error
    return _System(blocks, unknowns)


def _block(problem: Problem, bases: tuple[_Basis, ...], residual: sympy.Expr, side: Piece | None) -> _Block:
    residual = with_values(problem, residual)
    jets = [jet for jet in jets_of(residual) if not isinstance(jet[0], Remote)]
    if side is None:
        orders = [max((index[axis] for _, index in jets), default=0) for axis in range(len(bases))]
        orders = [order - _lacking(problem, axis, order) for axis, order in enumerate(orders)]
        if few := [order for basis, order in zip(bases, orders, strict=True) if basis.axis.count <= order]:
            raise NotSolved(f"needs more than {few[0]} functions along an axis for a derivative of order {few[0]}")
        lines = [basis.inner(order) for basis, order in zip(bases, orders, strict=True)]
    elif isinstance(side, Place):
        lines = [basis.axis.nodes if value is None else np.array([value])
                 for basis, value in zip(bases, side.values, strict=True)]  # fmt: skip
    elif not isinstance(side, Side):
        raise NotSolved("takes conditions on whole sides and at points")
    else:
        lines = [np.array([side.level(problem.domain)]) if axis == side.axis else basis.axis.nodes
                 for axis, basis in enumerate(bases)]  # fmt: skip
    points = torch.from_numpy(np.array(list(product(*lines))))
    size = int(np.prod([basis.axis.count for basis in bases]))
    starts = {name: size * number for number, name in enumerate(problem.fields)}
    return _Block(
        compile_expression(residual, problem.coordinates, problem.fields).bind(points),
        {jet: compile_expression(slope, problem.coordinates, problem.fields).bind(points)
         for jet, slope in jet_slopes(residual, problem.coordinates).items()},
        {jet: _kronecker([basis.values(line, order) for basis, line, order in zip(bases, lines, jet[1], strict=True)])
         for jet in jets},
        {jet: slice(starts[jet[0]], starts[jet[0]] + size) for jet in jets},
        tuple(elsewhere(problem, name, points, partial(_rows, bases)) for name in remotes_of(residual)),
    )  # fmt: skip


def _rows(bases: tuple[_Basis, ...], points: np.ndarray, index: tuple[int, ...]) -> np.ndarray:  # [n, d] -> [n, N]
    """Coefficients → values of a derivative at points that need not be a grid."""
    columns = (basis.values(x, order) for basis, x, order in zip(bases, points.T, index, strict=True))
    return reduce(lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(len(points), -1), columns)


def _lacking(problem: Problem, axis: int, order: int) -> int:
    """Conditions that singular ends of an axis do without; the equation holds at as many points more."""
    ends = {side for field in problem.fields for side in singular_ends(problem, field, axis)}
    given = {condition.side for condition in problem.conditions}
    return order // 2 * len(ends - given)


# Newton


def _start(system: _System, bases: tuple[_Basis, ...], fields: int) -> np.ndarray:
    """The first constant at which equations and slopes are finite; the constant is the first coefficient."""
    for value in STARTS:
        c = np.zeros((fields, system.unknowns // fields))
        c[:, 0] = value
        if np.isfinite(system.values(c.ravel())).all() and np.isfinite(system.jacobian(c.ravel())).all():
            return c.ravel()
    raise NotSolved(f"starts from a constant; the equations are not finite at {' or '.join(map(str, STARTS))}")


def _newton(system: _System, c: np.ndarray) -> np.ndarray:
    """Damped Newton; where it stalls, along r(c) = (1 - s) r(c₀) from s = 0 to 1."""
    try:
        return newton(system.values, lambda c: _least_squares(system.jacobian(c)), c)
    except OutOfMeans:
        raise
    except NotSolved:
        return _continued(system, c)


def _continued(system: _System, c: np.ndarray) -> np.ndarray:
    reached, step, first = 0.0, 0.25, system.values(c)
    while reached < 1:
        target = min(1.0, reached + step)
        missing = (1 - target) * first
        try:
            c = newton(partial(_less, system, missing), lambda c: _least_squares(system.jacobian(c)), c)
            reached, step = target, 2 * step
        except OutOfMeans:
            raise
        except NotSolved:
            step /= 4
            if step < 1e-3:
                raise
    return c


def _less(system: _System, missing: np.ndarray, c: np.ndarray) -> np.ndarray:
    return system.values(c) - missing


def _least_squares(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Right sides → solutions. Rows are brought to one size; columns too: derivatives of high orders are not small."""
    if not np.isfinite(matrix).all():
        raise NotSolved("did not converge: the slopes are no longer finite")
    weights = 1 / np.maximum(np.abs(matrix).max(1), 1e-300)
    matrix = weights[:, None] * matrix
    scale = np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    q, r, order = scipy.linalg.qr(matrix / scale, mode="economic", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(r))
    if matrix.shape[0] < matrix.shape[1] or diagonal[-1] <= 1e-14 * diagonal[0]:
        raise NotSolved("finds more than one solution: the conditions do not determine it")

    def solution(right: np.ndarray) -> np.ndarray:
        found = np.empty(len(scale))
        found[order] = scipy.linalg.solve_triangular(r, q.T @ (weights * right), check_finite=False)
        return found / scale

    return solution
