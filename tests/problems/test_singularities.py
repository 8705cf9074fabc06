"""Corners found by geometry, and which singular functions belong to them."""

import math

import pytest

import kanpde
from kanpde.problems.check_report import statement_lines
from kanpde.problems.geometry.vertices import bent_corners, vertices
from kanpde.problems.singularities import clamped_exponents, singularities

L = {
    "title": "L",
    "coordinates": {"x": [-1, 1], "y": [-1, 1]},
    "fields": ["u"],
    "shapes": {"notch": "box(0, 1, -1, 0)"},
    "domain": "box - notch",
    "equations": {"poisson": "-lap(u) = 1"},
    "boundary": {"*": "u = 0"},
}
SQUARE = {key: L[key] for key in ("title", "coordinates", "fields", "equations", "boundary")}


def of(**changed):
    return kanpde.load_problem({**L, **changed})


def strong(problem):
    return [str(one) for one in singularities(problem) if one.strong]


def corners(problem):
    return {one.point: round(one.degrees, 9) for one in vertices(problem.region)}


def test_an_l_has_six_corners_one_of_them_reentrant():
    found = corners(of())
    assert len(found) == 6 and found[0.0, 0.0] == 270
    assert all(angle == 90 for point, angle in found.items() if point != (0.0, 0.0))


def test_a_polygon_s_corners_have_its_angles_whatever_it_is_written_by():
    triangle = of(shapes={"t": "polygon(-1, -1, 1, -1, -1, 0)"}, domain="t")
    found = corners(triangle)
    assert found == pytest.approx({(-1.0, -1.0): 90, (1.0, -1.0): math.degrees(math.atan(0.5)),
                                   (-1.0, 0.0): math.degrees(math.atan(2))})  # fmt: skip
    hole = corners(of(shapes={"hole": "box(-0.5, 0.5, -0.5, 0.5)"}, domain="box - hole"))
    assert sorted(hole.values()) == [90] * 4 + [270] * 4


def test_shapes_that_only_touch_make_two_sectors():
    bow = of(shapes={"a": "polygon(-1, -1, 0, 0, -1, 1)", "b": "polygon(1, -1, 1, 1, 0, 0)"}, domain="a + b")
    found = [one for one in vertices(bow.region) if one.point == (0.0, 0.0)]
    assert len(found) == 2 and all(one.degrees == pytest.approx(90) for one in found)


def test_joined_boxes_have_no_corner_where_their_sides_go_on():
    joined = of(shapes={"a": "box(-1, 0, -1, 1)", "b": "box(0, 1, 0, 1)"}, domain="a + b")
    assert corners(joined) == corners(of())


def test_a_round_edge_makes_no_straight_corner():
    assert (1.0, 0.0) not in corners(of(shapes={"d": "disk(1, 1, 1)"}, domain="box - d"))


@pytest.mark.parametrize(
    ("boundary", "law"),
    [
        ({"*": "u = 0"}, "r^(2/3) sin"),
        ({"x-": "u = 0", "*": "dn(u) = 0"}, "r^(2/3) cos"),
        ({"x-": "u = 0", "notch": "dn(u) = 0", "*": "u = 0"}, "r^(2/3) cos"),
    ],
)
def test_the_law_is_that_of_what_is_given_on_the_edges(boundary, law):
    assert f"corner at (0, 0) of 270°: {law}" in strong(of(boundary=boundary))


def test_a_mixed_corner_has_half_the_exponent():
    square = kanpde.load_problem({**SQUARE, "boundary": {"x-": "u = 0", "*": "dn(u) = 0"}})
    assert strong(square) == []  # (k - 1/2)π/ω is a whole number
    wedge = of(shapes={"t": "polygon(-1, -1, 1, -1, -1, 1)"}, domain="t",
               boundary={"x-": "u = 0", "y-": "dn(u) = 0", "*": "u = 0"})  # fmt: skip
    assert strong(wedge) == []  # 2, 6 and 10 at 45°, and 1, 3, 5 between the two values


def test_a_square_is_singular_where_what_is_given_does_not_fit_together():
    """At (x, 1): values that jump; a normal derivative beside values; a source where u is zero on both edges."""

    def laws(**changed):
        return {one.split(": ")[1] for one in strong(kanpde.load_problem({**SQUARE, **changed}))}

    harmonic, lid = {"laplace": "lap(u) = 0"}, {"y+": "u = 1", "*": "u = 0"}
    assert laws() == {"r^2 log r"}
    assert laws(equations=harmonic, boundary=lid) == {"a jump, θ"}
    assert laws(equations=harmonic, boundary={"y+": "u = x", "y-": "u = x", "*": "dn(u) = 0"}) == {"r^1 log r"}
    assert laws(equations=harmonic, boundary={"y+": "u = x", "y-": "u = x", "x-": "u_x = 1", "x+": "u_x = 1"}) == set()
    assert laws(equations={"one": "-lap(u) = cos(pi*x/2)*cos(pi*y/2)"}) == set()
    assert laws(equations={"one": "-lap(u) + u**3 = exp(x)*(1 - x**2)*(1 - y**2)"}) == set()
    plain = singularities(kanpde.load_problem("poisson_2d"))
    assert len(plain) == 4 and not any(one.strong for one in plain)
    assert all(row[7] == 1 and row[5] >= 2 for one in plain for row in one.rows)


