"""Formulas of runs: put into the problem, kept in the archive, and named by hand."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import sympy
import torch

import kanpde
from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.models.networks.edges import edge_network, random_splines
from kanpde.reports.run_report import run_report
from kanpde.symbolic.discovery import Search, discover
from kanpde.symbolic.fitting import fit
from kanpde.symbolic.formulas import Formula, same, symbols_of
from kanpde.symbolic.manual import Workbench
from kanpde.symbolic.readings import stored_network
from kanpde.symbolic.samples import drawn
from kanpde.symbolic.verification import offered, verified

X, Y = symbols_of(["x", "y"])


def formula(expr):
    return {"u": Formula(expr, (X, Y))}


def test_a_formula_is_put_into_the_equation_and_its_conditions():
    problem = kanpde.load_problem("poisson_2d")
    right = formula(sympy.sin(sympy.pi * X) * sympy.sin(sympy.pi * Y))
    found = verified(problem, right)
    assert found.symbolic and found.holds and "symbolically zero" in found.sentence and offered(problem, right)
    near = verified(problem, formula(sympy.sin(3.14159 * X) * sympy.sin(sympy.pi * Y)))
    assert not near.holds and 1e-7 < max(r.largest for r in near.residuals) < 1e-4
    wrong = verified(problem, formula(X * Y))
    assert not wrong.holds and "does not satisfy" in wrong.sentence and not offered(problem, formula(X * Y))


def stated(**own):
    return kanpde.load_problem({"title": "t", "coordinates": {"x": [0, 1]}, "fields": ["u"], **own})


def test_the_formula_of_an_energy_makes_it_stationary_and_meets_natural_conditions():
    problem = stated(energy="u_x**2/2 - u", boundary={"x-": "u = 0"})
    found = verified(problem, {"u": Formula(X - X**2 / 2, (X,))})
    assert found.symbolic and "stationary" in found.sentence
    assert [r.name for r in found.residuals] == ["u: stationary", "x+, natural", "x-"]
    pinned = verified(problem, {"u": Formula(X / 2 - X**2 / 2, (X,))})  # the formula of u = 0 at both ends
    assert not pinned.holds and "x+, natural" in pinned.sentence
    bent = stated(energy="u_xx**2/2 - u", boundary={"x-": "u = 0"})
    assert verified(bent, {"u": Formula(X, (X,))}) is None  # of second derivatives at a free end nothing is said


def test_the_formulas_of_states_are_put_into_their_quotient():
    problem = stated(eigen={"energy": "u_x**2/2", "states": 2}, boundary={"*": "u = 0"})
    states = {f"u_{k}": Formula(sympy.sqrt(2) * sympy.sin(k * sympy.pi * X), (X,)) for k in (1, 2)}
    found = verified(problem, states)
    assert found.symbolic and [str(r) for r in found.residuals[:2]] == [
        "u_1: stationary at pi**2/2: 0, symbolically", "u_2: stationary at 2*pi**2: 0, symbolically"
    ]  # fmt: skip
    wrong = verified(problem, {**states, "u_2": Formula(X * (1 - X), (X,))})
    assert not wrong.holds and "u_2" in wrong.sentence


SWING = {
    "title": "a swing", "coordinates": {"x": [0, 2]}, "fields": ["u"], "equations": {"swing": "u_xx = -4*u"},
    "boundary": {"x-": "u = 1", "x+": "u = cos(4)"},
}  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    torch.set_default_dtype(torch.float64)
    path = tmp_path_factory.mktemp("run") / "result.h5"
    settings = {"width": [2], "grid": 8, "degree": 7}
    run = kanpde.solve(SWING, model=settings, training={"stages": 2, "steps": 30}, seed=0)
    run.save(path)
    return path


def test_a_run_gives_its_formula_and_keeps_it(archive, capsys):
    assert main(["symbolic", str(archive)]) == 0
    printed = capsys.readouterr().out
    data = kanpde.open_run(archive).data
    about = data.symbolic_attributes
    exact = sympy.sympify(str(about["formula_u"]), locals={"x": X})
    assert str(about["formula_u"]) in printed and about["formula_u_latex"] and about["found_u"] == 1
    t = np.array([0.1, 0.3, 1.7])
    assert str(about["formula_u"]) == "cos(2*x)" and about["exact"] == 1 and "It satisfies the equation" in printed
    known = kanpde.open_run(archive).solution(t[:, None])[:, 0]
    assert np.abs(sympy.lambdify(X, exact)(t) - known).max() < 1e-6
    network, described = stored_network(data, "u")
    values = described["shift"] + described["scale"] * network(torch.from_numpy(t[:, None]))[:, 0]
    assert np.abs(values.detach().numpy() - known).max() < 1e-6
    assert any(p.requires_grad for p in network.parameters())


def test_structure_is_printed_and_kept_beside_formulas(archive, capsys):
    assert main(["symbolic", str(archive), "--structure"]) == 0
    printed = capsys.readouterr().out
    assert "Structure, from derivatives" in printed and "no x" in printed
    assert str(kanpde.open_run(archive).data.symbolic_attributes["structure_u"]) in printed
    assert main(["symbolic", str(archive)]) == 0
    assert "structure_u" in kanpde.open_run(archive).data.symbolic_attributes
    assert "Structure of u" in run_report(kanpde.open_run(archive).data)


def test_the_network_is_drawn(archive):
    run = kanpde.open_run(archive)
    figure = run.plot("network")
    panels = [axes.get_gid() for axes in figure.axes if str(axes.get_gid()).startswith("edge-")]
    stored = stored_network(run.data, "u")[0]
    assert len(panels) == len(stored.edges)
    own = replace(run, data=replace(run.data, symbolic={}, symbolic_attributes={}))
    assert len(own.plot("network").axes) == 1 + 4  # [1, 2, 1] has four edges
    with pytest.raises(InputError, match="Choose one"):
        run.plot("network", "v")


def test_a_run_without_layers_has_edges_fitted_to_its_field(tmp_path, capsys):
    run = kanpde.solve(SWING, optimizer="least_squares")
    path = tmp_path / "result.h5"
    run.save(path)
    assert len(run.plot("network").axes) == 1 + 1  # of one coordinate: one edge
    assert main(["symbolic", str(path), "--suggest", "0,0,0"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("sin") and "left out, singular or degenerate on its values: " in out
    assert main(["symbolic", str(path), "--set", "0,0,0=sin"]) == 0
    assert "u = cos(2*x)" in capsys.readouterr().out


def test_an_archive_without_formulas_is_read_as_before(archive, tmp_path):
    """Archives of versions that knew neither `/symbolic` nor hashes."""
    old = tmp_path / "result.h5"
    shutil.copy(archive, old)
    with h5py.File(old, "a") as file:
        del file["symbolic"], file.attrs["content_sha256"]
    run = kanpde.open_run(old)
    assert run.data.symbolic == {} and run.data.symbolic_attributes == {}
    assert len(run.plot("network").axes) == 1 + 4


def test_a_form_that_is_wrong_ends_with_three(archive, capsys):
    assert main(["symbolic", str(archive), "--assume", "exp(x)*2"]) == 3
    assert "No formula was found" in capsys.readouterr().out
    assert "formula_u" not in kanpde.open_run(archive).data.symbolic_attributes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "0,9,0=sin"], "one that is on"),
        (["--set", "0,0=sin"], "layer,input,output"),
        (["--assume", "a(b"], "A hypothesis needs"),
        (["--set", "0,0,0=zeta"], "'zeta' came"),
        (["--field", "v", "--suggest", "0,0,0"], "needs one of u"),
    ],
)
def test_wrong_words_are_explained(archive, capsys, words, message):
    assert main(["symbolic", str(archive), *words]) == 2
    assert message in capsys.readouterr().err


def test_functions_that_are_singular_or_degenerate_on_an_edge_are_left_out_by_name():
    raw = drawn(lambda x: x[:, 0] ** 2, [-1], [1], 0, 200)
    network = edge_network((1, 1), random_splines((1, 1), 4, 5, torch.Generator().manual_seed(0)))
    fit(network, samples := raw.under("f"), 10)
    left_out = Workbench(network, samples, raw, ["x"]).left_out((0, 0, 0))
    assert {"sin", "cosh", "gauss"} <= set(left_out) and "x^2" not in left_out and "exp" not in left_out


def test_edges_are_named_by_hand():
    raw = drawn(lambda x: torch.exp(torch.sin(2 * x[:, 0]) + x[:, 1] ** 2), [-1, -1], [1, 1], 0)
    found = discover(raw, ["x", "y"], Search(names=("x^2", "tan"), budget=1.0))  # sin and exp are not allowed
    assert found.formula is None and found.network is not None
    bench = Workbench(found.network, found.samples, raw, ["x", "y"])
    spline = next(key for key in found.resisting if key[0] == 0)
    assert bench.suggest(spline)[0].name == "sin"
    bench.set(spline, "sin")
    last = next(key for key in found.resisting if key[0] == 1)
    with pytest.raises(InputError, match="singular or degenerate"):
        bench.set(spline, "1/sqrt")
    bench.set(last, "exp")
    reading = bench.reading()
    assert reading.found and same(reading.fields["f"].formula.expr, sympy.exp(sympy.sin(2 * X) + Y**2))
    bench.unset(spline)
    assert not bench.reading().found
