"""What a run leaves behind: plain arrays, numbers and text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

SUFFIXES = ("_ref", "_error")

LARGEST_NODE = 1e300
"""In size; differences of larger ones overflow."""
EFFECTIVE, LANDSCAPE = "effective_potential", "landscape"
"""Names of 1/u and of u, the landscape of H u = 1, among the known functions of a run."""


@dataclass(frozen=True, eq=False)
class ModelData:
    """A trained network as data: enough to build it again, nothing that runs.

    Args:
        kind: The model's registered name, such as `kan`.
        config_json: Its settings, as JSON.
        parameters: Name -> values, float64, any shape.
        grids: Name -> values of what is not trained, such as knots, any shape.
    """

    kind: str
    config_json: str
    parameters: Mapping[str, np.ndarray]
    grids: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class RunData:
    """A run as data: what the archive holds and what the plots show.

    Args:
        attributes: title, created, status (done | interrupted | failed), stop_reason, seed, config_yaml, …: scalars.
        axes: Coordinate name -> increasing values, shape [n_i], in physical units. Their order is the axis order.
        fields: Per field `u` and, where known, `u_ref` and `u_error`, each of shape [n_1, …, n_d].
        history: Column name -> one value a recorded step, shape [n]; NaN where nothing was measured.
        metrics: Name -> number.
        model: The trained network.
        points: Loss block -> its collocation points, shape [n, d].
        coefficients: Name -> a known function on the same axes as the fields, shape [n_1, …, n_d].
        symbolic: Arrays of the networks that formulas were read from, any shape.
        symbolic_attributes: formula_<field>, formula_<field>_latex, errors, …: scalars.
        samples: What the files that the problem names hold, by `coefficients.V.values`, `data.x`, `reference.u`.
        spectrum: energy, energy_ref, overlap, …: one entry a state, shape [m]; of lattices, by realization and state.
        spectrum_axes: Of those of its arrays that stand on others as their axes, the names of these.

    Raises:
        ValueError: Shapes disagree, or a name cannot be stored.
    """

    attributes: Mapping[str, str | int | float]
    axes: Mapping[str, np.ndarray]
    fields: Mapping[str, np.ndarray]
    history: Mapping[str, np.ndarray]
    metrics: Mapping[str, float | int]
    model: ModelData
    points: Mapping[str, np.ndarray]
    coefficients: Mapping[str, np.ndarray] = field(default_factory=dict)
    spectrum: Mapping[str, np.ndarray] = field(default_factory=dict)
    symbolic: Mapping[str, np.ndarray] = field(default_factory=dict)
    symbolic_attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)
    spectrum_axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would not come back from the archive as it went in."""
        _check_names(self)
        for name, values in self.axes.items():
            _check_axis(name, np.asarray(values))
        shape = tuple(np.size(values) for values in self.axes.values())
        for name, values in [*self.fields.items(), *self.coefficients.items()]:
            _check_shape(f"field {name}", np.shape(values), shape)
        for name, axes in self.spectrum_axes.items():
            expected = tuple(np.size(self.spectrum[axis]) for axis in axes)
            _check_shape(f"spectrum {name}", np.shape(self.spectrum[name]), expected)
        length = np.shape(next(iter(self.history.values()), ()))
        for name, values in self.history.items():
            _check_shape(f"history column {name}", np.shape(values), length)

    @property
    def solved_fields(self) -> tuple[str, ...]:
        """Names of the fields solved for: those that are no other field's reference or error."""
        return tuple(name for name in self.fields if not _belongs(name, self.fields))


def _belongs(name: str, fields: Iterable[str]) -> bool:
    return any(name.endswith(suffix) and name.removesuffix(suffix) in fields for suffix in SUFFIXES)


def _check_shape(what: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise ValueError(f"{what} needs shape {list(expected)}, but has {list(shape)}")


def _check_axis(name: str, values: np.ndarray) -> None:
    if not (values.size and np.all(np.abs(values) < LARGEST_NODE) and np.all(values[1:] > values[:-1])):
        raise ValueError(f"axis {name} needs increasing numbers; others came")


def _check_names(data: RunData) -> None:
    """A slash would make a group of the name, and a dot is the group itself."""
    model = data.model
    groups: tuple[Iterable[str], ...] = (
        data.axes, data.fields, data.history, data.metrics, data.points,
        data.coefficients, data.spectrum, data.samples, data.symbolic,
    )  # fmt: skip
    texts = {**data.attributes, **data.symbolic_attributes, "kind": model.kind, "config_json": model.config_json}
    for name, value in texts.items():
        if isinstance(value, str) and "\0" in value:
            raise ValueError(f"the text {name} has a zero byte, which none in the archive can have")
    for names in (*groups, model.parameters, model.grids):
        for name in names:
            if not name or name == "." or "/" in name or "\0" in name:
                raise ValueError(f"{name!r} cannot be the name of an array in the archive")
