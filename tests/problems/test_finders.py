"""The triangle around a point, against Matplotlib's finder and against the triangle's own corners."""

import numpy as np
import pytest
from matplotlib.tri import Triangulation

from kanpde.problems.geometry.finders import SimplexFinder


@pytest.mark.parametrize("power", [1, 4], ids=["even", "graded to a corner"])
def test_against_another_finder(random, power):
    radius, angle = random.random(1500) ** power, 1.5 * np.pi * random.random(1500)
    nodes = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    mesh, points = Triangulation(*nodes.T), random.uniform(-1, 1, (4000, 2))
    points[:500] *= 1e-3
    found, expected = SimplexFinder(nodes, mesh.triangles)(points), mesh.get_trifinder()(*points.T)
    assert (expected < 0).sum() > 500 and (expected >= 0).sum() > 1500
    assert (found == expected).all(), f"{(found != expected).sum()} of {len(points)} differ"


def test_corners_and_middles_of_sides_belong_to_a_triangle_that_has_them(random):
    nodes = random.random((200, 2))
    corners = Triangulation(*nodes.T).triangles
    finder = SimplexFinder(nodes, corners)
    for points in (nodes[corners[:, 0]], nodes[corners[:, :2]].mean(1)):
        found = finder(points)
        assert (found >= 0).all()
        inside = np.einsum("tij,tj->ti", finder.inverses[found], points - finder.origins[found])
        assert min(inside.min(), (1 - inside.sum(1)).min()) > -1e-9


def test_one_triangle():
    finder = SimplexFinder(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([[0, 1, 2]]))
    assert finder(np.array([[0.3, 0.3], [0.7, 0.7], [-5.0, 0.1]])).tolist() == [0, -1, -1]
