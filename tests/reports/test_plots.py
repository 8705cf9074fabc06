"""The picture of a run: what is shown, what is said, and that nothing a run leaves behind can break it."""

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from kanpde.reports.cards import run_card
from kanpde.reports.index import index_page
from kanpde.reports.plots import png_bytes, solution_figure
from kanpde.results.archive import ModelData, RunData

LENGTHS = (11, 12, 13, 5, 6)
GRIDS = np.repeat([4, 8, 16], [10, 10, 20])


def make_history(blocks=("momentum", "x-")) -> dict[str, np.ndarray]:
    step = np.arange(40)
    loss = 10.0 ** (-step / 5)
    sparse = np.where(step % 10 == 0, np.sqrt(loss), np.nan)
    columns = {"step": step, "time_s": 0.1 * step, "loss": loss, "rel_l2": sparse, "heldout_residual": 3 * sparse}
    return columns | {f"loss_{name}": loss / (i + 2) for i, name in enumerate(blocks)} | {"grid": GRIDS}


def make_run(coordinates: str = "xy", fields: str = "u", reference: bool = True, **changes) -> RunData:
    """Each field is the first coordinate + 10 times the second + …; its error is 1e-3 in one corner."""
    axes = {name: np.linspace(0, 1, size) for name, size in zip(coordinates, LENGTHS, strict=False)}
    u = sum(10.0**i * values for i, values in enumerate(np.meshgrid(*axes.values(), indexing="ij")))
    error = np.zeros_like(u)
    error.flat[-1] = -1e-3
    arrays = {}
    for name in fields:
        arrays |= {name: u + error, f"{name}_ref": u, f"{name}_error": error} if reference else {name: u}
    parts = {
        "attributes": {"title": "A title", "status": "done", "stop_reason": "The tolerance was reached."},
        "history": make_history(),
        "metrics": {"rel_l2": 1.23e-8, "n_parameters": 1234, "wall_time_s": 5.6},
    }
    model = ModelData("kan", "{}", {}, {})
    return RunData(**{"axes": axes, "fields": arrays, "model": model, "points": {}} | parts | changes)


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def panel(figure: Figure, title: str):
    return next(axes for axes in figure.axes if axes.get_title().startswith(title))


def texts(figure: Figure) -> str:
    return figure.get_suptitle() + "\n" + figure.get_supxlabel()


# What is shown

MEASURED = """
fit: true
coordinates: {x: [0, 1]}
fields: [u]
data: {table: "x,u\\n0.1,0.2\\n0.3,0.4\\n0.5,0.5\\n0.7,0.6\\n0.9,1.0\\n", test: 0.4}
"""


def test_data_are_drawn_and_which_of_them_the_fit_was_not_shown():
    about = {"title": "A fit", "status": "done", "problem_yaml": MEASURED, "problem": "fit"}
    run = make_run("x", attributes=about, metrics={"test_error": 0.25, "data_misfit": 0.01})
    figure = drawn(solution_figure(run))
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["u, computed", "reference", "data", "data left out of the fit"]
    shown, held = (line.get_xdata() for line in figure.axes[0].lines[-2:])
    assert sorted([*shown, *held]) == [0.1, 0.3, 0.5, 0.7, 0.9] and len(held) == 2
    assert "held-out data missed by 2.5e-01" in texts(figure)
    assert "held-out" not in texts(drawn(solution_figure(make_run("x"))))


def test_states_are_drawn_in_their_potential_and_their_errors_together():
    known = {"landscape": np.linspace(0.1, 1, 11), "V": np.ones(11)}
    run = make_run("x", fields="ab", coefficients=known, spectrum={"energy": np.array([1.0, 2.0])})
    found = titles(drawn(solution_figure(run)))
    assert "a" not in found and "Errors of the states" in found
    assert len([title for title in found if "tates" in title]) == 3
    errors = panel(solution_figure(run), "Errors of the states")
    assert [line.get_label() for line in errors.lines] == ["a", "b"] and errors.get_yscale() == "log"


def test_one_axis_shows_curves_with_the_error_below():
    figure = drawn(solution_figure(make_run("x")))
    assert titles(figure) == ["u", "|error of u|, max 0.001", "Loss", "Error and held-out residual"]
    upper, lower = figure.axes[:2]
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["u, computed", "reference"]
    assert lower.get_yscale() == "log" and lower.get_position().y1 < upper.get_position().y0
    np.testing.assert_array_equal(upper.lines[1].get_ydata(), np.linspace(0, 1, 11))


