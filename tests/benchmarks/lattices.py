"""The figures of lattices that kanpde/lattices/README.md tells, a line each.

    python tests/benchmarks/lattices.py chains       # exponents, dimensions, hulls: two minutes of CPU
    python tests/benchmarks/lattices.py speeds       # 1000 spectra, a density of states: four minutes
    python tests/benchmarks/lattices.py edges        # five seeds of each model: half an hour
    python tests/benchmarks/lattices.py cubes        # r̃ of cubes: half an hour
"""

import sys
import time

import numpy as np

from kanpde.lattices.densities import kernel_density
from kanpde.lattices.hulls import best_residual, kink
from kanpde.lattices.level_spacings import crossing, gap_ratios
from kanpde.lattices.localization import correlation_dimension, participation
from kanpde.lattices.lyapunov import chain_exponents
from kanpde.lattices.operators import Builder, resized
from kanpde.lattices.spectra import energies_of, full_spectrum
from kanpde.problems.catalog import load_problem
from kanpde.problems.lattices import IRRATIONAL, SiteFunction
from kanpde.runs.run import solve
from kanpde.solving.training.memory import peak_memory_mb

SIZES = (144, 233, 377, 610, 987)
LARGE = 2584
STRENGTHS = (14.0, 15.0, 16.0, 17.0, 18.0, 19.0)
CUBES = {6: 3000, 8: 468, 10: 195, 12: 76}
EDGES = ("mosaic", "gaam", "maam")
ACCURACIES = ("theory", "learned", "formula", "mlp", "logistic", "majority")


def exponents(name: str) -> None:
    """γ against theory at 40 random parameters, each at one random energy of a ring of 2584 sites.

    Theory holds on the spectrum of the infinite chain. Energies of a smaller ring lie in its gaps: those of 610 sites
    by 1e-6 or so, which at the edge of a gap gives γ ~ √1e-6, more than the error bars.
    """
    lattice = resized(load_problem(name).task, LARGE)
    builder, theory = Builder(lattice), SiteFunction(lattice.theory["lyapunov"])
    drawn = [builder.hamiltonian(11, number) for number in range(40)]
    energies = np.array([np.random.default_rng(k).choice(energies_of(one)) for k, one in enumerate(drawn)])
    parameters = {key: np.array([one.parameters[key] for one in drawn]) for key in lattice.parameters}
    gamma, error = chain_exponents(lattice, energies, parameters, 60_000)
    known = np.broadcast_to(theory({**parameters, "E": energies}), 40)
    off, small = np.abs(gamma - known), error <= np.maximum(0.01 * known, 1e-3)
    print(f"{name}: {np.sum(off <= 3 * error)} of 40 within 3 error bars, {small.sum()} bars small enough, "
          f"at most {error.max():.1e}; deviations up to {off.max():.1e}, {np.max(off / error):.2f} bars")  # fmt: skip


def anderson() -> None:
    """ξ at E = 0, W = 1: 400 chains of 20000 sites."""
    lattice = load_problem("anderson_1d", parameters={"W": 1}).task
    gamma, _ = chain_exponents(lattice, np.zeros(400), {"W": 1.0}, 20_000)
    error = gamma.std() / len(gamma) ** 0.5 / gamma.mean() ** 2
    print(f"Anderson chain: ξ = {1 / gamma.mean():.2f} ± {error:.2f}, asked 105 within 3 %")


def dimensions() -> None:
    """D₂ of the Aubry-André ring over five sizes and two phases."""
    lattice = load_problem("aubry_andre").task
    for lam in (0.5, 0.9, 1.0, 1.1, 1.5):
        ratios = []
        for size in SIZES:
            builder = Builder(resized(lattice, size))
            fixed = {**builder.parameters(np.random.default_rng(0)), "lam": lam}
            states = [full_spectrum(builder.with_parameters({**fixed, "phi": phi}, None))[1] for phi in (0.3, 1.7)]
            ratios.append(np.concatenate([participation(found) for found in states]))
        slope, error = correlation_dimension(SIZES, ratios)
        print(f"D₂ at λ = {lam}: {slope:.3f} ± {error:.3f}")


