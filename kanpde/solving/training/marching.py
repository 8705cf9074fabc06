"""Space × time products, window by window, in windows that choose themselves.

    u = L + E · Σ_ij W_ij B_i(x) P_j(t),    P_j Bernstein's polynomials of degree p in each window,

the whole a single spline that is continuous in time, with as many derivatives as the equations need initial values:
the first columns of a window are those that the window before determines, the rest is solved for by Newton's method.
With η_x of each cell, what the splines in space miss there, and η_t = 2^(1-2p) max |Δ_t^p W| / max |W|, the size of the
highest polynomial, a window is taken if η_x ≤ ε and η_t is a small part of it. Else cells are halved where η_x is
large, or the window is shortened, whichever misses more, and it is tried again. The next one begins from where it ended
and is as long as η_t allows. Cells only become finer, so that all windows are one spline on the last cells. A classical
space–time collocation in splines; for ever smaller ε it is a ladder like the others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from kanpde.models.networks.products import ProductDesign, SplineProducts, axis_knots, equal_breaks
from kanpde.models.splines import clamped_knots
from kanpde.problems.problem import Problem
from kanpde.solving.losses.interface import SquaresObjective, squares_of
from kanpde.solving.optimizers import Iterate, Optimizer, StopReason
from kanpde.solving.optimizers.interface import SparseSquares, SquaresByJacobian, sparse_squares
from kanpde.solving.tasks import goal_of
from kanpde.solving.time_windows import in_window
from kanpde.solving.training.ladder import NEWTON, Candidate, Clock, Rung, Stuck, Way, rung_of
from kanpde.solving.training.products import DEGREES, cell_points, cells_of, halved, missing, with_walls
from kanpde.solving.training.setup import Setup

IN_TIME = 9
"""Degree of the polynomials in time."""

FIRST = {1: 32, 2: 4}
"""Cells along each axis of space that a march begins with."""

FIRST_WINDOWS = 8
"""Parts of the time that the first window is one of."""

BY_CELLS = 1.5
"""Power of the number of cells with which the time of a window grows."""

LOOSEST, STRICTER, STRICTEST = 1e-4, 1e-2, 1e-13
"""ε on the first rung, its factor from rung to rung, and where rounding leaves nothing to be gained."""

WELL_BELOW = 0.03
"""Of ε, what a cell may miss that is not halved with the others."""

SHARE_OF_TIME = 0.1
"""Of what space may miss, what time may."""

SHORTEST = 1e-5
"""A window of all of time, below which none is tried."""

SHORT, NEARLY = 1 / 48, 0.01
"""And below which cells are halved that miss more than this part of ε: what is not resolved ripples fast."""

MOST = {1: 2048, 2: 64}
"""Cells along an axis."""

PATIENCE, GRACE = 0.2, 0.5
"""Of the time of a rung, after which its pace is asked for, and how much of it may pass before the second window:
up to the first one cells are found."""

LENIENT = 4.0
"""How many times too slow it may look: windows become longer."""

ROUGH = 0.1
"""A held-out residual above which a window's solution is none."""


def evolves(problem: Problem) -> bool:
    """Whether it goes on from initial conditions, and is known by them and the equations alone."""
    still = any(problem.time in axes for axes in problem.narrow.values())
    whole = problem.data or problem.learned or problem.time in problem.periodic or problem.remotes() or still
    return problem.evolves() and not whole and problem.domain.dimension <= 3


def marching_way(setup: Setup, method: Optimizer) -> Way:
    """Ever smaller ε."""

    def following(rungs: Sequence[Rung]) -> Candidate | None:
        epsilon = LOOSEST * STRICTER ** len(rungs)
        below = rungs[-1].unknowns if rungs else 0
        return MarchedProducts(setup, method, epsilon, below) if epsilon > STRICTEST else None

    return following


@dataclass(frozen=True)
class Window:
    """One part of time, solved."""

    begin: float
    end: float
    network: SplineProducts
    steps: int
    objective: SquaresObjective
    loss: float

    @property
    def length(self) -> float:
        return self.end - self.begin

    @property
    def weight(self) -> Tensor:  # [..., p+1, ..., out]
        return self.network.weight.detach()


