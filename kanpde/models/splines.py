"""B-splines of any degree on uniform and non-uniform knots: values and derivatives of the few that do not vanish.

A grid is a row of G+1 increasing breakpoints; with k further knots continued on either side it carries G+k splines
of degree k, of which k+1 are non-zero in each cell. Everything here returns those k+1 only, so that the cost of a
point does not depend on G. Outside the grid the polynomial of the end cell continues.
"""

from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

MAX_DEGREE = 13


def extended_knots(grid: Tensor, degree: int) -> Tensor:  # [..., G+1] -> [..., G+2k+1]
    """Continue a grid by `degree` knots on either side, at the spacing of its end cells."""
    steps = torch.arange(1, degree + 1, dtype=grid.dtype, device=grid.device)
    before = grid[..., :1] - steps.flip(0) * (grid[..., 1:2] - grid[..., :1])
    after = grid[..., -1:] + steps * (grid[..., -1:] - grid[..., -2:-1])
    return torch.cat([before, grid, after], dim=-1)


def uniform_grid(lower: Tensor, upper: Tensor, cells: int) -> Tensor:  # [in], [in] -> [in, G+1]
    """Divide [lower, upper] into equal cells, one row per input."""
    fractions = torch.linspace(0, 1, cells + 1, dtype=lower.dtype, device=lower.device)
    return lower[:, None] + (upper - lower)[:, None] * fractions


def is_uniform(grid: Tensor) -> bool:
    """Whether all cells of each row are equally long, to a few roundings of the breakpoints."""
    lengths = grid.diff(dim=-1)
    rounding = 16 * torch.finfo(grid.dtype).eps * grid.abs().max()
    return bool((lengths - lengths.mean(-1, keepdim=True)).abs().max() <= rounding)


