"""The contract of every file in problems/: it loads quickly, says who it is, and its exact solution is exact."""

import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem, problem_folders, read_problem_file, read_problem_text
from kanpde.problems.geometry.regions import inside_points, piece_points
from kanpde.problems.language import compile_expression, jet_expression, jets_of, remotes_of
from kanpde.runs.run import solve

TASKS = {"landscape_1d", "landscape_1d_smooth", "landscape_2d", "schrodinger_random_1d", "schrodinger_quasiperiodic_1d"}
LATTICES = {"anderson_1d", "anderson_2d", "anderson_3d", "aubry_andre", "gaam", "maam", "mosaic"}
WITHOUT_EXACT = TASKS | LATTICES | {
    "burgers", "burgers_parametric", "allen_cahn", "cavity", "fitzhugh_nagumo", "kdv", "kuramoto_sivashinsky",
    "laplace_holes", "aubry_hull", "option", "sieve", "drop", "patch",
}  # fmt: skip
WARNED = {"inverse_conductivity", "option"}
FILES = sorted(problem_folders()[-1].glob("*.yaml"))
NAMES = [path.stem for path in FILES]
EXPECTED = {
    "poisson_1d", "poisson_2d", "poisson_2d_paper", "helmholtz_2d", "diffusion_1d", "diffusion_2d",
    "diffusion_variable", "advection_1d", "wave_1d", "burgers", "biharmonic_1d", "poisson_5d", "reaction_diffusion",
    "allen_cahn", "bratu", "cavity", "eikonal", "fisher", "fitzhugh_nagumo", "heat_3d", "heat_robin", "kdv",
    "kuramoto_sivashinsky", "poisson_multiscale", "sine_gordon", "inverse_diffusion", "inverse_source",
    "diffusion_parametric", "laplace_holes", "poisson_lshape", "burgers_parametric", "aubry_hull", "nls_soliton",
    "memory", "delay", "cylinder_flow", "torsion_triangle", "membrane_sector", "sieve", "shell", "can", "option",
    "heat_flux", "stefan", "inverse_conductivity", "angle_bar", "two_slabs", "kovasznay", "stirred_box",
    "bracket", "decay", "heated_disk", "cooling_tea", "drop", "patch", *TASKS, *LATTICES,
}  # fmt: skip


def test_all_are_there():
    assert set(NAMES) >= EXPECTED


@pytest.fixture(params=FILES, ids=NAMES)
def path(request):
    return request.param


def residual_values(problem, exact, residual, points):
    """A residual with the exact solution in it, evaluated over the other route: jets by autograd, not symbolically."""
    points = points.clone().requires_grad_()
    jets = {}
    for field, index in jets_of(residual):
        value = compile_expression(exact[field], problem.coordinates)(points)
        for axis, count in enumerate(index):
            for _ in range(count):
                value = derivative_along(value, points, axis)
        jets[field, index] = value
    return compile_expression(residual, problem.coordinates, problem.fields)(points, jets).detach()


def derivative_along(value, points, axis):
    if not value.requires_grad:
        return torch.zeros_like(value)
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True, allow_unused=True)
    return torch.zeros_like(value) if gradient is None else gradient[:, axis]


def statements(problem):
    """Those at one place each; `check` puts exact solutions into the others, with integrals and values elsewhere."""
    for residual in problem.equations.values():
        if not remotes_of(residual):
            yield residual, inside_points(problem.region, problem.domain, 64, 7)
    for condition in problem.conditions:
        if not remotes_of(condition.residual):
            yield condition.residual, piece_points(problem.region, problem.domain, condition.side, 64, 7)


def test_it_is_clear_and_complete(path):
    problem = load_problem(path)
    assert problem.name == path.stem
    assert problem.title != problem.name and len(problem.title) < 100
    assert bool(problem.warnings) == (problem.name in WARNED)
    assert bool(problem.exact) == (problem.name not in WITHOUT_EXACT)
    assert len(path.read_text().splitlines()) <= 15


def test_it_is_read_back_from_its_own_yaml(path):
    problem = load_problem(path)
    if ".csv" in problem.yaml() or ".msh" in problem.yaml():
        pytest.skip("a file beside it has numbers, which archives carry")
    assert load_problem(read_problem_text(problem.yaml(), "archive"), name=problem.name) == problem


def test_the_exact_solution_leaves_no_residual(path):
    problem = load_problem(path).settled()
    if not problem.exact:
        pytest.skip("no exact solution")
    for residual, points in statements(problem):
        assert residual_values(problem, problem.exact, residual, points).abs().max() < 1e-9


def test_a_perturbed_solution_leaves_one(path):
    problem = load_problem(path).settled()
    if not problem.exact or all(map(remotes_of, problem.equations.values())):
        pytest.skip("no exact solution, or no equation at one place")
    x = jet_expression(("w", (0,)), problem.coordinates[:1]).args[0]
    wrong = {field: value * (1 + x**3 / 100) for field, value in problem.exact.items()}
    worst = max(
        float(residual_values(problem, wrong, residual, points).abs().max()) for residual, points in statements(problem)
    )
    assert worst > 1e-3


def test_a_perturbed_solution_is_refused(path):
    data = read_problem_file(path)
    if "exact" not in data:
        pytest.skip("no exact solution")
    problem = load_problem(path)
    first = next(iter(data["exact"]))
    exact = {**data["exact"], first: f"({data['exact'][first]})*(1 + 1e-6*{problem.coordinates[0]})"}
    if "auto" in path.read_text():  # fits any solution: compare with zero instead
        data = without_auto(data)
    with pytest.raises(InputError, match="exact needs to satisfy|periodic"):
        load_problem({**data, "exact": exact}, name=problem.name)


def without_auto(data):
    if isinstance(data, dict):
        return {key: without_auto(value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_auto(value) for value in data]
    return data.replace("auto", "0") if isinstance(data, str) else data


def test_a_few_steps_lower_the_loss(path):
    if path.stem in LATTICES:
        pytest.skip("no loss: tested in tests/lattices")
    run = solve(
        load_problem(path),
        model={"kind": "kan", "width": [4], "grid": 2},
        sampling={"points": 200},
        training={"stages": 1, "starts": 1, "steps": 5},
        output={"resolution": 5},
        reference=False,  # tested for themselves
    )
    assert run.status == "done"
    assert run.history["loss"][-1] < run.history["loss"][0]
    assert set(run.data.fields) >= set(run.problem.fields)


def test_settings_of_a_problem_say_why(path):
    """What the solver finds by itself no file sets: what one does set has its reason beside it."""
    text = path.read_text(encoding="utf-8")
    if "settings:" in text:
        assert "#" in text[text.index("settings:") :]
