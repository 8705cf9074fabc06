"""More parameters than a step factors: error over time of steps by iteration and of factored ones, stage by stage.

    python tests/benchmarks/large_models.py [--solver iterated|factored] [--limit 150] [--grid 96] [--steps 15] …

`poisson_2d_paper`, width 40, degree 5, from six cells on to `grid`, 12,120 parameters at 96; seconds are the
processor's, on one thread. Coarse stages, of up to 6000 parameters, are factored either way.
"""

import argparse
import math
import time

if __name__ == "__main__":
    time.perf_counter = time.process_time  # before whatever takes it as its clock is imported

import numpy as np
import torch

import kanpde
from kanpde.solving.optimizers import levenberg_marquardt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solver", choices=["iterated", "factored"], default="iterated")
    parser.add_argument("--limit", type=float, default=150.0)
    parser.add_argument("--grid", type=int, default=96)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.solver == "factored":
        levenberg_marquardt.LARGEST_FACTORED = 10**6
    stages = 1 + round(math.log2(options.grid / 6))
    run = kanpde.solve(
        "poisson_2d_paper", model={"width": [40], "grid": options.grid, "degree": 5}, optimizer="lm", seed=options.seed,
        training={"stages": stages, "starts": 1, "steps": options.steps, "time_limit": options.limit}, threads=1,
        progress=False,
    )  # fmt: skip
    history = run.history
    for stage in np.unique(history["stage"]):
        own = history["stage"] == stage
        count, end, errors = (history[name][own] for name in ("n_parameters", "time_s", "rel_l2"))
        print(f"{count[0]:6.0f} parameters: {own.sum():3d} steps, to {end[-1]:4.0f} s, rel_l2 {np.nanmin(errors):.1e}")
    print(f"{options.solver}: rel_l2 {run.metrics['rel_l2']:.1e}, {run.metrics['peak_memory_mb']:.0f} MB")


if __name__ == "__main__":
    main()
