"""Space × time products, window by window, in windows that choose themselves.

    u = L + E · Σ_ij W_ij B_i(x) P_j(t),    P_j Bernstein's polynomials of degree p in each window,

the whole a single spline that is continuous in time, with as many derivatives as the equations need initial values:
the first columns of a window are those that the window before determines, the rest is solved for by Newton's method.
With η_t = 2^(1-2p) max |Δ_t^p W| / max |W|, the size of the highest polynomial, and η_x that of what the splines in
space miss, a window is taken if η_t is a small part of η_x, so that space and time are resolved alike; else it is
shortened and tried again. The next one begins from where it ended and is as long as η_t allows. A classical
space–time collocation in splines; on ever finer cells it is a ladder like the others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from kanpde.models.networks.products import ProductDesign, SplineProducts, axis_knots, box_knots
from kanpde.models.splines import clamped_knots
from kanpde.problems.problem import Problem
from kanpde.solving.optimizers import Iterate, Optimizer, StopReason
from kanpde.solving.tasks import goal_of
from kanpde.solving.time_windows import in_window
from kanpde.solving.training.ladder import NEWTON, Candidate, Clock, Rung, Stuck, Way, rung_of
from kanpde.solving.training.products import DEGREES, WORTH, cell_points, cells_of, missing, refined
from kanpde.solving.training.setup import Setup

IN_TIME = 9
"""Degree of the polynomials in time."""

FIRST = {1: 64, 2: 4}
"""Cells along each axis of space that the ladder begins with."""

FIRST_WINDOWS = 8
"""Parts of the time that the first window is one of."""

SHARE_OF_TIME = 0.1
"""Of what space misses, what time may."""

AT_FIRST, FINEST = 1e-5, 1e-12
"""What time may miss in any case: on the first rung, and where rounding leaves nothing to be gained. On the others it
is the share of what the cells of the rung below, halved, should miss at worst."""

SHORTEST = 1e-5
"""A window of all of time, below which none is tried."""

UNRESOLVED = 3e-3
"""What space misses, η_x, beyond which the cells are halved before time goes on, unless there are MOST of them."""

NEARLY, SHORT = 3e-5, 1 / 48
"""The same where windows have become shorter than this part of all time: what is not resolved ripples fast."""

MOST = {1: 2048, 2: 64}

ROUGH = 0.1
"""A held-out residual above which a window's solution is none."""


def evolves(problem: Problem) -> bool:
    """Whether it goes on from initial conditions, and is known by them and the equations alone."""
    initial = any(condition.kind == "initial" for condition in problem.conditions)
    whole = problem.data or problem.learned or problem.time in problem.periodic or problem.remotes()
    return problem.time is not None and initial and not whole and 2 <= problem.domain.dimension <= 3


def marching_way(setup: Setup, method: Optimizer) -> Way:
    """Twice the cells along the axes of space that need it."""
    time = setup.problem.time
    space = [axis for axis in range(setup.problem.domain.dimension) if axis != time]

    def following(rungs: Sequence[Rung]) -> Candidate:
        if not rungs:
            return March(setup, method, (FIRST[len(space)],) * len(space))
        network = rungs[-1].trained.network
        finer = refined(network, cells_of(network), setup.problem.region is not None)
        cells, before = [finer[axis] for axis in space], [cells_of(network)[axis] for axis in space]
        return March(setup, method, tuple(cells) if cells != before else tuple(2 * count for count in cells))

    return following


@dataclass(frozen=True)
class Window:
    """One part of time, solved."""

    begin: float
    end: float
    weight: Tensor  # [..., p+1, ..., out]
    steps: int
    objective: Any
    loss: float

    @property
    def length(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True)
