"""How far a solution is off, from its own residual: the linearized error equation, solved in a space of its own.

A solution u with residual R(u) misses the true one by e with

    L e = -R(u),    B e = -(what conditions and data are missed by),    L = ∂R/∂u,  B = ∂C/∂u,

to first order. e is sought as E Σ_j c_j tanh(w_j·x + b_j), E the envelope of what is built in, w and b random and the
same for every run, c by least squares over points that no training has seen. Nothing of the trained network enters but
its values and derivatives, so what it cannot represent is no blind spot of the estimate.

    size         max_f ‖e_f‖ / s_f over the points, s_f the scale of field f that errors are measured by (`errors.py`)
    unexplained  ‖L e + R‖ / ‖R‖, the share of the residual that no e of the space accounts for

Source: the error equation of a posteriori analysis; random features as in the extreme learning machine of Huang, Zhu
and Siew (2006).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from kanpde.models.jets import IndexSet, closure
from kanpde.models.networks import MLP
from kanpde.problems.geometry.sampling import uniform_points
from kanpde.problems.geometry.samplings import SobolSampling
from kanpde.problems.problem import Problem
from kanpde.references.means import check_time
from kanpde.results.errors import field_scales
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.losses.residuals import Block, build_blocks, draw
from kanpde.solving.reach import RemoteValue, named_jets
from kanpde.solving.solution import Solution
from kanpde.solving.time_windows import Chained, in_window

FEATURES, MOST_UNKNOWNS = 500, 1500
"""Random features a field, and of all fields together."""

ROWS_PER_UNKNOWN = 2.0
CONDITION_WEIGHT = 100.0
"""Conditions are data of the error as well, and lie on few points: they count for more."""

FEWEST_WINDOWS, MOST_WINDOWS = 4, 12
"""Into how many parts time is cut for the estimate."""

STEEPEST = 25.0
"""Slope of the steepest feature, over half of the box."""

RIDGE = 1e-11
SEED = 4 * 10**6


@dataclass(frozen=True)
class ErrorEstimate:
    """The relative size of the error that the residual stands for, and the share of it that is not explained."""

    size: float
    unexplained: float


def estimated_error(solution: Solution, ansatz: Ansatz) -> ErrorEstimate | None:
    """Solve the linearized error equation about a solution, window by window where time is a coordinate.

    Args:
        solution: What was trained; of windows of time as well.
        ansatz: Of the whole problem: its envelopes are what an error keeps to, its penalties what it may violate.

    Returns:
        None where the problem has no equations, or its derivatives are not finite at the solution.

    Raises:
        OutOfMeans: the time for measuring is over.
    """
    problem = solution.problem
    if not problem.equations:
        return None
    built = build_blocks(problem, ansatz, CONDITION_WEIGHT, torch.float64, CONDITION_WEIGHT)
    blocks = [block for block in built if any(formula.jets for formula in block.formulas)]  # no priors
    parts, before = [], None
    for window in _windows(solution):
        check_time()
        part = _solved(solution, ansatz, window, blocks, before)
        if part is None:
            return None
        parts.append(part)
        before = part.error
    error, square, mean = (torch.stack([part.fields[place] for part in parts]).mean(0) for place in range(3))
    scales = field_scales(square.sqrt(), (square - mean**2).clamp(min=0).sqrt())
    left, whole = (sum(squares) ** 0.5 for squares in zip(*(part.squares for part in parts), strict=True))
    return ErrorEstimate((error.sqrt() / scales).max().item(), left / max(whole, 1e-300))


def _windows(solution: Solution) -> list[Problem]:
    """The problem in equal parts of its time, as many as were trained and at least a few."""
    problem = solution.problem
    if not problem.evolves() or problem.reaches_through_time():
        return [problem]
    trained = len(solution.pieces) if isinstance(solution, Chained) else 1
    count = min(max(trained, FEWEST_WINDOWS), MOST_WINDOWS)
    begin, length = problem.domain.lower[problem.time_axis], problem.domain.lengths[problem.time_axis]
    ends = [begin + length * place / count for place in range(count + 1)]
    return [in_window(problem, *pair) for pair in pairwise(ends)]


ErrorJets = Callable[[Tensor, IndexSet], Tensor]
"""[n, d] -> [n, s, fields]"""


@dataclass(frozen=True)
class _Part:
    """The error in one window, and what the estimate is made of.

    fields: Of each field, the means of e², u² and u.
    squares: Of L e + R and R.
    """

    error: ErrorJets
    fields: tuple[Tensor, Tensor, Tensor]
    squares: tuple[float, float]


def _solved(
    solution: Solution, ansatz: Ansatz, window: Problem, blocks: Sequence[Block], before: ErrorJets | None
) -> _Part | None:
    features = min(FEATURES, MOST_UNKNOWNS // len(window.fields))
    space = _ErrorSpace(ansatz, window, features)
    if before is not None:
        blocks = [block for block in blocks if getattr(block.side, "axis", None) != window.time]
    samples = draw(window, blocks, SobolSampling(clustering=0.0), int(ROWS_PER_UNKNOWN * features), SEED)
    rows = [_rows(solution, space, block, sample.points) for block, sample in zip(blocks, samples, strict=True)]
    if before is not None:
        rows.append(_carried_rows(space, window, before, features))
    residual, matrix = (torch.cat(parts) for parts in zip(*rows, strict=True))
    if not (residual.isfinite().all() and matrix.isfinite().all()):
        return None
    coefficients = _least_squares(matrix, -residual)
    places = [sample.points for block, sample in zip(blocks, samples, strict=True)
              if block.side is None and block.observed is None]  # fmt: skip
    inside = torch.cat(places).double()
    lives = window.lives(inside)
    error = partial(space.error, coefficients)
    found = torch.from_numpy(solution.values(inside))
    missed, left = error(inside, _values(window))[:, 0], matrix @ coefficients + residual
    means = [(lives * values).sum(0) / lives.sum(0).clamp(min=1) for values in (missed**2, found**2, found)]
    fields = means[0], means[1], means[2]
    return _Part(error, fields, (float(left.square().sum()), float(residual.square().sum())))


def _values(problem: Problem) -> IndexSet:
    return ((0,) * len(problem.coordinates),)


def _carried_rows(space: _ErrorSpace, window: Problem, before: ErrorJets, count: int) -> tuple[Tensor, Tensor]:
    """e and its time derivatives at a window's begin are those at the end of the window before."""
    time, box = window.time_axis, window.domain
    points = uniform_points(box, count, seed=SEED)
    points[:, time] = box.lower[time]
    order = max(window.order_along(name, time) for name in window.fields)
    wanted = [tuple(j * int(axis == time) for axis in range(box.dimension)) for j in range(order)]
    indices = closure(wanted, box.dimension)
    known, features = before(points, indices), space.jets(points, indices).expand(-1, -1, space.fields, -1)
    residual, matrix = [], []
    for field, name in enumerate(window.fields):
        for j in range(window.order_along(name, time)):
            factor = (CONDITION_WEIGHT / count) ** 0.5 * (box.lengths[time] / 2) ** j
            rows = features.new_zeros(count, space.fields, space.features)
            rows[:, field] = features[:, indices.index(wanted[j]), field]
            matrix.append(factor * rows.flatten(1))
            residual.append(-factor * known[:, indices.index(wanted[j]), field])
    return torch.cat(residual), torch.cat(matrix)


