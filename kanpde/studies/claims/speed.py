"""Critics and the paper itself: KANs train ten times slower than MLPs.

Step for step, one gradient of a fit's loss at 1000 points, and one step of Levenberg–Marquardt, for a KAN and an MLP of
as many parameters; medians of repeats. With the package `pykan` installed (extra `peers`) its layers run beside, in the
same process.
"""

import importlib.util
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import nn

from kanpde.models.networks import KAN, MLP, Chain
from kanpde.studies.claims.interface import Claim, Judged, Judgment, Parts
from kanpde.symbolic.surrogates import approximate

POINTS, REPEATS, SLOWER = 1000, 7, 10.0
SIZES = {"small": ((2, 5, 1), (2, 11, 11, 1)), "large": ((2, 20, 20, 1), (2, 63, 63, 1))}
"""KAN and MLP widths of about as many parameters; grid 10, degree 3."""


def _seconds(call: Callable[[], object]) -> float:
    call()
    found = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return median(found)


def gradient_seconds(network: nn.Module) -> float:
    """One gradient of the mean square at fixed points."""
    x = torch.rand(POINTS, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.sin(3 * x[:, 0]) * x[:, 1]

    def step() -> None:
        network.zero_grad()
        (network(x)[:, 0] - y).square().mean().backward()

    return _seconds(step)


def step_seconds(network: Chain) -> float:
    """One step of Levenberg–Marquardt."""
    x = torch.rand(POINTS, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.sin(3 * x[:, 0]) * x[:, 1]
    return _seconds(lambda: approximate(network, x, y, 1))


def compared(size: str) -> dict[str, float]:
    """Seconds of both models, and pykan's where it is installed."""
    kan_widths, mlp_widths = SIZES[size]
    draw = torch.Generator().manual_seed(0)
    kan = KAN(kan_widths, 10, 3, base="silu", dtype=torch.float64, generator=draw)
    mlp = MLP(mlp_widths, dtype=torch.float64, generator=draw)
    found: dict[str, float] = {"kan_parameters": kan.parameter_count(), "mlp_parameters": mlp.parameter_count()}
    found |= {"kan_gradient": gradient_seconds(kan), "mlp_gradient": gradient_seconds(mlp)}
    if size == "small":
        found |= {"kan_step": step_seconds(kan), "mlp_step": step_seconds(mlp)}
    if importlib.util.find_spec("kan") is not None:
        found["pykan_gradient"] = gradient_seconds(_pykan(kan_widths))
    return found


def _pykan(widths: tuple[int, ...]) -> nn.Module:
    """pykan's network of the same shape, without the records it keeps by default."""
    peer = importlib.import_module("kan")
    network = peer.KAN(width=list(widths), grid=10, k=3, seed=0, auto_save=False).double()
    return network.speed()


def run(parts: Parts) -> Judged:
    found = {size: parts(size, partial(compared, size)) for size in SIZES}
    ratios = [row["kan_gradient"] / row["mlp_gradient"] for row in found.values()]
    step = found["small"]["kan_step"] / found["small"]["mlp_step"]
    peers = [row["pykan_gradient"] / row["kan_gradient"] for row in found.values() if "pykan_gradient" in row]
    beside = f"pykan's gradients take {min(peers):.1f} to {max(peers):.1f} times ours" if peers else \
        "pykan is not installed (extra peers)"  # fmt: skip
    holds = min(ratios) >= SLOWER
    return Judged(
        "speed", Judgment.HOLDS if holds else Judgment.FAILS if max(ratios) < SLOWER else Judgment.OPEN,
        "about ten times slower, for as many parameters", median(ratios), min(ratios), max(ratios),
        f"A gradient of our KAN takes {min(ratios):.1f} to {max(ratios):.1f} times that of an MLP of as many "
        f"parameters, a step of Levenberg–Marquardt {step:.1f} times; {beside}. To equal error the claim on "
        "Poisson compares.",
        "times an MLP's seconds for a gradient, over two sizes",
    )  # fmt: skip


CLAIM = Claim("speed", "KANs train ten times slower than MLPs.", run, place=8)
