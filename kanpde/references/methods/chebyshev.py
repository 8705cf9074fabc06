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

from kanpde.problems.checks import overdetermined
from kanpde.problems.freedoms import free_fields
from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import Piece, Place, carrier_of
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
from kanpde.references.interface import Field, Solved
from kanpde.references.interpolants import ChebyshevAxis, FourierAxis, Interpolant
from kanpde.references.means import NotOne, NotSolved, OutOfMeans
from kanpde.references.newton import SINGULAR, newton

PLACE = 0
ELSEWHERE = True  # takes integrals and shifts of fields
FROM_COARSER = True  # a coarser solution is where Newton's method starts
POWER = 3.0
"""With which power of the unknowns the seconds grow."""

MOST_UNKNOWNS = 5000  # a dense matrix of 200 MB, some copies of it while it is factored
MOST_OFFERED = 3500  # of these, by itself, whatever the error is
MOST_FURTHER = 4200  # where the error is not small enough: 2.5 s to factor
MOST_IN_TIME = 1600  # of several fields in space and time, whose equations have more rows than these
UNDETERMINED = "finds more than one solution: the conditions do not determine it"
LEAST = 1e-15  # inverse of an estimated condition; those of problems that are determined are above 1e-10
CONTRADICTED = 1e-2
"""Of its own size, what a condition beyond those that are needed may be missed by."""

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
    return bool(problem.equations) and whole and problem.domain.dimension <= 3 and smooth and not _pressures(problem)


def _pressures(problem: Problem) -> tuple[str, ...]:
    """Fields of which only slopes occur beside second derivatives of others, and no side says anything.

    Polynomials of one degree for all leave more of a pressure open than its constant, as (-1)^(i+j) at the nodes.
    """
    set_on_sides = {field for c in problem.conditions if isinstance(carrier_of(c.side), Side) for field in c.fields}
    orders = {field: max((sum(index) for name, index in problem.jets() if name == field), default=0)
              for field in problem.fields}  # fmt: skip
    axes = {field: {axis for name, index in problem.jets() if name == field for axis, n in enumerate(index) if n}
            for field in problem.fields}  # fmt: skip
    open_ones = () if problem.time is not None or problem.periodic else problem.fields
    return tuple(field for field in open_ones if orders[field] == 1 < max(orders.values())
                 and len(axes[field]) > 1 and field not in set_on_sides)  # fmt: skip


def _without_places(problem: Problem) -> Problem:
    return replace(problem, conditions=tuple(c for c in problem.conditions if not isinstance(c.side, Place)))


