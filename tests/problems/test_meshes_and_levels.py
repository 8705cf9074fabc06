"""Shapes out of mesh files and level sets: what they hold, references on them, what is refused."""

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.regions import inside_points
from kanpde.problems.geometry.shapes import facet_points
from kanpde.references import applicable_method
from kanpde.references.methods import finite_elements

SQUARE = {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "equations": {"e": "lap(u) = auto"},
          "domain": "part", "boundary": {"*": "u = auto"}, "exact": {"u": "exp(x)*sin(y)"}}  # fmt: skip
PART = SQUARE | {"shapes": {"part": {"mesh": "part.msh"}}}
EGG = SQUARE | {"shapes": {"part": {"inside": "x^2 + y^4 + x*y/4 < 0.6"}}}


def frame(hole=(2, 3)):
    """A grid of 7 × 7 nodes with a square hole of 2 × 2 cells in the middle, as nodes and triangles."""
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(-0.9, 0.9, 7), np.linspace(-0.6, 0.6, 7)))
    nodes = np.stack([x, y], axis=1)
    cells = [(i + 7 * j, i + 1 + 7 * j, i + 8 + 7 * j, i + 7 + 7 * j) for i in range(6) for j in range(6)
             if not {i, j} <= set(hole)]  # fmt: skip
    return nodes, np.array([part for a, b, c, d in cells for part in ((a, b, c), (a, c, d))])


def msh(nodes, triangles, version="2.2"):
    if version == "2.2":
        body = ["$Nodes", str(len(nodes)), *(f"{n} {x} {y} 0" for n, (x, y) in enumerate(nodes, 1)), "$EndNodes",
                "$Elements", str(len(triangles) + 1), "1 15 2 0 1 1",
                *(f"{n} 2 2 0 1 {a + 1} {b + 1} {c + 1}" for n, (a, b, c) in enumerate(triangles, 2)), "$EndElements"]
    else:
        body = ["$Nodes", f"1 {len(nodes)} 1 {len(nodes)}", f"2 1 0 {len(nodes)}", *map(str, range(1, len(nodes) + 1)),
                *(f"{x} {y} 0" for x, y in nodes), "$EndNodes",
                "$Elements", f"1 {len(triangles)} 1 {len(triangles)}", f"2 1 2 {len(triangles)}",
                *(f"{n} {a + 1} {b + 1} {c + 1}" for n, (a, b, c) in enumerate(triangles, 1)), "$EndElements"]
    return "\n".join(["$MeshFormat", f"{version} 0 8", "$EndMeshFormat", *body]) + "\n"  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("version", ["2.2", "4.1"])
def test_a_mesh_is_its_outline_with_holes(folder, version):
    (folder / "part.msh").write_text(msh(*frame(), version))
    problem = load_problem(PART)
    (_, part), = problem.region.shapes
    assert [len(loop) for loop in part.loops] == [4, 4]
    points = torch.tensor([[0.0, 0.0], [-0.8, 0.5], [0.8, 0.0], [0.95, 0.0]]).double()
    assert part.contains(points).tolist() == [False, True, True, False]
    for facet in part.facets():
        points = facet_points(facet, 2, 20, 0)
        normals = facet.normals(points)
        assert part.contains(points - 1e-6 * normals).all() and not part.contains(points + 1e-6 * normals).any()
    assert {c.name for c in problem.conditions} >= {f"part[{n}]" for n in range(1, 9)}


def test_a_mesh_is_known_by_its_content_and_measured_by_finite_elements(folder):
    (folder / "part.msh").write_text(msh(*frame()))
    problem = load_problem(PART)
    again = load_problem(problem.source, samples=problem.samples)
    assert again.region == problem.region and "sha256" in problem.source["shapes"]["part"]
    assert applicable_method(load_problem({k: v for k, v in PART.items() if k != "exact"} | {
        "equations": {"e": "lap(u) = 1"}, "boundary": {"*": "u = 0"}})) == "finite_elements"  # fmt: skip
    points = inside_points(problem.region, problem.domain, 200, 0).numpy()
    found = finite_elements.solve(problem, 8).values(points)[:, 0]
    assert np.abs(found - np.exp(points[:, 0]) * np.sin(points[:, 1])).max() < 1e-6
    moved = frame()[0] * 0.9
    (folder / "part.msh").write_text(msh(moved, frame()[1]))
    assert load_problem(PART).content() != problem.content()


def inverted():
    nodes, triangles = frame()
    triangles[5] = triangles[5, ::-1]
    return msh(nodes, triangles)


def gap():
    nodes, triangles = frame(hole=())
    return msh(nodes, np.delete(triangles, 2 * (6 * 3 + 3), axis=0))


