"""Lattices in pictures: E against a parameter colored by D, states over the landscape, densities, exponents, gaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from kanpde.problems.catalog import load_problem
from kanpde.problems.language import Scope, parse_expression
from kanpde.problems.lattices import ENERGY, SiteFunction
from kanpde.problems.listing import read_problem_text
from kanpde.problems.problem import Problem
from kanpde.problems.tasks.lattice import Lattice, lattice_of
from kanpde.reports.plots.styles import BLUE, CYCLE, FAINT, INK, VERMILION, label, legend
from kanpde.results.archive import RunData
from kanpde.symbolic.readings import stored_network

MOST_POINTS = 40_000
FLOOR = 1e-12
LEVELS = {"Poisson": 0.3863, "GOE": 0.5307, "GUE": 0.5996}

Spectrum = Mapping[str, np.ndarray]
Panel = tuple[str, Callable[[Axes], None]]


def is_lattice(data: RunData) -> bool:
    """Whether a run was one of a lattice."""
    return "realization" in data.spectrum


def lattice_panels(data: RunData) -> list[Panel]:
    """A caption and what draws it, for each picture that the run's measurements allow."""
    problem = load_problem(read_problem_text(str(data.attributes["problem_yaml"]), "problem"), name="lattice")
    lattice, spectrum, panels = lattice_of(problem), data.spectrum, []
    if spectrum["energy"].size:
        panels.append(_energies(data, problem))
    if "label" in spectrum:
        panels.append(("Held-out states: labels, and where the classifier errs", lambda a: _errors(a, data, lattice)))
    if any(name.startswith("network_edge") for name in data.symbolic_attributes):
        panels.append(("The classifier's edges, pruned and named", lambda axes: _edges(axes, data)))
    if "gamma" in spectrum:
        panels.append(("Lyapunov exponents, with theory", lambda axes: _exponents(axes, data, lattice)))
    if "shown_state" in spectrum and lattice.dimension == 1:
        panels.append(("States at their energies over the potential", lambda axes: _states(axes, spectrum)))
        panels.append(("Decay of the states", lambda axes: _decay(axes, spectrum)))
    if "density" in spectrum:
        panels.append(("Density of states and its integral", lambda axes: _density(axes, spectrum)))
    if spectrum["energy"].size:
        panels.append(("Ratios of neighboring gaps", lambda axes: _ratios(axes, spectrum, lattice)))
    if "size_ipr" in spectrum and len(spectrum["size"]) > 1:
        panels.append(("Participation against size", lambda axes: _sizes(axes, data)))
        if lattice.axes:
            panels.append(("D₂ of each realization, from its sizes", lambda axes: _slopes(axes, spectrum, lattice)))
    return panels


def _axis_values(spectrum: Spectrum, lattice: Lattice) -> tuple[str, np.ndarray]:
    """What energies are drawn against: the first parameter that is drawn, or the realization."""
    shape = spectrum["energy"].shape
    name = lattice.axes[0] if lattice.axes else "realization"
    return name, np.repeat(spectrum[name], shape[1])


def _thinned(count: int) -> np.ndarray:
    if count <= MOST_POINTS:
        return np.arange(count)
    return np.random.default_rng(0).choice(count, MOST_POINTS, replace=False)


def _energies(data: RunData, problem: Problem) -> Panel:
    """E against a parameter, colored by D, near the middle of the others; theory's edge and the learned one over it."""
    lattice, spectrum = lattice_of(problem), data.spectrum
    edges = _edge_functions(data, lattice)

    def draw(axes: Axes) -> None:
        name, x = _axis_values(spectrum, lattice)
        near = _near_the_middle(spectrum, lattice) if edges else np.ones(x.size, bool)
        chosen = np.flatnonzero(near)[_thinned(int(near.sum()))]
        colors = spectrum["dimension"].ravel()[chosen]
        drawn = axes.scatter(x[chosen], spectrum["energy"].ravel()[chosen], c=colors, s=3, vmin=0, vmax=1,
                             cmap="viridis", linewidths=0, rasterized=True)  # fmt: skip
        axes.figure.colorbar(drawn, ax=axes, label="D")
        for said, (function, color, line) in edges.items():
            _contour(axes, lattice, name, spectrum, function, color, line, said)
        if edges:
            legend(axes, fontsize=6)
        others = ", ".join(f"{other} ≈ {lattice.parameters[other].value:.3g}" for other in lattice.axes[1:])
        label(axes, others if edges else "", name, "E")

    return "Energies colored by the fractal dimension D", draw