def hulls() -> None:
    """The kink of the hull's best residual, geometric means over eight wave numbers, 96 modes."""
    strengths, b = np.linspace(0.85, 1.15, 16), IRRATIONAL["golden"]
    for near in (0.0, 1.0):
        found = [[best_residual(lam, b, k, 96, near)[0] for k in np.linspace(0.1, 3, 8)] for lam in strengths]
        print("Aubry hull, E near {:g}: kink at λ = {:.3f} ± {:.3f}".format(
            near, *kink(strengths, np.exp(np.mean(np.log(found), axis=1)))))  # fmt: skip


def speeds() -> None:
    """Seconds of 1000 full spectra with states and IPRs, of a density of states, and the memory that took."""
    for name in ("anderson_1d", "aubry_andre"):
        builder, begun, clock = Builder(resized(load_problem(name).task, 987)), time.process_time(), time.perf_counter()
        for number in range(1000):
            participation(full_spectrum(builder.hamiltonian(0, number))[1])
        print(f"{name}, N = 987, 1000 realizations: {time.process_time() - begun:.0f} CPU s, "
              f"{time.perf_counter() - clock:.0f} s, {peak_memory_mb():.0f} MB", flush=True)  # fmt: skip
    begun, clock = time.process_time(), time.perf_counter()
    hamiltonian = Builder(resized(load_problem("anderson_1d").task, 10**6)).hamiltonian(0, 0)
    middle = kernel_density(hamiltonian, 1000).integrated(np.zeros(1))[0]
    print(f"N(E) of 10⁶ sites, 1000 moments: {time.process_time() - begun:.0f} CPU s, "
          f"{time.perf_counter() - clock:.0f} s, {peak_memory_mb():.0f} MB, N(0) = {middle:.4f}")  # fmt: skip


def edges(seeds: range = range(5)) -> None:
    """Accuracies and formulas; each seed draws realizations, split and networks of its own."""
    for seed in seeds:
        for name in EDGES:
            run = solve(name, seed=seed)
            figures = {key: run.metrics[f"accuracy_{key}"] for key in ACCURACIES}
            said = ", ".join(f"{key} {value:.2%}" for key, value in figures.items())
            texts = [run.data.attributes[key] for key in ("formula", "formula_errors", "formula_from")]
            print(f"{name} seed {seed}: {said}; {texts[0]} ({texts[1]}), from {texts[2]}", flush=True)


def cubes(share: float = 1.0) -> None:
    """r̃ of the levels with |E| < W/10, and where its curves cross; realizations are taken in turns."""
    base, ratios, errors = load_problem("anderson_3d").task, [], []
    for size, count in CUBES.items():
        builder, row = Builder(resized(base, size)), []
        for strength in STRENGTHS:
            sums = []
            for number in range(max(2, round(share * count))):
                rng = np.random.default_rng([size, number, int(10 * strength)])
                energies = energies_of(builder.with_parameters({"W": strength}, rng))
                found = gap_ratios(energies[np.abs(energies) < 0.1 * strength])
                sums.append((found.sum(), len(found)))
            row.append(mean_ratio(np.array(sums)))
        ratios.append([mean for mean, _ in row])
        errors.append([error for _, error in row])
        print(f"L = {size}: r̃ = {', '.join(f'{mean:.4f} ± {error:.4f}' for mean, error in row)}", flush=True)
    for degree in (1, 2, 3):
        print(degree, crossing(np.array(STRENGTHS), np.array([*CUBES], float), np.array(ratios), np.array(errors),
                               degree=degree))  # fmt: skip


def mean_ratio(sums: np.ndarray) -> tuple[float, float]:  # [realizations, 2]
    """Σ of all ratios over their number, and its standard error over realizations."""
    mean = sums[:, 0].sum() / sums[:, 1].sum()
    off = sums[:, 0] - mean * sums[:, 1]
    return mean, off.std(ddof=1) / len(sums) ** 0.5 / sums[:, 1].mean()


def chains() -> None:
    """All but the edges and the cubes."""
    for name in ("aubry_andre", "mosaic", "gaam"):
        exponents(name)
    anderson()
    dimensions()
    hulls()


if __name__ == "__main__":
    {"edges": edges, "cubes": cubes, "speeds": speeds, "chains": chains}[sys.argv[1] if sys.argv[1:] else "chains"]()
