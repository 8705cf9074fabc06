"""What an edge does for the output, and networks without some of their edges.

    score of φ_e = rms((φ_e - mean) · ∂output/∂(what it leads to))

An edge that is switched off leaves its mean to another edge of the same sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.models.networks.edges import Edge, EdgeNetwork, Key, Nodes


def scores(network: EdgeNetwork, x: Tensor) -> dict[Key, float]:
    """How much of the output hangs on each edge: rms of (φ_e - mean) times the output's slope in what it leads to."""
    with torch.enable_grad():
        jet, sums = network.inputs(x).detach()[:, None], []
        for layer in network.layers:
            received = layer.sums(jet[:, 0])
            if not received.requires_grad:
                received.requires_grad_()
            sums.append(received)
            jet = layer.joined(received[:, None], ((0,),))
        slopes = torch.autograd.grad(jet.sum(), sums, allow_unused=True)
    found = {}
    for (depth, i, o), values in network.edge_values(x).items():
        centered = values.detach() - values.detach().mean()
        slope = torch.zeros_like(centered) if slopes[depth] is None else slopes[depth][:, o]
        found[depth, i, o] = float((centered * slope).square().mean().sqrt())
    return found


def attribution(network: EdgeNetwork, x: Tensor) -> list[float]:
    """What share of all scores leaves each input; they sum to one."""
    first = {key: value for key, value in scores(network, x).items() if key[0] == 0}
    total = sum(first.values()) or 1.0
    return [sum(value for key, value in first.items() if key[1] == i) / total for i in range(network.inputs.size)]


def without_loose_ends(network: EdgeNetwork) -> EdgeNetwork:
    """Edges that lead to a node nothing leaves are switched off, from the last layer up."""
    edges = network.edges
    for depth in range(len(network.layers) - 2, -1, -1):
        nodes: Nodes = network.layers[depth].nodes
        used = {i for own, i, _ in edges if own == depth + 1}
        edges = {key: edge for key, edge in edges.items() if key[0] != depth or nodes.of(key[2]) in used}
    gone = {key: None for key in network.edges if key not in edges}
    return network.changed(gone) if gone else network


def without(network: EdgeNetwork, keys: list[Key], x: Tensor) -> EdgeNetwork:
    """The network with edges switched off, each one's mean added to another edge of the same sum."""
    edges, values = network.edges, network.edge_values(x)
    changes: dict[Key, Edge | None] = dict.fromkeys(keys)
    for key in keys:
        heirs = [k for k in edges if k[0] == key[0] and k[2] == key[2] and k not in keys]
        if heirs:
            heir = heirs[0]
            changes[heir] = shifted(changes.get(heir) or edges[heir], float(values[key].detach().mean()))
    return without_loose_ends(network.changed(changes))


def shifted(edge: Edge, constant: float) -> Edge:
    """φ + constant; the splines of an edge sum to one."""
    if edge.name is None:
        return Edge(edge.values + constant)
    return Edge(edge.values + torch.tensor([0.0, 0.0, 0.0, constant]), edge.name, edge.fixed)


def cut(network: EdgeNetwork, threshold: float, x: Tensor) -> EdgeNetwork:
    """Switch off every spline whose score is below a share of the largest.

    Raises:
        InputError: Nothing would be left of the output; the largest threshold that leaves something is named.
    """
    score = scores(network, x)
    most = max(score.values())
    weak = [key for key, value in score.items() if value < threshold * most]
    if weak:
        found = without(network, weak, x)
        if not connected(found):
            raise InputError(
                f"Pruning needs a threshold that leaves a way to the output; {threshold:g} leaves none. The largest "
                f"that does is {_largest_threshold(network, score):.3g}."
            )
        return found
    return network


def connected(network: EdgeNetwork) -> bool:
    """Whether each layer still has edges, so that the output depends on an input."""
    return {key[0] for key in network.edges} == set(range(len(network.layers)))


def _largest_threshold(network: EdgeNetwork, score: Mapping[Key, float]) -> float:
    """The strongest path's weakest edge, relative to the strongest edge."""
    best = dict.fromkeys(range(network.inputs.size), math.inf)
    for depth, layer in enumerate(network.layers):
        reached: dict[int, float] = {}
        for (own, i, o), value in score.items():
            if own == depth and i in best:
                node = layer.nodes.of(o)
                reached[node] = max(reached.get(node, 0.0), min(best[i], value))
        best = reached
    return max(best.values(), default=0.0) / max(score.values())
