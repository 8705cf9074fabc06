"""What other packages are given: residuals, points and values as the problem has them; and how they are watched."""

import math

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.language import compile_expression
from kanpde.studies import peers
from kanpde.studies.bench import Case, made
from kanpde.studies.peers.pykan import _jets
from kanpde.studies.peers.statements import Watch, stated


def exact(problem):
    return compile_expression(problem.exact["u"], problem.coordinates, ())


@pytest.mark.parametrize("name", ["poisson_2d", "poisson_2d_paper", "poisson_lshape", "helmholtz_2d"])
def test_the_exact_solution_leaves_no_residual_and_another_does(name):
    statement = stated(load_problem(name))
    points = torch.from_numpy(statement.inside(200, 0)).requires_grad_()
    residual, truth = statement.residual(torch), exact(statement.problem)

    def left(of):
        return residual(points.unbind(dim=1), _jets(of, points, statement.indices)).abs().max().item()

    assert left(truth(points)) < 1e-10 and left(truth(points) + points[:, 0] ** 2) > 0.1
    assert statement.problem.region.contains(points.detach()).all()


@pytest.mark.parametrize("name", ["poisson_2d", "poisson_lshape"])
def test_what_is_known_lies_on_the_boundary_and_is_the_exact_solution_there(name):
    statement = stated(load_problem(name))
    points, values = statement.known(16, 0)
    assert np.allclose(values, exact(statement.problem)(torch.from_numpy(points)).numpy(), atol=1e-12)
    assert len(points) == 16 * len(statement.pieces) and len(statement.pieces) >= 4


def test_initial_values_are_known_too_and_what_repeats_enters_by_its_turn():
    statement = stated(load_problem("allen_cahn"))
    points, values = statement.known(16, 0)
    assert (points[:, 1] == 0).all() and np.allclose(values, points[:, 0] ** 2 * np.cos(np.pi * points[:, 0]))
    left, right = (statement.inputs([np.array([end]), np.array([0.5])], np) for end in (-1.0, 1.0))
    assert statement.width == 3 and np.allclose(left, right)
    assert not np.allclose(left, statement.inputs([np.array([0.3]), np.array([0.5])], np))


@pytest.mark.parametrize("name", ["cavity", "fitzhugh_nagumo", "heat_robin", "landscape_1d"])
def test_other_kinds_of_problems_are_refused(name):
    with pytest.raises(InputError, match="values all over the boundary"):
        stated(load_problem(name))


def test_a_peer_is_watched_until_its_time_is_over(monkeypatch):
    class Peer:
        PACKAGE = "numpy"

        @staticmethod
        def train(statement, seed, watch):
            truth = exact(statement.problem)
            for scale in (0.5, 0.9, 0.8):
                watch(lambda points, scale=scale: scale * truth(torch.from_numpy(points)).numpy())

    monkeypatch.setitem(peers.PEERS, "pykan", Peer)
    row = made(Case("poisson_1d", "pykan", 0, 60.0))
    assert row.word == "trained" and row.error == pytest.approx(0.2) and 0 < row.seconds < 60
    assert [error for _, error in row.curve] == pytest.approx([0.5, 0.1])
    watch = Watch(stated(load_problem("poisson_1d")), 0.0)
    assert not watch(lambda points: np.zeros(len(points))) and watch.error == pytest.approx(1)
    assert not watch.share(0.5) and not math.isnan(watch.result().error)
