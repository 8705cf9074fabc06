"""Networks whose edges are chosen one by one: off, a spline, or a named function a·f(bx + c) + d; sums and products.

    node of the next layer:  s_j = Σ_i φ_ij(x_i)        or        p_j = (Σ_i φ_ij(x_i)) · (Σ_i ψ_ij(x_i))

A product has two factors, each a sum of its own: a layer of S sums and P products receives S + 2P sums, of which the
last 2P are multiplied in pairs. What is off has no parameters, so a mask costs nothing. Jets and Jacobian are exact:
for an edge a·f(bx + c) + d, with φ^(r) = a b^r f^(r)(bx + c),

    ∂φ^(r)/∂a = b^r f^(r),   ∂φ^(r)/∂b = a (x b^r f^(r+1) + r b^(r-1) f^(r)),   ∂φ^(r)/∂c = a b^r f^(r+1)

carried through the chain rule like φ itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kanpde.models.bases import BSplines
from kanpde.models.bases.interface import edge_values, fitted_weights
from kanpde.models.jets import IndexSet, chain_matrix, closure, highest_order, product_matrix
from kanpde.models.module_lists import Modules
from kanpde.models.networks.chains import Chain, Inputs, Layer
from kanpde.models.networks.linear_maps import Entries, Lifted, Tap, dense_tap, jet_tap
from kanpde.models.splines import uniform_grid
from kanpde.models.univariate import LIBRARY, library_row, named_features

Place = tuple[int, int]
"""(i, o): from input i to received sum o."""

Key = tuple[int, int, int]
"""(layer, i, o)."""


class Nodes(NamedTuple):
    """What a layer hands on: sums, then products."""

    sums: int
    products: int = 0

    @property
    def received(self) -> int:
        """Sums that edges lead into, two for a product."""
        return self.sums + 2 * self.products

    @property
    def width(self) -> int:
        return self.sums + self.products

    def of(self, o: int) -> int:
        """The node that received sum o belongs to."""
        return o if o < self.sums else self.sums + (o - self.sums) // 2


@dataclass(frozen=True, eq=False)
class Edge:
    """One edge that is on.

    Args:
        values: The spline's weights, shape [m], or a, b, c, d, shape [4].
        name: Of the function in the library; None for a spline.
        fixed: Places among a, b, c, d that are not trained, besides those that would say the same twice.
    """

    values: Tensor
    name: str | None = None
    fixed: tuple[int, ...] = ()

    @property
    def free(self) -> tuple[int, ...]:
        """Places among a, b, c, d that are trained."""
        named = () if self.name is None else LIBRARY[self.name].free
        return tuple(place for place in named if place not in self.fixed)

    def __call__(self, x: Tensor, features: BSplines, i: int) -> Tensor:  # [n] -> [n]
        """φ(x) of an edge that leaves input i of a layer with these features."""
        if self.name is None:
            wide = x[:, None].expand(-1, features.inputs)
            return features.dense(wide)[:, 0, i] @ self.values
        a, b, c, d = self.values.unbind()
        return a * LIBRARY[self.name](b * x + c) + d


class EdgeLayer(Layer):
    """The edges between two layers of nodes.

    Args:
        features: Splines of every input, whether an edge uses them or not.
        nodes: What the edges lead to.
        edges: Those that are on.
    """

    features: BSplines
    rows: Tensor  # where the splines start and end
    columns: Tensor
    free: Tensor  # bool [q, 4]

    def __init__(self, features: BSplines, nodes: Nodes, edges: Mapping[Place, Edge]):
        super().__init__(features, nodes.received, bias=False)
        self.nodes = nodes
        splines = sorted(place for place, edge in edges.items() if edge.name is None)
        named = sorted((edge.name, place) for place, edge in edges.items() if edge.name is not None)
        self.splines, self.named = tuple(splines), tuple((place, name) for name, place in named)
        self.fixed = tuple(edges[place].fixed for place, _ in self.named)
        dtype = features.lower.dtype
        weights = [edges[place].values for place in self.splines]
        constants = [edges[place].values for place, _ in self.named]
        self.weight = nn.Parameter(torch.stack(weights) if weights else torch.zeros(0, features.size, dtype=dtype))
        self.constants = nn.Parameter(torch.stack(constants) if constants else torch.zeros(0, 4, dtype=dtype))
        self._index("rows", [i for i, _ in self.splines])
        self._index("columns", [o for _, o in self.splines])
        free = torch.zeros(len(self.named), 4, dtype=torch.bool)
        for row, (place, _) in enumerate(self.named):
            free[row, list(edges[place].free)] = True
        self.register_buffer("free", free, persistent=False)
        self.groups = tuple(_groups(self.named))

    def _index(self, name: str, places: list[int]) -> None:
        self.register_buffer(name, torch.tensor(places, dtype=torch.long), persistent=False)

    @property
    def listed(self) -> int:
        """All: an edge's splines are picked out of all of them."""
        return self.features.size

    @property
    def edges(self) -> dict[Place, Edge]:
        """The edges as they stand, copies of their numbers."""
        weights, constants = self.weight.detach().clone(), self.constants.detach().clone()
        found = {place: Edge(weights[row]) for row, place in enumerate(self.splines)}
        named = {
            place: Edge(constants[row], name, self.fixed[row]) for row, (place, name) in enumerate(self.named)
        }
        return found | named

    @property
    def wide(self) -> Tensor:  # [in, m, received]
        """The splines' weights laid out among all edges, zero where one is off."""
        rows, columns = self.rows[:, None], self.columns[:, None]
        middle = torch.arange(self.features.size, device=rows.device)[None]
        full = self.weight.new_zeros(self.features.inputs, self.features.size, self.nodes.received)
        return full.index_put((rows, middle, columns), self.weight)

    @property
    def trained(self) -> Tensor:  # [q, 4]
        """The constants, those that are fixed cut off from differentiation."""
        return torch.where(self.free, self.constants, self.constants.detach())

    def tap(self, jet: Tensor, indices: IndexSet, lifted: Lifted | None = None) -> EdgeTap:  # [n, s, in]
        """Carry a jet to the received sums; `lifted` is the jet of every spline where it is known."""
        splines: Tap | None = None
        sums = jet.new_zeros(*jet.shape[:2], self.nodes.received)
        if self.splines:
            if lifted is not None:
                splines = dense_tap(lifted, self.wide)
            else:
                splines = jet_tap(jet, indices, self.features(jet[:, 0], highest_order(indices)), self.wide)
            sums = sums + splines.outputs
        named = []
        for name, rows, starts, ends in self.groups:
            part = _named_part(name, jet[:, :, starts], self.trained[rows], indices)
            named.append((rows, ends, part))
            sums = sums.index_add(2, torch.tensor(ends, device=jet.device), part.jets)
        return EdgeTap(self, splines, tuple(named), sums)

    def joined(self, sums: Tensor, indices: IndexSet) -> Tensor:  # [n, s, received] -> [n, s, nodes]
        """Multiply the factors of products: ∂_α(pq) by Leibniz's rule."""
        S = self.nodes.sums
        if not self.nodes.products:
            return sums
        products = []
        for j in range(self.nodes.products):
            left, right = sums[:, :, S + 2 * j], sums[:, :, S + 2 * j + 1]
            if len(indices) == 1:
                products.append(left * right)
            else:
                products.append((product_matrix(left, indices) @ right[..., None])[..., 0])
        return torch.cat([sums[:, :, :S], torch.stack(products, dim=-1)], dim=-1)

    def forward(self, x: Tensor) -> Tensor:  # [n, in] -> [n, nodes]
        return self.joined(self.sums(x)[:, None], ((0,),))[:, 0]

    def sums(self, x: Tensor) -> Tensor:  # [n, in] -> [n, received]
        """The received sums, values alone."""
        sums = x.new_zeros(len(x), self.nodes.received)
        if self.splines:
            sums = sums + self.features.combined(x, self.wide)
        for name, rows, starts, ends in self.groups:
            a, b, c, d = self.trained[rows].unbind(1)
            values = named_features(name, len(rows))(b * x[:, starts] + c).values[:, :, 0, 0]
            sums = sums.index_add(1, torch.tensor(ends, device=x.device), a * values + d)
        return sums