@dataclass(frozen=True)
class TriedWindow:
    """What came of a window: the window, if it was good enough; other cells, or what its length is multiplied by."""

    window: Window | None = None
    mesh: "Mesh | None" = None
    factor: float = 1.0


Mesh = tuple[Tensor, ...]
"""The ends of the cells along each axis of space."""


class Pace:
    """How a march gets on: it is given up as soon as it can be foreseen that its time will not do.

        seconds to come = (end of time - now) / speed,    the larger one of over all windows and over the last
    """

    def __init__(self, clock: Clock, begin: float, end: float):
        self.clock, self.end = clock, end
        self.marks = [(clock.elapsed(), begin)]  # seconds, and how far in time
        self.tried = clock.elapsed(), 0

    def check(self, now: float, cells: int) -> None:
        """Before a window is tried on so many cells.

        Raises:
            Stuck: It would take too long.
        """
        seconds, (began, before) = self.clock.elapsed(), self.tried
        if now > self.marks[-1][1]:
            self.marks.append((seconds, now))
        self.tried = seconds, cells
        first, rest = self.marks[0][0], self.clock.rest()
        spent = (seconds - first) / max(self.clock.most - first, 1e-9)
        grown = (seconds - began) * (cells / before) ** BY_CELLS if before else 0.0
        slow = spent > PATIENCE and self._to_come() > LENIENT * rest if len(self.marks) > 2 else spent > GRACE
        if slow or grown > rest:
            raise Stuck(f"from t = {now:g} on, windows would take longer than the time that is left")

    def _to_come(self) -> float:
        last, now = self.marks[-1]
        since = self.marks[0], self.marks[-2]
        speed = max((now - there) / max(last - then, 1e-9) for then, there in since)
        return (self.end - now) / speed