def _edge_functions(data: RunData, lattice: Lattice) -> dict[str, tuple[SiteFunction, str, str]]:
    """Theory's edge and the learned formula, as functions that vanish on it."""
    if not lattice.axes:
        return {}
    found = {"theory": (SiteFunction(lattice.theory["edge"]), VERMILION, "--")} if "edge" in lattice.theory else {}
    formula = str(data.attributes.get("formula", ""))
    if formula:
        scope = Scope(coordinates=(ENERGY, *lattice.parameters), discrete=True)
        expr = parse_expression(formula.removeprefix("0 = "), scope, "formula")
        found["learned"] = SiteFunction(expr), INK, ":"
    return found


def _near_the_middle(spectrum: Spectrum, lattice: Lattice) -> np.ndarray:  # bool [realizations * states]
    """States whose parameters, all but the first, are in the middle fifth of their ranges."""
    near = np.ones(len(spectrum["realization"]), bool)
    for name in lattice.axes[1:]:
        one = lattice.parameters[name]
        near &= np.abs(spectrum[name] - one.value) <= 0.1 * (one.high - one.low)
    return np.repeat(near, spectrum["energy"].shape[1])


def _contour(
    axes: Axes,
    lattice: Lattice,
    name: str,
    spectrum: Spectrum,
    function: SiteFunction,
    color: str,
    line: str,
    said: str,
) -> None:
    one = lattice.parameters[name]
    x, y = np.meshgrid(np.linspace(one.low, one.high, 200),
                       np.linspace(spectrum["energy"].min(), spectrum["energy"].max(), 200))  # fmt: skip
    fixed = {key: value.value for key, value in lattice.parameters.items()}
    g = function({**fixed, name: x, ENERGY: y})
    if (g > 0).any() and (g < 0).any():
        axes.contour(x, y, g, levels=[0], colors=color, linestyles=line)
        axes.plot([], [], color=color, linestyle=line, label=said)


def _edges(axes: Axes, data: RunData) -> None:
    """φ(x) of every edge of the first layer, each over its own spread, against its input over its range."""
    stored = stored_network(data, "edge")
    if stored is None:
        raise ValueError("the archive has no network of an edge")
    network, described = stored
    names, u = described["inputs"], np.linspace(-1, 1, 101)
    box = [network.layers[0].features.lower.numpy(), network.layers[0].features.upper.numpy()]
    x = box[0] + (u[:, None] + 1) / 2 * (box[1] - box[0])
    parts = ("sum", "factor", "factor")
    values = network.edge_values(torch.from_numpy(x))
    for place, (key, value) in enumerate(sorted((k, v) for k, v in values.items() if k[0] == 0)):
        curve = value.detach().numpy() - value.detach().numpy().mean()
        said = f"{names[key[1]]} in the {parts[key[2]]}: {network.edges[key].name or 'spline'}"
        axes.plot(u, curve / (np.abs(curve).max() or 1.0), color=CYCLE[place % len(CYCLE)], label=said)
    legend(axes, fontsize=6)
    label(axes, str(data.attributes.get("formula", "")), "input over its range", "φ, scaled")


def _errors(axes: Axes, data: RunData, lattice: Lattice) -> None:
    spectrum = data.spectrum
    name, x = _axis_values(spectrum, lattice)
    held = spectrum["held_out"].ravel().astype(bool)
    energies, labels = spectrum["energy"].ravel(), spectrum["label"].ravel().astype(bool)
    wrong = held & (spectrum["learned"].ravel().astype(bool) != labels)
    for chosen, color, said in ((held & ~labels, BLUE, "extended"), (held & labels, CYCLE[4], "localized")):
        axes.scatter(x[chosen], energies[chosen], s=4, color=color, label=said, linewidths=0, rasterized=True)
    axes.scatter(x[wrong], energies[wrong], s=14, facecolors="none", edgecolors=VERMILION, label="misjudged")
    legend(axes, fontsize=7, loc="best")
    label(axes, str(data.attributes.get("formula", "")), name, "E")


def _exponents(axes: Axes, data: RunData, lattice: Lattice) -> None:
    spectrum = data.spectrum
    chosen = _thinned(spectrum["gamma"].size)
    gamma = spectrum["gamma"].ravel()[chosen]
    if "lyapunov" in lattice.theory:
        values = {name: spectrum[name][:, None] for name in lattice.parameters} | {ENERGY: spectrum["energy"]}
        known = SiteFunction(lattice.theory["lyapunov"])(values).ravel()[chosen]
        axes.plot(known, gamma, ".", markersize=2, color=BLUE, rasterized=True)
        axes.plot([0, known.max()], [0, known.max()], color=FAINT, linewidth=0.8)
        label(axes, "", "γ, theory", "γ, transfer matrices")
        return
    axes.plot(spectrum["energy"].ravel()[chosen], gamma, ".", markersize=2, color=BLUE, rasterized=True)
    label(axes, "", "E", "γ")