def test_two_axes_show_three_maps_the_first_coordinate_to_the_right():
    figure = solution_figure(make_run("xy"))
    assert titles(figure)[:3] == ["u", "reference", "|error of u|, max 0.001"]
    axes = panel(figure, "reference")
    assert (axes.get_xlabel(), panel(figure, "u").get_ylabel()) == ("x", "y")
    shown = axes.collections[0].get_array()
    assert shown.shape == (12, 11) and shown[0, -1] == 1 and shown[-1, 0] == 10


def test_time_runs_to_the_right():
    figure = solution_figure(make_run("xt"))
    axes = panel(figure, "reference")
    assert (axes.get_xlabel(), panel(figure, "u").get_ylabel()) == ("t", "x")
    shown = axes.collections[0].get_array()
    assert shown.shape == (11, 12) and shown[0, -1] == 10 and shown[-1, 0] == 1


@pytest.mark.parametrize(
    ("coordinates", "title", "corner"),
    [("xyt", "u at t = 0.5", 11 + 50), ("xyz", "u at z = 0.5", 11 + 50), ("txy", "u at t = 0.5", 110 + 0.5)],
)
def test_more_axes_show_the_slice_through_the_middle(coordinates, title, corner):
    figure = solution_figure(make_run(coordinates))
    assert titles(figure)[0] == title and "in this slice" in titles(figure)[2]
    assert panel(figure, "reference").collections[0].get_array()[-1, -1] == pytest.approx(corner)
    assert (panel(figure, "reference").get_xlabel(), panel(figure, "u").get_ylabel()) == ("x", "y")


def test_five_axes_name_every_place_of_the_slice():
    figure = solution_figure(make_run("xyzvw"))
    assert titles(figure)[0] == "u at z = 0.5, v = 0.5, w = 0.6"


def test_solution_and_reference_share_their_colors_and_the_error_has_its_own():
    figure = solution_figure(make_run("xy"))
    u, reference, error = (axes.collections[0] for axes in figure.axes[:3])
    assert u.get_clim() == reference.get_clim() == (0, 11)
    assert error.get_clim() == (0, 1e-3) and error.get_cmap().name != u.get_cmap().name


def test_the_error_is_taken_from_the_reference_if_it_was_not_stored():
    run = make_run("xy")
    fields = {name: values for name, values in run.fields.items() if name != "u_error"}
    assert "|error of u|, max 0.001" in titles(solution_figure(replace(run, fields=fields)))


def test_every_field_has_its_row():
    figure = drawn(solution_figure(make_run("xt", fields="uv")))
    assert [title for title in titles(figure) if len(title) == 1] == ["u", "v"]
    assert panel(figure, "v").get_position().y1 < panel(figure, "u").get_position().y0


def test_the_history_marks_stages_and_seconds():
    left = panel(solution_figure(make_run()), "Loss")
    assert [text.get_text() for text in left.texts] == ["grid 4", "grid 8", "grid 16"]
    assert [line.get_xdata()[0] for line in left.lines if line.get_linestyle() == ":"] == [10, 20]
    assert left.get_yscale() == "log"
    (top,) = left.child_axes
    places = dict(zip([tick.get_text() for tick in top.get_xticklabels()], top.get_xticks(), strict=True))
    assert places["1 s"] == pytest.approx(10)


def test_seconds_that_have_no_room_beside_those_before_are_left_out():
    history = make_history()
    history["time_s"] = np.concatenate([[5, 10, 15], np.linspace(15.1, 20, 37)])
    (top,) = panel(drawn(solution_figure(make_run(history=history))), "Loss").child_axes
    assert [tick.get_text() for tick in top.get_xticklabels()] == ["5 s", "20 s"]


def test_the_history_shows_what_was_measured():
    figure = solution_figure(make_run())
    labels = [text.get_text() for text in panel(figure, "Loss").get_legend().get_texts()]
    assert labels == ["total", "momentum", "x-"]
    errors = panel(figure, "Error").lines[0]
    assert list(errors.get_xdata()) == [0, 10, 20, 30]


