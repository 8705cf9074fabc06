"""Speed of one KAN layer, forward and backward, against an MLP with as many parameters.

    python tests/benchmarks/layer_speed.py [--threads 2]

16 → 16, cubic splines beside SiLU left out, 10⁴ points, float64; the MLP is 16 → h → 16 with tanh.
"""

import argparse

import torch
from timing import milliseconds

from kanpde.models.networks import KAN
from kanpde.solving.training.allocation import keep_freed_memory

POINTS, WIDTH, DEGREE = 10_000, 16, 3


def mlp_of(parameters: int) -> torch.nn.Module:
    hidden = max(1, round((parameters - WIDTH) / (2 * WIDTH + 1)))
    return torch.nn.Sequential(torch.nn.Linear(WIDTH, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, WIDTH))


def kan_layer(grid: int, degree: int) -> torch.nn.Module:
    """A layer as it stands in a network: splines on a grid per input, and the linear map."""
    return KAN([WIDTH, WIDTH], grid, degree).layers[0]


def passes(network: torch.nn.Module):
    """One forward and one backward pass, with gradients for the parameters and the points."""
    points = (2 * torch.rand(POINTS, WIDTH) - 1).requires_grad_()

    def run() -> None:
        network.zero_grad()
        points.grad = None
        network(points).square().sum().backward()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--degree", type=int, default=DEGREE)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    kans = {grid: kan_layer(grid, options.degree) for grid in (5, 20, 50, 200)}
    print(f"{options.threads} threads, degree {options.degree}, {POINTS} points, {WIDTH} -> {WIDTH}, float64")
    print("grid  parameters  KAN ms  MLP ms  ratio")
    for grid, kan in kans.items():
        parameters = kan.weight.numel()
        mlp = mlp_of(parameters)
        times = milliseconds({"kan": passes(kan), "mlp": passes(mlp)})
        ratio = times["kan"] / times["mlp"]
        print(f"{grid:4d}  {parameters:10d}  {times['kan']:6.1f}  {times['mlp']:6.1f}  {ratio:5.2f}")
    times = milliseconds({"20": passes(kans[20]), "200": passes(kans[200])})
    print(f"cost of a point, G=200 over G=20: {times['200'] / times['20']:.2f}")


if __name__ == "__main__":
    main()
