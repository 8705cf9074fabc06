"""B-splines as features: local, so a fine grid costs no more per point than a coarse one."""

import torch
from torch import Tensor

from kanpde.errors import InputError
from kanpde.models.bases.interface import Basis, Features, edge_values, fitted_weights, normal
from kanpde.models.spline_sums import edge_derivatives, spline_sums
from kanpde.models.splines import MAX_DEGREE, is_uniform, listed_splines, splines, uniform_grid


class BSplines(Basis):
    """The G+k B-splines of degree k on a grid of G cells, one grid per input.

    Args:
        grid: Increasing breakpoints, shape [in, G+1], in the unit of the input.
        degree: k, from 1 to 13; the features are C^(k-1).

    Raises:
        InputError: If the degree is out of range or a grid does not increase.
    """

    grid: Tensor  # [in, G+1]

    name = "bspline"
    drawn_cells = 3

    def __init__(self, grid: Tensor, degree: int):
        super().__init__()
        if not 1 <= degree <= MAX_DEGREE:
            raise InputError(
                f"A spline degree must lie between 1 and {MAX_DEGREE}; {degree} came. Choose one in between."
            )
        if grid.ndim != 2 or grid.shape[1] < 2 or not bool((grid.diff(dim=1) > 0).all()):
            raise InputError(
                f"A spline grid must be a table [inputs, cells+1] of increasing numbers; one of shape "
                f"{tuple(grid.shape)} came that is not. Sort the breakpoints and remove double ones."
            )
        self.register_buffer("grid", grid)
        self.degree = degree
        self.uniform = is_uniform(grid)
        self.register_load_state_dict_post_hook(_recheck)  # type: ignore[no-untyped-call]  # torch's
        self.inputs, self.resolution = grid.shape[0], grid.shape[1] - 1
        self.size, self.nodes_per_cell = self.resolution + degree, degree + 2

    @classmethod
    def on(cls, lower: Tensor, upper: Tensor, resolution: int, degree: int) -> "BSplines":
        return cls(uniform_grid(lower, upper, resolution), degree)

    @classmethod
    def smoothness(cls, degree: int) -> float:
        return degree

    @property
    def lower(self) -> Tensor:
        return self.grid[:, 0]

    @property
    def upper(self) -> Tensor:
        return self.grid[:, -1]

    @property
    def breaks(self) -> Tensor:
        return self.grid

    def resized(self, lower: Tensor, upper: Tensor, resolution: int, knots: Tensor | None = None) -> "BSplines":
        """B-splines of the same degree on the knots given, or on equal cells.

        Non-uniform cells are halved as they are when the interval stays and the resolution doubles.
        """
        if knots is not None:
            return BSplines(knots, self.degree)
        stays = torch.equal(lower, self.lower) and torch.equal(upper, self.upper)
        if not self.uniform and stays and resolution == 2 * self.resolution:
            middle = (self.grid[:, 1:] + self.grid[:, :-1]) / 2
            halved = torch.cat([self.grid, middle], dim=1).sort(dim=1).values
            return BSplines(halved, self.degree)
        return BSplines(uniform_grid(lower, upper, resolution), self.degree)

    def random_weights(self, outputs: int, generator: torch.Generator | None) -> Tensor:
        """Drawn on three cells at most and fitted here, so that a fine grid does not start as noise."""
        if self.resolution <= self.drawn_cells:
            return normal((self.inputs, self.size, outputs), self.lower, generator)
        coarse, nodes = BSplines.on(self.lower, self.upper, self.drawn_cells, self.degree), self.nodes()
        drawn = normal((self.inputs, coarse.size, outputs), self.lower, generator)
        return fitted_weights(self, nodes, edge_values(coarse, drawn, nodes))

    def listed(self, x: Tensor, order: int) -> Features:
        cell, values = splines(x, self.grid, self.degree, order, self.uniform)
        return Features(values, listed_splines(cell, self.degree))

    def combined(self, x: Tensor, weight: Tensor) -> Tensor:
        return spline_sums(x, self.grid, self.degree, self.uniform, weight)

    def edges(self, x: Tensor, weight: Tensor, order: int) -> list[Tensor]:
        return edge_derivatives(x, self.grid, self.degree, self.uniform, weight, order)


def _recheck(loaded: BSplines, keys: object) -> None:
    """A grid that was read from a file need not be uniform because the one it replaces was."""
    loaded.uniform = is_uniform(loaded.grid)
