"""All that a problem asks to measure: realizations in chunks, each chunk kept by its content, so that nothing is lost.

    stated lattice + seed → chunks of realizations → arrays by name, the axes of each → what is archived under /spectrum
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.files.caches import cache_folder
from kanpde.files.kept import keep_arrays, kept_arrays
from kanpde.files.regular import Unreadable
from kanpde.lattices.densities import kernel_density
from kanpde.lattices.landscapes import landscape
from kanpde.lattices.level_spacings import gap_ratios, middle
from kanpde.lattices.localization import fractal_dimension, participation
from kanpde.lattices.localization_lengths import decay_length
from kanpde.lattices.lyapunov import chain_exponents
from kanpde.lattices.operators import Builder, Hamiltonian, resized
from kanpde.lattices.spectra import full_spectrum, window
from kanpde.problems.tasks.lattice import Lattice

CHUNK = 10
"""Realizations between which a run can stop."""
VERSION = 1
"""To be raised when what is measured changes: what was kept before is then measured anew."""
NOT_MEASURED = ("title", "settings", "theory")
SHOWN = 5
DENSITY_POINTS = 801
LARGEST_SHOWN = 20_000

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Measurements:
    """What was measured: arrays by name, the names of each one's axes, and how many realizations there are."""

    arrays: Arrays
    axes: Mapping[str, tuple[str, ...]]
    realizations: int


def measure(
    lattice: Lattice,
    source: Mapping[str, Any],
    seed: int,
    on_chunk: Callable[[int, Arrays], None] = lambda done, found: None,
) -> Measurements:
    """Measure all realizations; those that were finished before are read from the cache.

    Args:
        lattice: What to measure.
        source: The plain data of its problem, by which chunks are kept.
        seed: Of all draws; realization k of a seed is the same whatever else is asked.
        on_chunk: Called after each chunk with the realizations done so far and the chunk; may raise to stop.
    """
    chunks: list[Arrays] = []
    builders = _Builders(lattice)
    total = lattice.measures.realizations
    try:
        for start in range(0, total, CHUNK):
            numbers = range(start, min(start + CHUNK, total))
            path = _path(source, seed, numbers)
            found = _kept(path)
            if found is None:
                found = _chunk(builders, seed, numbers)
                keep_arrays(path, found)
            chunks.append(found)
            on_chunk(numbers.stop, found)
    except KeyboardInterrupt as stop:
        if not chunks:
            raise
        raise Stopped(_assembled(builders, chunks, seed)) from stop
    return _assembled(builders, chunks, seed)


class Stopped(Exception):
    """Ctrl-C came; carries what was measured until then."""

    def __init__(self, measured: Measurements):
        self.measured = measured


class _Builders:
    """The lattice at its own size and at the other sizes asked for."""

    def __init__(self, lattice: Lattice):
        self.lattice = lattice
        self.own = Builder(lattice)
        self.others = [Builder(resized(lattice, size)) for size in lattice.measures.sizes]


def _chunk(builders: _Builders, seed: int, numbers: range) -> Arrays:
    rows = [_realization(builders, seed, number) for number in numbers]
    found = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    lattice = builders.lattice
    if lattice.measures.lyapunov and found["energy"].size:
        flat = found["energy"].ravel()
        drawn = {name: np.repeat(found[name], found["energy"].shape[1]) for name in lattice.parameters}
        own_seed = seed * 1_000_003 + numbers.start
        gamma, error = chain_exponents(lattice, flat, drawn, lattice.measures.lyapunov, own_seed)
        found["gamma"], found["gamma_error"] = (x.reshape(found["energy"].shape) for x in (gamma, error))
    return found


def _realization(builders: _Builders, seed: int, number: int) -> Arrays:
    lattice = builders.lattice
    hamiltonian = builders.own.hamiltonian(seed, number)
    energies, states = _states(hamiltonian, lattice)
    ratio = _mean_ratio(energies, lattice)
    kept = _taken(lattice, len(energies), seed, number)
    ratios = participation(states[:, kept])
    found = {
        "energy": energies[kept],
        "ipr": ratios,
        "dimension": fractal_dimension(ratios, hamiltonian.count),
        "gap_ratio": np.array(ratio),
    }
    found |= {name: np.array(value) for name, value in hamiltonian.parameters.items()}
    if builders.others:
        both = [_of_size(builder, hamiltonian.parameters, seed, number) for builder in builders.others]
        found["size_ipr"], found["size_gap_ratio"] = (np.array(values) for values in zip(*both, strict=True))
    return found