class _NamedPart(NamedTuple):
    """Named edges of one function: their jets [n, s, q], and those of their slopes in a, b, c, d [n, s, q, 4]."""

    jets: Tensor
    slopes: Tensor


def _named_part(name: str, jet: Tensor, constants: Tensor, indices: IndexSet) -> _NamedPart:  # [n, s, q], [q, 4]
    x, order = jet[:, 0], highest_order(indices)
    a, b, c, d = constants.unbind(1)
    f = named_features(name, x.shape[1])(b * x + c, order + 1).values[..., 0]  # [n, q, order+2]
    chain = chain_matrix(jet, indices)
    powers = torch.stack([b**r for r in range(order + 1)], dim=-1)
    raised, next_one = powers * f[..., : order + 1], powers * f[..., 1:]
    phi = a[:, None] * raised
    phi = torch.cat([phi[..., :1] + d[:, None], phi[..., 1:]], dim=-1)
    jets = (chain * phi[:, None]).sum(-1)
    with torch.no_grad():
        lower = torch.stack([r * b ** max(r - 1, 0) * f[..., r] for r in range(order + 1)], dim=-1)
        one = torch.zeros_like(raised)
        one[..., 0] = 1
        by_b = a[:, None] * (x[..., None] * next_one + lower)
        by = torch.stack([raised, by_b, a[:, None] * next_one, one], dim=-1)  # [n, q, r, 4]
        slopes = torch.einsum("nsqr,nqrp->nsqp", chain, by)
    return _NamedPart(jets, slopes)