def twice():
    nodes, triangles = frame()
    return msh(nodes, np.concatenate([triangles, triangles[:1]]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [(inverted, "number 6 is inverted"), (gap, "one is missing between nodes"), (twice, "at most two triangles"),
     (lambda: msh(np.array([[0, 0], [1, 0], [2, 0]]), np.array([[0, 1, 2]])), "number 1 is flat"),
     (lambda: msh(frame()[0][:5], frame()[1]), "which it does not have"),
     (lambda: msh(frame()[0], np.empty((0, 3), int)), "has no triangles"),
     (lambda: msh(*frame()).replace("2.2", "1.0"), "ASCII mesh of Gmsh"),
     (lambda: msh(*frame()).replace("$Nodes\n49", "$Nodes\n48"), "no nodes or elements"),
     (lambda: msh(frame()[0] + 5, frame()[1]), "meets the box")],
)  # fmt: skip
def test_meshes_that_are_refused(folder, text, reason):
    (folder / "part.msh").write_text(text())
    with pytest.raises(InputError, match=reason):
        load_problem(PART)


def test_a_level_set_bounds_a_domain():
    problem = load_problem(EGG)
    (_, egg), = problem.region.shapes
    (curve,) = egg.facets()
    points = facet_points(curve, 2, 200, 0)
    x, y = points.T
    assert (x**2 + y**4 + x * y / 4 - 0.6).abs().max() < 1e-12 and curve.closed
    normals = curve.normals(points)
    assert egg.contains(points - 1e-6 * normals).all() and not egg.contains(points + 1e-6 * normals).any()
    grid = torch.tensor([[0.0, 0.0], [0.9, 0.0]]).double()
    assert problem.region.holds(grid).tolist() == [True, False]


def test_a_circle_as_a_level_set_is_a_disk():
    data = SQUARE | {"shapes": {"part": {"inside": "0.5 > sqrt(x^2 + y^2)"}}, "boundary": {"part": "dn(u) + u = auto"}}
    problem = load_problem(data)
    (curve,) = dict(problem.region.shapes)["part"].facets()
    assert curve.measure == pytest.approx(np.pi, rel=1e-4) and curve.smallest_radius == pytest.approx(0.5, rel=1e-3)
    points = inside_points(problem.region, problem.domain, 200, 0).numpy()
    found = finite_elements.solve(problem, 8).values(points)[:, 0]
    known = np.exp(points[:, 0]) * np.sin(points[:, 1])
    assert np.abs(found - known).max() < 2e-5 and np.abs(found - 1.01 * known).max() > 1e-3


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x^2 + y^2", "one comparison"), ("0 < x < 1", "one comparison"), ("x^2 + y^2 < -1", "points inside"),
     ("log(x) < y", "finite all over the box"), ("(x^2 + y^2 - 0.5)^3 < 0", "not level on its boundary"),
     ("u < 1", "u"), (3, "one comparison")],
)  # fmt: skip
def test_level_sets_that_are_refused(text, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(EGG | {"shapes": {"part": {"inside": text}}})


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_a_table_as_a_level_set(folder, ending):
    """x² + y² - ½ on a grid: a cubic spline of it is exact, and so is the disk that it bounds."""
    x, y = np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21), indexing="ij")
    values = x**2 + y**2 - 0.5
    if ending == "npy":
        np.save("phi.npy", values)
    else:
        np.savetxt("phi.csv", values, delimiter=",")
    table = {"coefficients": {"phi": {"file": f"phi.{ending}", "interpolation": "cubic"}}}
    problem = load_problem(SQUARE | table | {"shapes": {"part": {"inside": "phi < 0"}}, "exact": None,
                                             "equations": {"e": "lap(u) = 0"}, "boundary": {"*": "u = exp(x)*sin(y)"}})
    (_, part), = problem.region.shapes
    (curve,) = part.facets()
    points = facet_points(curve, 2, 50, 0)
    assert torch.allclose(points.norm(dim=1), torch.full((50,), 0.5**0.5).double(), atol=1e-9)
    assert curve.measure == pytest.approx(2 * np.pi * 0.5**0.5, rel=1e-3)
    assert applicable_method(problem) == "finite_elements"
    inside = inside_points(problem.region, problem.domain, 200, 0)
    found = finite_elements.solve(problem, 8).values(inside.numpy())[:, 0]
    known = (inside[:, 0].exp() * inside[:, 1].sin()).numpy()
    assert np.linalg.norm(found - known) < 1e-4 * np.linalg.norm(known) < np.linalg.norm(found - 1.01 * known)
