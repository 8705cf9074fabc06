"""Integrals and means over domains of shapes, and over shapes: volumes, moments, the language, what is refused."""

import dataclasses
import math

import numpy as np
import pytest
import sympy

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines
from kanpde.problems.freedoms import freedom_sentences
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.fillings import filling_of, volume_of
from kanpde.problems.geometry.regions import Region
from kanpde.problems.geometry.shapes.solid import Solid
from kanpde.problems.language import Integrated, Rule, jets_of, latex_of, remotes_of, text_of

SQUARE = {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "equations": "lap(u) = auto",
          "boundary": {"*": "dn(u) = auto"}, "exact": {"u": "x*y"}}  # fmt: skip
CUBE = {**SQUARE, "coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}}
DISK = {**SQUARE, "shapes": {"disk": "disk(0, 0, 1)"}, "domain": "disk"}
LENS = 0.32 * math.acos(0.5) - 0.2 * math.sqrt(0.48)
VOLUMES = {
    "disk": (DISK, math.pi),
    "hole": ({**SQUARE, "shapes": {"hole": "disk(0.1, 0.2, 0.3)"}, "domain": "box - hole"}, 4 - 0.09 * math.pi),
    "cut by the box": ({**SQUARE, "shapes": {"d": "disk(0.9, 0, 0.5)"}, "domain": "d"},
                       0.25 * (math.pi - math.acos(0.2)) + 0.1 * math.sqrt(0.24)),
    "joined": ({**SQUARE, "shapes": {"a": "disk(-0.2, 0, 0.4)", "b": "disk(0.2, 0, 0.4)"}, "domain": "a + b"},
               0.32 * math.pi - LENS),
    "L": ({**SQUARE, "shapes": {"p": "polygon(-1, -1, 1, -1, 1, 0, 0, 0, 0, 1, -1, 1)"}, "domain": "p"}, 3.0),
    "ellipse": ({**SQUARE, "shapes": {"e": "ellipse(0, 0, 0.9, 0.3)"}, "domain": "e"}, 0.27 * math.pi),
    "annulus": ({**SQUARE, "shapes": {"a": "annulus(0, 0, 0.4, 0.9)"}, "domain": "a"}, 0.65 * math.pi),
    "small holes": ({**SQUARE, "shapes": {"a": "disk(0.5, 0.013, 0.002)", "b": "disk(0.5, -0.4, 0.001)"},
                     "domain": "box - a - b"}, 4 - 5e-6 * math.pi),
    "level": ({**SQUARE, "shapes": {"e": {"inside": "x**2 + 4*y**2 < 0.5"}}, "domain": "e"}, 0.25 * math.pi),
    "drawn out": ({**CUBE, "shapes": {"b": {"extrude": "disk(0, 0, 1)", "z": [-0.5, 0.5]}}, "domain": "b"}, math.pi),
    "ball": ({**CUBE, "shapes": {"b": "ball(0, 0, 0, 1)"}, "domain": "b"}, 4 / 3 * math.pi),
    "without a ball": ({**CUBE, "shapes": {"b": "ball(0.1, 0, 0, 0.5)"}, "domain": "box - b"}, 8 - math.pi / 6),
}  # fmt: skip


@pytest.mark.parametrize("name", VOLUMES)
def test_weights_add_up_to_the_volume(name):
    stated, volume = VOLUMES[name]
    assert volume_of(load_problem(stated).region) == pytest.approx(volume, rel=1e-11)


def test_moments_of_a_disk():
    """∫ x² y⁴ = Γ(3/2) Γ(5/2)/(4 Γ(5)) · 2/…, and ∫ exp(x) = 2π I₁(1)."""
    filling = filling_of(load_problem(DISK).region, (), ("x", "y"), {})
    (x, y), weights = filling.points.T, filling.weights
    assert (x**2 + y**2 < 1).all() and (weights > 0).all()
    assert weights @ (x**2 * y**4) == pytest.approx(math.pi / 64, rel=1e-12)
    assert weights @ np.exp(x) == pytest.approx(2 * math.pi * 0.565159103992485, rel=1e-12)


def test_parts_are_filled_one_by_one():
    """What jumps at a rim inside is integrated as well as what is smooth."""
    stated = {**SQUARE, "shapes": {"wire": "disk(0.2, 0, 0.4)"},
              "coefficients": {"k": {"inside": {"wire": 10}, "else": 1}},
              "equations": "div(k*grad(u)) = 1", "boundary": {"*": "u = 0"}}  # fmt: skip
    stated.pop("exact")
    problem = load_problem(stated)
    filling = filling_of(problem.region, problem.parts, ("x", "y"), {})
    inside = (filling.points[:, 0] - 0.2) ** 2 + filling.points[:, 1] ** 2 < 0.16
    assert filling.weights[inside].sum() == pytest.approx(0.16 * math.pi, rel=1e-12)
    assert filling.volume == pytest.approx(4, rel=1e-12)


def test_a_mean_over_shapes_pins_what_is_free():
    free = {key: value for key, value in DISK.items() if key != "exact"} | {
        "equations": "lap(u) = 0", "boundary": {"disk": "dn(u) = x"}}  # fmt: skip
    assert freedom_sentences(load_problem(free))
    pinned = load_problem({**free, "constraints": "mean(u) = 3"})
    assert not freedom_sentences(pinned)
    assert any("integral(u, x, y) - 3 = 0" in line for line in statement_lines(pinned))


@pytest.mark.parametrize(("text", "met"), [
    ("mean(u) = 0", True), ("integral(u, x, y) = 0", True), ("integral(u**2) = pi/24", True), ("mean(u) = 1e-6", False),
    ("integral((1 + x*y)*u) = pi/24", True), ("integral(u, quarter) = 1/64", True), ("mean(u, quarter) = 1/64", False),
    ("integral(u**2) = pi/25", False), ("integral(u_x**2, y, x) = pi/4", True),
])  # fmt: skip
def test_exact_solutions_meet_constraints(text, met):
    shapes = {**DISK["shapes"], "quarter": "box(0, 1, 0, 1)" if "1/64" not in text else "box(0, 0.5, 0, 0.5)"}
    stated = {**DISK, "shapes": shapes, "constraints": text}
    if met:
        load_problem(stated)
    else:
        with pytest.raises(InputError, match="exact needs to satisfy constraint"):
            load_problem(stated)


def test_what_is_printed_names_the_shape():
    shapes = {**DISK["shapes"], "core": "disk(0, 0, 0.5)"}
    problem = load_problem({**DISK, "shapes": shapes, "constraints": "integral(u, x, y) = integral(u, core)"})
    assert text_of(problem.conditions[-1].residual) == "integral(u, x, y) - integral(u, core)"
    problem = load_problem({**DISK, "shapes": shapes, "constraints": "integral(u, core) = 0"})
    assert text_of(problem.conditions[-1].residual) == "integral(u, core)"
    assert latex_of(problem.conditions[-1].residual) == r"\int_{core} u\, dx\, dy"


def test_time_is_integrated_along_with_shapes():
    stated = {**DISK, "coordinates": {"x": [-1, 1], "y": [-1, 1], "t": [0, 2]}, "equations": "u_t = lap(u) + auto",
              "exact": {"u": "t*(1 + x)"}, "boundary": {"disk": "u = auto"}, "initial": "u = auto"}  # fmt: skip
    load_problem({**stated, "constraints": "integral(u, x, y, t) = 2*pi"})
    each = load_problem({**stated, "constraints": "mean(u) = t"})
    assert each.conditions[-1].side.values[2] is None  # one row for each time
    (name,) = remotes_of(each.conditions[-1].residual)
    assert isinstance(name, Integrated) and Rule(("x", "y", "t"), name.spans).columns[-2:] == ("x'", "y'")
    assert jets_of(name.density) and isinstance(each.conditions[-1].residual, sympy.Expr)


PLAIN = {key: value for key, value in DISK.items() if key != "exact"} | {"equations": "lap(u) = 0"}


@pytest.mark.parametrize(("changes", "reason"), [
    ({"constraints": "mean(u, x) = 0"}, "needs all of space in mean"),
    ({"constraints": "mean(u, hole) = 0"}, r"needs coordinates \(x, y\), a shape \(disk\) in mean"),
    ({"constraints": "integral(u, x, -1, 1, y, -1, 1) = 0"}, "needs integrals inside the domain"),
    ({"constraints": "mean(x) = 0"}, r"needs to involve a field \(u\)"),
    ({"constraints": "integral(u, z) = 0"}, '"z" is none'),
    ({"shapes": {"disk": "disk(0, 0, 0.5)", "far": "disk(0.9, 0.9, 0.1)"}, "constraints": "mean(u, far) = 0"},
     "needs a shape that meets the domain; far does not"),
    ({"boundary": {"disk": "u = 0"}, "equations": "lap(u) = 1", "constraints": "mean(u) = 0"}, "leaves open"),
    ({"constraints": "mean(u) = 0", "at": {"x": 0, "y": 0, "condition": "u = 1"}}, "one condition that fixes it"),
])  # fmt: skip
def test_refused_in_a_sentence(changes, reason):
    with pytest.raises(InputError, match=reason):
        load_problem({**PLAIN, "boundary": {"disk": "dn(u) = x"}, **changes})


def test_what_is_for_boxes_is_said():
    stated = {**PLAIN, "coordinates": {"x": [-1, 1], "y": [-1, 1], "t": [0, 1]}, "equations": "u_t = lap(u)",
              "boundary": {"disk": "dn(u) = 0"}, "initial": "u = x", "constraints": "mean(u, t) = 0"}  # fmt: skip
    with pytest.raises(InputError, match="holds for each x, y. Integrate over x, y as well, or take a box"):
        load_problem(stated)
    with pytest.raises(InputError, match=r"needs all of space in integral\(…\), or limits, on a domain of shapes"):
        load_problem({**PLAIN, "equations": "lap(u) = integral(u, x)", "boundary": {"disk": "u = 0"}})
    energy = {key: value for key, value in PLAIN.items() if key not in ("equations", "boundary")}
    with pytest.raises(InputError, match="the constraint .* Write the equation of its minimum"):
        load_problem({**energy, "energy": "u_x**2 + u_y**2 - u", "constraints": "mean(u) = 0"})


def test_tetrahedra_of_a_mesh_are_filled_one_by_one():
    """The cube of six tetrahedra around its diagonal: ∫ x² y z = 1/12."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    paths = [(4, 6), (4, 5), (2, 6), (2, 3), (1, 5), (1, 3)]
    solid = Solid.of_cells(corners, _upright(corners, np.array([[0, *path, 7] for path in paths])), {})
    box = Box((-0.5,) * 3, (1.5,) * 3)
    region = dataclasses.replace(Region.all_of(box, (0, 1, 2)), tree="part", shapes=(("part", solid),))
    filling = filling_of(region, (), ("x", "y", "z"), {})
    x, y, z = filling.points.T
    assert filling.volume == pytest.approx(1, rel=1e-13)
    assert filling.weights @ (x**2 * y * z) == pytest.approx(1 / 12, rel=1e-12)


def _upright(nodes, cells):
    """Tetrahedra of positive volume."""
    volumes = np.linalg.det(nodes[cells][:, 1:] - nodes[cells][:, :1])
    return np.where(volumes[:, None] > 0, cells, cells[:, [0, 2, 1, 3]])
