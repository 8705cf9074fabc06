"""Hamiltonians as arrays of bonds: stated lattice + one draw of its parameters and disorder → a sparse operator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from kanpde.errors import InputError
from kanpde.problems.lattices import IRRATIONAL, Hopping, Parameter, SiteFunction, approximant, site_names
from kanpde.problems.tasks.lattice import Lattice


@dataclass(frozen=True, eq=False)
class Hamiltonian:
    """One realization: H = Σ_n V_n |n⟩⟨n| + Σ_b ( t_b |j_b⟩⟨i_b| + conj(t_b) |i_b⟩⟨j_b| ).

    Attributes:
        sites: Along each dimension; the last index runs fastest.
        periodic: Whether the bonds close around it.
        onsite: V, shape [N].
        first, second: i_b and j_b, shape [B].
        amplitudes: t_b, shape [B], real or complex.
        parameters: What was drawn, and what is fixed.
    """

    sites: tuple[int, ...]
    periodic: bool
    onsite: np.ndarray
    first: np.ndarray
    second: np.ndarray
    amplitudes: np.ndarray
    parameters: Mapping[str, float]

    @property
    def count(self) -> int:
        return len(self.onsite)

    @property
    def nearest(self) -> bool:
        """Whether it is a chain whose bonds join neighbors alone, and real."""
        if len(self.sites) > 1 or np.iscomplexobj(self.amplitudes):
            return False
        return bool(np.all((self.second - self.first) % self.count == 1))

    @cached_property
    def hops(self) -> np.ndarray:
        """Of a nearest-neighbor chain: t from each site to the next, shape [N - 1], or [N] where it is periodic."""
        ordered = np.zeros(self.count)
        np.add.at(ordered, self.first, self.amplitudes)
        return ordered if self.periodic else ordered[:-1]

    def to_scipy(self) -> sparse.csr_array:
        """The operator as a sparse matrix, shape [N, N].

        >>> chain = Hamiltonian((3,), False, np.zeros(3), np.array([0, 1]), np.array([1, 2]), np.ones(2), {})
        >>> chain.to_scipy().toarray().tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
        """
        n = np.arange(self.count)
        rows = np.concatenate([n, self.second, self.first])
        columns = np.concatenate([n, self.first, self.second])
        values = np.concatenate([self.onsite, self.amplitudes, np.conj(self.amplitudes)])
        return sparse.coo_array((values, (rows, columns)), shape=(self.count, self.count)).tocsr()

    def bounds(self) -> tuple[float, float]:
        """Gershgorin's bounds on the spectrum."""
        reach = np.zeros(self.count)
        np.add.at(reach, self.first, np.abs(self.amplitudes))
        np.add.at(reach, self.second, np.abs(self.amplitudes))
        return float((self.onsite - reach).min()), float((self.onsite + reach).max())


class _Bonds:
    """Those of one hopping, displacement by displacement."""

    def __init__(self, parts: list[tuple[np.ndarray, np.ndarray, float, float]]):
        self.parts = parts
        self.first = np.concatenate([i for i, _, _, _ in parts])
        self.second = np.concatenate([j for _, j, _, _ in parts])
        self.r, self.axis = (np.array([part[place] for part in parts]) for place in (2, 3))
        self.counts = [len(i) for i, _, _, _ in parts]


