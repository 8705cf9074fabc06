"""Equations and energies in plane and solid regions: finite elements with curved sides, Newton's method, Radau in time.

    ∇·(A ∇u) + s(x, u, ∇u) = 0   →   ∫ s v - ∇v·A∇u dx + ∮ v n·A∇u = 0   for all v

Quartics on triangles, cubics on tetrahedra, a degree less for fields that constrain others, as a pressure (Taylor and
Hood). The boundary integral takes from each condition what it says of n·A∇u; where a condition gives values, nodes have
them. Sides are quadratic: on laplace_holes quartics are a hundred times as accurate as quadratics with as many numbers.
What is free by a constant has the mean zero; constraints g(u) = 0 take its place, with R(u) + λ ∫ v = 0, where λ comes
out as zero. With time, M u' = R(u, t) is integrated by Radau collocation, M singular where a field follows the others
at every time, as a pressure.

Sources: Brenner and Scott, The Mathematical Theory of Finite Element Methods (2008), chapters 10 and 12.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
import torch

from kanpde.problems.freedoms import free_fields
from kanpde.problems.geometry.regions import Place, Seam
from kanpde.problems.geometry.shapes import Solid
from kanpde.problems.language import ExpressionError, compile_expression, jets_of, remotes_of
from kanpde.problems.problem import Condition, Problem
from kanpde.problems.well_posedness import without_gauges
from kanpde.references.applicability import walls_of, with_values
from kanpde.references.constraints import Constraint, constraint_of
from kanpde.references.factoring import Solve, factored
from kanpde.references.galerkin import Discrete, discretized
from kanpde.references.given import degree_of, given_mesh, is_given, steps
from kanpde.references.interface import Solved
from kanpde.references.interpolants import Pieces
from kanpde.references.means import NotOne, NotSolved, OutOfMeans
from kanpde.references.meshed import Function, Meshed
from kanpde.references.meshes import Mesh, at_start, triangulate
from kanpde.references.newton import SINGULAR, newton
from kanpde.references.prisms import drawn_out, is_drawn_out
from kanpde.references.radau import MOST_STEPS, STAGES, march, unit_nodes
from kanpde.references.tetrahedra import fill
from kanpde.references.weak_forms import rises

PLACE = 4
ELSEWHERE = True  # takes integrals and values elsewhere, in constraints
FROM_COARSER = True
POWER = 1.7
"""With which power of the number of simplices the seconds grow."""

DEGREE = {2: 4, 3: 3}  # of the polynomials, by dimension
STARTS = (0.0, 1.0)  # the second where the equation cannot be evaluated at the first, as log(u)
UNBALANCED = 1e-3  # of source and fluxes, from which there is no solution
IN_TIME, LEAST = 1e-6, 1e-10  # tolerance in time at the first resolution, and where it stays
MOST_KEPT = 40_000_000  # values in space and time, 320 MB
LOOKED_AT = 9  # times at which it is looked how large conditions are
SHORT, AFTER, SHORT_ITERATIONS = 1e-8, 1e-4, 5  # of the whole time: steps from which the start is made consistent


def applicable(problem: Problem) -> bool:
    """Whether the method can take the problem: in the plane or in space, nothing that jumps but at the rims of parts.

    Boxes have faster methods, which come first; there it is a second one, `reference: {method: finite_elements}`.
    """
    smooth = not any(len(walls_of(problem, axis)) for axis in problem.region.axes)
    places = [c for c in problem.conditions if isinstance(c.side, Place) and c.kind != "constraint"]
    marched = problem.time is None or bool(problem.equations) and any(
        rises(problem, field) for field in problem.fields) and problem.evolves()  # fmt: skip
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


def solve(problem: Problem, resolution: int, coarser: Function | None = None) -> Solved:
    """Solve on simplices with about `resolution` edges along the box's longest side; `coarser` tells steps of time.

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
            return _marched(discrete, resolution, coarser, gauges)
        full = _Stationary(discrete, _bordered(discrete, gauges)).solved()
    for gauge in gauges:
        if gauge.kind != "constraint":
            full = _shifted(discrete, full, gauge)
    energies = np.empty(0)
    if discrete.density is not None:
        energies = np.array([sum(one.amount(full)[0] for one in (discrete.density, *discrete.around))])
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
        return _means(self.discrete, [field for field, _ in self.loose])

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
            return factored(scipy.sparse.csc_array(matrix), True if len(degrees) == 1 and not constrained else None)
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
        """The first constant at which equations and their slopes are finite."""
        count = self.discrete.free.shape[1]
        for value in STARTS:
            c = np.append(np.full(count, value), np.zeros(len(self.loose)))
            if np.isfinite(self.values(c)).all() and np.isfinite(self.discrete.jacobian(self.full(c)).data).all():
                return c
        raise NotSolved(f"starts from a constant; the equations are not finite at {' or '.join(map(str, STARTS))}")