def _states(hamiltonian: Hamiltonian, lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    asked = lattice.measures.states
    if asked == 0:
        return np.empty(0), np.empty((hamiltonian.count, 0))
    return full_spectrum(hamiltonian) if asked is None else window(hamiltonian, lattice.measures.near, asked)


def _taken(lattice: Lattice, count: int, seed: int, number: int) -> np.ndarray:
    """Which states are kept: all, or a few at random where an edge is to be learned from them."""
    if lattice.edge is None or lattice.edge.states >= count:
        return np.arange(count)
    rng = np.random.default_rng([seed, number, 3])
    return np.sort(rng.choice(count, lattice.edge.states, replace=False))


def _mean_ratio(energies: np.ndarray, lattice: Lattice) -> float:
    """r̃ of the middle half of a whole spectrum, or of the window."""
    levels = middle(energies) if lattice.measures.states is None else energies
    ratios = gap_ratios(levels) if len(levels) > 2 else np.empty(0)
    return float(ratios.mean()) if ratios.size else float("nan")


def _of_size(builder: Builder, parameters: Mapping[str, float], seed: int, number: int) -> tuple[float, float]:
    own = {name: one.value if one.irrational else parameters[name] for name, one in builder.lattice.parameters.items()}
    rng = np.random.default_rng([seed, number, builder.lattice.count])
    energies, states = _states(builder.with_parameters(own, rng), builder.lattice)
    return float(participation(states).mean()), _mean_ratio(energies, builder.lattice)


# putting together


def _assembled(builders: _Builders, chunks: list[Arrays], seed: int) -> Measurements:
    lattice = builders.lattice
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    count = len(found["gap_ratio"])
    axes = {name: ("realization", "state")[: values.ndim] for name, values in found.items()}
    scales = {"realization": np.arange(count), "state": np.arange(found["energy"].shape[1])}
    if "size_ipr" in found:
        scales["size"] = np.array(lattice.measures.sizes, float)
        axes |= dict.fromkeys(("size_ipr", "size_gap_ratio"), ("realization", "size"))
    for more, places in (_densities(builders, seed), _shown(builders, seed)):
        found |= more
        axes |= places
    scales |= {name: found.pop(name) for name in ("density_energy", "site", "shown") if name in found}
    return Measurements({**scales, **found}, axes, count)


def _densities(builders: _Builders, seed: int) -> tuple[Arrays, dict[str, tuple[str, ...]]]:
    """ρ(E) and N(E) of the first realization."""
    lattice = builders.lattice
    if not lattice.measures.moments:
        return {}, {}
    hamiltonian = builders.own.hamiltonian(seed, 0)
    known = kernel_density(hamiltonian, lattice.measures.moments, seed=seed)
    energies = np.linspace(*hamiltonian.bounds(), DENSITY_POINTS)
    arrays = {"density_energy": energies, "density": known.density(energies), "integrated": known.integrated(energies)}
    return arrays, dict.fromkeys(("density", "integrated"), ("density_energy",))


def _shown(builders: _Builders, seed: int) -> tuple[Arrays, dict[str, tuple[str, ...]]]:
    """The first realization's onsite energies and a few of its states, to be looked at."""
    lattice = builders.lattice
    if lattice.count > LARGEST_SHOWN or lattice.measures.states == 0:
        return {}, {}
    hamiltonian = builders.own.hamiltonian(seed, 0)
    energies, states = _states(hamiltonian, lattice)
    chosen = np.unique(np.linspace(0, len(energies) - 1, min(SHOWN, len(energies))).astype(int))
    if lattice.measures.landscape:
        chosen = np.arange(min(SHOWN, len(energies)))
    arrays = {
        "site": np.arange(hamiltonian.count), "onsite": hamiltonian.onsite, "shown": chosen.astype(float),
        "shown_energy": energies[chosen], "shown_state": np.abs(states[:, chosen].T),
        "shown_residual": np.linalg.norm(hamiltonian.to_scipy() @ states - states * energies, axis=0)[chosen],
    }  # fmt: skip
    axes: dict[str, tuple[str, ...]] = {"onsite": ("site",), "shown_energy": ("shown",), "shown_residual": ("shown",)}
    axes["shown_state"] = ("shown", "site")
    if lattice.dimension == 1:
        lengths = [decay_length(states[:, k], lattice.periodic)[0] for k in chosen]
        arrays["shown_length"], axes["shown_length"] = np.array(lengths), ("shown",)
    if lattice.measures.landscape:
        u, shift = landscape(hamiltonian)
        arrays["inverse_landscape"], axes["inverse_landscape"] = 1 / u - shift, ("site",)
        arrays["shown_bound"], axes["shown_bound"] = np.outer(energies[chosen] + shift, u), ("shown", "site")
    return arrays, axes


# keeping


def _path(source: Mapping[str, Any], seed: int, numbers: range) -> Path:
    """The file of a chunk, by all that it depends on: neither by the number of realizations nor by what is drawn."""
    asked = {name: value for name, value in source.items() if name not in NOT_MEASURED}
    measured = asked.get("measure") or {}
    asked["measure"] = {name: value for name, value in measured.items() if name not in ("realizations", "moments")}
    if "edge" in asked:
        asked["edge"] = (asked["edge"] or {}).get("states", 10)
    stated = json.dumps([asked, seed, numbers.start, numbers.stop, VERSION], sort_keys=True, default=str)
    return cache_folder() / "lattices" / f"{hashlib.sha256(stated.encode()).hexdigest()[:32]}.npz"


def _kept(path: Path) -> Arrays | None:
    try:
        return kept_arrays(path)
    except Unreadable:
        return None
