"""A trained field that can be called: values and derivatives anywhere in the domain."""

from collections.abc import Mapping

import numpy as np
import torch
from sympy import Expr
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.differentiation import route_for
from kanpde.models.jets import IndexSet, closure
from kanpde.models.learned_constants import learned_values
from kanpde.problems.language import Jet, Scope, compile_expression, parse_expression
from kanpde.problems.problem import Problem
from kanpde.solving.ansatz.interface import Ansatz

CHUNK = 8192


def named_jets(jets: Tensor, fields: tuple[str, ...], indices: IndexSet) -> Mapping[Jet, Tensor]:  # [n, s, fields]
    """The columns of a bundle by field and multi-index, as formulas ask for them."""
    return {(name, index): jets[:, s, f] for f, name in enumerate(fields) for s, index in enumerate(indices)}


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

    def __call__(self, points) -> np.ndarray:  # [n, d] -> [n, fields]
        """Values of all fields."""
        return self.jets(points, closure((), len(self.problem.coordinates)))[:, 0].cpu().double().numpy()

    def derivative(self, expression: str, points) -> np.ndarray:  # [n, d] -> [n]
        """Any expression in the fields, their derivatives and the coordinates, as "u_x" or "u_xx + u_yy".

        Raises:
            InputError: If the expression uses a name that the problem does not have.
        """
        problem = self.problem
        time = None if problem.time is None else problem.coordinates[problem.time]
        family = tuple(problem.coordinates[axis] for axis in problem.family)
        scope = Scope(problem.coordinates, problem.fields, time=time, family=family, vectors=problem.vectors)
        return self.evaluate(parse_expression(expression, scope, "derivative"), points)

    def evaluate(self, expr: Expr, points) -> np.ndarray:  # [n, d] -> [n]
        """A parsed expression, such as the residual of one of the problem's equations."""
        formula = compile_expression(expr, self.problem.coordinates, self.problem.fields)
        indices = closure((index for _, index in formula.jets), len(self.problem.coordinates))
        x = self._points(points)
        with torch.no_grad():
            values = formula(x, named_jets(self.jets(x, indices), self.problem.fields, indices), self.learned)
        return values.cpu().double().numpy()

    def jets(self, points, indices: IndexSet) -> Tensor:  # [n, d] -> [n, s, fields]
        """∂_α of every field for a downward-closed set of multi-indices."""
        x, route = self._points(points), route_for(self.network)
        with torch.no_grad():
            parts = [
                self.ansatz.bind(part, indices)(route.jets(route.prepare(part, indices), indices))
                for part in x.split(CHUNK)
            ]
        return torch.cat(parts)

    def _points(self, points) -> Tensor:
        like = next(self.network.parameters())
        x = torch.as_tensor(points if isinstance(points, Tensor) else np.array(points, dtype=float)).to(like)
        if x.ndim != 2 or x.shape[1] != len(self.problem.coordinates):
            raise InputError(
                f"Points must be a table [n, {len(self.problem.coordinates)}] of "
                f"({', '.join(self.problem.coordinates)}); shape {tuple(x.shape)} came. Give one row per point."
            )
        return x