def test_other_leading_terms_have_none():
    for equation in ("-u_xx - 2*u_yy = 1", "lap(u) + u_xy/2 = 1"):
        assert strong(of(equations={"one": equation})) == []
    assert strong(of(equations={"one": "-div((1 + u**2)*grad(u)) + u = x"}))


def test_holes_have_logarithms_and_poles():
    found = strong(kanpde.load_problem("laplace_holes"))
    assert len(found) == 4 and all("hole at" in one and "log r" in one for one in found)


def test_check_names_them():
    assert "  corner at (0, 0) of 270°: r^(2/3) sin" in list(statement_lines(of()))


@pytest.mark.parametrize(
    ("shapes", "domain", "places"),
    [
        ({"a": "disk(-0.3, 0, 0.5)", "b": "disk(0.3, 0, 0.5)"}, "a + b", {(0.0, -0.4): 254, (0.0, 0.4): 254}),
        ({"a": "disk(-0.3, 0, 0.5)", "b": "disk(0.3, 0, 0.5)"}, "a & b", {}),
        ({"a": "disk(-0.3, 0, 0.5)", "b": "box(-0.3, 0.6, -0.4, 0.3)"}, "box - a - b", {}),
        ({"a": "disk(0, 0, 0.5)", "b": "box(0, 1, -1, 1)"}, "box - (a - b)", {(0.0, -0.5): 270, (0.0, 0.5): 270}),
        ({"a": "sector(0, 0, 0.5, 0, pi/2)"}, "box - a", {(0.5, 0.0): 270, (0.0, 0.5): 270}),
        ({"a": "disk(1, 1, 0.5)"}, "box - a", {}),
        ({"a": "sector(0, 0, 0.5, 0, pi/2)"}, "box + a", {}),
        ({"a": "disk(0, 0, 0.5)"}, "box - a", {}),
        ({"notch": "box(0, 1, -1, 0)"}, "box - notch", {}),
    ],
)  # fmt: skip
def test_reentrant_corners_with_a_curved_edge_are_found(shapes, domain, places):
    found = {(round(x, 3) + 0.0, round(y, 3) + 0.0): math.degrees(angle)
             for (x, y), angle in bent_corners(of(shapes=shapes, domain=domain).region)}  # fmt: skip
    assert found == pytest.approx(places, abs=1.5)


def test_check_says_that_curved_corners_have_no_functions():
    shapes = {"a": "disk(-0.3, 0, 0.5)", "b": "disk(0.3, 0, 0.5)"}
    lines = [line for line in statement_lines(of(shapes=shapes, domain="a + b")) if "straight sides" in line]
    assert len(lines) == 2 and all("0.4) of about 254°: it has no function of its own" in line for line in lines)
    assert all("corner at (0, " in line for line in lines)
    assert not [line for line in statement_lines(of()) if "straight sides" in line]
    other = of(shapes=shapes, domain="a + b", equations={"one": "-u_xx - 2*u_yy = 1"})
    assert not [line for line in statement_lines(other) if "straight sides" in line]


def test_a_clamped_corner_has_the_powers_of_eddies():
    """Moffatt's λ = 2.7396 + 1.1190i at 90°, Williams' .5445 and .9085 at 270°."""
    assert clamped_exponents(math.pi / 2)[0] == pytest.approx(2.7395934 + 1.1190245j)
    assert [one.real for one in clamped_exponents(1.5 * math.pi)[:2]] == pytest.approx([0.5444837, 0.9085292])


def test_a_cavity_s_lid_does_not_fit_to_its_walls():
    cavity = kanpde.load_problem("cavity")
    found = strong(cavity)
    assert len(found) == 2 and all("(0, 1)" in one or "(1, 1)" in one for one in found)
    assert all("r^2 log r of its conditions" in one for one in found)
    assert all(row[8] in (0, 1) for one in singularities(cavity) for row in one.rows), "biharmonic"


def test_a_plate_that_is_clamped_smoothly_needs_none():
    plate = {**SQUARE, "equations": {"plate": "lap(lap(u)) = 1"}, "boundary": {"*": ["u = 0", "dn(u) = 0"]}}
    assert strong(kanpde.load_problem(plate)) == []
