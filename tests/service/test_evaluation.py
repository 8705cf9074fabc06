"""Values, derivatives and residuals over HTTP against the library, and UM-Bridge by its stock client."""

import json

import numpy as np
import pytest

import kanpde
from service.conftest import TINY, Served


@pytest.fixture(scope="module")
def run(service: Served):
    """A finished run by its name, and as the library opens it."""
    job = service.json("GET", "/jobs")["jobs"][-1]
    return job["run"], kanpde.open_run(service.folder / job["run"])


@pytest.fixture(scope="module")
def family(service: Served):
    """A finished run of a family of problems."""
    text = """title: A family
coordinates: {x: [0, 1]}
fields: [u]
parameters: {kappa: {range: [1, 3]}}
equations: {poisson: kappa*u_xx = -1}
boundary: {"*": u = 0}
"""
    training = {"stages": 1, "starts": 1, "start_steps": 0, "steps": 3}
    ended = service.ended(service.submit(text, {**TINY, "training": training, "reference": False}))
    assert ended["status"] == "successful", ended
    return ended["run"], kanpde.open_run(service.folder / ended["run"])


def test_values_are_those_of_the_library(service, run):
    name, opened = run
    points = np.random.default_rng(0).uniform(size=(17, 1))
    asked = {"points": points.tolist(), "expressions": ["u", "u_x", "u_xx - x", "residual"]}
    found = np.array(service.json("POST", f"/runs/{name}/evaluate", asked)["values"])
    solution = opened.solution
    residual = solution.evaluate(next(iter(opened.problem.equations.values())), points)
    expected = [solution.derivative("u", points), solution.derivative("u_x", points)]
    expected += [solution.derivative("u_xx - x", points), residual]
    assert np.array_equal(found, np.stack(expected, axis=1))


def test_npy_in_and_out_is_bit_for_bit(service, run, tmp_path):
    name, opened = run
    points = np.linspace(0, 1, 50).reshape(-1, 1)
    np.save(tmp_path / "p.npy", points)
    kinds = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    path = f"/runs/{name}/evaluate?expressions=u&expressions=u_x"
    status, _, content = service.request("POST", path, (tmp_path / "p.npy").read_bytes(), kinds)
    assert status == 200
    (tmp_path / "v.npy").write_bytes(content)
    found = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert np.array_equal(found[:, 1], opened.solution.derivative("u_x", points))
    np.save(tmp_path / "bad.npy", points.astype("float32"))
    assert service.request("POST", path, (tmp_path / "bad.npy").read_bytes(), kinds)[0] == 422


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"points": [[0.5]], "expressions": ["v"]}, '"v"'),
        ({"points": [[0.5, 0.5, 1.0]], "expressions": ["__import__('os')"]}, ""),
        ({"points": [[0.5], [1, 2]], "expressions": ["u"]}, "equal length"),
        ({"points": [[0.5]], "expressions": []}, "expressions"),
        ({"points": [[0.5]], "expressions": ["residual nothing"]}, "equation"),
        ({"points": "all", "expressions": ["u"]}, "points"),
    ],
)
def test_what_cannot_be_evaluated_is_said(service, run, asked, told):
    status, _, content = service.request("POST", f"/runs/{run[0]}/evaluate", asked)
    assert status == 422 and told in json.loads(content)["detail"]


def test_the_stock_client_of_um_bridge(service, family):
    umbridge = pytest.importorskip("umbridge", reason="the stock client of UM-Bridge is not installed")
    name, opened = family
    model = umbridge.HTTPModel(f"http://127.0.0.1:{service.port}/um/{service.token}", name)
    config = {"points": [[0.25], [0.5], [0.75]]}
    assert model.get_input_sizes() == [1] and model.get_output_sizes(config) == [3]

    def of(kappa: float) -> np.ndarray:
        points = np.array([[x, kappa] for (x,) in config["points"]])
        return opened.solution(points)[:, 0]

    kappa, step = 1.7, 1e-6
    assert np.array_equal(model([[kappa]], config)[0], of(kappa))
    slopes = (of(kappa + step) - of(kappa - step)) / (2 * step)
    sens = [1.0, -2.0, 0.5]
    assert model.gradient(0, 0, [[kappa]], sens, config) == pytest.approx([np.dot(sens, slopes)], rel=1e-6)
    assert model.apply_jacobian(0, 0, [[kappa]], [2.0], config) == pytest.approx(2 * slopes, rel=1e-6)


def test_a_run_without_a_family_maps_points(service, run):
    umbridge = pytest.importorskip("umbridge", reason="the stock client of UM-Bridge is not installed")
    name, opened = run
    model = umbridge.HTTPModel(f"http://127.0.0.1:{service.port}/um/{service.token}", name)
    assert model.get_input_sizes() == [1] and model.get_output_sizes() == [1]
    assert model([[0.3]])[0] == opened.solution(np.array([[0.3]]))[0].tolist()
    exact = opened.solution.derivative("u_x", np.array([[0.3]]))[0]
    assert model.gradient(0, 0, [[0.3]], [1.0]) == [pytest.approx(exact, rel=1e-12)]
    with pytest.raises(Exception, match="takes 1 numbers"):
        model([[0.3, 0.4]])