class _ErrorSpace:
    """E Σ_j c_j tanh(w_j·x + b_j) for every field."""

    def __init__(self, ansatz: Ansatz, window: Problem, features: int):
        self.ansatz, self.features, self.fields = ansatz, features, len(window.fields)
        box = window.domain
        generator = torch.Generator().manual_seed(SEED)
        network = MLP(
            (box.dimension, features, 1), lower=box.lower, upper=box.upper, periodic=window.periodic,
            dtype=torch.float64, generator=generator,
        )  # fmt: skip
        first, biases = network.layers[0], network.layers[0].bias
        if biases is None:
            raise TypeError("an MLP has biases")
        directions = torch.randn(first.weight.shape, dtype=torch.float64, generator=generator)
        directions /= directions.norm(dim=0, keepdim=True)
        steepness = STEEPEST ** torch.rand(features, dtype=torch.float64, generator=generator)
        centers = 2 * torch.rand(features, first.weight.shape[0], dtype=torch.float64, generator=generator) - 1
        first.weight.data = directions * steepness
        biases.data = -(first.weight.data[:, 0].T * centers).sum(1)
        self.network = network

    def jets(self, points: Tensor, indices: IndexSet) -> Tensor:  # [n, d] -> [n, s, fields or 1, m]
        """∂_α (E φ_j) of every feature, for each field."""
        network = self.network
        with torch.no_grad():
            hidden = network.layers[0].tap(network.inputs.jet(points, indices), indices).outputs
            lifted = network.layers[1].lift(network.layers[0].shifted(hidden), indices).features[..., 0]  # [n, s, m]
            matrix = self.ansatz.bind(points, indices).matrix
        if matrix is None:
            return lifted[:, :, None]
        return (matrix @ lifted[:, None]).transpose(1, 2)

    def error(self, coefficients: Tensor, points: Tensor, indices: IndexSet) -> Tensor:  # [p], [n, d] -> [n, s, fields]
        return (self.jets(points, indices) * coefficients.reshape(self.fields, self.features)).sum(-1)


