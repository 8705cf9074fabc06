"""The paper: a KAN learns five bumps one after the other without forgetting.

    f(x) = Σ_c exp(-(x - c)²/(2·0.04²)),   c = 0.1, 0.3, 0.5, 0.7, 0.9

Each phase sees one fifth of [0, 1]; the error is measured on what earlier phases saw.
"""

from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from kanpde.models.networks import KAN, Chain
from kanpde.models.networks.mlp import MLP
from kanpde.studies.claims.interface import Claim, Judged, Judgment, Parts
from kanpde.symbolic.surrogates import approximate

KEPT, FORGOTTEN = 1e-6, 1e-2
CENTERS = (0.1, 0.3, 0.5, 0.7, 0.9)


def bumps(x: Tensor) -> Tensor:  # [n] -> [n]
    return torch.stack([torch.exp(-((x - c) ** 2) / (2 * 0.04**2)) for c in CENTERS]).sum(0)


def forgotten(network: Chain, steps: int = 30) -> float:
    """The error on the first four fifths after all phases, each trained on its own points alone."""
    for phase in range(5):
        x = torch.linspace(0.2 * phase, 0.2 * (phase + 1), 200, dtype=torch.float64)
        approximate(network, x[:, None], bumps(x), steps)
    old = torch.linspace(0, 0.8, 801, dtype=torch.float64)
    with torch.no_grad():
        return float((network(old[:, None])[:, 0] - bumps(old)).square().mean().sqrt())


def run(parts: Parts) -> Judged:
    """One layer of splines, two layers, an MLP."""
    errors: dict[str, list[float]] = {"[1,1]": [], "[1,5,1]": [], "MLP": []}
    for seed in range(3):
        options: dict[str, Any] = {"lower": [0.0], "upper": [1.0], "dtype": torch.float64}
        draw = torch.Generator().manual_seed(seed)
        for kind, network in (
            ("[1,1]", KAN([1, 1], 200, 3, generator=draw, **options)),
            ("[1,5,1]", KAN([1, 5, 1], 50, 3, generator=draw, **options)),
            ("MLP", MLP([1, 20, 20, 1], generator=draw, **options)),
        ):
            errors[kind].append(parts(f"{kind}, seed {seed}", partial(forgotten, network)))
    own = errors["[1,1]"]
    one, two, mlp = (median(errors[kind]) for kind in errors)
    verdict = Judgment.HOLDS if max(own) <= KEPT else Judgment.FAILS
    return Judged(
        "bumps", verdict, "no forgetting, shown for one layer of splines, [1,1]", one, min(own), max(own),
        f"One layer of local splines keeps what it learned ({one:.1e}); [1,5,1] does not ({two:.1e}), nor does an MLP "
        f"({mlp:.1e}): it is the local basis of a single layer that remembers, not the KAN.",
    )  # fmt: skip


CLAIM = Claim("bumps", "A KAN learns five bumps one after the other without forgetting.", run, place=5)
