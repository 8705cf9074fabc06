"""Time cut into windows, one network each, chained exactly.

With m the order in time of a field's equations, L the lift and B the envelope of its boundary conditions alone,

    u_k = L + Σ_{j<m} (t - t_k)^j / j! · ∂_t^j (u_{k-1} - L)(x, t_k) + B τ^m N_k(x, t),    τ = (t - t_k)/(t_{k+1} - t_k)

in the window [t_k, t_{k+1}]; the first window is the problem's own ansatz. So u has m - 1 continuous derivatives in
time whatever the networks are, and boundary conditions that were built in stay so.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import comb, factorial

import torch
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.jets import IndexSet, MultiIndex, closure, product_matrix
from kanpde.models.module_lists import Modules
from kanpde.models.networks.interface import grid_of
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.problem import Condition, Problem
from kanpde.solving.ansatz.exact_conditions import ansatz_of
from kanpde.solving.ansatz.interface import Ansatz, BoundAnsatz
from kanpde.solving.solution import Points, Solution


class Windows(nn.Module):
    """One network for each window of time; evaluated through `solution_of`, which chains them."""

    ends: Tensor  # [w+1]
    networks: Modules[nn.Module]

    def __init__(self, ends: tuple[float, ...], networks: list[nn.Module]):
        super().__init__()
        self.register_buffer("ends", torch.tensor(ends, dtype=torch.float64))
        self.networks = Modules(networks)

    @property
    def grid(self) -> list[int]:
        """The resolution of each network."""
        return [grid_of(network) for network in self.networks]


def window_ends(problem: Problem, windows: int | tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Ends of the windows, the whole range of time included; None where time is not cut.

    Raises:
        InputError: The problem or the times do not allow it.
    """
    if windows is None or windows == 1 or windows == ():
        return None
    _check_marching(problem)
    begin, end = problem.domain.lower[problem.time_axis], problem.domain.upper[problem.time_axis]
    if isinstance(windows, int):
        return tuple(begin + (end - begin) * k / windows for k in range(windows)) + (end,)
    ends = (begin, *windows, end)
    if any(not a < b for a, b in pairwise(ends)):
        raise InputError(
            f"{problem.name}: training.windows needs times between {begin:g} and {end:g} that increase; "
            f"{list(windows)} came. Write for example training.windows=[{(begin + end) / 2:g}], or a number of windows."
        )
    return ends


def _check_marching(problem: Problem) -> None:
    whole = "data" if problem.data else "learned parameters" if problem.learned else ""
    whole = "fields at other times in its equations" if problem.reaches_through_time() else whole
    if not problem.evolves() or whole:
        raise InputError(
            f"{problem.name}: training.windows needs a problem that evolves from initial conditions and is known by "
            f"them alone; this one has {whole or 'no time or no initial conditions'}. Set training.windows=null."
        )


def in_window(problem: Problem, begin: float, end: float) -> Problem:
    """The problem in a part of its time."""
    lower, upper = list(problem.domain.lower), list(problem.domain.upper)
    lower[problem.time_axis], upper[problem.time_axis] = begin, end
    return replace(problem, domain=Box(tuple(lower), tuple(upper)))


