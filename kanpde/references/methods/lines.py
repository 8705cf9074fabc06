"""Equations with time on boxes: the method of lines.

    u(x, t) = Σ_j u_j(t) φ_j(x) + Σ_k s_k(t) ψ_k(x)

In space: trigonometric polynomials along periodic axes, polynomials on cells along others (cells.py). An equation
holds at the inner points, where it gives du_j/dt; conditions at the sides give the s_k at every time, so that what is
left is a system of ordinary equations. In time: Radau collocation (radau.py), with the slopes of the equations. Where
all axes are periodic and the highest derivatives have constant factors, J is replaced by its mean over space, which
Fourier's transform makes diagonal; else it is a dense matrix.

In one dimension, above ONE_CELL points, cells are made small where a first, rough solution bends most at any time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from itertools import product

import numpy as np
import scipy
import torch

from kanpde.problems.language import Jet, compile_expression
from kanpde.problems.problem import Condition, Problem
from kanpde.references.applicability import is_whole_box, walls_of
from kanpde.references.cells import Cells, Line, Waves, equidistributed
from kanpde.references.evolution import Evolution, Statement, Variable, differentiated, evolution_of, statement
from kanpde.references.factoring import Solve
from kanpde.references.interface import Solved
from kanpde.references.interpolants import Axis, FourierAxis, Interpolant, Pieces
from kanpde.references.means import NotSolved, OutOfMeans, check_time
from kanpde.references.radau import March, march, unit_nodes

PLACE = 3
ONE_CELL = 48  # points of one polynomial; beyond, there are several
GAUSS = 12  # points of each
ROUGH = 1e-4  # tolerance of the solutions that say where cells are needed
ROUNDS, MOST_ROUNDS = 2, 6  # of those that come to the end, and of all
FIRST, FALL, LEAST = 1e-8, 2.5, 1e-11  # tolerance in time at the first resolution, how it falls, where it stays
MOST_UNKNOWNS = 3000  # of dense slopes: complex factors of 150 MB, four of them
MOST_BENT = 40  # Newton steps for conditions that are not linear
RESOLUTIONS = {1: (16, 24, 36, 48, 84, 132, 192, 264, 348, 468), 2: (12, 16, 20, 28), 3: (6, 8, 10, 12)}
WAVES = {1: (64, 128, 256, 512, 1024, 2048, 4096), 2: (16, 32, 64, 128, 192), 3: (8, 16, 32, 48)}


def applicable(problem: Problem) -> bool:
    """Whether the method is for the problem: time derivatives of every field on a box of up to three dimensions."""
    return (
        problem.time is not None and bool(problem.equations) and is_whole_box(problem) and not problem.narrow
        and not any(condition.kind == "final" for condition in problem.conditions)
        and 1 <= len(_space(problem)) <= 3 and all(problem.order_along(field, problem.time) for field in problem.fields)
        and not any(len(walls_of(problem, axis)) for axis in _space(problem))
    )  # fmt: skip


def resolutions(problem: Problem) -> tuple[int, ...]:
    """Points an axis, from coarse to fine."""
    return (WAVES if _is_smooth_torus(_evolution(problem)) else RESOLUTIONS)[len(_space(problem))]


def solve(problem: Problem, resolution: int) -> Solved:
    """Solve with `resolution` points along every axis, and a tolerance in time to match.

    Raises:
        NotSolved: the method does not apply, or finds no solution up to the end of time.
    """
    evolution = _evolution(problem)
    problem = evolution.problem
    tolerance = max(LEAST, FIRST * (resolutions(problem)[0] / resolution) ** FALL)
    with np.errstate(over="ignore", invalid="ignore"):  # of steps too long, which are then shortened
        grid = _grid(evolution, resolution)
        found = march(grid, _initial(evolution, grid), *_ends(problem), tolerance)
    axes, values = grid.nodal(found)
    axes.insert(problem.time_axis, Pieces(found.breaks, unit_nodes()))
    return Solved(Interpolant(tuple(axes), np.moveaxis(values, 1, 1 + problem.time_axis)), grid.unknowns)


def _space(problem: Problem) -> list[int]:
    return [axis for axis in range(problem.domain.dimension) if axis != problem.time]


def _evolution(problem: Problem) -> Evolution:
    if problem.time is None or not is_whole_box(problem) or not 1 <= len(_space(problem)) <= 3:
        raise NotSolved("takes equations with time on whole boxes of one to three space dimensions")
    return evolution_of(problem.settled())


def _is_smooth_torus(evolution: Evolution) -> bool:
    """All axes periodic, and the highest space derivatives with constant factors."""
    problem = evolution.problem
    order = max((sum(evolution.variable(jet)[1]) for jet in evolution.jets), default=0)
    leading = [one.slopes[jet] for one in evolution.equations for jet in one.slopes
               if jet not in evolution.highest and sum(evolution.variable(jet)[1]) == order]  # fmt: skip
    return (
        set(_space(problem)) == set(problem.periodic) and evolution._inverse is not None
        and all(slope.is_constant for slope in leading)
    )  # fmt: skip


def _grid(evolution: Evolution, resolution: int) -> _Torus | _Grid:
    """Points and functions of space for a problem."""
    problem, space = evolution.problem, _space(evolution.problem)
    ends = [(problem.domain.lower[axis], problem.domain.upper[axis]) for axis in space]
    if _is_smooth_torus(evolution):
        count = resolution + resolution % 2
        return _Torus(evolution, tuple(FourierAxis(low, high, count) for low, high in ends))
    one_line = len(space) == 1 and space[0] not in problem.periodic
    if resolution > ONE_CELL and one_line and _is_balanced(evolution):
        return _adapted(evolution, *ends[0], resolution)
    return _Grid(evolution, tuple(
        Waves(FourierAxis(low, high, resolution | 1)) if axis in problem.periodic
        else Cells(np.array([low, high]), resolution) for axis, (low, high) in zip(space, ends, strict=True)
    ))  # fmt: skip


def _is_balanced(evolution: Evolution) -> bool:
    """Whether every variable has as many conditions as its order, two at most, so that cells can be joined smoothly."""
    space = _space(evolution.problem)
    return all(
        count == evolution.order_along(variable, axis) <= 2
        for variable, counts in _free(evolution, _assigned(evolution)).items()
        for axis, count in zip(space, counts, strict=True)
    )


def _adapted(evolution: Evolution, low: float, high: float, resolution: int) -> _Grid:
    """Cells that are small where rough solutions bend; one that breaks down says where up to then."""
    breaks, complete = np.linspace(low, high, -(-resolution // GAUSS) + 1), 0
    for _ in range(MOST_ROUNDS):
        check_time()
        grid = _Grid(evolution, (Cells(breaks, GAUSS),))
        found = march(grid, _initial(evolution, grid), *_ends(evolution.problem), ROUGH, whole=False)
        complete += found.breaks[-1] == _ends(evolution.problem)[1]
        breaks = equidistributed(breaks, grid.bends(found))
        if complete == ROUNDS:
            break
    return _Grid(evolution, (Cells(breaks, GAUSS),))


def _ends(problem: Problem) -> tuple[float, float]:
    return problem.domain.lower[problem.time_axis], problem.domain.upper[problem.time_axis]


def _initial(evolution: Evolution, grid: _Grid | _Torus) -> np.ndarray:  # [N]
    """The variables at the start of time."""
    problem, found = evolution.problem, {}
    points = torch.from_numpy(grid.points(np.array([problem.domain.lower[problem.time_axis]])))
    for condition in problem.conditions:
        if condition.kind != "initial":
            continue
        jet, value = condition.solved(problem.coordinates) or (None, None)
        if jet is None or any(evolution.variable(jet)[1]):
            raise NotSolved(f"takes initial values; the condition on {condition.name} gives none by itself")
        found[evolution.variable(jet)[0]] = compile_expression(value, problem.coordinates)(points).numpy()
    missing = [field for field, k in evolution.variables if (field, k) not in found]
    if missing:
        raise NotSolved(f"needs the initial values of {missing[0]}")
    return np.concatenate([found[variable] for variable in evolution.variables])


class _Points(ABC):
    """What both kinds of grid share: inner points, and variables one after another."""

    evolution: Evolution

    @property
    @abstractmethod
    def inner(self) -> tuple[np.ndarray, ...]: ...

    @cached_property
    def count(self) -> int:
        return int(np.prod([len(x) for x in self.inner]))

    @cached_property
    def scales(self) -> tuple[slice, ...]:
        return tuple(slice(self.count * i, self.count * (i + 1)) for i in range(len(self.evolution.variables)))

    def weighed(self, y: np.ndarray) -> np.ndarray:
        return y

    def part(self, variable: Variable) -> slice:
        return self.scales[self.evolution.variables.index(variable)]

    def points(self, times: np.ndarray) -> np.ndarray:  # [s] -> [s n, d]
        """The inner points at every time."""
        return _at_times(self.evolution.problem, np.array(list(product(*self.inner))), times)

    def joined(self, y: np.ndarray, highest: np.ndarray) -> np.ndarray:  # [s, N], [fields, s n] -> [s, N]
        """Rates of all variables: each is the next one's value, or what the equations give."""
        fields, parts = list(self.evolution.orders), []
        for field, k in self.evolution.variables:
            following = (field, k + 1)
            if following in self.evolution.variables:
                parts.append(y[:, self.part(following)])
            else:
                parts.append(highest[fields.index(field)].reshape(len(y), self.count))
        return np.concatenate(parts, axis=1)