def _means(discrete: Discrete, loose: Sequence[str]) -> scipy.sparse.csr_array:  # -> [nodes, loose]
    """∫ ψ_i of each loose field."""
    found = np.zeros((discrete.size, len(loose)))
    for column, field in enumerate(loose):
        found[discrete.parts[field, 0], column] = discrete.mass(field).sum(axis=1)
    return scipy.sparse.csr_array(found)


def _shifted(discrete: Discrete, full: np.ndarray, gauge: Condition, axis: Pieces | None = None) -> np.ndarray:
    """A field that is free by a constant, or a function of time, brought to the value that a condition gives it."""
    solved = gauge.solved(discrete.problem.coordinates)
    if solved is None or any(solved[0][1]) or not isinstance(gauge.side, Place):
        raise NotSolved(f"takes values at a point; {gauge.name} gives none by itself")
    (field, _), value = solved
    times = [np.nan] if axis is None else axis.nodes
    place = torch.tensor([[time if own is None else own for own in gauge.side.values] for time in times]).double()
    wanted = compile_expression(with_values(discrete.problem, value), discrete.problem.coordinates)(place).numpy()
    found = discrete.function(full, axis)(place.numpy())[:, discrete.problem.fields.index(field)]
    shifted = full.copy()
    shifted[discrete.parts[field, 0]] += wanted - found
    return shifted


# in time


@dataclass(frozen=True, eq=False)
class _Evolving:
    """M y' = f(t, y) of the values at free nodes and the multipliers of fields that are free by a function of time.

    Each variable's rate is the next one, the last one's M⁻¹ R; fields without time derivatives have R = 0. Where fields
    are tied at rims, weak forms are sums, Σ T_i M y' = Σ T_i R with the tests T.
    """

    discrete: Discrete
    means: scipy.sparse.csr_array  # [nodes, loose]

    @cached_property
    def scales(self) -> tuple[slice, ...]:
        """Of fields with time derivatives; what follows them is as good as they are."""
        ends = np.cumsum([0, *(len(self.discrete.free_nodes[field]) for field, _ in self.discrete.variables)])
        parts = zip(self.discrete.variables, ends, ends[1:], strict=False)
        return tuple(slice(a, b) for (field, _), a, b in parts if rises(self.discrete.problem, field))

    def driven(self, begin: float, end: float) -> np.ndarray:
        """How large conditions make the parts of `scales`: what starts from rest has no size of its own yet.

        Fields that an equation without time ties, as u_x + v_y = 0, have one size.
        """
        discrete, problem = self.discrete, self.discrete.problem
        given = np.abs([discrete.given(t) for t in np.linspace(begin, end, LOOKED_AT)]).max(axis=0)
        variables = [(field, k) for field, k in discrete.variables if rises(problem, field)]
        sizes = np.array([np.sqrt(np.mean(given[discrete.parts[one]] ** 2)) for one in variables])
        for equation in problem.equations.values():
            jets = jets_of(equation)
            tied = np.array([k == 0 and any(name == field for name, _ in jets) for field, k in variables])
            if tied.any() and not any(index[problem.time_axis] for _, index in jets):
                sizes[tied] = sizes[tied].max()
        return sizes

    @cached_property
    def count(self) -> int:
        return int(self.discrete.free.shape[1])

    @cached_property
    def masses(self) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
        """M between free nodes, and of the rates of all nodes."""
        discrete, own, moved = self.discrete, [], []
        for field, k in discrete.variables:
            one = scipy.sparse.eye_array(discrete.spaces[field].size)
            last = (field, k + 1) not in discrete.variables
            empty = scipy.sparse.csr_array(one.shape)
            mass = discrete.mass(field) if last and rises(discrete.problem, field) else empty
            own.append(mass if last else one)
            moved.append(mass)
        tests, loose = discrete.tests, self.means.shape[1]
        whole = tests.T @ scipy.sparse.block_diag(own, format="csr") @ discrete.free
        none = scipy.sparse.csr_array((loose, loose))
        return (scipy.sparse.csr_array(scipy.sparse.block_diag([whole, none])),
                scipy.sparse.csr_array(tests.T @ scipy.sparse.block_diag(moved, format="csr")))  # fmt: skip

    @cached_property
    def following(self) -> scipy.sparse.csr_array:
        """Each variable → the one before it, whose rate it is; and what multipliers and means say."""
        discrete, size = self.discrete, len(self.discrete.variables)
        blocks = [[None] * size for _ in range(size)]
        for row, (field, k) in enumerate(discrete.variables):
            count = discrete.spaces[field].size
            blocks[row][row] = scipy.sparse.csr_array((count, count))
            if (field, k + 1) in discrete.variables:
                blocks[row][row + 1] = scipy.sparse.eye_array(count)
        border = discrete.free.T @ self.means
        own = discrete.tests.T @ scipy.sparse.block_array(blocks, format="csr") @ discrete.free
        if not border.shape[1]:
            return scipy.sparse.csr_array(own)
        return scipy.sparse.csr_array(scipy.sparse.block_array([[own, border], [border.T, None]]))

    def weighed(self, y: np.ndarray) -> np.ndarray:  # [s, N] -> [s, N]
        return (self.masses[0] @ y.T).T

    def rates(self, t: np.ndarray, y: np.ndarray) -> np.ndarray:  # [s], [s, N] -> [s, N]
        return np.stack([self.rate(time, line) for time, line in zip(t.tolist(), y, strict=True)])

    def full(self, t: float, y: np.ndarray) -> np.ndarray:
        return self.discrete.free @ y[: self.count] + self.discrete.given(t)

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        discrete, found = self.discrete, self.following @ y
        residual, moved = discrete.residual(self.full(t, y), t), discrete.given(t, 1)
        found[: self.count] += discrete.tests.T @ residual - self.masses[1] @ moved
        found[self.count :] += self.means.T @ discrete.given(t)
        return found

    def slopes(self, t: float, y: np.ndarray) -> Callable[[complex], Solve]:
        discrete = self.discrete
        none = scipy.sparse.csr_array((self.means.shape[1],) * 2)
        jacobian = discrete.tests.T @ discrete.jacobian(self.full(t, y), t) @ discrete.free
        slopes = scipy.sparse.block_diag([jacobian, none], format="csr") + self.following
        alike = all(rises(discrete.problem, field) for field, _ in discrete.variables)

        def shifted(shift: complex) -> Solve:
            shift = shift.real if abs(shift.imag) < 1e-12 else shift
            inverse = factored(scipy.sparse.csc_array(shift * self.masses[0] - slopes), alike)
            return lambda right: inverse(right.real if isinstance(shift, float) else right)

        return shifted

    def consistent(self, y: np.ndarray, t: float, whole: float) -> np.ndarray:
        """The start, brought to what holds at every time, and what follows from it, by Euler's method backward.

        A very short step does the first; the pressure is p(0) = 2 p(h) - p(2h) + O(h²) of two that are longer.
        """
        y = self.stepped(y, t, SHORT * whole)
        one, two = (self.stepped(y, t, factor * AFTER * whole) for factor in (1, 2))
        following = np.ones(len(y), dtype=bool)
        for part in self.scales:
            following[part] = False
        return np.where(following, 2 * one - two, y)

    def stepped(self, y: np.ndarray, t: float, h: float) -> np.ndarray:
        """M (y' - y) = h f(t, y')."""
        before = y
        for _ in range(SHORT_ITERATIONS):
            change = self.slopes(t + h, y)(1 / h)(self.rate(t + h, y) - self.masses[0] @ (y - before) / h)
            y = y + change
            if np.abs(change).max() <= 1e-12 * np.abs(y).max():
                break
        return y