@dataclass(frozen=True)
class CarriedAnsatz:
    """The ansatz of a window that goes on from a solution.

    base: Lift and envelope of the boundary conditions that are built in.
    before: The solution up to the window's begin.
    penalties: Boundary conditions that are left to the loss.
    """

    problem: Problem
    base: Ansatz
    before: Solution
    penalties: tuple[Condition, ...]
    warnings: tuple[str, ...] = ()

    def bind(self, points: Tensor, indices: IndexSet) -> BoundAnsatz:
        """Evaluate lift and envelope with their derivatives at fixed points [n, d]."""
        base = self.base.bind(points, indices)
        lift = base.lift + self._carried(points, indices)
        rising = torch.stack([self._rising(points, indices, order) for order in self._orders()], dim=1)
        return BoundAnsatz(lift, rising if base.matrix is None else base.matrix @ rising, base.columns)

    def _orders(self) -> list[int]:
        return [self.problem.order_along(name, self.problem.time_axis) for name in self.problem.fields]

    def _rising(self, points: Tensor, indices: IndexSet, order: int) -> Tensor:  # -> [n, s, s]
        """Multiplication by τ^m."""
        time, box = self.problem.time_axis, self.problem.domain
        tau = (points[:, time] - box.lower[time]) / box.lengths[time]
        slope = 1 / box.lengths[time]
        columns = [
            factorial(r) * comb(order, r) * slope**r * tau ** (order - r) if only and r <= order else 0 * tau
            for r, only in ((index[time], sum(index) == index[time]) for index in indices)
        ]
        return product_matrix(torch.stack(columns, dim=1), indices)

    def _carried(self, points: Tensor, indices: IndexSet) -> Tensor:  # -> [n, s, fields]
        """The Taylor polynomial in t of u - L about the window's begin, with its derivatives."""
        time = self.problem.time_axis
        begin = self.problem.domain.lower[time]
        at_begin = points.clone()
        at_begin[:, time] = begin
        highest = max(self._orders())
        wanted = closure((_at(index, time, j) for index in indices for j in range(highest)), len(indices[0]))
        known = self.before.jets(at_begin, wanted).to(points) - self.base.bind(at_begin, wanted).lift
        place = {index: column for column, index in enumerate(wanted)}
        after = points[:, time] - begin
        carried = points.new_zeros(len(points), len(indices), len(self.problem.fields))
        for field, order in enumerate(self._orders()):
            for column, index in enumerate(indices):
                for j in range(index[time], order):
                    power = j - index[time]
                    term = known[:, place[_at(index, time, j)], field]
                    carried[:, column, field] += after**power / factorial(power) * term
        return carried


def _at(index: MultiIndex, axis: int, order: int) -> MultiIndex:
    return (*index[:axis], order, *index[axis + 1 :])


def carried_ansatz(problem: Problem, before: Solution, first: Ansatz) -> CarriedAnsatz:
    """The ansatz of a later window; conditions that the first one has built in are built in here."""
    boundary = [condition for condition in problem.conditions if condition.kind != "initial"]
    built_in = tuple(condition for condition in boundary if condition not in first.penalties)
    base = ansatz_of(replace(problem, conditions=built_in), "exact")
    left = tuple(condition for condition in boundary if condition in first.penalties)
    return CarriedAnsatz(problem, base, before, (*left, *base.penalties))


class Chained(Solution):
    """A solution that is another one in each window."""

    def __init__(self, problem: Problem, pieces: list[Solution], network: Windows):
        super().__init__(problem, pieces[0].ansatz, network)
        self.pieces, self.ends = pieces, network.ends

    def jets(self, points: Points, indices: IndexSet) -> Tensor:  # [n, d] -> [n, s, fields]
        x = self._points(points)
        which = torch.searchsorted(self.ends[1:-1].to(x), x[:, self.problem.time_axis].contiguous())
        found = x.new_empty(len(x), len(indices), len(self.problem.fields))
        for place in which.unique().tolist():
            found[which == place] = self.pieces[place].jets(x[which == place], indices)
        return found


def solution_of(problem: Problem, conditions: str, network: nn.Module) -> Solution:
    """The solution that a network stands for, with conditions built in ("exact") or not."""
    if not isinstance(network, Windows):
        return Solution(problem, ansatz_of(problem, conditions), network)
    pieces: list[Solution] = []
    for (begin, end), own in zip(pairwise(network.ends.tolist()), network.networks, strict=True):
        pieces.append(next_piece(in_window(problem, begin, end), conditions, pieces, own))
    return Chained(problem, pieces, network)


def next_piece(problem: Problem, conditions: str, before: list[Solution], network: nn.Module) -> Solution:
    """The solution in the window that `problem` is limited to, after those before."""
    if not before:
        return Solution(problem, ansatz_of(problem, conditions), network)
    return Solution(problem, carried_ansatz(problem, before[-1], before[0].ansatz), network)