@dataclass(frozen=True, eq=False)
class EdgeTap:
    """What passes the edges of a layer; the Jacobian's columns are the splines' weights, then the constants."""

    layer: EdgeLayer
    splines: Tap | None
    named: tuple[tuple[list[int], list[int], _NamedPart], ...]
    outputs: Tensor  # [n, s, received]

    def jacobian(self, adjoint: Tensor) -> Entries:  # [n, s, received] -> of [n, E*m + 4*q]
        layer, n = self.layer, len(adjoint)
        parts = []
        if self.splines is not None:
            inputs, size = layer.features.inputs, layer.features.size
            whole = self.splines.jacobian(adjoint).dense(layer.wide.numel()).view(n, inputs, size, -1)
            parts.append(whole[:, layer.rows, :, layer.columns].movedim(0, 1).flatten(1))
        columns = adjoint.new_zeros(n, len(layer.named), 4)
        for rows, ends, part in self.named:
            columns[:, rows] = torch.einsum("nsqp,nsq->nqp", part.slopes, adjoint[:, :, ends])
        parts.append((columns * layer.free).flatten(1))
        return Entries(torch.cat(parts, dim=1), None)


def _groups(named: Sequence[tuple[Place, str]]) -> Iterator[tuple[str, list[int], list[int], list[int]]]:
    """Named edges of one function together: name, rows among the constants, where they start and end."""
    for name in dict.fromkeys(name for _, name in named):
        rows = [row for row, (_, other) in enumerate(named) if other == name]
        yield name, rows, [named[row][0][0] for row in rows], [named[row][0][1] for row in rows]


class First(NamedTuple):
    """The scaled inputs' jet, and that of the first layer's splines: neither depends on a parameter."""

    jet: Tensor
    lifted: Lifted | None


