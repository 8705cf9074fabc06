"""Integrals of what is known at points: Gauss–Legendre nodes between limits that may depend on the coordinates.

∫_a^b f(x, s) ds ≈ (b - a)/2 Σ_q ω_q f(x, (a + b)/2 + ξ_q (b - a)/2)

Over a domain of shapes the points and weights of its filling stand in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy
import torch
from sympy.printing.str import StrPrinter
from torch import Tensor

from kanpde.problems.language.arithmetic import number_of
from kanpde.problems.language.formulas import Formula, compile_expression
from kanpde.problems.language.functions import Elementary, Evaluation
from kanpde.problems.language.remotes import Span, variable_of

NODES, MOVING = {1: 64, 2: 20, 3: 10}, {1: 24, 2: 12, 3: 8}
"""Nodes along an axis, by the number of variables; fewer between limits that differ from point to point."""


@dataclass(frozen=True)
class Rule:
    """Nodes and weights for the spans of an integral; one node of weight 1 where there is none.

    Attributes:
        coordinates: Names of the columns of base points; those of nodes have the variables of integration besides.
        spans: The variables and their limits.
    """

    coordinates: tuple[str, ...]
    spans: tuple[Span, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of nodes."""
        return *self.coordinates, *(span.variable.name for span in self.spans)

    @property
    def count(self) -> int:
        """Nodes at each base point."""
        return len(self._unit[1])

    @property
    def _unit(self) -> tuple[np.ndarray, np.ndarray]:  # -> [Q, spans], [Q]
        """Nodes between -1 and 1, in a filling those themselves, and weights."""
        limited = [span for span in self.spans if span.filling is None]
        moving = any(end.free_symbols for span in limited for end in (span.lower, span.upper))
        count = (MOVING if moving else NODES)[min(len(limited), 3)] if limited else 1
        nodes, weights = _unit(len(limited), count)
        filling = next((span.filling for span in self.spans if span.filling is not None), None)
        if filling is None:
            return nodes, weights
        columns = {span.variable.name: column for span, column in zip(limited, nodes.T, strict=True)}
        several = len(filling.weights)
        own = {variable_of(name).name: column for name, column in zip(filling.variables, filling.points.T, strict=True)}
        both = {name: np.repeat(column, several) for name, column in columns.items()}
        both |= {name: np.tile(column, len(weights)) for name, column in own.items()}
        order = [both[span.variable.name] for span in self.spans]
        return np.stack(order, axis=1), np.outer(weights, filling.weights).ravel()

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:  # [n, d] -> [n·Q, d + spans], [n, Q]
        """Nodes for every base point, one point's after the other's, and their weights."""
        unit, weights = (torch.from_numpy(part).to(points) for part in self._unit)
        base = points[:, None, :].expand(-1, len(unit), -1)
        columns, factor = [], points.new_ones(len(points))
        for place, span in enumerate(self.spans):
            if span.filling is not None:
                columns.append(unit[:, place].expand(len(points), -1))
                continue
            low, high = (limit(points) for limit in _limits(span, self.coordinates))
            columns.append((low + high)[:, None] / 2 + (high - low)[:, None] / 2 * unit[:, place])
            factor = factor * (high - low) / 2
        nodes = torch.cat([base, *(column[..., None] for column in columns)], dim=-1)
        return nodes.flatten(0, 1), factor[:, None] * weights


@lru_cache
def _unit(variables: int, count: int) -> tuple[np.ndarray, np.ndarray]:  # -> [Q, variables], [Q]
    if not variables:
        return np.zeros((1, 0)), np.ones(1)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*[nodes] * variables, indexing="ij")], axis=1)
    return grid, np.prod(np.meshgrid(*[weights] * variables, indexing="ij"), axis=0).ravel()


@lru_cache(maxsize=1000)
def _limits(span: Span, coordinates: tuple[str, ...]) -> tuple[Formula, Formula]:
    return compile_expression(span.lower, coordinates), compile_expression(span.upper, coordinates)


class Summed(Elementary):
    """∫ f ds of a known f, a function of the coordinates it is applied to; each one is a subclass."""

    formula: Formula
    rule: Rule

    @classmethod
    def evaluate(cls, *columns: Tensor) -> Tensor:
        points = torch.stack(torch.broadcast_tensors(*columns), dim=-1)
        flat = points.reshape(-1, points.shape[-1])
        nodes, weights = cls.rule(flat)
        return (cls.formula(nodes).reshape(weights.shape) * weights).sum(1).reshape(points.shape[:-1])

    @staticmethod
    def total(density: sympy.Expr, spans: tuple[Span, ...]) -> Tensor:
        """The integral where it depends on nothing."""
        nodes, weights = Rule((), spans)(torch.zeros(1, 0, dtype=torch.float64))
        columns = tuple(span.variable.name for span in spans)
        return compile_expression(density, columns)(nodes) @ weights[0]

    def operation(self) -> Evaluation:
        return type(self).evaluate, self.args, ("summed", self.func)

    def _sympystr(self, printer: StrPrinter) -> str:
        return f"integral({self.func.density})"


@lru_cache(maxsize=1000)
def summed(density: sympy.Expr, spans: tuple[Span, ...], symbols: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    """The integral of a density without fields."""
    if density == 0:
        return sympy.S.Zero
    ends = {symbol for span in spans for end in (span.lower, span.upper) for symbol in end.free_symbols}
    symbols = tuple(symbol for symbol in symbols if symbol in density.free_symbols | ends)
    if not symbols:
        return number_of(float(Summed.total(density, spans)))
    rule = Rule(tuple(symbol.name for symbol in symbols), spans)
    own = {"density": density, "rule": rule, "formula": compile_expression(density, rule.columns)}
    return type(f"integral {hash((density, spans))}", (Summed,), own)(*symbols)
