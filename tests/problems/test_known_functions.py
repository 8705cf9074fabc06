"""Coefficients given by formulas and tables."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from scipy.interpolate import make_interp_spline

from kanpde import solve
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.known_functions import table_of
from kanpde.problems.language import compile_expression, coordinate_symbols, derivative, latex_of, text_of

CELLS = {"cells": [50], "low": 0, "high": 4, "seed": 0}


def stated(value: object, equation: str = "-u_xx + V*u = 1", end: float = 10) -> dict:
    return {
        "coordinates": {"x": [0, end]},
        "fields": ["u"],
        "coefficients": {"V": value},
        "equations": {"state": equation},
        "boundary": {"x-": "u = 0", "x+": "u = 0"},
    }


def values_of(problem, points, order: int = 0):
    (x,) = coordinate_symbols(("x",))
    expr = derivative(problem.coefficients["V"], x, order)
    return compile_expression(expr, ("x",))(torch.as_tensor(points)[:, None]).numpy()


def test_random_cells_are_those_of_numpy():
    problem = load_problem(stated({"random_cells": CELLS}))
    centers = (np.arange(50) + 0.5) * 0.2
    assert (values_of(problem, centers) == np.random.default_rng(0).uniform(0, 4, 50)).all()
    assert np.allclose(problem.walls(0), np.arange(1, 50) * 0.2)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_smoothed_cells_know_their_derivatives(order):
    problem = load_problem(stated({"random_cells": {**CELLS, "smooth": 0.25}}))
    x, step = np.linspace(0.5, 9.5, 37), 1e-4
    difference = (values_of(problem, x + step, order - 1) - values_of(problem, x - step, order - 1)) / (2 * step)
    slopes = values_of(problem, x, order)
    assert np.abs(slopes - difference).max() < 1e-5 * np.abs(slopes).max()
    assert problem.walls(0) == ()


@pytest.mark.parametrize(("kind", "order"), [("linear", 2), ("cubic", 4)])
def test_tables_converge_at_the_order_of_interpolation(tmp_path, kind, order):
    errors = []
    for count in (161, 321):
        path = tmp_path / f"{count}.npy"
        np.save(path, np.sin(np.linspace(0, 10, count)))
        problem = load_problem(stated({"file": str(path), "interpolation": kind}))
        x = np.linspace(0, 10, 999)
        errors.append(np.abs(values_of(problem, x) - np.sin(x)).max())
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.4


def test_a_table_in_two_coordinates_has_its_axes_in_order(tmp_path):
    x, y = np.linspace(0, 1, 12), np.linspace(0, 2, 12)
    np.savetxt(tmp_path / "v.csv", x[:, None] ** 3 * y[None] ** 2, delimiter=",")
    data = stated({"file": str(tmp_path / "v.csv")}, "-lap(u) + V*u = 1")
    data |= {"coordinates": {"x": [0, 1], "y": [0, 2]}, "boundary": {"*": "u = 0"}}
    value = load_problem(data).coefficients["V"]
    at = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    slope = derivative(value, coordinate_symbols(("x", "y"))[0])
    assert torch.allclose(compile_expression(value, ("x", "y"))(at), at[:, 0] ** 3 * at[:, 1] ** 2, atol=1e-12)
    assert torch.allclose(compile_expression(slope, ("x", "y"))(at), 3 * at[:, 0] ** 2 * at[:, 1] ** 2, atol=1e-10)


def test_equal_data_give_equal_problems_and_print_by_name():
    problem = load_problem(stated({"random_cells": {**CELLS, "smooth": 0.2}}, "-D(V*u_x, x) = 1"), name="p")
    again = load_problem(stated({"random_cells": {**CELLS, "smooth": 0.2}}, "-D(V*u_x, x) = 1"), name="p")
    assert again == problem
    other = load_problem(stated({"random_cells": {**CELLS, "smooth": 0.2, "seed": 1}}, "-D(V*u_x, x) = 1"), name="p")
    assert other != problem
    assert "D(V, x, 1)" in text_of(problem.equations["state"])
    assert "V_{x}" in latex_of(problem.equations["state"])


def test_formulas_are_put_in():
    assert load_problem(stated("1 + x**2"), name="p").equations == load_problem(
        stated("0", "-u_xx + (1 + x**2)*u = 1"), name="p").equations  # fmt: skip


def test_a_jump_cannot_be_differentiated():
    with pytest.raises(InputError, match="derivative of V, which jumps"):
        load_problem(stated({"random_cells": CELLS}, "-D(V*u_x, x) = 1"))


@pytest.mark.parametrize(
    "value",
    [
        {"random_cells": {**CELLS, "cells": [50, 50]}}, {"random_cells": {**CELLS, "cells": [0]}},
        {"random_cells": {**CELLS, "seed": -1}}, {"random_cells": {**CELLS, "size": 1}}, {"file": "missing.npy"},
        {"file": "v.txt"}, {"random_cells": {**CELLS, "low": 9}}, {"random_cells": {**CELLS, "smooth": 1e-320}}, [1],
        True,
    ],
)  # fmt: skip
def test_wrong_coefficients_are_refused(value):
    with pytest.raises(InputError, match="problem: coefficients.V"):
        load_problem(stated(value))


@pytest.mark.parametrize(
    "array", [np.array([1.0, np.nan, 1, 1, 1]), np.ones((5, 5)), np.ones(2), np.array([None] * 5), np.ones(5) * 1j]
)
def test_bad_arrays_are_refused(tmp_path, array):
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match="coefficients.V.file"):
        load_problem(stated({"file": str(tmp_path / "v.npy")}))


def test_files_are_found_beside_the_problem_and_known_by_their_content(tmp_path):
    np.save(tmp_path / "v.npy", np.linspace(0, 1, 9))
    path = tmp_path / "p.yaml"
    path.write_text(
        "coordinates: {x: [0, 10]}\nfields: [u]\ncoefficients: {V: {file: v.npy}}\n"
        "equations: {state: -u_xx + V*u = 1}\nboundary: {'*': u = 0}\n"
    )
    problem = load_problem(path)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "p.yaml").write_text(problem.yaml())
    with pytest.raises(InputError, match="coefficients.V.file .* is not there"):
        load_problem(tmp_path / "again" / "p.yaml")
    np.save(tmp_path / "again" / "v.npy", np.linspace(0, 1, 9))
    assert load_problem(tmp_path / "again" / "p.yaml") == problem
    assert load_problem(problem.source, name="p", samples=problem.samples) == problem
    np.save(tmp_path / "again" / "v.npy", np.linspace(0, 1, 10))
    with pytest.raises(InputError, match="coefficients.V.file needs the samples of sha256"):
        load_problem(tmp_path / "again" / "p.yaml")
    assert np.allclose(values_of(problem, np.array([2.5])), 0.25)


def test_a_jump_in_an_equation_draws_a_warning():
    assert any("V jumps or kinks" in text for text in load_problem(stated({"random_cells": CELLS})).warnings)
    smooth = load_problem(stated({"random_cells": {**CELLS, "smooth": 0.2}}))
    assert not any("jumps" in text for text in smooth.warnings)


def test_a_problem_with_a_table_is_solved_for_a_few_steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smooth = stated({"random_cells": {**CELLS, "smooth": 0.25}})
    run = solve(smooth, training={"stages": 1, "starts": 1, "steps": 5})
    assert run.metrics and all(np.isfinite(v) for v in run.metrics.values() if isinstance(v, float))


def stored(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name.replace("__", "/")] = values
    return str(path)


@pytest.mark.parametrize("name", ["/fields/v", "fields/v", "v"])
def test_samples_from_a_dataset(tmp_path, name):
    x = np.linspace(0, 10, 41)
    path = stored(tmp_path / "v.h5", fields__v=np.sin(x), v=np.sin(x).astype(">f4"))
    problem = load_problem(stated({"file": path, "dataset": name}))
    inside = np.linspace(0, 10, 7)
    assert np.abs(values_of(problem, inside) - np.sin(inside)).max() < 1e-4
    assert np.abs(values_of(problem, inside) - 1.01 * np.sin(inside)).max() > 1e-3


def test_datasets_that_lead_out_of_the_file_or_are_too_large_are_refused(tmp_path):
    other = stored(tmp_path / "other.h5", v=np.ones(9))
    path = stored(tmp_path / "v.h5", v=np.ones(9), group__v=np.ones(9))
    with h5py.File(path, "a") as file:
        file["soft"] = h5py.SoftLink("/v")
        file["outside"] = h5py.ExternalLink(other, "/v")
        file["gone"] = h5py.ExternalLink("missing.h5", "/")
        file.create_dataset("huge", (10**12,), chunks=(1000,), dtype=float)
        file.create_dataset("large", (3_000_000,), chunks=(1000,), dtype=float)
        layout = h5py.VirtualLayout((9,), dtype=float)
        layout[:] = h5py.VirtualSource(other, "v", (9,))
        file.create_virtual_dataset("virtual", layout)
        file["text"] = ["a"] * 9
        file["nan"] = np.full(9, np.nan)
    links, places = ("soft", "outside", "gone", "gone/v"), ("group", "missing", "v/v", "/")
    for name in (*links, *places, "huge", "large", "virtual", "text", "nan"):
        with pytest.raises(InputError, match="coefficients.V.file"):
            load_problem(stated({"file": path, "dataset": name}))


@pytest.mark.parametrize("options", [{}, {"dataset": 3}, {"dataset": "v", "other": 1}])
def test_a_file_of_datasets_needs_the_name_of_one(tmp_path, options):
    path = stored(tmp_path / "v.h5", v=np.ones(9))
    with pytest.raises(InputError, match="coefficients.V"):
        load_problem(stated({"file": path, **options}))


def test_what_is_no_file_of_datasets_is_refused(tmp_path):
    (tmp_path / "v.h5").write_bytes(b"no HDF5")
    np.save(tmp_path / "v.npy", np.ones(9))
    for name in ("v.h5", "v.npy"):
        with pytest.raises(InputError, match="coefficients.V"):
            load_problem(stated({"file": str(tmp_path / name), "dataset": "v"}))


def test_formats_are_told_by_content(tmp_path):
    x = np.linspace(0, 1, 9)
    with open(tmp_path / "v.csv", "wb") as file:
        np.save(file, x)
    (tmp_path / "v.txt").write_text("\n".join(map(repr, x.tolist())))
    stored(tmp_path / "v.npy", v=x)
    entries = [{"file": "v.csv"}, {"file": "v.txt"}, {"file": "v.npy", "dataset": "v"}]
    problems = [load_problem(stated({**entry, "file": str(tmp_path / entry["file"])})) for entry in entries]
    assert len({problem.source["coefficients"]["V"]["sha256"] for problem in problems}) == 1


@pytest.mark.parametrize(("kind", "order"), [("linear", 0), ("linear", 1), ("cubic", 0), ("cubic", 2), ("cubic", 3)])
def test_local_evaluation_agrees_with_the_whole_basis(tmp_path, kind, order):
    """Two routes: only the splines that do not vanish, against the spline built in one piece; beyond the ends too."""
    samples, x = np.random.default_rng(0).random(30), np.linspace(-0.5, 10.5, 201)
    np.save(tmp_path / "v.npy", samples)
    problem = load_problem(stated({"file": str(tmp_path / "v.npy"), "interpolation": kind}))
    whole = make_interp_spline(np.linspace(0, 10, 30), samples, {"linear": 1, "cubic": 3}[kind])
    found = table_of(problem.coefficients["V"])((order,), torch.from_numpy(x)).numpy()
    assert np.abs(found - whole(x, nu=order)).max() < 1e-9 * np.abs(whole(x, nu=order)).max()


def test_long_tables_take_no_square_of_their_length(tmp_path):
    count = 1_000_000  # 8 TB as a matrix
    np.save(tmp_path / "v.npy", np.sin(np.linspace(0, 10, count)))
    problem = load_problem(stated({"file": str(tmp_path / "v.npy")}))
    assert np.abs(values_of(problem, np.array([1.0, 7.3])) - np.sin([1.0, 7.3])).max() < 1e-12
