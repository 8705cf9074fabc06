"""Stationary equations and energies in plane regions: quartics on triangles with curved sides, Newton's method.

    ∇·(A ∇u) + s(x, u, ∇u) = 0   →   ∫ s v - ∇v·A∇u dx + ∮ v n·A∇u = 0   for all v

The principal part A is read off the equation's second derivatives; s is the rest, less ∇A·∇u. The boundary integral
takes from each condition what it says of n·A∇u. Where a condition gives values, nodes have them. Sides are quadratic:
on laplace_holes quartics are a hundred times as accurate as quadratics with as many unknowns.

Source: Brenner and Scott, The Mathematical Theory of Finite Element Methods (2008), chapter 10 for curved sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import scipy
import sympy
import torch
from numpy.polynomial import legendre, polynomial

from kanpde.problems.geometry.boxes import Side
from kanpde.problems.geometry.regions import Piece, Place, ShapeBoundary, SubSide, carrier_of, on_boundary
from kanpde.problems.language import (
    BoundFormula,
    ExpressionError,
    Jet,
    compile_expression,
    coordinate_symbols,
    derivative,
    jet_expression,
    jet_slopes,
    jets_of,
)
from kanpde.problems.problem import Condition, Problem
from kanpde.references.applicability import with_values
from kanpde.references.interface import Solved
from kanpde.references.interpolants import Triangles
from kanpde.references.means import NotSolved
from kanpde.references.meshes import BoundaryEdge, Mesh, triangulate
from kanpde.references.newton import newton

PLACE = 2
EXACT_TO = 8  # degree of the polynomials that the quadrature integrates exactly
SYMMETRIC: dict[str, Any] = {
    "permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.1, "options": {"SymmetricMode": True},
}  # entries lie symmetrically: a third of the numbers in the factors of four fields  # fmt: skip
STARTS = (0.0, 1.0)  # the second where the equation cannot be evaluated at the first, as log(u)
PARALLEL = 1e-9
VALUE = (0, 0)
SLOPES = ((1, 0), (0, 1))


def applicable(problem: Problem) -> bool:
    """Whether the method can take the problem: stationary, in the plane, in a region or with parts of sides."""
    parts = any(isinstance(condition.side, SubSide) for condition in problem.conditions)
    return (
        problem.domain.dimension == 2 and problem.time is None and not problem.family and not problem.periodic
        and (bool(problem.equations) or len(problem.task.integrals()) == 1)
        and (not problem.region.whole or parts)
        and not any(isinstance(condition.side, Place) for condition in problem.conditions)
    )  # fmt: skip


def resolutions(problem: Problem) -> tuple[int, int]:
    """Edges along the longest side of the box, coarse and fine."""
    return 16, 24


def solve(problem: Problem, resolution: int) -> Solved:
    """Solve on triangles with about `resolution` edges along the box's longest side.

    Raises:
        NotSolved: the method does not apply, scikit-fem is missing, or Newton's method does not converge.
    """
    if not applicable(problem):
        raise NotSolved("takes equations or an energy without time in a plane region that shapes make")
    try:
        statements = _statements(problem)
        system = _system(problem, _space(triangulate(problem, resolution)), statements)
    except ExpressionError as error:
        raise NotSolved(f"needs slopes of every equation and coefficient; one of them {error}") from error
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of steps too long, which are then halved
        values = system.full(newton(system.values, system.inverse_at, system.start())).reshape(len(problem.fields), -1)
    space = system.space
    return Solved(space.function(values), system.free.shape[1], system.energies(values.ravel()))


# weak forms


@dataclass(frozen=True)
class _Statement:
    """∫ source v - flux·∇v for the field whose values v varies."""

    field: str
    source: sympy.Expr
    flux: tuple[sympy.Expr, ...]
    principal: tuple[tuple[sympy.Expr, ...], ...] | None  # A; None where the natural condition has no flux


def _statements(problem: Problem) -> tuple[_Statement, ...]:
    if problem.task.integrals():
        return tuple(_stationary(problem, field) for field in problem.fields)
    found = tuple(_weak(problem, with_values(problem, residual)) for residual in problem.equations.values())
    if sorted(statement.field for statement in found) != sorted(problem.fields):
        raise NotSolved("takes one equation with second derivatives for each field")
    return found


def _stationary(problem: Problem, field: str) -> _Statement:
    slopes = jet_slopes(with_values(problem, problem.task.integrals()[0]), problem.coordinates)
    if any(sum(index) > 1 for _, index in slopes):
        raise NotSolved("takes energies in first derivatives")
    flux = tuple(-slopes.get((field, index), sympy.S.Zero) for index in SLOPES)
    return _Statement(field, slopes.get((field, VALUE), sympy.S.Zero), flux, None)


def _weak(problem: Problem, residual: sympy.Expr) -> _Statement:
    """Split an equation into ∇·(A ∇u) and the rest."""
    second = {jet: slope for jet, slope in jet_slopes(residual, problem.coordinates).items() if sum(jet[1]) >= 2}
    names = {field for field, _ in second}
    if len(names) != 1 or any(sum(index) > 2 for _, index in second):
        raise NotSolved("takes equations with second derivatives, each of one field")
    if any(sum(index) > 0 for slope in second.values() for _, index in jets_of(slope)):
        raise NotSolved("takes equations whose second derivatives stand by themselves, times functions of x and u")
    (field,) = names
    xx, xy, yy = (second.get((field, index), sympy.S.Zero) for index in ((2, 0), (1, 1), (0, 2)))
    principal = ((xx, xy / 2), (xy / 2, yy))
    symbols = coordinate_symbols(problem.coordinates)
    gradient = [jet_expression((field, index), problem.coordinates) for index in SLOPES]
    flux = tuple(sum(a * slope for a, slope in zip(row, gradient, strict=True)) for row in principal)
    corrections = sum(derivative(principal[i][j], symbols[i]) * gradient[j] for i in range(2) for j in range(2))
    rest = residual.xreplace({jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in second})
    return _Statement(field, rest - corrections, flux, principal)


def _inflow(problem: Problem, statement: _Statement, condition: Condition) -> tuple[sympy.Expr, sympy.Expr]:
    """n·A∇u as the condition c·∇u + rest = 0 has it, -λ rest with n·A = λ c; and |n·A - λ c|², which must vanish."""
    residual = with_values(problem, condition.residual)
    slopes = {jet: slope for jet, slope in jet_slopes(residual, problem.coordinates).items() if any(jet[1])}
    c = [slopes.get((statement.field, index), sympy.S.Zero) for index in SLOPES]
    if len(slopes) != sum(value != 0 for value in c) or any(jets_of(value) for value in c):
        raise NotSolved(f"takes conditions with first derivatives of one field; {condition.name} has others")
    normal = _normal(problem, condition.side)
    columns = zip(*(statement.principal or ()), strict=True)
    along = [sum(n * a for n, a in zip(normal, row, strict=True)) for row in columns]
    factor = sum(a * b for a, b in zip(along, c, strict=True)) / sum(b**2 for b in c)
    rest = residual.xreplace({jet_expression(jet, problem.coordinates): sympy.S.Zero for jet in slopes})
    return -factor * rest, sum((a - factor * b) ** 2 for a, b in zip(along, c, strict=True))


def _normal(problem: Problem, piece: Piece) -> tuple[sympy.Expr, ...]:
    side = carrier_of(piece)
    if isinstance(side, ShapeBoundary):
        return side.normal_expressions(coordinate_symbols(problem.coordinates))
    if isinstance(side, Side):
        return tuple(map(sympy.Integer, side.normal(2)))
    raise NotSolved(f"takes conditions along the boundary; {piece.name} is a point")


# the space of quartics


class _Numbers(Protocol):
    """scikit-fem's numbering of what lies on facets and in triangles."""

    element_dofs: np.ndarray
    facet_dofs: np.ndarray


