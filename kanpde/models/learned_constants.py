"""Constants of a problem that are learned with its solution, and how far to trust them.

They live on the network as one more parameter vector, so that copies, finer grids and archives take them along. A
constant with bounds a < λ < b is λ = a + (b - a)/(1 + exp(-v)) of the number v that is trained.

With H = JᵀJ of all residuals, J_d its rows for the data and σ² the variance of the (weighted) data residuals, the
parameters' covariance is

    C = H⁻¹ (σ² J_dᵀ J_d) H⁻¹,    σ² = ‖r_d‖² / (n_d - p),    p = tr(J_d H⁻¹ J_dᵀ),

and a 95 % interval is λ ± (t(0.975; n_d - p) √C_λλ + m). What equations and conditions leave, r_e, beyond three times
what the noise σ in the data accounts for, may have moved λ by as much as

    m = ‖(H⁻¹ J_eᵀ)_λ‖ ‖r_e‖_excess + |(H⁻¹ Jᵀ r)_λ|,

the second term being the step that is left to the minimum: the interval of a training that has not come to its end is
wide. Beyond UNMET of the size of the fields, the equations are not met and no interval is given.

Source: White, Econometrica 48 (1980) 817, for the sandwich; Hastie, Tibshirani and Friedman, The Elements of
Statistical Learning, section 7.6, for the effective number of parameters p.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

import scipy
import torch
from torch import Tensor, nn

PLACE, ENDS = "learned_parameters", "learned_bounds"
RIDGE = 1e-12
"""Relative to a column-scaled H, whose diagonal is one; keeps what no residual determines from dividing by zero."""


OF_NOISE = 3.0
"""How many times what noise in the data leaves of equations on average still is noise."""
UNMET = 0.1
"""What equations may leave beside noise, in the size of the fields, before nothing is known of the constants."""

Bounds = Mapping[str, tuple[float, float]]
N = TypeVar("N", bound=nn.Module)


def learn(network: N, start: Mapping[str, float], bounds: Bounds | None = None) -> N:
    """Give a network the constants to be learned, at their first guesses; does nothing if there are none."""
    if start:
        like = next(network.parameters())
        ends = [(bounds or {}).get(name, (-math.inf, math.inf)) for name in start]
        raw = [value if math.isinf(b - a) else math.log((value - a) / (b - value))
               for value, (a, b) in zip(start.values(), ends, strict=True)]  # fmt: skip
        network.register_buffer(ENDS, like.new_tensor(ends), persistent=False)
        network.register_parameter(PLACE, nn.Parameter(like.new_tensor(raw)))
    return network


def learned_vector(network: nn.Module) -> nn.Parameter | None:  # [l]
    """What is trained of the constants of a network, in the order of `Problem.learned`."""
    return getattr(network, PLACE, None)


def hand_on(before: nn.Module, network: nn.Module) -> None:
    """Give a network the constants that another one learned, if there are any."""
    constants, known = learned_vector(network), learned_vector(before)
    if constants is not None and known is not None:
        with torch.no_grad():
            constants.copy_(known)


def learned_bounds(network: nn.Module) -> Tensor | None:  # [l, 2]
    """The bounds of the constants, infinite where there are none."""
    return getattr(network, ENDS, None)


def constants(vector: Tensor, bounds: Tensor | None) -> Tensor:  # [l, …], [l, 2] -> [l, …]
    """The constants themselves."""
    if bounds is None or not bounds.isfinite().any():
        return vector
    bounded = bounds.isfinite().all(1)
    lower, upper = (torch.where(bounded, end, place) for end, place in zip(bounds.unbind(1), (0.0, 1.0), strict=True))
    shape = (-1, *[1] * (vector.ndim - 1))
    inside = lower.reshape(shape) + (upper - lower).reshape(shape) * torch.sigmoid(vector)
    return torch.where(bounded.reshape(shape), inside, vector)


def learned_values(network: nn.Module, names: Mapping[str, float]) -> dict[str, float]:
    """The constants by name; empty if none is learned."""
    vector = learned_vector(network)
    if vector is None:
        return {}
    return dict(zip(names, constants(vector.detach(), learned_bounds(network)).tolist(), strict=True))


def rates(network: nn.Module) -> Tensor:  # -> [l]
    """dλ/dv, by which an error of what is trained becomes one of the constant."""
    vector = learned_vector(network)
    if vector is None:
        raise ValueError("the network has learned no constants")
    copy = vector.detach().clone().requires_grad_()
    with torch.enable_grad():
        total = constants(copy, learned_bounds(network)).sum()
    return torch.autograd.grad(total, copy)[0]


UNSEEN = 0.1
"""Share of a parameter that no equation and no observation sees, from which its interval is infinite."""


def half_widths(jacobian: Tensor, residual: Tensor, data: slice, count: int) -> Tensor:  # [N, P], [N] -> [count]
    """Half the 95 % interval of each of the last `count` parameters, NaN where the data leave no freedom.

    It is infinite where e_i, of the i-th parameter, has a part that no row sees, as of a and b where a·b alone is
    seen: with a ridge ε, e_iᵀ ε (JᵀJ + ε)⁻¹ e_i is the share of it. The rows of `data` come last.
    """
    norms: Tensor = jacobian.norm(dim=0).clamp(min=1e-300)
    scaled = jacobian / norms
    hessian = scaled.mT @ scaled
    hessian.diagonal().add_(RIDGE)
    factor, failed = torch.linalg.cholesky_ex(hessian)
    if failed:
        return norms.new_full((count,), float("nan"))
    rows = scaled[data]
    reach = torch.cholesky_solve(rows.mT, factor)  # H⁻¹ J_dᵀ
    freedom = len(rows) - float((rows.mT * reach).sum())
    if not freedom > 0:
        return norms.new_full((count,), float("nan"))
    variance = residual[data].square().sum() / freedom
    deviations = (variance * reach[-count:].square().sum(dim=1)).sqrt() / norms[-count:]
    equations, left = scaled[: data.start], residual[: data.start]
    explained = variance * (equations @ reach).square().sum()
    excess = (left.square().sum() - OF_NOISE * explained).clamp(min=0).sqrt()
    if not excess < UNMET:
        return norms.new_full((count,), float("nan"))
    moved = torch.cholesky_solve(equations.mT, factor)[-count:].norm(dim=1) * excess
    step = torch.cholesky_solve((scaled.mT @ residual)[:, None], factor)[-count:, 0].abs()
    own = torch.eye(len(norms), dtype=norms.dtype, device=norms.device)[:, -count:]
    unseen = RIDGE * torch.cholesky_solve(own, factor)[-count:].diagonal() > UNSEEN
    widths: Tensor = float(scipy.special.stdtrit(freedom, 0.975)) * deviations + (moved + step) / norms[-count:]
    return widths.masked_fill(unseen, float("inf"))
