"""kanpde in a Python program or a notebook."""

import copy
import dataclasses
import importlib
import io
import sys
import types

import numpy as np
import pytest
import torch
import xarray

import kanpde
from kanpde.errors import InputError
from kanpde.results.archive import write_archive
from kanpde.runs import live
from kanpde.solving.training.events import Finished, Started, Step

QUICK = {"model": {"width": [3]}, "training": {"stages": 1, "starts": 1, "steps": 2}}
HOLED = {
    "coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["u"], "equations": "lap(u) = -a", "boundary": {"*": "u = 0"},
    "parameters": {"a": {"range": [1, 2]}}, "shapes": {"hole": "disk(0.5, 0.5, 0.2)"}, "domain": "box - hole",
}  # fmt: skip


@pytest.fixture(scope="module")
def run():
    return kanpde.solve("diffusion_1d", **QUICK)


@pytest.fixture(scope="module")
def holed():
    return kanpde.solve(HOLED, reference=False, **QUICK).solution


def test_runs_and_problems_say_in_a_few_lines_what_they_are(run):
    assert "done" in repr(run) and run.verdict.word.value in repr(run) and repr(run).count("\n") <= 4
    assert "u_t - 0.1*u_xx = 0" in repr(run.problem) and len(repr(run.problem)) < 200
    assert "data:image/png;base64" in run._repr_html_() and "$$u_{t}" in run.problem._repr_html_()


def test_titles_are_no_markup():
    problem = kanpde.load_problem({**HOLED, "title": "<script>"})
    assert "<script>" not in problem._repr_html_()


def test_plot_gives_a_figure(run):
    buffer = io.BytesIO()
    run.plot().savefig(buffer, format="pdf")
    assert buffer.getvalue().startswith(b"%PDF")


def test_coordinates_by_name_broadcast(run):
    x, t = np.linspace(-1, 1, 4), np.linspace(0, 1, 3)
    table = np.stack([part.ravel() for part in np.meshgrid(x, t, indexing="ij")], axis=1)
    assert np.array_equal(run.solution(x=x[:, None], t=t), run.solution(table).reshape(4, 3))
    assert run.solution(x=0.5, t=0.1).shape == ()
    slopes = run.solution.derivative("u_x", [[place, 0.5] for place in x])
    assert np.array_equal(run.solution.derivative("u_x", x=x, t=0.5), slopes)


def test_labelled_arrays_come_back_labelled(run):
    x = xarray.DataArray([0.0, 0.5], dims="x", coords={"x": [0.0, 0.5]})
    found = run.solution(x=x, t=[0.0, 0.1, 0.2])
    assert found.dims == ("x", "t") and found.name == "u" and found.sel(x=0.5, t=0.1) == run.solution(x=0.5, t=0.1)
    assert run.solution.derivative("u_x", x=x, t=0.1).dims == ("x",)


def test_an_archive_that_does_not_name_its_problem_says_so(run, tmp_path):
    known = {name: value for name, value in run.data.attributes.items() if name != "problem"}
    write_archive(tmp_path / "r.h5", dataclasses.replace(run.data, attributes=known))
    again = kanpde.open_run(tmp_path / "r.h5")
    assert again.problem.name == "unnamed" and "does not say what its problem is called" in again.warnings[0]
    run.save(tmp_path / "r.h5")
    assert not kanpde.open_run(tmp_path / "r.h5").warnings


UNFIT = [{"x": 0.5}, {"x": 0.5, "t": 0, "z": 1}, {"x": [1, 2], "t": [1, 2, 3]}, {"x": "a", "t": 0}]


@pytest.mark.parametrize("given", UNFIT)
def test_coordinates_that_do_not_fit_are_told(run, given):
    with pytest.raises(InputError, match="by name"):
        run.solution(**given)


def test_several_fields_by_name_come_by_name():
    found = kanpde.solve("reaction_diffusion", reference=False, **QUICK).solution
    values = found(**dict.fromkeys(found.problem.coordinates, 0.5))
    assert list(values) == list(found.problem.fields)


