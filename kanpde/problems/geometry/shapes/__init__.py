"""Shapes cut from or joined to the box, by the names that problem files use; one is whatever class here has one."""

from collections.abc import Sequence

from kanpde.files.discovery import leaves
from kanpde.problems.geometry.shapes.cuboid import Cuboid
from kanpde.problems.geometry.shapes.extrusions import Extrusion
from kanpde.problems.geometry.shapes.interface import Facet, Flat, Misshapen, Shape, facet_points, perimeter
from kanpde.problems.geometry.shapes.levels import Level
from kanpde.problems.geometry.shapes.outline import Outline
from kanpde.problems.geometry.shapes.polygon import Polygon
from kanpde.problems.geometry.shapes.round import Ball, Disk, Ellipse, Round
from kanpde.problems.geometry.shapes.solid import Solid
from kanpde.problems.geometry.shapes.together import Together

SHAPES: dict[str, type[Shape]] = leaves(__name__, __path__, Shape, "kind", first=Disk)

__all__ = [
    "SHAPES", "Ball", "Cuboid", "Disk", "Ellipse", "Extrusion", "Facet", "Flat", "Level", "Misshapen", "Outline",
    "Polygon", "Round", "Shape", "Solid", "Together", "facet_points", "perimeter", "shape_of",
]  # fmt: skip

LARGEST = 1e50
"""Of the numbers of a shape, of which products are taken."""


def shape_of(kind: type[Shape], numbers: Sequence[float]) -> Shape:
    """A shape by its numbers.

    Raises:
        Misshapen: for numbers that make none, in words that go on from `needs`.
    """
    if not all(abs(number) <= LARGEST for number in numbers):
        raise Misshapen(f"numbers up to {LARGEST:.0e}")
    return kind.of(numbers)
