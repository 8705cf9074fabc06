"""Fewer edges: rows that press small edges to zero, scores, and elimination with the error watched.

    λ Σ_e ‖φ_e‖ + entropy   as rows   √(λ_e / 2(s_e + ε)) R_e w_e,    λ_e = λ (1 + ent·(-log p_e - H)),  p_e = s_e/Σ s

reweighted every few steps; R_e is the QR factor of the edge's centered features, s_e its rms, so the rows are linear
in w and ‖R_e w‖ = ‖φ_e - mean‖.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.models.networks.edges import Edge, EdgeNetwork, Key, Nodes
from kanpde.symbolic.edge_fits import candidates
from kanpde.symbolic.fitting import fit, robust_error, size_of, weight_columns
from kanpde.symbolic.samples import Samples


def sparse_rows(network: EdgeNetwork, x: Tensor, weight: float, entropy: float = 1.0, eps: float = 1e-3) -> Tensor:
    """Rows of the reweighted L1 and entropy penalty at the present weights, [R, P]."""
    activations = network.activations(x)
    blocks, sizes = [], []
    for (depth, i, _), columns, edge in weight_columns(network):
        features = network.layers[depth].features.dense(activations[depth])[:, 0, i].detach()
        factor = torch.linalg.qr((features - features.mean(0)) / math.sqrt(len(x)), mode="r")[1]
        sizes.append((factor @ edge.values).norm())
        blocks.append((columns, factor))
    if not sizes:
        return torch.zeros(0, size_of(network), dtype=torch.float64)
    size = torch.stack(sizes)
    share = size / size.sum()
    surprise = -torch.log(share + 1e-12)
    weights = weight * (1 + entropy * (surprise - (share * surprise).sum()).clamp(min=-0.9))
    rows = []
    for (columns, factor), own, s in zip(blocks, weights, size, strict=True):
        block = factor.new_zeros(len(factor), size_of(network))
        block[:, columns] = (own / 2 / (s + eps)).sqrt() * factor
        rows.append(block)
    return torch.cat(rows)


def sparsify(network: EdgeNetwork, samples: Samples, weight: float = 1e-2, entropy: float = 1.0, rounds: int = 8):
    """Train with the penalty, reweighted every six steps; in place."""
    for _ in range(rounds):
        fit(network, samples, 6, rough=1e-4, rows=sparse_rows(network, samples.x, weight, entropy))
        network.extend(network.grid, samples.x)


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
        if not _connected(found):
            raise InputError(
                f"Pruning needs a threshold that leaves a way to the output; {threshold:g} leaves none. The largest "
                f"that does is {_largest_threshold(network, score):.3g}."
            )
        return found
    return network


def _connected(network: EdgeNetwork) -> bool:
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


def prune(network: EdgeNetwork, samples: Samples, tolerance: float, steps: int = 12) -> EdgeNetwork:
    """Weakest spline first: its mean in its place, refit, kept where the held-out error stays within `tolerance`."""
    error, kept = robust_error(network, samples), set[Key]()
    while True:
        score = scores(network, samples.x)
        left = {k: v for k, v in score.items() if k not in kept and network.edges[k].name is None}
        if not left or min(left.values()) > 0.7:
            return network
        weakest = min(left, key=lambda key: left[key])
        alone = not any(k[0] == weakest[0] and k[2] == weakest[2] and k != weakest for k in network.edges)
        if alone:  # the last edge of a sum is no candidate: a factor would vanish
            kept.add(weakest)
            continue
        trial = without(network, [weakest], samples.x)
        if not _connected(trial):
            kept.add(weakest)
            continue
        fit(trial, samples, steps)
        trial.extend(trial.grid, samples.x)
        after = robust_error(trial, samples)
        if after <= max(tolerance, 1.2 * error):
            network, error = trial, after
        else:
            kept.add(weakest)


def straighten(network: EdgeNetwork, samples: Samples, tolerance: float, steps: int = 12) -> EdgeNetwork:
    """Splines that can be lines become lines, the straightest first."""
    kept: set[Key] = set()
    while True:
        activations, values, lines = network.activations(samples.x), network.edge_values(samples.x), []
        for key, edge in network.edges.items():
            if edge.name is None and key not in kept:
                found = candidates(activations[key[0]][:, key[1]].detach(), values[key].detach(), ["x"])
                lines += [(found[0].unexplained, key, found[0])] if found else []
        if not lines or min(line[0] for line in lines) > 0.3:
            return network
        _, key, line = min(lines, key=lambda entry: entry[:2])
        trial = network.changed({key: line.edge()})
        fit(trial, samples, steps)
        trial.extend(trial.grid, samples.x)
        if robust_error(trial, samples) <= tolerance:
            network = trial
        else:
            kept.add(key)
