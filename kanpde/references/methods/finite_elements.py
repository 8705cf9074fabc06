"""Equations and energies in plane and solid regions: finite elements with curved sides, Newton's method, Radau in time.

    ∇·(A ∇u) + s(x, u, ∇u) = 0   →   ∫ s v - ∇v·A∇u dx + ∮ v n·A∇u = 0   for all v

Quartics on triangles, cubics on tetrahedra, a degree less for fields that constrain others, as a pressure (Taylor and
Hood). The boundary integral takes from each condition what it says of n·A∇u; where a condition gives values, nodes have
them. Sides are quadratic: on laplace_holes quartics are a hundred times as accurate as quadratics with as many numbers.
What is free by a constant has the mean zero; constraints g(u) = 0 take its place, with R(u) + λ ∫ v = 0, where λ comes
out as zero. With time, M u' = R(u, t) is integrated by Radau collocation.

Sources: Brenner and Scott, The Mathematical Theory of Finite Element Methods (2008), chapters 10 and 12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
import torch

from kanpde.problems.freedoms import free_fields
from kanpde.problems.geometry.regions import Place, Seam
from kanpde.problems.geometry.shapes import Solid
from kanpde.problems.language import ExpressionError, compile_expression, remotes_of
from kanpde.problems.problem import Condition, Problem
from kanpde.problems.well_posedness import without_gauges
from kanpde.references.applicability import walls_of, with_values
from kanpde.references.constraints import Constraint, constraint_of
from kanpde.references.galerkin import Discrete, Solve, discretized, factored
from kanpde.references.given import degree_of, given_mesh, is_given, steps
from kanpde.references.interface import Solved
from kanpde.references.interpolants import Pieces
from kanpde.references.means import NotOne, NotSolved
from kanpde.references.meshes import Mesh, at_start, triangulate
from kanpde.references.newton import SINGULAR, newton
from kanpde.references.prisms import drawn_out, is_drawn_out
from kanpde.references.radau import MOST_STEPS, STAGES, march, unit_nodes
from kanpde.references.tetrahedra import fill

PLACE = 4
ELSEWHERE = True  # takes integrals and values elsewhere, in constraints
POWER = 1.7
"""With which power of the number of simplices the seconds grow."""

DEGREE = {2: 4, 3: 3}  # of the polynomials, by dimension
STARTS = (0.0, 1.0)  # the second where the equation cannot be evaluated at the first, as log(u)
UNBALANCED = 1e-3  # of source and fluxes, from which there is no solution
IN_TIME, LEAST = 1e-6, 1e-10  # tolerance in time at the first resolution, and where it stays
MOST_KEPT = 40_000_000  # values in space and time, 320 MB


def applicable(problem: Problem) -> bool:
    """Whether the method can take the problem: in the plane or in space, nothing that jumps but at the rims of parts.

    Boxes have faster methods, which come first; there it is a second one, `reference: {method: finite_elements}`.
    """
    smooth = not any(len(walls_of(problem, axis)) for axis in problem.region.axes)
    places = [c for c in problem.conditions if isinstance(c.side, Place) and c.kind != "constraint"]
    marched = problem.time is None or bool(problem.equations) and all(
        problem.order_along(field, problem.time) for field in problem.fields) and problem.evolves()  # fmt: skip
    return (
        len(problem.region.axes) in DEGREE and not problem.family and not problem.periodic and not problem.narrow
        and (bool(problem.equations) or len(problem.task.integrals()) == 1) and marched
        and smooth
        and all(condition.kind != "interface" or isinstance(condition.side, Seam) for condition in problem.conditions)
        and _takes_constraints(problem)
        and (not problem.parts or len(problem.region.axes) == 2 or is_drawn_out(problem) or is_given(problem))
        and (is_given(problem) or not any(isinstance(shape, Solid) for _, shape in problem.region.shapes))
        and (not places or set(free_fields(without_gauges(problem)[0])) >= {f for c in places for f in c.fields})
    )  # fmt: skip


def _takes_constraints(problem: Problem) -> bool:
    """Integrals and values elsewhere occur in constraints alone, and these in equations without time."""
    own = [condition for condition in problem.conditions if condition.kind == "constraint"]
    said = {name for condition in own for name in remotes_of(condition.residual)}
    return set(problem.remotes()) <= said and (not own or (problem.time is None and bool(problem.equations)))


def resolutions(problem: Problem) -> tuple[int, ...]:
    """Edges along the longest side of the box, coarse to fine; of given tetrahedra, spaces of nodes along an edge."""
    if is_given(problem):
        return steps(problem)
    if len(problem.region.axes) == 3:
        return (4, 6, 8, 10)
    return (16, 24) if problem.time is None else (6, 9, 13, 18)


def solve(problem: Problem, resolution: int) -> Solved:
    """Solve on simplices with about `resolution` edges along the box's longest side.

    Raises:
        NotSolved: the method does not apply, or Newton's method does not converge.
    """
    if not applicable(problem):
        raise NotSolved("takes equations or an energy in a plane or solid region")
    plain, gauges = without_gauges(problem)
    try:
        discrete = discretized(plain, _mesh(plain, resolution), _degree(plain, resolution))
    except ExpressionError as error:
        raise NotSolved(f"needs slopes of every equation and coefficient; one of them {error}") from error
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of steps too long, which are then halved
        if plain.time is not None:
            return _marched(discrete, resolution)
        full = _Stationary(discrete, _bordered(discrete, gauges)).solved()
    for gauge in gauges:
        if gauge.kind != "constraint":
            full = _shifted(discrete, full, gauge)
    energies = np.empty(0) if discrete.density is None else np.array([discrete.density.amount(full)[0]])
    return Solved(discrete.function(full), discrete.free.shape[1], energies)


def _mesh(problem: Problem, resolution: int) -> Mesh:
    if len(problem.region.axes) == 2:
        return triangulate(problem, resolution)
    return given_mesh(problem, resolution) or drawn_out(problem, resolution) or fill(problem, resolution)


def _degree(problem: Problem, resolution: int) -> int:
    return degree_of(resolution) if is_given(problem) else DEGREE[len(problem.region.axes)]


# stationary


def _bordered(discrete: Discrete, gauges: tuple[Condition, ...]) -> tuple[tuple[str, Constraint | None], ...]:
    """The fields that take a multiplier, and what it stands for: a constraint, or without one that the mean is 0."""
    loose: dict[str, Constraint | None] = dict.fromkeys(free_fields(discrete.problem))
    more = []
    for gauge in gauges:
        if gauge.kind == "constraint":
            field = next((name for name in gauge.fields if loose.get(name, True) is None), None)
            if field is None:
                more.append((gauge.fields[0], constraint_of(discrete, gauge)))
            else:
                loose[field] = constraint_of(discrete, gauge)
    return (*loose.items(), *more)


@dataclass(frozen=True, eq=False)
class _Stationary:
    """The unknowns are the values at free nodes, and a multiplier of each constraint and of ∫ u = 0 where u is free."""

    discrete: Discrete
    loose: tuple[tuple[str, Constraint | None], ...]

    @cached_property
    def means(self) -> scipy.sparse.csr_array:  # [nodes, loose]
        """∫ ψ_i of each loose field."""
        found = np.zeros((self.discrete.size, len(self.loose)))
        for column, (field, _) in enumerate(self.loose):
            found[self.discrete.parts[field, 0], column] = self.discrete.mass(field).sum(axis=1)
        return scipy.sparse.csr_array(found)

    def full(self, c: np.ndarray) -> np.ndarray:
        return self.discrete.free @ c[: self.discrete.free.shape[1]] + self.discrete.given()

    def values(self, c: np.ndarray) -> np.ndarray:
        full, multipliers = self.full(c), c[self.discrete.free.shape[1] :]
        residual = self.discrete.tests.T @ (self.discrete.residual(full) + self.means @ multipliers)
        means = self.means.T @ full
        rows = [mean if own is None else own.value(full) for mean, (_, own) in zip(means, self.loose, strict=True)]
        return np.concatenate([residual, rows])

    def inverse_at(self, c: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        free = self.discrete.free
        matrix = self.discrete.tests.T @ self.discrete.jacobian(self.full(c)) @ free
        if self.loose:
            full, means = self.full(c), self.means.T.toarray()
            pairs = zip(means, self.loose, strict=True)
            rows = np.stack([mean if own is None else own.gradient(full) for mean, (_, own) in pairs])
            border = scipy.sparse.csr_array(rows) @ free
            matrix = scipy.sparse.block_array([[matrix, self.discrete.tests.T @ self.means], [border, None]])
        degrees = {own.degree for own in self.discrete.spaces.values()}
        try:
            constrained = any(own is not None for _, own in self.loose)
            return factored(scipy.sparse.csc_array(matrix), len(degrees) == 1 and not constrained)
        except NotOne:
            if all(integral.linear for integral in self.discrete.integrals):
                raise
            raise NotSolved(SINGULAR) from None

    def solved(self) -> np.ndarray:
        c = self.found()
        full, multipliers = self.full(c), c[self.discrete.free.shape[1] :]
        for (field, _), multiplier in zip(self.loose, multipliers, strict=True):
            self.check_balance(field, full, float(multiplier))
        return full

    def found(self) -> np.ndarray:
        """From constants in turn, where constraints have no slope at the first, as ∫ u² = 1 has none at 0."""
        begin = self.start()
        try:
            return newton(self.values, self.inverse_at, begin)
        except NotSolved:
            if all(own is None for _, own in self.loose):
                raise
        count = self.discrete.free.shape[1]
        return newton(self.values, self.inverse_at, np.append(np.full(count, STARTS[1]), np.zeros(len(self.loose))))

    def check_balance(self, field: str, full: np.ndarray, multiplier: float) -> None:
        """∫ s + ∮ n·F = 0 for constant v; a multiplier is what is missing."""
        amounts = [one.amount(full)[1] for one in self.discrete.integrals if one.field == field]
        missing = abs(multiplier) * float(self.discrete.rule.weights.sum())
        if missing > UNBALANCED * sum(amounts):
            raise NotSolved(f"finds no solution: source and fluxes of {field} do not balance")

    def start(self) -> np.ndarray:
        """The first constant at which equations and slopes are finite."""
        count = self.discrete.free.shape[1]
        for value in STARTS:
            c = np.append(np.full(count, value), np.zeros(len(self.loose)))
            if np.isfinite(self.values(c)).all():
                return c
        raise NotSolved(f"starts from a constant; the equations are not finite at {' or '.join(map(str, STARTS))}")


def _shifted(discrete: Discrete, full: np.ndarray, gauge: Condition) -> np.ndarray:
    """A field that is free by a constant, brought to the value that a condition gives it at a point."""
    solved = gauge.solved(discrete.problem.coordinates)
    if solved is None or any(solved[0][1]) or not isinstance(gauge.side, Place):
        raise NotSolved(f"takes values at a point; {gauge.name} gives none by itself")
    (field, _), value = solved
    place = torch.tensor([gauge.side.values], dtype=torch.float64)
    wanted = compile_expression(with_values(discrete.problem, value), discrete.problem.coordinates)(place).item()
    found = discrete.function(full)(place.numpy())[0, discrete.problem.fields.index(field)]
    shifted = full.copy()
    shifted[discrete.parts[field, 0]] += wanted - found
    return shifted


# in time


@dataclass(frozen=True, eq=False)
class _Evolving:
    """y' = f(t, y) of the values at free nodes: each variable's rate is the next one, the last one's M⁻¹ R."""

    discrete: Discrete

    @cached_property
    def scales(self) -> tuple[slice, ...]:
        ends = np.cumsum([0, *(len(self.discrete.free_nodes[field]) for field, _ in self.discrete.variables)])
        return tuple(slice(*ends[i : i + 2]) for i in range(len(self.discrete.variables)))

    def part(self, variable: tuple[str, int]) -> slice:
        return self.scales[self.discrete.variables.index(variable)]

    @cached_property
    def lasts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(field for field, _ in self.discrete.variables))

    @cached_property
    def masses(self) -> dict[str, tuple[scipy.sparse.csr_array, scipy.sparse.csr_array, Solve]]:
        """Of each field, M between free nodes, M from all to free ones, and M⁻¹."""
        found, known = {}, {}
        for field in self.lasts:
            free = self.discrete.free_nodes[field]
            key = (self.discrete.spaces[field].degree, free.tobytes())
            if key not in known:
                rows = self.discrete.mass(field)[free]
                own = scipy.sparse.csc_array(rows[:, free])
                known[key] = scipy.sparse.csr_array(own), rows, factored(own)
            found[field] = known[key]
        return found

    def rates(self, t: np.ndarray, y: np.ndarray) -> np.ndarray:  # [s], [s, N] -> [s, N]
        return np.stack([self.rate(time, line) for time, line in zip(t.tolist(), y, strict=True)])

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        discrete, found = self.discrete, np.empty_like(y)
        residual, moved = discrete.residual(discrete.free @ y + discrete.given(t), t), discrete.given(t, 1)
        for field, k in discrete.variables:
            if (field, k + 1) in discrete.variables:
                found[self.part((field, k))] = y[self.part((field, k + 1))]
                continue
            _, rows, inverse = self.masses[field]
            own = discrete.parts[field, k]
            found[self.part((field, k))] = inverse(residual[own][discrete.free_nodes[field]] - rows @ moved[own])
        return found

    def slopes(self, t: float, y: np.ndarray) -> Callable[[complex], Solve]:
        discrete = self.discrete
        full = discrete.free @ y + discrete.given(t)
        jacobian = discrete.free.T @ discrete.jacobian(full, t) @ discrete.free

        def shifted(shift: complex) -> Solve:
            shift = shift.real if abs(shift.imag) < 1e-12 else shift
            blocks = [[None] * len(discrete.variables) for _ in discrete.variables]
            for row, (field, k) in enumerate(discrete.variables):
                if (field, k + 1) in discrete.variables:
                    one = scipy.sparse.eye_array(len(discrete.free_nodes[field]))
                    blocks[row][row], blocks[row][row + 1] = shift * one, -one
                else:
                    blocks[row][row] = shift * self.masses[field][0]
            matrix = scipy.sparse.csc_array(scipy.sparse.block_array(blocks)) - jacobian
            inverse = factored(scipy.sparse.csc_array(matrix))
            return lambda right: inverse(self.weighed(right.real if isinstance(shift, float) else right))

        return shifted

    def weighed(self, right: np.ndarray) -> np.ndarray:
        found = right.copy()
        for field in self.lasts:
            own = self.part(self.discrete.last(field))
            found[own] = self.masses[field][0] @ right[own]
        return found


