"""Which function of the library an edge is: a·f(bx + c) + d closest to its values, for all f at once.

A grid over b and c with a and d projected out; then damped Gauss–Newton in b and c (variable projection, a batch of
starts) for the families that came closest. x is scaled to [-1, 1] for both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from kanpde.models.networks.edges import Edge
from kanpde.models.univariate import EVEN, LIBRARY, B, C, Univariate

MOST_POINTS = 100
SMALLEST_RATE = 0.12
LARGEST_SHIFT = 4.0
"""Beyond these bounds for b and c (x in [-1, 1]) sin, cosh, gauss, … are parabolas under another name."""


@dataclass(frozen=True)
class Candidate:
    """One reading of an edge: 1 - R², the function, and its constants in x as it is."""

    unexplained: float
    name: str
    constants: tuple[float, float, float, float]

    def edge(self, fixed: Sequence[int] = ()) -> Edge:
        """As an edge whose redundant constants are at rest."""
        return Edge(torch.tensor(canonical(self.name, self.constants), dtype=torch.float64), self.name, tuple(fixed))

    def score(self, floor: float, per_complexity: float = 0.35) -> float:
        """log10(1 - R²), no lower than can be told apart, plus complexity; least is best."""
        return math.log10(max(self.unexplained, floor)) + per_complexity * LIBRARY[self.name].complexity


def candidates(x: Tensor, values: Tensor, names: Sequence[str] | None = None, refined: int = 9) -> list[Candidate]:
    """Readings of an edge's values [n] at x [n], singular and degenerate ones left out, the best first."""
    low, high = float(x.min()), float(x.max())
    middle, half = (low + high) / 2, (high - low) / 2
    total = float((values - values.mean()).square().sum())
    if half < 1e-12 or total < 1e-26:
        return []
    chosen = _thinned(x)
    u, v = (x[chosen] - middle) / half, values[chosen]
    rough = [(row, *_best_starts(row, u, v)) for row in map(LIBRARY.get, names or LIBRARY)]
    rough = sorted((entry for entry in rough if len(entry[2])), key=lambda entry: entry[1])
    whole, found = (x - middle) / half, []
    for row, _, starts in rough[:refined]:
        b, c = _refined(row, starts, u, v).unbind(1)
        a, d, rest = _projected(row(b[:, None] * whole + c[:, None]), values)
        for k in rest.argsort()[:2].tolist():
            if bool(rest[k].isfinite()) and not _degenerate(row, float(b[k]), float(c[k])):
                scaled = float(b[k]) / half
                constants = (float(a[k]), scaled, float(c[k]) - scaled * middle, float(d[k]))
                found.append(Candidate(float(rest[k]) / total, row.name, constants))
    return sorted(found, key=lambda candidate: candidate.unexplained)


def ranked(found: Sequence[Candidate], floor: float) -> list[Candidate]:
    """The simplest within what can be told apart comes first."""
    return sorted(found, key=lambda candidate: candidate.score(floor))


def canonical(name: str, constants: Sequence[float]) -> tuple[float, float, float, float]:
    """The same function with its redundant constants at rest: |b| = 1 for powers, c = 0 for exp."""
    a, b, c, d = constants
    size, power = abs(b), LIBRARY[name].power
    if name == "x":
        return (a * b, 1.0, 0.0, d + a * c)
    if name == "log":
        return (a, b / size, c / size, d + a * math.log(size))
    if name == "exp":
        return (a * math.exp(c), b, 0.0, d)
    if power is None:
        return (a, size, c * b / size, d) if name in EVEN else (a, b, c, d)
    if name in EVEN:
        return (a * size**power, 1.0, c / b, d)
    if name in ("x^3", "1/x"):
        return (a * b**power, 1.0, c / b, d)
    return (a * size**power, b / size, c / size, d)


def _thinned(x: Tensor) -> Tensor:
    order = x.argsort()
    return order[torch.linspace(0, len(order) - 1, min(len(order), MOST_POINTS)).long()]


