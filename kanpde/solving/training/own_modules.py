"""What a torch module of the user's own must do to be trained on a problem."""

import torch
from torch import nn

from kanpde.errors import InputError
from kanpde.models.networks import Chain
from kanpde.problems.problem import Problem


def check_module(module: nn.Module, problem: Problem) -> None:
    """Try the module on a few points.

    Raises:
        InputError: It does not map [n, d] to [n, fields], has nothing to train, mixes points, or cannot be periodic.
    """
    dimension, fields = problem.domain.dimension, problem.outputs
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        raise InputError("A module needs parameters that require gradients; this one has none. Add or unfreeze some.")
    points = torch.rand(3, dimension, generator=torch.Generator().manual_seed(0)).to(parameters[0])
    with torch.no_grad():
        outputs = _called(module, points, dimension)
        if outputs.shape != (3, fields):
            raise InputError(
                f"A module must map points [n, {dimension}] to fields [n, {fields}] ({', '.join(problem.fields)}); "
                f"three points gave shape {list(outputs.shape)}. Change its first or last layer."
            )
        alone = torch.cat([_called(module, point[None], dimension) for point in points])
    if not torch.allclose(outputs, alone, rtol=1e-3, atol=1e-5):
        raise InputError(
            "A module must give the same for a point whatever else is in the batch, and every time; this one does not. "
            "Leave out dropout and batch normalization, or call eval() on it."
        )
    _check_periodic(module, problem)


def _called(module: nn.Module, points: torch.Tensor, dimension: int) -> torch.Tensor:
    try:
        found: torch.Tensor = module(points)
        return found
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"A module must accept points of shape [n, {dimension}], one of them as well as many; calling it failed "
            f"with: {error}. Change it so; batch normalization needs eval()."
        ) from None


def _check_periodic(module: nn.Module, problem: Problem) -> None:
    """Periodicity is built into networks by the coordinates they see, which kanpde cannot change in a module."""
    built_in = set(module.inputs.periodic) if isinstance(module, Chain) else set()
    missing = [problem.coordinates[axis] for axis in problem.periodic if axis not in built_in]
    if missing:
        raise InputError(
            f"{problem.name} is periodic in {', '.join(missing)}, which a module of your own is not by itself. Use "
            "model=kan or model=mlp, which are, or a KAN(…, periodic=…) of that box."
        )
