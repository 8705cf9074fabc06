"""Naming edges by hand: suggest, set, unset, fix, on a network of the field's own values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kanpde.errors import InputError
from kanpde.models.networks.chains import Chain
from kanpde.models.networks.edges import Edge, EdgeNetwork, Key, as_edges
from kanpde.models.univariate import LIBRARY, library_row
from kanpde.results.archive import RunData
from kanpde.solving.solution import Solution
from kanpde.symbolic.discovery import DEFAULT, WIDTH, Found, sparse_network, written
from kanpde.symbolic.edge_fits import Candidate, candidates
from kanpde.symbolic.fitting import FINAL, allowed, fit, rms, robust_error
from kanpde.symbolic.readings import Reading, field_samples, stored_network
from kanpde.symbolic.samples import Samples
from kanpde.symbolic.snapping import edge_candidates, explained, snapped_edge
from kanpde.symbolic.sparsity import prune
from kanpde.symbolic.templates import Template

DIFFERS = 1e-3
"""Held-out error above which a network is trained before its edges are looked at."""


class Workbench:
    """A network whose edges a person names.

    Args:
        network: To begin with; standardized values.
        samples: What it is fitted to, standardized.
        raw: The same as they are.
        names: Of the variables.
        field: What the formula is of.
    """

    def __init__(self, network: EdgeNetwork, samples: Samples, raw: Samples, names: Sequence[str], field: str = "f"):
        self.samples, self.raw, self.names, self.field = samples, raw, tuple(names), field
        self.network, self.before = network, network.changed({})
        self.network_error = rms(network, samples)

    @classmethod
    def of(cls, solution: Solution, data: RunData, field: str, seed: int = 0) -> Workbench:
        """On the network that a run's archive holds for a field, else on the run's own, trained on the field's values.

        A run without layers of splines, as the default route leaves it, has a network of few edges fitted to its field.
        """
        raw = field_samples(solution, solution.problem.fields.index(field), seed)
        stored = stored_network(data, field)
        if stored is not None:
            network, described = stored
            return cls(network, raw.under(str(described["outer"])), raw, solution.problem.coordinates, field)
        own = raw.under("f")
        network = _edges_of(solution) or fitted(own, seed)
        if rms(network, own) > DIFFERS:
            fit(network, own, 60)
            network.extend(network.grid, own.x)
        return cls(network, own, raw, solution.problem.coordinates, field)

    @property
    def error(self) -> float:
        """Held out, relative to the spread of the values."""
        return rms(self.network, self.samples)

    def suggest(self, key: Key, count: int = 6) -> list[Candidate]:
        """What an edge may be, the best fit first."""
        self._check(key)
        return edge_candidates(self.network, key, self.samples)[:count]

    def left_out(self, key: Key) -> list[str]:
        """The functions that are singular or degenerate on an edge's values, by name."""
        self._check(key)
        x = self.network.activations(self.samples.x)[key[0]][:, key[1]].detach()
        values = self.network.edge_values(self.samples.x)[key].detach()
        sound = {candidate.name for candidate in candidates(x, values, refined=len(LIBRARY))}
        return [name for name in LIBRARY if name not in sound]

    def set(self, key: Key, name: str, refit: bool = True) -> None:
        """Name an edge, and refit all of the network; `spline` takes the name back.

        Raises:
            InputError: There is no such edge or function, or the function is not defined on the edge's values.
        """
        self._check(key)
        if name == "spline":
            self.unset(key)
            return
        library_row(name)
        x = self.network.activations(self.samples.x)[key[0]][:, key[1]].detach()
        found = candidates(x, self.network.edge_values(self.samples.x)[key].detach(), [name])
        if not found:
            raise InputError(
                f"Edge {key} needs a function that is defined on its values; {name} is singular or degenerate there. "
                f"The best are {', '.join(c.name for c in self.suggest(key, 3))}."
            )
        self.network = self.network.changed({key: snapped_edge(self.network, key, found[0])})
        if refit:
            self.refit()

    def unset(self, key: Key) -> None:
        """Give an edge its spline back, as it was at the beginning."""
        self._check(key)
        if self.before.edges[key].name is not None:
            raise InputError(f"Edge {key} needs a spline to go back to; it had none. Name it otherwise.")
        own = self.before.layers[key[0]].features
        features = [layer.features for layer in self.network.layers]
        features[key[0]] = own
        self.network = self.network.changed({key: self.before.edges[key]}, features)
        self.refit()

    def fix(self, key: Key, places: Sequence[int]) -> None:
        """Keep some of a, b, c, d (0 to 3) of a named edge as they are."""
        self._check(key)
        edge = self.network.edges[key]
        if edge.name is None:
            raise InputError(f"Edge {key} needs a name before constants are fixed; it is a spline. Set it first.")
        self.network = self.network.changed({key: Edge(edge.values, edge.name, tuple(places))})

    def refit(self, steps: int = 60) -> None:
        """Train what is left free."""
        fit(self.network, self.samples, steps)
        self.network.extend(self.network.grid, self.samples.x)

    def reading(self) -> Reading:
        """The formula, if all edges have names."""
        open_keys = tuple(key for key, edge in self.network.edges.items() if edge.name is None)
        r2 = explained(self.before, self.network, self.samples)
        found = Found(
            None, self.network, self.samples, "by hand", self.network_error, self.error, r2, open_keys
        )
        if not open_keys:
            fit(self.network, self.samples, 100, optimizer=FINAL)
            formula, error = written(self.network, self.samples, self.raw, self.names)
            found = replace(found, formula=formula, error=error)
        return Reading({self.field: found})

    def _check(self, key: Key) -> None:
        if key not in self.network.edges:
            listed = ", ".join(",".join(map(str, k)) for k in sorted(self.network.edges)[:12])
            came = ",".join(map(str, key))
            raise InputError(f"An edge must be one that is on; {came} came. Choose one of {listed}.")


def network_of(solution: Solution, data: RunData, field: str) -> EdgeNetwork:
    """The network that a field's formula was read from, else the run's own, else one fitted to the field."""
    stored = stored_network(data, field)
    if stored is not None:
        return stored[0]
    samples = field_samples(solution, solution.problem.fields.index(field), 0).under("f")
    return _edges_of(solution) or fitted(samples, 0)


def _edges_of(solution: Solution) -> EdgeNetwork | None:
    """The run's own network, where it is one chain of splines."""
    network = solution.network
    if isinstance(network, EdgeNetwork) or not isinstance(network, Chain):
        return network if isinstance(network, EdgeNetwork) else None
    try:
        return as_edges(network)
    except ValueError:
        return None


def fitted(samples: Samples, seed: int) -> EdgeNetwork:
    """A network of few edges fitted to values, for what was solved without layers of splines."""
    count = samples.x.shape[1]
    widths = (count, WIDTH, 1) if count > 1 else (1, 1)
    network, _ = sparse_network(Template("fitted", widths), samples, DEFAULT, seed)
    return prune(network, samples, allowed(robust_error(network, samples)))
