"""Networks of chosen edges as a model: masks, products and named functions, and edges that training switches off.

    λ Σ_e q_e (1 - κ log p_e)     as rows   √λ_e R_e w_e / √(s_e + ε),     s_e = ‖R_e w_e‖ = ‖φ_e - mean‖
                                              q_e = s_e²/(s_e + ε),   p_e = q_e/Σq,   λ_e = λ (1 - κ log p_e)

R_e is the QR factor of the edge's centered splines on their interval; κ weighs the entropy of the p_e, which is least
where few edges are left. Rows are differentiated with λ_e held, which leaves the sum's gradient exact: Σ q_e d log p_e
is zero. The rows press small edges to zero on all grids
but the last. Where a grid is refined, edges are left out whose score is below a share of the largest, so that the last
stage trains what is left without a penalty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from kanpde.errors import InputError
from kanpde.models.bases import BSplines
from kanpde.models.networks.chains import Inputs
from kanpde.models.networks.edges import (
    Edge,
    EdgeLayer,
    EdgeNetwork,
    Key,
    Nodes,
    edge_network,
    named_edge,
    random_splines,
)
from kanpde.models.networks.grid_extension import around
from kanpde.models.networks.interface import Rows, SplineDesign
from kanpde.models.networks.pruning import cut
from kanpde.models.univariate import LIBRARY

SMALL = 1e-3
"""ε of the penalty: sizes below it are pressed no further."""
SHIFTS = (0.0, 0.5, 1.5, 3.0, 6.0)
"""Where a named function is looked for that is defined on its inputs, as b·x + c."""
LARGEST = 50.0


class Penalty(NamedTuple):
    """λ, κ, and the share of the largest score below which splines are switched off; zeros for none."""

    sparsity: float = 0.0
    entropy: float = 0.0
    threshold: float = 0.0


FREE = Penalty()


@dataclass(frozen=True)
class EdgeDesign(SplineDesign):
    """A network of edges chosen one by one.

    Args:
        width: Hidden layers.
        products: How many nodes of each hidden layer multiply two sums; none unless given.
        edges: The only ones that are on in the layers they speak of, as "0,1,0": layer, input, received sum.
        functions: Named edges, as "0,1,0=sin"; layer, input, sum.
        sparsity: λ of the penalty on edges, 0 for none.
        entropy: κ of the penalty: how much more it presses on edges that are small among the others.
        threshold: Share of the largest score below which a penalized edge is switched off.
        grid: Cells of the splines in the last stage.
        degree: Of the splines, 1 to 13; a residual of order r needs at least r + 1.
    """

    kind = "edges"
    title = "Edge network"

    width: tuple[int, ...] = (5,)
    products: tuple[int, ...] = ()
    edges: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    sparsity: float = 0.0
    entropy: float = 0.0
    threshold: float = 0.02
    grid: int = 8
    degree: int = 5

    def __post_init__(self) -> None:
        short = len(self.products) not in (0, len(self.width))
        if short or any(not 0 <= p <= w for p, w in zip(self.products, self.width, strict=False)):
            raise InputError(
                f"model.products needs a number of nodes for each of the {len(self.width)} hidden layers, at most "
                f"their width; {list(self.products)} came. Leave it out for sums alone."
            )

    def build(self, inputs: int, outputs: int, grid: int, **options: Any) -> SparseEdges:
        """Random splines, and named functions with constants at which they are defined."""
        size = Inputs(options.get("lower") or [-1.0] * inputs, options.get("upper") or [1.0] * inputs,
                      options.get("periodic", ()), options.get("dtype"))  # fmt: skip
        nodes = self._nodes(outputs)
        widths: list[int | tuple[int, int]] = [size.size, *((n.sums, n.products) for n in nodes)]
        generator = options.get("generator") or torch.Generator().manual_seed(0)
        edges = self._chosen(random_splines(widths, grid, self.degree, generator))
        dtype = size.lower.dtype
        edges = {key: Edge(edge.values.to(dtype), edge.name) for key, edge in edges.items()}
        wide = edge_network(widths, edges, grid, self.degree)
        x = 2 * torch.rand(256, size.size, generator=generator, dtype=torch.float64).to(dtype) - 1
        features, edges = _laid_out(wide, edges, x)
        return SparseEdges(size, features, nodes, edges, self._penalized(grid))

    def _nodes(self, outputs: int) -> list[Nodes]:
        products = self.products or (0,) * len(self.width)
        return [*(Nodes(w - p, p) for w, p in zip(self.width, products, strict=True)), Nodes(outputs)]

    def _chosen(self, every: Mapping[Key, Edge]) -> dict[Key, Edge]:
        """The edges that are on, the named ones among them."""
        named = dict(_named(text) for text in self.functions)
        given = {_key(text) for text in self.edges} | set(named)
        for key in given:
            if key not in every:
                raise InputError(
                    f"model.edges and model.functions need edges of the network; {_text(key)} came. There are "
                    f"{', '.join(map(_text, sorted(every)[:12]))}{', …' if len(every) > 12 else ''}."
                )
        spoken = {_key(text)[0] for text in self.edges}
        on = {key: edge for key, edge in every.items() if key in given or key[0] not in spoken}
        return on | {key: named_edge(name) for key, name in named.items()}

    def _penalized(self, grid: int) -> Penalty:
        return Penalty(self.sparsity, self.entropy, self.threshold) if grid != self.grid else FREE

    def rebuilt(self, inputs: int, outputs: int, grid: int, arrays: dict[str, Any], **options: Any) -> nn.Module:
        """With the splines that training has left on."""
        network = self.build(inputs, outputs, grid, **options)
        left = {tuple(int(place) for place in row) for row in arrays["splines"]}
        gone = {key: None for key, edge in network.edges.items() if edge.name is None and key not in left}
        network.put(network.changed(gone))
        return network

    def regularizer(self) -> Rows | None:
        return sparse_rows if self.sparsity else None

    @property
    def label(self) -> str:
        return f"Edge network degree {self.degree}"


class SparseEdges(EdgeNetwork):
    """An edge network that loses weak splines as its grid is refined.

    Args:
        inputs, features, nodes, edges: As of every edge network.
        penalty: What presses on them.
    """

    splines: Tensor  # [E, 3]

    def __init__(
        self,
        inputs: Inputs,
        features: Sequence[BSplines],
        nodes: Sequence[Nodes],
        edges: Mapping[Key, Edge],
        penalty: Penalty = FREE,
    ):
        super().__init__(inputs, features, nodes, edges)
        self.penalty = penalty
        self._list()

    def _list(self) -> None:
        on = [(depth, *place) for depth, layer in enumerate(self.layers) for place in layer.splines]
        self.register_buffer("splines", torch.tensor(on, dtype=torch.long).reshape(-1, 3))

    def put(self, other: EdgeNetwork) -> None:
        """Take the layers of another network."""
        for depth, layer in enumerate(other.layers):
            self.layers[depth] = layer
        self._list()

    def extend(self, resolution: int, points: Tensor, knots: Tensor | None = None) -> None:
        """Leave weak splines out, then refine the grids."""
        if self.penalty.threshold and resolution > self.grid:
            self.put(cut(self, self.penalty.threshold, points))
        super().extend(resolution, points, knots)


def sparse_rows(network: nn.Module) -> tuple[Tensor, Tensor]:  # -> [m], [m, P]
    """The penalty's rows, and their derivatives; none where the network asks for none."""
    assert isinstance(network, SparseEdges)
    penalty, like = network.penalty, network.layers[0].weight
    rows, slopes = [like.new_zeros(0)], [like.new_zeros(0, network.jacobian_width)]
    factors = [_factors(layer) for layer in network.layers] if penalty.sparsity else []
    sized = [(columns, factors[depth][i], factors[depth][i] @ values)
             for (depth, i, _), columns, values in network.spline_columns()] if factors else []  # fmt: skip
    if not sized:
        return rows[0], slopes[0]
    sizes = torch.stack([v.norm() for *_, v in sized])
    weights = penalty.sparsity * (1 + penalty.entropy * surprise(sizes.square() / (sizes + SMALL)))
    for (columns, factor, v), s, weight in zip(sized, sizes, weights, strict=True):
        root = (s + SMALL).sqrt()
        by_v = torch.eye(len(v), dtype=v.dtype, device=v.device) / root
        by_v -= v[:, None] * v / (2 * s.clamp(min=1e-12) * root**3)
        block = v.new_zeros(len(v), network.jacobian_width)
        block[:, columns] = weight.sqrt() * by_v @ factor
        rows.append(weight.sqrt() * v / root)
        slopes.append(block)
    return torch.cat(rows), torch.cat(slopes)


