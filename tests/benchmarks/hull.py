"""The best residual of `aubry_hull` against its strength, and where it has a kink: at 1 in theory.

python tests/benchmarks/hull.py        13 strengths from 0.8 to 1.25, 40 modes, the best of 8 energies
"""

import numpy as np

import kanpde
from kanpde.lattices.hulls import kink

STRENGTHS = np.geomspace(0.8, 1.25, 13)
MODES = 40
STARTS = np.linspace(1.9, 3.3, 8)


def best_residual(strength: float, start: float) -> tuple[float, float]:
    """Relative to the hull's size, and the energy."""
    energy = {"learn": True, "start": float(start)}
    problem = kanpde.load_problem("aubry_hull", parameters={"lam": float(strength), "E": energy})
    run = kanpde.solve(problem, **{"model.grid": MODES, "training.steps": 200})
    size = np.sqrt(np.mean(run.solution(np.linspace(0, 2 * np.pi, 1001)[:-1, None]) ** 2))
    return run.metrics["heldout_residual_rms"] / size, run.metrics["parameter_E"]


def main() -> None:
    residuals = []
    for strength in STRENGTHS:
        residual, energy = min(best_residual(strength, start) for start in STARTS)
        residuals.append(residual)
        print(f"lam {strength:.3f}  residual {residual:.2e}  E {energy:.4f}", flush=True)
    place, spread = kink(STRENGTHS, np.array(residuals))
    print(f"kink at lam = {place:.3f} ± {spread:.3f}")


if __name__ == "__main__":
    main()