def resolutions(problem: Problem) -> tuple[int, ...]:
    """Nodes an axis, coarse to fine; fewer, N with fields · N^d ≤ MOST_OFFERED, where there are many fields."""
    usual = {1: (384, 512), 2: (28, 40), 3: (9, 12)}[problem.domain.dimension]
    finest = _finest(problem, MOST_IN_TIME if _in_time(problem) else MOST_OFFERED)
    return usual if finest >= usual[-1] else (finest // 2, 3 * finest // 4, finest)


def further(problem: Problem) -> tuple[int, ...]:
    """Finer resolutions in the plane and in space, dear ones; each a fifth finer than the one before, or more."""
    usual, finest = resolutions(problem)[-1], _finest(problem, MOST_FURTHER)
    if problem.domain.dimension == 1 or _in_time(problem) or finest < 1.2 * usual:
        return ()
    return (finest,) if finest < 1.5 * usual else ((usual + finest) // 2, finest)


def _finest(problem: Problem, unknowns: int) -> int:
    return int((unknowns / len(problem.fields)) ** (1 / problem.domain.dimension))


def _in_time(problem: Problem) -> bool:
    return problem.domain.dimension == 2 and problem.time is not None and len(problem.fields) > 1


def solve(problem: Problem, resolution: int, below: Field | None = None) -> Solved:
    """Solve with `resolution` basis functions along every axis (an odd number of them along periodic ones).

    Newton's method starts from the fields `below`, if they are given, and from a constant where it fails there.

    Raises:
        NotSolved: the method does not apply, or Newton's does not converge.
        NotOne: the solution of linear equations is not unique, or conditions contradict each other.
    """
    if not applicable(problem):
        raise NotSolved("takes smooth equations on boxes of up to three dimensions, without time unless shifted")
    bases = tuple(_basis(problem, axis, resolution) for axis in range(problem.domain.dimension))
    system = _system(problem, bases)
    nodal = tuple(basis.values(basis.axis.nodes, 0) for basis in bases)
    with np.errstate(over="ignore", invalid="ignore"):  # of steps too long, which are then halved
        found = None if below is None else _from_below(system, bases, nodal, below)
        if found is None:
            found = _newton(system, _start(system, bases, len(problem.fields)))
    if overdetermined(problem):
        _check_met(problem, system, found)
    shape = tuple(basis.axis.count for basis in bases)
    values = np.stack([_product(nodal, own).reshape(shape) for own in found.reshape(len(problem.fields), -1)])
    return Solved(Interpolant(tuple(basis.axis for basis in bases), values), system.unknowns)


def _from_below(system: _System, bases: tuple[_Basis, ...], nodal: Factors, below: Field) -> np.ndarray | None:
    """The coefficients found from a coarser solution; None where Newton's method finds none."""
    values = below(np.array(list(product(*(basis.axis.nodes for basis in bases)))))
    backward = tuple(np.linalg.inv(matrix) for matrix in nodal)
    try:
        return newton(system.values, system.inverse_at, np.concatenate([_product(backward, own) for own in values.T]))
    except OutOfMeans:
        raise
    except NotSolved:
        return None


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


Factors = tuple[np.ndarray, ...]
"""[n_i, N_i] along each axis: their Kronecker product, which is too large to be held for every derivative."""


def _kronecker(factors: Factors) -> np.ndarray:
    found: np.ndarray = np.ones((1, 1))
    for factor in factors:
        found = np.kron(found, factor)
    return found


def _product(factors: Factors, c: np.ndarray) -> np.ndarray:
    """The Kronecker product times c."""
    found = c.reshape([factor.shape[1] for factor in factors])
    for factor in factors:
        found = np.tensordot(found, factor, axes=(0, 1))
    return found.ravel()


def _sum_of_products(terms: list[tuple[np.ndarray, Factors]]) -> np.ndarray:
    """Σ diag(s) (A ⊗ B), for one row of A after another: Aᵀ [N_1, terms] times s B [n_2, terms, N_2]."""
    first = np.stack([factors[0] for _, factors in terms], axis=-1)  # [n_1, N_1, terms]
    rest = np.stack([_kronecker(factors[1:]) for _, factors in terms], axis=1)
    slopes = np.stack([slope for slope, _ in terms], axis=-1).reshape(len(first), len(rest), -1, 1)
    lines = (row @ (slope * rest) for row, slope in zip(first, slopes, strict=True))
    return np.concatenate([line.reshape(len(rest), -1) for line in lines])


# rows


@dataclass(frozen=True, eq=False)
class _Block:
    """One equation or condition at its points."""

    residual: BoundFormula
    slopes: dict[Jet, BoundFormula]  # ∂ residual / ∂ jet
    factors: dict[Jet, Factors]  # coefficients of the jet's field → its values
    columns: dict[Jet, slice]
    elsewhere: tuple[RemoteValues, ...] = ()

    def jets(self, c: np.ndarray) -> dict[Jet, torch.Tensor]:
        here = {jet: torch.from_numpy(_product(own, c[self.columns[jet]])) for jet, own in self.factors.items()}
        return here | {one.jet: torch.from_numpy(one.values(c)) for one in self.elsewhere}

    def values(self, c: np.ndarray) -> np.ndarray:  # [n]
        return self.residual(self.jets(c)).numpy()

    def jacobian(self, c: np.ndarray) -> np.ndarray:  # [n, unknowns]
        jets, found = self.jets(c), np.zeros((len(self.residual.points), len(c)))
        parts: dict[str, list[tuple[np.ndarray, Jet]]] = {}
        for jet in self.factors.keys() & self.slopes.keys():
            parts.setdefault(jet[0], []).append((self.slopes[jet](jets).numpy(), jet))
        for own in parts.values():
            terms = [(slope, self.factors[jet]) for slope, jet in own]
            found[:, self.columns[own[0][1]]] = _sum_of_products(terms)
        for one in self.elsewhere:
            found += self.slopes[one.jet](jets).numpy()[:, None] * one.jacobian(c)
        return found


@dataclass(frozen=True, eq=False)
class _System:
    """Zero where every equation and condition holds."""

    blocks: tuple[_Block, ...]
    unknowns: int
    loose: tuple[int, ...] = ()  # coefficients of constants that nothing determines, which are held at zero

    @property
    def linear(self) -> bool:
        return not any(slope.formula.jets for block in self.blocks for slope in block.slopes.values())

    def values(self, c: np.ndarray) -> np.ndarray:
        return np.concatenate([*(block.values(c) for block in self.blocks), c[[*self.loose]]])

    def jacobian(self, c: np.ndarray) -> np.ndarray:
        held = np.zeros((len(self.loose), len(c)))
        held[np.arange(len(self.loose)), [*self.loose]] = 1.0
        return np.concatenate([*(block.jacobian(c) for block in self.blocks), held])

    def inverse_at(self, c: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        try:
            return _least_squares(self.jacobian(c))
        except NotOne:
            if self.linear:
                raise
            raise NotSolved(SINGULAR) from None


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
    free, size = free_fields(problem), unknowns // len(problem.fields)
    places = tuple(size * place for place, name in enumerate(problem.fields) if name in free and not free[name])
    return _System(blocks, unknowns, places)


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
        {jet: tuple(basis.values(line, order) for basis, line, order in zip(bases, lines, jet[1], strict=True))
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


def _check_met(problem: Problem, system: _System, c: np.ndarray) -> None:
    """That more conditions than are needed do not contradict each other, of which least squares would make a mean.

        rms C(u) ≤ CONTRADICTED · max(rms C(0), |u| / length^order)

    Raises:
        NotOne: They do.
    """
    largest, shortest = float(np.abs(c).max()), min(problem.domain.lengths)
    for condition, block in zip(problem.conditions, system.blocks[len(problem.equations) :], strict=True):
        order = max((sum(index) for _, index in jets_of(condition.residual)), default=0)
        known = float(np.sqrt(np.mean(block.values(np.zeros_like(c)) ** 2)))
        missed = float(np.sqrt(np.mean(block.values(c) ** 2))) / max(known, largest / shortest**order, 1e-300)
        if missed > CONTRADICTED:
            raise NotOne(
                f"finds no solution: there are more conditions than the equations take, and they contradict each "
                f"other ({condition.name} is missed by {missed:.1e} of its size)",
                none=True,
            )


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
        return newton(system.values, system.inverse_at, c)
    except (OutOfMeans, NotOne):
        raise
    except NotSolved:
        return _continued(system, c)


def _continued(system: _System, c: np.ndarray) -> np.ndarray:
    reached, step, first = 0.0, 0.25, system.values(c)
    while reached < 1:
        target = min(1.0, reached + step)
        missing = (1 - target) * first
        try:
            c = newton(partial(_less, system, missing), system.inverse_at, c)
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
    matrix /= scale
    if matrix.shape[0] < matrix.shape[1]:
        raise NotOne(UNDETERMINED)
    factors, reflections = torch.geqrf(torch.from_numpy(matrix))
    r = factors[: len(scale)]
    inverse, _ = scipy.linalg.lapack.dtrcon(r.numpy())
    if inverse <= LEAST:
        raise NotOne(UNDETERMINED)

    def solution(right: np.ndarray) -> np.ndarray:
        turned = torch.ormqr(factors, reflections, torch.from_numpy(weights * right)[:, None], transpose=True)
        found = torch.linalg.solve_triangular(r, turned[: len(scale)], upper=True)
        return found[:, 0].numpy() / scale

    return solution