class _Curved(Protocol):
    """Its mesh of quadratic triangles."""

    doflocs: np.ndarray
    facets: np.ndarray
    dofs: _Numbers


class _Quartic(Protocol):
    doflocs: np.ndarray


class _FacetNumbers(Protocol):
    def flatten(self) -> np.ndarray: ...


class _Basis(Protocol):
    """Its polynomials between the nodes, at quadrature points."""

    doflocs: np.ndarray
    element_dofs: np.ndarray
    nodal_dofs: np.ndarray
    facet_dofs: np.ndarray
    dx: np.ndarray
    N: int

    elem: _Quartic
    basis: Sequence[Any]

    def global_coordinates(self) -> Any: ...

    def get_dofs(self, facets: np.ndarray) -> _FacetNumbers: ...


@dataclass(frozen=True, eq=False)
class _Space:
    """Nodes, and what scikit-fem says of the polynomials between them; its names for a mesh and its numbering."""

    mesh: _Curved
    basis: _Basis
    edges: tuple[BoundaryEdge, ...]
    facets: np.ndarray  # the number of each edge

    @property
    def nodes(self) -> np.ndarray:  # [N, 2]
        return self.basis.doflocs.T

    def function(self, values: np.ndarray) -> Triangles:  # [fields, N]
        unit = self.basis.elem.doflocs
        return Triangles(self.mesh.doflocs.T, self.mesh.dofs.element_dofs.T, unit, self.basis.element_dofs.T, values)

    def on(self, problem: Problem, piece: Piece) -> np.ndarray:
        """The facets that belong to a piece."""
        whole = carrier_of(piece)
        carrier = whole.facet if isinstance(whole, ShapeBoundary) else whole
        middles = torch.tensor([edge.middle for edge in self.edges], dtype=torch.float64)
        there = on_boundary(problem.region, problem.domain, piece, middles).numpy()
        return self.facets[there & np.array([edge.carrier == carrier for edge in self.edges])]


