"""Constants of a problem that are learned with its solution, and how far to trust them.

They live on the network as one more parameter vector, so that copies, finer grids and archives take them along.

With H = JᵀJ of all residuals, J_d its rows for the data and σ² the variance of the (weighted) data residuals, the
parameters' covariance is

    C = H⁻¹ (σ² J_dᵀ J_d) H⁻¹,    σ² = ‖r_d‖² / (n_d - p),    p = tr(J_d H⁻¹ J_dᵀ),

and a 95 % interval is λ ± t(0.975; n_d - p) √C_λλ.

Source: White, Econometrica 48 (1980) 817, for the sandwich; Hastie, Tibshirani and Friedman, The Elements of
Statistical Learning, section 7.6, for the effective number of parameters p.
"""

from collections.abc import Mapping

import torch
from scipy.special import stdtrit
from torch import Tensor, nn

PLACE = "learned_parameters"
RIDGE = 1e-12
"""Relative to a column-scaled H, whose diagonal is one; keeps what no residual determines from dividing by zero."""


def learn(network: nn.Module, start: Mapping[str, float]) -> nn.Module:
    """Give a network the constants to be learned, at their first guesses; does nothing if there are none."""
    if start:
        like = next(network.parameters())
        network.register_parameter(PLACE, nn.Parameter(like.new_tensor(list(start.values()))))
    return network


def learned_vector(network: nn.Module) -> nn.Parameter | None:  # [l]
    """The constants a network has learned, in the order of `Problem.learned`."""
    return getattr(network, PLACE, None)


def learned_values(network: nn.Module, names: Mapping[str, float]) -> dict[str, float]:
    """The constants by name; empty if none is learned."""
    vector = learned_vector(network)
    return {} if vector is None else dict(zip(names, vector.tolist(), strict=True))


def half_widths(jacobian: Tensor, residual: Tensor, data: slice, count: int) -> Tensor:  # [N, P], [N] -> [count]
    """Half the 95 % interval of each of the last `count` parameters, NaN where the data leave no freedom."""
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
    return float(stdtrit(freedom, 0.975)) * deviations