class Builder:
    """Hamiltonians of one lattice: its expressions compiled once, evaluated for each realization."""

    def __init__(self, lattice: Lattice):
        self.lattice = lattice
        self.onsite = SiteFunction(lattice.onsite)
        self.amplitudes = [(SiteFunction(hopping.amplitude), hopping) for hopping in lattice.hoppings]
        self.phase = SiteFunction(lattice.phase) if lattice.phase != 0 else None
        grid = np.meshgrid(*map(np.arange, lattice.sites), indexing="ij")
        self.indices = dict(zip(site_names(lattice.dimension), (axis.ravel() for axis in grid), strict=True))
        self.bonds = [_Bonds(self._bonds(hopping)) for _, hopping in self.amplitudes]

    def parameters(self, rng: np.random.Generator) -> dict[str, float]:
        """One draw of every parameter."""
        known = self.lattice.parameters
        return {name: float(rng.uniform(one.low, one.high)) if one.drawn else one.value for name, one in known.items()}

    def hamiltonian(self, seed: int, realization: int) -> Hamiltonian:
        """The realization of a number, the same whichever others are made."""
        rng = np.random.default_rng([seed, realization])
        return self.with_parameters(self.parameters(rng), rng)

    def with_parameters(self, parameters: Mapping[str, float], rng: np.random.Generator) -> Hamiltonian:
        """The Hamiltonian at given parameters; disorder is drawn from `rng`."""
        onsite = np.array(self.onsite({**parameters, **self.indices}, rng))
        amplitudes = [self._amplitudes(function, bonds, parameters, rng)
                      for (function, _), bonds in zip(self.amplitudes, self.bonds, strict=True)]  # fmt: skip
        ends = ([getattr(bonds, end) for bonds in self.bonds] for end in ("first", "second"))
        first, second, joined = map(np.concatenate, (*ends, amplitudes))
        known = dict(parameters)
        return _finite(Hamiltonian(self.lattice.sites, self.lattice.periodic, onsite, first, second, joined, known))

    def _amplitudes(self, function: SiteFunction, bonds: _Bonds, parameters: Mapping[str, float],
                    rng: np.random.Generator) -> np.ndarray:  # fmt: skip
        """One for each bond, with its complex phase; what no site changes is evaluated once a displacement."""
        places = {name: index[bonds.first] for name, index in self.indices.items()}
        r, axis = (np.repeat(values, bonds.counts) for values in (bonds.r, bonds.axis))
        whole = {**parameters, **places, "r": r, "axis": axis}
        if function.depends_on("draws", *self.indices):
            values = function(whole, rng)
        else:
            values = np.repeat(function({**parameters, "r": bonds.r, "axis": bonds.axis}), bonds.counts)
        return values if self.phase is None else values * np.exp(1j * self.phase(whole))

    def _bonds(self, hopping: Hopping) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
        """For each displacement d: sites n and n + d, the distance and the axis; a pair of sites has one bond."""
        if hopping.displacements[0][0] < 0:
            return [(np.zeros(0, int), np.zeros(0, int), 1.0, 1.0)] * len(hopping.displacements)
        return [self._along(d) for d in hopping.displacements]

    def _along(self, displacement: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, float, float]:
        sites = self.lattice.sites
        places = np.stack([*self.indices.values()])
        moved = places + np.array(displacement)[:, None]
        size = np.array(sites)[:, None]
        inside = np.ones(places.shape[1], bool) if self.lattice.periodic else (moved < size).all(0)
        step = max(displacement)
        axis = int(np.argmax(displacement))
        if self.lattice.periodic and 2 * step == sites[axis]:
            inside &= places[axis] < step  # half way round, each pair is met from both sides
        i = np.ravel_multi_index(tuple(places[:, inside]), sites)
        j = np.ravel_multi_index(tuple((moved % size)[:, inside]), sites)
        return i, j, float(step), float(axis + 1)


def resized(lattice: Lattice, size: int) -> Lattice:
    """The same lattice with another linear size; irrational numbers get the approximant of that size.

    Raises:
        InputError: The approximant is not in lowest terms, or the range of hopping too large.
    """
    parameters = {
        name: Parameter.fixed(approximant(_nearest(one.value), size, f"{name} at {size} sites"), irrational=True)
        if one.irrational and lattice.periodic else one
        for name, one in lattice.parameters.items()
    }  # fmt: skip
    hoppings = lattice.hoppings
    if lattice.reach is not None and lattice.dimension == 1:
        most = size // 2 if lattice.periodic else size - 1
        full = lattice.reach == (lattice.sites[0] // 2 if lattice.periodic else lattice.sites[0] - 1)
        reach = most if full and lattice.reach > 1 else min(lattice.reach, most)
        hoppings = tuple(Hopping(tuple((d,) for d in range(1, reach + 1)), h.amplitude) for h in lattice.hoppings)
    return replace(lattice, sites=(size,) * lattice.dimension, parameters=parameters, hoppings=hoppings)


def _nearest(value: float) -> float:
    return min(IRRATIONAL.values(), key=lambda exact: abs(exact - value))


def _finite(found: Hamiltonian) -> Hamiltonian:
    if np.isfinite(found.onsite).all() and np.isfinite(found.amplitudes).all():
        return found
    shown = ", ".join(f"{name} = {value:.4g}" for name, value in found.parameters.items())
    raise InputError(f"lattice needs finite energies and hoppings; they are not at {shown}. Restrict the parameters.")


def linear_size(sites: tuple[int, ...]) -> float:
    """The geometric mean of the sizes."""
    return math.prod(sites) ** (1 / len(sites))
