"""L-BFGS-B from SciPy: for models too large for a Jacobian."""

from dataclasses import dataclass

import torch
from scipy.optimize import minimize
from torch import Tensor

from kanpde.optimizers.interface import Ended, Iterate, Objective, Observer, Stop, StopReason


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with a line search.

    Args:
        memory: Pairs of steps and gradient differences that are kept.
        tolerance: The loss has stalled when a step lowers it by less than this factor.
    """

    memory: int = 50
    tolerance: float = 1e-15

    def minimize(
        self, objective: Objective, theta: Tensor, steps: int, observe: Observer, state: dict | None = None
    ) -> Ended:
        last = {"theta": theta, "loss": objective.gradient(theta)[0], "stopped": False}
        if not last["loss"] < float("inf"):
            return Ended(theta, last["loss"], StopReason.DIVERGED)

        def value(x) -> tuple[float, object]:
            loss, gradient = objective.gradient(torch.from_numpy(x).to(theta))
            return loss, gradient.double().cpu().numpy()

        def callback(intermediate_result) -> None:
            last["theta"] = torch.from_numpy(intermediate_result.x).to(theta).clone()
            last["loss"] = float(intermediate_result.fun)
            try:
                observe(Iterate(last["theta"], last["loss"], None, {}))
            except Stop:
                last["stopped"] = True
                raise StopIteration from None

        options = {"maxiter": steps, "maxfun": 20 * steps, "maxcor": self.memory, "ftol": self.tolerance, "gtol": 0.0}
        start = theta.double().cpu().numpy()
        result = minimize(value, start, jac=True, method="L-BFGS-B", callback=callback, options=options)
        return Ended(last["theta"], last["loss"], _reason(result.status, last["stopped"]))


def _reason(status: int, stopped: bool) -> StopReason:
    if stopped:
        return StopReason.OBSERVER
    return {0: StopReason.STALLED, 1: StopReason.STEPS}.get(status, StopReason.NO_STEP)
