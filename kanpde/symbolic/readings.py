"""The formulas of a solved problem: each field is searched, and what is found is put into the problem and kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.models.bases import BSplines
from kanpde.models.jets import IndexSet
from kanpde.models.networks.chains import Inputs
from kanpde.models.networks.edges import Edge, EdgeNetwork, Key, Nodes
from kanpde.results.archive import RunData
from kanpde.solving.solution import Solution
from kanpde.symbolic.discovery import DEFAULT, Found, Search, discover, discover_in
from kanpde.symbolic.hypotheses import hypothesis
from kanpde.symbolic.samples import Samples, drawn
from kanpde.symbolic.structure import Structure, structure_of
from kanpde.symbolic.verification import Verification, offered, verified

MOST_DOUBT = 1e-3
"""A solution that is worse than this is read as if it were so good."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read from the fields of a problem.

    fields: Field -> what the search came to.
    verification: What the formulas leave in the equations and conditions; None where they were not all found, or the
        problem has none.
    exact: Whether a problem file with these formulas as `exact` passes its checks.
    """

    fields: dict[str, Found]
    verification: Verification | None = None
    exact: bool = False

    @property
    def found(self) -> bool:
        """Whether every field has a formula."""
        return all(found.formula is not None for found in self.fields.values())

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{field} = {found.sentence}" if found.formula else f"{field}: {found.sentence}"
                 for field, found in self.fields.items()]  # fmt: skip
        for field, found in self.fields.items():
            if found.formula is None:
                lines += [f"  R² of {key}: {value:.6f}" for key, value in sorted(found.explained.items())]
            else:
                lines += [f"  latex: {found.formula.latex}", f"  yaml: {found.formula.yaml(field)}"]
        if self.verification is not None:
            lines.append(self.verification.sentence)
            lines += [f"  {residual}" for residual in self.verification.residuals]
        if self.exact:
            lines.append("It passes as the exact solution of the problem file.")
        return lines


def read_formulas(
    solution: Solution,
    search: Search = DEFAULT,
    seed: int = 0,
    assume: str | None = None,
    watch: Callable[[str], None] = lambda line: None,
    error: float = 0.0,
) -> Reading:
    """Search every field of a solved problem for its formula.

    Args:
        solution: Of the problem.
        search, seed: How, and from which random networks.
        assume: A form to test.
        watch: Told of every template.
        error: The solution's, relative, as it was measured or estimated; not a number where it is not known.

    Raises:
        InputError: `assume` is no hypothesis.
    """
    problem = solution.problem
    fields: dict[str, Found] = {}
    search = replace(search, doubt=min(error, MOST_DOUBT) if math.isfinite(error) else 0.0)
    for place, field in enumerate(problem.fields):
        samples = field_samples(solution, place, seed)
        if assume is None:
            own = partial(field_structure, solution, place, seed)
            fields[field] = discover(samples, problem.coordinates, search, seed, own, watch)
        else:
            template = hypothesis(assume, problem.coordinates)
            fields[field] = discover_in([template], samples, problem.coordinates, search, seed, watch)
    reading = Reading(fields)
    formulas = {field: found.formula for field, found in fields.items() if found.formula is not None}
    if not reading.found:
        return reading
    verification = verified(problem, formulas)
    exact = verification is not None and verification.holds and offered(problem, formulas)
    return replace(reading, verification=verification, exact=exact)


def field_samples(solution: Solution, place: int, seed: int) -> Samples:
    """Values of one field all over the domain, outside of its holes."""
    problem = solution.problem

    def values(x: Tensor) -> Tensor:
        return torch.from_numpy(solution.values(x.numpy()))[:, place]

    found = drawn(values, problem.domain.lower, problem.domain.upper, seed)
    if problem.region.whole:
        return found
    own, held = problem.region.contains(found.x), problem.region.contains(found.held_x)
    return Samples(found.x[own], found.y[own], found.held_x[held], found.held_y[held])


def field_structure(solution: Solution, place: int, seed: int = 0) -> Structure:
    """What the exact derivatives of one solved field say about its form."""
    problem, points = solution.problem, field_samples(solution, place, seed).held_x

    def jets(x: Tensor, indices: IndexSet) -> Tensor:
        return solution.jets(x, indices)[:, :, place].cpu()

    return structure_of(jets, points, problem.coordinates)


def read_structures(solution: Solution, seed: int = 0) -> dict[str, Structure]:
    """Field -> what its derivatives say."""
    return {field: field_structure(solution, place, seed) for place, field in enumerate(solution.problem.fields)}


def with_structures(data: RunData, structures: Mapping[str, Structure]) -> RunData:
    """The run's record with `structure_<field>` beside what `/symbolic` holds already."""
    own = {f"structure_{field}": "\n".join(structure.lines()) for field, structure in structures.items()}
    return replace(data, symbolic_attributes={**data.symbolic_attributes, **own})


