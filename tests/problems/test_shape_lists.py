"""Many shapes in one entry, and new shapes in a whole problem."""

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.singularities import singularities
from kanpde.references.methods import finite_elements

SQUARE = {
    "coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "equations": {"laplace": "lap(u) = 0"},
    "shapes": {"holes": {"disks": "holes.csv"}}, "domain": "box - holes",
    "boundary": {"holes": "u = 1", "*": "u = 0"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_holes_of_a_file_are_one_shape_with_an_edge_each(folder):
    (folder / "holes.csv").write_text("x,y,r\n-0.5,0,0.1\n0.5,0,0.2\n")
    problem = load_problem(SQUARE)
    assert [c.name for c in problem.conditions if "holes" in c.name] == ["holes[1]", "holes[2]"]
    inside = torch.tensor([[-0.5, 0.0], [0.5, 0.15], [0.0, 0.0]]).double()
    assert problem.region.contains(inside).tolist() == [False, False, True]
    assert any("each: disks" in line for line in statement_lines(problem))


def test_its_content_decides_and_travels(folder):
    (folder / "holes.csv").write_text("-0.5,0,0.1\n0.5,0,0.2\n")
    problem = load_problem(SQUARE)
    again = load_problem(problem.source, samples=problem.samples)
    assert again.region == problem.region and "sha256" in problem.source["shapes"]["holes"]
    (folder / "holes.csv").write_text("-0.5,0,0.1\n0.5,0,0.25\n")
    assert load_problem(SQUARE).content() != problem.content()


@pytest.mark.parametrize(("text", "entry", "reason"), [
    ("0,0\n", {"disks": "holes.csv"}, "needs the numbers of disk"),
    ("0,0,0.1\n5,5,0.1\n", {"disks": "holes.csv"}, "line 2 lies outside"),
    ("0,0,-1\n", {"disks": "holes.csv"}, "needs positive radii"),
    ("0,0,1,2\n0\n", {"disks": "holes.csv"}, "as many numbers in every line"),
    ("0,0,0.1\n", {"blobs": "holes.csv"}, "in the plural"),
    ("0,0,0.1\n", {"disks": "none.csv"}, "Check the path"),
])  # fmt: skip
def test_files_that_are_no_list(folder, text, entry, reason):
    (folder / "holes.csv").write_text(text)
    with pytest.raises(InputError, match=reason):
        load_problem(SQUARE | {"shapes": {"holes": entry}})


@pytest.mark.parametrize(("shape", "edges", "u", "tolerance"), [
    ("annulus(0, 0, 0.4, 0.9)", 2, lambda x, y: np.log(np.hypot(x, y)), 1e-5),
    ("sector(0, 0, 0.9, 0, 2)", 3, lambda x, y: x * x - y * y, 2e-6),
    ("rounded_box(-0.8, 0.8, -0.6, 0.6, 0.3)", 8, lambda x, y: np.exp(x) * np.sin(y), 2e-6),
    ("triangle(-0.8, -0.8, 0.8, -0.8, 0, 0.7)", 3, lambda x, y: np.exp(x) * np.sin(y), 2e-6),
])  # fmt: skip
def test_finite_elements_on_new_shapes(shape, edges, u, tolerance):
    known = {"annulus": "log(sqrt(x**2 + y**2))", "sector": "x**2 - y**2"}.get(shape.split("(")[0], "exp(x)*sin(y)")
    problem = load_problem(SQUARE | {"shapes": {"part": shape}, "domain": "part", "boundary": {"part": f"u = {known}"}})
    assert len(problem.conditions) == edges
    points = np.random.default_rng(0).uniform(-0.9, 0.9, (400, 2))
    points = points[problem.region.holds(torch.from_numpy(points)).numpy()]
    assert abs(finite_elements.solve(problem, 12).values(points)[:, 0] - u(*points.T)).max() < tolerance


def test_the_end_of_a_cylinder_may_be_a_side_of_the_box():
    stated = {"coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [0, 1]}, "fields": ["u"], "domain": "rod",
              "shapes": {"rod": "cylinder(0, 0, 0, 0, 0, 1, 0.5)"},
              "equations": {"poisson": "-lap(u) = 1"}}  # fmt: skip
    ends = {"rod[2]": "dn(u) = 0", "rod[3]": "dn(u) = 0"}
    problem = load_problem(stated | {"boundary": {"rod[1]": "u = 0", **ends}})
    assert [c.name for c in problem.conditions] == ["rod[1]", "rod[2]", "rod[3]"]
    with pytest.raises(InputError, match="all over"):
        load_problem(stated | {"boundary": ends})


@pytest.mark.parametrize(("shape", "reason"), [
    ("annulus(0, 0, 0.5, 0.4)", "0 < r1 < r2"),
    ("sector(0, 0, 0.5, 1, 0)", "angles a < b"),
    ("rounded_box(0, 1, 0, 1, 0.6)", "radius below half"),
    ("cylinder(0, 0, 0, 0, 0, 1, 0.2)", "in 3 space dimensions"),
    ("triangle(0, 0, 1, 0)", "needs triangle"),
])  # fmt: skip
def test_numbers_that_are_none(shape, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(SQUARE | {"shapes": {"holes": shape}})


def test_disks_of_a_file_have_the_functions_of_holes(folder):
    """As those that are named one by one have: without them seven wires are off by their own size."""
    (folder / "holes.csv").write_text("-0.5,0,0.1\n0.5,0,0.2\n")
    named = {"one": "disk(-0.5, 0, 0.1)", "two": "disk(0.5, 0, 0.2)"}
    apart = {**SQUARE, "shapes": named, "domain": "box - one - two", "boundary": {"*": "u = 0"}}
    listed, single = (singularities(load_problem(stated)) for stated in (SQUARE, apart))
    assert [str(one) for one in listed] == [str(one) for one in single]
    assert sum(str(one).startswith("hole at") for one in listed) == 2
