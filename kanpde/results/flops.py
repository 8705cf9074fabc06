"""Floating-point operations, counted while they happen."""

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from kanpde.solving.losses.interface import Objective
from kanpde.solving.optimizers import Optimizer

FACTORIZATIONS = {
    torch.ops.aten.linalg_cholesky_ex: lambda shape, **_: shape[-1] ** 3 // 3,
    torch.ops.aten.cholesky_solve: lambda shape, factor, **_: 2 * shape[-1] * factor[-1] ** 2,
    torch.ops.aten.linalg_qr: lambda shape, *_, **__: 2 * shape[-2] * shape[-1] ** 2 - 2 * shape[-1] ** 3 // 3,
}
"""What PyTorch's counter leaves out; Golub and Van Loan, Matrix Computations, sections 4.2 and 5.2."""


def flops_per_step(optimizer: Optimizer, objective: Objective) -> int:
    """Operations in the matrix products and factorizations of one step from where training ended.

    A multiplication and an addition count as two; elementwise work, such as evaluating splines, is not counted. Two
    steps less one step are taken and thrown away, so that what a method does once is left out.
    """
    objective.checkpoint = lambda: None  # the time limit is that of training
    theta = objective.theta
    return _count(optimizer, objective, theta, 2) - _count(optimizer, objective, theta, 1)


def _count(optimizer: Optimizer, objective: Objective, theta: Tensor, steps: int) -> int:
    with FlopCounterMode(display=False, custom_mapping=FACTORIZATIONS) as counter:
        optimizer.minimize(objective, theta, steps, lambda iterate: None)
    return counter.get_total_flops()
