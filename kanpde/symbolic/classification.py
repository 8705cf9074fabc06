"""The network that tells two classes apart, and its way to a formula: train, sparsify, prune, name, round.

    f(x) = Σ_i φ_i(x_i) + ψ(x_j)·χ(x_k),   P(second class) = σ(f)

The classes are those of a table, or localized and extended states of a lattice. An edge between them such as
αE + 2λ - 2 = 0 is a product and a sum; sums alone would have to write αE as squares of sums. Factors of more than one
input turn into each other (4αE = (α+E)² - (α-E)²), so each has one, and all pairs are tried. Every step toward the
formula is judged on the rows that were trained on by

    BIC = Σ (softplus(f) - y f) + k ln(n)/2,   k the numbers that are trained:

a simpler network is taken wherever this falls, and no held-out state is looked at.

Source of the criterion: Schwarz, Ann. Statist. 6, 461 (1978).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import sympy
import torch
from torch import Tensor
from torch.nn.functional import softplus

from kanpde.models.networks.edges import Edge, EdgeNetwork, Key, edge_network, named_edge, random_splines
from kanpde.models.networks.pruning import scores, without
from kanpde.models.univariate import B, C, D
from kanpde.solving.losses.cross_entropy import CrossEntropy
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt
from kanpde.symbolic.edge_fits import Candidate, candidates
from kanpde.symbolic.fitting import rough_rows
from kanpde.symbolic.formulas import problem_text
from kanpde.symbolic.sparsity import sparse_rows
from kanpde.symbolic.trees import expression, float_number, numbers, tree_of

OPTIMIZER = LevenbergMarquardt(floor=1e-6)
SMOOTH = ((1e-4, 40), (1e-5, 30), (1e-6, 30))
"""Weights of roughness, from much to little, and steps at each: a soft step first, then a steep one."""
RIDGE = 0.1
"""Of the splines' weights, relative to the weight of roughness: what no state decides stays small."""
SPARSE, ROUNDS, ROUND_STEPS = 1e-5, 6, 8
REFIT = 25
NAMES = ("x", "abs", "x^2", "1/x", "sqrt", "log", "exp", "cosh")
"""Functions that edges are named after by themselves."""
TRIED = 3
FIXED = (0, 1, 2, 3)
"""Of the last layer's edges: what they hand on is not changed."""


@dataclass(frozen=True, eq=False)
class Labeled:
    """The rows that are trained on: points [n, d] and labels 0 or 1 [n]."""

    points: Tensor
    labels: Tensor

    def loss(self, network: EdgeNetwork) -> float:
        """The mean cross-entropy; infinite where the network is not defined."""
        with torch.no_grad():
            logits = network(self.points)[:, 0]
            found = float((softplus(logits) - self.labels * logits).mean())
        return found if math.isfinite(found) else math.inf

    def criterion(self, network: EdgeNetwork) -> float:
        """BIC/2; least is best."""
        n = len(self.points)
        return n * self.loss(network) + network.parameter_count() * math.log(n) / 2

    def fit(self, network: EdgeNetwork, steps: int, rough: float = SMOOTH[-1][0], sparse: float = 0.0) -> None:
        """Train in place, and lay hidden grids around the activations."""
        rows = [rough_rows(network, rough**0.5), _small_rows(network, (RIDGE * rough) ** 0.5)]
        rows += [sparse_rows(network, self.points, sparse)] if sparse else []
        objective = CrossEntropy(network, self.points, self.labels, torch.cat(rows))
        ended = OPTIMIZER.minimize(objective, objective.theta, steps, lambda iterate: None)
        objective.value(ended.theta)
        network.extend(network.grid, self.points)


def _small_rows(network: EdgeNetwork, weight: float) -> Tensor:
    rows = torch.zeros(network.jacobian_width, network.jacobian_width, dtype=torch.float64)
    for _, columns, _ in network.spline_columns():
        rows[columns, columns] = weight * torch.eye(columns.stop - columns.start, dtype=torch.float64)
    return rows


@dataclass(frozen=True)
class ClassifierShape:
    """Of the network: cells and degree of its splines, whether it has a product, what edges are from the start.

    by_hand: For an input its functions, one into the sum and, where that differs, one into the product.
    """

    grid: int
    degree: int
    product: bool
    by_hand: Mapping[int, Sequence[str]]

    def masks(self, inputs: int) -> Iterator[list[Key]]:
        """Edges that are on, sparse ones alone: all inputs into the sum, one into each factor of the product."""
        into_sum = [(0, i, 0) for i in range(inputs)]
        if not self.product or inputs < 2:
            yield into_sum
            return
        for left, right in combinations(range(inputs), 2):
            yield [*into_sum, (0, left, 1), (0, right, 2)]

    def network(self, mask: Sequence[Key], data: Labeled, seed: int) -> EdgeNetwork:
        """Random splines, functions of the input itself where they are given, and lines to the output."""
        product = len({o for _, _, o in mask}) > 1
        widths = (data.points.shape[1], (1, int(product)), 1)
        random = random_splines(widths, self.grid, self.degree, torch.Generator().manual_seed(seed))
        edges = {key: random[key] for key in mask}
        edges |= {(1, node, 0): named_edge("x", fixed=FIXED) for node in range(1 + product)}
        for _, i, o in mask:
            if i in self.by_hand:
                edges[0, i, o] = named_edge(self.by_hand[i][0 if o == 0 else -1], fixed=(B, C))
        box = (end.values.tolist() for end in (data.points.min(0), data.points.max(0)))
        return edge_network(widths, edges, self.grid, self.degree, *box)


