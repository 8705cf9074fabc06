"""Runs of a stranger's making, drawn and reported: an answer or a sentence, no warning and no fault of Matplotlib."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import kanpde
from kanpde.errors import InputError
from kanpde.reports.plots import png_bytes, solution_figure
from kanpde.reports.run_report import run_report
from kanpde.results.archive import RunData, read_archive, write_archive

BAD = "$\\bad$"


@pytest.fixture(scope="module")
def runs() -> list[RunData]:
    """One on a line and one on a square."""
    few = {"stages": 1, "starts": 1, "steps": 3}
    names = ("poisson_1d", "poisson_2d")
    return [kanpde.solve(name, model={"width": [3]}, training=few, output={"resolution": 5}).data for name in names]


@pytest.fixture
def data(runs) -> RunData:
    return runs[0]


def columns(data, **history) -> RunData:
    """Other columns of the history, of three steps."""
    return replace(data, history={name: np.array(values, dtype=float) for name, values in history.items()})


def on_nodes(data, nodes) -> RunData:
    """The same fields on other axes."""
    axes = {name: np.asarray(nodes, dtype=float) for name in data.axes}
    shape = tuple(values.size for values in axes.values())
    return replace(data, axes=axes, fields={name: np.zeros(shape) for name in data.fields}, coefficients={})


def named(data, name) -> RunData:
    """Every name and text that a figure shows is this one."""
    fields = {f"{name}{suffix}": values for suffix, values in zip(("", "_ref", "_error"), data.fields.values())}  # noqa: B905
    history = {**data.history, f"loss_{name}": data.history["loss"], f"loss_{name}2": data.history["loss"]}
    attributes = {**data.attributes, "title": name, "stop_reason": name, "reference": name}
    axes = {f"{name}{place}": values for place, values in enumerate(data.axes.values())}
    return replace(data, fields=fields, history=history, attributes=attributes, axes=axes, coefficients={},
                   metrics={**data.metrics, name: 1.0})  # fmt: skip


HISTORIES = {
    "held-out energies alone": lambda data: columns(data, heldout_energy=[1, 2, 3]),
    "energies of NaN": lambda data: columns(data, heldout_energy=[np.nan] * 3, loss=[np.nan] * 3),
    "energies without end": lambda data: columns(data, heldout_energy=[np.inf, -np.inf, 1e308], loss=[-1e308] * 3),
    "no loss": lambda data: columns(data, rel_l2=[1, 2, 3]),
    "losses without end": lambda data: columns(data, loss=[np.inf, 1e308, 5e-324], rel_l2=[0, -1, np.nan]),
    "steps of NaN": lambda data: columns(data, step=[np.nan] * 3, loss=[1, 2, 3]),
    "steps without end": lambda data: columns(data, step=[0, 1, np.inf], loss=[1, 2, 3]),
    "steps of one number": lambda data: columns(data, step=[1, 1, 1], loss=[1, 2, 3], grid=[1, 2, 1]),
    "huge steps": lambda data: columns(data, step=[-1e308, 0, 1e308], loss=[1, 2, 3]),
    "times backwards": lambda data: columns(data, loss=[1, 2, 3], time_s=[1e308, -1e308, 0], grid=[1, np.nan, 3]),
}  # fmt: skip
GRIDS = {
    "one node": lambda data: on_nodes(data, [0.0]),
    "nodes close together": lambda data: on_nodes(data, [0.0, 5e-324]),
    "nodes far apart": lambda data: on_nodes(data, [-1e299, 1e299]),
    "formulas for names": lambda data: named(data, BAD),
    "an open formula for names": lambda data: named(data, "$x^{"),
    "a hidden name": lambda data: named(data, "_"),
}  # fmt: skip


def drawn_and_reported(odd) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert png_bytes(solution_figure(odd)).startswith(b"\x89PNG")
        assert "<html" in run_report(odd)


@pytest.mark.parametrize("name", HISTORIES)
def test_odd_histories_are_drawn_and_reported(data, name):
    drawn_and_reported(HISTORIES[name](data))


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("name", GRIDS)
def test_odd_grids_and_names_are_drawn_and_reported(runs, name, dimension):
    drawn_and_reported(GRIDS[name](runs[dimension - 1]))


NO_AXES = [[], [np.nan], [0.0, np.nan], [-1e308, 1e308], [0.0, np.inf], [1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("nodes", NO_AXES, ids=str)
def test_axes_that_are_none_are_refused(data, nodes):
    with pytest.raises(ValueError, match="increasing numbers"):
        on_nodes(data, nodes)


def test_an_axis_of_nan_in_an_archive_is_refused(data, tmp_path):
    import h5py  # noqa: PLC0415

    write_archive(tmp_path / "r.h5", data)
    with h5py.File(tmp_path / "r.h5", "r+") as root:
        root["solution"][next(iter(data.axes))][0] = np.nan
    with pytest.raises(InputError, match="increasing numbers"):
        read_archive(tmp_path / "r.h5")
