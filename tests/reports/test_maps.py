"""What maps show besides values: signs, windows, rims, parameters as axes."""

import json
from functools import reduce

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

from kanpde.reports.plots.maps import draw_in_view, draw_map
from kanpde.reports.plots.styles import DIVERGING, SEQUENTIAL, color_map
from kanpde.reports.plots.views import regions_of, view_of
from kanpde.results.archive import ModelData, RunData

HOLED = """
coordinates: {x: [0, 1], y: [0, 1]}
fields: [u]
shapes: {hole: "disk(0.5, 0.5, 0.2)"}
domain: box - hole
equations: lap(u) = 1
boundary: {"*": u = 0}
"""
FAMILY = """
coordinates:
  x: [0, 1]
parameters:
  k:
    range: [0, 1]
"""


def drawn_view(axes: str, problem: str):
    grid = {name: np.linspace(0, 1, 9) for name in axes}
    values = reduce(np.add.outer, grid.values())
    data = RunData({"problem_yaml": problem}, grid, {"u": values}, {}, {}, ModelData("kan", "{}", {}, {}), {})
    return view_of(data, "u", regions_of(data, ["u"])["u"])


def drawn(axes: str, problem: str = "", windows: list | None = None):
    """A map over two axes, and the axes it is drawn in."""
    grid = {name: np.linspace(0, 1, 9) for name in axes}
    model = ModelData("kan", json.dumps({"windows": windows}), {}, {})
    data = RunData({"problem_yaml": problem}, grid, {"u": np.add.outer(*grid.values())}, {}, {}, model, {})
    view = view_of(data, "u", regions_of(data, ["u"])["u"])
    figure = Figure()
    place = figure.subplots()
    draw_in_view(view, place, view.solution, SEQUENTIAL, (0.0, 2.0))
    return place


def test_signed_fields_have_diverging_colors_around_zero():
    assert color_map(-1.0, 3.0) == (DIVERGING, (-3.0, 3.0))
    assert color_map(-0.01, 3.0) == (SEQUENTIAL, (-0.01, 3.0)) and color_map(1.0, 3.0)[0] == SEQUENTIAL


def test_lengths_have_one_scale_and_parameters_their_own():
    assert drawn("xy").get_aspect() == 1.0
    assert drawn("xk", FAMILY).get_aspect() == "auto"


def test_ends_of_windows_are_marked():
    assert [line.get_xdata()[0] for line in drawn("xt", windows=[0, 0.25, 0.5, 1]).lines] == [0.25, 0.5]
    assert not drawn("xt").lines and not drawn("xy", windows=[0, 0.5, 1]).lines


def test_rims_are_outlined():
    def outlines(axes):
        return [one for one in axes.collections if isinstance(one, ContourSet)]

    (rim,) = outlines(drawn("xy", HOLED))
    (path,) = [path for path in rim.get_paths() if len(path.vertices)]
    radii = np.hypot(*(path.vertices - 0.5).T)
    assert np.allclose(radii, 0.2, atol=0.01)
    assert not outlines(drawn("xy"))


def test_a_solid_is_drawn_as_its_slice_in_the_middle():
    solid = HOLED.replace("y: [0, 1]}", "y: [0, 1], z: [0, 1]}").replace(
        '"disk(0.5, 0.5, 0.2)"', '{extrude: "disk(0.5, 0.5, 0.2)", z: [0, 0.7]}')  # fmt: skip
    view = drawn_view("xyz", solid)
    assert view.inside([np.array([0.5, 0.71]), np.array([0.5])]).ravel().tolist() == [False, True]
    low = solid.replace("0.7]", "0.4]")
    assert drawn_view("xyz", low).inside([np.array([0.5, 0.71]), np.array([0.5])]).all()


def test_numbers_under_a_narrow_map_stand_apart():
    figure = Figure(figsize=(3.9, 3.12), layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    grid = {"y": np.linspace(-0.9, 0.9, 5), "x": np.linspace(-0.5, 1, 5)}
    mesh = draw_map(axes, grid, np.zeros((5, 5)), SEQUENTIAL, (0.0, 1.0))
    figure.colorbar(mesh, ax=axes, fraction=0.05)
    axes.tick_params(labelsize=8.5)
    canvas.draw()
    shown = [text for text in axes.get_xticklabels() if text.get_text() and -0.5 <= text.get_position()[0] <= 1]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in shown]
    assert len(boxes) > 2 and all(left.x1 + 5 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))


def test_a_field_is_drawn_where_it_lives():
    """a in the middle of the square, b around it; on a line, in time, as well."""
    problem = """
coordinates: {x: [0, 1], y: [0, 1]}
fields: [a, b]
shapes: {drop: "disk(0.5, 0.5, 0.3)"}
regions: {drop: {fields: [a], rim: [a = b, dn(a) = dn(b)]}, else: {fields: [b]}}
equations: {inner: lap(a) = 1, outer: lap(b) = 0}
boundary: {"*": b = 0}
"""
    line = """
coordinates: {x: [0, 1], t: [0, 1]}
fields: [a, b]
shapes: {drop: "box(0, 0.45)"}
regions: {drop: {fields: [a], rim: [a = b, dn(a) = dn(b)]}, else: {fields: [b]}}
equations: {inner: a_t = a_xx, outer: b_t = b_xx}
boundary: {x-: a = 0, x+: b = 0}
initial: [a = 0, b = 0]
"""
    for text, shares in ((problem, (21, 60)), (line, (36, 45))):
        grid = {name: np.linspace(0, 1, 9) for name in ("x", "y" if "y: [" in text else "t")}
        values = dict.fromkeys("ab", np.add.outer(*grid.values()))
        data = RunData({"problem_yaml": text}, grid, values, {}, {}, ModelData("kan", "{}", {}, {}), {})
        views = [view_of(data, name, region) for name, region in regions_of(data, "ab").items()]
        counts = [int(view.inside(tuple(view.axes.values())).sum()) for view in views]
        assert counts == list(shares)