def test_a_single_block_is_the_total():
    figure = solution_figure(make_run(history=make_history(blocks=("poisson",))))
    assert [text.get_text() for text in panel(figure, "Loss").get_legend().get_texts()] == ["total"]


@pytest.mark.parametrize("span", [1.5, 8, 60, 1e6])
def test_numbers_beside_an_error_do_not_lie_over_each_other(span):
    x = np.linspace(0, 1, 50)
    fields = {"u": x, "u_ref": x, "u_error": 1e-9 * np.geomspace(1, span, x.size)}
    figure = drawn(solution_figure(replace(make_run("x"), axes={"x": x}, fields=fields)))
    axes = panel(figure, "|error")
    boxes = [tick.get_window_extent() for tick in axes.get_yticklabels(which="both") if tick.get_text()]
    low, high = axes.get_window_extent().get_points()[:, 1]
    boxes = [box for box in boxes if low <= (box.y0 + box.y1) / 2 <= high]
    assert len(boxes) > 1
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])


def test_of_many_blocks_the_largest_are_shown_and_the_rest_counted():
    history = make_history(blocks=tuple("abcdefghi"))
    figure = solution_figure(make_run(history=history))
    axes = panel(figure, "Loss (3 smaller blocks not shown)")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["total", *"abcdef"]


# What is said


def test_the_caption_names_model_size_error_time_and_status():
    said = texts(solution_figure(make_run()))
    for part in ("A title", "KAN", "1,234 parameters", "1.2e-08", "5.6 s", "done"):
        assert part in said
    assert "tolerance" not in said


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_run_that_did_not_end_well_says_so_in_color(status):
    good = solution_figure(make_run())
    bad = solution_figure(make_run(attributes={"title": "A title", "status": status, "stop_reason": "It was hot."}))
    assert bad.get_suptitle() == f"A title ({status})" and f"{status}\nIt was hot." in texts(bad)
    assert bad._suptitle.get_color() != good._suptitle.get_color()


# What a run may leave behind


def spoiled(value: float, everywhere: bool) -> RunData:
    run = make_run("xy")
    for name in ("u", "u_error"):
        run.fields[name][... if everywhere else (3, slice(2, 4))] = value
    return run


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("everywhere", "count"), [(False, 2), (True, 132)])
def test_values_that_are_not_finite_are_left_out_and_counted(value, everywhere, count):
    figure = solution_figure(spoiled(value, everywhere))
    assert titles(figure)[0] == f"u\n{count} of 132 values not finite"
    assert titles(figure)[2] == "|error of u|, " + ("unknown" if everywhere else "max 0.001")


def of_history(**columns) -> RunData:
    return make_run("x", reference=False, history=columns)


def of_fields(run: RunData, **fields) -> RunData:
    return replace(run, fields=fields, history={})


LINE, SQUARE = make_run("x"), make_run("xy")
X, MAP, STEPS = LINE.axes["x"], SQUARE.fields["u"], np.arange(3)
HARD = {
    "no reference": make_run("xt", reference=False),
    "no history": make_run("x", history={}),
    "empty history": of_history(**{name: values[:0] for name, values in make_history().items()}),
    "one step": of_history(**{name: values[:1] for name, values in make_history().items()}),
    "history without steps": of_history(loss=np.ones(3)),
    "history of NaN": of_history(step=STEPS, loss=np.full(3, np.nan)),
    "zeros and infinities": of_history(step=STEPS, loss=np.array([0, np.inf, 1]), time_s=np.full(3, np.nan)),
    "a flat history": of_history(step=STEPS, loss=np.ones(3), time_s=np.zeros(3)),
    "restarted steps": of_history(**make_history() | {"step": np.resize(np.arange(10), 40)}),
    "grid not a number": of_history(**make_history() | {"grid": np.full(40, np.nan)}),
    "metrics of NaN": make_run("x", metrics={"rel_l2": np.nan, "n_parameters": 3}, history={}),
    "no attributes": make_run("x", attributes={}, history={}),
    "no fields": of_fields(LINE),
    "a constant": of_fields(LINE, u=np.ones(11), u_ref=np.ones(11)),
    "a constant map": of_fields(SQUARE, u=0 * MAP, u_ref=0 * MAP),
    "NaN on a line": of_fields(LINE, u=np.full(11, np.nan)),
    "NaN on a map": of_fields(SQUARE, u=np.nan * MAP, u_ref=MAP),
    "one point": replace(SQUARE, axes={"x": X[:1], "y": X[:1]}, fields={"u": np.ones((1, 1))}),
    "huge values": of_fields(LINE, u=1e300 * X, u_ref=-1e300 * X),
    "huge values on a map": of_fields(SQUARE, u=1e307 * MAP, u_ref=-1e307 * MAP),
    "tiny values": of_fields(LINE, u=1e-310 * X, u_ref=0 * X),
    "odd title": make_run("x", attributes={"title": "$ 5, _{x\\frac 方程", "status": "failed", "stop_reason": "$_{"}),
    "long texts": make_run("x", attributes={"title": "a " * 999, "status": "failed", "stop_reason": "so " * 999}),
}