def _projected(f: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # [K, n], [n] -> [K] each
    """Best a and d for a·f + d ~ v, and what is left of v."""
    mean = f.mean(-1, keepdim=True)
    centered, right = f - mean, v - v.mean()
    norm = centered.square().sum(-1)
    along = (centered * right).sum(-1)
    a = along / norm.clamp(min=1e-300)
    sound = f.isfinite().all(-1) & (norm > 1e-24 * f.shape[-1] * (1 + f.abs().amax(-1).square()))
    rest = torch.where(sound, (right.square().sum() - a * along).clamp(min=0), math.inf)
    exact = a[:, None] * centered - right  # the difference above loses digits
    rest = torch.where(sound & (rest < 1e-6 * right.square().sum()), exact.square().sum(-1), rest)
    return a, v.mean() - a * mean[..., 0], rest


def _best_starts(row: Univariate, u: Tensor, v: Tensor, keep: int = 3) -> tuple[float, Tensor]:
    starts = _starts(row.name)
    rest = _projected(row(starts[:, :1] * u + starts[:, 1:]), v)[2]
    best = rest.argsort()[:keep]
    best = best[rest[best].isfinite()]
    return (float(rest[best[0]]) if len(best) else math.inf), starts[best]


def _refined(row: Univariate, starts: Tensor, u: Tensor, v: Tensor, steps: int = 40) -> Tensor:  # [K, 2] -> [K, 2]
    """b and c by Gauss–Newton, a and d projected out in every residual."""
    free = [place - B for place in row.free if place in (B, C)]
    at, best = starts.clone(), _projected(row(starts[:, :1] * u + starts[:, 1:]), v)[2]
    damping = torch.full((len(at),), 1e-3, dtype=u.dtype)
    for _ in range(steps if free else 0):
        f, slope = row.rows(at[:, :1] * u + at[:, 1:], 1)
        a, d, _ = _projected(f, v)
        columns = [f, *([a[:, None] * slope * u] if 0 in free else []), *([a[:, None] * slope] if 1 in free else [])]
        design = _finite(torch.stack([column - column.mean(1, keepdim=True) for column in columns], dim=2))
        step = _damped_step(design, _finite(a[:, None] * f + d[:, None] - v), damping)
        tried = at.clone()
        tried[:, free] = at[:, free] + step[:, 1:]
        rest = _projected(row(tried[:, :1] * u + tried[:, 1:]), v)[2]
        better = rest < best
        at, best = torch.where(better[:, None], tried, at), torch.where(better, rest, best)
        damping = torch.where(better, damping / 10, damping * 8).clamp(1e-15, 1e6)
        if bool((damping >= 1e6).all()):
            break
    return at


def _damped_step(design: Tensor, residual: Tensor, damping: Tensor) -> Tensor:  # [K, n, p], [K, n], [K] -> [K, p]
    norms = design.norm(dim=1, keepdim=True).clamp(min=1e-300)
    scaled = design / norms
    normal = scaled.mT @ scaled + damping[:, None, None] * torch.eye(design.shape[2], dtype=design.dtype)
    return -torch.linalg.solve(normal, scaled.mT @ residual[..., None])[..., 0] / norms[:, 0]


def _finite(values: Tensor) -> Tensor:
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _degenerate(row: Univariate, b: float, c: float) -> bool:
    """Whether the constants make a simpler function of this one."""
    if row.family == "exponential":
        return abs(b) < 0.02
    if row.family == "power":
        return abs(c) > 12
    if row.family == "ray":
        return abs(c) > 60
    if row.family == "line":
        return False
    return abs(b) < SMALLEST_RATE or (row.family == "bell" and abs(c) > LARGEST_SHIFT)


@lru_cache
def _starts(name: str) -> Tensor:  # -> [K, 2]
    row = LIBRARY[name]
    pairs = _FAMILIES[row.family]()
    return torch.tensor([(float(b), float(c)) for b, c in pairs], dtype=torch.float64)


def _ray() -> list[tuple[float, float]]:
    ends = [1 + 10**q for q in np.linspace(-6, 2, 33)] + [1.0]
    return [(side, end) for side in (1.0, -1.0) for end in ends]


def _arc() -> list[tuple[float, float]]:
    return [(b, c) for b in np.linspace(0.05, 1, 24) for c in np.linspace(b - 1, 1 - b, 9)]


_FAMILIES = {
    "line": lambda: [(1.0, 0.0)],
    "power": lambda: [(1.0, c) for c in np.linspace(-6, 6, 49)],
    "ray": _ray,
    "exponential": lambda: [(sign * b, 0.0) for b in np.geomspace(0.02, 12, 30) for sign in (1, -1)],
    "arc": _arc,
    "hump": lambda: [(b, c) for b in np.geomspace(0.05, 1.57, 20) for c in np.linspace(b, math.pi - b, 12)],
    "wave": lambda: [(b, c) for b in np.geomspace(0.05, 25, 48) for c in np.linspace(0, math.pi, 9)[:-1]],
    "branch": lambda: [(b, c) for b in np.geomspace(0.05, 1.5, 20) for c in np.linspace(b - 1.57, 1.57 - b, 9)],
    "bell": lambda: [(b, b * c) for b in np.geomspace(0.05, 12, 24) for c in np.linspace(-2.5, 2.5, 25)],
}
