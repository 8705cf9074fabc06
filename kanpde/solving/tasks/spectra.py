"""Energies of a trained solution, held out, beside those of a reference.

A Ritz or Rayleigh value lies above the true one, and misses it by the square of the solution's error; one that lies
below it was measured by a rule that the network has learned to cheat. Two held-out rules tell how far a rule can err.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.problems.grids import measuring_points
from kanpde.problems.language import compile_expression, jet_expression, jets_of
from kanpde.problems.problem import Problem
from kanpde.references import Reference
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.solution import Solution

DOUBT = 3.0
"""A value counts as below the reference by more than this many times the errors of both."""

ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The minimum of an energy, or the energies of states in rising order.

    Attributes:
        names: energy, or energy_1, energy_2, ….
        values: Held out, [m].
        spread: Differences between two held-out rules.
        known: Those of the reference, with their errors; None without one.
        overlaps: |∫ w ψ ψ_ref| / (‖ψ‖ ‖ψ_ref‖) of each state; empty for an energy or without a reference.
    """

    names: tuple[str, ...]
    values: np.ndarray
    spread: np.ndarray
    known: tuple[np.ndarray, np.ndarray] | None
    overlaps: np.ndarray

    def metrics(self) -> dict[str, float]:
        """energy, energy_spread, energy_reference, energy_error (relative) and overlap, of each state."""
        found: dict[str, float] = {}
        for place, name in enumerate(self.names):
            found |= {name: float(self.values[place]), f"{name}_spread": float(self.spread[place])}
            if self.known is not None:
                known = float(self.known[0][place])
                error = abs(self.values[place] - known) / (abs(known) or 1.0)
                found |= {f"{name}_reference": known, f"{name}_error": float(error)}
            if len(self.overlaps):
                found[name.replace("energy", "overlap")] = float(self.overlaps[place])
        return found

    def below(self) -> str | None:
        """A sentence if a value lies below the true minimum, by more than rules and reference can err."""
        if self.known is None:
            return None
        known, error = self.known
        slack = DOUBT * (self.spread + error) + ROUNDING * np.abs(known)
        for name, value, least, allowed in zip(self.names, self.values, known, slack, strict=True):
            if value < least - allowed:
                return (
                    f"The held-out {name.replace('_', ' ')}, {value:.8g}, lies below that of the reference, "
                    f"{least:.8g}, which no function does: the points were fitted instead of the problem. Use more "
                    "points (sampling.density) or training.resample."
                )
        return None

    def arrays(self) -> dict[str, np.ndarray]:
        """Columns for the archive, one entry a state."""
        found = {"energy": self.values, "energy_spread": self.spread}
        if self.known is not None:
            found |= {"energy_ref": self.known[0], "energy_ref_error": self.known[1]}
        return found | ({"overlap": self.overlaps} if len(self.overlaps) else {})


def spectrum_of(
    problem: Problem,
    ansatz: Ansatz,
    network: nn.Module,
    energies: tuple[Tensor, Tensor],
    reference: Reference | None,
) -> Spectrum:
    """What two held-out rules found for a trained network; its outputs are taken as they stand."""
    rules = [values.cpu().double().numpy() for values in energies]
    states = len(problem.task.integrals()) == 2
    names = tuple(f"energy_{number}" for number in range(1, len(rules[0]) + 1)) if states else ("energy",)
    known = None if reference is None else (reference.energies, reference.energy_errors)
    overlaps = np.empty(0)
    if states and reference is not None:
        overlaps = _overlaps(Solution(problem, ansatz, network), reference)
    return Spectrum(names, rules[0], np.abs(rules[1] - rules[0]), known, overlaps)


def _overlaps(solution: Solution, reference: Reference) -> np.ndarray:  # -> [m]
    points = measuring_points(solution.problem)
    found, known = torch.from_numpy(solution.values(points)), torch.from_numpy(reference.values(points.numpy()))
    weight = norm_weight(solution.problem, points)[:, None]
    sizes = (weight * found**2).sum(0) * (weight * known**2).sum(0)
    return ((weight * found * known).sum(0).abs() / sizes.sqrt()).numpy()


def norm_weight(problem: Problem, points: Tensor) -> Tensor:  # [n, d] -> [n]
    """The norm's density for a state of one: w where it is w ψ²."""
    _, norm = problem.task.integrals()
    none = (0,) * len(problem.coordinates)
    values = {jet_expression(jet, problem.coordinates): float(jet[1] == none) for jet in jets_of(norm)}
    return compile_expression(norm.xreplace(values), problem.coordinates)(points)
