"""What fills a domain of shapes, or one shape in it, for integrals over it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from torch import Tensor

from kanpde.problems.geometry.regions import Parts, Region, part_of
from kanpde.problems.geometry.shapes import Shape
from kanpde.problems.geometry.slices import MORE, slices
from kanpde.problems.language import ExpressionError, Filling


def filling_of(
    region: Region, parts: Parts, names: tuple[str, ...], shapes: Mapping[str, Shape], name: str = ""
) -> Filling | None:
    """What fills a region, or a shape in it, by names of the space coordinates; None for a box in one piece.

    Raises:
        ExpressionError: it has no volume, or too many dimensions.
    """
    return _filling(region, parts, names, name, shapes[name] if name else None)


@lru_cache(maxsize=64)
def _filling(
    region: Region, parts: Parts, names: tuple[str, ...], name: str = "", shape: Shape | None = None
) -> Filling | None:
    if region.whole and not parts and shape is None:
        return None
    if len(names) not in MORE:
        raise ExpressionError(
            f"may have integrals over shapes of up to {max(MORE)} dimensions; there are {len(names)}. Take a box, or "
            "say what holds at a point (at:)."
        )

    def label(space: Tensor) -> Tensor:  # [n, space] -> int [n]
        inside = region.holds(space) if shape is None else region.holds(space) & shape.contains(space)
        return inside * (1 + part_of(parts, space))

    own = dict(region.shapes)
    bounding = [own[one] for one in region.names()] + [one for _, one in parts] + ([] if shape is None else [shape])
    points, weights = slices(label, tuple(dict.fromkeys(bounding)), *region.box.bounds)
    if not len(weights):
        raise ExpressionError(f"needs a shape that meets the domain; {name or 'it'} does not. Move or remove it.")
    return Filling(names, name, points, weights)


def volume_of(region: Region) -> float:
    """Length, area or volume of a region."""
    filling = filling_of(region, (), tuple(f"x{axis}" for axis in region.axes), {})
    return float(np.prod(np.subtract(*region.box.bounds[::-1]))) if filling is None else filling.volume
