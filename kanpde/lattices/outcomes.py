"""A lattice problem from end to end: measured, its edge learned, summed up in figures; writes no files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kanpde.lattices.edges import MobilityEdge, learn_edge
from kanpde.lattices.level_spacings import GOE, POISSON
from kanpde.lattices.localization import correlation_dimension
from kanpde.lattices.measurements import Arrays, Measurements, Stopped, measure
from kanpde.models.networks import MODELS, Design, KANDesign
from kanpde.models.networks.edges import EdgeNetwork
from kanpde.problems.lattices import ENERGY, SiteFunction
from kanpde.problems.tasks.lattice import Lattice
from kanpde.results.archive import ModelData
from kanpde.results.verdicts import Verdict, Word
from kanpde.symbolic.readings import network_data

WITHIN = 0.005
"""Of the theory's accuracy, within which an edge counts as learned; without a theory, the formula's takes its place."""
PRECISE = 1e-8


@dataclass(frozen=True, eq=False)
class LatticeOutcome:
    """What came out: arrays and their axes, figures, the formula, the trained classifier, how it ended."""

    arrays: Arrays
    axes: Mapping[str, tuple[str, ...]]
    metrics: dict[str, float]
    texts: dict[str, str]
    model: ModelData
    symbolic: Arrays
    symbolic_attributes: dict[str, str | int]
    verdict: Verdict
    status: str
    sentence: str


def study_lattice(
    lattice: Lattice, source: Mapping[str, Any], design: Design, seed: int, on_chunk: Callable[[int, Arrays], None]
) -> LatticeOutcome:
    """Measure, learn the edge where one is asked for, and sum up.

    Args:
        lattice, source: The task and the plain data of its problem.
        design: Of the classifier.
        seed: Of draws, splits and starts.
        on_chunk: Called as realizations are done.
    """
    try:
        measured, status = measure(lattice, source, seed, on_chunk), "done"
        sentence = f"All {measured.realizations} realizations were measured."
    except Stopped as stopped:
        measured, status = stopped.measured, "interrupted"
        total = lattice.measures.realizations
        sentence = (
            f"The run was interrupted; {measured.realizations} of {total} realizations are kept, and are not measured "
            "again when it is started again."
        )
    edge = learn_edge(lattice, measured, design, seed) if lattice.edge is not None and status == "done" else None
    arrays, axes = dict(measured.arrays), dict(measured.axes)
    metrics = {"realizations": measured.realizations, "sites": lattice.count, **figures(lattice, measured)}
    if edge is not None:
        shape = arrays["energy"].shape
        parts = {"label": edge.samples.labels, "learned": edge.learned(), "held_out": edge.samples.held_out}
        arrays |= {name: part.reshape(shape).astype(np.int8) for name, part in parts.items()}
        axes |= dict.fromkeys(parts, ("realization", "state"))
        metrics |= _edge_metrics(edge)
    texts = _texts(edge) if edge is not None else {}
    return LatticeOutcome(
        arrays, axes, metrics, texts, _model(design, edge), *_symbolic(edge), _verdict(metrics, edge), status, sentence
    )


def figures(lattice: Lattice, measured: Measurements) -> dict[str, float]:
    """What sums the measurements up: medians, and theory's agreement."""
    arrays, found = measured.arrays, {}
    if arrays["energy"].size:
        ratios = arrays["gap_ratio"][np.isfinite(arrays["gap_ratio"])]
        if ratios.size:
            found["gap_ratio"] = float(ratios.mean())
            found["gap_ratio_error"] = float(ratios.std() / max(len(ratios) - 1, 1) ** 0.5)
        found["dimension_median"] = float(np.median(arrays["dimension"]))
        found["localized_share"] = float(np.mean(arrays["dimension"] < 0.5))
        low, middle, high = np.percentile(arrays["ipr"], [5, 50, 95])
        found |= {"ipr_low": float(low), "ipr_median": float(middle), "ipr_high": float(high)}
    if "gamma" in arrays:
        found["gamma_median"] = float(np.median(arrays["gamma"]))
        found["gamma_error_median"] = float(np.median(arrays["gamma_error"]))
    if "gamma" in arrays and "lyapunov" in lattice.theory:
        found["gamma_off_theory"] = float(np.median(np.abs(arrays["gamma"] - theory_values(lattice, arrays))))
    if "size_ipr" in arrays and len(lattice.measures.sizes) > 1:
        sizes = [size**lattice.dimension for size in lattice.measures.sizes]
        found["d2"], found["d2_error"] = correlation_dimension(sizes, list(arrays["size_ipr"].T))
    return found | _residual(arrays)