@dataclass(frozen=True)
class MarchedProducts:
    """A candidate: what may be missed, `epsilon`; cells and windows as they come."""

    setup: Setup
    method: Optimizer
    epsilon: float
    unknowns_below: int

    power: ClassVar[float] = 0.5  # cells are halved and windows few: it may need no more of them than the one before
    largest: ClassVar[float] = math.inf

    @property
    def unknowns(self) -> int:
        """About as many; `STRICTER` in both directions."""
        return int(self.unknowns_below * STRICTER ** (-1 / IN_TIME - 1 / self._degree))

    def solve(self, below: Sequence[Rung], clock: Clock) -> Rung:
        problem, started = self.setup.problem, clock.elapsed()
        begin, end = problem.domain.lower[problem.time_axis], problem.domain.upper[problem.time_axis]
        counts = [FIRST[len(self._space)] for _ in self._space]
        box = problem.domain
        lower, upper = ([corner[axis] for axis in self._space] for corner in (box.lower, box.upper))
        windows: list[Window] = []
        equal = zip(self._space, equal_breaks(lower, upper, counts), strict=True)
        mesh, length = tuple(with_walls(problem, axis, ends) for axis, ends in equal), (end - begin) / FIRST_WINDOWS
        pace = Pace(clock, begin, end)
        while (now := windows[-1].end if windows else begin) < end:
            pace.check(now, math.prod(len(ends) - 1 for ends in mesh))
            until = end if now + length > end - SHORTEST * (end - begin) else now + length
            tried = self._tried(mesh, windows[-1] if windows else None, now, until, clock)
            mesh, length = tried.mesh or mesh, (until - now) * tried.factor
            if tried.window is not None:
                windows.append(tried.window)
            elif length < SHORTEST * (end - begin):
                raise Stuck(f"from t = {now:g} on no window was short enough{f' on {_said(mesh)}' if mesh else ''}")
        network, last = self._joined(windows, mesh), windows[-1]
        products = f"Space × time products on {_said(mesh)}, degree {self._degree}" if mesh else "Polynomials in time"
        size = f"{products}, {len(windows)} windows"
        steps, design = sum(window.steps for window in windows), ProductDesign(cells_of(network), self._degree)
        rung = rung_of(self.setup, size, design, network, last.objective, last.loss, steps, below, clock, started)
        return replace(rung, unknowns=last.weight.numel())

    @property
    def _space(self) -> list[int]:
        return [axis for axis in range(self.setup.problem.domain.dimension) if axis != self.setup.problem.time]

    @property
    def _degree(self) -> int:
        return DEGREES[self.setup.problem.domain.dimension] if self._space else IN_TIME

    def _tried(self, mesh: Mesh, before: Window | None, begin: float, end: float, clock: Clock) -> TriedWindow:
        network = self._network(mesh, begin, end)
        free = self._continued(network, before, end - begin)
        problem, weights = in_window(self.setup.problem, begin, end), self.setup.settings
        given = weights.boundary_weight, weights.data_weight
        goal = goal_of(problem, self.setup.goal.ansatz, given, self.setup.dtype)
        points = cell_points(network, {problem.time_axis: IN_TIME + 3})
        objective = squares_of(goal.objective(network, points, self.setup.seed))
        objective.checkpoint = clock.check
        part, taken = _Part(sparse_squares(objective), objective.theta, free, objective.checkpoint), list[Iterate]()
        ended = self.method.minimize(part, part.theta, NEWTON, taken.append)
        objective.theta = part.whole(ended.theta)
        converged, solved = ended.reason is StopReason.STALLED, ended.loss < ROUGH**2
        missed = {axis: missing(network, axis) for axis in self._space}
        in_time = highest(network, problem.time_axis) / (SHARE_OF_TIME * self.epsilon)
        in_space = max((eta.max().item() for eta in missed.values()), default=0.0) / self.epsilon
        short = end - begin < SHORT * self.setup.problem.domain.lengths[problem.time_axis]
        good = converged and solved and in_time <= 1
        worse = in_space > 1 and (good or in_space >= in_time) if converged else False
        coarse = all(len(ends) <= MOST[len(mesh)] for ends in mesh)
        if (worse or (short and not good and in_space > NEARLY)) and coarse:
            return TriedWindow(mesh=self._finer(network, missed))
        factor = 0.8 * max(in_time, 1e-300) ** (-1 / IN_TIME)
        if good:
            window = Window(begin, end, network, len(taken), objective, ended.loss)
            return TriedWindow(window, factor=min(2.0, max(0.5, factor)))
        return TriedWindow(factor=min(0.7, max(0.25, factor)) if converged and solved else 0.4)

    def _finer(self, network: SplineProducts, missed: dict[int, Tensor]) -> Mesh:
        worst = min(self.epsilon, max(eta.max().item() for eta in missed.values()))
        least = 0.0 if not self.setup.problem.region.whole else WELL_BELOW * worst
        return tuple(halved(network, axis, eta, least) for axis, eta in missed.items())

    def _network(self, mesh: Mesh, begin: float, end: float) -> SplineProducts:
        problem, time = self.setup.problem, self.setup.problem.time_axis
        knots = [
            axis_knots(ends, self._degree, axis in problem.periodic, problem.fluxes_across(axis))
            for axis, ends in zip(self._space, mesh, strict=True)
        ]
        knots.insert(time, clamped_knots(torch.tensor([begin, end], dtype=torch.float64), IN_TIME))
        return SplineProducts(knots, self._degrees, problem.periodic, len(problem.fields), self.setup.dtype)

    @property
    def _degrees(self) -> list[int]:
        return [IN_TIME if axis == self.setup.problem.time else self._degree for axis in range(len(self._space) + 1)]

    def _continued(self, network: SplineProducts, before: Window | None, length: float) -> Tensor:  # bool [P]
        """Begin where the window before ended, going on in a line; which weights are free."""
        free = torch.ones_like(network.weight, dtype=torch.bool)
        if before is None:
            return free.flatten()
        problem = self.setup.problem
        time = problem.time_axis
        kept = max(problem.order_along(name, time) for name in problem.fields)
        weight = self._on_cells_of(network, before.network)
        last = weight.narrow(time, IN_TIME, 1)
        slope = (last - weight.narrow(time, IN_TIME - 1, 1)) * length / before.length if kept > 1 else 0 * last
        shape = [-1 if axis == time else 1 for axis in range(last.ndim)]
        network.weight.data = last + slope * torch.arange(IN_TIME + 1, dtype=last.dtype).view(shape)
        free.narrow(time, 0, kept).fill_(False)
        return free.flatten()

    def _on_cells_of(self, network: SplineProducts, before: SplineProducts) -> Tensor:
        """The weights of another network on finer cells."""
        weight = before.weight.detach()
        for axis in self._space:
            if len(network.breaks(axis)) > len(before.breaks(axis)):
                weight = on_knots(weight, axis, before.knots(axis), network.knots(axis), self._degree,
                                  axis in network.periodic)  # fmt: skip
        return weight

    def _joined(self, windows: list[Window], mesh: Mesh) -> SplineProducts:
        """All windows as one spline, continuous in time."""
        time = self.setup.problem.time_axis
        network = self._network(mesh, windows[0].begin, windows[-1].end)
        ends = torch.tensor([windows[0].begin, *(window.end for window in windows)], dtype=torch.float64)
        knots = [network.knots(axis) for axis in range(len(network.sizes))]
        knots[time] = clamped_knots(ends, IN_TIME, continuity=0)
        outputs = self.setup.problem.outputs
        joined = SplineProducts(knots, self._degrees, network.periodic, outputs, self.setup.dtype)
        first, *later = [self._on_cells_of(network, window.network) for window in windows]
        joined.weight.data = torch.cat([first, *(weight.narrow(time, 1, IN_TIME) for weight in later)], dim=time)
        return joined


