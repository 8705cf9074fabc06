"""Adam: the first-order method that most of the literature uses, for comparison and for very large models."""

import copy
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.solving.optimizers.interface import Ended, Iterate, Loss, Observer, Optimizer, Stop, StopReason


@dataclass(frozen=True)
class Adam(Optimizer):
    """torch.optim.Adam on ‖r‖².

    Args:
        learning_rate: Step size.
        decay: Factor on the step size per thousand steps.
    """

    kind: ClassVar[str] = "adam"

    learning_rate: float = 1e-3
    decay: float = 0.9

    def __post_init__(self) -> None:
        if not (0 < self.learning_rate < math.inf and 0 < self.decay <= 1):
            raise InputError(f"Adam needs learning_rate > 0 and 0 < decay ≤ 1; {self} came. Set them so.")

    def minimize(
        self, objective: Loss, theta: Tensor, steps: int, observe: Observer, state: dict[str, Any] | None = None
    ) -> Ended:
        variable = theta.clone().requires_grad_()
        method = torch.optim.Adam([variable], lr=self.learning_rate)
        if state:
            method.load_state_dict(state)
        loss, variable.grad = objective.gradient(variable.detach())
        for _ in range(steps):
            if not loss < float("inf"):
                return Ended(variable.detach(), loss, StopReason.DIVERGED, method.state_dict())
            method.step()
            method.param_groups[0]["lr"] *= self.decay ** (1 / 1000)
            loss, variable.grad = objective.gradient(variable.detach())
            shown = Iterate(variable.detach().clone(), loss, None, {"lr": method.param_groups[0]["lr"]},
                            lambda: copy.deepcopy(method.state_dict()))  # fmt: skip
            try:
                observe(shown)
            except Stop:
                return Ended(shown.theta, loss, StopReason.OBSERVER, method.state_dict())
        return Ended(variable.detach().clone(), loss, StopReason.STEPS, method.state_dict())
