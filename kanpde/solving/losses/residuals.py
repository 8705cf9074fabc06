"""The residual vector of a problem on fixed points, and its Jacobian.

    r = (√(w_b ω_n / n_b) · R_b(x_n; u) / s_b)_{b,n},      loss = ‖r‖² = Σ_b w_b ⟨(R_b/s_b)²⟩

over blocks b: each equation, and each condition that is not built in. ω are the sample's weights. The scale s_b makes
a block dimensionless and of the size of the fields: with half-lengths h_i of the box and c_α = ∂R/∂(∂_α u) at the lift,

    s_b² = Σ_α ⟨c_α²⟩ Π_i h_i^(-2 α_i),

so that an error ε in u leaves a residual of order ε. Weights w_b: 1 for equations, `boundary_weight` for conditions.
Fields far apart in size are left as they are: with rows in units of their own field a stirred reactor (300 K, 1 mol/l)
came out 4 % wrong in 8 s, and to 2e-13 without.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack
from sympy import Expr, Symbol
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from kanpde.errors import InputError, RunError
from kanpde.models.differentiation import ChainRoute, Head, OfParameters, ProductRoute, Route, listed_share, route_for
from kanpde.models.jets import IndexSet, closure
from kanpde.models.learned_constants import constants, learned_bounds, learned_vector
from kanpde.problems.geometry.regions import (
    Piece,
    inside_points,
    piece_points,
    sampled_inside,
    sampled_on,
    sampled_parts,
)
from kanpde.problems.geometry.sampling import Sample
from kanpde.problems.geometry.samplings import Sampling, SobolSampling, side_count
from kanpde.problems.language import Formula, Jet, Remote, compile_expression
from kanpde.problems.observations import Data, Observations
from kanpde.problems.problem import Problem
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.processes import SharedRows, chunk_of, is_own, shared, summed
from kanpde.solving.reach import BoundValue, RemoteValue, ValuePiece, named_jets, reach_of, values_elsewhere
from kanpde.solving.rows import DenseRows, ListedRows, Rows

CHUNK = 4096
"""Points differentiated at once, about: enough to keep the cores busy, few enough for the cache."""

FEW = 0.5
"""Of a row of the Jacobian, what may be other than zero for its entries to be listed."""

LARGEST_LOG_SCALE = 230.0
"""Natural logarithm of the largest scale; its square still is a double."""

LARGEST_JACOBIAN = 6 * 2**30
"""Bytes of a Jacobian beyond which a run is refused instead of swapping."""


@dataclass(frozen=True)
class Block:
    """Residuals at the same points: equations that hold in the same parts, one condition on its side, or the data."""

    names: tuple[str, ...]
    formulas: tuple[Formula, ...]
    scales: tuple[float, ...]
    weight: float
    side: Piece | None
    indices: IndexSet
    reach: tuple[RemoteValue, ...] = ()
    observed: Observations | None = None  # what the formulas' values are compared with
    tested: Observations | None = None  # the same, for what is held out
    parts: tuple[int, ...] | None = None  # of a parted domain, in which equations hold; None for all


@dataclass(frozen=True)
class Prepared:
    """A piece of a value from elsewhere, with all that does not depend on the parameters already computed."""

    piece: ValuePiece
    ansatz: tuple[Any, ...]  # for each place
    prepared: tuple[Any, ...]
    fields: tuple[str, ...]
    learned: tuple[str, ...]
    bounds: Tensor | None  # [l, 2]

    def __call__(self, jets: Sequence[Tensor], learned: Tensor | None) -> Tensor:  # [n·Q, s, out] each -> [n]
        parameters = _named_constants(self.learned, learned, self.bounds)
        fields = [ansatz(part) for ansatz, part in zip(self.ansatz, jets, strict=True)]
        return self.piece(fields, self.fields, parameters)


@dataclass(frozen=True)
class BoundRemote:
    """A value from elsewhere at a block's points."""

    pieces: tuple[Prepared, ...]
    inverse: Tensor  # [n]