def _rows(solution: Solution, space: _ErrorSpace, block: Block, points: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted residuals [n·q] of a block, and their derivatives [n·q, fields · m] along the error space."""
    problem, points, learned = solution.problem, points.double(), solution.learned
    remote = [_remote(solution, space, value, points) for value in block.reach]
    jets = solution.jets(points, block.indices).cpu().double()
    with torch.enable_grad():
        inputs = [part.requires_grad_() for part in (jets, *(value for value, _ in remote))]
        named = {**named_jets(jets, problem.fields, block.indices)}
        named |= {value.jet: there for value, there in zip(block.reach, inputs[1:], strict=True)}
        found = torch.stack([formula(points, named, learned) for formula in block.formulas], dim=1)
        slopes = [_slopes(column, inputs) for column in found.unbind(1)]
    values = found.detach() if block.observed is None else found.detach() - block.observed.values.double()
    factors = (block.weight / len(points)) ** 0.5 / torch.tensor(block.scales, dtype=torch.float64)
    features = space.jets(points, block.indices).expand(-1, -1, space.fields, -1)
    columns = torch.stack([_along(own, features) for own, *_ in slopes], 1)
    for place, (_, rows) in enumerate(remote, 1):
        columns += torch.stack([slope[place] for slope in slopes], 1)[..., None] * rows[:, None]
    return (values * factors).reshape(-1), (columns * factors[..., None]).flatten(0, 1)


def _along(slope: Tensor, features: Tensor) -> Tensor:  # [n, s, fields], [n, s, fields, m] -> [n, fields · m]
    return torch.einsum("nsf,nsfm->nfm", slope, features).flatten(1)


def _remote(
    solution: Solution, space: _ErrorSpace, value: RemoteValue, points: Tensor
) -> tuple[Tensor, Tensor]:  # [n, d] -> [n], [n, fields · m]
    """A value from elsewhere, and its derivatives along the error space."""
    bound, found = value.bind(points), []
    for piece in bound.pieces:
        jets = [solution.jets(x, one.indices).cpu().double().requires_grad_() for x, one in
                zip(piece.points, value.elsewhere, strict=True)]  # fmt: skip
        with torch.enable_grad():
            own = piece(jets, solution.problem.fields, solution.learned)
            slopes = _slopes(own, jets)
        features = (space.jets(x, one.indices).expand(-1, -1, space.fields, -1) for x, one in
                    zip(piece.points, value.elsewhere, strict=True))  # fmt: skip
        rows = torch.stack([_along(slope, part) for slope, part in zip(slopes, features, strict=True)]).sum(0)
        found.append((own.detach(), rows.unflatten(0, (len(own), -1)).sum(1)))
    whole, rows = (torch.cat(parts)[bound.inverse] for parts in zip(*found, strict=True))
    return whole, rows


def _slopes(column: Tensor, jets: list[Tensor]) -> tuple[Tensor, ...]:  # [n], [n·Q, s, fields] each -> the same
    return torch.autograd.grad(column.sum(), jets, retain_graph=True, materialize_grads=True)


def _least_squares(matrix: Tensor, right: Tensor) -> Tensor:  # [n, p], [n] -> [p]
    """The least-squares solution with unit columns and a tiny ridge."""
    norms = matrix.norm(dim=0).clamp(min=1e-300)
    ridge = RIDGE**0.5 * torch.eye(matrix.shape[1], dtype=matrix.dtype)
    stacked = torch.cat([matrix / norms, ridge])
    padded = torch.cat([right, right.new_zeros(matrix.shape[1])])
    return torch.linalg.lstsq(stacked, padded[:, None]).solution[:, 0] / norms
