"""Tetrahedra of mesh files as domains, and what the groups of a file name: sides, regions; what is refused."""

from itertools import permutations, product

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.files.yaml import write_yaml
from kanpde.problems.catalog import load_problem
from kanpde.problems.geometry.shapes import facet_points
from kanpde.runs.hydra_composition import compose_mapping
from kanpde.runs.settings import config_of
from tests.problems.test_meshes_and_levels import frame

CUBE = {"coordinates": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}, "fields": ["u"], "domain": "part",
        "equations": {"e": "lap(u) = auto"}, "exact": {"u": "exp(x/2)*sin(y)*cos(z)"}, "boundary": {"*": "u = auto"},
        "shapes": {"part": {"mesh": "part.msh"}}}  # fmt: skip


def grid(count=2, end=0.5):
    """Nodes and tetrahedra of a cube from -end to end, six to each of count³ small ones."""
    line = np.linspace(-end, end, count + 1)
    nodes, cells = np.array(list(product(line, repeat=3))), []
    for place, way in product(product(range(count), repeat=3), permutations(range(3))):
        path = [np.array(place)]
        for axis in way:
            path.append(path[-1] + np.eye(3, dtype=int)[axis])
        own = [int(x @ [(count + 1) ** 2, count + 1, 1]) for x in path]
        volume = np.linalg.det(nodes[own[1:]] - nodes[own[0]])
        cells.append(own if volume > 0 else [own[0], own[2], own[1], own[3]])
    return nodes, np.array(cells)


def notched():
    """The cube without an octant."""
    nodes, cells = grid()
    return nodes, cells[~(nodes[cells].mean(1) > 0).all(1)]


def rim(cells):
    size = cells.shape[1]
    faces = np.concatenate([np.delete(cells, own, axis=1) for own in range(size)])
    _, first, counts = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return faces[first[counts == 1]]


def msh(nodes, cells, side=lambda x: 0, part=lambda x: 0, names=(), version="2.2"):
    """A file of triangles or tetrahedra; `side` and `part` say the groups of faces and cells by their middles."""
    kind = {3: (1, 2), 4: (2, 4)}[cells.shape[1]]
    faces = rim(cells)
    groups = [(kind[0], side(x), row) for x, row in zip(nodes[faces].mean(1), faces, strict=True)]
    groups = [one for one in groups if one[1]]
    groups += [(kind[1], part(x), row) for x, row in zip(nodes[cells].mean(1), cells, strict=True)]
    places = [" ".join(f"{x:.17g}" for x in (*own, 0.0, 0.0)[:3]) for own in nodes]
    body = ["$MeshFormat", f"{version} 0 8", "$EndMeshFormat", "$PhysicalNames", str(len(names)),
            *(f'{d} {n} "{name}"' for d, n, name in names), "$EndPhysicalNames"]  # fmt: skip
    if version == "2.2":
        body += ["$Nodes", str(len(nodes)), *(f"{n} {own}" for n, own in enumerate(places, 1)), "$EndNodes",
                 "$Elements", str(len(groups)), *(f"{n} {kind} 2 {group} 1 {' '.join(str(own + 1) for own in row)}"
                                     for n, (kind, group, row) in enumerate(groups, 1)), "$EndElements"]  # fmt: skip
        return "\n".join(body) + "\n"
    keys = sorted({(kind, group) for kind, group, _ in groups})
    entities = {key: (KIND[key[0]], number) for number, key in enumerate(keys, 1)}
    counts = [sum(d == own for d, _ in entities.values()) for own in range(4)]
    rows = [f"{number} 0 0 0 1 1 1 {int(group > 0)} {group or ''} 0" for d in range(4)
            for (_, group), (own, number) in entities.items() if own == d]  # fmt: skip
    body += ["$Entities", " ".join(map(str, counts)), *rows, "$EndEntities", "$Nodes",
             f"1 {len(nodes)} 1 {len(nodes)}", f"2 1 0 {len(nodes)}", *map(str, range(1, len(nodes) + 1)), *places,
             "$EndNodes", "$Elements", f"{len(keys)} {len(groups)} 1 {len(groups)}"]  # fmt: skip
    for key in keys:
        own = [row for kind, group, row in groups if (kind, group) == key]
        body += [f"{entities[key][0]} {entities[key][1]} {key[0]} {len(own)}",
                 *(f"{n} {' '.join(str(x + 1) for x in row)}" for n, row in enumerate(own, 1))]  # fmt: skip
    return "\n".join([*body, "$EndElements"]) + "\n"