def _said(mesh: Mesh) -> str:
    return f"{' x '.join(str(len(ends) - 1) for ends in mesh)} cells"


def on_knots(weight: Tensor, axis: int, before: Tensor, after: Tensor, degree: int, periodic: bool) -> Tensor:
    """The same function with further knots along an axis, by its values at the new splines' mean knots."""
    coarse, fine = (SplineProducts([knots], [degree], (0,) if periodic else (), 1) for knots in (before, after))
    means = after[1:-1].unfold(0, degree, 1).mean(1)[: fine.sizes[0], None]
    values = coarse.features(means) @ weight.movedim(axis, 0).flatten(1).numpy()
    found = torch.from_numpy(splu(fine.features(means).tocsc()).solve(values))
    return found.reshape(-1, *weight.movedim(axis, 0).shape[1:]).movedim(0, axis).contiguous()


def highest(network: SplineProducts, axis: int) -> float:
    """η_t of a network of one cell along an axis."""
    weight = network.weight.detach()
    degree = network.degree(axis)
    differences = weight.diff(n=degree, dim=axis)
    return (differences.abs().max() * 2.0 ** (1 - 2 * degree) / weight.abs().max().clamp(min=1e-300)).item()


class _Part(SquaresByJacobian):
    """A sparse objective as a function of the weights that are free."""

    sparse = True

    def __init__(self, objective: SparseSquares, start: Tensor, free: Tensor, checkpoint: Callable[[], None]):
        self.objective, self.start, self.checkpoint = objective, start, checkpoint
        self.free = free.nonzero()[:, 0]

    @property
    def theta(self) -> Tensor:
        return self.start[self.free]

    def whole(self, theta: Tensor) -> Tensor:
        """All weights."""
        return self.start.index_copy(0, self.free, theta)

    def residual(self, theta: Tensor) -> Tensor:
        return self.objective.residual(self.whole(theta))

    def linearize_sparsely(self, theta: Tensor) -> tuple[Tensor, csr_matrix]:
        residual, jacobian = self.objective.linearize_sparsely(self.whole(theta))
        return residual, jacobian[:, self.free.numpy()]

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        residual, jacobian = self.linearize_sparsely(theta)
        return residual, torch.from_numpy(jacobian.toarray())
