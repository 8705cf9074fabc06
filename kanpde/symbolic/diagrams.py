"""A network of edges drawn as people publish them: curves left to right, names, where the activations lie.

One vertical scale for all edges into one sum, so that heights compare; opacity and width by score; a histogram of the
activations under every curve; named edges in color with their function; products marked; edges off are counted.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from kanpde.models.networks.edges import EdgeNetwork, Key
from kanpde.models.networks.pruning import scores

INK, NAMED, GRAY, MASS = "#1b1b1b", "#0b6e99", "#8a8a8a", "#dfe7ec"
PANEL = (1.15, 0.72)
COLUMN = 3.2
"""Inches of a curve's panel, and of a layer."""
CONTRAST = 3.0
"""Opacity is tanh of so many times the score relative to the largest."""
NOUGHT = 1e-3
"""What is written as 0 beside numbers of order one."""
SIGNS = {"x": "x", "x^2": "x²", "x^3": "x³", "x^4": "x⁴", "1/x^2": "1/x²", "sinc^2": "sinc²"}


def network_diagram(
    network: EdgeNetwork, x: Tensor, inputs: Sequence[str], output: str = "f", title: str = ""
) -> Figure:
    """The figure, at points x [n, d] that say where activations lie.

    Save it as SVG, PDF or PNG with `figure.savefig`; every panel of an SVG has the id `edge-L-I-O`.
    """
    return _Diagram(network, x, inputs, output, title).figure


def diagram_points(network: EdgeNetwork, count: int = 600) -> Tensor:  # -> [n, d]
    """Points all over the box of the first layer's grids."""
    u = torch.quasirandom.SobolEngine(len(network.inputs.lower), scramble=True, seed=0).draw(count, dtype=torch.float64)
    first, own = network.layers[0].features, network.inputs
    low, high = (own.lower + (end + 1) / 2 * (own.upper - own.lower) for end in (first.lower, first.upper))
    return low + (high - low) * u