@dataclass(frozen=True)
class BoundBlock:
    """A block at fixed points, with all that does not depend on the parameters already computed."""

    block: Block
    fields: tuple[str, ...]
    ansatz: Any
    formulas: tuple[Any, ...]
    factors: Tensor  # [n, q]
    prepared: Any
    points: Tensor
    learned: tuple[str, ...] = ()
    bounds: Tensor | None = None  # [l, 2]
    values: Tensor | None = None  # [n, q]
    remote: tuple[BoundRemote, ...] = ()

    def __call__(
        self, network_jets: Tensor, learned: Tensor | None = None, remote: Sequence[Tensor] = ()
    ) -> Tensor:  # [n, s, out] -> [n, q]
        """Weighted residuals from the network's jets, values from elsewhere [n] and the learned parameters.

        The parameters are [l], or [l, n] for each point.
        """
        named = {**named_jets(self.ansatz(network_jets), self.fields, self.block.indices)}
        named |= {value.jet: there for value, there in zip(self.block.reach, remote, strict=True)}
        parameters = _named_constants(self.learned, learned, self.bounds)
        found = torch.stack([formula(named, parameters) for formula in self.formulas], dim=1)
        if not any(formula.jets for formula in self.block.formulas):  # of constants alone: zero slopes by the network
            found = found + 0 * network_jets.flatten(1).sum(1, keepdim=True)
        return (found if self.values is None else found - self.values) * self.factors


def _named_constants(
    names: tuple[str, ...], vector: Tensor | None, bounds: Tensor | None
) -> dict[str, Tensor]:  # [l, …], [l, 2] -> […] each
    return {} if vector is None else dict(zip(names, constants(vector, bounds), strict=True))


def build_blocks(
    problem: Problem, ansatz: Ansatz, boundary_weight: float, dtype: torch.dtype, data_weight: float = 1.0
) -> tuple[Block, ...]:
    """Compile equations and remaining conditions, and measure their scales at the lift."""
    together: dict[tuple[int, ...] | None, list[tuple[str, Expr]]] = {}
    for name, residual in problem.equations.items():
        together.setdefault(problem.held.get(name), []).append((name, residual))
    equations = [_block(problem, ansatz, own, 1.0, None, dtype, parts) for parts, own in together.items()]
    conditions = [
        _block(problem, ansatz, ((condition.name, condition.residual),), boundary_weight, condition.side, dtype)
        for condition in ansatz.penalties
    ]
    data = [_data_block(problem, problem.data, data_weight)] if problem.data else []
    priors = [_prior_block(problem, problem.data, data_weight)] if problem.data and problem.priors else []
    return (*equations, *conditions, *data, *priors)


def _data_block(problem: Problem, data: Data, weight: float) -> Block:
    """u - d for each measured field, or whatever else was measured, in units of its root mean square."""
    exprs = data.measured(problem.coordinates)
    formulas = tuple(compile_expression(expr, problem.coordinates, problem.fields) for expr in exprs)
    observed = data.drawn()
    scales = tuple(observed.values.square().mean(dim=0).sqrt().tolist())
    names = tuple(f"data_{name}" for name in data.fields)
    indices = closure((index for formula in formulas for _, index in formula.jets), len(problem.coordinates))
    rows = tuple(s or 1.0 for s in scales)
    return Block(names, formulas, rows, weight, None, indices, observed=observed, tested=data.tested())


def _prior_block(problem: Problem, data: Data, weight: float) -> Block:
    """(λ - m)/s of each learned parameter that has a prior, in the unit in which (u - d)/σ of the data are summed.

    With n data of weights ω = σ⁻²/⟨σ⁻²⟩ in units of S, Σ ω (u - d)²/(n S²) is χ²/(n S² ⟨σ⁻²⟩).
    """
    observed = data.fitted()
    deviations = torch.as_tensor(data.deviations, dtype=torch.float64)
    unit = float(observed.values.square().mean().sqrt() * (len(deviations) * (deviations**-2.0).mean()).sqrt()) or 1.0
    exprs = [Symbol(name, real=True) - mean for name, (mean, _) in problem.priors.items()]
    names = tuple(f"prior_{name}" for name in problem.priors)
    rows = tuple(deviation * unit for _, deviation in problem.priors.values())
    none = (0,) * len(problem.coordinates)
    known = Observations(observed.points[:1], torch.zeros(1, len(names), dtype=torch.float64), torch.ones(1).double())
    formulas = tuple(compile_expression(expr, problem.coordinates, problem.fields) for expr in exprs)
    return Block(names, formulas, rows, weight, None, closure((none,), len(none)), observed=known)