def _marched(discrete: Discrete, resolution: int, coarser: Function | None, gauges: tuple[Condition, ...]) -> Solved:
    problem = discrete.problem
    begin, end = (bound[problem.time_axis] for bound in (problem.domain.lower, problem.domain.upper))
    following = [field for field in problem.fields if not rises(problem, field)]
    loose = [field for field in free_fields(problem) if field in following]
    system = _Evolving(discrete, _means(discrete, loose))
    tolerance = max(LEAST, IN_TIME * (resolutions(problem)[0] / resolution) ** 4)
    most = min(MOST_STEPS, MOST_KEPT // (STAGES * discrete.size))  # so that what they leave can be kept
    if isinstance(coarser, Meshed) and coarser.axis is not None and len(coarser.axis.breaks) > most:
        raise OutOfMeans(f"would take more than the {most} steps in time whose values can be kept")
    start = np.append(_initial(discrete)[discrete.rows], np.zeros(len(loose)))
    if following:
        start = system.consistent(start, begin, end - begin)
    found = march(system, start, begin, end, tolerance, most=most, sizes=system.driven(begin, end))
    axis = Pieces(found.breaks, unit_nodes())
    full = np.stack([system.full(t, y) for t, y in zip(axis.nodes, found.values, strict=True)], axis=1)
    for gauge in gauges:
        full = _shifted(discrete, full, gauge, axis)
    return Solved(discrete.function(full, axis), discrete.free.shape[1])


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
    for field, k in discrete.variables:
        own = discrete.parts[field, k]
        if not rises(problem, field):
            found[own] = 0.0  # until what follows the others is solved for
        elif np.isnan(found[own]).any():
            raise NotSolved(f"needs finite initial values of {field}")
    return found
