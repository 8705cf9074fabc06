"""A stated problem: what a problem file says once it has been read, resolved and checked."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.files.yaml import Entries, write_yaml
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.regions import Parts, Piece, Place, Region, Tree, inward, part_of
from kanpde.problems.homes import Homes
from kanpde.problems.known_functions import table_of
from kanpde.problems.language import (
    ExpressionError,
    Integrated,
    Jet,
    LineElement,
    Placed,
    Remote,
    Scope,
    coordinate_symbols,
    depends_on,
    derivative,
    jet_expression,
    jets_of,
    latex_of,
    moved,
    remotes_of,
    text_of,
)
from kanpde.problems.memberships import within
from kanpde.problems.named_files import without_places
from kanpde.problems.observations import Data
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.schema_parts import Schema

RIM = 1e-9
"""Of the box: how near to the rim of a part a point counts as on it."""


@dataclass(frozen=True)
class Condition:
    """What holds on one piece of the boundary.

    Attributes:
        name: The side, numbered from the second condition on it: `x-`, `x-.2`; the name of the loss block.
        side: Where it holds: a side of the box, a part of one, or of a shape's boundary; the side at the start of
            time for initial conditions.
        residual: Zero where the condition is met; in coordinates, fields and their derivatives.
        kind: `boundary`, `initial`, `final` at the end of time, `interface` for a flux that goes on across a wall, or
            `constraint` for what holds of integrals and values elsewhere.
        fields: The fields that occur.
        written: The condition as the file has it.
    """

    name: str
    side: Piece
    residual: sympy.Expr
    kind: str
    fields: tuple[str, ...]
    written: str = field(default="", compare=False)

    @property
    def whole_side(self) -> Side:
        """`side`, of a condition on a whole side of the box.

        Raises:
            ValueError: It holds elsewhere.
        """
        if not isinstance(self.side, Side):
            raise ValueError(f"{self.name} is a condition on no whole side")
        return self.side

    def solved(self, coordinates: tuple[str, ...]) -> tuple[Jet, sympy.Expr] | None:
        """(jet, g) if the condition says jet = g(coordinates), as `u = sin(x)` or `u_t = 0` do; None otherwise."""
        jets = jets_of(self.residual)
        if len(jets) != 1:
            return None
        unknown = sympy.Dummy()
        line = self.residual.xreplace({jet_expression(jets[0], coordinates): unknown})
        try:
            slope = derivative(line, unknown)
        except ExpressionError:  # sign(u) and the like have none, so the condition is not linear
            return None
        return (jets[0], -line.xreplace({unknown: sympy.S.Zero}) / slope) if slope.is_number and slope != 0 else None


@dataclass(frozen=True)
class Integral:
    """An integral over the domain, as a report shows it."""

    density: sympy.Expr
    sought: str = ""


@dataclass(frozen=True)
class Task:
    """What is asked of the fields; one task is one module of `kanpde/problems/tasks`, frozen and of expressions alone.

    Everything else asks the task instead of looking at which one it is. Its other half, what training lowers and what
    is measured, is in `kanpde/solving/tasks`.

    key: The key of a problem file that states it.
    example: What may stand there.
    about: What it is for, for documents.
    schema: The JSON Schema of what may stand there.
    replaces: Keys, besides those of other tasks, that have no place beside it.
    """

    key: ClassVar[str]
    example: ClassVar[str]
    about: ClassVar[str]
    schema: ClassVar[Schema]
    replaces: ClassVar[tuple[str, ...]] = ()

    # from a problem file, in this order

    @classmethod
    def solution(cls, source: Source, scope: Scope) -> dict[str, sympy.Expr]:
        """The exact solution, where the task itself states it."""
        return {}

    @classmethod
    def read(cls, source: Source, scope: Scope) -> Self:
        """The task that the key states."""
        return cls()

    def fields(self, source: Source, scope: Scope) -> tuple[str, ...]:
        """The unknown functions; those of the key `fields`, unless the task has several of each."""
        return scope.fields

    def conditions(
        self, conditions: tuple[Condition, ...], fields: tuple[str, ...], scope: Scope, where: str
    ) -> tuple[Condition, ...]:
        """The conditions on those fields, from those that are written in the names of the key `fields`."""
        return conditions

    def equations(self, source: Source, scope: Scope, exact: dict[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        """What vanishes all over the domain, by name."""
        return {}

    @classmethod
    def test_share(cls, source: Source) -> float:
        """The share of the data that is left out of training unless the file says another."""
        return 0.0

    # what it is about

    def integrals(self) -> tuple[sympy.Expr, ...]:
        """Nothing, the density that is least, or the two densities whose quotient is; all that references ask for."""
        return ()

    def densities(self, problem: Problem) -> tuple[sympy.Expr, ...]:
        """What is integrated, written in the problem's fields."""
        return self.integrals()

    def around(self, problem: Problem) -> tuple[tuple[Piece, sympy.Expr], ...]:
        """What is integrated over pieces of the boundary of shapes besides."""
        return ()

    def mapped(self, of: Callable[[sympy.Expr], sympy.Expr]) -> Self:
        """The task with each of its expressions changed."""
        return self

    # what is said of it

    def checked(self, problem: Problem, label: str) -> Iterator[str]:
        """Refuse, by InputError, what cannot be solved; yield sentences of warning."""
        return iter(())

    def lines(self, problem: Problem) -> Iterator[str]:
        """What `kanpde check` prints of it before the equations."""
        return iter(())

    def findings(self, problem: Problem) -> Iterator[str]:
        """A line for each thing that `checked` found in order."""
        return iter(())

    def shown(self, problem: Problem) -> tuple[Integral | str, ...]:
        """What a report shows of it before the equations."""
        return ()


