"""Coefficients given by tables: known functions of the space coordinates that no formula describes.

Every table is a sum of products, V(x, y, …) = Σ c_ij… B_i(x) C_j(y) …; an axis knows its functions B_i and their
derivatives: steps, smoothed steps, or B-splines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import scipy
import sympy
import torch
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter
from torch import Tensor

from kanpde.problems.language.functions import Elementary, Evaluation, raised
from kanpde.problems.language.refusals import ExpressionError


@dataclass(frozen=True)
class Steps:
    """Indicator functions of `count` equal cells of [low, high], each step (1 + erf((x - x_j)/smooth))/2 or sharp."""

    low: float
    high: float
    count: int
    smooth: float = 0.0  # in the unit of the coordinate

    @property
    def inner(self) -> np.ndarray:
        return np.linspace(self.low, self.high, self.count + 1)[1:-1]

    @property
    def walls(self) -> np.ndarray:
        """Where the functions jump or kink."""
        return np.array([]) if self.smooth else self.inner

    def differentiable(self, order: int) -> bool:
        return order == 0 or self.smooth > 0

    def matrix(self, x: np.ndarray, order: int) -> np.ndarray:  # [n], -> [n, count]
        """The values of all functions, or of their derivatives."""
        ones, zeros = np.full((len(x), 1), float(order == 0)), np.zeros((len(x), 1))
        return -np.diff(np.hstack([ones, self._steps(x[:, None], order), zeros]), axis=1)

    def _steps(self, x: np.ndarray, order: int) -> np.ndarray:
        if not self.smooth:
            return (x >= self.inner).astype(float)
        z = (x - self.inner) / self.smooth
        if order == 0:
            return (1 + np.asarray(scipy.special.erf(z))) / 2
        hermite = (-1) ** (order - 1) * scipy.special.eval_hermite(order - 1, z)
        return np.asarray(hermite * np.exp(-(z**2)) / math.sqrt(math.pi) / self.smooth**order)


@dataclass(frozen=True)
class Splines:
    """The B-splines of degree 1 or 3 that interpolate `count` equally spaced samples from `low` to `high`."""

    low: float
    high: float
    count: int
    degree: int

    @property
    def samples(self) -> np.ndarray:
        return np.linspace(self.low, self.high, self.count)

    @property
    def walls(self) -> np.ndarray:
        return self.samples[1:-1] if self.degree == 1 else np.array([])

    def differentiable(self, order: int) -> bool:
        return order <= (1 if self.degree == 1 else 3)

    @property
    def knots(self) -> np.ndarray:
        return np.asarray(scipy.interpolate.make_interp_spline(self.samples, np.zeros(self.count), self.degree).t)


@dataclass(frozen=True)
class Table:
    """Σ c_ij… B_i(x) C_j(y) …; `data` holds the c in double precision, last axis fastest."""

    axes: tuple[Steps | Splines, ...]
    data: bytes

    @property
    def values(self) -> np.ndarray:
        return np.frombuffer(self.data).reshape([axis.count for axis in self.axes])

    @property
    def walls(self) -> tuple[np.ndarray, ...]:
        """For each space coordinate, where the table jumps or kinks."""
        return tuple(axis.walls for axis in self.axes)

    def __call__(self, index: tuple[int, ...], *columns: Tensor) -> Tensor:  # each [n] -> [n]
        """The derivative of multi-index `index` at points, a constant where the table has been built."""
        columns = torch.broadcast_tensors(*columns)
        points = np.stack([column.detach().cpu().double().numpy() for column in columns], axis=-1)
        values = self._spline(points, nu=index) if self._spline else self._product(points, index)
        return torch.as_tensor(values).to(columns[0])

    @cached_property
    def _spline(self) -> scipy.interpolate.NdBSpline | None:
        """Evaluates the few splines that do not vanish at a point; None for cells."""
        axes = [axis for axis in self.axes if isinstance(axis, Splines)]
        if len(axes) < len(self.axes):
            return None
        return scipy.interpolate.NdBSpline(
            tuple(axis.knots for axis in axes), self.values, tuple(axis.degree for axis in axes)
        )

    def _product(self, points: np.ndarray, index: tuple[int, ...]) -> np.ndarray:  # [n, d] -> [n]
        axes = [axis for axis in self.axes if isinstance(axis, Steps)]
        parts = zip(axes, points.T, index, strict=True)
        first, *rest = (axis.matrix(column, order) for axis, column, order in parts)
        total = np.tensordot(first, self.values, 1)
        for matrix in rest:
            total = np.einsum("ni,ni...->n...", matrix, total)
        return total


def random_cells(axes: tuple[Steps, ...], low: float, high: float, seed: int) -> Table:
    """Uniformly random values, one a cell: `numpy.random.default_rng(seed).uniform(low, high, cells)`."""
    values = np.random.default_rng(seed).uniform(low, high, [axis.count for axis in axes])
    return Table(axes, values.tobytes())


def tabulated(axes: tuple[Splines, ...], samples: np.ndarray) -> Table:
    """The tensor-product spline through samples on a regular grid, ends included."""
    for number, axis in enumerate(axes):
        spline = scipy.interpolate.make_interp_spline(axis.samples, samples, axis.degree, axis=number)
        samples = np.moveaxis(spline.c, 0, number)
    return Table(axes, np.ascontiguousarray(samples, dtype=float).tobytes())


class Coefficient(Elementary):
    """A table applied to coordinate symbols; each table and each of its derivatives is a subclass."""

    table: Table
    index: tuple[int, ...]
    title: str

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        index = tuple(order + (axis == argindex - 1) for axis, order in enumerate(self.index))
        if not self.table.axes[argindex - 1].differentiable(index[argindex - 1]):
            raise ExpressionError(
                f"needs functions that can be differentiated; it takes the derivative of {self.title}, which jumps. "
                "Give it smooth: …, interpolation: cubic, or state the problem without that derivative."
            )
        return coefficient(self.title, self.table, index)(*self.args)

    @classmethod
    def evaluate(cls, *columns: Tensor) -> Tensor:
        return cls.table(cls.index, *columns)

    def operation(self) -> Evaluation:
        return type(self).evaluate, self.args, ("table", self.func)

    def _sympystr(self, printer: StrPrinter) -> str:
        names = map(str, self.args)
        steps = [f"{name}, {count}" for name, count in zip(names, self.index, strict=True) if count]
        return f"D({self.title}, {', '.join(steps)})" if steps else self.title

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        names = [name for name, count in zip(map(str, self.args), self.index, strict=True) for _ in range(count)]
        title, *letters = (printer._print(sympy.Symbol(name)) for name in (self.title, *names))
        return raised(f"{title}_{{{' '.join(letters)}}}" if letters else title, exp)


@lru_cache(maxsize=1000)
def coefficient(title: str, table: Table, index: tuple[int, ...]) -> type[Coefficient]:
    """The class of one derivative; the same one for equal tables, so that equal expressions compare equal."""
    name = f"coefficient {title} {index}"  # no name that a SymPy printer could take for one of its own
    return type(name, (Coefficient,), {"table": table, "index": index, "title": title})


def table_of(expr: sympy.Expr) -> Table | None:
    """The table behind a coefficient; None for a formula."""
    return expr.table if isinstance(expr, Coefficient) else None
