"""Speed of residual and Jacobian: exact jets with one backward pass against nested autograd with `jacrev`.

    python tests/benchmarks/engine_speed.py [--threads 2]

poisson_2d, KAN [2, 10, 1], 3000 points, float64; both routes differentiate the same network at the same points.
"""

import argparse

import torch
from timing import milliseconds

from kanpde.models.differentiation import ChainRoute, NestedRoute
from kanpde.models.networks import KAN
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.residuals import bind, build_blocks, draw
from kanpde.solving.training.allocation import keep_freed_memory

POINTS = 3000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--grid", type=int, default=10)
    parser.add_argument("--degree", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    torch.set_default_dtype(torch.float64)
    problem = load_problem("poisson_2d")
    ansatz = exact_ansatz(problem)
    blocks = build_blocks(problem, ansatz, 1.0, torch.float64)
    samples = draw(problem, blocks, SobolSampling(), POINTS, seed=0)
    network = KAN([2, 10, 1], options.grid, options.degree)
    fast = bind(network, problem, ansatz, blocks, samples, ChainRoute)
    slow = bind(network, problem, ansatz, blocks, samples, NestedRoute)
    theta = fast.theta
    jacobian = fast.linearize(theta)[1]
    difference = (jacobian - slow.linearize(theta)[1]).abs().max() / jacobian.abs().max()
    times = milliseconds(
        {"jets": lambda: fast.linearize(theta), "nested": lambda: slow.linearize(theta)}, rounds=3, warmup=1
    )
    print(f"{options.threads} threads, {theta.numel()} parameters, {POINTS} points, float64")
    print(f"largest relative difference of the Jacobians {difference:.1e}")
    print(f"jets {times['jets']:.1f} ms, nested {times['nested']:.1f} ms, ratio {times['nested'] / times['jets']:.0f}")


if __name__ == "__main__":
    main()