def theory_values(lattice: Lattice, arrays: Mapping[str, np.ndarray], name: str = "lyapunov") -> np.ndarray:
    """A theory's expression at every state, shape [realization, state]."""
    values = {parameter: arrays[parameter][:, None] for parameter in lattice.parameters}
    return SiteFunction(lattice.theory[name])({**values, ENERGY: arrays["energy"]})


def _residual(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {"residual_rms": float(arrays["shown_residual"].max())} if "shown_residual" in arrays else {}


def _edge_metrics(edge: MobilityEdge) -> dict[str, float]:
    found = {f"accuracy_{name}": value for name, value in edge.accuracies.items()}
    found["localized_labels"] = float(edge.samples.labels.mean())
    found["n_parameters"] = edge.network.parameter_count()
    return found


def _texts(edge: MobilityEdge) -> dict[str, str]:
    source = "the network" if edge.read else "a list of terms"
    return {"formula": edge.formula.text(), "formula_errors": _errors_text(edge), "formula_from": source}


def _errors_text(edge: MobilityEdge) -> str:
    formula = edge.formula
    rows = zip(formula.terms, formula.coefficients, formula.errors, strict=True)
    return ", ".join(f"{term}: {value:.4f} ± {error:.1g}" for term, value, error in rows)


def _model(design: Design, edge: MobilityEdge | None) -> ModelData:
    if edge is None:
        return ModelData("none", "{}", {}, {})
    network, about = edge.network, {"names": list(edge.samples.names), "head": "sigmoid", "design": asdict(design)}
    if isinstance(network, EdgeNetwork):
        described, arrays = network_data(network, "edge")
        grids = {name: values for name, values in arrays.items() if not name.startswith("edge.edge")}
        parameters = {name: values for name, values in arrays.items() if name not in grids}
        return ModelData(KANDesign.kind, json.dumps({**about, **described}), parameters, grids)
    arrays = {name: value.detach().cpu().double().numpy() for name, value in network.state_dict().items()}
    return ModelData(next(kind for kind, cls in MODELS.items() if isinstance(design, cls)), json.dumps(about), arrays,
                     {})  # fmt: skip


def _symbolic(edge: MobilityEdge | None) -> tuple[Arrays, dict[str, str | int]]:
    """The named network as `/symbolic` has those of fields."""
    if edge is None or edge.named is None:
        return {}, {}
    described, arrays = network_data(edge.named, "edge")
    described |= {"inputs": list(edge.samples.names), "shift": 0.0, "scale": 1.0, "outer": "f"}
    sentence = f"{edge.formula.text()}, right for {edge.formula.accuracy:.2%} of held-out states"
    return arrays, {"network_edge_json": json.dumps(described), "sentence_edge": sentence, "found_edge": 0}


def _verdict(metrics: Mapping[str, float], edge: MobilityEdge | None) -> Verdict:
    residual = metrics.get("residual_rms", 0.0)
    if not residual < PRECISE:
        return Verdict(Word.UNSOLVED, residual, 1.0, f"The states leave H ψ - E ψ of {residual:.1e}.")
    if edge is None:
        ratio = metrics.get("gap_ratio", float("nan"))
        said = f"; r̃ is {ratio:.3f} (localized {POISSON:.3f}, extended {GOE:.3f})" if np.isfinite(ratio) else ""
        return Verdict(Word.SOLVED, residual, 1.0, f"The states leave H ψ - E ψ of {residual:.1e}{said}.")
    learned, formula = edge.accuracies["learned"], edge.accuracies["formula"]
    known = edge.accuracies.get("theory", formula)
    word = Word.SOLVED if learned >= known - WITHIN else Word.UNSURE if learned >= known - 0.05 else Word.UNSOLVED
    return Verdict(
        word, 1 - learned, 1.0,
        f"On held-out realizations the learned edge is right for {learned:.2%}, its formula {edge.formula.text()} for "
        f"{formula:.2%}" + (f", theory for {known:.2%}." if "theory" in edge.accuracies else "."),
    )  # fmt: skip
