"""Sections that the reports of runs and of studies have in common."""

import json
import math
from collections.abc import Mapping

import numpy as np
import sympy

from kanpde.errors import InputError
from kanpde.problems.catalog import Condition, Problem, load_problem, read_problem_text
from kanpde.problems.tasks.lattice import Lattice
from kanpde.reports.formulas import equation, integral
from kanpde.reports.html import Child, Markup, element, facts, folded, section

MOST_CONDITIONS = 40
ORIGINS = {"created": "made", "git_commit": "version of kanpde (commit)", "config_sha256": "hash of all settings",
           "seed": "seed"}  # fmt: skip
"""What says where a result is from, and what people call it."""


def problem_section(text: str, samples: Mapping[str, np.ndarray] | None = None) -> Markup:
    """The problem as mathematics; one that this version does not read, as it was written.

    Files that it names are not looked for: what they hold is in `samples`.
    """
    written = folded("The problem file", element("pre", text))
    try:
        problem = load_problem(read_problem_text(text, "problem"), samples=samples or {})
    except InputError as error:
        return section(
            "Problem", element("p", f"This version does not read the problem: {error}"), element("pre", text)
        )
    return section("Problem", _equations(problem), _conditions(problem), _exact(problem), written)


def _equations(problem: Problem) -> Child:
    if isinstance(problem.task, Lattice):
        return _hamiltonian(problem.task)
    box = zip(problem.coordinates, problem.domain.lower, problem.domain.upper, strict=True)
    where = ", ".join(f"{name} from {low:g} to {high:g}" for name, low, high in box)
    region = "; of the box, what the shapes leave" if not problem.region.whole else ""
    shown = [equation(residual, where=name if len(problem.equations) > 1 else "")
             for name, residual in problem.equations.items()]  # fmt: skip
    return [shown, _integrals(problem), element("p", f"for {where}{region}")]


def _hamiltonian(lattice: Lattice) -> Child:
    """Onsite energies, hoppings, theory, what is drawn."""
    shown = [equation(sympy.Symbol("V_n"), lattice.onsite, where="onsite")]
    hoppings = lattice.hoppings[:MOST_CONDITIONS]
    shown += [equation(sympy.Symbol("t_r"), one.amplitude, where="hopping") for one in hoppings]
    shown += [equation(sympy.Symbol("g"), lattice.theory["edge"], where="localized above 0")
              for name in lattice.theory if name == "edge"]  # fmt: skip
    named = facts((name, one.described()) for name, one in lattice.parameters.items())
    shape, ends = " × ".join(map(str, lattice.sites)), "periodic" if lattice.periodic else "open"
    return [shown, named, element("p", f"on {shape} sites, {ends}")]


def _integrals(problem: Problem) -> Child:
    """What a task lowers."""
    return [
        element("p", part) if isinstance(part, str) else integral(part.density, problem.coordinates, part.sought)
        for part in problem.task.shown(problem)
    ]


def _conditions(problem: Problem) -> Child:
    sides: dict[sympy.Expr, list[str]] = {}
    for condition in problem.conditions[:MOST_CONDITIONS]:
        sides.setdefault(condition.residual, []).append(_place(condition, problem))
    shown = [equation(residual, where="at " + ", ".join(dict.fromkeys(names))) for residual, names in sides.items()]
    periodic = [problem.coordinates[axis] for axis in problem.periodic]
    repeated = element("p", f"periodic in {', '.join(periodic)}") if periodic else None
    return [element("h3", "Conditions"), shown, repeated] if shown or periodic else None


def _place(condition: Condition, problem: Problem) -> str:
    """`x = -1` for the side x-; shapes by their name."""
    side = condition.name.partition(".")[0]
    name, end = side[:-1], side[-1:]
    if name in problem.coordinates and end in "-+":
        axis = problem.coordinates.index(name)
        bounds = problem.domain.lower if end == "-" else problem.domain.upper
        return f"{name} = {bounds[axis]:g}"
    return side


def _exact(problem: Problem) -> Child:
    known = [equation(sympy.Symbol(name), value) for name, value in problem.exact.items()]
    return [element("h3", "Exact solution"), known] if known else None


def provenance_section(about: Mapping[str, object], *more: Child) -> Markup:
    """What a result was made with and on."""
    rows = [(title, str(about[name])) for name, title in ORIGINS.items() if about.get(name)]
    for key, name in (("versions_json", "versions"), ("hardware_json", "hardware")):
        rows.append((name, ", ".join(f"{what} {value}" for what, value in mapping_of(about.get(key)).items())))
    return section("Provenance", facts(rows), *more)


def mapping_of(text: object) -> dict[str, object]:
    """The mapping in a JSON text; empty where a stranger wrote something else."""
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def number(value: float, digits: int = 2) -> str:
    """A figure as people read it: 6.5·10⁻¹¹ rather than 6.5e-11.

    >>> number(6.522e-11), number(0.25), number(float("nan")), number(123456.0)
    ('6.5·10⁻¹¹', '0.25', '–', '1.2·10⁵')
    """
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.{digits}g}" if abs(value) < 100 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}·10{str(int(exponent)).translate(_RAISED)}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def span(low: float, high: float) -> str:
    """An interval, where there is one."""
    return f"{number(low)} to {number(high)}" if math.isfinite(low) and math.isfinite(high) else "–"
