"""Minima of energies and lowest eigenfunctions by spectral elements.

    E(u) = ∫ f(x, u, ∇u) dx  →  min;      ∫ f / ∫ g stationary, f and g quadratic

Products of polynomials of degree p on Gauss–Lobatto–Legendre nodes of each element; elements end where a
coefficient jumps, so that convergence stays exponential in p. Integrals take a Gauss rule finer than the nodes.
Dirichlet conditions are met at the nodes of their sides; where there are none, the natural condition follows from the
energy itself.

Source: Karniadakis and Sherwin, Spectral/hp Element Methods (2005), chapters 2 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import product

import numpy as np
import scipy
import sympy
import torch
from numpy.polynomial import legendre

from kanpde.errors import InputError
from kanpde.problems.language import BoundFormula, ExpressionError, Jet, compile_expression, jet_slopes, jets_of
from kanpde.problems.problem import Condition, Problem
from kanpde.references.applicability import is_stationary, walls_of, with_values
from kanpde.references.factoring import lu
from kanpde.references.interface import Solved
from kanpde.references.interpolants import Interpolant, Pieces, barycentric_matrix, barycentric_weights
from kanpde.references.means import NotSolved, check_time
from kanpde.references.states import equal, groups

PLACE = 1
DEGREE = {1: 8, 2: 6, 3: 4}  # of the polynomials, by dimension
MOST_NODES = {1: 400_000, 2: 100_000, 3: 20_000}  # what a sparse factorization takes in a few minutes, by dimension
MOST_STEPS = 60
STEP = 1e-9  # relative; the next Newton step would be its square


def applicable(problem: Problem) -> bool:
    """Whether the method can take the problem: a stationary energy in first derivatives, values or nothing on sides."""
    if not problem.task.integrals() or not is_stationary(problem) or problem.domain.dimension > 3:
        return False
    solved = [condition.solved(problem.coordinates) for condition in problem.conditions]
    values = all(found is not None and not any(found[0][1]) for found in solved)
    return values and all(sum(index) <= 1 for _, index in jets_of(problem.task.integrals()[0]))


def resolutions(problem: Problem) -> tuple[int, ...]:
    """Elements along each axis, doubled: at least the parts between walls, so that all differ.

    In one dimension they are cheap, and go on to what a smooth coefficient of many cells takes.
    """
    dimension = problem.domain.dimension
    parts = max(len(walls_of(problem, axis)) + 1 for axis in range(dimension))
    coarse = max(parts, {1: 24, 2: 5, 3: 2}[dimension])
    return tuple(coarse * 2**rung for rung in range(5 if dimension == 1 else 2))


def solve(problem: Problem, resolution: int) -> Solved:
    """Solve on about `resolution` elements along every axis, at least one between any two walls of coefficients.

    States are normalized to ∫ norm = 1, with the sign that makes the first large value positive.

    Raises:
        NotSolved: the method does not apply, or finds no minimum or no eigenfunctions.
    """
    if not applicable(problem):
        raise NotSolved("takes stationary energies in first derivatives, with values or nothing given on each side")
    mesh = _mesh(problem, resolution)
    method = _eigenfunctions if len(problem.task.integrals()) == 2 else _minimum
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # of steps too long, which are then halved
            values, energies = method(problem, mesh)
    except ExpressionError as error:
        raise NotSolved(f"needs slopes of the energy; it {error}") from error
    return Solved(Interpolant(mesh.axes, values.reshape(-1, *mesh.shape)), int(mesh.joined.shape[1]), energies)


def element_breaks(problem: Problem, axis: int, resolution: int) -> np.ndarray:
    """Ends of elements: the walls of coefficients, and between them equal parts no longer than side / resolution."""
    lower, upper = problem.domain.lower[axis], problem.domain.upper[axis]
    walls = np.concatenate([[lower], walls_of(problem, axis), [upper]])
    counts = np.maximum(1, np.ceil(np.diff(walls) / (upper - lower) * resolution - 1e-9)).astype(int)
    parts = [a + (b - a) * np.arange(n) / n for a, b, n in zip(walls[:-1], walls[1:], counts, strict=True)]
    return np.append(np.concatenate(parts), upper)


# meshes


@dataclass(frozen=True, eq=False)
class _Mesh:
    """Nodes, Gauss points and the polynomials at them."""

    axes: tuple[Pieces, ...]
    joined: scipy.sparse.csr_array  # values at distinct nodes → at nodes; both ends of a periodic axis are one

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis.nodes) for axis in self.axes)

    @cached_property
    def nodes(self) -> np.ndarray:  # [N, d]
        return np.array(list(product(*(axis.nodes for axis in self.axes))))

    @cached_property
    def rules(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [_gauss(axis) for axis in self.axes]

    @cached_property
    def points(self) -> torch.Tensor:  # [n, d]
        return torch.from_numpy(np.array(list(product(*(points for points, _ in self.rules)))))

    @cached_property
    def weights(self) -> np.ndarray:  # [n]
        return reduce(np.kron, [weights for _, weights in self.rules])

    def values(self, index: tuple[int, ...]) -> scipy.sparse.csr_array:
        """Values at nodes → a derivative at Gauss points, [n, N]."""
        parts = [_values_at_gauss(axis, order) for axis, order in zip(self.axes, index, strict=True)]
        return scipy.sparse.csr_array(reduce(scipy.sparse.kron, parts))


def _mesh(problem: Problem, resolution: int) -> _Mesh:
    dimension = problem.domain.dimension
    unit = gauss_lobatto_nodes(DEGREE[dimension])
    axes = tuple(Pieces(element_breaks(problem, axis, resolution), unit) for axis in range(dimension))
    count = int(np.prod([len(axis.nodes) for axis in axes]))
    if count > MOST_NODES[dimension]:
        raise NotSolved(f"takes up to {MOST_NODES[dimension]} nodes; there are {count}")
    joined = [_joined(len(axis.nodes), number in problem.periodic) for number, axis in enumerate(axes)]
    return _Mesh(axes, scipy.sparse.csr_array(reduce(scipy.sparse.kron, joined)))


def _joined(count: int, periodic: bool) -> scipy.sparse.csr_array:
    distinct = count - periodic
    return scipy.sparse.csr_array(
        (np.ones(count), (np.arange(count), np.arange(count) % distinct)), shape=(count, distinct)
    )


def gauss_lobatto_nodes(degree: int) -> np.ndarray:
    """0, 1 and the extrema of Legendre's polynomial brought to [0, 1]."""
    inner = legendre.Legendre.basis(degree).deriv().roots().real
    return (1 + np.concatenate([[-1.0], np.sort(inner), [1.0]])) / 2