def _block(
    problem: Problem,
    ansatz: Ansatz,
    items: Sequence[tuple[str, Expr]],
    weight: float,
    side: Piece | None,
    dtype: torch.dtype,
    parts: tuple[int, ...] | None = None,
) -> Block:
    names = tuple(name for name, _ in items)
    formulas = tuple(compile_expression(expr, problem.coordinates, problem.fields) for _, expr in items)
    local = (index for formula in formulas for name, index in formula.jets if not isinstance(name, Remote))
    indices, reach = closure(local, len(problem.coordinates)), reach_of(problem, formulas)
    region, box = problem.region, problem.domain
    points = piece_points(region, box, side, 256, 0) if side else inside_points(region, box, 256, 0)
    if parts is not None:
        points = sampled_parts(SobolSampling(), region, box, problem.parts, 256, 0, (), parts).points
    points = points.to(dtype)
    lifted = {**named_jets(ansatz.bind(points, indices).lift, problem.fields, indices)}
    lifted |= values_elsewhere(
        reach, points, lambda x, wanted: ansatz.bind(x, wanted).lift, problem.fields, problem.learned
    )
    scales = tuple(_scale(problem, formula, points, lifted) for formula in formulas)
    return Block(names, formulas, scales, weight, side, indices, reach, parts=parts)


def _scale(problem: Problem, formula: Formula, points: Tensor, lifted: Mapping[Jet, Tensor]) -> float:
    jets = {jet: lifted[jet].clone().requires_grad_() for jet in formula.jets}
    used = [jets[jet] for jet in formula.jets]
    with torch.enable_grad():
        total = formula(points, jets, problem.learned).sum()
    slopes = torch.autograd.grad(total, used, allow_unused=True)
    logarithms = [
        _log_rms(slope) - sum(o * math.log(length / 2) for length, o in zip(problem.domain.lengths, index, strict=True))
        for (_, index), slope in zip(formula.jets, slopes, strict=True)
        if slope is not None
    ]
    largest = max(logarithms, default=-math.inf)
    if largest == -math.inf:
        return 1.0
    size = largest + math.log(sum(math.exp(2 * (value - largest)) for value in logarithms)) / 2
    if not abs(size) < LARGEST_LOG_SCALE:
        raise InputError(
            f"{problem.name}: the terms of an equation or condition need sizes that double precision can hold; one has "
            f"10^{size / math.log(10):.0f}. Choose units in which domain and coefficients are nearer to 1."
        )
    return math.exp(size)


def _log_rms(slope: Tensor) -> float:
    """The logarithm of the root mean square over the points where the slope is finite; -inf if it vanishes."""
    finite = slope[slope.isfinite()].abs()
    largest = finite.max().item() if len(finite) else 0.0
    if largest == 0:
        return -math.inf
    return math.log(largest) + math.log((finite / largest).square().mean().item()) / 2


