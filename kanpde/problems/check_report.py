"""What `kanpde check` says of a problem that passed: the equations as understood, and what was found in order."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sympy

from kanpde.files.yaml import write_yaml
from kanpde.problems.checks import all_corner_warnings, slope_warnings
from kanpde.problems.corners import examined
from kanpde.problems.equation_forms import Form, form_of
from kanpde.problems.geometry.regions import Place, SubSide
from kanpde.problems.language import compile_expression, jet_expression, latex_of, text_of
from kanpde.problems.problem import Condition, Problem
from kanpde.problems.reading.fewer_coordinates import still_equations
from kanpde.problems.reading.interfaces import wall_lines
from kanpde.problems.singularities import bare_corners, singularities


def statement_lines(problem: Problem) -> Iterator[str]:
    """A problem as the program understands it: each residual in the problem language, in LaTeX, and what it needs."""
    box = zip(problem.coordinates, problem.domain.lower, problem.domain.upper, strict=True)
    yield problem.title
    if problem.coordinates:
        yield "  domain: " + ", ".join(f"{name} in [{a:g}, {b:g}]" for name, a, b in box)
    yield from _shape_lines(problem)
    yield from (f"  mapping: {name} = {text}" for name, text in (problem.source.get("mapping") or {}).items())
    for name, axes in problem.narrow.items():
        yield f"  {name} depends on {', '.join(c for a, c in enumerate(problem.coordinates) if a not in axes)} alone"
    names = ("else", *(name for name, _ in problem.parts))
    for name, home in problem.homes.own.items():
        yield f"  {name} lives in {', '.join(names[part] for part in home)}"
    if problem.parameters:
        yield "  parameters: " + ", ".join(_parameter(problem, name) for name in problem.parameters)
    yield from problem.task.lines(problem)
    for name, residual in _own_equations(problem).items():
        jets = compile_expression(residual, problem.coordinates, problem.fields).jets
        where = f", in {', '.join(names[part] for part in problem.held[name])}" if name in problem.held else ""
        yield f"  {name}: {text_of(residual)} = 0{where}"
        if _says_more(written := str(_written_equations(problem).get(name, "")), problem):
            yield f"    written {written}"
        yield f"    LaTeX {latex_of(residual)} = 0"
        yield "    needs " + ", ".join(text_of(jet_expression(jet, problem.coordinates)) for jet in jets)
    yield from wall_lines(problem.conditions)
    for condition in problem.conditions:
        if condition.kind == "interface":
            continue
        yield f"  {condition.name}{_place_of(condition, problem)}: {text_of(condition.residual)} = 0"
        if _says_more(condition.written, problem):
            yield f"    written {condition.written}"
    yield from (f"  {place}" for place in singularities(problem) if place.strong)
    yield from (f"  {place}" for place in bare_corners(problem))
    for name, expr in (problem.data.others if problem.data else {}).items():
        yield f"  data: {name} = {text_of(expr)}"
    if problem.periodic:
        yield "  periodic in " + ", ".join(problem.coordinates[axis] for axis in problem.periodic)
    for name, value in problem.exact.items():
        yield f"  {name} = {text_of(value)} exactly"


def _own_equations(problem: Problem) -> dict[str, sympy.Expr]:
    """Those that the file states; not ∂a/∂t = 0 of fields of fewer coordinates."""
    added = still_equations(problem.narrow, problem.coordinates)
    return {name: residual for name, residual in problem.equations.items() if name not in added}


def _place_of(condition: Condition, problem: Problem) -> str:
    """Where of its side a condition holds, or at which point."""
    piece = condition.side
    if condition.kind == "constraint":
        return ""
    if isinstance(piece, Place):
        places = zip(problem.coordinates, piece.values, strict=True)
        return " (" + ", ".join(f"{name} = {value:g}" for name, value in places if value is not None) + ")"
    return f" where {text_of(piece.mask)} = 1" if isinstance(piece, SubSide) else ""


def _shape_lines(problem: Problem) -> Iterator[str]:
    """What of the box is the domain, and the shapes by name."""
    shapes = problem.source.get("shapes")
    if not problem.region.whole and isinstance(shapes, dict):
        named = ", ".join(f"{name} = {_plain(shape)}" for name, shape in shapes.items())
        yield f"  domain: {problem.source.get('domain', 'box')}, {named}"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else " ".join(write_yaml({"_": value}).split()).removeprefix("_: ")


def _parameter(problem: Problem, name: str) -> str:
    """Name, what the file says, and its value where that is another text."""
    value, entry = f"{problem.parameters[name]:.6g}", problem.source["parameters"][name]
    entry = entry.get("value", value) if isinstance(entry, dict) else entry
    between = " between {:g} and {:g}".format(*problem.bounds[name]) if name in problem.bounds else ""
    known = " known to be {:g} ± {:g}".format(*problem.priors[name]) if name in problem.priors else ""
    learned = f" (learned, from this guess{between}{known})" if name in problem.learned else ""
    return f"{name} = {value}{learned}" if str(entry) == value else f"{name} = {entry} = {value}{learned}"


def _written_equations(problem: Problem) -> dict[str, object]:
    found = problem.source.get("equations", {})
    return found if isinstance(found, dict) else {"equation": found}


def _says_more(written: str, problem: Problem) -> bool:
    """Whether the text has names that the residual has no more: parameters, coefficients, dn and other operators."""
    names = set(re.findall(r"[A-Za-z_]\w*", written))
    return bool(names & {*problem.parameters, *problem.coefficients, "dn", "div", "grad", "dot", "lap", "auto"})


def findings(problem: Problem) -> Iterator[str]:
    """A line for each thing that was checked."""
    yield from problem.task.findings(problem)
    for name, residual in problem.equations.items():
        for field in problem.fields:
            if (form := form_of(residual, field, problem)) is not Form.NONE:
                yield f"{name}: {field} has {form}"
    yield "values: finite all over the domain"
    if problem.exact:
        yield "exact: satisfies every equation and condition to 1e-9 of its terms"
    elif problem.conditions and not any((*all_corner_warnings(problem), *slope_warnings(problem))):
        whole = "" if examined(problem) else " on sides of the box; those of shapes in space are not compared"
        yield f"corners: conditions agree where they meet{whole}"
