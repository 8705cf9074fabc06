"""Where a problem lives: boxes, their sides and outward normals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """The product of the intervals [lower_i, upper_i], in the order of the problem's coordinates.

    >>> Box((-1.0, 0.0), (1.0, 2.5)).lengths
    (2.0, 2.5)
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.lower) != len(self.upper) or not all(a < b for a, b in zip(self.lower, self.upper, strict=True)):
            raise ValueError(f"A box needs lower < upper along every axis; it got {self.lower} and {self.upper}.")

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @property
    def lengths(self) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))


@dataclass(frozen=True)
class Side:
    """One face of a box: `axis` held at its lower (`end` 0) or upper (`end` 1) bound; named like `x-` or `x+`."""

    axis: int
    end: int
    name: str

    def normal(self, dimension: int) -> tuple[int, ...]:
        """The outward unit normal, e.g. (-1, 0) on the side `x-` of a rectangle."""
        return tuple((2 * self.end - 1) if axis == self.axis else 0 for axis in range(dimension))

    def level(self, box: Box) -> float:
        """The value of the coordinate that is constant on this side."""
        return (box.lower, box.upper)[self.end][self.axis]


def box_sides(coordinates: tuple[str, ...]) -> tuple[Side, ...]:
    """Both sides along every axis: `x-`, `x+`, `y-`, …

    >>> [side.name for side in box_sides(("x", "t"))]
    ['x-', 'x+', 't-', 't+']
    """
    return tuple(Side(axis, end, name + "-+"[end]) for axis, name in enumerate(coordinates) for end in (0, 1))
