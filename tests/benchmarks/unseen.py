"""Problems that nobody tuned, from public questions, as a user would write them, with all defaults.

    python tests/benchmarks/unseen.py [FOLDER] [--only NAME …] [--limit 60] [--report]

The problems lie in `unseen/`; each names where it was asked. A run is a line of FOLDER/unseen.csv: what the verdict
says with the reference and without it, the error against the reference and, where there is a second way to the truth (a
closed form, a series, SciPy's integrators), against that. Runs are kept in FOLDER, and none is made again. The summary
is what the README quotes; its runs are in outputs/reference/unseen.csv.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from kept_rows import kept_rows
from scipy.integrate import solve_bvp, solve_ivp
from truths import relative_l2

import kanpde
from kanpde.cli.main import main as command
from kanpde.results.archive.folders import runs_below
from kanpde.results.signs import equation_signs
from kanpde.results.verdicts import Word, verdict_of
from kanpde.solving.ansatz.exact_conditions import ansatz_of

PROBLEMS = Path(__file__).parent / "unseen"
COLUMNS = (
    "problem", "title", "source", "word", "error", "bar", "truth", "word_alone", "estimate_alone", "seconds", "reason",
)  # fmt: skip
Truth = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def integrated(rates: Callable, start: list[float], names: str) -> Truth:
    """Ordinary equations by SciPy's Radau, of order 5."""

    def of(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        t = at["t"]
        found = solve_ivp(rates, (0, t[-1]), start, "Radau", t, rtol=1e-10, atol=1e-10)
        return dict(zip(names.split(), found.y, strict=True))

    return of


def _lotka_volterra(t, y):
    return [2 * y[0] - 0.04 * y[0] * y[1], 0.02 * y[0] * y[1] - 1.06 * y[1]]


def _sir(t, y):
    return [-0.8 * y[1] * y[0], 0.8 * y[1] * y[0] - y[1] / 4, y[1] / 4]


def _reactor(t, y):
    rate = 7.2e10 * math.exp(-8750 / y[0]) * y[1]
    return [350 - y[0] + 5e4 / 239 * rate + 5e4 / 100 / 239 * (280 - y[0]), 1 - y[1] - rate]


def damped_wave(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Σ sin(nπx) e^(-t) (a_n cos w_n t + (b_n + a_n)/w_n sin w_n t), w_n² = 9 n²π² - 1, of x(1 - x) and 1 - 2x."""
    x, t = np.meshgrid(at["x"], at["t"], indexing="ij")
    total = np.zeros_like(x)
    for n in range(1, 4000):
        a = 4 * (1 - (-1) ** n) / (n * np.pi) ** 3
        b = 2 * (1 + (-1) ** n) / (n * np.pi)
        w = math.sqrt(9 * (n * np.pi) ** 2 - 1)
        total += np.sin(n * np.pi * x) * np.exp(-t) * (a * np.cos(w * t) + (b + a) / w * np.sin(w * t))
    return {"u": total}


def hot_wall(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """x + Σ 2 (-1)^n/(nπ) sin(nπx) exp(-0.4 n²π² t), the same for all y."""
    x, y, t = np.meshgrid(at["x"], at["y"], at["t"], indexing="ij")
    terms = (
        2 * (-1) ** n / (n * np.pi) * np.sin(n * np.pi * x) * np.exp(-0.4 * (n * np.pi) ** 2 * t) for n in range(1, 500)
    )
    return {"T": np.where(t > 0, x + sum(terms), x >= 1)}


def sphere(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Constant flux into a sphere (Crank, The Mathematics of Diffusion, equation 6.45)."""
    r, t = np.meshgrid(at["r"], at["t"], indexing="ij")
    radius, slope, rate = 8.5e-6, 1.656 / (1.1167 * 96485.33212331001) / 1e-14, 1e-14 * t / 8.5e-6**2
    s = np.maximum(r / radius, 1e-9)
    total = 3 * rate + s**2 / 2 - 0.3
    for n in range(1, 400):
        root = _tangent_root(n)
        total -= 2 / s * np.sin(root * s) / (root**2 * math.sin(root)) * np.exp(-(root**2) * rate)
    return {"c": 0.4952 * 51410 + slope * radius * total}


def _tangent_root(n: int) -> float:
    """The n-th positive root of tan x = x."""
    x = (n + 0.5) * np.pi
    for _ in range(60):
        x = n * np.pi + math.atan(x)
    return x


def convection(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    x, t = np.meshgrid(at["x"], at["t"], indexing="ij")
    return {"u": np.sin(x - 50 * t)}


def logistic(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    x, t = np.meshgrid(at["x"], at["t"], indexing="ij")
    start = np.exp(-8 * (x - np.pi) ** 2 / np.pi**2)
    return {"u": start * np.exp(5 * t) / (start * np.exp(5 * t) + 1 - start)}


def bistable(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """exp(2 (a x²/2 - b x⁴/4)/s²), its integral one; at the ends it is 1e-6 and not zero."""
    x = at["x"]
    fine = np.linspace(x[0], x[-1], 20001)
    size = np.trapezoid(np.exp(8 * (0.35 * fine**2 - 0.125 * fine**4)), fine)
    return {"p": np.exp(8 * (0.35 * x**2 - 0.125 * x**4)) / size}


def between_ends(rates: Callable, ends: Callable, guess: Callable, field: str) -> Truth:
    """Ordinary equations with conditions at both ends, by SciPy's collocation."""

    def of(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        (x,) = at.values()
        nodes = np.linspace(x[0], x[-1], 201)
        found = solve_bvp(rates, ends, nodes, guess(nodes), tol=1e-9, max_nodes=100_000)
        assert found.success
        return {field: found.sol(x)[0]}

    return of


def _beam_rates(x, y):
    return [y[1], y[2], y[3], 1 - y[0] - y[4] * y[2], 0 * x]


def _beam_ends(a, b):
    return np.array([a[0], a[2], b[0], b[2], a[4] - (b[1] - a[1])])


def channel(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    _, y = np.meshgrid(at["x"], at["y"], indexing="ij")
    return {"u": 6 * 0.1655 * y / 0.1 * (1 - y / 0.1)}


def two_frequencies(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"u": np.sin(2 * np.pi * at["x"]) + 0.1 * np.sin(50 * np.pi * at["x"])}


def klein_gordon(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    x, t = np.meshgrid(at["x"], at["t"], indexing="ij")
    return {"u": x * np.cos(t)}


def plate(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """16/π⁶ Σ sin(mπx) sin(nπy)/(mn (m² + n²)²) over odd m, n."""
    odd = np.arange(1, 200, 2)
    of_x, of_y = (np.sin(np.pi * np.outer(at[name], odd)) / odd for name in "xy")
    return {"w": 16 / np.pi**6 * of_x @ (1 / (odd[:, None] ** 2 + odd**2) ** 2) @ of_y.T}


def beam(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    x = at["x"]
    return {"u": -(x**2) * (1 - x) ** 2 / 24}


def poisson(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    x, y = np.meshgrid(at["x"], at["y"], indexing="ij")
    return {"u": x * (1 - x) * np.cos(np.pi * y)}


def constrained_waves(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    x, t = np.meshgrid(at["x"], at["t"], indexing="ij")
    u3 = (1 + np.pi**2) * np.exp(-t)
    return {"u1": np.sin(np.pi * x) * np.exp(-t), "u2": np.cos(np.pi * x) * np.exp(-t), "u3": u3 + 0 * x}


def nernst_planck(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the question found as well: without flux in C alone the ions stay, and the potential is a line."""
    x, _ = np.meshgrid(at["x"], at["t"], indexing="ij")
    return {"Cp": np.ones_like(x), "Cn": np.ones_like(x), "phi": x / 5 - 1}


TRUTHS: dict[str, Truth] = {
    "beam_feedback": between_ends(
        _beam_rates, _beam_ends, lambda x: np.stack([x * (1 - x) / 77, 0 * x, 0 * x, 0 * x, 0 * x]), "y"
    ),
    "bistable_density": bistable,
    "blasius": between_ends(
        lambda x, f: [f[1], f[2], -f[0] * f[2] / 2], lambda a, b: np.array([a[0], a[1], b[1] - 1]),
        lambda x: np.stack([x, 1 - np.exp(-x), np.exp(-x)]), "f",
    ),
    "channel": channel,
    "clamped_beam": beam,
    "constrained_waves": constrained_waves,
    "convection_beta": convection,
    "cstr": integrated(_reactor, [324.475443431599, 0.87725294608097], "T Ca"),
    "damped_wave": damped_wave,
    "eigenvector_bias": two_frequencies,
    "hot_wall": hot_wall,
    "klein_gordon": klein_gordon,
    "logistic_points": logistic,
    "lotka_volterra": integrated(_lotka_volterra, [100, 15], "r p"),
    "nernst_planck": nernst_planck,
    "pendulum": integrated(lambda t, y: [y[1], -math.sin(y[0])], [1, 0], "theta theta_t"),
    "plate": plate,
    "poisson_question": poisson,
    "sir": integrated(_sir, [0.995, 0.005, 0], "S I R"),
    "sphere_fick": sphere,
}


def row(name: str, folder: Path, limit: float) -> dict:
    """One run by the command line, all defaults but the limit of time."""
    begun, limited = time.perf_counter(), [] if math.isinf(limit) else [f"training.time_limit={limit}"]
    command(["solve", f"problem={PROBLEMS / name}.yaml", f"output.folder={folder}", "device=cpu", *limited])
    run = kanpde.open_run(folder / name / runs_below(folder / name)[0][0][0])
    about, metrics = run.data.attributes, run.metrics
    unknown = {key: value for key, value in metrics.items() if key not in ("rel_l2", "reference_error")}
    alone = verdict_of(unknown, equation_signs(run.solution, ansatz_of(run.problem, "exact"), unknown))
    return {
        "problem": name, "title": about["title"], "source": _source(name), "word": about["verdict"],
        "error": metrics.get("rel_l2", math.nan), "bar": metrics.get("reference_error", math.nan),
        "truth": true_error(name, run.data), "word_alone": alone.word.value, "estimate_alone": alone.estimate,
        "seconds": time.perf_counter() - begun, "reason": alone.reason,
    }  # fmt: skip


def true_error(name: str, data) -> float:
    """Relative L2 over all fields against the second way to the truth; NaN where there is none."""
    if name not in TRUTHS:
        return math.nan
    known = TRUTHS[name](dict(data.axes))
    return relative_l2(data.fields, {field: known[field] for field in data.solved_fields})


def _source(name: str) -> str:
    """Where it was asked: the first line of the file, a comment."""
    return (PROBLEMS / f"{name}.yaml").read_text().splitlines()[0].removeprefix("# ")


def summary(rows: list[dict]) -> list[str]:
    """How many of each word; wrong ones that are called solved, with the reference and without."""
    errors = [float(r["truth"]) if math.isfinite(float(r["truth"])) else float(r["error"]) for r in rows]
    wrong = [r for r, error in zip(rows, errors, strict=True) if error > 0.1]
    words = {word.value: sum(r["word"] == word for r in rows) for word in Word}
    return [
        f"{len(rows)} problems: " + ", ".join(f"{count} {word}" for word, count in words.items()),
        f"below 1e-3: {sum(error < 1e-3 for error in errors)}; unknown: {sum(map(math.isnan, errors))}",
        f"above 10 %: {len(wrong)}, of which called solved {sum(r['word'] == Word.SOLVED for r in wrong)}; "
        f"had there been no reference {sum(r['word_alone'] == Word.SOLVED for r in wrong)}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="outputs/unseen", type=Path)
    parser.add_argument("--only", nargs="+", default=sorted(path.stem for path in PROBLEMS.glob("*.yaml")))
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds of training")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = () if options.report else [(name, options.folder, options.limit) for name in options.only]
    rows = kept_rows(options.folder / "unseen.csv", COLUMNS, 1, cases, row)
    for found in rows:
        errors = f"{float(found['error']):9.1e} {float(found['truth']):9.1e}"
        print(f"{found['problem']:18} {found['word']:9} {errors} {found['word_alone']}")
    print(*summary(rows), sep="\n")


if __name__ == "__main__":
    main()