def _states(axes: Axes, spectrum: Spectrum) -> None:
    site, potential = spectrum["site"], spectrum["onsite"]
    axes.plot(site, potential, color=FAINT, linewidth=0.5)
    if "inverse_landscape" in spectrum:
        axes.plot(site, spectrum["inverse_landscape"], color=INK, linewidth=0.8)
    height = 0.2 * (np.ptp(spectrum["shown_energy"]) or 1.0)
    for place, (energy, state) in enumerate(zip(spectrum["shown_energy"], spectrum["shown_state"], strict=True)):
        axes.plot(site, energy + height * state / state.max(), color=CYCLE[place % len(CYCLE)], linewidth=0.8)
    label(axes, "", "n", "V, and |ψ| at its E")


def _decay(axes: Axes, spectrum: Spectrum) -> None:
    for place, (energy, state) in enumerate(zip(spectrum["shown_energy"], spectrum["shown_state"], strict=True)):
        values = np.maximum(state / state.max(), FLOOR)
        color, said = CYCLE[place % len(CYCLE)], f"E = {energy:.3g}"
        length = spectrum["shown_length"][place] if "shown_length" in spectrum else np.inf
        if np.isfinite(length) and length < len(state) / 4:
            distance = np.abs(spectrum["site"] - spectrum["site"][np.argmax(state)])
            axes.semilogy(spectrum["site"], np.maximum(np.exp(-distance / max(length, 1e-9)), FLOOR), "--", color=color,
                          linewidth=0.5)  # fmt: skip
            said += f", ξ = {length:.3g}"
        if "shown_bound" in spectrum:
            axes.semilogy(spectrum["site"], spectrum["shown_bound"][place], ":", color=color, linewidth=0.6)
        axes.semilogy(spectrum["site"], values, color=color, linewidth=0.7, label=said)
    legend(axes, fontsize=6)
    label(axes, "", "n", "|ψ|")


def _density(axes: Axes, spectrum: Spectrum) -> None:
    energies = spectrum["density_energy"]
    axes.plot(energies, spectrum["density"], color=BLUE)
    beside = axes.twinx()
    beside.plot(energies, spectrum["integrated"], color=VERMILION)
    beside.set_ylabel("N(E)")
    label(axes, "", "E", "ρ(E)")


def _ratios(axes: Axes, spectrum: Spectrum, lattice: Lattice) -> None:
    name = lattice.axes[0] if lattice.axes else "realization"
    order = np.argsort(spectrum[name])
    axes.plot(spectrum[name][order], spectrum["gap_ratio"][order], ".", color=BLUE, markersize=4, label="own size")
    for place, size in enumerate(spectrum.get("size", ())):
        axes.plot(spectrum[name][order], spectrum["size_gap_ratio"][order, place], ".", markersize=4,
                  color=CYCLE[(place + 1) % len(CYCLE)], label=f"size {size:g}")  # fmt: skip
    for value in LEVELS.values():
        axes.axhline(value, color=FAINT, linewidth=0.6, linestyle=":")
    legend(axes, fontsize=6)
    label(axes, "", name, "r̃")


def _sizes(axes: Axes, data: RunData) -> None:
    spectrum = data.spectrum
    low, middle, high = np.percentile(spectrum["size_ipr"], [5, 50, 95], axis=0)
    axes.errorbar(spectrum["size"], middle, [middle - low, high - middle], fmt="o-", color=BLUE, capsize=2)
    axes.set(xscale="log", yscale="log")
    slope = data.metrics.get("d2", float("nan"))
    label(axes, f"D₂ = {slope:.3f}" if np.isfinite(slope) else "", "linear size", "IPR, 5 to 95 %")


def _slopes(axes: Axes, spectrum: Spectrum, lattice: Lattice) -> None:
    x = np.log(spectrum["size"]) * lattice.dimension
    slopes = np.polyfit(x, -np.log(spectrum["size_ipr"].T), 1)[0]
    axes.plot(spectrum[lattice.axes[0]], slopes, ".", color=BLUE, markersize=4)
    label(axes, "", lattice.axes[0], "D₂")


def draw_lattice(figure: Figure, cells: list[SubplotSpec], data: RunData) -> None:
    """Every picture of a lattice run, one a cell."""
    for cell, (caption, draw) in zip(cells, lattice_panels(data), strict=True):
        axes = figure.add_subplot(cell)
        draw(axes)
        title = axes.get_title()
        axes.set_title(f"{caption}\n{title}" if title else caption, fontsize=9.5, color=INK, parse_math=False)
