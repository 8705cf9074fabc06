"""The figures of lattices that kanpde/lattices/README.md tells, a line each.

    python tests/benchmarks/lattices.py              # all but the edges: a minute of CPU
    python tests/benchmarks/lattices.py edges        # five seeds of each model: ten minutes
    python tests/benchmarks/lattices.py cubes        # r̃ of cubes: ten minutes
"""

import sys
import time

import numpy as np

from kanpde.lattices.densities import kernel_density
from kanpde.lattices.level_spacings import crossing, gap_ratios
from kanpde.lattices.localization import correlation_dimension, participation
from kanpde.lattices.lyapunov import chain_exponents
from kanpde.lattices.operators import Builder, resized
from kanpde.lattices.spectra import energies_of, full_spectrum
from kanpde.problems.catalog import load_problem
from kanpde.problems.lattices import SiteFunction
from kanpde.runs.run import solve

SIZES = (144, 233, 377, 610, 987)
LARGE = 2584
STRENGTHS = (14.0, 15.5, 16.5, 17.5, 19.0)
CUBES = {6: 500, 8: 200, 10: 80, 12: 40}


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


def speeds() -> None:
    """CPU seconds of full spectra with states, and of a density of states."""
    for name in ("anderson_1d", "aubry_andre"):
        builder, begun = Builder(resized(load_problem(name).task, 987)), time.process_time()
        for number in range(20):
            participation(full_spectrum(builder.hamiltonian(0, number))[1])
        print(f"{name}, N = 987: {50 * (time.process_time() - begun):.0f} CPU s for 1000 realizations")
    begun = time.process_time()
    hamiltonian = Builder(resized(load_problem("anderson_1d").task, 10**6)).hamiltonian(0, 0)
    middle = kernel_density(hamiltonian, 1000).integrated(np.zeros(1))[0]
    print(f"N(E) of 10⁶ sites, 1000 moments: {time.process_time() - begun:.0f} CPU s, N(0) = {middle:.4f}")


def edges() -> None:
    """Accuracies and formulas, five seeds of each model."""
    for name in ("mosaic", "gaam", "maam"):
        for seed in range(5):
            run = solve(name, seed=seed)
            learned, theory = run.metrics["accuracy_learned"], run.metrics["accuracy_theory"]
            print(f"{name} seed {seed}: learned {learned:.4f}, theory {theory:.4f}, {run.data.attributes['formula']}")


def cubes() -> None:
    """r̃ of the levels with |E| < W/10, and where its curves cross."""
    base, curves = load_problem("anderson_3d").task, []
    for size, count in CUBES.items():
        builder, row = Builder(resized(base, size)), []
        for strength in STRENGTHS:
            found = []
            for number in range(count):
                rng = np.random.default_rng([size, number, int(10 * strength)])
                energies = energies_of(builder.with_parameters({"W": strength}, rng))
                found.append(gap_ratios(energies[np.abs(energies) < 0.1 * strength]).mean())
            row.append(np.mean(found))
        curves.append(row)
        print(f"L = {size}: r̃ = {', '.join(f'{value:.4f}' for value in row)}", flush=True)
    print("crossings at W = {:.2f} ± {:.2f}".format(*crossing(np.array(STRENGTHS), np.array(curves), degree=2)))


if __name__ == "__main__":
    if sys.argv[1:] == ["edges"]:
        edges()
    elif sys.argv[1:] == ["cubes"]:
        cubes()
    else:
        for chain in ("aubry_andre", "mosaic", "gaam"):
            exponents(chain)
        anderson()
        dimensions()
        speeds()