@dataclass(frozen=True, eq=False)
class _Tied(_Evolving):
    """The same where fields are tied at rims: their weak forms are sums, Σ T_i M y' = Σ T_i R with the tests T."""

    @cached_property
    def mass(self) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array, Solve]:
        """T M between free nodes, T M from all to free ones, and the inverse of the first."""
        discrete = self.discrete
        whole = scipy.sparse.block_diag([discrete.mass(field) for field, _ in discrete.variables], format="csr")
        rows = scipy.sparse.csr_array(discrete.tests.T @ whole)
        own = scipy.sparse.csc_array(rows @ discrete.free)
        return scipy.sparse.csr_array(own), rows, factored(own)

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        discrete, (_, rows, inverse) = self.discrete, self.mass
        residual = discrete.residual(discrete.free @ y + discrete.given(t), t)
        return inverse(discrete.tests.T @ residual - rows @ discrete.given(t, 1))

    def slopes(self, t: float, y: np.ndarray) -> Callable[[complex], Solve]:
        discrete = self.discrete
        jacobian = discrete.tests.T @ discrete.jacobian(discrete.free @ y + discrete.given(t), t) @ discrete.free

        def shifted(shift: complex) -> Solve:
            shift = shift.real if abs(shift.imag) < 1e-12 else shift
            inverse = factored(scipy.sparse.csc_array(shift * self.mass[0] - jacobian))
            return lambda right: inverse(self.weighed(right.real if isinstance(shift, float) else right))

        return shifted

    def weighed(self, right: np.ndarray) -> np.ndarray:
        return self.mass[0] @ right