def test_derivatives_know_parameters_and_coefficients(run):
    points = [[0.3, 0.2], [-0.5, 0.9]]
    assert np.allclose(run.solution.derivative("kappa*u_xx", points), 0.1 * run.solution.derivative("u_xx", points))
    own = kanpde.load_problem({**HOLED, "coefficients": {"V": "1 + x"}, "equations": "lap(u) = -a*V"})
    solution = kanpde.solve(own, reference=False, **QUICK).solution
    assert np.isclose(solution.derivative("V*u", [[0.1, 0.1, 1.5]])[0], 1.1 * solution([[0.1, 0.1, 1.5]])[0, 0])


@pytest.mark.parametrize("point", [[0.5, 0.5, 1.5], [1.2, 0.5, 1.5], [0.1, 0.1, 2.5], [np.nan, 0.1, 1.5]])
def test_outside_the_domain_there_is_no_solution(holed, point):
    inside = [0.1, 0.1, 1.5]
    with pytest.warns(UserWarning, match="1 of 2 points lie outside") as told:
        found = holed([point, inside])
    assert len(told) == 1 and np.isnan(found[0]).all() and np.isfinite(found[1]).all()
    with pytest.warns(UserWarning, match="extrapolate=True"):
        assert np.isnan(holed.derivative("u_x", [point])).all()
    assert np.array_equal(holed([point], extrapolate=True), holed.values([point]), equal_nan=True)


def test_the_rim_belongs_to_the_domain(holed):
    angle = np.linspace(0, 2 * np.pi, 50)
    rim = np.stack([0.5 + 0.2 * np.cos(angle), 0.5 + 0.2 * np.sin(angle), 0 * angle + 1.0], axis=1)
    assert np.isfinite(holed(rim)).all()
    assert np.isfinite(holed([[0, 0, 1], [1, 1, 2], [1 + 1e-12, 0.5, 2]])).all()


def test_a_listener_is_told_of_everything():
    events = []
    kanpde.solve("poisson_1d", on_event=events.append, **QUICK)
    kinds = [type(event) for event in events]
    assert Started in kinds and kinds.count(Step) == 2 and kinds[-1] is Finished


def test_progress_is_one_line_that_changes(capsys):
    kanpde.solve("poisson_1d", progress=True, **QUICK)
    told = capsys.readouterr().out
    assert told.count("\n") == 1 and "\r" in told and "All stages were completed" in told
    kanpde.solve("poisson_1d", **QUICK)
    assert not capsys.readouterr().out


def test_notebooks_show_progress_by_themselves(monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert live.live_line(None) is not None and live.live_line(False) is None
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert live.live_line(None) is None


def test_the_calling_program_stays_as_it_is(monkeypatch, tmp_path):
    allocation = importlib.import_module("kanpde.solving.training.allocation")
    monkeypatch.setattr(allocation, "keep_freed_memory", lambda: pytest.fail("the allocator was changed"))
    module = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).float()
    before, threads = copy.deepcopy(module.state_dict()), torch.get_num_threads()
    kanpde.solve("poisson_1d", model=module, training=QUICK["training"], threads=threads + 1).save(tmp_path / "r.h5")
    opened = kanpde.open_run(tmp_path / "r.h5", network=module)
    assert torch.get_num_threads() == threads
    assert all(value.dtype == torch.float32 and torch.equal(value, before[name])
               for name, value in module.state_dict().items())  # fmt: skip
    assert np.isfinite(opened.solution([[0.5]])).all()


def test_entries_of_the_problem_can_be_changed_by_keyword():
    run = kanpde.solve("diffusion_1d", **QUICK, **{"problem.title": "Mine", "problem.parameters.kappa": 0.2})
    assert run.data.attributes["title"] == "Mine" and run.problem.parameters == {"kappa": 0.2}
    with pytest.raises(InputError, match='Did you mean "kappa"'):
        kanpde.solve("diffusion_1d", **QUICK, **{"problem.parameters.kapa": 0.2})
