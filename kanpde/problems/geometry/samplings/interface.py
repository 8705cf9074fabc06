"""Where residuals are taken: what a sampling is asked, and how many points it is asked for."""

from abc import ABC, abstractmethod
from typing import ClassVar

from kanpde.errors import InputError
from kanpde.problems.geometry.boxes import Box, Side
from kanpde.problems.geometry.sampling import Sample


class Sampling(ABC):
    """Points for training; one way to draw them is one module beside this file.

    kind: What configurations call it.
    density: Points per trainable parameter and equation.
    points: A fixed number instead, or None.
    boundary_points: Points on each side that has a penalty condition; None leaves them to the interior's number.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def density(self) -> float: ...

    @property
    @abstractmethod
    def points(self) -> int | None: ...

    @property
    @abstractmethod
    def boundary_points(self) -> int | None: ...

    @abstractmethod
    def interior(self, box: Box, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        """About `count` points of the box; the same for the same seed."""

    @abstractmethod
    def on_side(self, box: Box, side: Side, count: int, seed: int, periodic: tuple[int, ...] = ()) -> Sample:
        """About `count` points of one side."""


def check_counts(sampling: Sampling) -> None:
    """Refuse numbers of points that are none."""
    if not 0 < sampling.density < float("inf"):
        raise InputError(f"sampling.density must be positive and finite; {sampling.density} came. Set it so.")
    for name in ("points", "boundary_points"):
        value = getattr(sampling, name)
        if value is not None and value < 1:
            raise InputError(f"sampling.{name} must be 1 or more, or null; {value} came. Set it so.")


def interior_count(sampling: Sampling, parameters: int) -> int:
    """Collocation points for a network of so many parameters."""
    return sampling.points or max(64, int(sampling.density * parameters))


def side_count(sampling: Sampling, interior: int, dimension: int) -> int:
    """Points for a penalty on a side: as dense along it as the interior is along an axis, and twice that."""
    if dimension == 1:
        return 1
    return sampling.boundary_points or max(16, int(2 * interior ** (1 - 1 / dimension)))


def pinned(sample: Sample, box: Box, side: Side) -> Sample:
    """The same points moved onto a side."""
    points = sample.points.clone()
    points[:, side.axis] = side.level(box)
    return Sample(points, sample.weights)