class EdgeNetwork(Chain):
    """A network of edges chosen one by one, with exact jets and Jacobian.

    Args:
        inputs: The scaling of the coordinates.
        features: Splines of every layer's inputs.
        nodes: What each layer hands on.
        edges: (layer, i, o) -> the edge from input i to received sum o of that layer; those that are missing are off.

    >>> line = Edge(torch.tensor([2.0, 1.0, 0.0, 1.0]), "x")
    >>> square = Edge(torch.tensor([1.0, 1.0, 0.0, 0.0]), "x^2")
    >>> net = edge_network([2, 1], {(0, 0, 0): line, (0, 1, 0): square})
    >>> net(torch.tensor([[3.0, 2.0]])).item()
    11.0
    """

    layers: Modules[EdgeLayer]

    def __init__(
        self, inputs: Inputs, features: Sequence[BSplines], nodes: Sequence[Nodes], edges: Mapping[Key, Edge]
    ):
        layers = [
            EdgeLayer(kind, out, {(i, o): edge for (own, i, o), edge in edges.items() if own == depth})
            for depth, (kind, out) in enumerate(zip(features, nodes, strict=True))
        ]
        super().__init__(inputs, layers)

    @property
    def nodes(self) -> tuple[Nodes, ...]:
        return tuple(layer.nodes for layer in self.layers)

    @property
    def widths(self) -> tuple[int, ...]:
        """Nodes of each layer, inputs first."""
        return (self.inputs.size, *(layer.nodes.width for layer in self.layers))

    @property
    def edges(self) -> dict[Key, Edge]:
        """The edges that are on, as they stand."""
        return {
            (depth, *place): edge for depth, layer in enumerate(self.layers) for place, edge in layer.edges.items()
        }

    def changed(self, edges: Mapping[Key, Edge | None], features: Sequence[BSplines] | None = None) -> EdgeNetwork:
        """Another network with some edges replaced, None for off; this one stays as it is."""
        merged = {key: edge for key, edge in {**self.edges, **edges}.items() if edge is not None}
        own = [layer.features for layer in self.layers]
        return EdgeNetwork(self.inputs, features or own, self.nodes, merged)

    @property
    def jacobian_width(self) -> int:
        """Columns of the Jacobian: all numbers, those that are fixed included."""
        return sum(layer.weight.numel() + layer.constants.numel() for layer in self.layers)

    def spline_columns(self) -> Iterator[tuple[Key, slice, Tensor]]:
        """The Jacobian's columns of each spline, and its weights [m]."""
        first = 0
        for depth, layer in enumerate(self.layers):
            size = layer.features.size
            for row, place in enumerate(layer.splines):
                yield (depth, *place), slice(first + row * size, first + (row + 1) * size), layer.weight.detach()[row]
            first += layer.weight.numel() + layer.constants.numel()

    def parameter_count(self) -> int:
        """Numbers that are trained."""
        return sum(layer.weight.numel() + int(layer.free.sum()) for layer in self.layers)

    def first_features(self, x: Tensor, indices: IndexSet) -> First:  # [n, d]
        """The jets of the scaled inputs and of the first layer's splines."""
        jet, first = self.inputs.jet(x, indices), self.layers[0]
        return First(jet, first.lift(jet, indices) if first.splines else None)

    def outputs(self, first: First, indices: IndexSet) -> Tensor:
        return self.taps(first, indices)[1]

    def taps(self, first: First, indices: IndexSet) -> tuple[list[EdgeTap], Tensor]:
        taps, jet, lifted = [], first.jet, first.lifted
        for layer in self.layers:
            taps.append(layer.tap(jet, indices, lifted))
            jet, lifted = layer.joined(taps[-1].outputs, indices), None
        return taps, jet

    def activations(self, x: Tensor) -> list[Tensor]:  # [n, d] -> [n, width] for each layer, inputs first
        """What every node holds."""
        found = [self.inputs(x)]
        for layer in self.layers:
            found.append(layer(found[-1]))
        return found

    def edge_values(self, x: Tensor) -> dict[Key, Tensor]:  # [n, d] -> [n] each
        """φ_io(x_i) of every edge that is on."""
        found, activations = {}, self.activations(x)
        for depth, layer in enumerate(self.layers):
            y = activations[depth]
            dense = layer.features.dense(y)[:, 0] if layer.splines else y
            for (i, o), edge in layer.edges.items():
                own = dense[:, i] @ edge.values if edge.name is None else edge(y[:, i], layer.features, i)
                found[depth, i, o] = own
        return found

    def outside_fraction(self, x: Tensor) -> float:  # [n, d]
        """Share of hidden activations with a spline that lie off its grid."""
        outside = total = 0
        for layer, y in zip(self.layers[1:], self.activations(x)[1:], strict=False):
            used = sorted({i for i, _ in layer.splines})
            outside += int(layer.features.outside(y)[:, used].sum())
            total += y[:, used].numel()
        return outside / max(total, 1)

    def extend(self, resolution: int, points: Tensor, knots: Tensor | None = None) -> None:
        """Refine every grid to `resolution` and move hidden ones onto the activations, keeping the function.

        Intervals that stay keep it to rounding where cells are divided. Others are fitted on the activations that
        `points` [n, d] produce, with faint roughness rows for cells that hold none.
        """
        activations = self.activations(points)
        for depth, layer in enumerate(self.layers):
            own = activations[depth].detach()
            moved = regridded(layer, own, resolution, move=depth > 0)
            if depth == 0 and knots is not None:
                moved = on_features(layer, BSplines(knots, layer.features.degree), own, set(range(own.shape[1])))
            if moved is not layer:
                self.layers[depth] = moved


def regridded(layer: EdgeLayer, y: Tensor, cells: int, move: bool, margin: float = 0.06) -> EdgeLayer:  # [n, in]
    """The layer on a grid of `cells` cells, on other intervals where the activations have outgrown or left theirs."""
    old = layer.features
    lower, upper, moved = old.lower.clone(), old.upper.clone(), set()
    if move:
        least, most = y.min(0).values, y.max(0).values
        length = (most - least).clamp(min=1e-6)
        go = (least < lower) | (most > upper) | (length < 0.6 * (upper - lower))
        lower, upper = torch.where(go, least - margin * length, lower), torch.where(go, most + margin * length, upper)
        moved = set(go.nonzero()[:, 0].tolist())
    if not moved and cells == old.resolution:
        return layer
    return on_features(layer, old.resized(lower, upper, cells), y, moved)


