"""Polygons that have edges on sides of the box: conditions of the side are conditions of the edge."""

import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import piece_points
from kanpde.references import reference_of

UP, DOWN = "polygon(0.5, 0, 1.5, 0, 2, 1, 0, 1)", "polygon(0, 0, 2, 0, 1.5, 1, 0.5, 1)"
HARMONIC = "x**2 - y**2 + x*y"


def statement(form: str, **boundary: str) -> dict:
    box = {"coordinates": {"x": [0, 2], "y": [0, 1]}, "fields": ["u"], "shapes": {"tank": form}, "domain": "tank"}
    return {**box, "equations": {"heat": "-lap(u) = 0"}, "boundary": boundary}


@pytest.mark.parametrize(("form", "side", "edge"), [(UP, "y+", 3), (DOWN, "y-", 1)])
def test_a_side_stands_for_the_edge_on_it(form, side, edge):
    """At the upper end of an axis a polygon does not hold its own edge."""
    problem = load_problem(statement(form, **{side: f"u = {HARMONIC}", "*": f"u = {HARMONIC} + 0"}))
    others = [f"tank[{number}]" for number in range(1, 5) if number != edge]
    assert [condition.name for condition in problem.conditions] == [side, *others]
    points = piece_points(problem.region, problem.domain, problem.conditions[0].side, 100, 0)
    assert len(points) == 100 and points[:, 0].min() < 0.1 and points[:, 0].max() > 1.9
    found = reference_of(problem, "finite_elements", 30)
    inside = torch.tensor([[1.0, 0.5], [0.8, 0.9], [1.2, 0.1]]).double()
    x, y = inside.T
    assert found.values(inside.numpy())[:, 0] == pytest.approx((x**2 - y**2 + x * y).numpy(), abs=1e-7)


def test_every_edge_has_its_condition():
    with pytest.raises(InputError, match=r"tank\[3\] are the same edge"):
        load_problem(statement(UP, **{"y+": "u = x", "tank": "u = 0"}))
    with pytest.raises(InputError, match="1 condition for u all over tank; at"):
        load_problem(statement(UP, **{"y+": "u = x*(2 - x)", "tank[1]": "u = 0", "tank[2]": "u = 0"}))
