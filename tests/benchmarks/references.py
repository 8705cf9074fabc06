"""The classical references of the shipped problems, solved anew: size, error bar, true error, time.

    python tests/benchmarks/references.py [PROBLEM …]

The true error is the difference from the exact solution, or from a second method (tests/oracles.py) that shares no
code with the first.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["KANPDE_CACHE"] = tempfile.mkdtemp(prefix="kanpde-references-")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import oracles
import torch

from kanpde.problems.catalog import load_problem, problem_folders
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.language import compile_expression
from kanpde.references import NotSolved, applicable_method, method_for, reference_of


def points_of(problem):
    return inside_points(problem.region, problem.domain, 4000, 9).numpy()


def along(x, time):
    return np.stack([x, np.full_like(x, time)], axis=1)


def at_end(oracle, time):
    """Points at the end of time and an oracle's values there; fields in columns."""
    x, values = oracle
    return along(x, time), np.atleast_2d(values).T


def fitzhugh_nagumo(problem):
    points, values = at_end(oracles.fitzhugh_nagumo(512), 10.0)
    return points[256:], values[256:]


def burgers_parametric(problem):
    points = points_of(problem)[:1000]
    return points, np.concatenate([oracles.cole_hopf(point[None, :2], point[2]) for point in points])[:, None]


def allen_cahn(problem):
    """At several times: the kink of its data is felt most at the start."""
    parts = [at_end(oracles.allen_cahn(16384, 300, time), time) for time in np.arange(0.01, 0.2, 0.02)]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def cavity(problem):
    points, values = oracles.cavity(64)
    return points, values[:, None]


def on_line(length, values):
    """Points of a line and values there, fields in columns."""
    x = np.linspace(0, length, 5001)
    found = np.asarray(values(x))
    return x[:, None], found.reshape(len(x), -1)


def states_of_cells(x):
    states = oracles.states_of_cells(oracles.cells(50), x, 2)[1]
    return states / np.sqrt(np.trapezoid(states**2, x, axis=0))


def landscape_1d_smooth(problem):
    x, u = oracles.landscape_by_numerov(lambda x: oracles.smoothed_cells(oracles.cells(50), x, 0.25), 50, 20_000)
    return x[:, None], u[:, None]


def landscape_2d(problem):
    points, u = oracles.landscape_2d(oracles.cells(10, 10), 16)
    return points, u[:, None]


def laplace_holes(problem):
    points = points_of(problem)
    return points, oracles.wires_in_a_tube(points)[:, None]


SECOND = {
    "laplace_holes": laplace_holes,
    "landscape_1d": lambda problem: on_line(50, lambda x: oracles.landscape_of_cells(oracles.cells(50), x)),
    "landscape_1d_smooth": landscape_1d_smooth,
    "landscape_2d": landscape_2d,
    "schrodinger_random_1d": lambda problem: on_line(50, states_of_cells),
    "burgers": lambda problem: (points_of(problem), oracles.cole_hopf(points_of(problem), 0.01 / np.pi)[:, None]),
    "burgers_parametric": burgers_parametric,
    "allen_cahn": allen_cahn,
    "kdv": lambda problem: at_end(oracles.kdv(1024, 20000), 1.0),
    "kuramoto_sivashinsky": lambda problem: at_end(oracles.kuramoto_sivashinsky(512, 40000), 0.5),
    "fitzhugh_nagumo": fitzhugh_nagumo,
    "cavity": cavity,
}


def second(problem):
    """Points and values there from the exact solution or another method; None without one."""
    if not problem.exact:
        return SECOND[problem.name](problem) if problem.name in SECOND else None
    points, problem = points_of(problem), problem.settled()
    formulas = [compile_expression(problem.exact[name], problem.coordinates) for name in problem.fields]
    return points, np.stack([formula(torch.from_numpy(points)).numpy() for formula in formulas], axis=1)


def line(name):
    problem = load_problem(name)
    method = method_for(problem) or applicable_method(problem)
    if method is None:
        return f"| `{name}` | none takes it | | | | |"
    start = time.process_time()
    try:
        found = reference_of(problem, method)
    except NotSolved as reason:
        return f"| `{name}` | {method} | not solved: {reason} | | | {time.process_time() - start:.1f} |"
    seconds, known = time.process_time() - start, second(problem)
    if known is not None and len(problem.task.integrals()) == 2:
        found = found.turned(*known)
    true = "–" if known is None else f"{relative(found.values(known[0]), known[1]):.1e}"
    return f"| `{name}` | {method} | {found.unknowns} | {found.error:.1e} | {true} | {seconds:.1f} |"


def relative(found, known):
    return np.linalg.norm(found - known) / np.linalg.norm(known)


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = sys.argv[1:] or sorted(path.stem for path in problem_folders()[-1].glob("*.yaml"))
    print("| problem | method | unknowns | error bar | true error | CPU s |\n|---|---|---|---|---|---|")
    for name in names:
        print(line(name), flush=True)
