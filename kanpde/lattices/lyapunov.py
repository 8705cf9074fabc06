"""Lyapunov exponents by transfer matrices, with error bars from blocks.

    t ψ_{n+1} = (E - V_n) ψ_n - t ψ_{n-1}                                 chains that join neighbors
    φ_{n+1} + φ_{n-1} = (q + 1/q - (1/q - q) A/(E + A - V_n)) φ_n         hopping A q^r at any distance r

γ is the growth of |ψ| per site; for the second, φ_n = Σ_m q^|n-m| ψ_m decays as ψ does. Strips and bars carry as many
vectors as their cross-section has sites, made orthogonal every few steps; γ is the least positive exponent.

Source: Pichard and Sarma, J. Phys. C 14, L127 (1981); MacKinnon and Kramer, Z. Phys. B 53, 1 (1983).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from kanpde.errors import InputError
from kanpde.lattices.operators import Builder
from kanpde.problems.lattices import IRRATIONAL, SiteFunction, site_names
from kanpde.problems.tasks.lattice import Lattice

Parameters = Mapping[str, np.ndarray | float]

BLOCKS = 20
WIDTH = 60_000
"""Numbers of onsite energies computed at a time."""
BETWEEN = 8
"""Steps between two normalizations."""


def exact_parameters(lattice: Lattice) -> dict[str, float]:
    """Irrational parameters as they are, without a ring's approximant: a transfer matrix needs no ring."""
    return {
        name: _nearest(one.value, IRRATIONAL.values()) for name, one in lattice.parameters.items() if one.irrational
    }


def _nearest(value: float, numbers: Iterable[float]) -> float:
    return min(numbers, key=lambda number: abs(number - value))


def has_transfer_matrix(lattice: Lattice) -> bool:
    """Whether `chain_exponents` takes it: a chain with hoppings between neighbors or geometric in the distance."""
    if lattice.dimension > 1 or lattice.phase != 0 or len(lattice.hoppings) > 1:
        return False
    if lattice.reach == 1:
        return True
    function = SiteFunction(lattice.hoppings[0].amplitude)
    if lattice.reach is None or function.depends_on("n", "draws") or not _is_full(lattice):
        return False
    r = np.arange(1.0, 8.0)
    t = function({**{name: one.value for name, one in lattice.parameters.items()}, "r": r, "axis": 1.0})
    ratios = t[1:] / t[:-1]
    return bool(np.allclose(ratios, ratios[0], rtol=1e-9))