@lru_cache
def cardinal_pieces(degree: int, order: int) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Polynomials of the k+1 splines on one cell of unit length, with their derivatives, computed in rationals.

        N_{j,p}(s) = [(s + p - j) N_{j-1,p-1}(s) + (j + 1 - s) N_{j,p-1}(s)] / p,    0 ≤ s ≤ 1

    written in ξ = 2s - 1 ∈ [-1, 1], where monomials are well conditioned at the degrees allowed here.

    Returns:
        Coefficients c[p][r][j] of ξ^p in the r-th derivative with respect to s of spline j.
    """
    pieces = [[Fraction(1)]]
    for p in range(1, degree + 1):
        pieces = [_raise_degree(pieces, j, p) for j in range(p + 1)]
    rows = [pieces]
    for _ in range(order):
        rows.append([[2 * (q + 1) * c for q, c in enumerate(piece[1:])] + [Fraction(0)] for piece in rows[-1]])
    return tuple(tuple(tuple(float(piece[p]) for piece in row) for row in rows) for p in range(degree + 1))


def _raise_degree(pieces: list[list[Fraction]], j: int, p: int) -> list[Fraction]:
    total = [Fraction(0)] * (p + 1)
    half = Fraction(1, 2)
    for piece, constant, slope in (
        (pieces[j - 1] if j > 0 else [], half + p - j, half),
        (pieces[j] if j < p else [], j + half, -half),
    ):
        for q, c in enumerate(piece):
            total[q] += c * constant / p
            total[q + 1] += c * slope / p
    return total


def uniform_splines(x: Tensor, grid: Tensor, degree: int, order: int) -> tuple[Tensor, Tensor]:
    """Evaluate the k+1 non-vanishing splines and their derivatives on equal cells, by one small matrix product.

    Args:
        x: Points, shape [n, in], in the unit of `grid`.
        grid: Equally spaced breakpoints, shape [in, G+1].
        degree: k ≥ 0.
        order: Highest derivative wanted.

    Returns:
        Index of the first non-vanishing spline, shape [n, in], and ∂^r B_j, shape [n, in, order+1, k+1].
    """
    cell, xi = local_coordinates(x, grid, uniform=True)
    table = _piece_table(degree, order, x.dtype, x.device)
    values = (powers_of(xi, degree) @ table).unflatten(-1, (order + 1, degree + 1))
    if order:
        values *= (1 / grid_spacing(grid))[:, None, None] ** torch.arange(order + 1, device=x.device)[:, None]
    return cell, values


def uniform_slopes(powers: Tensor, degree: int) -> Tensor:  # [n, in, k+1] -> [n, in, k+1]
    """First derivatives alone, per cell rather than per unit of x, from the powers of ξ."""
    return powers @ _piece_table(degree, 1, powers.dtype, powers.device)[:, degree + 1 :]


def local_coordinates(x: Tensor, grid: Tensor, uniform: bool) -> tuple[Tensor, Tensor]:  # [n, in] -> [n, in], [n, in]
    """The cell of each point, the nearest one for points outside, and ξ, which is ∓1 at the ends of the cell."""
    cells = grid.shape[1] - 1
    if uniform:
        position = (x - grid[:, 0]) / grid_spacing(grid)
        cell = torch.nan_to_num(position.floor()).clamp(0, cells - 1)  # a NaN has no cell; its values stay NaN
        return cell.long(), 2 * (position - cell) - 1
    found = torch.searchsorted(grid.detach(), x.detach().t().contiguous(), right=True).t()  # row i holds input i
    cell = (found - 1).clamp(0, cells - 1)
    middle, half = (grid[:, 1:] + grid[:, :-1]).t() / 2, grid.diff(dim=1).t() / 2
    return cell, (x - middle.gather(0, cell)) / half.gather(0, cell)


def listed_splines(cell: Tensor, degree: int) -> Tensor:  # [n, in] -> [n, in, k+1]
    """Which splines do not vanish on a cell."""
    return cell[..., None] + torch.arange(degree + 1, device=cell.device)


def powers_of(xi: Tensor, degree: int) -> Tensor:  # [n, in] -> [n, in, k+1]
    """1, ξ, …, ξ^k."""
    powers = [torch.ones_like(xi)]
    for _ in range(degree):
        powers.append(powers[-1] * xi)
    return torch.stack(powers, dim=-1)


def grid_spacing(grid: Tensor) -> Tensor:  # [in, G+1] -> [in]
    """Length of the equal cells of each row."""
    return (grid[:, -1] - grid[:, 0]) / (grid.shape[1] - 1)


def unit_pieces(degree: int, dtype: torch.dtype, device: torch.device) -> Tensor:  # -> [p, j]
    """Coefficients of ξ^p in the k+1 splines j of an equal cell."""
    return _piece_table(degree, 0, dtype, device)


@lru_cache
def _piece_table(degree: int, order: int, dtype: torch.dtype, device: torch.device) -> Tensor:  # -> [p, (r, j)]
    return torch.tensor(cardinal_pieces(degree, order), dtype=dtype, device=device).flatten(1)


def local_splines(x: Tensor, grid: Tensor, degree: int, order: int) -> tuple[Tensor, Tensor]:
    """Evaluate the k+1 non-vanishing splines and their derivatives on any increasing grid.

        B_{i,p}  = (x - t_i)/(t_{i+p} - t_i) B_{i,p-1} + (t_{i+p+1} - x)/(t_{i+p+1} - t_{i+1}) B_{i+1,p-1}
        B'_{i,p} = p [B_{i,p-1}/(t_{i+p} - t_i) - B_{i+1,p-1}/(t_{i+p+1} - t_{i+1})]

    Args and returns as for `uniform_splines`.

    Source: de Boor, A Practical Guide to Splines, algorithm BSPLVB and equation (X.10).
    """
    cell, _ = local_coordinates(x, grid, uniform=False)
    window = torch.arange(2 * degree + 2, device=x.device)
    rows = torch.arange(grid.shape[0], device=x.device)[:, None]
    knots = extended_knots(grid, degree)[rows, cell[..., None] + window]
    ladder = [torch.ones_like(x)[..., None]]  # ladder[p]: the p+1 splines of degree p
    for p in range(1, degree + 1):
        below, above = _ends(knots, p, degree)
        share = ladder[-1] / (above - below)
        ladder.append(_shift((above - x[..., None]) * share, (x[..., None] - below) * share))
    return cell, torch.stack([_derivative(ladder, knots, r, degree) for r in range(order + 1)], dim=-2)


def _ends(knots: Tensor, p: int, degree: int) -> tuple[Tensor, Tensor]:
    """First and last knots of the p splines of degree p-1 that do not vanish on the cell."""
    return knots[..., degree + 1 - p : degree + 1], knots[..., degree + 1 : degree + 1 + p]


def _shift(stay: Tensor, move: Tensor) -> Tensor:
    return pad(stay, (0, 1)) + pad(move, (1, 0))


def _derivative(ladder: list[Tensor], knots: Tensor, order: int, degree: int) -> Tensor:
    if order > degree:
        return torch.zeros_like(ladder[-1])
    values = ladder[degree - order]
    for p in range(degree - order + 1, degree + 1):
        below, above = _ends(knots, p, degree)
        slope = p * values / (above - below)
        values = _shift(-slope, slope)
    return values


def splines(x: Tensor, grid: Tensor, degree: int, order: int = 0, uniform: bool | None = None) -> tuple[Tensor, Tensor]:
    """Evaluate by `uniform_splines` where the cells are equal, by `local_splines` elsewhere; same arguments.

    >>> import torch
    >>> first, values = splines(torch.tensor([[0.3]]), torch.tensor([[0.0, 0.5, 1.0]]), degree=2)
    >>> first.item(), round(values.sum().item(), 6)
    (0, 1.0)
    """
    uniform = is_uniform(grid) if uniform is None else uniform
    return (uniform_splines if uniform else local_splines)(x, grid, degree, order)


def clamped_knots(breaks: Tensor, degree: int, continuity: int | None = None) -> Tensor:  # [G+1] -> [m+k+1]
    """Knots on which the first and last splines are one at the ends; `continuity` derivatives exist at inner breaks.

    >>> import torch
    >>> clamped_knots(torch.tensor([0.0, 1.0, 2.0]), degree=2).tolist()
    [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 2.0]
    """
    times = 1 if continuity is None else degree - continuity
    ends = breaks[:1].expand(degree + 1), breaks[-1:].expand(degree + 1)
    return torch.cat([ends[0], breaks[1:-1].repeat_interleave(times), ends[1]])


def periodic_knots(breaks: Tensor, degree: int) -> Tensor:  # [G+1] -> [G+2k+1], G ≥ k
    """Cells continued by a period's parts, so that spline i and i + G are shifts of each other."""
    period = breaks[-1] - breaks[0]
    return torch.cat([breaks[-degree - 1 : -1] - period, breaks, breaks[1 : degree + 1] + period])


def knot_splines(x: Tensor, knots: Tensor, degree: int, order: int) -> tuple[Tensor, Tensor]:
    """The k+1 splines that do not vanish, with derivatives, on knots of any multiplicity.

    Args:
        x: Points, shape [n]; beyond the ends the polynomials of the end cells continue.
        knots: Not decreasing, shape [m+k+1], the first k+1 and last k+1 outside or at the ends.
        degree: k.
        order: Highest derivative wanted.

    Returns:
        Index of the first of them, shape [n], and ∂^r B_j, shape [n, order+1, k+1].
    """
    last = int(torch.searchsorted(knots, knots[-degree - 1])) - 1
    cell = (torch.searchsorted(knots, x.detach().contiguous(), right=True) - 1).clamp(degree, last)
    window = knots[cell[:, None] + torch.arange(-degree, degree + 2, device=x.device)]
    ladder = [torch.ones_like(x)[:, None]]
    for p in range(1, degree + 1):
        below, above = _ends(window, p, degree)
        share = ladder[-1] / (above - below)
        ladder.append(_shift((above - x[:, None]) * share, (x[:, None] - below) * share))
    return cell - degree, torch.stack([_derivative(ladder, window, r, degree) for r in range(order + 1)], dim=-2)