class Residuals(OfParameters):
    """r(θ), J(θ) and the loss's gradient for one network on fixed points; what every optimizer is given."""

    def __init__(self, network: nn.Module, blocks: Sequence[BoundBlock], route: Route):
        self.network, self.blocks, self.route = network, tuple(blocks), route
        self.checkpoint: Callable[[], None] = lambda: None  # called before each chunk; may raise to end the work
        self.learned = learned_vector(network)
        self.parameters = [*route.parameters, *([] if self.learned is None else [self.learned])]
        self.size = sum(bound.factors.numel() for bound in blocks)

    def residual(self, theta: Tensor) -> Tensor:  # [P] -> [N]
        """The weighted residual vector."""
        self.theta = theta
        with torch.no_grad():
            if not shared():
                return torch.cat([self._evaluated(bound).reshape(-1) for bound in self.blocks])
            self.checkpoint()
            found = theta.new_zeros(self.size)
            for rows, bound in self._own():
                found[rows] = self._evaluated(bound).reshape(-1)
        return summed(found)

    def _own(self) -> Iterator[tuple[slice, BoundBlock]]:
        """The chunks that this process takes, with their rows."""
        row = 0
        for place, bound in enumerate(self.blocks):
            if is_own(place):
                yield slice(row, row + bound.factors.numel()), bound
            row += bound.factors.numel()

    def _check(self) -> None:
        """May end the work; where it is shared, only between whole evaluations, at which all processes are alike."""
        if not shared():
            self.checkpoint()

    def _evaluated(self, bound: BoundBlock) -> Tensor:  # -> [n, q]
        self._check()
        remote = [self._remote(one) for one in bound.remote]
        return bound(self.route.jets(bound.prepared, bound.block.indices), self.learned, remote)

    def _remote(self, remote: BoundRemote) -> Tensor:  # -> [n]
        parts = [piece(self._jets_of(piece), self.learned) for piece in remote.pieces]
        return torch.cat(parts)[remote.inverse]

    def _jets_of(self, piece: Prepared) -> list[Tensor]:  # -> [n·Q, s, out] each
        self._check()
        places = zip(piece.prepared, piece.piece.value.elsewhere, strict=True)
        return [self.route.jets(prepared, one.indices) for prepared, one in places]

    def linearize(self, theta: Tensor) -> tuple[Tensor, Tensor]:  # [P] -> [N], [N, P]
        """The residual vector and its Jacobian."""
        self.theta = theta
        if self.size * theta.numel() * theta.element_size() > LARGEST_JACOBIAN:
            raise RunError(
                f"The Jacobian of {self.size} residuals by {theta.numel()} parameters does not fit in "
                f"{LARGEST_JACOBIAN / 2**30:.0f} GiB. Use fewer points (sampling.points), a smaller model, or "
                "optimizer=lbfgs, which needs no Jacobian."
            )
        residual, jacobian = theta.new_empty(self.size), theta.new_empty(self.size, theta.numel())
        row = 0
        for bound in self.blocks:
            self._check()
            r, j = self._linearized(bound)
            residual[row : row + r.numel()] = r.reshape(-1)
            jacobian[row : row + r.numel()] = j.reshape(r.numel(), -1)
            row += r.numel()
        return residual, jacobian

    def linearize_rows(self, theta: Tensor) -> tuple[Tensor, Rows]:  # [P] -> [N], [N, P]
        """The same: shared out among processes that train together, listed where few parameters matter at a point."""
        if shared():
            return self.linearize_own(theta)
        if self._listed:
            return self._linearize_listed(theta)
        residual, jacobian = self.linearize(theta)
        return residual, DenseRows(jacobian)

    @property
    def _listed(self) -> bool:
        remote = any(bound.remote for bound in self.blocks)
        return listed_share(self.network) < FEW and not remote and self.parameters[0].device.type == "cpu"

    def _linearize_listed(self, theta: Tensor) -> tuple[Tensor, ListedRows]:
        self.theta = theta
        residuals, parts, width = [], [], theta.numel()
        for bound in self.blocks:
            self._check()
            r, values, columns = self._entries(bound)
            residuals.append(r.flatten())
            parts.append((values.flatten(0, 1), columns[:, None].expand_as(values).flatten(0, 1)))
        return torch.cat(residuals), ListedRows(tuple(parts), width)

    def linearize_own(self, theta: Tensor) -> tuple[Tensor, SharedRows]:  # [P] -> [N], [N, P]
        """The same, shared out among processes."""
        self.theta = theta
        self.checkpoint()
        residual, places, parts = theta.new_zeros(self.size), [], []
        for rows, bound in self._own():
            r, j = self._linearized(bound)
            residual[rows] = r.reshape(-1)
            places.append(torch.arange(rows.start, rows.stop))
            parts.append(j.reshape(r.numel(), -1))
        own = torch.cat(parts) if parts else theta.new_zeros(0, theta.numel())
        where = torch.cat(places) if places else torch.zeros(0, dtype=torch.long)
        return summed(residual), SharedRows(own, where, self.size)

    @property
    def sparse(self) -> bool:
        """Whether few parameters matter at a point, so that `linearize_sparsely` is the way."""
        return isinstance(self.route, ProductRoute)

    def linearize_sparsely(self, theta: Tensor) -> tuple[Tensor, csr_matrix]:  # [P] -> [N], [N, P]
        """The residual vector and its Jacobian in compressed rows."""
        self.theta = theta
        residuals, parts = [], []
        for bound in self.blocks:
            self.checkpoint()
            r, j = self._sparsely(bound) if not bound.remote else self._sparsely_there(bound)
            residuals.append(r.reshape(-1))
            parts.append(j)
        return torch.cat(residuals), vstack(parts).tocsr()

    def _sparsely(self, bound: BoundBlock) -> tuple[Tensor, csr_matrix]:  # -> [n, q], [n·q, P]
        r, rows, columns = self._entries(bound)
        n, q, listed = rows.shape
        where = columns[:, None].expand_as(rows).reshape(-1).numpy()
        starts = np.arange(0, n * q * listed + 1, listed)
        count = sum(parameter.numel() for parameter in self.parameters)
        return r, csr_matrix((rows.reshape(-1).numpy(), where, starts), shape=(n * q, count))

    def _entries(self, bound: BoundBlock) -> tuple[Tensor, Tensor, Tensor]:  # -> [n, q], [n, q, l], [n, l]
        """Residuals, derivatives that need not vanish, and by which parameters."""
        if not isinstance(self.route, ChainRoute | ProductRoute):
            raise TypeError(f"{type(self.route).__name__} knows no sparse derivatives")
        if self.learned is None:
            return self.route.sparse_jacobian(bound.prepared, bound.block.indices, bound)
        head, seen = self._head(bound, self.learned.detach())
        r, rows, columns = self.route.sparse_jacobian(bound.prepared, bound.block.indices, head)
        slopes = _slopes(bound, seen[-1], self.learned.detach())
        first = sum(parameter.numel() for parameter in self.route.parameters)
        added = torch.arange(first, first + slopes.shape[-1], dtype=columns.dtype).expand(len(columns), -1)
        return r, torch.cat([rows, slopes], dim=-1), torch.cat([columns, added], dim=-1)

    def _head(self, bound: BoundBlock, learned: Tensor) -> tuple[Head, list[Tensor]]:
        """A block at constants that are held, and where it leaves the jets that it was given."""
        seen: list[Tensor] = []

        def head(jets: Tensor) -> Tensor:
            seen.append(jets.detach())
            return bound(jets, learned)

        return head, seen

    def _sparsely_there(self, bound: BoundBlock) -> tuple[Tensor, csr_matrix]:  # -> [n, q], [n·q, P]
        r, j = self._linearized(bound)
        return r, csr_matrix(j.flatten(0, 1).numpy())

    def _linearized(self, bound: BoundBlock) -> tuple[Tensor, Tensor]:  # -> [n, q], [n, q, P]
        """The network's columns by its route, then those of the learned parameters at the same jets."""
        if bound.remote:
            return self._linearized_there(bound)
        if self.learned is None:
            return self.route.jacobian(bound.prepared, bound.block.indices, bound)
        head, seen = self._head(bound, self.learned.detach())
        r, j = self.route.jacobian(bound.prepared, bound.block.indices, head)
        return r, torch.cat([j, _slopes(bound, seen[-1], self.learned.detach())], dim=-1)

    def _linearized_there(self, bound: BoundBlock) -> tuple[Tensor, Tensor]:  # -> [n, q], [n, q, P]
        """J_n = ∂r_n/∂(jets) · ∂(jets)/∂θ + Σ_v ∂r_n/∂v · ∂v/∂θ over the values v from elsewhere."""
        learned = None if self.learned is None else self.learned.detach()
        there = [self._remote_linearized(one) for one in bound.remote]
        with torch.no_grad():
            jets = self.route.jets(bound.prepared, bound.block.indices)
        with torch.enable_grad():
            inputs = [part.detach().requires_grad_() for part in (jets, *(value for value, _ in there))]
            columns = bound(inputs[0], learned, inputs[1:]).unbind(1)
            slopes = [torch.autograd.grad(c.sum(), inputs, retain_graph=True, materialize_grads=True) for c in columns]
        adjoint, *factors = (torch.stack(parts, dim=1) for parts in zip(*slopes, strict=True))
        jacobian = self.route.jacobian(bound.prepared, bound.block.indices, partial(_weighted, adjoint))[1]
        values = [value for value, _ in there]
        if learned is not None:
            jacobian = torch.cat([jacobian, _slopes(bound, jets, learned, values)], dim=-1)
        for factor, (_, slope) in zip(factors, there, strict=True):
            jacobian += factor[..., None] * slope[:, None]
        return torch.stack(columns, dim=1).detach(), jacobian

    def _remote_linearized(self, remote: BoundRemote) -> tuple[Tensor, Tensor]:  # -> [n], [n, P]
        parts = [self._piece_linearized(piece) for piece in remote.pieces]
        value, slope = (torch.cat(part)[remote.inverse] for part in zip(*parts, strict=True))
        return value, slope

    def _piece_linearized(self, piece: Prepared) -> tuple[Tensor, Tensor]:  # -> [n], [n, P]
        count = len(piece.piece.weights)
        with torch.no_grad():
            jets = self._jets_of(piece)
        with torch.enable_grad():
            jets = [part.detach().requires_grad_() for part in jets]
            own = [] if self.learned is None else [self.learned.detach()[:, None].expand(-1, count).clone()]
            value = piece(jets, own[0].requires_grad_() if own else None)
            slopes = torch.autograd.grad(value.sum(), [*jets, *own], materialize_grads=True)
        found = torch.zeros(count, sum(parameter.numel() for parameter in self.route.parameters)).to(value)
        for adjoint, prepared, one in zip(slopes, piece.prepared, piece.piece.value.elsewhere, strict=False):
            self._check()
            rows = self.route.jacobian(prepared, one.indices, partial(_weighted, adjoint[:, None]))[1]
            found += rows.reshape(count, -1, found.shape[1]).sum(1)
        return value.detach(), torch.cat([found, *(slope.mT for slope in slopes[len(jets) :])], dim=1)

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:  # [P] -> loss, [P]
        """‖r‖² and its gradient, for methods that need no Jacobian."""
        self.theta = theta
        with torch.enable_grad():
            parts = [self._evaluated(bound) for bound in self.blocks]
            loss = torch.stack([part.square().sum() for part in parts]).sum()
        gradient = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        return loss.item(), parameters_to_vector(gradient)

    def figure(self) -> float:
        """‖r‖ of the network as it stands."""
        return float(self.residual(self.theta).norm())

    def points(self) -> dict[str, Tensor]:
        """The points of the equations ("interior"), of each condition and of the data, shape [n, d]."""
        found: dict[str, list[Tensor]] = {}
        for bound in self.blocks:
            name = "data" if bound.values is not None else bound.block.names[0] if bound.block.side else "interior"
            found.setdefault(name, []).append(bound.points)
        return {name: torch.cat(parts) for name, parts in found.items()}

    def losses(self, residual: Tensor | None) -> dict[str, float]:  # [N]
        """The loss of each equation and condition; they add up to ‖r‖². NaN without a residual vector."""
        if residual is None:
            return {name: math.nan for bound in self.blocks for name in bound.block.names}
        losses: dict[str, float] = {}
        row = 0
        for bound in self.blocks:
            n, q = bound.factors.shape
            squares = residual[row : row + n * q].reshape(n, q).square().sum(0)
            for name, value in zip(bound.block.names, squares.tolist(), strict=True):
                losses[name] = losses.get(name, 0.0) + value
            row += n * q
        return losses