def _gauss(axis: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of all elements."""
    unit, weights = _gauss_unit(axis)
    lengths = np.diff(axis.breaks)[:, None]
    return (axis.breaks[:-1, None] + lengths * unit).ravel(), (lengths * weights).ravel()


def _gauss_unit(axis: Pieces) -> tuple[np.ndarray, np.ndarray]:
    points, weights = legendre.leggauss(len(axis.unit) + 2)  # products of two, times a coefficient of degree five
    return (1 + points) / 2, weights / 2


def _values_at_gauss(axis: Pieces, order: int) -> scipy.sparse.csr_array:
    values = barycentric_matrix(_gauss_unit(axis)[0], axis.unit)
    for _ in range(order):
        values = values @ differentiation_matrix(axis.unit)
    cells, (rows, width) = len(axis.breaks) - 1, values.shape
    data = values / np.diff(axis.breaks)[:, None, None] ** order
    columns = np.arange(cells)[:, None, None] * (width - 1) + np.arange(width) + np.zeros((rows, 1), dtype=int)
    lines = np.repeat(np.arange(cells * rows), width)
    return scipy.sparse.csr_array((data.ravel(), (lines, columns.ravel())), shape=(cells * rows, len(axis.nodes)))


def differentiation_matrix(nodes: np.ndarray) -> np.ndarray:
    """Values at nodes → slopes at nodes of the polynomial through them (Berrut and Trefethen 2004, section 9.3)."""
    weights, differences = barycentric_weights(nodes), nodes[:, None] - nodes
    np.fill_diagonal(differences, 1.0)
    matrix = weights / weights[:, None] / differences
    np.fill_diagonal(matrix, 0.0)
    return matrix - np.diag(matrix.sum(1))


# forms


@dataclass(frozen=True, eq=False)
class _Form:
    """∫ density, and its first and second derivatives by the free values c; fields are `free @ c + fixed` at nodes."""

    weights: np.ndarray  # [n]
    density: BoundFormula
    first: dict[Jet, BoundFormula]
    second: dict[tuple[Jet, Jet], BoundFormula]
    matrices: dict[Jet, scipy.sparse.csr_array]  # [n, free]
    constants: dict[Jet, np.ndarray]  # [n]

    def jets(self, c: np.ndarray) -> dict[Jet, torch.Tensor]:
        return {jet: torch.from_numpy(matrix @ c + self.constants[jet]) for jet, matrix in self.matrices.items()}

    def value(self, c: np.ndarray) -> float:
        return float(self.weights @ self.density(self.jets(c)).numpy())

    def gradient(self, c: np.ndarray) -> np.ndarray:
        jets, found = self.jets(c), np.zeros(len(c))
        for jet, slope in self.first.items():
            found += self.matrices[jet].T @ (self.weights * slope(jets).numpy())
        return found

    def hessian(self, c: np.ndarray) -> scipy.sparse.csc_array:
        jets, found = self.jets(c), scipy.sparse.csc_array((len(c), len(c)))
        for (one, other), slope in self.second.items():
            weighted = scipy.sparse.diags_array(self.weights * slope(jets).numpy()) @ self.matrices[other]
            found = found + self.matrices[one].T @ weighted
        return scipy.sparse.csc_array(found)


def _form(
    problem: Problem,
    mesh: _Mesh,
    density: sympy.Expr,
    fields: tuple[str, ...],
    free: scipy.sparse.csr_array,
    fixed: np.ndarray,
) -> _Form:
    density, count = with_values(problem, density), len(mesh.nodes)
    first = jet_slopes(density, problem.coordinates)
    second = {(jet, other): slope for jet, line in first.items()
              for other, slope in jet_slopes(line, problem.coordinates).items()}  # fmt: skip

    def bound(expr: sympy.Expr) -> BoundFormula:
        return compile_expression(expr, problem.coordinates, fields).bind(mesh.points)

    rows = {jet: slice(count * fields.index(jet[0]), count * (fields.index(jet[0]) + 1)) for jet in first}
    values = {index: mesh.values(index) for index in {jet[1] for jet in first}}
    return _Form(
        mesh.weights, bound(density),
        {jet: bound(slope) for jet, slope in first.items()},
        {pair: bound(slope) for pair, slope in second.items()},
        {jet: scipy.sparse.csr_array(values[jet[1]] @ free[rows[jet]]) for jet in first},
        {jet: values[jet[1]] @ fixed[rows[jet]] for jet in first},
    )  # fmt: skip


def _freedom(problem: Problem, mesh: _Mesh, fields: tuple[str, ...]) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """The map from free values to nodes, and the values that conditions fix (zero elsewhere)."""
    known = np.zeros((len(fields), len(mesh.nodes)), dtype=bool)
    fixed = np.zeros(known.shape)
    for condition in problem.conditions:
        (field, _), value = _given(problem, condition)
        if field in fields:
            row, side = fields.index(field), condition.whole_side
            there = mesh.nodes[:, side.axis] == side.level(problem.domain)
            points = torch.from_numpy(mesh.nodes[there])
            fixed[row, there] = compile_expression(with_values(problem, value), problem.coordinates)(points).numpy()
            known[row, there] = True
    joined = scipy.sparse.csc_array(scipy.sparse.block_diag([mesh.joined] * len(fields)))
    kept = joined.T @ known.ravel().astype(float) == 0
    return scipy.sparse.csr_array(joined[:, np.flatnonzero(kept)]), fixed.ravel()


def _given(problem: Problem, condition: Condition) -> tuple[Jet, sympy.Expr]:
    solved = condition.solved(problem.coordinates)
    if solved is None:
        raise NotSolved(f"takes conditions that give one field's value; {condition.name} does not")
    return solved


# minima


def _minimum(problem: Problem, mesh: _Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method on the energy, shifted while its second derivative is not positive, with a line search."""
    free, fixed = _freedom(problem, mesh, problem.fields)
    form = _form(problem, mesh, problem.task.integrals()[0], problem.fields, free, fixed)
    c = np.zeros(free.shape[1])
    for _ in range(MOST_STEPS):
        check_time()
        gradient, hessian = form.gradient(c), form.hessian(c)
        if not (np.isfinite(gradient).all() and np.isfinite(hessian.data).all()):
            raise NotSolved("needs a finite energy on the way to its minimum, from zero on")
        step, shifted = _descent(gradient, hessian)
        small = np.abs(step).max() <= STEP * (1e-3 + np.abs(c).max())
        if small and shifted:
            raise NotSolved("found a point where the energy is stationary and no minimum")
        c = c + (step if small else _line_search(form, c, step, gradient))
        if small:
            return free @ c + fixed, np.array([form.value(c)])
    raise NotSolved(f"did not converge in {MOST_STEPS} steps; the energy may have no minimum")


def _descent(gradient: np.ndarray, hessian: scipy.sparse.csc_array) -> tuple[np.ndarray, bool]:
    """-(H + μ)⁻¹ g with the first μ of 0, small, … that makes H + μ positive; whether μ > 0."""
    size = np.abs(hessian.diagonal()).max()
    for shift in (0.0, *(size * 10.0 ** np.arange(-6, 2))):
        factors = _positive(scipy.sparse.csc_array(hessian + shift * scipy.sparse.eye_array(len(gradient))))
        if factors is not None:
            return -factors.solve(gradient), shift > 0
    raise NotSolved("finds no direction in which the energy falls")


def _positive(matrix: scipy.sparse.csc_array) -> scipy.sparse.linalg.SuperLU | None:
    """The factors of a symmetric matrix if it is positive definite: without pivoting, pivots have its signature."""
    try:
        factors = lu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:  # exactly singular
        return None
    pivots = factors.U.diagonal()
    return factors if pivots.min() > 1e-14 * pivots.max() else None


def _line_search(form: _Form, c: np.ndarray, step: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The longest of step, step/2, … that lowers the energy as its slope promises."""
    before, slope = form.value(c), float(gradient @ step)
    slack = 1e-14 * (abs(before) + form.weights.sum())  # rounding of the sum
    for length in 0.5 ** np.arange(30):
        after = form.value(c + length * step)
        if np.isfinite(after) and after <= before + 1e-4 * length * slope + slack:
            return length * step
    raise NotSolved("did not converge: no step lowers the energy")


# eigenfunctions


def _eigenfunctions(problem: Problem, mesh: _Mesh) -> tuple[np.ndarray, np.ndarray]:
    """K c = E M c by Lanczos' method on (K - σM)⁻¹ with σ below the spectrum."""
    both, states = problem.task.integrals(), len(problem.fields)
    name = jets_of(both[0])[0][0]  # the field in which both are written
    free, fixed = _freedom(problem, mesh, problem.fields[:1])  # every state has the same conditions
    if np.any(fixed):
        raise NotSolved("takes eigenproblems whose conditions are zero")
    stiffness, mass = (_quadratic(_form(problem, mesh, density, (name,), free, fixed))
                       for density in both)  # fmt: skip
    if states + 1 >= free.shape[1] - 1:
        raise NotSolved(f"has {free.shape[1]} unknowns for {states} states")
    below, factors = _below(stiffness, mass)
    inverse = scipy.sparse.linalg.LinearOperator(stiffness.shape, matvec=factors.solve, dtype=float)
    start = 1 + np.sin(np.arange(free.shape[1]))  # the same in every run, without a symmetry
    try:
        energies, vectors = scipy.sparse.linalg.eigsh(stiffness, states + 1, mass, sigma=below, OPinv=inverse, v0=start)
    except scipy.sparse.linalg.ArpackError as error:
        raise NotSolved(f"did not converge: {error}") from error
    order = np.argsort(energies)
    _check_separated(problem, energies[order])
    order = order[:states]
    found = (free @ vectors[:, order] * np.sqrt(2.0)).T  # M is the second derivative, twice the form
    return np.stack([_signed(state) for state in found]), energies[order]


def _check_separated(problem: Problem, energies: np.ndarray) -> None:
    """The last state asked for and the next one have different energies, or the last one would be any of a family."""
    states = len(energies) - 1
    if equal(*energies[-2:]):
        below = groups(energies)[-1].start
        raise InputError(
            f"{problem.name}: eigen.states needs to end between two different energies; states {states} and "
            f"{states + 1} have the same, {energies[-1]:.8g}. Ask for {states + 1} or more"
            + (f", or for {below}." if below else ".")
        )


def _quadratic(form: _Form) -> scipy.sparse.csc_array:
    """The second derivative of a form that has no other."""
    zero = np.zeros(next(iter(form.matrices.values())).shape[1])
    if any(slope.formula.jets for slope in form.second.values()) or np.any(form.gradient(zero)):
        raise NotSolved("takes eigenproblems whose energy and norm are quadratic in the field")
    return form.hessian(zero)


def _below(
    stiffness: scipy.sparse.csc_array, mass: scipy.sparse.csc_array
) -> tuple[float, scipy.sparse.linalg.SuperLU]:
    """σ with K - σM positive definite, and the factors: a little below the least ratio of diagonals, or further."""
    if _positive(mass) is None:
        raise NotSolved("takes eigenproblems whose norm is positive")
    ratio = stiffness.diagonal() / mass.diagonal()
    distance, least = np.median(np.abs(ratio)) * 1e-6, min(0.0, float(ratio.min()))
    for _ in range(60):
        below = least - distance
        factors = _positive(scipy.sparse.csc_array(stiffness - below * mass))
        if factors is not None:
            return below, factors
        distance *= 4
    raise NotSolved("finds no bound below the spectrum: the energy has no least value")


def _signed(state: np.ndarray) -> np.ndarray:
    """The state or its negative: positive at the first node where it exceeds half of its largest size."""
    first = np.argmax(np.abs(state) > 0.5 * np.abs(state).max())
    return state * np.sign(state[first])
