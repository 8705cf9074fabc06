"""What energies and eigenproblems lower: integrals of a network's jets, with gradient and curvature.

    E(θ)  = Σ_n ω_n e(x_n, j_n),   j_n the jets of the fields at x_n          energy (Ritz)
    ∇E    = Σ_n ω_n J_nᵀ e'(j_n),   J_n = ∂j_n/∂θ
    ∇²E   ≈ Σ_n ω_n J_nᵀ [e''(j_n)]₊ J_n                                       generalized Gauss–Newton

States ψ_1, …, ψ_m of an eigenproblem are lowered together, by the trace of the Rayleigh quotient on their span

    T(θ) = tr(G⁻¹K) = E_1 + … + E_m,   K_kl = ∫ a(ψ_k, ψ_l),   G_kl = ∫ b(ψ_k, ψ_l),

which rests on no guess of which state is which. In the Ritz basis of the span (G = 1, K = diag E) the curvature along
state k is a - E_k b, with b's square along the span's own directions added, in which T is constant: the deflation.

Source: Sameh and Wisniewski, SIAM J. Numer. Anal. 19 (1982), for the trace; Schraudolph, Neural Comput. 14 (2002).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sympy import Expr
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from kanpde.errors import InputError
from kanpde.models.differentiation import OfParameters, Route, route_for
from kanpde.models.jets import IndexSet, closure
from kanpde.models.networks import Chain
from kanpde.problems.geometry.sampling import Sample
from kanpde.problems.language import BoundFormula, Formula, Jet, compile_expression, jet_slopes, jets_of
from kanpde.problems.problem import Problem
from kanpde.solving.ansatz.interface import Ansatz, BoundAnsatz
from kanpde.solving.reach import named_jets

CHUNK = 2048
"""Points differentiated at once."""


@dataclass(frozen=True)
class Integrand:
    """What is integrated, and its first and second derivatives by the jets it depends on."""

    jets: tuple[Jet, ...]
    value: Formula
    first: tuple[Formula, ...]
    second: tuple[tuple[Formula, ...], ...]

    def bind(self, points: Tensor) -> BoundIntegrand:
        first = tuple(formula.bind(points) for formula in self.first)
        second = tuple(tuple(formula.bind(points) for formula in row) for row in self.second)
        return BoundIntegrand(self.jets, self.value.bind(points), first, second)


@dataclass(frozen=True)
class BoundIntegrand:
    """A density at fixed points; j holds the values of its jets, [n, q]."""

    jets: tuple[Jet, ...]
    formula: BoundFormula
    first: tuple[BoundFormula, ...]
    second: tuple[tuple[BoundFormula, ...], ...]

    def value(self, j: Tensor) -> Tensor:  # [n, q] -> [n]
        return self.formula(self._named(j))

    def slopes(self, j: Tensor) -> Tensor:  # [n, q] -> [n, q]
        return torch.stack([formula(self._named(j)) for formula in self.first], dim=1)

    def curvature(self, j: Tensor) -> Tensor:  # [n, q] -> [n, q, q]
        rows = [torch.stack([formula(self._named(j)) for formula in row], dim=1) for row in self.second]
        return torch.stack(rows, dim=1)

    def _named(self, j: Tensor) -> dict[Jet, Tensor]:
        return dict(zip(self.jets, j.unbind(1), strict=True))


def integrand_of(expr: Expr, jets: tuple[Jet, ...], problem: Problem, fields: tuple[str, ...]) -> Integrand:
    """Compile a density and its derivatives; jets that it lacks count as well, with derivatives of zero."""

    def compiled(expr: Expr) -> Formula:
        return compile_expression(expr, problem.coordinates, fields)

    first = jet_slopes(expr, problem.coordinates)
    lines = [first.get(jet, expr * 0) for jet in jets]
    second = [jet_slopes(line, problem.coordinates) for line in lines]
    return Integrand(
        jets,
        compiled(expr),
        tuple(map(compiled, lines)),
        tuple(tuple(compiled(row.get(jet, expr * 0)) for jet in jets) for row in second),
    )


@dataclass(frozen=True)
class _Part:
    """A chunk of quadrature points, with all that does not depend on the parameters already computed."""

    points: Tensor
    weights: Tensor
    densities: tuple[BoundIntegrand, ...]
    ansatz: BoundAnsatz
    prepared: Any  # by the route


class Integrals(OfParameters, ABC):
    """Integrals of a network's jets as a function of its parameters."""

    def __init__(self, network: nn.Module, problem: Problem, ansatz: Ansatz, sample: Sample,
                 around: Sequence[tuple[Expr, Sample]] = (),
                 route_of: Callable[[nn.Module], Route] = route_for):  # fmt: skip
        self.network, self.problem, self.route = network, problem, route_of(network)
        self.checkpoint: Callable[[], None] = lambda: None  # called before each chunk; may raise to end the work
        self.parameters = self.route.parameters
        self.densities = self.compiled(problem)
        self.indices: IndexSet = closure((i for _, i in self.densities[0].jets), problem.domain.dimension)
        like = self.parameters[0]
        jets = self.densities[0].jets
        pieces = [(self.densities, sample)]
        pieces += [((integrand_of(expr, jets, problem, problem.fields),), own) for expr, own in around]
        self.parts = [
            self._part(points, weights, ansatz, densities)
            for densities, own in pieces
            for points, weights in zip(own.points.to(like).split(CHUNK), own.weights.to(like).split(CHUNK), strict=True)
        ]
        self.size = sum(len(own.points) for _, own in pieces)

    def _part(self, points: Tensor, weights: Tensor, ansatz: Ansatz, densities: tuple[Integrand, ...]) -> _Part:
        bound = tuple(density.bind(points) for density in densities)
        return _Part(points, weights, bound, ansatz.bind(points, self.indices),
                     self.route.prepare(points, self.indices))  # fmt: skip

    @abstractmethod
    def compiled(self, problem: Problem) -> tuple[Integrand, ...]:
        """The densities, all in the same jets."""

    @abstractmethod
    def value(self, theta: Tensor) -> float:
        """What is lowered."""

    @abstractmethod
    def quadratic(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        """It, its gradient [P] and its curvature [P, P]."""

    @abstractmethod
    def total(self) -> Tensor:
        """It once more, differentiable with respect to the parameters."""

    @abstractmethod
    def energies(self) -> Tensor:  # [m]
        """The energy, or each state's, of the network as it stands."""

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """The value and its gradient, for methods that need no curvature."""
        self.theta = theta
        with torch.enable_grad():
            total = self.total()
        gradient = torch.autograd.grad(total, self.parameters, allow_unused=True, materialize_grads=True)
        return total.item(), parameters_to_vector(gradient)

    def figure(self) -> float:
        """The sum of the energies of the network as it stands."""
        return self.energies().sum().item()

    def points(self) -> dict[str, Tensor]:
        return {"interior": torch.cat([part.points for part in self.parts])}

    def losses(self, residual: Tensor | None) -> dict[str, float]:
        """None: an integral has no parts that add up to it."""
        return {}

    def used(self, part: _Part, jets: Tensor) -> Tensor:  # [n, s, out] -> [n, fields·q]
        """The fields' jets that the densities depend on."""
        named = named_jets(part.ansatz(jets), self.problem.fields, self.indices)
        return torch.stack([named[jet] for jet in self.field_jets()], dim=1)

    def field_jets(self) -> tuple[Jet, ...]:
        return self.densities[0].jets

    def jets(self, part: _Part) -> Tensor:
        self.checkpoint()
        return self.used(part, self.route.jets(part.prepared, self.indices))

    def jacobian(self, part: _Part) -> tuple[Tensor, Tensor]:  # -> [n, c], [n, c, P]
        self.checkpoint()
        return self.route.jacobian(part.prepared, self.indices, lambda jets: self.used(part, jets))


class RitzEnergy(Integrals):
    """E(θ) of an energy."""

    def compiled(self, problem: Problem) -> tuple[Integrand, ...]:
        (density,) = problem.task.integrals()
        both = (density, *(expr for _, expr in problem.task.around(problem)))
        jets = tuple(sorted({jet for expr in both for jet in jets_of(expr)}))
        return (integrand_of(density, jets, problem, problem.fields),)

    def value(self, theta: Tensor) -> float:
        self.theta = theta
        with torch.no_grad():
            return self.total().item()

    def total(self) -> Tensor:
        return torch.stack([part.weights @ part.densities[0].value(self.jets(part)) for part in self.parts]).sum()

    def energies(self) -> Tensor:
        with torch.no_grad():
            return self.total()[None]

    def quadratic(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        self.theta = theta
        value, gradient, curvature = 0.0, torch.zeros_like(theta), theta.new_zeros(len(theta), len(theta))
        for part in self.parts:
            j, slopes = self.jacobian(part)
            density = part.densities[0]
            value += (part.weights @ density.value(j)).item()
            gradient += torch.einsum("n,nq,nqp->p", part.weights, density.slopes(j), slopes)
            rows = (_roots(density.curvature(j)) * part.weights.sqrt()[:, None, None]) @ slopes
            curvature += rows.flatten(0, 1).mT @ rows.flatten(0, 1)
        return value, gradient, curvature


def _roots(matrices: Tensor) -> Tensor:  # [n, q, q] -> [n, q, q]
    """R with RᵀR the positive part of each matrix."""
    values, vectors = torch.linalg.eigh(matrices)
    found: Tensor = values.clamp(min=0).sqrt()[:, :, None] * vectors.mT
    return found


class RayleighQuotients(Integrals):
    """T(θ) of an eigenproblem; one output of the network per state."""

    def compiled(self, problem: Problem) -> tuple[Integrand, ...]:
        both = problem.task.integrals()
        jets = tuple(sorted({jet for expr in both for jet in jets_of(expr)}))
        return tuple(integrand_of(expr, jets, problem, (jets[0][0],)) for expr in both)

    def field_jets(self) -> tuple[Jet, ...]:
        return tuple((state, index) for state in self.problem.fields for _, index in self.densities[0].jets)

    @property
    def states(self) -> int:
        return len(self.problem.fields)

    def matrices(self) -> tuple[Tensor, Tensor]:  # -> [m, m], [m, m]
        """K and G."""
        like = self.parameters[0]
        stiffness, mass = like.new_zeros(self.states, self.states), like.new_zeros(self.states, self.states)
        for part in self.parts:
            j = self._by_state(self.jets(part))
            forms = self._forms(part)
            stiffness = stiffness + torch.einsum("n,nkq,nqr,nlr->kl", part.weights, j, forms[0], j) / 2
            mass = mass + torch.einsum("n,nkq,nqr,nlr->kl", part.weights, j, forms[1], j) / 2
        return stiffness, mass

    def _by_state(self, jets: Tensor) -> Tensor:  # [n, m·q] -> [n, m, q]
        found: Tensor = jets.unflatten(1, (self.states, -1))
        return found

    def _forms(self, part: _Part) -> list[Tensor]:  # [n, q, q] each
        """Second derivatives of a and b, which do not depend on the state."""
        none = part.points.new_zeros(len(part.points), len(self.densities[0].jets))
        return [density.curvature(none) for density in part.densities]

    def ritz(self) -> tuple[Tensor, Tensor]:  # -> [m], [m, m]
        """Energies in rising order, and the columns that take the network's outputs to the states.

        Energies are infinite where the outputs are not independent.
        """
        with torch.no_grad():
            stiffness, mass = self.matrices()
            factor, failed = torch.linalg.cholesky_ex(mass)
            if failed or not bool((stiffness.isfinite()).all()):
                return stiffness.new_full((self.states,), torch.inf), torch.eye(self.states).to(stiffness)
            left = torch.linalg.solve_triangular(factor, stiffness, upper=False)
            energies, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(factor, left.mT, upper=False))
            return energies, torch.linalg.solve_triangular(factor.mT, vectors, upper=True)

    def value(self, theta: Tensor) -> float:
        self.theta = theta
        return self.ritz()[0].sum().item()

    def total(self) -> Tensor:
        stiffness, mass = self.matrices()
        solved: Tensor = torch.linalg.solve(mass, stiffness)
        return solved.trace()

    def energies(self) -> Tensor:
        return self.ritz()[0]

    def quadratic(self, theta: Tensor) -> tuple[float, Tensor, Tensor]:
        self.theta = theta
        energies, rotation = self.ritz()
        gradient, curvature = torch.zeros_like(theta), theta.new_zeros(len(theta), len(theta))
        own = theta.new_zeros(self.states, self.states, len(theta))  # ∂(b(ψ_l, ψ_k))/∂θ along ψ_k
        for part in self.parts:
            found, slopes = self.jacobian(part)
            j = torch.einsum("nkq,kl->nlq", self._by_state(found), rotation)
            slopes = torch.einsum("nkqp,kl->nlqp", slopes.unflatten(1, (self.states, -1)), rotation)
            stiffness, mass = (form * part.weights[:, None, None] for form in self._forms(part))
            for k in range(self.states):
                shifted, rows = stiffness - energies[k] * mass, slopes[:, k]
                gradient += torch.einsum("nqr,nr,nqp->p", shifted, j[:, k], rows)
                curvature += rows.flatten(0, 1).mT @ (shifted @ rows).flatten(0, 1)
                own[k] += torch.einsum("nqr,nlr,nqp->lp", mass, j, rows)
        own = own.flatten(0, 1)
        curvature += (energies[-1] - energies[0] + energies.abs().mean()) * own.mT @ own
        return energies.sum().item(), gradient, (curvature + curvature.mT) / 2

    def figure(self) -> float:
        """The sum of the energies; the network's outputs are turned into the states on the way."""
        self.settle()
        return super().figure()

    def settle(self) -> None:
        """Turn the network's outputs into the Ritz states, ∫ b(ψ_k) = 1, each positive where it first is large."""
        energies, rotation = self.ritz()
        if bool(energies.isfinite().all()):
            turned = torch.cat([self._by_state(self.jets(part).detach())[:, :, self._place()] for part in self.parts])
            turn_outputs(self.network, rotation * _signs(turned @ rotation))

    def _place(self) -> int:
        """Which of the jets is the value; the first one, where a form has no value."""
        none = (0,) * self.problem.domain.dimension
        return max((place for place, (_, index) in enumerate(self.densities[0].jets) if index == none), default=0)


def _signs(states: Tensor) -> Tensor:  # [n, m] -> [m]
    large = states.abs() > states.abs().amax(0) / 2
    first = large.int().argmax(0)
    return states.gather(0, first[None])[0].sign()


def turn_outputs(network: nn.Module, matrix: Tensor) -> None:  # [out, out]
    """Replace a chain's outputs y by y·matrix."""
    if not isinstance(network, Chain):
        raise InputError("An eigenproblem needs a KAN or an MLP; a module of your own came. Set model=kan.")
    last = network.layers[-1]
    last.weight.data = last.weight.data @ matrix
    if last.bias is not None:
        last.bias.data = last.bias.data @ matrix


def fit_outputs(network: Chain, points: Tensor, values: Tensor, factor: Tensor) -> None:  # [n, d], [n, out], [n]
    """Choose the last layer so that factor times the outputs come closest to `values`, all else as it is."""
    last = network.layers[-1]
    with torch.no_grad():
        hidden = network.inputs(points.to(last.weight))
        for layer in network.layers[:-1]:
            hidden = layer(hidden)
        design = last.features.dense(hidden)[:, 0].flatten(1).cpu() * factor[:, None].to(last.weight).cpu()
        # the features of several inputs are nearly dependent, so the driver has to know ranks
        fitted = torch.linalg.lstsq(design, values.to(design), rcond=1e-8, driver="gelsd").solution
        last.weight.data = fitted.reshape_as(last.weight).to(last.weight).contiguous()
        if last.bias is not None:
            last.bias.data.zero_()
