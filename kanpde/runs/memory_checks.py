"""What is refused before it is tried, because the memory that is free cannot hold it."""

import math
from itertools import pairwise

import torch

from kanpde.errors import InputError
from kanpde.files.memory import free_memory
from kanpde.runs.settings import Config
from kanpde.solving.training.events import Started

COPIES = 3
"""Of points and parameters, which are in memory at once at least."""


def check_sizes(config: Config) -> None:
    """Refuse points and networks that alone are larger than what is free, before anything is drawn or built.

    Raises:
        InputError: Names the setting.
    """
    free = free_memory()
    if free is None:
        return
    ends = config.problem.domain.dimension, config.problem.outputs
    points = getattr(config.sampling, "points", None) or 0
    grid, width = getattr(config.model, "grid", 0) or 0, getattr(config.model, "width", ())
    widths = (ends[0], *(width if isinstance(width, tuple) else ()), ends[1])
    edges = sum(before * after for before, after in pairwise(widths))
    needs = {"sampling.points": points * ends[0], "model.width": edges, "model.grid": grid * edges}
    for name, numbers in needs.items():
        if isinstance(numbers, int | float) and (needed := COPIES * 8.0 * numbers) > free:
            raise InputError(
                f"{name} asks for {needed / 2**30:.3g} GiB of points or parameters alone; {free / 2**30:.3g} GiB are "
                f"free. Set {name} to less."
            )


def check_memory(event: Started, config: Config) -> None:
    """Refuse a Jacobian that cannot fit, that of the last stage, rather than train for minutes first."""
    on_gpu = config.device != "cpu" and torch.cuda.is_available()
    free = torch.cuda.mem_get_info()[0] if on_gpu else free_memory()
    if free is None or not config.optimizer.forms_jacobian:
        return
    points, parameters = max((event.points, event.parameters), event.largest, key=math.prod)
    needed = event.held * points * parameters * getattr(torch, config.dtype).itemsize
    if needed > free:
        where = "" if parameters == event.parameters else f" in the last of {len(event.grids)} stages"
        raise InputError(
            f"optimizer={config.optimizer.kind} needs the derivatives of {points} residuals by {parameters} parameters "
            f"in memory{where}, {needed / 2**30:.3g} GiB; {free / 2**30:.3g} GiB are free. Use optimizer=lbfgs or "
            "adam, a smaller model, fewer stages (training.stages), or fewer points (sampling.points)."
        )
