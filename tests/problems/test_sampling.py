"""Points: inside the box, reproducible, clustered as said, weights of mean one, sides pinned."""

import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box, box_sides
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.geometry.samplings import GaussSampling, SobolSampling, interior_count, side_count

BOX = Box((-1.0, 0.0), (1.0, 3.0))


@pytest.mark.parametrize("sampling", [SobolSampling(), SobolSampling(clustering=0.0), GaussSampling()])
def test_points_lie_inside_and_weights_average_to_one(sampling):
    points, weights = sampling.interior(BOX, 400, seed=1)
    lower, upper = torch.tensor(BOX.lower), torch.tensor(BOX.upper)
    assert len(points) >= 400 and (points > lower).all() and (points < upper).all()
    assert weights.shape == (len(points),) and abs(weights.mean().item() - 1) < 1e-12


@pytest.mark.parametrize("sampling", [SobolSampling(), GaussSampling()])
def test_points_on_a_side(sampling):
    for side in box_sides(("x", "y")):
        points, _ = sampling.on_side(BOX, side, 20, seed=1)
        assert (points[:, side.axis] == side.level(BOX)).all()
        assert len(points[:, 1 - side.axis].unique()) >= 20


def test_same_seed_same_points_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    first = SobolSampling().interior(BOX, 100, seed=5).points
    assert torch.equal(first, SobolSampling().interior(BOX, 100, seed=5).points)
    assert not torch.equal(first, SobolSampling().interior(BOX, 100, seed=6).points)
    assert torch.equal(before, torch.get_rng_state())


def test_clustering_follows_chebyshevs_density():
    """Half of the points of density 1/(π√(1-x²)) lie within |x| < sin(π/4); a periodic axis stays uniform."""
    points = SobolSampling().interior(Box((-1.0, -1.0), (1.0, 1.0)), 4096, seed=0, periodic=(1,)).points
    inner = (points.abs() < 0.5**0.5).double().mean(0)
    assert inner.tolist() == pytest.approx([0.5, 0.5**0.5], abs=5e-3)


def test_gauss_points_integrate_polynomials_exactly():
    """Eight points in each axis are exact for degree 15."""
    points, weights = GaussSampling().interior(BOX, 64, seed=0)
    x, y = points.T
    mean = (weights * x**4 * y**5).mean().item()
    assert mean == pytest.approx((1 / 5) * (3**6 / 6 / 3), rel=1e-13)


def test_sobol_points_average_better_than_random_ones():
    points = uniform_points(BOX, 2**12, seed=0)
    assert abs(torch.sin(points[:, 0] + points[:, 1]).mean().item() - 0.5581748) < 1e-3


def test_counts():
    assert interior_count(SobolSampling(density=5.0), 100) == 500
    assert interior_count(SobolSampling(points=33), 100) == 33
    assert side_count(SobolSampling(), 900, 2) == 60
    assert side_count(SobolSampling(boundary_points=7), 900, 2) == 7
    assert side_count(SobolSampling(), 900, 1) == 1


def test_what_cannot_be_sampled_is_explained():
    with pytest.raises(InputError, match="between 0 and 1; 2"):
        SobolSampling(clustering=2.0)
    for name in ("points", "boundary_points", "density"):
        for sampling in (SobolSampling, GaussSampling):
            with pytest.raises(InputError, match=f"sampling.{name} must be"):
                sampling(**{name: -1})
    with pytest.raises(InputError, match="three dimensions at most; this one has 4. Use sampling=sobol"):
        GaussSampling().interior(Box((0.0,) * 4, (1.0,) * 4), 100, seed=0)