KIND = {1: 1, 2: 2, 4: 3}


def floor_and_inlet(x):
    return 7 if x[-1] < -0.499 else 8 if x[0] < -0.499 else 0


NAMES = ((2, 7, "floor"), (2, 8, "in let"), (3, 1, "core"), (3, 2, "shell"))


def halves(x):
    return 1 if x[0] < 0 else 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("version", ["2.2", "4.1"])
def test_tetrahedra_are_a_domain(folder, version):
    (folder / "part.msh").write_text(msh(*notched(), floor_and_inlet, halves, NAMES, version))
    named = {"floor": "dn(u) + u = auto", "part[in_let]": "u = auto", "*": "dn(u) + 2*u = auto"}
    problem = load_problem(CUBE | {"boundary": named})
    (_, part), = problem.region.shapes
    points = torch.tensor([[-0.2, 0.1, 0.3], [0.2, 0.1, 0.3], [0.2, -0.1, 0.3], [0.6, 0.0, 0.0]]).double()
    assert part.contains(points).tolist() == [True, False, True, False]
    assert sum(facet.measure for facet in part.facets()) == pytest.approx(6.0)
    for facet in part.facets():
        points = facet_points(facet, 3, 20, 0)
        normals = facet.normals(points)
        assert part.contains(points - 1e-6 * normals).all() and not part.contains(points + 1e-6 * normals).any()
        assert facet.passes(points).all() and not facet.passes(points + 1e-6 * normals).any()
    conditions = {condition.name for condition in problem.conditions}
    assert {"part[floor]", "part[in_let]"} < conditions and len(conditions) == 9
    again = load_problem(problem.source, samples=problem.samples)
    assert again.region == problem.region and again.content() == problem.content()


def test_a_curved_piece_has_the_normal_of_each_triangle(folder):
    nodes, cells = grid(4, 1.0)
    size = np.abs(nodes).max(1, keepdims=True)
    round_nodes = nodes * size / np.maximum(np.linalg.norm(nodes, axis=1, keepdims=True), 1e-9)
    (folder / "part.msh").write_text(msh(round_nodes, cells, lambda x: 7, names=((2, 7, "skin"),)))
    problem = load_problem(CUBE | {"exact": {"u": "x + 2*y"}, "boundary": {"skin": "dn(u) = auto"},
                                   "at": {"x": 0, "y": 0, "z": 0, "condition": "u = 0"}})  # fmt: skip
    (_, part), = problem.region.shapes
    (skin,) = part.facets()
    points = facet_points(skin, 3, 200, 0)
    normals = skin.normals(points)
    assert ((normals * points).sum(1) / points.norm(dim=1)).min() > 0.95 and normals.std(0).min() > 0.3
    assert part.contains(points - 1e-6 * normals).all() and not part.contains(points + 1e-6 * normals).any()


@pytest.mark.parametrize("version", ["2.2", "4.1"])
def test_groups_of_a_plane_mesh_name_edges_and_regions(folder, version):
    nodes, triangles = frame(hole=())

    def side(x):
        return 5 if x[0] < -0.899 and x[1] < 0 else 6 if np.abs(x[1]) > 0.599 else 0

    names = ((1, 5, "inlet"), (1, 6, "wall"), (2, 1, "core"), (2, 2, "shell"))
    (folder / "part.msh").write_text(msh(nodes, triangles, side, halves, names, version))
    flat = {key: value for key, value in CUBE.items() if key not in ("coordinates", "exact")}
    flat |= {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "equations": {"e": "div(k*grad(u)) = 0"}}
    problem = load_problem(flat | {"coefficients": {"k": {"inside": {"core": 5}, "else": 1}},
                                   "boundary": {"inlet": "u = 1", "wall": "dn(u) = 0", "*": "u = 0"}})  # fmt: skip
    (_, part), = [one for one in problem.region.shapes if one[0] == "part"]
    assert len(part.facets()) == 5  # the side at the left is cut where the inlet ends
    written = {c.name: c.written for c in problem.conditions if c.kind == "boundary"}
    assert written == {"part[inlet]": "u = 1", "part[wall][1]": "dn(u) = 0", "part[wall][2]": "dn(u) = 0",
                       "part[2]": "u = 0", "part[4]": "u = 0"}, written  # fmt: skip
    ((name, core),) = problem.parts
    assert name == "core" and core.contains(torch.tensor([[-0.5, 0.1], [0.5, 0.1]]).double()).tolist() == [True, False]