def pruned_network(data: Labeled, shape: ClassifierShape, seed: int, starts: int) -> EdgeNetwork:
    """The best by the criterion of a few random networks on each mask, trained, sparsified and pruned."""
    masks = shape.masks(data.points.shape[1])
    begun = (shape.network(mask, data, 1000 * seed + start) for mask in masks for start in range(starts))
    return min((pruned(_trained(network, data), data) for network in begun), key=data.criterion)


def _trained(network: EdgeNetwork, data: Labeled) -> EdgeNetwork:
    for rough, steps in SMOOTH:
        data.fit(network, steps, rough)
    for _ in range(ROUNDS):
        data.fit(network, ROUND_STEPS, sparse=SPARSE)
    return network


def pruned(network: EdgeNetwork, data: Labeled) -> EdgeNetwork:
    """Weakest edge first: left out where the criterion falls. Edges that were given by hand stay.

    Of those, a shift in a product would take the place: λ (cosh p - d) for λ cosh p - e^p, say, a smaller network of
    more terms. Terms that are not needed go from the formula.
    """
    network, kept = network.changed({}), {key for key, edge in network.edges.items() if edge.name is not None}
    data.fit(network, REFIT)
    while open_keys := [key for key in network.edges if key[0] == 0 and key not in kept]:
        score = scores(network, data.points)
        weakest = min(open_keys, key=score.__getitem__)
        trial = _left_out(network, weakest, data)
        network, better = _better(network, [trial] if trial is not None else [], data)
        if not better:
            kept.add(weakest)
    return network


def _left_out(network: EdgeNetwork, key: Key, data: Labeled) -> EdgeNetwork | None:
    """Without an edge; a factor's last edge takes its product along, and nothing is left of the last sum."""
    inner = [own for own in network.edges if own[0] == 0]
    if [own for own in inner if own[2] == key[2]] != [key]:
        return without(network, [key], data.points)
    first = network.layers[0].nodes
    node = first.of(key[2])
    gone = [own for own in inner if first.of(own[2]) == node]
    return network.changed(dict.fromkeys([*gone, (1, node, 0)])) if len(gone) < len(inner) else None


def _better(network: EdgeNetwork, trials: Sequence[EdgeNetwork], data: Labeled) -> tuple[EdgeNetwork, bool]:
    """The best of some simpler networks after a refit, if the criterion takes it for better."""
    for trial in trials:
        data.fit(trial, REFIT)
    best = min(trials, key=data.criterion, default=network)
    better = data.criterion(best) < data.criterion(network)
    return (best, True) if better else (network, False)


def named(network: EdgeNetwork, data: Labeled) -> EdgeNetwork:
    """Splines that can be lines become lines, then the clearest is named first; splines that nothing explains stay."""
    for library in (("x",), NAMES):
        kept = set[Key]()
        while found := {key: own for key, own in _readings(network, data, library).items() if key not in kept}:
            key = min(found, key=lambda key: found[key][0].unexplained)
            trials = [network.changed({key: candidate.edge()}) for candidate in found[key][:TRIED]]
            network, better = _better(network, trials, data)
            if not better:
                kept.add(key)
    return _rounded(network, data)


def _readings(network: EdgeNetwork, data: Labeled, names: Sequence[str]) -> dict[Key, list[Candidate]]:
    x, values = network.activations(data.points)[0].detach(), network.edge_values(data.points)
    found = {key: candidates(x[:, key[1]], values[key].detach(), names)
             for key, edge in network.edges.items() if edge.name is None}  # fmt: skip
    return {key: own for key, own in found.items() if own}


def _rounded(network: EdgeNetwork, data: Labeled) -> EdgeNetwork:
    """Shifts become 0 and rates ±1, one after the other, wherever the criterion falls."""
    for key, place in [(key, place) for key in network.edges for place in (C, B, D) if key[0] == 0]:
        edge = network.edges[key]
        if edge.name is not None and place in edge.free:
            values = edge.values.clone()
            values[place] = math.copysign(1.0, float(values[place])) if place == B else 0.0
            trial = network.changed({key: Edge(values, edge.name, (*edge.fixed, place))})
            network, _ = _better(network, [trial], data)
    return network


def is_named(network: EdgeNetwork) -> bool:
    """Whether no spline is left."""
    return all(edge.name is not None for edge in network.edges.values())


def formula_terms(network: EdgeNetwork, inputs: Sequence[str]) -> Iterator[str]:
    """What a named network is a sum of, without coefficients, in the problem language; the constant is among them."""
    tree = tree_of(network)
    symbols = [sympy.Symbol(name, real=True) for name in inputs]
    expr = sympy.expand(expression(tree, [float_number(round(value, 3)) for value in numbers(tree)], symbols))
    yield "1"
    yield from sorted(problem_text(term) for term in expr.as_coefficients_dict() if term.free_symbols)
