"""Values from elsewhere, u(m(x)) and ∫ F(x, s, u(m(x, s)), …) ds, of fields that are linear in their coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from kanpde.problems.language import (
    BoundFormula,
    Integrated,
    Jet,
    Placed,
    Remote,
    Rule,
    compile_expression,
    coordinate_symbols,
    depends_on,
    jet_expression,
    jet_slopes,
    jets_of,
)
from kanpde.problems.problem import Problem
from kanpde.references.means import NotSolved

MOST_ENTRIES = 30_000_000
"""Of the matrices of one integral, 240 MB."""

Rows = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
"""Points [n, d] and a multi-index → the matrix [n, N] from a field's coefficients to that derivative there."""


@dataclass(frozen=True, eq=False)
class RemoteValues:
    """One value from elsewhere at fixed points."""

    jet: Jet
    weights: np.ndarray  # [n, Q]
    density: BoundFormula
    slopes: dict[Jet, BoundFormula]
    matrices: dict[Jet, np.ndarray]  # [n·Q, N]
    columns: dict[Jet, slice]
    inverse: np.ndarray  # from points to the rows of the above

    def values(self, c: np.ndarray) -> np.ndarray:  # -> [n]
        found = self.density(self._jets(c)).numpy().reshape(self.weights.shape)
        return (self.weights * found).sum(1)[self.inverse]

    def jacobian(self, c: np.ndarray) -> np.ndarray:  # -> [n, unknowns]
        jets, (count, nodes) = self._jets(c), self.weights.shape
        found = np.zeros((count, len(c)))
        for jet, slope in self.slopes.items():
            factors = self.weights * slope(jets).numpy().reshape(count, nodes)
            matrix = self.matrices[jet].reshape(count, nodes, -1)
            found[:, self.columns[jet]] += np.einsum("nq,nqk->nk", factors, matrix)
        return found[self.inverse]

    def _jets(self, c: np.ndarray) -> dict[Jet, torch.Tensor]:
        return {jet: torch.from_numpy(matrix @ c[self.columns[jet]]) for jet, matrix in self.matrices.items()}


def elsewhere(problem: Problem, name: Remote, points: torch.Tensor, rows: Rows) -> RemoteValues:
    """A value from elsewhere at points [n, d].

    Raises:
        NotSolved: its matrices would be too large.
    """
    symbols, coordinates = coordinate_symbols(problem.coordinates), problem.coordinates
    whole = jet_expression((name, (0,) * len(symbols)), coordinates)
    own = [axis for axis, symbol in enumerate(coordinates) if symbol in depends_on(whole)]
    kept = points[:1].expand(len(points), -1).clone()
    kept[:, own] = points[:, own]
    kept, inverse = torch.unique(kept, dim=0, return_inverse=True)
    density = name.density if isinstance(name, Integrated) else whole
    rule = Rule(coordinates, name.spans if isinstance(name, Integrated) else ())
    nodes, weights = rule(kept)
    matrices, columns = {}, {}
    for jet in jets_of(density):
        place, (field, index) = (jet[0].place, jet[0].jet) if isinstance(jet[0], Placed) else (symbols, jet)
        there = torch.stack([compile_expression(part, rule.columns)(nodes) for part in place], dim=1)
        first = rows(there[:1].numpy(), index)
        if first.size * len(nodes) > MOST_ENTRIES:
            raise NotSolved(f"takes integrals of up to {MOST_ENTRIES} entries; there are {first.size * len(nodes)}")
        matrices[jet] = rows(there.numpy(), index)
        begin = first.size * problem.fields.index(field)
        columns[jet] = slice(begin, begin + first.size)
    slopes = {jet: compile_expression(slope, rule.columns, problem.fields).bind(nodes)
              for jet, slope in jet_slopes(density, coordinates).items()}  # fmt: skip
    bound = compile_expression(density, rule.columns, problem.fields).bind(nodes)
    return RemoteValues((name, (0,) * len(symbols)), weights.numpy(), bound, slopes, matrices, columns, inverse.numpy())
