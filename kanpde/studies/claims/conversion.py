"""Critics: a KAN is an MLP. For degree-1 splines it is one, exactly, with more numbers where grids are shared."""

from statistics import median

import torch

from kanpde.models.networks import KAN
from kanpde.studies.claims.interface import Claim, Judged, Judgment, Parts

EXACT = 1e-13
SHAPES = [([1, 1], 20), ([2, 5, 1], 20), ([3, 4, 4, 2], 5)]


def run(parts: Parts) -> Judged:
    """The largest relative difference of each KAN and its ReLU form, inside and outside of the grids."""
    worst, sizes = [], []
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        differences = []
        for widths, grid in SHAPES:
            kan = KAN(widths, grid, 1, dtype=torch.float64, generator=generator)
            mlp = kan.to_mlp()
            x = 3 * torch.rand(2000, widths[0], generator=generator, dtype=torch.float64) - 1.5
            with torch.no_grad():
                known, found = kan(x), mlp(x)
            differences.append(float((found - known).abs().max() / known.abs().max()))
            sizes.append(mlp.parameter_count() / kan.parameter_count())
        worst.append(max(differences))
    holds = max(worst) <= EXACT
    return Judged(
        "conversion", Judgment.HOLDS if holds else Judgment.FAILS, "equal function (critics; no figure)", median(worst),
        min(worst), max(worst),
        f"A KAN of degree-1 splines equals its ReLU form to rounding; the MLP has {min(sizes):.1f} to {max(sizes):.1f} "
        "times as many numbers, because it does not share a grid among edges. Smoother splines have no such form.",
    )  # fmt: skip


CLAIM = Claim("conversion", "A KAN with degree-1 splines is an MLP of ReLUs, exactly.", run, place=7)