def _space(mesh: Mesh) -> _Space:
    try:
        import skfem  # noqa: PLC0415, an optional extra
    except ImportError:
        raise NotSolved("needs scikit-fem, which is not installed: pip install kanpde[fem]") from None
    straight = skfem.MeshTri(mesh.nodes.T.copy(), mesh.cells.T.copy())
    curved = skfem.MeshTri2.from_mesh(straight)
    numbers = {tuple(pair): number for number, pair in enumerate(np.sort(curved.facets.T, axis=1).tolist())}
    facets = np.array([numbers[tuple(sorted(edge.nodes))] for edge in mesh.edges])
    places = curved.doflocs.copy()
    places[:, curved.dofs.facet_dofs[0, facets]] = np.array([edge.middle for edge in mesh.edges]).T
    curved = replace(curved, doflocs=places)
    return _Space(curved, skfem.CellBasis(curved, skfem.ElementTriP4(), intorder=EXACT_TO), mesh.edges, facets)


@dataclass(frozen=True, eq=False)
class _Rule:
    """Quadrature points with weights, and the polynomials and their slopes there."""

    points: torch.Tensor  # [n, 2]
    weights: np.ndarray  # [n]
    matrices: dict[tuple[int, int], scipy.sparse.csr_array]  # values at nodes → a derivative at the points, [n, N]


def _rule(basis: _Basis) -> _Rule:
    points = np.asarray(basis.global_coordinates()).reshape(2, -1).T.copy()
    count, rows = basis.dx.size, np.arange(basis.dx.size).reshape(basis.dx.shape)
    columns = [np.broadcast_to(dofs[:, None], rows.shape).ravel() for dofs in basis.element_dofs]

    def matrix(parts: Sequence[np.ndarray]) -> scipy.sparse.csr_array:
        data = np.concatenate([np.broadcast_to(part, rows.shape).ravel() for part in parts])
        place = (np.tile(rows.ravel(), len(parts)), np.concatenate(columns))
        return scipy.sparse.csr_array((data, place), shape=(count, basis.N))

    functions = [found[0] for found in basis.basis]
    matrices = {VALUE: matrix([np.asarray(f) for f in functions])}
    matrices |= {index: matrix([f.grad[axis] for f in functions]) for axis, index in enumerate(SLOPES)}
    return _Rule(torch.from_numpy(points), basis.dx.ravel(), matrices)


