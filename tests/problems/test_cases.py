"""What people wrote, and what comes of it: said in the language, warned of, or refused with what to write."""

from pathlib import Path

import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.freedoms import freedom_sentences
from kanpde.references import method_for, no_reference, reference_of
from kanpde.solving.ansatz.exact_conditions import exact_ansatz
from kanpde.solving.losses.residuals import build_blocks

CASES = Path(__file__).parent / "cases"

EXPRESSED = {
    "black_scholes": "lines",
    "chain_where": "finite_elements", "delay": "chebyshev", "fokker_planck_norm": "chebyshev", "integral_pde": None,
    "heated_part": "finite_elements", "disk_polar": None, "inflow_poly": "finite_elements", "lorenz_issue": "ordinary",
    "periodic_pinned": "chebyshev", "porous_triangle_where": "finite_elements", "robertson": "ordinary",
    "sphere_spherical": None, "stefan": None, "interface_two_fields": "chebyshev", "neumann_compatible": "chebyshev",
    "two_materials": "chebyshev", "inverse_field": None, "inverse_load": None, "wire_in_square": None,
    "stefan_mapped": None,
}  # fmt: skip
"""With the method of their reference; none beside an exact solution."""

WARNED = {
    "annulus_polar_lap": "Add metric: polar",
    "backward_heat": "diffusion backward in time",
    "fokker_planck_plain": "Zero satisfies all equations",
    "triangle_corner": "y- and cut set different values of T where they meet (1 and 0 at x = 1, y = 0)",
    "two_materials_naive": "Write div(k*grad(T))",
}
FREE = {"cylinder_potential": "up to a constant", "taylor_green": "up to a function of t"}
REFUSED = {
    "eady": "at: {x: 0, condition: u = 1}",
    "neumann_incompatible": "source and fluxes need to balance",
    "schrodinger_complex": "Declare complex fields",
    "stefan_comma": "needs quotes around what has a comma",
    "triangle_conflict": "are the same edge",
}


def case(name):
    return load_problem(str(CASES / f"{name}.yaml"))


def test_every_case_is_looked_at():
    assert {path.stem for path in CASES.glob("*.yaml")} == {*EXPRESSED, *WARNED, *FREE, *REFUSED}


@pytest.mark.parametrize("name", EXPRESSED)
def test_said_in_the_language(name):
    problem = case(name)
    assert method_for(problem) == EXPRESSED[name] and list(statement_lines(problem))


@pytest.mark.parametrize("name", WARNED)
def test_warned_of(name):
    assert any(WARNED[name] in line for line in case(name).warnings)


@pytest.mark.parametrize("name", FREE)
def test_what_is_free_is_named(name):
    assert any(FREE[name] in sentence for sentence in freedom_sentences(case(name)))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_what_to_write(name):
    with pytest.raises(InputError, match=REFUSED[name]):
        case(name)


def test_what_data_determine_is_not_called_open():
    problem = case("inverse_field")
    assert "data in place" in no_reference(problem) and not freedom_sentences(problem) and not problem.warnings


def test_where_is_echoed():
    lines = [line for line in statement_lines(case("chain_where")) if line.startswith("  y+")]
    assert len(lines) == 3 and all(" where " in line for line in lines)


def test_a_value_at_a_point_makes_the_solution_unique():
    problem = case("periodic_pinned")
    assert not freedom_sentences(problem) and "  at (x = -1): u = 0" in list(statement_lines(problem))
    points = torch.linspace(-1, 1, 30).double()[:, None]
    found = reference_of(problem, "chebyshev").values(points.numpy())[:, 0]
    assert abs(found - (torch.pi * points[:, 0]).sin().numpy()).max() < 1e-10


def test_a_point_is_one_row_of_the_loss():
    problem = case("periodic_pinned")
    blocks = build_blocks(problem, exact_ansatz(problem), 10.0, torch.float64)
    assert [block.names for block in blocks] == [("poisson",), ("at",)]


@pytest.mark.parametrize(("entry", "reason"), [
    ({"condition": "u = 0"}, "a value of each space coordinate"),
    ({"x": 3, "condition": "u = 0"}, "lies outside"),
    ("u = 0", "a value of each space coordinate"),
    ({"x": 0, "condition": "dn(u) = 0"}, "dn"),
])  # fmt: skip
def test_points_that_are_none(entry, reason):
    with pytest.raises(InputError, match=reason):
        load_problem({"coordinates": {"x": [-1, 1]}, "fields": ["u"], "equations": "u_xx = 0", "periodic": ["x"],
                      "at": entry})  # fmt: skip


def test_edges_by_number_and_the_rest():
    stated = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["T"], "equations": "lap(T) = 0", "domain": "tri",
              "shapes": {"tri": "polygon(0, 0, 1, 0, 0, 1)"}}  # fmt: skip
    problem = load_problem({**stated, "boundary": {"tri[2]": "T = x", "*": "dn(T) = 0"}})
    assert [c.name for c in problem.conditions] == ["tri[1]", "tri[2]", "tri[3]"]
    with pytest.raises(InputError, match="all over x-"):  # which is tri[3] as well
        load_problem({**stated, "boundary": {"tri[1]": "T = 0", "tri[2]": "T = 0"}})
    with pytest.raises(InputError, match="holds nowhere"):
        load_problem({**stated, "boundary": {"tri": [{"where": "x > 2", "condition": "T = 0"}, "T = 0"]}})
