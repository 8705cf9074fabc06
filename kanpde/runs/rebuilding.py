"""Networks built again from archives, whose settings and arrays may be a stranger's."""

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

from kanpde.errors import InputError
from kanpde.files.hdf5 import first_line
from kanpde.models.learned_constants import Bounds, learn
from kanpde.models.networks import MODELS, Design
from kanpde.results.archive import ModelData
from kanpde.runs.checked_values import settings_from
from kanpde.solving.time_windows import Windows


def rebuilt(model: ModelData, learned: dict[str, float], bounds: Bounds) -> nn.Module:
    """The network of an archive, with its parameters.

    Raises:
        InputError: It cannot be built of what is archived.
    """
    if model.kind not in MODELS:
        raise InputError(
            f"The archive holds the parameters of a {model.kind!r} that kanpde cannot build; it builds "
            f"{', '.join(MODELS)}. Give the module: open_run(path, network=…)."
        )
    try:
        network = _described(model, learned, bounds)
    except InputError:
        raise
    except UNBUILDABLE as error:  # what a stranger may have written there has no end
        raise _unbuildable(first_line(error)) from error
    return filled(network, model)


def conditions_met(model: ModelData) -> str:
    """How the conditions were met, as `training.conditions` says it."""
    try:
        found = json.loads(model.config_json)["conditions"]
    except UNBUILDABLE as error:
        raise _unbuildable(first_line(error)) from error
    if found not in ("exact", "penalty"):
        raise _unbuildable("its conditions are neither exact nor penalty")
    return found


UNBUILDABLE = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, MemoryError, AssertionError,
)  # fmt: skip
"""What building a network of settings that fit nothing may raise; a RecursionError is a RuntimeError."""


def _unbuildable(reason: str) -> InputError:
    return InputError(
        f"The archive needs a model that can be built again; its settings in config_json are no such ({reason}). "
        "Copy the file again, or run `kanpde solve` again."
    )


def _described(model: ModelData, learned: dict[str, float], bounds: Bounds) -> nn.Module:
    """The network that the archive's settings describe, its arrays yet to be filled in.

    Settings are believed as far as the archived arrays bear them out: a width of a billion is no use to five numbers.
    """
    described = json.loads(model.config_json)
    if described["dtype"] not in ("float64", "float32") or described["inputs"] < 1:
        raise _unbuildable("its dtype or its number of inputs is none")
    stored = sum(np.size(values) for values in (*model.parameters.values(), *model.grids.values()))
    try:
        design = settings_from(MODELS[model.kind], described["design"], "model")
    except InputError as error:
        raise _unbuildable(first_line(error)) from error
    whole = [number for value in asdict(design).values() for number in _whole_numbers(value)]
    largest = _largest([whole, *(described[key] for key in ("inputs", "outputs", "grid"))])
    if largest > LEAST_BELIEVED + stored:
        raise _unbuildable(f"a size of {largest:.3g} for {stored} numbers stored")
    grids = described["grid"]
    several = isinstance(grids, list)
    arrays = {**model.parameters, **model.grids}
    networks = [
        _unfilled(design, described, grid, _part_of(arrays, place) if several else arrays)
        for place, grid in enumerate(grids if several else [grids])
    ]
    windows = described.get("windows")  # what was trained as a whole, or before there were windows, has none
    return learn(Windows(windows, networks) if windows else networks[0], learned, bounds)


LEAST_BELIEVED = 100


def _largest(value: object) -> float:
    """The largest number in plain data, however deep."""
    if isinstance(value, dict):
        return max(map(_largest, value.values()), default=0)
    if isinstance(value, list):
        return max(map(_largest, value), default=0)
    return abs(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def _whole_numbers(value: object) -> list[int]:
    """Of a setting whose kind is checked: sizes are whole numbers, strengths and the like are not."""
    values = value if isinstance(value, tuple) else (value,)
    return [number for number in values if isinstance(number, int)]


def _part_of(arrays: dict[str, np.ndarray], place: int) -> dict[str, np.ndarray]:
    """The arrays of one window's network, by the names it gives them."""
    prefix = f"networks.{place}."
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _unfilled(design: Design, described: dict[str, Any], grid: int, arrays: dict[str, np.ndarray]) -> nn.Module:
    """A network of the right shape; boxes and parameters come from the archive."""
    return design.rebuilt(
        described["inputs"],
        described["outputs"],
        grid,
        arrays,
        lower=[0.0] * described["inputs"],
        upper=[1.0] * described["inputs"],
        periodic=described["periodic"],
        dtype=getattr(torch, described["dtype"]),
        generator=torch.Generator(),  # its numbers are replaced at once; the global generator is left alone
    )


def filled(network: nn.Module, model: ModelData) -> nn.Module:
    """The network, with the archived parameters in it.

    Raises:
        InputError: They are of another shape.
    """
    arrays = {**model.parameters, **model.grids}
    expected = network.state_dict()
    wrong = [name for name in expected if name not in arrays or expected[name].shape != np.shape(arrays[name])]
    if wrong or len(arrays) != len(expected):
        raise InputError(
            f"The archived arrays must fit the network's {len(expected)}; they do not at "
            f"{', '.join(wrong) or 'arrays the network lacks'}. Build the network that was trained."
        )
    network.load_state_dict({name: torch.from_numpy(np.array(arrays[name])).to(expected[name]) for name in expected})
    return network