def _weighted(adjoint: Tensor, jets: Tensor) -> Tensor:  # [n, q, s, out], [n, s, out] -> [n, q]
    return (adjoint * jets[:, None]).flatten(2).sum(2)


def _slopes(
    bound: BoundBlock, jets: Tensor, learned: Tensor, remote: Sequence[Tensor] = ()
) -> Tensor:  # [n, s, out], [l] -> [n, q, l]
    """∂r/∂λ: residual n depends on a copy of λ of its own, so one backward pass gives a whole column."""
    with torch.enable_grad():
        copies = learned[:, None].expand(-1, len(jets)).clone().requires_grad_()
        residuals = bound(jets, copies, remote)
        slopes = [_slope(column, copies) for column in residuals.unbind(1)]
    return torch.stack([slope.mT for slope in slopes], dim=1)


def _slope(column: Tensor, copies: Tensor) -> Tensor:  # [n], [l, n] -> [l, n]
    if not column.requires_grad:  # no learned parameter occurs in this block
        return torch.zeros_like(copies)
    return torch.autograd.grad(column.sum(), copies, retain_graph=True, materialize_grads=True)[0]


def bind(
    network: nn.Module,
    problem: Problem,
    ansatz: Ansatz,
    blocks: Sequence[Block],
    samples: Sequence[Sample],
    route_of: Callable[[nn.Module], Route] = route_for,
) -> Residuals:
    """Place blocks at their points, on the device and in the precision of the network."""
    route = route_of(network)
    bound = [_bind(route, problem, ansatz, block, sample) for block, sample in zip(blocks, samples, strict=True)]
    return Residuals(network, [part for parts in bound for part in parts], route)