def _line_rule(space: _Space, facets: np.ndarray) -> _Rule:
    """On edges: a quadratic curve through three places, a quartic through five."""
    s, weights = legendre.leggauss(EXACT_TO // 2 + 1)
    s, mesh, basis = (s + 1) / 2, space.mesh, space.basis
    low, high = mesh.facets[:, facets]  # scikit-fem numbers what lies between from the lower corner to the higher
    ends, middle = mesh.doflocs[:, [low, high]], mesh.doflocs[:, mesh.dofs.facet_dofs[0, facets]]
    curve = np.stack([ends[:, 0], middle, ends[:, 1]], axis=1)  # [2, 3, facets]
    through, between = _lagrange(s, np.linspace(0, 1, 3)), _lagrange(s, np.linspace(0, 1, 5))
    points = np.einsum("qk,dkf->fqd", through, curve).reshape(-1, 2)
    slopes = np.einsum("qk,dkf->fqd", _lagrange(s, np.linspace(0, 1, 3), order=1), curve)
    numbers = np.vstack([basis.nodal_dofs[0, low], basis.facet_dofs[:, facets], basis.nodal_dofs[0, high]])
    rows = np.repeat(np.arange(len(points)), 5)
    columns = np.repeat(numbers.T[:, None], len(s), axis=1).ravel()
    values = np.tile(between.ravel(), len(facets))
    matrix = scipy.sparse.csr_array((values, (rows, columns)), shape=(len(points), basis.N))
    lengths = (np.linalg.norm(slopes, axis=2) * weights / 2).ravel()
    return _Rule(torch.from_numpy(points), lengths, {VALUE: matrix})


def _lagrange(s: np.ndarray, nodes: np.ndarray, order: int = 0) -> np.ndarray:  # [n], [m] -> [n, m]
    """The polynomials that are 1 at one node and 0 at the others, or their slopes."""
    coefficients = np.linalg.inv(np.vander(nodes, increasing=True))
    derived = polynomial.polyder(coefficients, order) if order else coefficients
    return polynomial.polyvander(s, len(derived) - 1) @ derived


# the system


@dataclass(frozen=True, eq=False)
class _Integral:
    """∫ f v, as a function of the nodes' values."""

    test: scipy.sparse.csr_array  # weighted, [all nodes of all fields, n]
    formula: BoundFormula
    slopes: dict[Jet, BoundFormula]
    matrices: dict[Jet, scipy.sparse.csr_array]  # all nodes of all fields → the jet at the points

    def jets(self, c: np.ndarray) -> dict[Jet, torch.Tensor]:
        return {jet: torch.from_numpy(matrix @ c) for jet, matrix in self.matrices.items()}

    def values(self, c: np.ndarray) -> np.ndarray:
        return self.test @ self.formula(self.jets(c)).numpy()

    def jacobian(self, c: np.ndarray) -> scipy.sparse.csr_array:
        jets, found = self.jets(c), scipy.sparse.csr_array((self.test.shape[0], len(c)))
        for jet, slope in self.slopes.items():
            found = found + self.test @ (scipy.sparse.diags_array(slope(jets).numpy()) @ self.matrices[jet])
        return scipy.sparse.csr_array(found)


@dataclass(frozen=True, eq=False)
class _System:
    """Zero where the weak form holds for every free node."""

    space: _Space
    integrals: tuple[_Integral, ...]
    free: scipy.sparse.csr_array  # values at free nodes → at all
    fixed: np.ndarray
    density: _Integral | None

    def full(self, c: np.ndarray) -> np.ndarray:
        return self.free @ c + self.fixed

    def values(self, c: np.ndarray) -> np.ndarray:
        return self.free.T @ sum(integral.values(self.full(c)) for integral in self.integrals)

    def inverse_at(self, c: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        jacobian = sum(integral.jacobian(self.full(c)) for integral in self.integrals)
        matrix = scipy.sparse.csc_array(self.free.T @ jacobian @ self.free)
        if not np.isfinite(matrix.data).all():
            raise NotSolved("did not converge: the slopes are no longer finite")
        weights = 1 / np.maximum(abs(matrix).max(axis=1).toarray().ravel(), 1e-300)
        scaled = scipy.sparse.csc_array(scipy.sparse.diags_array(weights) @ matrix)
        try:
            factors = scipy.sparse.linalg.splu(scaled, **SYMMETRIC)
        except RuntimeError:  # exactly singular
            raise NotSolved("finds more than one solution: the conditions do not determine it") from None
        pivots = np.abs(factors.U.diagonal())
        if pivots.min() < 1e-13 * pivots.max():
            raise NotSolved("finds more than one solution: the conditions do not determine it")
        return lambda right: factors.solve(weights * right)

    def start(self) -> np.ndarray:
        """The first constant at which equations and slopes are finite."""
        for value in STARTS:
            c = np.full(self.free.shape[1], value)
            if np.isfinite(self.values(c)).all():
                return c
        raise NotSolved(f"starts from a constant; the equations are not finite at {' or '.join(map(str, STARTS))}")

    def energies(self, full: np.ndarray) -> np.ndarray:
        return np.empty(0) if self.density is None else self.density.values(full)


def _system(problem: Problem, space: _Space, statements: tuple[_Statement, ...]) -> _System:
    inside, integrals = _rule(space.basis), []
    for statement in statements:
        integrals.append(_integral(problem, inside, statement.field, VALUE, statement.source))
        for index, flux in zip(SLOPES, statement.flux, strict=True):
            integrals.append(_integral(problem, inside, statement.field, index, -flux))
    known = np.full((len(problem.fields), len(space.nodes)), np.nan)
    for condition in problem.conditions:
        _check_order(condition)
        if not any(sum(index) for _, index in jets_of(condition.residual)):
            _fix(problem, space, condition, known)
        else:
            integrals.append(_boundary_integral(problem, space, statements, condition))
    free = np.flatnonzero(np.isnan(known.ravel()))
    inject = scipy.sparse.csr_array((np.ones(len(free)), (free, np.arange(len(free)))), shape=(known.size, len(free)))
    density = None
    if problem.task.integrals():
        density = replace(
            _integral(problem, inside, problem.fields[0], VALUE, with_values(problem, problem.task.integrals()[0])),
            test=scipy.sparse.csr_array(inside.weights[None]),
        )
    return _System(space, tuple(integrals), inject, np.nan_to_num(known.ravel()), density)


def _check_order(condition: Condition) -> None:
    if any(sum(index) > 1 for _, index in jets_of(condition.residual)):
        raise NotSolved(f"takes conditions in first derivatives; {condition.name} has second ones")


def _fix(problem: Problem, space: _Space, condition: Condition, known: np.ndarray) -> None:
    """Give the nodes of a piece their values."""
    solved = condition.solved(problem.coordinates)
    if solved is None:
        raise NotSolved(f"takes conditions that give one field's values or slope; {condition.name} does not")
    (field, _), value = solved
    facets = space.on(problem, condition.side)
    dofs = space.basis.get_dofs(facets).flatten() if len(facets) else np.empty(0, dtype=int)
    points = torch.from_numpy(space.nodes[dofs])
    row = problem.fields.index(field)
    known[row, dofs] = compile_expression(with_values(problem, value), problem.coordinates)(points).numpy()
    if not np.isfinite(known[row, dofs]).all():
        raise NotSolved(f"needs finite values; {condition.name} has others")


def _boundary_integral(
    problem: Problem, space: _Space, statements: tuple[_Statement, ...], condition: Condition
) -> _Integral:
    fields = {field for field, index in jets_of(condition.residual) if any(index)}
    statement = next((s for s in statements if {s.field} == fields and s.principal), None)
    if statement is None:
        raise NotSolved(f"takes conditions with first derivatives of one field; {condition.name} has others")
    inflow, oblique = _inflow(problem, statement, condition)
    rule = _line_rule(space, space.on(problem, condition.side))
    ones = {jet: torch.ones(len(rule.points), dtype=torch.float64) for jet in jets_of(oblique)}
    if not compile_expression(oblique, problem.coordinates, problem.fields)(rule.points, ones).max() < PARALLEL:
        raise NotSolved(
            f"takes conditions on the slope along the normal, as the equation's second derivatives have it; "
            f"{condition.name} is oblique"
        )
    return _integral(problem, rule, statement.field, VALUE, inflow)


def _integral(problem: Problem, rule: _Rule, field: str, index: tuple[int, int], expr: sympy.Expr) -> _Integral:
    def bound(part: sympy.Expr) -> BoundFormula:
        return compile_expression(part, problem.coordinates, problem.fields).bind(rule.points)

    size, row = rule.matrices[VALUE].shape[1], problem.fields.index(field)
    before, after = (
        scipy.sparse.csr_array((len(rule.weights), size * n)) for n in (row, len(problem.fields) - 1 - row)
    )
    weighted = scipy.sparse.diags_array(rule.weights) @ rule.matrices[index]
    return _Integral(
        scipy.sparse.csr_array(scipy.sparse.hstack([before, weighted, after]).T),
        bound(expr),
        {jet: bound(slope) for jet, slope in jet_slopes(expr, problem.coordinates).items()},
        {jet: _columns(problem, rule, jet) for jet in jets_of(expr)},
    )


def _columns(problem: Problem, rule: _Rule, jet: Jet) -> scipy.sparse.csr_array:
    x, y = jet[1]
    own = rule.matrices[x, y]
    place, count = problem.fields.index(jet[0]), len(problem.fields)
    parts = [own if number == place else scipy.sparse.csr_array(own.shape) for number in range(count)]
    return scipy.sparse.csr_array(scipy.sparse.hstack(parts))
