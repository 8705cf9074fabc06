"""Fewer edges: rows that press small edges to zero, scores, and elimination with the error watched.

    λ Σ_e ‖φ_e‖ + entropy   as rows   √(λ_e / 2(s_e + ε)) R_e w_e,    λ_e = λ (1 + ent·(-log p_e - H)),  p_e = s_e/Σ s

reweighted every few steps; R_e is the QR factor of the edge's centered features, s_e its rms, so the rows are linear
in w and ‖R_e w‖ = ‖φ_e - mean‖.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanpde.models.networks.edges import EdgeNetwork, Key
from kanpde.models.networks.pruning import connected, scores, without
from kanpde.models.networks.sparse_edges import surprise
from kanpde.symbolic.edge_fits import candidates
from kanpde.symbolic.fitting import fit, residuals, robust_error
from kanpde.symbolic.samples import Samples

FIRST, AGAIN = 8, 3
"""Rounds of six steps: of all edges, and after a node is left out."""


def sparse_rows(network: EdgeNetwork, x: Tensor, weight: float, entropy: float = 1.0, eps: float = 1e-3) -> Tensor:
    """Rows of the reweighted L1 and entropy penalty at the present weights, [R, P]."""
    factors, sizes = _sized(network, x)
    rows = [torch.zeros(0, network.jacobian_width, dtype=torch.float64)]
    told = surprise(sizes)
    weights = weight * (1 + entropy * (told - (sizes / sizes.sum() * told).sum()).clamp(min=-0.9))
    for (columns, factor), own, s in zip(factors, weights, sizes, strict=True):
        block = factor.new_zeros(len(factor), network.jacobian_width)
        block[:, columns] = (own / 2 / (s + eps)).sqrt() * factor
        rows.append(block)
    return torch.cat(rows)


def _sized(network: EdgeNetwork, x: Tensor) -> tuple[list[tuple[slice, Tensor]], Tensor]:  # -> …, [E]
    """Of every spline its columns and R, and all sizes ‖R w‖."""
    activations, factors, sizes = network.activations(x), [], [x.new_zeros(0)]
    for (depth, i, _), columns, values in network.spline_columns():
        features = network.layers[depth].features.dense(activations[depth])[:, 0, i].detach()
        factor = torch.linalg.qr((features - features.mean(0)) / math.sqrt(len(x)), mode="r")[1]
        factors.append((columns, factor))
        sizes.append((factor @ values).norm()[None])
    return factors, torch.cat(sizes)


def sparsify(network: EdgeNetwork, samples: Samples, weight: float = 1e-2, entropy: float = 1.0) -> EdgeNetwork:
    """Train with the penalty, then without one node after the other, the weakest first, where that lowers

        Σ_n (N(x_n) - y_n)²/N + λ/2 Σ_e s_e (1 - ent·log p_e)

    Descent alone ends in many minima: often two nodes share what one can do, and no small step moves it there.
    """
    network, kept = network.changed({}), set[Key]()
    _pressed(network, samples, weight, entropy, FIRST)
    least = penalized(network, samples, weight, entropy)
    while True:
        score = {key: value for key, value in scores(network, samples.x).items() if key[0] > 0 and key not in kept}
        if not score:
            return network
        weakest = min(score, key=lambda key: score[key])
        kept.add(weakest)
        trial = without(network, [weakest], samples.x)
        if connected(trial):
            _pressed(trial, samples, weight, entropy, AGAIN)
            loss = penalized(trial, samples, weight, entropy)
            network, least = (trial, loss) if loss < least else (network, least)


def _pressed(network: EdgeNetwork, samples: Samples, weight: float, entropy: float, rounds: int) -> None:
    """Train with the penalty, reweighted every six steps; in place."""
    for _ in range(rounds):
        fit(network, samples, 6, rough=1e-4, rows=sparse_rows(network, samples.x, weight, entropy))
        network.extend(network.grid, samples.x)


def penalized(network: EdgeNetwork, samples: Samples, weight: float, entropy: float) -> float:
    """The loss that `sparsify` lowers; infinite where the network is not defined."""
    _, sizes = _sized(network, samples.x)
    penalty = weight / 2 * float((sizes * (1 + entropy * surprise(sizes))).sum())
    loss = float(residuals(network, samples.x, samples.y).square().mean()) + penalty
    return loss if math.isfinite(loss) else math.inf


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
        if not connected(trial):
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