def _at_times(problem: Problem, space: np.ndarray, times: np.ndarray) -> np.ndarray:  # [n, d-1], [s] -> [s n, d]
    points = np.tile(space, (len(times), 1))
    return np.insert(points, problem.time_axis, np.repeat(times, len(space)), axis=1)


# Fourier


@dataclass(frozen=True, eq=False)
class _Torus(_Points):
    """All axes periodic: derivatives by Fourier's transform, slopes by their means over space."""

    evolution: Evolution
    axes: tuple[FourierAxis, ...]

    @property
    def inner(self) -> tuple[np.ndarray, ...]:
        return tuple(axis.nodes for axis in self.axes)

    @property
    def unknowns(self) -> int:
        return self.count * len(self.evolution.variables)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.count for axis in self.axes)

    @property
    def places(self) -> tuple[int, ...]:  # of space axes in arrays [s, …]
        return tuple(range(1, 1 + len(self.axes)))

    def waves(self, index: tuple[int, ...]) -> np.ndarray:
        """(ik)^α on the grid of wave numbers; odd derivatives have no sine at the highest."""
        factors = []
        for axis, place in zip(self.axes, _space(self.evolution.problem), strict=True):
            numbers = np.fft.fftfreq(axis.count, 1 / axis.count)
            if index[place] % 2:
                numbers[axis.count // 2] = 0
            factors.append((2j * np.pi / (axis.upper - axis.lower) * numbers) ** index[place])
        return reduce(np.multiply.outer, factors)

    @cached_property
    def multipliers(self) -> dict[Jet, np.ndarray]:
        return {jet: self.waves(self.evolution.variable(jet)[1]) for jet in self.evolution.jets}

    @cached_property
    def half(self) -> tuple[slice, ...]:  # the wave numbers that a transform of real values keeps
        return (*(slice(None) for _ in self.axes[1:]), slice(0, self.axes[-1].count // 2 + 1))

    def jets(self, y: np.ndarray) -> dict[Jet, torch.Tensor]:  # [s, N] -> [s n] each
        parts = {variable: y[:, self.part(variable)].reshape(len(y), *self.shape)
                 for variable in self.evolution.variables}  # fmt: skip
        turned = {variable: np.fft.rfftn(part, axes=self.places) for variable, part in parts.items()}
        found = {}
        for jet, factor in self.multipliers.items():
            variable, index = self.evolution.variable(jet)
            values = parts[variable]
            if any(index):
                values = np.fft.irfftn(turned[variable] * factor[self.half], self.shape, self.places)
            found[jet] = torch.from_numpy(np.ascontiguousarray(values).reshape(-1))
        return found

    def rates(self, times: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.joined(y, self.evolution.rates(torch.from_numpy(self.points(times)), self.jets(y)).numpy())

    def slopes(self, time: float, y: np.ndarray) -> Callable[[complex], Solve]:
        evolution, variables = self.evolution, self.evolution.variables
        found = evolution.slopes(torch.from_numpy(self.points(np.array([time]))), self.jets(y[None]))
        matrix = np.zeros((*self.shape, len(variables), len(variables)), dtype=complex)
        for row, (field, k) in enumerate(variables):
            if (field, k + 1) in variables:
                matrix[..., row, variables.index((field, k + 1))] = 1
                continue
            for jet, slope in found.items():
                mean = float(slope[list(evolution.orders).index(field)].mean())
                matrix[..., row, variables.index(evolution.variable(jet)[0])] += mean * self.multipliers[jet]
        return lambda value: self._solver(np.linalg.inv(value * np.eye(len(variables)) - matrix))

    def _solver(self, inverse: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        def solve(right: np.ndarray) -> np.ndarray:
            turned = np.fft.fftn(right.reshape(-1, *self.shape), axes=self.places)
            solved = np.einsum("...ij,j...->i...", inverse, turned)
            return np.fft.ifftn(solved, axes=self.places).reshape(-1)

        return solve

    def nodal(self, found: March) -> tuple[list[Axis], np.ndarray]:
        """Axes of space, and values [fields, time nodes, …]."""
        parts = [found.values[:, self.part((field, 0))].reshape(-1, *self.shape) for field in self.evolution.orders]
        return list(self.axes), np.stack(parts)


# polynomials


@dataclass(frozen=True, eq=False)
class _Matrix:
    """Values inside and free numbers at the border → a derivative at some points."""

    inside: np.ndarray  # [k, n]
    border: np.ndarray  # [k, free]


class _Grid(_Points):
    """Products of lines, conditions eliminated: derivatives by matrices, slopes exact."""

    def __init__(self, evolution: Evolution, lines: tuple[Line, ...]):
        self.evolution, self.lines = evolution, lines
        self.conditions = _assigned(evolution)
        self.free = _free(evolution, self.conditions)
        sizes = [self.size(variable) for variable in evolution.variables]
        ends = np.cumsum([0, *sizes])
        self.borders = {variable: slice(*ends[i : i + 2]) for i, variable in enumerate(evolution.variables)}
        self.state = self.count * len(evolution.variables)
        self.unknowns = self.state + int(ends[-1])
        if self.unknowns > MOST_UNKNOWNS:
            raise OutOfMeans(f"takes up to {MOST_UNKNOWNS} unknowns; there are {self.unknowns}")
        self.matrices = {jet: self.matrix(*evolution.variable(jet), self.inner) for jet in evolution.jets}
        self.border = _Border(self)

    @property
    def inner(self) -> tuple[np.ndarray, ...]:
        return tuple(line.inner for line in self.lines)

    def size(self, variable: Variable) -> int:
        return int(np.prod([len(x) + k for x, k in zip(self.inner, self.free[variable], strict=True)])) - self.count

    def matrix(self, variable: Variable, index: tuple[int, ...], at: tuple[np.ndarray, ...]) -> _Matrix:
        """A space derivative of a variable on the product of the points `at`."""
        orders = [index[axis] for axis in _space(self.evolution.problem)]
        parts = zip(self.lines, at, orders, self.free[variable], strict=True)
        full = reduce(np.kron, [line.values(x, order, free) for line, x, order, free in parts])
        inside = np.zeros([len(x) + k for x, k in zip(self.inner, self.free[variable], strict=True)], dtype=bool)
        inside[tuple(slice(0, len(x)) for x in self.inner)] = True
        return _Matrix(full[:, inside.ravel()], full[:, ~inside.ravel()])

    def values(self, matrix: _Matrix, variable: Variable, y: np.ndarray, free: np.ndarray) -> np.ndarray:  # [s, k]
        return y[:, self.part(variable)] @ matrix.inside.T + free[:, self.borders[variable]] @ matrix.border.T

    def jets(self, y: np.ndarray, free: np.ndarray) -> dict[Jet, torch.Tensor]:
        found = {}
        for jet, matrix in self.matrices.items():
            variable, index = self.evolution.variable(jet)
            values = self.values(matrix, variable, y, free) if any(index) else y[:, self.part(variable)]
            found[jet] = torch.from_numpy(np.ascontiguousarray(values).reshape(-1))
        return found

    def rates(self, times: np.ndarray, y: np.ndarray) -> np.ndarray:
        jets = self.jets(y, self.border.solved(times, y))
        return self.joined(y, self.evolution.rates(torch.from_numpy(self.points(times)), jets).numpy())

    def slopes(self, time: float, y: np.ndarray) -> Callable[[complex], Solve]:
        times = np.array([time])
        free = self.border.solved(times, y[None])
        if not np.isfinite(free).all():
            raise NotSolved(f"did not converge: no values on the border satisfy the conditions at t = {time:.3g}")
        found = self.evolution.slopes(torch.from_numpy(self.points(times)), self.jets(y[None], free))
        following = self.border.slopes(time, y, free[0])
        matrix = np.zeros((self.state, self.state))
        for field, k in self.evolution.variables:
            rows = matrix[self.part((field, k))]
            if (field, k + 1) in self.evolution.variables:
                rows[:, self.part((field, k + 1))] = np.eye(self.count)
                continue
            for jet, slope in found.items():
                variable, index = self.evolution.variable(jet)
                own = slope[list(self.evolution.orders).index(field)].numpy()[:, None]
                rows[:, self.part(variable)] += own * self.matrices[jet].inside
                if any(index):
                    rows += own * (self.matrices[jet].border @ following[self.borders[variable]])
        return lambda value: _factored(value, matrix)

    def nodal(self, found: March) -> tuple[list[Axis], np.ndarray]:
        """Axes of space, and values [fields, time nodes, …]."""
        times = np.append((found.breaks[:-1, None] + np.diff(found.breaks)[:, None] * unit_nodes()[:-1]).ravel(),
                          found.breaks[-1])  # fmt: skip
        free, parts = self.border.solved(times, found.values), []
        most = [max(counts) for counts in zip(*self.free.values(), strict=True)]
        axes = [line.axis(k) for line, k in zip(self.lines, most, strict=True)]
        still = (0,) * len(self.evolution.problem.coordinates)
        for field in self.evolution.orders:
            matrix = self.matrix((field, 0), still, tuple(axis.nodes for axis in axes))
            values = self.values(matrix, (field, 0), found.values, free)
            parts.append(values.reshape(-1, *(len(axis.nodes) for axis in axes)))
        return axes, np.stack(parts)

    def bends(self, found: March) -> np.ndarray:  # -> [cells]
        """√|u''|, each field in its own size, the largest at any time, in each cell of the one line."""
        total, (axis,) = np.zeros(self.count), _space(self.evolution.problem)
        index = tuple(2 * (place == axis) for place in range(len(self.evolution.problem.coordinates)))
        steps = found.values[:: len(unit_nodes()) - 1]
        free = self.border.solved(found.breaks, steps)
        for field in self.evolution.orders:
            second = self.values(self.matrix((field, 0), index, self.inner), (field, 0), steps, free)
            size = max(float(np.abs(steps[:, self.part((field, 0))]).max()), 1e-300)
            total = total + np.sqrt(np.abs(second).max(axis=0) / size)
        return total.reshape(-1, GAUSS).mean(axis=1)


def _factored(value: complex, matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    value = value.real if abs(value.imag) < 1e-12 else value
    shifted = -matrix.astype(type(value))
    shifted[np.diag_indices(len(shifted))] += value
    if not np.isfinite(shifted).all():
        raise NotSolved("did not converge: the slopes are no longer finite")
    factors = scipy.linalg.lu_factor(shifted, overwrite_a=True, check_finite=False)
    return lambda right: scipy.linalg.lu_solve(
        factors, right.real if isinstance(value, float) else right, check_finite=False
    )


# conditions


def _assigned(evolution: Evolution) -> list[tuple[Condition, str]]:
    """Conditions on sides, each with the field whose order it uses up."""
    found: list[tuple[Condition, str]] = []

    def left(field: str, axis: int) -> int:
        used = sum(one.side.axis == axis and own == field for one, own in found)
        return evolution.order_along((field, 0), axis) - used

    spatial = [condition for condition in evolution.problem.conditions if condition.kind == "boundary"]
    for condition in sorted(spatial, key=lambda condition: len(condition.fields)):
        found.append((condition, max(condition.fields, key=partial(left, axis=condition.whole_side.axis))))
    return found


def _free(evolution: Evolution, conditions: list[tuple[Condition, str]]) -> dict[Variable, tuple[int, ...]]:
    """How many numbers conditions determine along each axis; of time derivatives only where the equations need them."""
    space = _space(evolution.problem)
    counts = {(field, axis): sum(own == field and condition.side.axis == axis for condition, own in conditions)
              for field in evolution.orders for axis in space}  # fmt: skip

    def needed(variable: Variable) -> bool:
        return variable[1] == 0 or any(evolution.order_along(variable, axis) for axis in space)

    return {variable: tuple(counts[variable[0], axis] if needed(variable) else 0 for axis in space)
            for variable in evolution.variables}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Rows:
    """One condition at points of its side."""

    statement: Statement
    space: np.ndarray  # [k, d-1]
    matrices: dict[Jet, _Matrix]


class _Border:
    """The free numbers that satisfy the conditions, given the values inside: least squares, as corners count twice."""

    def __init__(self, grid: _Grid):
        self.grid, self.problem = grid, grid.evolution.problem
        self.count = sum(map(grid.size, grid.evolution.variables))
        self.rows = [self._rows(condition, k) for condition, field in grid.conditions
                     for k in range(grid.evolution.orders[field]) if any(grid.free[field, k])]  # fmt: skip
        self.constant = all(rows.statement.constant for rows in self.rows)
        self.last = np.zeros(self.count)

    def _rows(self, condition: Condition, k: int) -> _Rows:
        grid, problem = self.grid, self.problem
        one = statement(problem, differentiated(problem, condition, k))
        for field, index in one.slopes:
            if index[problem.time_axis] >= grid.evolution.orders[field]:
                raise NotSolved(
                    f"takes conditions below the highest time derivatives; the one on {condition.name} has one"
                )
        most = [max(counts) for counts in zip(*grid.free.values(), strict=True)]
        side = condition.whole_side
        at = tuple(
            np.array([side.level(problem.domain)]) if axis == side.axis else line.axis(free).nodes
            for axis, line, free in zip(_space(problem), grid.lines, most, strict=True)
        )  # fmt: skip
        matrices = {jet: grid.matrix(*grid.evolution.variable(jet), at) for jet in one.slopes}
        return _Rows(one, np.array(list(product(*at))), matrices)

    def solved(self, times: np.ndarray, y: np.ndarray) -> np.ndarray:  # [s], [s, N] -> [s, free]
        if not self.rows:
            return np.zeros((len(y), 0))
        if self.constant:
            return -self.residual(times, y, np.zeros((len(y), self.count))) @ self._inverse.T
        return np.array([self._newton(time, line) for time, line in zip(times, y, strict=True)])

    def slopes(self, time: float, y: np.ndarray, free: np.ndarray) -> np.ndarray:  # -> [free, N]
        if not self.rows:
            return np.zeros((0, len(y)))
        if self.constant:
            return self._slopes
        inside, border = self._linear(time, y, free)
        return -self._pseudoinverse(border) @ inside

    def residual(self, times: np.ndarray, y: np.ndarray, free: np.ndarray) -> np.ndarray:  # -> [s, rows]
        parts = [rows.statement.residual(*self._at(rows, times, y, free)).numpy().reshape(len(y), -1)
                 for rows in self.rows]  # fmt: skip
        return np.concatenate(parts, axis=1)

    def _at(
        self, rows: _Rows, times: np.ndarray, y: np.ndarray, free: np.ndarray
    ) -> tuple[torch.Tensor, dict[Jet, torch.Tensor]]:
        """The points of a condition, and its jets there."""
        jets = {jet: self.grid.values(matrix, self.grid.evolution.variable(jet)[0], y, free).reshape(-1)
                for jet, matrix in rows.matrices.items()}  # fmt: skip
        points = torch.from_numpy(_at_times(self.problem, rows.space, times))
        return points, {jet: torch.from_numpy(values) for jet, values in jets.items()}

    def _linear(self, time: float, y: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of all conditions in the values inside and in the free numbers."""
        inside, border = [], []
        for rows in self.rows:
            points, jets = self._at(rows, np.array([time]), y[None], free[None])
            a, b = np.zeros((len(points), self.grid.state)), np.zeros((len(points), self.count))
            for jet, matrix in rows.matrices.items():
                variable = self.grid.evolution.variable(jet)[0]
                slope = rows.statement.slopes[jet](points, jets).numpy()[:, None]
                a[:, self.grid.part(variable)] += slope * matrix.inside
                b[:, self.grid.borders[variable]] += slope * matrix.border
            inside.append(a)
            border.append(b)
        return np.concatenate(inside), np.concatenate(border)

    @cached_property
    def _always(self) -> tuple[np.ndarray, np.ndarray]:
        start = self.problem.domain.lower[self.problem.time_axis]
        return self._linear(start, np.zeros(self.grid.state), np.zeros(self.count))

    @cached_property
    def _inverse(self) -> np.ndarray:
        return self._pseudoinverse(self._always[1])

    @cached_property
    def _slopes(self) -> np.ndarray:
        return -self._inverse @ self._always[0]

    def _pseudoinverse(self, matrix: np.ndarray) -> np.ndarray:
        if not np.isfinite(matrix).all():
            raise NotSolved("did not converge: the slopes of the conditions are no longer finite")
        weights = 1 / np.maximum(np.abs(matrix).max(axis=1), 1e-300)
        u, sizes, v = np.linalg.svd(weights[:, None] * matrix, full_matrices=False)
        if len(matrix) < self.count or sizes[-1] <= 1e-11 * sizes[0]:
            raise NotSolved("takes conditions that determine the solution at the border; these do not")
        return (v.T / sizes) @ (u.T * weights)

    def _newton(self, time: float, y: np.ndarray) -> np.ndarray:
        """From the last values; not finite where there are none, so that the step is shortened."""
        free, before = self.last, np.inf
        for _ in range(MOST_BENT):
            residual = self.residual(np.array([time]), y[None], free[None])[0]
            if not np.isfinite(residual).all():
                break
            step = -self._pseudoinverse(self._linear(time, y, free)[1]) @ residual
            free, size = free + step, float(np.abs(step).max())
            if size <= 1e-13 * (1 + np.abs(free).max()) or (size < 1e-9 and size >= before / 2):
                self.last = free
                return free
            before = size
        return np.full(self.count, np.nan)
