"""Which function of the library an edge is: a·f(bx + c) + d closest to its values, for all f at once.

A grid over b and c with a and d projected out; then damped Gauss–Newton in b and c (variable projection, a batch of
starts) for the families that came closest. x is scaled to [-1, 1] for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from kanpde.models.networks.edges import Edge
from kanpde.models.univariate import EVEN, LIBRARY, B, C, Univariate

MOST_POINTS = 100
FLOOR = 1e-13
"""Of 1 - R²: what rounding leaves."""
PER_COMPLEXITY = 0.35
"""What a unit of complexity has to gain in log10(1 - R²)."""
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

    def score(self, floor: float, per_complexity: float = PER_COMPLEXITY) -> float:
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
    rows, starts = _promising(names or tuple(LIBRARY), u, v, total / len(x) * len(u), refined)
    if not rows:
        return []
    refined_starts = _refined(rows, starts, u, v)
    whole, found = (x - middle) / half, []
    for row, pairs in zip(rows, refined_starts, strict=True):
        b, c = pairs.unbind(1)
        a, d, rest = _projected(row(b[:, None] * whole + c[:, None]), values)
        for k in rest.argsort().tolist():
            if bool(rest[k].isfinite()) and not _degenerate(row, float(b[k]), float(c[k])):
                scaled = float(b[k]) / half
                constants = (float(a[k]), scaled, float(c[k]) - scaled * middle, float(d[k]))
                found.append(Candidate(float(rest[k]) / total, row.name, constants))
                break
    return sorted(found, key=lambda candidate: candidate.unexplained)


def _promising(
    names: Sequence[str], u: Tensor, v: Tensor, total: float, keep: int
) -> tuple[list[Univariate], Tensor]:  # -> [F], [F, 3, 2]
    """Families whose best starts come closest, complexity counted or not, and those starts."""
    found = []
    for row in (LIBRARY[name] for name in names):
        starts = _starts(row.name)
        rest = _projected(row(starts[:, :1] * u + starts[:, 1:]), v)[2]
        best = rest.argsort()[:3]
        if bool(rest[best[0]].isfinite()):
            best = torch.where(rest[best].isfinite(), best, best[0])
            best = torch.cat([best, best[:1].expand(3 - len(best))])
            figure = math.log10(max(float(rest[best[0]]) / total, FLOOR))
            found.append((figure, figure + PER_COMPLEXITY * row.complexity, row.name, starts[best]))
    closest = sorted(found, key=lambda entry: (entry[0], entry[2]))[:keep]
    simplest = sorted(found, key=lambda entry: (entry[1], entry[2]))[:keep]
    chosen = {name: starts for *_, name, starts in (*closest, *simplest)}
    return [LIBRARY[name] for name in chosen], torch.stack([*chosen.values()]) if chosen else u


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


def _refined(rows: Sequence[Univariate], starts: Tensor, u: Tensor, v: Tensor, steps: int = 40) -> Tensor:
    """b and c [F, K, 2] by Gauss–Newton in all of them at once, a and d projected out in every residual."""
    free = torch.tensor([[B in row.free, C in row.free] for row in rows]).repeat_interleave(starts.shape[1], dim=0)
    at, each = starts.flatten(0, 1).clone(), starts.shape[1]

    def evaluated(pairs: Tensor, order: int) -> list[Tensor]:  # [F*K, 2] -> [F*K, n] for each order
        inner = (pairs[:, :1] * u + pairs[:, 1:]).split(each)
        parts = [row.rows(own, order) for row, own in zip(rows, inner, strict=True)]
        return [torch.cat(level) for level in zip(*parts, strict=True)]

    best = _projected(evaluated(at, 0)[0], v)[2]
    damping, enough = torch.full((len(at),), 1e-3, dtype=u.dtype), 1e-26 * (v - v.mean()).square().sum()
    for _ in range(steps):
        f, slope = evaluated(at, 1)
        a, d, _ = _projected(f, v)
        columns = [f, free[:, :1] * a[:, None] * slope * u, free[:, 1:] * a[:, None] * slope]
        design = _finite(torch.stack([column - column.mean(1, keepdim=True) for column in columns], dim=2))
        step = _damped_step(design, _finite(a[:, None] * f + d[:, None] - v), damping)
        tried = at + torch.where(free, step[:, 1:], 0.0)
        rest = _projected(evaluated(tried, 0)[0], v)[2]
        better = rest < best
        at, best = torch.where(better[:, None], tried, at), torch.where(better, rest, best)
        damping = torch.where(better, damping / 10, damping * 8).clamp(1e-15, 1e6)
        if bool(((damping >= 1e6) | (best <= enough) | ~free.any(1)).all()):
            break
    return at.unflatten(0, starts.shape[:2])


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


_FAMILIES: dict[str, Callable[[], list[tuple[float, float]]]] = {
    "line": lambda: [(1.0, 0.0)],
    "power": lambda: [(1.0, c) for c in np.linspace(-6, 6, 49)],
    "ray": _ray,
    "exponential": lambda: [(sign * b, 0.0) for b in np.geomspace(0.02, 12, 60) for sign in (1, -1)],
    "arc": _arc,
    "hump": lambda: [(b, c) for b in np.geomspace(0.05, 1.57, 20) for c in np.linspace(b, math.pi - b, 12)],
    "wave": lambda: [(b, c) for b in np.geomspace(0.05, 25, 48) for c in np.linspace(0, math.pi, 9)[:-1]],
    "branch": lambda: [(b, c) for b in np.geomspace(0.05, 1.5, 20) for c in np.linspace(b - 1.57, 1.57 - b, 9)],
    "bell": lambda: [(b, b * c) for b in np.geomspace(0.05, 12, 24) for c in np.linspace(-2.5, 2.5, 25)],
}
