"""CPU milliseconds of a step of Levenberg–Marquardt at the size of Burgers' equation, and where the steps came to.

    PYTHONPATH=FOLDER python tests/benchmarks/step_alone.py      of the code in another checkout

Of the names that versions share; `lm_step.py --against FOLDER` has two checkouts take turns.
"""

import statistics
import time

import torch

from kanpde.models.networks import KAN
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.residuals import bind, build_blocks, draw
from kanpde.solving.optimizers import LevenbergMarquardt
from kanpde.solving.training.allocation import keep_freed_memory

POINTS, STEPS, ROUNDS = 4440, 8, 5


def main() -> None:
    keep_freed_memory()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    problem = load_problem("burgers")
    ansatz = exact_ansatz(problem)
    blocks = build_blocks(problem, ansatz, 1.0, torch.float64)
    samples = draw(problem, blocks, SobolSampling(), POINTS, 0)
    torch.manual_seed(0)
    network = KAN([2, 8, 1], 32, 5, lower=problem.domain.lower, upper=problem.domain.upper)
    objective = bind(network, problem, ansatz, blocks, samples)
    first, method, times = objective.theta.clone(), LevenbergMarquardt(tolerance=0), []
    for _ in range(1 + ROUNDS):
        begun = time.process_time()
        ended = method.minimize(objective, first.clone(), STEPS, lambda iterate: None)
        times.append(1e3 * (time.process_time() - begun) / STEPS)
    print(f"{statistics.median(times[1:]):.2f} {ended.loss:.12e}")


if __name__ == "__main__":
    main()