def surprise(sizes: Tensor) -> Tensor:  # [E] -> [E]
    """-log p of each size's share p of their sum."""
    return -torch.log(sizes / sizes.sum().clamp(min=1e-300) + 1e-12)


def _factors(layer: EdgeLayer) -> Tensor:  # -> [in, m, m]
    """R of the centered splines of each input: ‖R w‖ is the rms of the edge about its mean."""
    nodes = layer.features.nodes()  # [n, in]
    values = layer.features.dense(nodes)[:, 0].movedim(1, 0)
    centered = values - values.mean(1, keepdim=True)
    factors: Tensor = torch.linalg.qr(centered / math.sqrt(len(nodes)), mode="r")[1]
    return factors


def _laid_out(
    network: EdgeNetwork, edges: Mapping[Key, Edge], x: Tensor
) -> tuple[list[BSplines], dict[Key, Edge]]:  # [n, in]
    """Hidden grids around the activations at x, and named functions with constants at which they are defined there."""
    features, settled = [], dict(edges)
    for depth, layer in enumerate(network.layers):
        own = layer.features
        features.append(own if depth == 0 else own.resized(*around(x), own.resolution))
        for key, edge in edges.items():
            if key[0] == depth and edge.name is not None:
                settled[key] = _defined(edge, x[:, key[1]], key)
        part = {(i, o): edge for (d, i, o), edge in settled.items() if d == depth}
        x = EdgeLayer(features[-1], layer.nodes, part)(x).detach()
    return features, settled


def _defined(edge: Edge, x: Tensor, key: Key) -> Edge:
    """The edge with a shift at which its function and slope are finite and no larger than fifty."""
    assert edge.name is not None
    for c in SHIFTS:
        values = torch.stack(LIBRARY[edge.name].rows(x + c, 1))
        if bool(values.isfinite().all()) and float(values.abs().max()) < LARGEST:
            return Edge(edge.values.new_tensor([1.0, 1.0, c, 0.0]), edge.name, edge.fixed)
    raise InputError(
        f"model.functions needs functions that are defined on their inputs; {_text(key)}={edge.name} is singular "
        "there. Give the edge a spline to begin with."
    )


def _named(text: str) -> tuple[Key, str]:
    place, _, name = text.partition("=")
    if not name:
        raise InputError(f'model.functions needs entries as "0,1,0=sin", layer,input,sum=function; {text!r} came.')
    return _key(place), name.strip()


def _key(text: str) -> Key:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise InputError(f'An edge is layer,input,received sum, as "0,1,0"; {text!r} came. Count from 0.')
    layer, i, o = map(int, parts)
    return layer, i, o


def _text(key: Key) -> str:
    return ",".join(map(str, key))