class _Diagram:
    def __init__(self, network: EdgeNetwork, x: Tensor, inputs: Sequence[str], output: str, title: str):
        self.network, self.inputs, self.output = network, inputs, output
        score = scores(network, x)
        most = max(score.values()) or 1.0
        self.share = {key: value / most for key, value in score.items()}
        with torch.no_grad():
            self.values = {key: value.numpy() for key, value in network.edge_values(x).items()}
            self.activations = [a.numpy() for a in network.activations(x)]
        self.edges = network.edges
        tallest = max(sum(key[0] == depth for key in self.edges) for depth in range(len(network.layers)))
        self.height = max(tallest * (PANEL[1] + 0.42) + 0.6, 2.2)
        self.width = len(network.layers) * COLUMN + 1.3
        self.figure = Figure(figsize=(self.width, self.height))
        self.canvas = self.figure.add_axes((0, 0, 1, 1))
        self.canvas.set(xlim=(0, self.width), ylim=(0, self.height))
        self.canvas.axis("off")
        self.places = self._places()
        for depth in range(len(network.layers)):
            self._layer(depth)
        for node, place in self.places.items():
            self._node(node, place)
        self._caption(title)

    def _places(self) -> dict[tuple[int, int], tuple[float, float]]:
        """Where nodes that have an edge stand; hidden ones at the mean height of what leads to them, so that few lines
        cross."""
        places: dict[tuple[int, int], tuple[float, float]] = {}
        for depth, count in enumerate(self.network.widths):
            used = [i for i in range(count) if self._used(depth, i)]
            if depth:
                used.sort(key=lambda i: -self._pull(depth, i, places))  # noqa: B023, sorted at once
            for i, y in zip(used, self._spread(len(used), 0.45), strict=True):
                places[depth, i] = (0.55 + depth * COLUMN, y)
        return places

    def _used(self, depth: int, i: int) -> bool:
        last = depth == len(self.network.layers)
        return last or any(key[0] == depth and key[1] == i for key in self.edges)

    def _pull(self, depth: int, i: int, places: Mapping[tuple[int, int], tuple[float, float]]) -> float:
        below = [
            places[depth - 1, key[1]][1]
            for key in self.edges
            if key[0] == depth - 1 and self._target(key) == (depth, i) and (depth - 1, key[1]) in places
        ]
        return float(np.mean(below)) if below else 0.0

    def _spread(self, count: int, margin: float) -> list[float]:
        if count == 1:
            return [self.height / 2]
        return np.linspace(self.height - margin, margin, count).tolist()

    def _target(self, key: Key) -> tuple[int, int]:
        return key[0] + 1, self.network.layers[key[0]].nodes.of(key[2])

    def _layer(self, depth: int) -> None:
        keys = [key for key in self.edges if key[0] == depth and self._target(key) in self.places]
        keys.sort(key=lambda k: -(self.places[depth, k[1]][1] + 0.7 * self.places[self._target(k)][1]))
        half: dict[int, float] = {}
        for key in keys:
            half[key[2]] = max(half.get(key[2], 1e-9), float(np.ptp(self.values[key])) / 2)
        for key, y in zip(keys, self._spread(len(keys), 0.4 + PANEL[1] / 2), strict=True):
            self._edge(key, y, half[key[2]])

    def _edge(self, key: Key, y: float, half: float) -> None:
        (x0, y0), (x1, y1) = self.places[key[0], key[1]], self.places[self._target(key)]
        left, strength = x0 + 0.9, math.tanh(CONTRAST * self.share[key])
        color = INK if self.edges[key].name is None else NAMED
        for start, end in (((x0 + 0.16, y0), (left, y)), ((left + PANEL[0], y), (x1 - 0.16, y1))):
            self._line(start, end, color, strength)
        axes = self.figure.add_axes(
            (left / self.width, (y - PANEL[1] / 2) / self.height, PANEL[0] / self.width, PANEL[1] / self.height)
        )
        axes.set_gid("edge-" + "-".join(map(str, key)))
        self._curve(axes, key, half, color, strength)

    def _line(self, start: tuple[float, float], end: tuple[float, float], color: str, strength: float) -> None:
        s = np.linspace(0, 1, 40)
        ease = s * s * (3 - 2 * s)
        self.canvas.plot(
            start[0] + (end[0] - start[0]) * s, start[1] + (end[1] - start[1]) * ease, color=color,
            alpha=0.12 + 0.88 * strength, lw=0.5 + 1.6 * strength, zorder=1, solid_capstyle="round",
        )  # fmt: skip

    def _curve(self, axes: Axes, key: Key, half: float, color: str, strength: float) -> None:
        u, v = self.activations[key[0]][:, key[1]], self.values[key]
        order, middle = u.argsort(), (v.max() + v.min()) / 2
        low, high = float(u.min()), float(u.max())
        bottom, top = middle - 1.15 * half, middle + 1.15 * half
        counts, bins = np.histogram(u, 24)
        steps = bottom + 0.35 * half * np.repeat(counts / max(counts.max(), 1), 2)
        axes.fill_between(np.repeat(bins, 2)[1:-1], bottom, steps, color=MASS, lw=0)
        axes.plot(u[order], v[order], color=color, lw=1.6, alpha=max(0.35, strength))
        axes.set(xlim=(low, high) if high > low else (low - 1, low + 1), ylim=(bottom, top))
        axes.set_xticks([low, high], [_number(low), _number(high)], fontsize=6.5)
        first, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        ends = [float(v.min()), float(v.max())] if np.ptp(v) > 0.5 * half else [middle]
        ends = [0.0 if abs(end) < NOUGHT * half else end for end in ends]
        axes.set_yticks(ends, [_number(end) for end in ends], fontsize=6.5)
        axes.yaxis.tick_right()
        for label in axes.get_yticklabels():  # lines pass behind the numbers
            label.set_bbox({"fc": "white", "ec": "none", "pad": 0.2, "alpha": 0.8})
        axes.tick_params(length=2, pad=1.5, width=0.5, color=GRAY)
        for spine in axes.spines.values():
            spine.set(linewidth=0.6, color=GRAY if color == INK else color)
        axes.text(0.5, 1.03, self._heading(key), transform=axes.transAxes, ha="center", va="bottom",
                  fontsize=6, color=GRAY)  # fmt: skip
        if (name := self.edges[key].name) is not None:
            self._name(axes, name)

    def _heading(self, key: Key) -> str:
        """The edge's share, and the constants that it has beside its name."""
        share = f"{100 * self.share[key]:.0f} %"
        if self.edges[key].name is None:
            return share
        a, b, c, d = (0.0 if abs(value) < NOUGHT else value for value in self.edges[key].values.tolist())
        inner = "u" if b == 1 else f"{_number(b)}u"
        inner += f"{c:+.2g}".replace("-", "−") if c else ""
        outer = ("" if a == 1 else f"{_number(a)}·") + f"f({inner})" + (f"{d:+.2g}".replace("-", "−") if d else "")
        return f"{share}   {outer}"

    def _name(self, axes: Axes, name: str) -> Text:
        box = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.8}
        return axes.text(0.03, 0.96, SIGNS.get(name, name), transform=axes.transAxes, va="top", fontsize=8,
                         color=NAMED, style="italic", bbox=box, parse_math=False)  # fmt: skip

    def _node(self, node: tuple[int, int], place: tuple[float, float]) -> None:
        depth, i = node
        product = depth > 0 and i >= self.network.layers[depth - 1].nodes.sums
        sign = self.inputs[i] if depth == 0 and i < len(self.inputs) else "×" if product else "+"
        self.canvas.plot(*place, "o", ms=15, mfc="white", mec=INK, mew=1.1, zorder=3)
        self.canvas.text(*place, sign, ha="center", va="center_baseline", fontsize=10, zorder=4, parse_math=False,
                         style="italic" if depth == 0 else "normal")  # fmt: skip
        if depth == len(self.network.layers):
            self.canvas.text(place[0] + 0.22, place[1], self.output, ha="left", va="center_baseline", fontsize=10,
                             style="italic", parse_math=False)  # fmt: skip

    def _caption(self, title: str) -> None:
        widths = self.network.widths
        full = sum(
            widths[depth] * layer.nodes.received for depth, layer in enumerate(self.network.layers)
        )
        off = full - len(self.edges)
        note = f"{off} edges pruned" if off else ""
        text = "   ".join(part for part in (title, note) if part)
        self.canvas.text(0.12, 0.08, text, fontsize=7.5, color="#555", parse_math=False)  # titles may be a stranger's


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")
