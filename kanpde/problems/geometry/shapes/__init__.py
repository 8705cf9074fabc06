"""Shapes cut from or joined to the box, by the names that problem files use; one is whatever class here has one."""

from kanpde.files.discovery import leaves
from kanpde.problems.geometry.shapes.cuboid import Cuboid
from kanpde.problems.geometry.shapes.extrusions import Extrusion
from kanpde.problems.geometry.shapes.interface import Facet, Flat, Misshapen, Shape, facet_points, perimeter
from kanpde.problems.geometry.shapes.levels import Level
from kanpde.problems.geometry.shapes.outline import Outline
from kanpde.problems.geometry.shapes.polygon import Polygon
from kanpde.problems.geometry.shapes.round import Ball, Disk, Ellipse, Round
from kanpde.problems.geometry.shapes.together import Together

SHAPES: dict[str, type[Shape]] = leaves(__name__, __path__, Shape, "kind", first=Disk)

__all__ = [
    "SHAPES", "Ball", "Cuboid", "Disk", "Ellipse", "Extrusion", "Facet", "Flat", "Level", "Misshapen", "Outline",
    "Polygon", "Round", "Shape", "Together", "facet_points", "perimeter",
]  # fmt: skip
