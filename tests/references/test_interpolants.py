"""Values between nodes: on whole grids axis by axis, at scattered points one by one; two ways to one number."""

import numpy as np
import pytest

from kanpde.references.interpolants import ChebyshevAxis, FourierAxis, Interpolant, Pieces, chebyshev_nodes

AXES = {
    "polynomials": (ChebyshevAxis(0.0, 1.0, 6), ChebyshevAxis(-1.0, 2.0, 5)),
    "waves and pieces": (FourierAxis(0.0, 1.0, 8), Pieces(np.array([0.0, 0.3, 1.0]), chebyshev_nodes(4))),
    "pieces and waves": (Pieces(np.array([0.0, 0.3, 1.0]), chebyshev_nodes(4)), FourierAxis(0.0, 1.0, 7)),
    "three": (
        FourierAxis(0.0, 1.0, 4),
        ChebyshevAxis(0.0, 1.0, 4),
        Pieces(np.array([0.0, 0.5, 1.0]), chebyshev_nodes(3)),
    ),
}


@pytest.mark.parametrize("name", AXES)
def test_a_grid_is_evaluated_as_its_points_are(name, random):
    axes = AXES[name]
    function = Interpolant(axes, random.normal(size=(2, *(len(axis.nodes) for axis in axes))))
    lines = [np.linspace(0.0, 1.0, 5 + place) for place in range(len(axes))]
    grid = np.stack([x.ravel() for x in np.meshgrid(*lines, indexing="ij")], axis=1)
    order = random.permutation(len(grid))
    assert np.allclose(function(grid)[order], function(grid[order]), rtol=0, atol=1e-12)
    assert not np.allclose(function(grid), function(grid[order]))


def test_no_points_and_one_point_have_values():
    function = Interpolant(AXES["polynomials"], np.ones((1, 6, 5)))
    assert function(np.empty((0, 2))).shape == (0, 1) and np.allclose(function(np.array([[0.2, 0.3]])), 1.0)