@pytest.mark.parametrize("case", HARD)
def test_nothing_a_run_leaves_behind_breaks_the_picture(case):
    assert png_bytes(solution_figure(HARD[case]), dpi=40).startswith(b"\x89PNG")


def test_titles_that_the_font_lacks_alarm_nobody_in_notebooks_and_indexes():
    odd = HARD["odd title"]
    assert "data:image/png;base64," in run_card(odd)
    assert "data:image/png;base64," in index_page("runs", [("a", odd)])


@pytest.mark.parametrize("coordinates", ["x", "xy", "xt", "xyzvw"])
def test_no_texts_lie_over_each_other(coordinates):
    """Titles, axis names and caption, as drawn; two rows of fields leave the least room."""
    figure = drawn(solution_figure(make_run(coordinates, fields="uv")))
    labels = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    boxes = [text.get_window_extent() for text in [*labels, figure._suptitle, figure._supxlabel] if text.get_text()]
    assert len(boxes) > 8
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])


# Saving


def test_a_picture_is_as_large_as_asked():
    figure = solution_figure(make_run("x"))
    for dpi in (50, 100):
        header = png_bytes(figure, dpi=dpi)[16:20]
        assert int.from_bytes(header, "big") == 11 * dpi


def test_pictures_drawn_at_the_same_time_are_the_same(tmp_path):
    def draw(name):
        (tmp_path / name).write_bytes(png_bytes(solution_figure(make_run("xt")), dpi=40))

    threads = [threading.Thread(target=draw, args=(f"{i}.png",)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(tmp_path / f"{i}.png").read_bytes() for i in range(3)}) == 1


def test_no_global_state_is_loaded():
    code = "import sys, kanpde.reports.plots; print('matplotlib.pyplot' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def with_hole(spoiled=False):
    """x*y on a square with a disk cut out, NaN there as in archives."""
    yaml = (
        "coordinates: {x: [-1, 1], y: [-1, 2]}\nfields: [u]\nshapes: {hole: 'disk(0.3, 0.5, 0.4)'}\n"
        "domain: box - hole\nequations: {e: lap(u) = 0}\nboundary: {'*': u = x*y}\n"
    )
    x, y = np.linspace(-1, 1, 41), np.linspace(-1, 2, 61)
    u = x[:, None] * y
    u[np.hypot(x[:, None] - 0.3, y - 0.5) < 0.4] = np.nan
    if spoiled:
        u[0, 0] = np.nan
    model = ModelData("kan", "{}", {}, {})
    return RunData({"title": "a hole", "problem_yaml": yaml}, {"x": x, "y": y}, {"u": u}, {}, {}, model, {})


def test_what_is_cut_out_is_covered_and_not_counted_as_missing():
    axes = solution_figure(with_hole()).axes[0]
    assert axes.get_title() == "u"
    field, cover, _ = axes.collections  # the last is the rim
    assert np.isfinite(np.ma.filled(field.get_array(), np.nan)).all()  # colors go up to the rim
    grid = np.ma.filled(cover.get_array(), 0).reshape(500, 500)
    assert grid.mean() == pytest.approx(np.pi * 0.16 / 6, rel=1e-2)
    row, column = np.argwhere(grid > 0).mean(0) / 500
    assert (2 * column - 1, 3 * row - 1) == pytest.approx((0.3, 0.5), abs=0.01)
    assert "1 of" in solution_figure(with_hole(spoiled=True)).axes[0].get_title()
