"""What lies inside a level set of the plane, f(x, y) < 0, within the box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import contourpy
import numpy as np
import sympy
import torch
from torch import Tensor

from kanpde.problems.geometry.shapes.interface import Facet, Misshapen, Shape, lengths_of
from kanpde.problems.language import Formula, compile_expression, coordinate_symbols, derivative
from kanpde.problems.language.functions import sqrt

NODES = 401
"""Of the grid along each axis on which a level set is traced."""

PROJECTED = 4
Point = tuple[float, float]


@dataclass(frozen=True)
class Curve(Facet):
    """A connected part of f = 0, traced by a polygon and brought back to it by Newton's method along ∇f."""

    level_set: sympy.Expr
    names: tuple[str, str]
    traced: tuple[Point, ...]

    @cached_property
    def _formulas(self) -> tuple[Formula, ...]:
        """f and its slopes."""
        slopes = (derivative(self.level_set, symbol) for symbol in coordinate_symbols(self.names))
        return tuple(compile_expression(part, self.names) for part in (self.level_set, *slopes))

    @property
    def closed(self) -> bool:
        return self.traced[0] == self.traced[-1]

    @cached_property
    def _lengths(self) -> np.ndarray:
        """Along the polygon, up to each of its corners."""
        steps = np.linalg.norm(np.diff(np.array(self.traced), axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def measure(self) -> float:
        return float(self._lengths[-1])

    @cached_property
    def smallest_radius(self) -> float:
        """|∇f|³ / |f_xx f_y² - 2 f_xy f_x f_y + f_yy f_x²|, the least along it."""
        x, y = coordinate_symbols(self.names)
        f = self.level_set
        fx, fy = derivative(f, x), derivative(f, y)
        bend = derivative(fx, x) * fy**2 - 2 * derivative(fx, y) * fx * fy + derivative(fy, y) * fx**2
        points = torch.tensor(self.traced, dtype=torch.float64)
        size = self._slopes(points).square().sum(1) ** 1.5
        bends = compile_expression(bend, self.names)(points).abs()
        return float((size / bends.clamp(min=1e-300)).min())

    def place(self, unit: Tensor) -> Tensor:  # [n, 1] in (0, 1) -> [n, 2]
        along, corners = unit[:, 0].numpy() * self.measure, np.array(self.traced)
        points = torch.from_numpy(np.stack([np.interp(along, self._lengths, x) for x in corners.T], axis=1))
        for _ in range(PROJECTED):
            points = points - self.level(points)[:, None] * self.normals(points)
        return points

    def _slopes(self, points: Tensor) -> Tensor:  # [n, 2] -> [n, 2]
        return torch.stack([slope(points) for slope in self._formulas[1:]], dim=1)

    def normals(self, points: Tensor) -> Tensor:  # [n, 2] -> [n, 2]
        slopes = self._slopes(points)
        return slopes / lengths_of(slopes)[:, None]

    def level(self, points: Tensor) -> Tensor:  # [n, 2] -> [n]
        return self._formulas[0](points) / lengths_of(self._slopes(points))

    def normal_expressions(self, symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
        slopes = [derivative(self.level_set, symbol) for symbol in symbols]
        size = sqrt(sympy.Add(*(slope**2 for slope in slopes)))
        return tuple(slope / size for slope in slopes)


@dataclass(frozen=True)
class Level(Shape):
    """{(x, y): f < 0} within a box."""

    level_set: sympy.Expr
    names: tuple[str, str]
    box: tuple[Point, Point]
    curves: tuple[Curve, ...]

    @classmethod
    def traced(cls, level_set: sympy.Expr, names: tuple[str, str], lower: Point, upper: Point) -> Self:
        """The shape, its boundary found on a grid over a box.

        Raises:
            Misshapen: where the grid has no boundary, or a function that is not finite or level there.
        """
        x, y = (np.linspace(a, b, NODES) for a, b in zip(lower, upper, strict=True))
        grid = np.stack([part.ravel() for part in np.meshgrid(x, y)], axis=1)
        values = compile_expression(level_set, names)(torch.from_numpy(grid)).numpy().reshape(NODES, NODES)
        if not np.isfinite(values).all():
            raise Misshapen("a function that is finite all over the box")
        lines = map(np.asarray, contourpy.contour_generator(x, y, values).lines(0.0))
        curves = tuple(Curve(level_set, names, tuple(map(tuple, line.tolist()))) for line in lines if len(line) > 8)
        for curve in curves:
            rise = lengths_of(curve._slopes(torch.tensor(curve.traced, dtype=torch.float64)))
            if not bool((rise > 1e-9 * np.abs(values).max() / max(np.ptp(x), np.ptp(y))).all()):
                raise Misshapen("a function that is not level on its boundary")
        if not curves and not (values < 0).any():
            raise Misshapen("points inside")
        return cls(level_set, names, (lower, upper), curves)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.box

    def contains(self, points: Tensor) -> Tensor:  # [n, 2] -> bool [n]
        return compile_expression(self.level_set, self.names)(points) <= 0

    def facets(self) -> tuple[Facet, ...]:
        return self.curves

    def meets(self, box: Shape) -> bool:
        return True
