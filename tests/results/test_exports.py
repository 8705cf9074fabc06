"""A run in other formats, opened by other libraries."""

import csv
import json
import struct

import numpy as np
import pytest
from test_archive import grid_axes, make_run, plane

from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.results.archive import ModelData, write_archive
from kanpde.results.exports import FORMATS, export_run

FILES = {
    "csv": {"solution.csv", "history.csv", "metrics.csv"},
    "npz": {"solution.npz"},
    "vtk": {"solution.vti"},
    "safetensors": {"parameters.safetensors"},
}


@pytest.fixture
def run():
    return make_run(fields={"u": plane(grid_axes(2)) / 3, "u_error": np.full((4, 5), np.nan)})


@pytest.mark.parametrize("kind", FORMATS)
def test_the_command_writes_beside_the_archive_or_where_it_is_told(tmp_path, run, kind, capsys):
    write_archive(tmp_path / "result.h5", run)
    assert main(["export", str(tmp_path), "--to", kind]) == 0
    assert {path.name for path in tmp_path.iterdir()} == FILES[kind] | {"result.h5"}
    assert main(["export", "--to", kind, "--into", str(tmp_path / "there"), str(tmp_path / "result.h5")]) == 0
    for name in FILES[kind]:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(FILES[kind])


@pytest.mark.parametrize(("kind", "begin"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_picture_for_paper(tmp_path, run, kind, begin, capsys):
    """Lines and letters stay such, maps are pixels, and the same run makes the same file."""
    write_archive(tmp_path / "result.h5", run)
    assert main(["export", str(tmp_path), "--to", kind]) == 0
    content = (tmp_path / f"solution.{kind}").read_bytes()
    assert content.startswith(begin) and capsys.readouterr().out.endswith(f"solution.{kind}\n")
    if kind == "svg":
        assert content.count(b"<image") >= 2 and content.count(b"<path") > 50 and len(content) < 500_000
    assert main(["export", str(tmp_path), "--to", kind]) == 0
    assert (tmp_path / f"solution.{kind}").read_bytes() == content


def test_bad_input_is_three_sentences_and_writes_nothing(tmp_path, run, capsys):
    write_archive(tmp_path / "result.h5", run)
    for words, said in [
        ([str(tmp_path), "--to", "xlsx"], "--to needs one of csv, npz, vtk, safetensors, pdf, png, svg; xlsx came."),
        ([str(tmp_path)], "--to needs one of csv, npz, vtk, safetensors, pdf, png, svg; none came."),
        ([str(tmp_path), "--to", "csv", "--into", str(tmp_path / "result.h5" / "x")], "a folder to write in is needed"),
        ([str(tmp_path / "no"), "--to", "csv"], "an archive such as result.h5 is needed"),
    ]:
        assert main(["export", *words]) == 2
        assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["result.h5"]


def test_csv_holds_every_point_bit_for_bit(tmp_path, run):
    export_run(run, "csv", tmp_path)
    with open(tmp_path / "solution.csv", newline="") as file:
        names, *rows = csv.reader(file)
    assert names == ["x", "y", "u", "u_error"]
    x, y, u, error = np.array(rows, dtype=float).T
    np.testing.assert_array_equal(u.reshape(4, 5), run.fields["u"])
    np.testing.assert_array_equal(u, (x + 10 * y) / 3)
    assert np.isnan(error).all()
    history = np.genfromtxt(tmp_path / "history.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(history["loss"], run.history["loss"])
    with open(tmp_path / "metrics.csv", newline="") as file:
        assert list(csv.reader(file)) == [["metric", "value"], ["rel_l2", "1e-09"], ["n_parameters", "14"]]


def test_numpy_opens_npz_without_pickle(tmp_path, run):
    export_run(run, "npz", tmp_path)
    with np.load(tmp_path / "solution.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["u"], run.fields["u"])
        np.testing.assert_array_equal(file["y"], run.axes["y"])
        np.testing.assert_array_equal(file["history/loss"], run.history["loss"])
        np.testing.assert_array_equal(file["parameters/b.weight"], run.model.parameters["b.weight"])
        assert file["metrics/n_parameters"] == 14
        assert json.loads(str(file["attributes_json"])) == run.attributes


def test_a_coordinate_may_have_any_name_in_npz(tmp_path):
    x = np.arange(3.0)
    export_run(make_run(axes={"file": x}, fields={"u": x}), "npz", tmp_path)
    with np.load(tmp_path / "solution.npz") as file:
        np.testing.assert_array_equal(file["file"], x)


def test_safetensors_come_back_bit_for_bit_with_their_metadata(tmp_path, run):
    safetensors = pytest.importorskip("safetensors")
    numpy = pytest.importorskip("safetensors.numpy")
    (path,) = export_run(run, "safetensors", tmp_path)
    loaded = numpy.load_file(path)
    arrays = {**run.model.parameters, **run.model.grids}
    assert set(loaded) == set(arrays)
    for name, values in arrays.items():
        assert loaded[name].dtype == values.dtype and loaded[name].tobytes() == np.ascontiguousarray(values).tobytes()
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"kind": "kan", "config_json": '{"width": [5]}', "title": "∇u", "seed": "3"}


def test_the_numbers_of_safetensors_are_aligned(tmp_path, run):
    (path,) = export_run(run, "safetensors", tmp_path)
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    assert length % 8 == 0


def test_an_array_that_safetensors_cannot_hold_is_refused(tmp_path):
    model = ModelData("kan", "{}", {"w": np.zeros(2, dtype=np.complex128)}, {})
    with pytest.raises(InputError, match="w has c16. Take --to npz"):
        export_run(make_run(model=model), "safetensors", tmp_path)


# VTK


def image_of(path):
    vtk = pytest.importorskip("vtkmodules.vtkIOXML", reason="the package vtk is not installed")
    reader = vtk.vtkXMLImageDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_vtk_sees_every_value_at_its_place(tmp_path, dimension):
    run = make_run(dimension)
    (path,) = export_run(run, "vtk", tmp_path)
    image = image_of(path)
    assert list(image.GetDimensions()) == [axis.size for axis in run.axes.values()] + [1] * (3 - dimension)
    assert image.GetPointData().GetScalars().GetName() == "u"
    names = [image.GetPointData().GetArrayName(i) for i in range(image.GetPointData().GetNumberOfArrays())]
    assert names == list(run.fields)
    u = image.GetPointData().GetArray("u")
    for i in range(image.GetNumberOfPoints()):
        x, y, z = image.GetPoint(i)
        assert u.GetValue(i) == pytest.approx(x + 10 * y + 100 * z, abs=1e-12)


def test_time_beside_two_coordinates_becomes_a_series(tmp_path):
    axes = dict(zip("xyt", grid_axes(3).values(), strict=True))
    files = export_run(make_run(axes=axes, fields={"u": plane(axes)}), "vtk", tmp_path)
    assert [path.name for path in files] == [*(f"solution_{i:04}.vti" for i in range(6)), "solution.pvd"]
    series = files[-1].read_text()
    assert [float(line.split('"')[1]) for line in series.splitlines() if "DataSet" in line] == axes["t"].tolist()
    image = image_of(files[4])
    for i in range(image.GetNumberOfPoints()):
        x, y, _ = image.GetPoint(i)
        expected = pytest.approx(x + 10 * y + 100 * axes["t"][4])
        assert image.GetPointData().GetArray("u").GetValue(i) == expected


@pytest.mark.parametrize("axes", [{"x": np.array([0.0, 1.0, 3.0])}, grid_axes(4)], ids=["uneven", "4-D"])
def test_what_vtk_cannot_show_is_refused(tmp_path, axes):
    with pytest.raises(InputError, match="vtk shows fields over one to three even coordinates; .+ came. Take"):
        export_run(make_run(axes=axes, fields={"u": plane(axes)}), "vtk", tmp_path)
    assert list(tmp_path.iterdir()) == []