def on_features(layer: EdgeLayer, new: BSplines, y: Tensor, moved: set[int]) -> EdgeLayer:
    """The layer with other splines; the edges of inputs in `moved` are fitted at the activations y [n, in]."""
    weights = {}
    if layer.splines:
        exact = fitted_weights(new, nodes := new.nodes(), edge_values(layer.features, layer.wide.detach(), nodes))
        before, after = layer.features.dense(y)[:, 0], new.dense(y)[:, 0]
        for i, o in layer.splines:
            weights[i, o] = exact[i, :, o]
            if i in moved:
                own = layer.wide[i, :, o].detach()
                weights[i, o] = _smooth_fit(after[:, i], before[:, i] @ own)
    edges = {place: Edge(weights[place]) if place in weights else edge for place, edge in layer.edges.items()}
    return EdgeLayer(new, layer.nodes, edges)


def _smooth_fit(design: Tensor, values: Tensor, weight: float = 1e-7) -> Tensor:  # [n, m], [n] -> [m]
    rows = weight * len(values) ** 0.5 * roughness(design.shape[1], design)
    right = torch.cat([values, values.new_zeros(len(rows))])[:, None]
    solution: Tensor = torch.linalg.lstsq(torch.cat([design, rows]), right, driver="gelsd").solution
    return solution[:, 0]


def roughness(size: int, like: Tensor, order: int = 3) -> Tensor:  # -> [size - order, size]
    """Differences of neighboring weights: zero for a smooth edge."""
    rows = torch.eye(size, dtype=like.dtype, device=like.device)
    for _ in range(min(order, size - 1)):
        rows = rows.diff(dim=0)
    return rows


def edge_network(
    widths: Sequence[int | tuple[int, int]],
    edges: Mapping[Key, Edge],
    grid: int = 4,
    degree: int = 5,
    lower: Sequence[float] | None = None,
    upper: Sequence[float] | None = None,
) -> EdgeNetwork:
    """A network of given edges on unscaled inputs: the splines' first grids span the box, [-1, 1] unless given.

    `widths` has a number for a layer of sums, a pair for sums and products; the first is the number of inputs.
    """
    nodes = [Nodes(*width) if isinstance(width, tuple) else Nodes(width) for width in widths]
    dtype = next((edge.values.dtype for edge in edges.values()), torch.get_default_dtype())
    inputs = Inputs([-1.0] * nodes[0].width, [1.0] * nodes[0].width, dtype=dtype)
    features = []
    for depth, before in enumerate(nodes[:-1]):
        ends = [[-1.0] * before.width, [1.0] * before.width]
        if depth == 0:
            ends = [list(lower or ends[0]), list(upper or ends[1])]
        low, high = (torch.tensor(end, dtype=dtype) for end in ends)
        features.append(BSplines(uniform_grid(low, high, grid), degree))
    return EdgeNetwork(inputs, features, nodes[1:], edges)


def random_splines(
    widths: Sequence[int | tuple[int, int]], grid: int, degree: int, generator: torch.Generator
) -> dict[Key, Edge]:
    """A smooth random spline on every edge: a line and a little of a wave."""
    nodes = [Nodes(*width) if isinstance(width, tuple) else Nodes(width) for width in widths]
    t = torch.linspace(0, 1, grid + degree, dtype=torch.float64)
    edges = {}
    for depth, (before, after) in enumerate(zip(nodes, nodes[1:], strict=False)):
        for i in range(before.width):
            for o in range(after.received):
                slope, size, phase = torch.randn(3, generator=generator, dtype=torch.float64)
                wave = torch.sin(2 * torch.pi * t + 6 * phase)
                edges[depth, i, o] = Edge(2 * slope * (t - 0.5) + size / 2 * wave)
    return edges


def as_edges(chain: Chain) -> EdgeNetwork:
    """A KAN of splines alone as a network of edges, the same function.

    Raises:
        ValueError: The network has other features than splines, or a bias.
    """
    features = [layer.features for layer in chain.layers if isinstance(layer.features, BSplines)]
    if len(features) < len(chain.layers) or any(layer.bias is not None for layer in chain.layers):
        raise ValueError("has edges that are not splines alone")
    nodes = [Nodes(layer.weight.shape[2]) for layer in chain.layers]
    edges = {
        (depth, i, o): Edge(layer.weight.detach()[i, :, o].clone())
        for depth, layer in enumerate(chain.layers)
        for i in range(layer.weight.shape[0])
        for o in range(layer.weight.shape[2])
    }
    return EdgeNetwork(chain.inputs, features, nodes, edges)


def named_edge(name: str, constants: Sequence[float] = (1.0, 1.0, 0.0, 0.0), fixed: Sequence[int] = ()) -> Edge:
    """An edge a·f(bx + c) + d.

    Raises:
        InputError: The library does not have f.
    """
    library_row(name)
    return Edge(torch.tensor(list(constants), dtype=torch.float64), name, tuple(fixed))


VALUE = closure((), 1)
