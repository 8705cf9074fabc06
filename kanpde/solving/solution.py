"""A trained field that can be called: values and derivatives anywhere in the domain."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sympy import Expr, Float
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.differentiation import route_for
from kanpde.models.jets import IndexSet, closure
from kanpde.models.learned_constants import learned_values
from kanpde.problems.geometry.regions import in_domain
from kanpde.problems.language import Remote, Scope, compile_expression, fields_of, parse_expression
from kanpde.problems.problem import Problem
from kanpde.references.means import check_time
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.named_points import Grid
from kanpde.solving.reach import named_jets, reach_of, values_elsewhere

CHUNK = 8192

Points = ArrayLike | Tensor
"""A table [n, d]: lists, arrays, tensors and what becomes an array."""


class Solution:
    """The fields u = L + E·N of a problem, as functions of physical coordinates.

    Points are given as [n, d] in the order of `problem.coordinates`, in their own units; arrays come back as float64
    NumPy arrays.
    """

    def __init__(self, problem: Problem, ansatz: Ansatz, network: nn.Module):
        self.problem, self.ansatz, self.network = problem, ansatz, network

    @property
    def learned(self) -> dict[str, float]:
        """The learned parameters by name, as trained."""
        return learned_values(self.network, self.problem.learned)

    def __call__(
        self, points: Points | None = None, *, extrapolate: bool = False, **coordinates: Any
    ) -> Any:  # [n, d] -> [n, fields]
        """Values of all fields, NaN where one does not live, and with a warning outside the domain and in its holes.

        Args:
            points: A table [n, d]; or give coordinates by name, `solution(x=0.5, t=times)`, numbers and arrays that
                broadcast, or labelled arrays of xarray.
            extrapolate: Insist on the values that the network has outside.

        Returns:
            A table [n, fields] of points; by name, an array of the broadcast shape, or a mapping of one for each field
            where there are several. Labelled arrays come back labelled.
        """
        if points is not None and not coordinates:
            return self._masked(self.values(points), points, extrapolate)
        grid = self._grid(points, coordinates)
        table = self._masked(self.values(grid.points), grid.points, extrapolate)
        found = {name: grid.shaped(table[:, place], name) for place, name in enumerate(self.problem.fields)}
        return found if len(found) > 1 else next(iter(found.values()))

    def derivative(
        self, expression: str, points: Points | None = None, *, extrapolate: bool = False, **coordinates: Any
    ) -> Any:
        """Any expression in fields, derivatives, coordinates, parameters and coefficients, as "u_x" or "nu*u_xx".

        Points or coordinates are given, and values come back, as for the solution itself; [n, d] -> [n].

        Raises:
            InputError: If the expression uses a name that the problem does not have.
        """
        expr = parse_expression(expression, self._scope(), "derivative")
        if points is not None and not coordinates:
            return self._masked(self.evaluate(expr, points), points, extrapolate, fields_of(expr))
        grid = self._grid(points, coordinates)
        found = self._masked(self.evaluate(expr, grid.points), grid.points, extrapolate, fields_of(expr))
        return grid.shaped(found, expression)

    def values(self, points: Points) -> np.ndarray:  # [n, d] -> [n, fields]
        """Values of all fields wherever the network has some; nobody asks whether that is in the domain."""
        return self.jets(points, closure((), len(self.problem.coordinates)))[:, 0].cpu().double().numpy()

    def _scope(self) -> Scope:
        problem = self.problem
        time = None if problem.time is None else problem.coordinates[problem.time]
        family = tuple(problem.coordinates[axis] for axis in problem.family)
        fixed = {name: Float(value) for name, value in problem.parameters.items() if name not in problem.learned}
        ranges = dict(
            zip(problem.coordinates, zip(problem.domain.lower, problem.domain.upper, strict=True), strict=True)
        )
        return Scope(
            problem.coordinates, problem.fields, tuple(problem.learned), time=time, family=family,
            vectors=problem.vectors, complexes=problem.complexes, ranges=ranges,
            metric=problem.metric, slopes=problem.slopes, narrow=problem.narrow,
            definitions={**fixed, **problem.coefficients, **problem.places},
        )  # fmt: skip

    def _grid(self, points: object, coordinates: Mapping[str, Any]) -> Grid:
        names = self.problem.coordinates
        if points is not None or set(coordinates) != set(names):
            given = ", ".join(coordinates) or "none"
            raise InputError(
                f"A solution needs a table of points, or every coordinate by name ({', '.join(names)}); {given} came"
                f"{' beside a table' if points is not None else ''}. Write solution("
                f"{', '.join(f'{name}=…' for name in names)})."
            )
        return Grid.of({name: coordinates[name] for name in names})

    def _masked(
        self, found: np.ndarray, points: Points, extrapolate: bool, fields: Sequence[str] = ()
    ) -> np.ndarray:  # [n, fields], or [n] of some
        """NaN outside the domain and where fields do not live, unless that is insisted on."""
        if extrapolate:
            return found
        asked, own = _tensor(points).detach().cpu().double(), self.problem
        outside = ~in_domain(own.region, own.domain, own.periodic, asked)
        if outside.any():
            warnings.warn(
                f"{int(outside.sum())} of {len(outside)} points lie outside the domain of {self.problem.name} and have "
                "no solution: NaN. With extrapolate=True the network answers all the same.",
                stacklevel=3,
            )
            found[outside.numpy()] = np.nan
        if own.homes:
            lives = own.lives(asked)
            lives = lives[:, [own.fields.index(name) for name in fields]] if fields else lives
            found[~(lives if found.ndim > 1 else lives.all(1)).numpy()] = np.nan
        return found

    def evaluate(self, expr: Expr, points: Points) -> np.ndarray:  # [n, d] -> [n]
        """A parsed expression, such as the residual of one of the problem's equations."""
        formula = compile_expression(expr, self.problem.coordinates, self.problem.fields)
        local = [index for name, index in formula.jets if not isinstance(name, Remote)]
        indices, fields = closure(local, len(self.problem.coordinates)), self.problem.fields
        x = self._points(points)
        with torch.no_grad():
            named = {**named_jets(self.jets(x, indices), fields, indices)}
            named |= values_elsewhere(reach_of(self.problem, [formula]), x, self.jets, fields, self.learned)
            values = formula(x, named, self.learned)
        return values.cpu().double().numpy()

    def jets(self, points: Points, indices: IndexSet) -> Tensor:  # [n, d] -> [n, s, fields]
        """∂_α of every field for a downward-closed set of multi-indices."""
        x, route = self._points(points), route_for(self.network)
        x = self.problem.off_rims(x) if self.problem.joined > 1 else x
        with torch.no_grad():
            parts = []
            for part in x.split(CHUNK):
                check_time()
                parts.append(self.ansatz.bind(part, indices)(route.jets(route.prepare(part, indices), indices)))
        return torch.cat(parts)

    def slopes(self, points: Points, axes: Sequence[int]) -> np.ndarray:  # [n, d] -> [n, fields, axes]
        """First derivatives of every field by the coordinates of some axes."""
        dimension = len(self.problem.coordinates)
        units = [tuple(int(axis == other) for other in range(dimension)) for axis in axes]
        indices = closure(units, dimension)
        jets = self.jets(points, indices).cpu().double().numpy()
        return np.moveaxis(jets[:, [list(indices).index(unit) for unit in units]], 1, 2)

    def _points(self, points: Points) -> Tensor:
        like = next(self.network.parameters())
        x = _tensor(points).to(like)
        if x.ndim != 2 or x.shape[1] != len(self.problem.coordinates):
            raise InputError(
                f"Points must be a table [n, {len(self.problem.coordinates)}] of "
                f"({', '.join(self.problem.coordinates)}); shape {tuple(x.shape)} came. Give one row per point."
            )
        return x


def _tensor(points: Points) -> Tensor:
    return points if isinstance(points, Tensor) else torch.from_numpy(np.array(points, dtype=float))
