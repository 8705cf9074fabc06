"""Learn the constants of the shipped inverse problems from data of many seeds, and count how often intervals hold.

    python tests/benchmarks/inverse.py [--problem inverse_diffusion] [--seeds 10] [--threads 2] [KEY=VALUE …]

The first line of each constant is from clean data; the seeds are those of the noise. Further words are settings, as on
the command line of `kanpde solve`.
"""

import argparse

import kanpde
from kanpde.runs.run import Run, solve_config
from kanpde.runs.settings import compose


def solved(options: argparse.Namespace, data: list[str]) -> Run:
    """One run with all defaults but for its data."""
    words = [f"problem={options.problem}", f"threads={options.threads}", *data, *options.words]
    return solve_config(compose(words))


def rows(run: Run, label: str, counts: dict[str, int]) -> list[str]:
    """A line for each constant: value, relative error, half-width of the interval, and whether the truth is inside."""
    lines = []
    for name, truth in ((name, run.problem.parameters[name]) for name in run.problem.learned):
        value, half = run.metrics[f"parameter_{name}"], run.metrics[f"parameter_{name}_interval95"]
        inside = abs(value - truth) <= half
        counts[name] = counts.get(name, 0) + inside
        error, seconds = abs(value - truth) / abs(truth), run.metrics["wall_time_s"]
        lines.append(
            f"{label:>8} {name:>8} {value:.8f} error {error:.1e} half-width {half:.1e} "
            f"{'inside' if inside else 'outside'} rel_l2 {run.metrics['rel_l2']:.1e} {seconds:.0f} s"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", default="inverse_diffusion")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    print(f"kanpde {kanpde.__version__}, {options.problem}, {options.seeds} seeds")
    print(*rows(solved(options, ["problem.data.noise=0"]), "clean", {}), sep="\n", flush=True)
    counts: dict[str, int] = {}
    for seed in range(options.seeds):
        run = solved(options, [f"problem.data.seed={seed}", "problem.data.noise=0.01"])
        print(*rows(run, f"seed {seed}", counts), sep="\n", flush=True)
    for name, inside in counts.items():
        print(f"{name}: inside its interval in {inside} of {options.seeds}")


if __name__ == "__main__":
    main()
