"""Splines become named functions one by one, in context: the whole network is refitted each time, and undone on rise.

The clearest match goes first; its best candidates by 1 - R² and complexity are each tried in the network, because
what looks alike on one edge does not in the whole. A lone edge into a product beside a sum has a gauge: its constant
could move into the sum, so such edges go first, with the constant held at zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from kanpde.models.networks.edges import Edge, EdgeNetwork, Key
from kanpde.models.networks.pruning import scores, without
from kanpde.models.univariate import LIBRARY, D
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt
from kanpde.symbolic.edge_fits import Candidate, candidates, ranked
from kanpde.symbolic.fitting import FINAL, allowed, fit, robust_error
from kanpde.symbolic.samples import Samples

CAREFUL = LevenbergMarquardt(floor=1e-6, damping=1e-3)
FLOOR = 1e-13
IDLE = 30.0
"""How many times the error an edge's score may be for the edge to be tried without."""


@dataclass(frozen=True, eq=False)
class Snapped:
    """The network with named edges, and the keys of those that no function explains."""

    network: EdgeNetwork
    failed: tuple[Key, ...]

    @property
    def complexity(self) -> int:
        return complexity(self.network)


def complexity(network: EdgeNetwork) -> int:
    """The sum over edges; a spline counts as much as the most complex function and more."""
    return sum(LIBRARY[edge.name].complexity if edge.name else 8 for edge in network.edges.values())


def edge_candidates(
    network: EdgeNetwork, key: Key, samples: Samples, names: Sequence[str] | None = None
) -> list[Candidate]:
    """Readings of one edge at its own activations, the best fit first."""
    x = network.activations(samples.x)[key[0]][:, key[1]].detach()
    return candidates(x, network.edge_values(samples.x)[key].detach(), names)


def snap(
    network: EdgeNetwork,
    samples: Samples,
    tolerance: float,
    names: Sequence[str] | None = None,
    beam: int = 4,
) -> Snapped:
    """Name all splines, as far as the held-out error allows."""
    failed: set[Key] = set()
    error = max(robust_error(network, samples), 1e-14)
    while open_keys := [key for key, edge in network.edges.items() if edge.name is None and key not in failed]:
        floor = max(FLOOR, (3 * error) ** 2)
        found = {key: ranked(edge_candidates(network, key, samples, names), floor) for key in open_keys}
        key = _clearest(network, found, floor)
        trial, after = _without(network, key, samples)
        if trial is None or after > max(tolerance, allowed(error, 0.0)):
            trial, after = _best_in_context(network, key, found[key][:beam], samples)
        if trial is not None and after <= max(tolerance, allowed(error, 0.0)):
            network, error = trial, max(min(error, after), 1e-14)
            failed = set()
        else:
            failed.add(key)
    if not failed:
        fit(network, samples, 100, optimizer=FINAL)
    return Snapped(network, tuple(sorted(failed)))


def _without(network: EdgeNetwork, key: Key, samples: Samples) -> tuple[EdgeNetwork | None, float]:
    """The network without an edge on which nothing hangs any more."""
    alone = not any(k[0] == key[0] and k[2] == key[2] and k != key for k in network.edges)
    if alone or scores(network, samples.x)[key] > IDLE * max(robust_error(network, samples), FLOOR):
        return None, math.inf
    trial = without(network, [key], samples.x)
    fit(trial, samples, 10, optimizer=CAREFUL)
    return trial, robust_error(trial, samples)


def _clearest(network: EdgeNetwork, found: dict[Key, list[Candidate]], floor: float) -> Key:
    order = sorted(found, key=lambda key: found[key][0].score(floor) if found[key] else math.inf)
    return next((key for key in order if has_gauge(network, key)), order[0])


def has_gauge(network: EdgeNetwork, key: Key) -> bool:
    """Whether the edge alone is a factor of a product beside sums."""
    nodes = network.layers[key[0]].nodes
    alone = sum(1 for own in network.edges if own[0] == key[0] and own[2] == key[2]) == 1
    return nodes.products > 0 and nodes.sums > 0 and key[2] >= nodes.sums and alone


def _best_in_context(
    network: EdgeNetwork, key: Key, found: Sequence[Candidate], samples: Samples
) -> tuple[EdgeNetwork | None, float]:
    """The candidate that serves the whole network best after a refit."""
    best, figure, error = None, math.inf, math.inf
    for candidate in found:
        trial = network.changed({key: snapped_edge(network, key, candidate)})
        fit(trial, samples, 40, optimizer=CAREFUL)
        if not all(bool(parameter.isfinite().all()) for parameter in trial.parameters()):
            continue
        after = robust_error(trial, samples)
        if not math.isfinite(after):
            continue
        trial.extend(trial.grid, samples.x)
        after = robust_error(trial, samples)
        own = math.log10(max(after, 1e-12)) + 0.2 * LIBRARY[candidate.name].complexity
        if own < figure:
            best, figure, error = trial, own, after
    return best, error


def snapped_edge(network: EdgeNetwork, key: Key, candidate: Candidate) -> Edge:
    """The candidate as an edge of this network, its constant held at zero where it has a gauge."""
    edge = candidate.edge()
    if not has_gauge(network, key):
        return edge
    values = edge.values.clone()
    values[D] = 0.0
    return Edge(values, edge.name, (D,))


def explained(network: EdgeNetwork, named: EdgeNetwork, samples: Samples) -> dict[Key, float]:
    """R² of every edge: how far the named one is the spline it came from; 0 where it stays a spline."""
    before, found = network.edge_values(samples.x), {}
    with torch.no_grad():
        after = named.edge_values(samples.x)
    for key, edge in named.edges.items():
        if edge.name is None or key not in before:
            found[key] = 0.0 if edge.name is None else 1.0
            continue
        u, v = after[key], before[key].detach()
        a = torch.stack([u, torch.ones_like(u)], dim=1)
        rest = v - a @ torch.linalg.lstsq(a, v[:, None]).solution[:, 0]
        total = (v - v.mean()).square().sum()
        found[key] = 1 - float(rest.square().sum() / total) if total > 1e-20 else 1.0
    return found