def _is_full(lattice: Lattice) -> bool:
    return lattice.reach == (lattice.sites[0] // 2 if lattice.periodic else lattice.sites[0] - 1)


def chain_exponents(
    lattice: Lattice, energies: np.ndarray, parameters: Mapping[str, np.ndarray], steps: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """γ ≥ 0 and its standard error, one for each energy.

    Args:
        lattice: One that `has_transfer_matrix`.
        energies: Shape [m].
        parameters: All of the lattice, each of shape [m] or a number; irrational ones are taken exact.
        steps: Sites passed, after a twentieth more that are not counted.
        seed: Of disorder, which is drawn anew for each energy.

    Raises:
        InputError: The lattice has no transfer matrix of two entries.
    """
    if not has_transfer_matrix(lattice):
        raise InputError(
            "measure.lyapunov needs a chain whose hopping joins neighbors, or is A*q^r at every distance (range: all); "
            "this lattice is another. Use label: dimension, or strips and bars from Python."
        )
    values: Parameters = {**parameters, **exact_parameters(lattice)}
    coefficients = _Coefficients(lattice, np.asarray(energies, float), values, np.random.default_rng([seed, 7]))
    return _growth(coefficients, len(energies), max(steps // BLOCKS, 1))


class _Coefficients:
    """c and d of x_{n+1} = c_n x_n - d_n x_{n-1}, for pieces of the chain, shape [sites, m]."""

    def __init__(self, lattice: Lattice, energies: np.ndarray, parameters: Parameters, rng: np.random.Generator):
        self.onsite, self.hopping = SiteFunction(lattice.onsite), SiteFunction(lattice.hoppings[0].amplitude)
        self.energies, self.parameters, self.rng = energies, parameters, rng
        self.local = self.hopping.depends_on("n", "draws")
        self.last = np.ones(len(energies))
        self.geometric = lattice.reach != 1
        one = {**parameters, "r": 1.0, "axis": 1.0, "n": 0.0}
        if not self.local:
            self.t = np.broadcast_to(self.hopping(one), energies.shape)
            self.q = np.broadcast_to(self.hopping({**one, "r": 2.0}), energies.shape) / self.t

    def piece(self, start: int, sites: int) -> tuple[np.ndarray, np.ndarray | None]:
        n = np.arange(start, start + sites, dtype=float)[:, None]
        places = {**self.parameters, "n": n, "_": n + 0 * self.energies}
        apart = self.energies - self.onsite(places, self.rng)
        if self.geometric:
            height = self.t / self.q
            return self.q + 1 / self.q - (1 / self.q - self.q) * height / (apart + height), None
        if not self.local:
            return apart / self.t, None
        t = self.hopping({**places, "r": 1.0, "axis": 1.0}, self.rng)
        before = np.concatenate([self.last[None], t[:-1]])
        self.last = t[-1]
        return apart / t, before / t


def _growth(coefficients: _Coefficients, count: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    here, before = np.ones(count), np.zeros(count)
    rates, position = np.zeros((BLOCKS + 1, count)), 0
    for place in range(BLOCKS + 1):
        left, total = block, np.zeros(count)
        while left:
            sites = min(left, max(BETWEEN, WIDTH // count))
            c, d = coefficients.piece(position, sites)
            for step in range(sites):
                here, before = c[step] * here - (before if d is None else d[step] * before), here
                if step % BETWEEN == BETWEEN - 1 or step == sites - 1:
                    size = np.hypot(here, before)
                    total += np.log(size)
                    here, before = here / size, before / size
            position, left = position + sites, left - sites
        rates[place] = total / block
    counted = rates[1:]
    return np.maximum(counted.mean(0), 0.0), counted.std(0, ddof=1) / BLOCKS**0.5


def bar_exponent(
    lattice: Lattice, energy: float, parameters: Mapping[str, float], steps: int, seed: int = 0
) -> tuple[float, float]:
    """The least positive Lyapunov exponent of a strip or bar along the first axis, and its standard error.

        ψ_{n+1} = (E - H_n) ψ_n - ψ_{n-1},   H_n the layer n across

    Args:
        lattice: Of two or three dimensions, hopping alike at every site; its sites[1:] are the cross-section.
        energy, parameters: Of one realization.
        steps: Layers.
    """
    rng = np.random.default_rng([seed, 11])
    across = lattice.sites[1:]
    onsite, hopping = SiteFunction(lattice.onsite), SiteFunction(lattice.hoppings[0].amplitude)
    values: Parameters = {**parameters, **exact_parameters(lattice)}
    t = np.atleast_1d(hopping({**values, "r": 1.0, "axis": np.arange(1.0, lattice.dimension + 1)}))
    layer = _layer(lattice, across, t[1:])
    places = np.meshgrid(*map(np.arange, across), indexing="ij")
    inner = dict(zip(site_names(lattice.dimension)[1:], (axis.ravel() for axis in places), strict=True))
    count = layer.shape[0]
    here, before = np.eye(count), np.zeros((count, count))
    rates, block = [], max(steps // BLOCKS, BETWEEN)
    for place in range(BLOCKS + 1):
        total: float | np.ndarray = 0.0
        for step in range(block):
            energies = onsite({**values, **inner, "n1": place * block + step, "_": inner["n2"]}, rng)
            here, before = ((energy - energies)[:, None] * here - layer @ here) / t[0] - before, here
            if step % BETWEEN == BETWEEN - 1 or step == block - 1:
                q, r = np.linalg.qr(np.concatenate([here, before]))
                total = total + np.log(np.abs(np.diag(r)))
                here, before = q[:count], q[count:]
        rates.append(np.asarray(total) / block)
    counted = np.sort(np.array(rates[1:]), axis=1)[:, 0]
    least = np.array(rates[1:])[:, int(np.argmin(np.mean(rates[1:], axis=0)))]
    return float(least.mean()), float(counted.std(ddof=1) / BLOCKS**0.5)


def _layer(lattice: Lattice, across: tuple[int, ...], t: np.ndarray) -> np.ndarray:
    """The hoppings within a layer, dense [M, M]."""
    names = Builder(lattice)
    layer = np.zeros((int(np.prod(across)),) * 2)
    size = layer.shape[0]
    for axis, amplitude in enumerate(t, start=1):
        i, j, _, _ = names.bonds[0].parts[axis]
        inside = i < size  # the first layer
        layer[i[inside], j[inside]] += amplitude
        layer[j[inside], i[inside]] += amplitude
    return layer