def with_reading(data: RunData, reading: Reading) -> RunData:
    """The run's record with `/symbolic`."""
    attributes: dict[str, str | int | float] = {}
    arrays: dict[str, np.ndarray] = {}
    for field, found in reading.fields.items():
        attributes |= _attributes(field, found)
        if found.network is not None and found.samples is not None:
            described, own = network_data(found.network, field)
            attributes[f"network_{field}_json"] = json.dumps({
                **described, "shift": found.samples.shift, "scale": found.samples.scale, "outer": found.samples.outer,
            })  # fmt: skip
            arrays |= own
            attributes[f"r2_{field}_json"] = json.dumps({_key_text(k): v for k, v in found.explained.items()})
    kept = {name: value for name, value in data.symbolic_attributes.items() if name.startswith("structure_")}
    if reading.verification is not None:
        attributes["verification"] = reading.verification.sentence
    attributes["exact"] = int(reading.exact)
    return replace(data, symbolic=arrays, symbolic_attributes=kept | attributes)


def _attributes(field: str, found: Found) -> dict[str, str | int | float]:
    own: dict[str, str | int | float] = {f"template_{field}": found.template}
    own[f"found_{field}"] = int(found.formula is not None)
    own |= {f"error_before_{field}": found.network_error, f"error_after_{field}": found.error}
    own[f"sentence_{field}"] = found.sentence
    if found.formula is not None:
        own |= {f"formula_{field}": found.formula.text, f"formula_{field}_latex": found.formula.latex}
        own[f"formula_{field}_python"] = found.formula.python
    if found.structure is not None:
        own[f"structure_{field}"] = "\n".join(found.structure.lines())
    return own


def _key_text(key: Sequence[int]) -> str:
    return ",".join(map(str, key))


def network_data(network: EdgeNetwork, prefix: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A network of edges as plain data: what it is, and its arrays by name."""
    described = {
        "degree": network.layers[0].features.degree,
        "nodes": [list(nodes) for nodes in network.nodes],
        "edges": [
            {"key": list(key), "name": edge.name, "fixed": list(edge.fixed)} for key, edge in network.edges.items()
        ],
    }
    arrays = {f"{prefix}.inputs": torch.stack([network.inputs.lower, network.inputs.upper]).numpy()}
    for depth, layer in enumerate(network.layers):
        arrays[f"{prefix}.grid.{depth}"] = layer.features.grid.numpy()
    for key, edge in network.edges.items():
        arrays[f"{prefix}.edge.{_key_text(key)}"] = edge.values.numpy()
    return described, arrays


def network_from(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray], prefix: str) -> EdgeNetwork:
    """The network again, to evaluate or to train further.

    Raises:
        KeyError, ValueError: The data are not of one.
    """

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.array(arrays[f"{prefix}.{name}"], dtype=float))

    lower, upper = tensor("inputs").tolist()
    inputs = Inputs(lower, upper, dtype=torch.float64)
    nodes = [Nodes(int(sums), int(products)) for sums, products in described["nodes"]]
    features = [BSplines(tensor(f"grid.{depth}"), int(described["degree"])) for depth in range(len(nodes))]
    edges: dict[Key, Edge] = {}
    for entry in described["edges"]:
        depth, i, o = (int(place) for place in entry["key"])
        key = depth, i, o
        edges[key] = Edge(tensor(f"edge.{_key_text(key)}"), entry["name"], tuple(entry["fixed"]))
    return EdgeNetwork(inputs, features, nodes, edges)


def stored_network(data: RunData, field: str) -> tuple[EdgeNetwork, dict[str, Any]] | None:
    """The symbolic network of a field out of an archive, and its shift, scale and outer function."""
    text = data.symbolic_attributes.get(f"network_{field}_json")
    if text is None:
        return None
    described = json.loads(str(text))
    return network_from(described, data.symbolic, field), described
