"""A step of Levenberg–Marquardt at the size of Burgers' equation: what each way to hold J costs, in ratios of one run.

    python tests/benchmarks/lm_step.py [--threads 1]       CPU time of the ways to form JᵀJ, and of their whole steps
    python tests/benchmarks/lm_step.py --mlp               a KAN's steps and those of an MLP of as many parameters, G=50
    python tests/benchmarks/lm_step.py --against FOLDER    steps of this code and of another checkout's, in turn
    python tests/benchmarks/lm_step.py --busy              two threads that spin and that sleep, beside a busy process

KAN [2, 8, 1], 32 cells, degree 5: 888 parameters, 4440 points, float64.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from timing import milliseconds

from kanpde.models.networks import KAN, MLP
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.residuals import Residuals, bind, build_blocks, draw
from kanpde.solving.optimizers import LevenbergMarquardt
from kanpde.solving.rows import DenseRows
from kanpde.solving.training.allocation import keep_freed_memory

STEPS = 4


def objective_of(seed: int = 0, order: str = "by place") -> Residuals:
    problem = load_problem("burgers")
    ansatz = exact_ansatz(problem)
    blocks = build_blocks(problem, ansatz, 1.0, torch.float64)
    samples = draw(problem, blocks, SobolSampling(), 4440, seed)
    if order == "as drawn":
        shuffled = [torch.randperm(len(sample.points)) for sample in samples]
        samples = [type(one)(one.points[way], one.weights[way]) for one, way in zip(samples, shuffled, strict=True)]
    torch.manual_seed(0)
    network = KAN([2, 8, 1], 32, 5, lower=problem.domain.lower, upper=problem.domain.upper)
    return bind(network, problem, ansatz, blocks, samples)


class Dense:
    """The same objective, its Jacobian with all zeros."""

    def __init__(self, objective: Residuals):
        self.theta, self.residual, self.linearize = objective.theta, objective.residual, objective.linearize


def steps(objective: Residuals | Dense, method: LevenbergMarquardt) -> None:
    method.minimize(objective, objective.theta.clone(), STEPS, lambda iterate: None)


def ways() -> None:
    listed, drawn = objective_of(), objective_of(order="as drawn")
    theta = listed.theta
    rows, scattered = listed.linearize_rows(theta)[1], drawn.linearize_rows(theta)[1]
    dense = DenseRows(rows.whole())
    assert (rows.gram() - dense.gram()).tril().abs().max() < 1e-12 * dense.gram().abs().max()
    lm, plain = LevenbergMarquardt(tolerance=0), LevenbergMarquardt(tolerance=0, geodesic=False)
    measured = {
        "J dense": lambda: listed.linearize(theta),
        "J listed": lambda: listed.linearize_rows(theta),
        "column norms by themselves": lambda: dense.matrix.norm(dim=0),
        "JᵀJ dense": dense.gram,
        "JᵀJ listed, points as drawn": scattered.gram,
        "JᵀJ listed, points by place": rows.gram,
        "residual": lambda: listed.residual(theta),
        "steps, dense": lambda: steps(Dense(listed), lm),
        "steps, listed": lambda: steps(listed, lm),
        "steps, listed, no acceleration": lambda: steps(listed, plain),
    }
    times = milliseconds(measured, rounds=7, warmup=2, clock=time.process_time)
    whole = times["steps, dense"]
    print(f"{theta.numel()} parameters, {listed.size} residuals, {torch.get_num_threads()} threads; CPU time")
    for name, value in times.items():
        print(f"{name:32} {value:8.1f} ms   {value / whole * STEPS:5.2f} of a dense step")


def beside_an_mlp() -> None:
    """CPU time of a step, KAN [2, 8, 1] of 50 cells over MLP [2, h, h, 1], five points a parameter."""
    problem = load_problem("burgers")
    ansatz, box = exact_ansatz(problem), {"lower": problem.domain.lower, "upper": problem.domain.upper}
    blocks = build_blocks(problem, ansatz, 1.0, torch.float64)
    kan = KAN([2, 8, 1], 50, 5, **box)
    count = kan.parameter_count()
    mlp = min((MLP([2, h, h, 1], **box) for h in range(4, 80)), key=lambda one: abs(one.parameter_count() - count))
    samples = draw(problem, blocks, SobolSampling(), 5 * count, 0)
    kans, mlps = (bind(network, problem, ansatz, blocks, samples) for network in (kan, mlp))
    lm = LevenbergMarquardt(tolerance=0)
    measured = {"KAN": lambda: steps(kans, lm), "MLP": lambda: steps(mlps, lm)}
    times = milliseconds(measured, rounds=5, warmup=1, clock=time.process_time)
    print(f"{count} and {mlp.parameter_count()} parameters, {torch.get_num_threads()} threads; CPU time of a step")
    own, other = times["KAN"] / STEPS, times["MLP"] / STEPS
    print(f"KAN {own:.0f} ms, MLP {other:.0f} ms, ratio {own / other:.2f}")


def against(folder: str, pairs: int = 5) -> None:
    """CPU time of a step, this code over that of another checkout, one thread each."""
    here = Path(__file__).resolve()
    ratios = []
    for _ in range(pairs):
        (own, loss), (other, same) = (_alone(top, here.with_name("step_alone.py")) for top in (here.parents[2], folder))
        ratios.append(own / other)
        print(f"{own:.1f} ms, {other:.1f} ms, ratio {ratios[-1]:.2f}, losses {loss} and {same}, "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    print(f"median of {pairs} pairs {statistics.median(ratios):.2f}")


def _alone(folder: str | Path, script: Path) -> tuple[float, str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    milliseconds, loss = found.stdout.split()
    return float(milliseconds), loss


def busy() -> None:
    """Wall time of a small problem's steps in children of two threads, beside a process that computes all the time."""
    own = [sys.executable, __file__, "--steps"]
    spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        for policy in ("ACTIVE", "PASSIVE", "ACTIVE", "PASSIVE"):
            environment = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": policy}
            if policy == "ACTIVE":
                del environment["OMP_WAIT_POLICY"]
            found = subprocess.run(own, env=environment, capture_output=True, text=True, check=True)
            print(f"threads that {'sleep' if policy == 'PASSIVE' else 'spin':5} {found.stdout.strip()}")
    finally:
        spinner.kill()


def timed() -> None:
    objective, method = objective_of(), LevenbergMarquardt(tolerance=0)
    steps(objective, method)
    begun = time.perf_counter()
    steps(objective, method)
    print(f"{1e3 * (time.perf_counter() - begun) / STEPS:.0f} ms a step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--mlp", action="store_true")
    parser.add_argument("--against", metavar="FOLDER")
    parser.add_argument("--steps", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_default_dtype(torch.float64)
    if options.busy:
        return busy()
    if options.steps:
        return timed()
    if options.against:
        return against(options.against)
    torch.set_num_threads(options.threads)
    return beside_an_mlp() if options.mlp else ways()


if __name__ == "__main__":
    main()
