"""The paper: a KAN learns five bumps one after the other without forgetting.

    f(x) = Σ_c exp(-(x - c)²/(2·0.04²)),   c = 0.1, 0.3, 0.5, 0.7, 0.9

Each phase sees one fifth of [0, 1]; the error is measured on what earlier phases saw.
"""

import math
from statistics import median

import torch
from torch import Tensor, nn

from kanpde.models.differentiation import ChainRoute, OfParameters
from kanpde.models.networks import KAN
from kanpde.models.networks.mlp import MLP
from kanpde.solving.optimizers.levenberg_marquardt import LevenbergMarquardt
from kanpde.studies.claims.interface import Claim, Judged, Verdict

KEPT, FORGOTTEN = 1e-6, 1e-2
CENTERS = (0.1, 0.3, 0.5, 0.7, 0.9)


def bumps(x: Tensor) -> Tensor:  # [n] -> [n]
    return sum(torch.exp(-((x - c) ** 2) / (2 * 0.04**2)) for c in CENTERS)


class _Fit(OfParameters):
    """N(x) - y over the root of their number."""

    def __init__(self, network: nn.Module, x: Tensor, y: Tensor):
        self.route, self.y, self.indices = ChainRoute(network), y, ((0,),)
        self.parameters = self.route.parameters
        self.first = self.route.prepare(x, self.indices)

    def residual(self, theta: Tensor) -> Tensor:
        self.theta = theta
        with torch.no_grad():
            return (self.route.jets(self.first, self.indices)[:, 0, 0] - self.y) / math.sqrt(len(self.y))

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        self.theta = theta
        root = math.sqrt(len(self.y))
        r, J = self.route.jacobian(
            self.first, self.indices, lambda jets: (jets[:, 0, :1] - self.y[:, None]) / root
        )
        return r[:, 0], J[:, 0]


def forgotten(network: nn.Module, steps: int = 30) -> float:
    """The error on the first four fifths after all phases, each trained on its own points alone."""
    for phase in range(5):
        x = torch.linspace(0.2 * phase, 0.2 * (phase + 1), 200, dtype=torch.float64)
        fit = _Fit(network, x[:, None], bumps(x))
        fit.theta = LevenbergMarquardt().minimize(fit, fit.theta, steps, lambda iterate: None).theta
    old = torch.linspace(0, 0.8, 801, dtype=torch.float64)
    with torch.no_grad():
        return float((network(old[:, None])[:, 0] - bumps(old)).square().mean().sqrt())


def run() -> Judged:
    """One layer of splines, two layers, an MLP."""
    errors: dict[str, list[float]] = {"[1,1]": [], "[1,5,1]": [], "MLP": []}
    for seed in range(3):
        options = {"lower": [0.0], "upper": [1.0], "dtype": torch.float64}
        draw = torch.Generator().manual_seed(seed)
        errors["[1,1]"].append(forgotten(KAN([1, 1], 200, 3, generator=draw, **options)))
        errors["[1,5,1]"].append(forgotten(KAN([1, 5, 1], 50, 3, generator=draw, **options)))
        errors["MLP"].append(forgotten(MLP([1, 20, 20, 1], generator=draw, **options)))
    own = errors["[1,1]"]
    one, two, mlp = (median(errors[kind]) for kind in errors)
    verdict = Verdict.HOLDS if max(own) <= KEPT else Verdict.FAILS
    return Judged(
        "bumps", verdict, "no forgetting, shown for one layer of splines, [1,1]", one, min(own), max(own),
        f"One layer of local splines keeps what it learned ({one:.1e}); [1,5,1] does not ({two:.1e}), nor does an MLP "
        f"({mlp:.1e}): it is the local basis of a single layer that remembers, not the KAN.",
    )  # fmt: skip


CLAIM = Claim("bumps", "A KAN learns five bumps one after the other without forgetting.", run)
