"""A problem as other packages are given it: a residual in their numbers, points, and values that are known there."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import sympy
import torch

from kanpde.errors import InputError
from kanpde.problems.geometry.regions import Piece, inside_points, piece_points
from kanpde.problems.grids import measuring_points
from kanpde.problems.language import compile_expression, coordinate_symbols, jet_expression, jets_of
from kanpde.problems.problem import Problem
from kanpde.results.classical import known_solution
from kanpde.results.errors import relative_l2

Values = Callable[[np.ndarray], np.ndarray]
"""A trained field: points [n, d] to [n]."""

Index = tuple[int, ...]
"""How often a field is differentiated by each coordinate."""

TRAINED = "trained"


@dataclass(frozen=True)
class Statement:
    """One equation for one field that is known all over the boundary, and at the start of time where there is time.

    indices: The derivatives in the residual, the field itself among them.
    pieces: Where the field is known, and its value there.
    """

    problem: Problem
    indices: tuple[Index, ...]
    pieces: tuple[tuple[Piece, sympy.Expr], ...]

    def residual(self, module: ModuleType) -> Callable[[Sequence[Any], Mapping[Index, Any]], Any]:
        """left - right of the equation in a module's functions: of coordinates and derivatives, one array each."""
        problem, (expr,) = self.problem, self.problem.equations.values()
        jets = {index: jet_expression((problem.fields[0], index), problem.coordinates) for index in self.indices}
        names = {index: sympy.Symbol(f"jet_{place}") for place, index in enumerate(self.indices)}
        symbols = coordinate_symbols(problem.coordinates)
        written = expr.xreplace({jets[index]: names[index] for index in self.indices})
        formula = sympy.lambdify([*symbols, *names.values()], written, modules=[vars(module)])
        return lambda columns, known: formula(*columns, *(known[index] for index in names))

    def inputs(self, columns: Sequence[Any], module: ModuleType) -> list[Any]:
        """What enters a network: coordinates, those that repeat as cosine and sine of a turn."""
        box, found = self.problem.domain, []
        for axis, column in enumerate(columns):
            if axis in self.problem.periodic:
                turn = 2 * math.pi / box.lengths[axis] * column
                found += [module.cos(turn), module.sin(turn)]
            else:
                found.append(column)
        return found

    @property
    def width(self) -> int:
        """How many numbers enter a network."""
        return self.problem.domain.dimension + len(self.problem.periodic)

    def inside(self, count: int, seed: int) -> np.ndarray:  # -> [n, d]
        return inside_points(self.problem.region, self.problem.domain, count, seed).numpy()

    def known(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:  # -> [n, d], [n]
        """So many points on each piece where the field is known, and its values there."""
        problem, found = self.problem, []
        for piece, value in self.pieces:
            points = piece_points(problem.region, problem.domain, piece, count, seed)
            found.append((points, compile_expression(value, problem.coordinates, ())(points)))
        return torch.cat([at for at, _ in found]).numpy(), torch.cat([value for _, value in found]).numpy()


def stated(problem: Problem) -> Statement:
    """A problem as peers take it.

    Raises:
        InputError: It is of another kind.
    """
    solved = [condition.solved(problem.coordinates) for condition in problem.conditions]
    values = [one for one in solved if one is not None and not any(one[0][1])]
    if len(problem.fields) != 1 or len(problem.equations) != 1 or len(values) < len(problem.conditions):
        raise InputError(
            f"{problem.name}: other packages are given one equation for one field with values all over the boundary; "
            "this problem has others. Leave them out for it."
        )
    (expr,), nothing = problem.equations.values(), (0,) * problem.domain.dimension
    indices = sorted({nothing, *(index for _, index in jets_of(expr))})
    pieces = zip((condition.side for condition in problem.conditions), (value for _, value in values), strict=True)
    return Statement(problem, tuple(indices), tuple(pieces))


@dataclass(frozen=True)
class PeerResult:
    """What a peer came to; `word` is "missing" where it is not installed."""

    word: str
    said: str
    error: float = math.nan
    seconds: float = math.nan
    curve: tuple[tuple[float, float], ...] = field(default=())


class Watch:
    """The clock and the errors of a peer's training; measuring does not count."""

    def __init__(self, statement: Statement, limit: float):
        self.limit = limit
        self.points = measuring_points(statement.problem)
        self.truth = known_solution(statement.problem, self.points)
        self.curve: list[tuple[float, float]] = []
        self.error = math.nan
        self.begun, self.aside = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.begun - self.aside

    def share(self, part: float) -> bool:
        """Whether less than a part of the limit is over."""
        return self.seconds < part * self.limit

    def __call__(self, values: Values) -> bool:
        """Measure; whether time is left."""
        at, begun = self.seconds, time.perf_counter()
        if self.truth is not None:
            found = torch.from_numpy(np.asarray(values(self.points.numpy()), dtype=float))
            self.error = relative_l2(found[:, None] - self.truth, self.truth)
            if self.error < min((lowest for _, lowest in self.curve), default=math.inf):
                self.curve.append((at, self.error))
        self.aside += time.perf_counter() - begun
        return at < self.limit

    def result(self) -> PeerResult:
        said = "All of its schedule." if self.seconds < self.limit else "The time limit was reached."
        return PeerResult(TRAINED, said, self.error, self.seconds, tuple(self.curve))