class March:
    """A candidate: equal cells in space, windows as they come."""

    setup: Setup
    method: Optimizer
    cells: tuple[int, ...]

    power: ClassVar[float] = 1.5
    largest: ClassVar[float] = math.inf

    @property
    def unknowns(self) -> int:
        degree = DEGREES[len(self.cells) + 1]
        return math.prod(count + degree for count in self.cells) * IN_TIME * len(self.setup.problem.fields)

    def solve(self, below: Sequence[Rung], clock: Clock) -> Rung:
        """Go through time; on finer cells from its beginning, where these turn out to be far too few."""
        begun, finer = clock.elapsed(), self
        while True:
            try:
                return finer._solved(below, clock, begun)
            except _Unresolved as unresolved:
                finer = replace(finer, cells=unresolved.cells)

    def _solved(self, below: Sequence[Rung], clock: Clock, begun: float) -> Rung:
        problem = self.setup.problem
        begin, end = problem.domain.lower[problem.time], problem.domain.upper[problem.time]
        windows: list[Window] = []
        least = self._least(below)
        length = (end - begin) / FIRST_WINDOWS
        while (now := windows[-1].end if windows else begin) < end:
            until = end if now + length > end - SHORTEST * (end - begin) else now + length
            found, factor = self._window(windows[-1] if windows else None, now, until, least, clock)
            length = (until - now) * factor
            if found is not None:
                windows.append(found)
            elif length < SHORTEST * (end - begin):
                raise Stuck(f"from t = {now:g} on no window was short enough on {self._said}")
        network = self._joined(windows)
        last = windows[-1]
        size = f"Space × time products on {self._said}, degree {DEGREES[len(self.cells) + 1]}, {len(windows)} windows"
        design = ProductDesign(cells_of(network), DEGREES[len(self.cells) + 1])
        steps = sum(window.steps for window in windows)
        rung = rung_of(self.setup, size, design, network, last.objective, last.loss, steps, below, clock, begun)
        return replace(rung, unknowns=self.unknowns)

    def _least(self, below: Sequence[Rung]) -> float:
        """What time may miss however little space does."""
        if not below:
            return AT_FIRST
        network, time = below[-1].trained.network, self.setup.problem.time
        space = [axis for axis in range(len(network.sizes)) if axis != time]
        worst = max(missing(network, axis) * 0.5 ** (network.degree(axis) + 1) for axis in space)
        return max(SHARE_OF_TIME * worst, FINEST)

    @property
    def _said(self) -> str:
        return f"{' x '.join(map(str, self.cells))} cells"

    def _window(
        self, before: Window | None, begin: float, end: float, least: float, clock: Clock
    ) -> tuple[Window | None, float]:
        """The window solved, None if it is to be shortened; and what its length is to be multiplied by next."""
        network = self._network(begin, end)
        free = self._continued(network, before, end - begin)
        problem, weights = in_window(self.setup.problem, begin, end), self.setup.settings
        given = weights.boundary_weight, weights.data_weight
        goal = goal_of(problem, self.setup.goal.ansatz, given, self.setup.dtype)
        objective = goal.objective(network, cell_points(network, {problem.time: IN_TIME + 3}), self.setup.seed)
        objective.checkpoint = clock.check
        part, taken = _Part(objective, free), list[Iterate]()
        ended = self.method.minimize(part, part.theta, NEWTON, taken.append)
        objective.theta = part.whole(ended.theta)
        late = highest(network, problem.time)
        missed = [missing(network, axis) for axis in range(len(network.sizes)) if axis != problem.time]
        space = max(missed)
        box = self.setup.problem.domain
        short = end - begin < SHORT * box.lengths[problem.time]
        if space > (NEARLY if short else UNRESOLVED) and max(self.cells) < MOST[len(self.cells)]:
            pairs = zip(self.cells, missed, strict=True)
            raise _Unresolved(tuple(2 * count if eta > WORTH * space else count for count, eta in pairs))
        allowed = max(SHARE_OF_TIME * space, least)
        factor = 0.8 * (allowed / max(late, 1e-300)) ** (1 / IN_TIME)
        converged = ended.reason is StopReason.STALLED and ended.loss < ROUGH**2
        if not converged or not late <= allowed:
            return None, min(0.7, max(0.25, factor)) if converged else 0.4
        found = Window(begin, end, network.weight.detach().clone(), len(taken), objective, ended.loss)
        return found, min(2.0, max(0.5, factor))

    def _network(self, begin: float, end: float) -> SplineProducts:
        problem, degree = self.setup.problem, DEGREES[len(self.cells) + 1]
        box, time = problem.domain, problem.time
        cells = [*self.cells[:time], 1, *self.cells[time:]]
        knots = box_knots(box.lower, box.upper, cells, degree, problem.periodic)
        knots[time] = axis_knots(begin, end, 1, IN_TIME, False)
        degrees = [IN_TIME if axis == time else degree for axis in range(box.dimension)]
        return SplineProducts(knots, degrees, problem.periodic, len(problem.fields), self.setup.dtype)

    def _continued(self, network: SplineProducts, before: Window | None, length: float) -> Tensor:  # bool [P]
        """Begin where the window before ended, going on in a line; which weights are free."""
        free = torch.ones_like(network.weight, dtype=torch.bool)
        if before is None:
            return free.flatten()
        problem = self.setup.problem
        time = problem.time
        kept = max(problem.order_along(name, time) for name in problem.fields)
        last = before.weight.narrow(time, IN_TIME, 1)
        slope = (last - before.weight.narrow(time, IN_TIME - 1, 1)) * length / before.length if kept > 1 else 0 * last
        shape = [-1 if axis == time else 1 for axis in range(last.ndim)]
        network.weight.data = last + slope * torch.arange(IN_TIME + 1, dtype=last.dtype).view(shape)
        free.narrow(time, 0, kept).fill_(False)
        return free.flatten()

    def _joined(self, windows: list[Window]) -> SplineProducts:
        """All windows as one spline, continuous in time."""
        time = self.setup.problem.time
        network = self._network(windows[0].begin, windows[-1].end)
        ends = torch.tensor([windows[0].begin, *(window.end for window in windows)], dtype=torch.float64)
        knots = [network.knots(axis) for axis in range(len(network.sizes))]
        knots[time] = clamped_knots(ends, IN_TIME, continuity=0)
        degrees = [network.degree(axis) for axis in range(len(network.sizes))]
        joined = SplineProducts(knots, degrees, network.periodic, len(self.setup.problem.fields), self.setup.dtype)
        later = [window.weight.narrow(time, 1, IN_TIME) for window in windows[1:]]
        joined.weight.data = torch.cat([windows[0].weight, *later], dim=time)
        return joined


def highest(network: SplineProducts, axis: int) -> float:
    """η_t of a network of one cell along an axis."""
    weight = network.weight.detach()
    degree = network.degree(axis)
    differences = weight.diff(n=degree, dim=axis)
    return (differences.abs().max() * 2.0 ** (1 - 2 * degree) / weight.abs().max().clamp(min=1e-300)).item()


class _Unresolved(Exception):
    """Cells that are too few; carries more of them."""

    def __init__(self, cells: tuple[int, ...]):
        self.cells = cells


class _Part:
    """A sparse objective as a function of the weights that are free."""

    sparse = True

    def __init__(self, objective: Any, free: Tensor):
        self.objective, self.start = objective, objective.theta
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
