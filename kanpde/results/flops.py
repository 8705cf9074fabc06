"""Floating-point operations, counted while they happen."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from kanpde.solving.losses.interface import Objective
from kanpde.solving.optimizers import Optimizer

FACTORIZATIONS: Mapping[Any, Callable[..., int]] = {
    torch.ops.aten.linalg_cholesky_ex: lambda a, **_: a.shape[-1] ** 3 // 3,
    torch.ops.aten.cholesky_solve: lambda b, factor, **_: 2 * b.shape[-1] * factor.shape[-1] ** 2,
    torch.ops.aten.linalg_qr: lambda a, *_, **__: 2 * a.shape[-2] * a.shape[-1] ** 2 - 2 * a.shape[-1] ** 3 // 3,
}
"""What PyTorch's formulas leave out; Golub and Van Loan, Matrix Computations, sections 4.2 and 5.2."""

FORMULAS = {**flop_registry, **FACTORIZATIONS}


class Count(TorchDispatchMode):
    """Counts all operations within it, by PyTorch's formulas and those of factorizations.

    Attributes:
        total: Operations so far.
    """

    total = 0


def _counted(count: Count, operation: Any, types: Sequence[type], args: Any = (), kwargs: Any = None) -> Any:
    known, found = FORMULAS.get(operation.overloadpacket), operation(*args, **(kwargs or {}))
    count.total += known(*args, **(kwargs or {}), out_val=found) if known else 0
    return found


Count.__torch_dispatch__ = _counted  # type: ignore[assignment]
"""In the body of the class, or by `FlopCounterMode`, it would load PyTorch's compiler, two seconds."""


def flops_per_step(optimizer: Optimizer, objective: Objective) -> int:
    """Operations in the matrix products and factorizations of one step from where training ended.

    A multiplication and an addition count as two; elementwise work, such as evaluating splines, is not counted. Two
    steps less one step are taken and thrown away, so that what a method does once is left out.
    """
    objective.checkpoint = lambda: None  # the time limit is that of training
    theta = objective.theta
    return _steps(optimizer, objective, theta, 2) - _steps(optimizer, objective, theta, 1)


def _steps(optimizer: Optimizer, objective: Objective, theta: Tensor, steps: int) -> int:
    with Count() as count:  # type: ignore[no-untyped-call]
        optimizer.minimize(objective, theta, steps, lambda iterate: None)
    return int(count.total)