def test_an_element_in_two_groups_is_one(folder):
    text = msh(*notched(), floor_and_inlet, halves, NAMES)
    lines = text.splitlines()
    own = [line for line in lines if " 4 2 1 1 " in line]
    at = lines.index("$EndElements")
    count = lines.index("$Elements") + 1
    lines[count] = str(int(lines[count]) + len(own))
    lines[at:at] = [line.replace(" 4 2 1 1 ", " 4 2 3 1 ") for line in own]
    (folder / "part.msh").write_text("\n".join(lines).replace("$PhysicalNames\n4", '$PhysicalNames\n5\n3 3 "hot"'))
    problem = load_problem(CUBE | {"equations": {"e": "div(k*grad(u)) = 0"}, "exact": None, "boundary": {"*": "u = 0"},
                                   "coefficients": {"k": {"inside": {"hot": 5}, "else": 1}}})  # fmt: skip
    assert problem.parts[0][1].cells.shape[0] == len(own)


def inverted():
    nodes, cells = notched()
    cells[5] = cells[5, [0, 2, 1, 3]]
    return msh(nodes, cells)


def gap():
    nodes, cells = grid(4)
    inner = np.flatnonzero((np.abs(nodes[cells]) < 0.49).all((1, 2)))[0]
    return msh(nodes, np.delete(cells, inner, axis=0))


def flat():
    nodes, cells = notched()
    nodes[cells[0, 3]] = nodes[cells[0, :3]].mean(0)
    return msh(nodes, cells)


def doubled():
    nodes, cells = notched()
    return msh(nodes, np.concatenate([cells, cells[:1]]))


def touching():
    nodes, cells = grid()
    middles = nodes[cells].mean(1)
    return msh(nodes, cells[(middles[:, 0] > 0) == (middles[:, 1] > 0)])


def surface():
    nodes, cells = notched()
    return msh(nodes, rim(cells))


@pytest.mark.parametrize(
    ("text", "reason"),
    [(inverted, "number 6 is inverted"), (gap, "one is missing between nodes"), (flat, "is flat"),
     (doubled, "at most two tetrahedra on a face"), (touching, "does not touch itself"),
     (surface, "triangles alone"),
     (lambda: msh(*notched()).replace(" 4 2 0 1 ", " 5 2 0 1 "), "has hexahedra"),
     (lambda: msh(*notched()).replace(" 4 2 0 1 ", " 11 2 0 1 "), "between their corners"),
     (lambda: msh(*notched(), names=((2, 7, "a b"), (2, 8, "a_b"))), "two groups called a_b"),
     (lambda: msh(*notched(), names=((2, 7, "?"),)), "group called"),
     (lambda: msh(*notched()).replace("\n1 -0.5 -0.5 -0.5\n", "\n99 -0.5 -0.5 -0.5\n"), "which it does not have"),
     (lambda: msh(notched()[0] * 1e200, notched()[1]), "another unit"),
     (lambda: msh(notched()[0] + 5, notched()[1]), "meets the box"),
     (lambda: msh(*notched(), version="4.1").replace("3 1 4", "3 1 -4"), "no nodes or elements|between their"),
     (lambda: msh(*notched()).replace("$Elements\n", "$Elements\n" + "1 4 2 0 1 1 2\n" * 200_001), "use a coarser")],
)  # fmt: skip
def test_solid_meshes_that_are_refused(folder, text, reason):
    (folder / "part.msh").write_text(text())
    with pytest.raises(InputError, match=reason):
        load_problem(CUBE)


def test_what_is_no_group_is_refused(folder):
    (folder / "part.msh").write_text(msh(*notched(), floor_and_inlet, halves, NAMES))
    with pytest.raises(InputError, match="ceiling"):
        load_problem(CUBE | {"boundary": {"ceiling": "u = auto", "*": "u = auto"}})
    with pytest.raises(InputError, match="kernel"):
        load_problem(CUBE | {"coefficients": {"k": {"inside": {"kernel": 5}, "else": 1}}})


def test_names_of_groups_pass_through_settings(folder):
    (folder / "part.msh").write_text(msh(*notched(), floor_and_inlet, halves, NAMES))
    (folder / "solid.yaml").write_text(write_yaml(CUBE | {"boundary": {"floor": "dn(u) = auto", "*": "u = auto"}}))
    config = config_of(compose_mapping([f"problem={folder / 'solid.yaml'}"]))
    assert "side:floor" in "".join(config.problem.samples) and "sha256" in config.problem.source["shapes"]["part"]