def _marched(discrete: Discrete, resolution: int) -> Solved:
    problem = discrete.problem
    begin, end = (bound[problem.time_axis] for bound in (problem.domain.lower, problem.domain.upper))
    system = _Tied(discrete) if discrete.ties else _Evolving(discrete)
    tolerance = max(LEAST, IN_TIME * (resolutions(problem)[0] / resolution) ** 4)
    most = min(MOST_STEPS, MOST_KEPT // (STAGES * discrete.size))  # so that what they leave can be kept
    found = march(system, _initial(discrete)[discrete.rows], begin, end, tolerance, most=most)
    axis = Pieces(found.breaks, unit_nodes())
    full = [discrete.free @ y + discrete.given(t) for t, y in zip(axis.nodes, found.values, strict=True)]
    return Solved(discrete.function(np.stack(full, axis=1), axis), discrete.free.shape[1])


def _initial(discrete: Discrete) -> np.ndarray:  # [size]
    """All variables at the start of time."""
    problem, found = discrete.problem, np.full(discrete.size, np.nan)
    for condition in problem.conditions:
        if condition.kind != "initial":
            continue
        solved = condition.solved(problem.coordinates)
        if solved is None or any(solved[0][1][axis] for axis in problem.region.axes):
            raise NotSolved(f"takes initial values; the condition on {condition.name} gives none by itself")
        (field, index), value = solved
        points = at_start(problem, discrete.spaces[field].nodes)
        own = discrete.parts[field, index[problem.time_axis]]
        found[own] = compile_expression(with_values(problem, value), problem.coordinates)(points).numpy()
        if field in discrete.homes:  # elsewhere there is none
            away = np.setdiff1d(np.arange(len(points)), discrete.spaces[field].numbers[discrete.homes[field]])
            found[own][away] = 0.0
    missing = [field for field, k in discrete.variables if np.isnan(found[discrete.parts[field, k]]).any()]
    if missing:
        raise NotSolved(f"needs finite initial values of {missing[0]}")
    return found
