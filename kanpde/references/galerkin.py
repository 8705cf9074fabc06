"""Weak forms in spaces of piecewise polynomials: residuals and slopes in the values at nodes.

    R_i(c) = ∫ s ψ_i - F·∇ψ_i dx + ∮ ψ_i n·F,      ∂R/∂c = Σ_jets Ψᵀ diag(w ∂s/∂jet) Ψ_jet

Values at nodes stand one field after another; a field of second order in time has its first time derivative after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy
import sympy
import torch

from kanpde.problems.geometry.regions import Piece, Seam, ShapeBoundary, SubSide, carrier_of, on_boundary
from kanpde.problems.language import (
    BoundFormula,
    Formula,
    Jet,
    compile_expression,
    coordinate_symbols,
    depends_on,
    derivative,
    jet_slopes,
    jets_of,
)
from kanpde.problems.problem import Condition, Problem
from kanpde.references.applicability import with_values
from kanpde.references.interpolants import Pieces
from kanpde.references.means import NotSolved
from kanpde.references.meshed import Meshed
from kanpde.references.meshes import Mesh, at_start
from kanpde.references.rim_ties import Rim, Ties, is_rim, rims_of, ties_of
from kanpde.references.spaces import Faces, Rule, Space, curved, face_rule, first_orders, inner_rule, point_rule, space
from kanpde.references.weak_forms import Statement, check_seam, flux_jump, inflow, space_order, statements

Variable = tuple[str, int]
"""A time derivative of a field, below its highest; of fields without time the field itself, with 0."""


@dataclass(frozen=True, eq=False)
class Integral:
    """∫ f v, as a function of the values of all variables at their nodes."""

    test: scipy.sparse.csr_array  # weighted, [nodes of the field, n]
    field: str
    points: torch.Tensor  # [n, d]; the time among them is put in
    time: int | None  # the axis, where f depends on it
    linear: bool  # in the fields, with slopes that stay the same
    formula: Formula
    slopes: dict[Jet, Formula]
    matrices: dict[Jet, scipy.sparse.csr_array]  # all variables → the jet at the points

    def jets(self, c: np.ndarray) -> dict[Jet, torch.Tensor]:
        return {jet: torch.from_numpy(matrix @ c) for jet, matrix in self.matrices.items()}

    def values(self, c: np.ndarray, t: float = 0.0) -> np.ndarray:  # -> [nodes of the field]
        return self.test @ self._bound(None, t)(self.jets(c)).numpy()

    def jacobian(self, c: np.ndarray, t: float = 0.0) -> scipy.sparse.csr_array:
        jets, found = self.jets(c), scipy.sparse.csr_array((self.test.shape[0], len(c)))
        for jet in self.slopes:
            slope = self._bound(jet, t)(jets).numpy()
            found = found + self.test @ (scipy.sparse.diags_array(slope) @ self.matrices[jet])
        return scipy.sparse.csr_array(found)

    def amount(self, c: np.ndarray) -> tuple[float, float]:
        """∫ f and ∫ |f|."""
        weights, values = self.test.sum(axis=0), self._bound(None, 0.0)(self.jets(c)).numpy()
        return float(weights @ values), float(np.abs(weights) @ np.abs(values))

    def _bound(self, jet: Jet | None, t: float) -> BoundFormula:
        if self.time is None:
            return self._still[jet]
        points = self.points.clone()
        points[:, self.time] = t
        return (self.formula if jet is None else self.slopes[jet]).bind(points)

    @cached_property
    def _still(self) -> dict[Jet | None, BoundFormula]:
        found: dict[Jet | None, BoundFormula] = {jet: slope.bind(self.points) for jet, slope in self.slopes.items()}
        return found | {None: self.formula.bind(self.points)}


@dataclass(frozen=True, eq=False)
class Fixed:
    """The nodes of a field where a condition gives values, and their time derivatives of each order."""

    field: str
    nodes: np.ndarray
    points: torch.Tensor
    time: int | None
    values: tuple[Formula, ...]

    def at(self, order: int, t: float) -> np.ndarray:
        if self.time is None:
            return self._still[order]
        points = self.points.clone()
        points[:, self.time] = t
        return self.values[order](points).numpy()

    @cached_property
    def _still(self) -> list[np.ndarray]:
        return [value(self.points).numpy() for value in self.values]


@dataclass(frozen=True, eq=False)
class Discrete:
    """A problem on a mesh: zero (or the rates of the last variables) where its weak forms hold for every free node."""

    problem: Problem
    spaces: dict[str, Space]
    integrals: tuple[Integral, ...]
    fixed: tuple[Fixed, ...]
    rule: Rule
    density: Integral | None
    homes: dict[str, np.ndarray]  # bool [T] of fields that do not live everywhere: on which simplices
    ties: tuple[Ties, ...]
    factors: dict[str, np.ndarray]  # of fields' masses, at the points of the rule
    around: tuple[Integral, ...] = ()  # of an energy, along the boundary

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        return variables_of(self.problem)

    @cached_property
    def parts(self) -> dict[Variable, slice]:
        """Where the values of each variable stand."""
        ends = np.cumsum([0, *(self.spaces[field].size for field, _ in self.variables)])
        return {variable: slice(*ends[i : i + 2]) for i, variable in enumerate(self.variables)}

    @cached_property
    def size(self) -> int:
        return sum(self.spaces[field].size for field, _ in self.variables)

    @cached_property
    def free_nodes(self) -> dict[str, np.ndarray]:
        """Those that no condition gives or ties to others."""
        found = free_nodes(self.spaces, self.homes, self.fixed)
        for field in found:
            tied = [one.nodes[place] for one in self.ties for own, place, *_ in one.tied if own == field]
            found[field] = np.setdiff1d(found[field], tied)
        return found

    @cached_property
    def rows(self) -> np.ndarray:
        """Where the values at the free nodes of all variables stand among all."""
        return np.concatenate([self.parts[v].start + self.free_nodes[v[0]] for v in self.variables])

    @cached_property
    def _placed(self) -> scipy.sparse.csr_array:
        shape = (self.size, len(self.rows))
        return scipy.sparse.csr_array((np.ones(len(self.rows)), (self.rows, np.arange(shape[1]))), shape=shape)

    @cached_property
    def free(self) -> scipy.sparse.csr_array:
        """Values at the free nodes of all variables → at all."""
        found = self._placed
        for followers in self._followers:
            found = scipy.sparse.csr_array(followers @ found)
        return found

    @cached_property
    def tests(self) -> scipy.sparse.csr_array:  # [size, free]
        """Of each free node the nodes whose weak forms are one equation: itself, unless rims tie fields."""
        if not self.ties:
            return self.free
        column = {row: place for place, row in enumerate(self.rows.tolist())}
        found = scipy.sparse.lil_array(self._placed)
        for one in self.ties:
            for field, place, weights in one.mixed:
                row = self.parts[self.last(field)].start + one.nodes[place]
                if row in column:
                    for other, weight in weights.items():
                        found[self.parts[self.last(other)].start + one.nodes[place], column[row]] = weight
        return scipy.sparse.csr_array(found)

    @cached_property
    def _followers(self) -> list[scipy.sparse.csr_array]:  # [size, size] each
        """All values, those that are tied at one rim put in, from the others."""
        found = []
        for one in self.ties:
            own = scipy.sparse.lil_array(scipy.sparse.eye_array(self.size))
            for field, place, others, _ in one.tied:
                row = self.parts[field, 0].start + one.nodes[place]
                own[row, row] = 0.0
                for other, factor in others.items():
                    own[row, self.parts[other, 0].start + one.nodes[place]] = factor
            found.append(scipy.sparse.csr_array(own))
        return found

    def given(self, t: float = 0.0, more: int = 0) -> np.ndarray:
        """What conditions say of all variables, or of their time derivatives; 0 at free nodes."""
        found = self._fixed_values(t, more)
        for one, followers in zip(self.ties, self._followers, strict=True):
            found, known = followers @ found, one.at(more, t)
            for field, place, _, sources in one.tied:
                found[self.parts[field, 0].start + one.nodes[place]] += sources @ known[:, place]
        return found

    def _fixed_values(self, t: float, more: int) -> np.ndarray:
        found = np.zeros(self.size)
        for field, order in self.variables:
            for one in self.fixed:
                if one.field == field:
                    found[self.parts[field, order].start + one.nodes] = one.at(order + more, t)
        return found

    def residual(self, full: np.ndarray, t: float = 0.0) -> np.ndarray:
        """Of each field, in the place of its last variable."""
        found = self._linear @ full + self._still
        for integral in self.integrals:
            if integral.linear and integral.time is not None:
                found[self.parts[self.last(integral.field)]] += integral.values(self._zero, t)
            elif not integral.linear:
                found[self.parts[self.last(integral.field)]] += integral.values(full, t)
        return found

    def jacobian(self, full: np.ndarray, t: float = 0.0) -> scipy.sparse.csr_array:
        bent = [integral for integral in self.integrals if not integral.linear]
        return self._linear + self._slopes(bent, full, t) if bent else self._linear

    def _slopes(self, integrals: list[Integral], full: np.ndarray, t: float) -> scipy.sparse.csr_array:
        blocks = []
        for variable in self.variables:
            own = [integral for integral in integrals if variable == self.last(integral.field)]
            empty = scipy.sparse.csr_array((self.spaces[variable[0]].size, self.size))
            blocks.append(sum((integral.jacobian(full, t) for integral in own), start=empty))
        return scipy.sparse.csr_array(scipy.sparse.vstack(blocks))

    @cached_property
    def _zero(self) -> np.ndarray:
        return np.zeros(self.size)

    @cached_property
    def _linear(self) -> scipy.sparse.csr_array:
        """The slopes of all that is linear in the fields."""
        return self._slopes([integral for integral in self.integrals if integral.linear], self._zero, 0.0)

    @cached_property
    def _still(self) -> np.ndarray:
        """What is linear in the fields, where they are zero, and stays the same."""
        found = np.zeros(self.size)
        for integral in self.integrals:
            if integral.linear and integral.time is None:
                found[self.parts[self.last(integral.field)]] += integral.values(self._zero)
        return found

    def last(self, field: str) -> Variable:
        return max(variable for variable in self.variables if variable[0] == field)

    def mass(self, field: str) -> scipy.sparse.csr_array:
        """∫ m ψ_i ψ_j, where the field lives."""
        values = self.rule.matrices[self.spaces[field].degree, (0,) * self.spaces[field].mesh.dimension]
        weights = self.rule.weights * self.factors[field]
        if field in self.homes:
            weights = weights * np.repeat(self.homes[field], len(weights) // len(self.homes[field]))
        return scipy.sparse.csr_array(values.T @ (scipy.sparse.diags_array(weights) @ values))

    def sum_over(self, points: np.ndarray, weights: np.ndarray, density: sympy.Expr, field: str) -> Integral:
        """Σ_q ω_q density at points of space [n, d], as an integral against the functions of a field."""
        spaces = tuple({own.degree: own for own in self.spaces.values()}.values())
        rule = point_rule(spaces, points, weights)
        return _Builder(self.problem, self.spaces, (), rule).integral(rule, field, (0,) * points.shape[1], density)

    def function(self, full: np.ndarray, axis: Pieces | None = None) -> Meshed:  # [size] or [size, nodes of time]
        """The fields, all on the lattice of the highest degree."""
        finest = max(self.spaces.values(), key=lambda own: own.degree)
        values = [self.spaces[field].lifted(full[self.parts[field, 0]], finest) for field in self.problem.fields]
        time = -1 if axis is None else self.problem.time_axis
        found = finest.function(np.stack(values), axis, time)
        if not self.homes:
            return found
        everywhere = np.ones(len(finest.mesh.cells))
        lives = np.stack([self.homes.get(field, everywhere).astype(float) for field in self.problem.fields])
        return replace(found, lives=lives)


def free_nodes(
    spaces: dict[str, Space], homes: dict[str, np.ndarray], fixed: tuple[Fixed, ...]
) -> dict[str, np.ndarray]:
    """Where fields live and no condition gives their values."""
    found = {}
    for field, own in spaces.items():
        free = np.ones(own.size, dtype=bool)
        if field in homes:
            free[:] = False
            free[own.numbers[homes[field]].ravel()] = True
        for given in fixed:
            if given.field == field:
                free[given.nodes] = False
        found[field] = np.flatnonzero(free)
    return found


def variables_of(problem: Problem) -> tuple[Variable, ...]:
    if problem.time is None:
        return tuple((field, 0) for field in problem.fields)
    orders = {field: problem.order_along(field, problem.time) for field in problem.fields}
    return tuple((field, k) for field, order in orders.items() for k in range(max(order, 1)))


def discretized(problem: Problem, mesh: Mesh, degree: int) -> Discrete:
    """Polynomials of a degree on a mesh; of constraints, as the pressure's, one less.

    Raises:
        NotSolved: the equations or conditions have no such weak form.
    """
    forms, bent = statements(problem), curved(mesh)
    degrees = {form.field: degree - (form.is_constraint and len(forms) > 1) for form in forms}
    known = {own: space(bent, own) for own in sorted(set(degrees.values()))}
    spaces = {field: known[degrees[field]] for field in problem.fields}
    builder = _Builder(problem, spaces, forms, inner_rule(tuple(known.values()), degree + (bent.dimension == 2)))
    return builder.discrete()


@dataclass(frozen=True, eq=False)
class _Builder:
    problem: Problem
    spaces: dict[str, Space]
    forms: tuple[Statement, ...]
    rule: Rule

    @property
    def distinct(self) -> tuple[Space, ...]:
        return tuple({own.degree: own for own in self.spaces.values()}.values())

    def discrete(self) -> Discrete:
        problem, integrals, fixed = self.problem, [], []
        still = (0,) * len(problem.region.axes)
        for form in self.forms:
            rule = self.rules[form.parts]
            integrals.append(self.integral(rule, form.field, still, form.source))
            for index, flux in zip(first_orders(len(still)), form.flux, strict=True):
                if flux != 0:
                    integrals.append(self.integral(rule, form.field, index, -flux))
        for condition in problem.conditions:
            if condition.kind == "initial":
                continue
            self.check_mask(condition)
            if is_rim(condition):
                continue
            if isinstance(condition.side, Seam):
                if (jump := flux_jump(problem, self.forms, condition)) is None:
                    check_seam(problem, self.forms, condition)
                else:
                    own, _ = self.seam_faces(condition.side)
                    mesh = self.distinct[0].mesh
                    integrals.append(self.rim_integral((mesh.seams[0][own], mesh.seams[1][own]), *jump))
            elif not any(space_order(problem, index) for _, index in jets_of(condition.residual)):
                fixed.append(self.fix(condition))
            else:
                integrals.append(self.boundary_integral(condition))
        homes = {field: np.isin(self.cell_parts, home) for field, home in problem.homes.own.items()}
        free, ties = free_nodes(self.spaces, homes, tuple(fixed)), []
        for rim, faces in self.rims():
            integrals += [self.rim_integral(faces, field, amount) for field, amount in rim.inflows().items()]
            if rim.values:
                ties.append(self.ties(rim, faces, free))
        density = None
        if problem.task.integrals():
            whole = with_values(problem, problem.task.integrals()[0])
            density = self.integral(self.rule, problem.fields[0], still, whole)
        around = []
        for piece, expr in problem.task.around(problem):
            rule = face_rule(self.distinct, self.faces(piece), max(own.degree for own in self.distinct) + 1)
            own = with_values(problem, expr)
            around.append(self.integral(rule, problem.fields[0], still, own))
            slopes = jet_slopes(own, problem.coordinates)
            integrals += [self.integral(rule, field, still, slope) for (field, _), slope in slopes.items()]
        points = at_start(problem, self.rule.points)
        masses = {form.field: compile_expression(form.mass, problem.coordinates) for form in self.forms}
        factors = {field: mass(points).numpy() for field, mass in masses.items()}
        return Discrete(problem, self.spaces, tuple(integrals), tuple(fixed), self.rule, density, homes, tuple(ties),
                        factors, tuple(around))  # fmt: skip

    @cached_property
    def cell_parts(self) -> np.ndarray:  # int [T]
        """The number of the part that each simplex lies in."""
        mesh = self.distinct[0].mesh
        middles = mesh.at(np.full((1, mesh.dimension), 1 / (mesh.dimension + 1)))[:, 0]
        return self.problem.part_of(at_start(self.problem, middles)).numpy()

    @cached_property
    def rules(self) -> dict[tuple[int, ...] | None, Rule]:
        """To integrate over parts in which equations hold."""
        found: dict[tuple[int, ...] | None, Rule] = {None: self.rule}
        for parts in {form.parts for form in self.forms if form.parts is not None}:
            rows = np.repeat(np.isin(self.cell_parts, parts), len(self.rule.points) // len(self.cell_parts))
            found[parts] = self.rule.at(rows)
        return found

    def rims(self) -> list[tuple[Rim, Faces]]:
        """The stretches where fields end, with their faces."""
        mesh, faces, points = self.distinct[0].mesh, {}, {}
        for condition in self.problem.conditions:
            seam = condition.side
            if is_rim(condition) and isinstance(seam, Seam) and seam not in faces:
                own, points[seam] = self.seam_faces(seam)
                faces[seam] = mesh.seams[0][own], mesh.seams[1][own]
        return [*zip(rims_of(self.problem, self.forms, points), faces.values(), strict=True)]

    def seam_faces(self, seam: Seam) -> tuple[np.ndarray, torch.Tensor]:
        """The numbers of the inner faces on a stretch, and a point of it in the middle of each."""
        mesh, problem = self.distinct[0].mesh, self.problem
        own = np.array([number for number, face in enumerate(mesh.inner) if face.carrier == seam.facet], dtype=int)
        middles = np.array([mesh.inner[number].middle for number in own]).reshape(len(own), mesh.dimension)
        points = at_start(problem, middles)
        there = on_boundary(problem.region, problem.domain, seam, points)
        if not there.any():
            raise NotSolved(f"finds no faces of its mesh on the rim of {seam.name}")
        return own[there.numpy()], points[there]

    def rim_integral(self, faces: Faces, field: str, amount: sympy.Expr) -> Integral:
        rule = face_rule(self.distinct, faces, max(own.degree for own in self.distinct) + 1)
        return self.integral(rule, field, (0,) * len(self.problem.region.axes), amount)

    def ties(self, rim: Rim, faces: Faces, free: dict[str, np.ndarray]) -> Ties:
        """At the nodes on faces."""
        problem = self.problem
        named = {*rim.fields, *(field for own, _ in rim.values for field in own)}
        if len({self.spaces[field].degree for field in named}) > 1:
            raise NotSolved("takes fields of one degree at rims")
        if problem.time is not None and any(problem.order_along(field, problem.time) != 1 for field in named):
            raise NotSolved("takes values at rims of fields that are of first order in time")
        own = self.spaces[next(iter(rim.fields))]
        nodes = own.on(faces)
        return ties_of(problem, rim, nodes, at_start(problem, own.nodes[nodes]), free)

    def check_mask(self, condition: Condition) -> None:
        side = condition.side
        if isinstance(side, SubSide) and self.moves(side.mask):
            raise NotSolved(f"takes parts of sides that stay where they are; {condition.name} moves")

    def faces(self, piece: Piece) -> Faces:
        """The faces of the boundary that belong to a piece."""
        mesh, problem = self.distinct[0].mesh, self.problem
        faces = mesh.faces
        whole = carrier_of(piece)
        carrier = whole.facet if isinstance(whole, ShapeBoundary) else whole
        own = np.array([number for number, face in enumerate(faces) if face.carrier == carrier], dtype=int)
        if not len(own):
            return own, own
        middles = at_start(problem, np.array([faces[number].middle for number in own]))
        own = own[on_boundary(problem.region, problem.domain, piece, middles).numpy()]
        return mesh.rim[0][own], mesh.rim[1][own]

    def fix(self, condition: Condition) -> Fixed:
        """The nodes of a piece and their values."""
        problem, solved = self.problem, condition.solved(self.problem.coordinates)
        if solved is None or any(solved[0][1]):
            raise NotSolved(f"takes conditions that give one field's values or slope; {condition.name} does not")
        (field, _), value = solved
        nodes = self.spaces[field].on(self.faces(condition.side))
        points = at_start(problem, self.spaces[field].nodes[nodes])
        values = [with_values(problem, value)]
        if problem.time is not None:
            time = coordinate_symbols(problem.coordinates)[problem.time]
            for _ in range(max(problem.order_along(field, problem.time), 1)):
                values.append(derivative(values[-1], time))
        formulas = tuple(compile_expression(one, problem.coordinates) for one in values)
        if not formulas[0](points).isfinite().all():
            raise NotSolved(f"needs finite values; {condition.name} has others")
        return Fixed(field, nodes, points, problem.time if self.moves(value) else None, formulas)

    def moves(self, expr: sympy.Expr) -> bool:
        """Whether an expression depends on time by itself."""
        return self.problem.time is not None and self.problem.coordinates[self.problem.time] in depends_on(expr)

    def boundary_integral(self, condition: Condition) -> Integral:
        degree = max(own.degree for own in self.distinct)
        rule = face_rule(self.distinct, self.faces(condition.side), degree + 1)
        field, amount = inflow(self.problem, self.forms, condition, at_start(self.problem, rule.points))
        return self.integral(rule, field, (0,) * len(self.problem.region.axes), amount)

    def integral(self, rule: Rule, field: str, index: tuple[int, ...], expr: sympy.Expr) -> Integral:
        """∫ expr ∂v, with the derivative of the index along the axes of space."""
        problem = self.problem
        test = scipy.sparse.diags_array(rule.weights) @ rule.matrices[self.spaces[field].degree, index]
        slopes = jet_slopes(expr, problem.coordinates)
        return Integral(
            scipy.sparse.csr_array(test.T),
            field,
            at_start(problem, rule.points),
            problem.time if self.moves(expr) else None,
            not any(jets_of(slope) or self.moves(slope) for slope in slopes.values()),
            compile_expression(expr, problem.coordinates, problem.fields),
            {jet: compile_expression(slope, problem.coordinates, problem.fields) for jet, slope in slopes.items()},
            {jet: self.columns(rule, jet) for jet in jets_of(expr)},
        )  # fmt: skip

    def columns(self, rule: Rule, jet: Jet) -> scipy.sparse.csr_array:
        """All variables → a jet at the points."""
        problem, (field, index) = self.problem, jet
        order = 0 if problem.time is None else index[problem.time]
        if (field, order) not in variables_of(problem):
            raise NotSolved(f"takes time derivatives of {field} below its highest in fluxes and conditions")
        along = tuple(index[axis] for axis in problem.region.axes)
        own, blocks = rule.matrices[self.spaces[field].degree, along], []
        for name, k in variables_of(problem):
            empty = scipy.sparse.csr_array((len(rule.points), self.spaces[name].size))
            blocks.append(own if (name, k) == (field, order) else empty)
        return scipy.sparse.csr_array(scipy.sparse.hstack(blocks))