@dataclass(frozen=True, repr=False)
class Problem:
    """A partial differential equation with all that makes its solution unique. Made by `load_problem`.

    Attributes:
        name: Short name, from the file's.
        title: One line for people.
        coordinates: Names, in the order of the network's inputs.
        domain: The box they range over.
        region: What the shapes leave of the box's space coordinates.
        fields: The unknown functions of the coordinates.
        time: Axis of the coordinate t, if there is one.
        periodic: Axes along which the solution is periodic.
        parts: Shapes with coefficients or equations of their own, across whose rims fields may kink or jump.
        homes: In which of these parts each field lives.
        held: In which parts equations hold that do not hold everywhere.
        parameters: Values of the constants.
        equations: left - right of each equation, parameters and `auto` put in.
        conditions: Boundary and initial conditions.
        exact: The solution where it is known, for every field or none.
        task: What is sought: fields that meet the equations, the minimum of an energy, eigenfunctions, …
        learned: First guesses of the parameters that are learned; in equations and conditions they are symbols.
        bounds: Between which learned parameters lie, where the file says so.
        priors: Mean and standard deviation of what is known of learned parameters beside the data.
        family: Axes of the coordinates that are parameters of a family of problems; they take no conditions.
        vectors: The components of vector fields.
        complexes: Real and imaginary part of complex fields.
        narrow: Axes along which fields of fewer coordinates do not vary.
        metric: What makes `lap`, `grad` and `div` right where coordinates are not Cartesian.
        places: Where coordinates are mapped, the names of places as functions of coordinates and fields,
        slopes: and ∂/∂(each place) and ∂/∂t there, by weights of ∂/∂(each coordinate).
        data: Measured values that the solution is fitted to.
        coefficients: What the names of known functions stand for.
        settings: What suits it, by `group.name`, in place of the defaults.
        warnings: What the checks found worth a sentence.
        source: The plain data it was made from, overrides applied; files with the hash of what they hold.
        samples: What those files hold, by `coefficients.V.values`, `data.x`, `reference.u`.
    """

    name: str
    title: str
    coordinates: tuple[str, ...]
    domain: Box
    region: Region
    fields: tuple[str, ...]
    time: int | None
    periodic: tuple[int, ...]
    parameters: dict[str, float]
    equations: dict[str, sympy.Expr]
    conditions: tuple[Condition, ...]
    exact: dict[str, sympy.Expr]
    task: Task
    parts: Parts = ()
    homes: Homes = field(default_factory=Homes)
    held: dict[str, tuple[int, ...]] = field(default_factory=dict)
    learned: dict[str, float] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    priors: dict[str, tuple[float, float]] = field(default_factory=dict)
    family: tuple[int, ...] = ()
    vectors: dict[str, tuple[str, ...]] = field(default_factory=dict)
    complexes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    narrow: dict[str, tuple[int, ...]] = field(default_factory=dict)
    metric: LineElement | None = None
    places: dict[str, sympy.Expr] = field(default_factory=dict)
    slopes: dict[str, tuple[sympy.Expr, ...]] = field(default_factory=dict)
    data: Data | None = None
    coefficients: dict[str, sympy.Expr] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    source: Entries = field(default_factory=dict)
    samples: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)  # their hashes are in the source

    @property
    def time_axis(self) -> int:
        """`time`, of a problem that has it.

        Raises:
            ValueError: It has none.
        """
        if self.time is None:
            raise ValueError(f"{self.name} has no coordinate t")
        return self.time

    def __repr__(self) -> str:
        return f"<Problem {self.name}: {'; '.join(self._lines())}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        equations = "".join(f"$${latex_of(residual)} = 0$$" for residual in self.equations.values())
        lines = "".join(f"<br>{html.escape(line)}" for line in self._lines())
        return f"<b>{html.escape(self.title)}</b>{lines}{equations}"

    def _lines(self) -> list[str]:
        """What it is in a few lines."""
        box = zip(self.coordinates, self.domain.lower, self.domain.upper, strict=True)
        found = [", ".join(f"{name} in [{low:g}, {high:g}]" for name, low, high in box)] if self.coordinates else []
        found += [f"{text_of(residual)} = 0" for residual in self.equations.values()]
        count = len(self.conditions)
        return [*found, f"{count} condition{'s' * (count != 1)}"] if count else found

    def yaml(self) -> str:
        """The problem as a file that `load_problem` reads back to an equal problem of the same name.

        Files that it names must lie beside it then, or their `samples` be given.
        """
        return write_yaml(self.source)

    def content(self) -> Entries:
        """What the problem is, by content: its data without the names of files, whose hashes stand there."""
        return without_places(self.source)

    def settled(self) -> Problem:
        """The problem with the true values of learned parameters put in; what checks look at."""
        if not self.learned:
            return self
        values = {sympy.Symbol(name, real=True): sympy.Float(self.parameters[name]) for name in self.learned}
        return replace(
            self,
            equations={name: moved(residual, values, self.coordinates) for name, residual in self.equations.items()},
            conditions=tuple(replace(c, residual=moved(c.residual, values, self.coordinates)) for c in self.conditions),
            learned={},
        )

    def learns(self, expr: sympy.Expr) -> bool:
        """Whether an expression depends on a learned parameter."""
        return any(name in self.learned for name in depends_on(expr))

    @property
    def joined(self) -> int:
        """How many smooth fields make up each field: one in each part of the region, where parts have equations."""
        return 1 + len(self.parts) if self.equations else 1

    @property
    def outputs(self) -> int:
        """Of a network: every field in every part that it lives in."""
        return sum(len(self.homes.of(name)) for name in self.fields) if self.homes else len(self.fields) * self.joined

    @property
    def at_once(self) -> float:
        """How many equations hold at a point, on the average over the parts."""
        return sum(len(self.holds_in(name)) for name in self.equations) / (1 + len(self.parts))

    def holds_in(self, equation: str) -> tuple[int, ...]:
        """The numbers of the parts that an equation holds in."""
        return self.held.get(equation, tuple(range(1 + len(self.parts))))

    def lives(self, points: Tensor) -> Tensor:  # [n, d] -> bool [n, fields]
        """Which fields live where."""
        if not self.homes:
            return torch.ones(len(points), len(self.fields), dtype=torch.bool, device=points.device)
        table = torch.tensor([[part in self.homes.of(name) for name in self.fields] for part in self.homes.everywhere])
        return table.to(points.device)[self.part_of(points)]

    def in_parts(self, points: Tensor, numbers: tuple[int, ...]) -> Tensor:  # [n, d] -> [m, d]
        """Those of the points that lie in parts of these numbers."""
        return points[torch.isin(self.part_of(points), torch.tensor(numbers, device=points.device))]

    def where_holds(self, equation: str, points: Tensor) -> Tensor:  # [n, d] -> [m, d]
        """Those of the points at which an equation holds."""
        return self.in_parts(points, self.held[equation]) if equation in self.held else points

    def home_region(self, name: str) -> Region:
        """Where a field lives, as a region; of any other name all of the domain."""
        if name not in self.homes.own:
            return self.region
        shapes, own = [shape for shape, _ in self.parts], list[Tree]()
        for part in self.homes.of(name):
            before = shapes if part == 0 else shapes[: part - 1]
            tree: Tree = "box" if part == 0 else shapes[part - 1]
            for shape in before:
                tree = ("-", tree, shape)
            own.append(tree)
        home = own[0]
        for tree in own[1:]:
            home = ("+", home, tree)
        known = dict(self.region.shapes) | dict(self.parts)
        return replace(self.region, tree=("&", self.region.tree, home), shapes=tuple(known.items()))

    def off_rims(self, points: Tensor) -> Tensor:  # [n, d] -> [n, d]
        """The points, those on rims moved into the part that they belong to.

        A knot may lie there, and beyond it nothing says what a network's output for that part is.
        """
        axes = list(self.region.axes)
        step = max(RIM, 4 * torch.finfo(points.dtype).eps) * max(self.domain.lengths[axis] for axis in axes)
        moved = points.clone()
        moved[:, axes] = inward(self.parts, points[:, axes], step)
        return moved

    def home_mask(self, names: Iterable[str]) -> sympy.Expr:
        """1 where several fields live, 0 elsewhere."""
        symbols = coordinate_symbols(self.coordinates)
        return within(self.parts, self.homes.common(names), tuple(symbols[axis] for axis in self.region.axes))

    def part_of(self, points: Tensor) -> Tensor:  # [n, d] -> long [n]
        """The number of the part that each point lies in, 0 outside of all shapes."""
        return part_of(self.parts, points[:, list(self.region.axes)])

    def walls(self, axis: int) -> tuple[float, ...]:
        """Where coefficients jump or kink along one coordinate, sorted."""
        space = [i for i in range(len(self.coordinates)) if i != self.time and i not in self.family]
        tables = [table for value in self.coefficients.values() if (table := table_of(value)) is not None]
        found = {float(x) for table in tables if axis in space for x in table.walls[space.index(axis)]}
        return tuple(sorted(found | set(self.fluxes_across(axis))))

    def fluxes_across(self, axis: int) -> tuple[float, ...]:
        """The walls along one coordinate across which a flux goes on while a factor in it jumps, sorted."""
        places = [c.side.values[axis] for c in self.conditions if c.kind == "interface" and isinstance(c.side, Place)]
        return tuple(sorted({place for place in places if place is not None}))

    def jets(self) -> tuple[Jet, ...]:
        """The derivatives of fields in the equations, or in what is integrated, sorted."""
        exprs = [*self.equations.values(), *self.densities()]
        return tuple(sorted({jet for expr in exprs for jet in jets_of(expr)}))

    def densities(self) -> tuple[sympy.Expr, ...]:
        """What the task integrates, written in the problem's fields."""
        return self.task.densities(self)

    def remotes(self) -> tuple[Remote, ...]:
        """What is asked for from elsewhere, sorted: shifts and integrals, not the sides of walls."""
        own = (condition.residual for condition in self.conditions if condition.kind != "interface")
        return tuple(sorted({name for residual in (*self.equations.values(), *own) for name in remotes_of(residual)}))

    def reaches_through_time(self) -> bool:
        """Whether what holds at one time asks for fields at others, as a delay does."""
        if self.time is None:
            return False
        now, places = coordinate_symbols(self.coordinates)[self.time], []
        for name in self.remotes():
            inner = [own for own, _ in jets_of(name.density)] if isinstance(name, Integrated) else [name]
            places += [own.place[self.time] for own in inner if isinstance(own, Placed)]
        return any(place != now for place in places)

    def evolves(self) -> bool:
        """Whether it goes on from the start of time: conditions there, and none at the end."""
        kinds = {condition.kind for condition in self.conditions}
        return self.time is not None and "initial" in kinds and "final" not in kinds

    def order(self) -> int:
        """The highest order of derivative in the equations."""
        return max((sum(index) for _, index in self.jets()), default=0)

    def order_along(self, field: str, axis: int) -> int:
        """The highest order of derivative of one field along one coordinate in the equations.

        It is 0 along coordinates that the field does not have.
        """
        if axis in self.narrow.get(field, ()):
            return 0
        return max((index[axis] for name, index in self.jets() if name == field), default=0)