def _bind(route: Route, problem: Problem, ansatz: Ansatz, block: Block, sample: Sample) -> list[BoundBlock]:
    like = route.parameters[0]
    points = sample.points.to(like)
    scales = torch.tensor(block.scales, dtype=like.dtype, device=like.device)
    factors = (block.weight * sample.weights.to(like) / len(points)).sqrt()[:, None] / scales
    observed, chunk = block.observed, len(points) if block.reach else chunk_of(len(points), CHUNK)
    values = [None] * math.ceil(len(points) / chunk) if observed is None else observed.values.to(like).split(chunk)
    return [
        BoundBlock(
            block=block,
            fields=problem.fields,
            ansatz=ansatz.bind(part, block.indices),
            formulas=tuple(formula.bind(part) for formula in block.formulas),
            factors=factor,
            prepared=route.prepare(part, block.indices),
            points=part,
            learned=tuple(problem.learned),
            bounds=learned_bounds(route.network),
            values=value,
            remote=tuple(_bound_remote(route, problem, ansatz, value.bind(part)) for value in block.reach),
        )
        for part, factor, value in zip(points.split(chunk), factors.split(chunk), values, strict=True)
    ]


def _bound_remote(route: Route, problem: Problem, ansatz: Ansatz, bound: BoundValue) -> BoundRemote:
    places, learned = bound.value.elsewhere, tuple(problem.learned)
    pieces = tuple(
        Prepared(
            piece,
            tuple(ansatz.bind(x, one.indices) for x, one in zip(piece.points, places, strict=True)),
            tuple(route.prepare(x, one.indices) for x, one in zip(piece.points, places, strict=True)),
            problem.fields,
            learned,
            learned_bounds(route.network),
        )
        for piece in bound.pieces
    )
    return BoundRemote(pieces, bound.inverse)


def draw(problem: Problem, blocks: Sequence[Block], sampling: Sampling, count: int, seed: int) -> list[Sample]:
    """Points for every block: `count` in the interior, and on the sides in proportion; neighbors follow one another."""
    on_side, where = side_count(sampling, count, problem.domain.dimension), (problem.region, problem.domain)
    return [
        Sample(block.observed.points, block.observed.weights)
        if block.observed is not None
        else _drawn_inside(problem, sampling, count, seed, block.parts).by_place()
        if block.side is None
        else sampled_on(sampling, *where, block.side, on_side, seed + 1 + place, problem.periodic).by_place()
        for place, block in enumerate(blocks)
    ]


def _drawn_inside(
    problem: Problem, sampling: Sampling, count: int, seed: int, parts: tuple[int, ...] | None
) -> Sample:
    where, periodic = (problem.region, problem.domain), problem.periodic
    if problem.joined > 1:
        return sampled_parts(sampling, *where, problem.parts, count, seed, periodic, parts)
    return sampled_inside(sampling, *where, count, seed, periodic)
