"""The archive as its users meet it: read back bit for bit, opened by other libraries, spoiled by strangers."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from kanpde.errors import InputError
from kanpde.files import atomic, hdf5
from kanpde.results.archive import ModelData, RunData, read_archive, write_archive

# What a float64 can be: signed zero, infinities, a subnormal, and a NaN with a payload.
ODD_FLOATS = np.array([-0.0, np.inf, -np.inf, 5e-324, np.pi, np.nan, 0.1, 1e308])
ODD_FLOATS.view(np.uint64)[5] = 0x7FF80000DEADBEEF


def grid_axes(dimension: int) -> dict[str, np.ndarray]:
    """Axes of different lengths, origins and steps, so that no two can be mistaken for each other."""
    return {name: np.linspace(i, i + 2.0**i, 4 + i) for i, name in enumerate("xyzw"[:dimension])}


def plane(axes: dict[str, np.ndarray]) -> np.ndarray:
    """x + 10 y + 100 z + … at the grid points."""
    return sum(10.0**i * values for i, values in enumerate(np.meshgrid(*axes.values(), indexing="ij")))


def make_run(dimension: int = 2, steps: int = 8, **changes) -> RunData:
    axes = grid_axes(dimension)
    u = plane(axes)
    fields = {"u": u, "u_ref": u + 1, "u_error": np.full_like(u, -1)}
    history = {"step": np.arange(steps), "time_s": 0.1 * np.arange(steps), "loss": np.resize(ODD_FLOATS, steps)}
    model = ModelData("kan", '{"width": [5]}', {"b.weight": np.ones((2, 3)), "a.bias": ODD_FLOATS}, {"knots": u[0]})
    attributes = {"title": "∇u", "status": "done", "seed": 3}
    points = {"momentum": np.arange(10.0).reshape(5, 2), "x-": np.zeros((1, 2)), "t-.2": np.zeros((0, 2))}
    run = RunData(attributes, axes, fields, history, {"rel_l2": 1e-9, "n_parameters": 14}, model, points)
    return replace(run, **changes)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "result.h5"
    write_archive(path, make_run())
    return path


def assert_same_arrays(came, expected):
    assert list(came) == list(expected)
    for name, values in expected.items():
        assert came[name].shape == values.shape and came[name].dtype == values.dtype, name
        assert came[name].tobytes() == np.ascontiguousarray(values).tobytes(), name


def assert_three_parts(message: str, path) -> None:
    assert message.startswith(f"{path}: "), message
    assert re.search(r" needed, but .+\. [A-Z].+\.$", message, re.DOTALL), message


# Round trip


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_everything_comes_back_bit_for_bit(tmp_path, dimension):
    run = make_run(dimension)
    write_archive(tmp_path / "r.h5", run)
    again = read_archive(tmp_path / "r.h5")
    for part in ("axes", "fields", "history", "points"):
        assert_same_arrays(getattr(again, part), getattr(run, part))
    assert_same_arrays(again.model.parameters, run.model.parameters)
    assert_same_arrays(again.model.grids, run.model.grids)
    assert (again.model.kind, again.model.config_json) == (run.model.kind, run.model.config_json)
    assert again.attributes == run.attributes and again.metrics == run.metrics
    assert [type(v) for v in again.metrics.values()] == [float, int]
    assert [type(v) for v in again.attributes.values()] == [str, str, int]


def test_a_run_without_steps_fields_or_numbers_comes_back(tmp_path):
    run = make_run(axes={}, fields={}, history={}, metrics={"rel_l2": np.nan}, points={}, attributes={})
    write_archive(tmp_path / "r.h5", run)
    again = read_archive(tmp_path / "r.h5")
    assert again.fields == {} and again.history == {} and np.isnan(again.metrics["rel_l2"])


def test_texts_beyond_the_64_kb_of_an_object_header_come_back(tmp_path):
    texts = {f"text_{i}": chr(945 + i) * 400_000 for i in range(12)} | {"empty": ""}
    write_archive(tmp_path / "r.h5", make_run(attributes=texts))
    assert read_archive(tmp_path / "r.h5").attributes == texts


def test_single_precision_is_stored_as_double(tmp_path):
    write_archive(tmp_path / "r.h5", make_run(metrics={"loss": np.float32(0.1)}))
    assert read_archive(tmp_path / "r.h5").metrics["loss"] == float(np.float32(0.1))


def test_text_in_an_array_is_refused():
    with pytest.raises(TypeError, match="/points/a needs numbers"):
        write_archive("unused.h5", make_run(points={"a": np.array(["b"])}))


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"u": np.zeros((5, 4))}},
        {"history": {"step": np.arange(3), "loss": np.zeros(2)}},
        {"metrics": {"a/b": 1.0}},
        {"points": {".": np.zeros((1, 2))}},
        {"metrics": {"": 1.0}},
    ],
)
def test_records_that_would_not_come_back_are_refused(changes):
    with pytest.raises(ValueError, match="needs shape|cannot be the name"):
        make_run(**changes)


def test_solved_fields_are_not_those_that_belong_to_another():
    x = {"x": np.arange(2.0)}
    names = ["u", "u_ref", "u_error", "v", "p_ref"]
    run = make_run(axes=x, fields={name: np.zeros(2) for name in names})
    assert run.solved_fields == ("u", "v", "p_ref")


# Layout and other libraries


def test_layout_of_the_contract(archive):
    with h5py.File(archive) as root:
        assert root.attrs["kanpde_schema"] == "1.0" and root.attrs["title"] == "∇u" and root.attrs["seed"] == 3
        assert root["metrics/rel_l2"][()] == 1e-9 and root["model"].attrs["kind"] == "kan"
        assert root["model/parameters/b.weight"].dtype == np.float64
        assert set(root["solution"]) == {"x", "y", "u", "u_ref", "u_error"}
        u = root["solution/u"]
        assert (u.compression, u.shuffle, u.fletcher32) == ("gzip", True, True)
        assert [d.label or d[0].name for d in u.dims] == ["/solution/y", "/solution/x"]
        assert root["history/step"].is_scale and root["history/loss"].dims[0][0].name == "/history/step"


def test_the_file_needs_no_newer_library_than_hdf5_1_10(archive):
    # The version of the superblock follows the signature; 3 is that of HDF5 1.10.
    assert archive.read_bytes()[8] == 3


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_xarray_opens_solution_and_history(tmp_path, engine, dimension):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4" if engine == "netcdf4" else engine)
    run = make_run(dimension)
    write_archive(tmp_path / "r.h5", run)
    with xarray.open_dataset(tmp_path / "r.h5", group="/solution", engine=engine) as solution:
        assert set(solution.coords) == set(run.axes) and set(solution.data_vars) == set(run.fields)
        last = {name: values[-1] for name, values in run.axes.items()}
        np.testing.assert_array_equal(solution.u.transpose(*run.axes), run.fields["u"])
        assert float(solution.u.sel(last)) == sum(10.0**i * value for i, value in enumerate(last.values()))
    with xarray.open_dataset(tmp_path / "r.h5", group="/history", engine=engine) as history:
        assert history.loss.dims == ("step",) and list(history.step) == list(range(8))
        np.testing.assert_array_equal(history.loss, run.history["loss"])


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_an_empty_history(tmp_path, engine):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4" if engine == "netcdf4" else engine)
    write_archive(tmp_path / "r.h5", make_run(steps=0))
    with xarray.open_dataset(tmp_path / "r.h5", group="/history", engine=engine) as history:
        assert history.sizes == {"step": 0} and "loss" in history


def test_a_nexus_viewer_finds_the_default_plot(archive):
    nexus = pytest.importorskip("nexusformat.nexus")
    plot = nexus.nxload(str(archive)).plottable_data
    assert plot.nxpath == "/entry/solution" and plot.nxsignal.nxname == "u"
    assert [axis.nxname for axis in plot.nxaxes] == ["y", "x"]
    assert plot.nxsignal.shape == tuple(axis.size for axis in plot.nxaxes)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_vtk_sees_every_value_at_its_place(tmp_path, dimension):
    hdf = pytest.importorskip("vtkmodules.vtkIOHDF", reason="the package vtk is not installed")
    run = make_run(dimension)
    write_archive(tmp_path / "r.h5", run)
    reader = hdf.vtkHDFReader()
    reader.SetFileName(str(tmp_path / "r.h5"))
    reader.Update()
    image = reader.GetOutput()
    sizes = [axis.size for axis in run.axes.values()]
    assert list(image.GetDimensions()) == sizes + [1] * (3 - dimension)
    assert image.GetPointData().GetScalars().GetName() == "u"
    u = image.GetPointData().GetArray("u")
    for i in range(image.GetNumberOfPoints()):
        x, y, z = image.GetPoint(i)
        assert u.GetValue(i) == pytest.approx(x + 10 * y + 100 * z, abs=1e-12)


def test_vtk_arrays_are_links_and_cost_nothing(archive):
    with h5py.File(archive) as root:
        assert root["VTKHDF/PointData/u"] == root["solution/u"] and root["entry/solution"] == root["solution"]
        assert root["VTKHDF/PointData/u"] != root["solution/u_ref"]


@pytest.mark.parametrize(
    "axes", [{"x": np.array([0.0, 1.0, 3.0])}, {"x": np.array([0.0])}, grid_axes(4)], ids=["uneven", "point", "4-D"]
)
def test_no_image_where_vtk_could_not_show_it(tmp_path, axes):
    write_archive(tmp_path / "r.h5", make_run(axes=axes, fields={"u": plane(axes)}))
    with h5py.File(tmp_path / "r.h5") as root:
        assert "VTKHDF" not in root
    assert_same_arrays(read_archive(tmp_path / "r.h5").fields, {"u": plane(axes)})


# Saving


WRITER = """
import os, signal, sys
import numpy as np
sys.path.insert(0, {tests!r})
from test_archive import make_run
from kanpde.results.archive import write_archive
def die(*args): os.kill(os.getpid(), signal.SIGKILL)
{setup}
while True:
    for seed in (1, 2):
        x = np.arange(300_000.0)
        write_archive({path!r}, make_run(axes={{"x": x}}, fields={{"u": x}}, attributes={{"seed": seed}}))
        print(seed, flush=True)
"""


def start_writer(path, setup: str = "") -> subprocess.Popen:
    script = WRITER.format(tests=os.path.dirname(__file__), path=str(path), setup=setup)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("name", ["result.h5", "new.h5"])
def test_killed_before_the_end_the_old_file_stays(archive, call, name):
    old = archive.read_bytes()
    writer = start_writer(archive.with_name(name), f"{call} = die")
    _, errors = writer.communicate(timeout=60)
    assert writer.returncode == -signal.SIGKILL, errors
    assert archive.read_bytes() == old and not archive.with_name("new.h5").exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("delay", [0.0, 0.025])
def test_killed_at_any_moment_the_file_is_whole(tmp_path, delay):
    path = tmp_path / "result.h5"
    writer = start_writer(path)
    assert writer.stdout.readline() == "1\n"
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(timeout=delay)
    writer.kill()
    writer.communicate()
    assert read_archive(path).attributes["seed"] in (1, 2)


def test_a_failed_saving_leaves_the_old_file_and_no_draft(archive, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    old = archive.read_bytes()
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(InputError, match="No space left") as error:
        write_archive(archive, make_run())
    assert_three_parts(str(error.value), archive)
    assert archive.read_bytes() == old and os.listdir(archive.parent) == [archive.name]


def test_a_folder_that_is_missing_or_not_writable_is_said(tmp_path):
    with pytest.raises(InputError, match="No such file or directory") as error:
        write_archive(tmp_path / "no" / "r.h5", make_run())
    assert_three_parts(str(error.value), tmp_path / "no" / "r.h5")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(InputError, match="Permission denied"):
        write_archive(locked / "r.h5", make_run())


# Reading what strangers send


def test_missing_files_and_folders_are_said(tmp_path):
    for path, came in ((tmp_path / "none.h5", "is not there"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=came) as error:
            read_archive(path)
        assert_three_parts(str(error.value), path)


@pytest.mark.parametrize("content", [b"", b"title: a\n", b"\x80\x04K\x01.", b"\x89HDF\r\n\x1a\n"])
def test_files_that_are_no_archive_are_said(tmp_path, content):
    path = tmp_path / "result.h5"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_archive(path)
    assert_three_parts(str(error.value), path)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files_are_said(archive, part):
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(InputError, match="cut off or damaged|no HDF5 file") as error:
        read_archive(archive)
    assert_three_parts(str(error.value), archive)


def test_a_flipped_bit_is_found(archive):
    with h5py.File(archive) as root:
        place = root["solution/u"].id.get_chunk_info(0).byte_offset
    content = bytearray(archive.read_bytes())
    content[place + 10] ^= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_archive(archive)


def put(name, *args, **kwargs):
    """A way to spoil an archive: replace one array by another."""

    def spoil(root):
        if name in root:
            del root[name]
        root.create_dataset(name, *args, **kwargs)

    return spoil


def link(target):
    def spoil(root):
        root["points/more"] = target

    return spoil


def virtual(root):
    layout = h5py.VirtualLayout(shape=(4,), dtype=float)
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", shape=(4,))
    root.create_virtual_dataset("points/more", layout)


def named_type(root):
    root["points/more"] = np.dtype("f8")


def many_arrays(root):
    for i in range(6):
        root.create_dataset(f"points/more{i}", (2**27,), float, chunks=(2**17,))


def attribute(name, value):
    def spoil(root):
        root.attrs[name] = value

    return spoil


def remove(name):
    def spoil(root):
        del root[name]

    return spoil


def set_schema(value):
    return attribute("kanpde_schema", value)


def remove_schema(root):
    del root.attrs["kanpde_schema"]


SPOILED = {
    "foreign": (remove_schema, "no attribute kanpde_schema"),
    "newer schema": (set_schema("2.0"), "schema 2.0"),
    "schema of another type": (set_schema(np.arange(3)), "neither a text nor a number"),
    "soft link": (link(h5py.SoftLink("/solution/u")), "link to another place"),
    "dangling soft link": (link(h5py.SoftLink("/nowhere")), "link to another place"),
    "external link": (link(h5py.ExternalLink("/etc/passwd", "/")), "link to another place or file"),
    "virtual storage": (virtual, "virtual storage"),
    "external storage": (put("points/more", (4,), "f8", external=[("/etc/passwd", 0, 32)]), "external storage"),
    "named type": (named_type, "neither a group nor an array"),
    "compound": (put("points/more", (2,), [("a", "f8")]), "plain numbers are needed"),
    "references": (put("points/more", (2,), h5py.ref_dtype), "plain numbers are needed"),
    "ragged": (put("points/more", (2,), h5py.vlen_dtype("f8")), "plain numbers are needed"),
    "text": (put("points/more", data="a text"), "plain numbers are needed"),
    "opaque": (put("points/more", data=np.void(b"abc")), "plain numbers are needed"),
    "null": (put("points/more", data=h5py.Empty("f8")), "no values"),
    "80 TB": (put("points/more", (10**13,), "f8", chunks=(1000,)), "7.45e+04 GiB"),
    "over the total": (many_arrays, "where 4 GiB are allowed"),
    "large chunks": (put("points/more", (2**20,), "f8", chunks=(2**20,), compression="gzip"), "chunks larger"),
    "other filter": (put("points/more", (100,), "f8", compression="lzf"), "filter 32000"),
    "lossy filter": (put("points/more", (100,), "i4", scaleoffset=2), "filter 6"),
    "attribute of arrays": (attribute("seed", np.arange(4)), "attribute seed"),
    "missing group": (remove("history"), "damaged"),
    "missing model text": (lambda root: root["model"].attrs.__delitem__("kind"), "damaged"),
    "group for an array": (lambda root: root.create_group("points/more"), "damaged"),
    "array for a group": (put("points", data=np.zeros(3)), "damaged"),
    "field of another shape": (put("solution/u", data=np.zeros((7, 7))), "needs shape"),
    "columns of other lengths": (put("history/loss", data=np.zeros(3)), "needs shape"),
    "metric that is an array": (put("metrics/rel_l2", data=np.zeros(3)), "damaged"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_spoiled_archives_are_refused_with_a_sentence(archive, case):
    spoil, came = SPOILED[case]
    with h5py.File(archive, "r+") as root:
        spoil(root)
    size = archive.stat().st_size
    with pytest.raises(InputError, match=re.escape(came)) as error:
        read_archive(archive)
    assert_three_parts(str(error.value), archive)
    assert archive.stat().st_size == size < 10**6


def test_a_stored_chunk_larger_than_its_array_is_refused(archive):
    """A gzip stream may unpack to far more than the chunk that is declared."""
    with h5py.File(archive, "r+") as root:
        bomb = root.create_dataset("points/more", (10,), "f8", chunks=(10,), compression="gzip")
        bomb.id.write_direct_chunk((0,), bytes(hdf5.LARGEST_CHUNK + 1))
    with pytest.raises(InputError, match="chunks larger"):
        read_archive(archive)


def test_a_chain_of_texts_without_end_is_refused(archive):
    """HDF5 itself would follow it forever."""
    content = bytearray(archive.read_bytes())
    first = content.find(hdf5.TEXT_HEAP) + hdf5.HEAP_HEADER
    content[first : first + 16] = bytes(16)
    archive.write_bytes(content)
    with pytest.raises(hdf5.Unsafe, match="texts in a damaged order"):
        hdf5.check_texts(archive)
    with pytest.raises(InputError) as error:
        read_archive(archive)
    assert_three_parts(str(error.value), archive)


def test_random_damage_is_either_harmless_or_said(archive):
    whole, generator, refused = archive.read_bytes(), np.random.default_rng(0), 0
    for _ in range(150):
        content = bytearray(whole)
        content[generator.integers(len(whole))] = generator.integers(256)
        archive.write_bytes(content)
        try:
            read_archive(archive)
        except InputError:
            refused += 1
    assert 20 < refused < 150


def test_links_in_a_circle_end(archive):
    with h5py.File(archive, "r+") as root:
        root["entry/root"] = root["/"]
    assert read_archive(archive).solved_fields == ("u",)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_an_archive_that_the_program_has_open_is_read_all_the_same(archive, mode):
    with h5py.File(archive, mode) as mine:
        assert mine["solution/u"].shape
        assert_same_arrays(read_archive(archive).fields, make_run().fields)
        assert hdf5.read_dataset(archive, "solution/u", 10**6).size == make_run().fields["u"].size


def test_more_objects_than_allowed_are_refused(archive, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_OBJECTS", 10)
    with pytest.raises(InputError, match="more than 10 objects"):
        read_archive(archive)


def test_a_file_that_nobody_may_write_can_be_read(archive):
    archive.chmod(0o400)
    assert read_archive(archive).metrics["n_parameters"] == 14


# one hash over what HDF5 does not sum


def changed_in_place(path, change):
    with h5py.File(path, "r+") as root:
        change(root)


CHANGES = {
    "a metric": lambda root: root["metrics/rel_l2"].__setitem__((), 1e-12),
    "the status": lambda root: root.attrs.__setitem__("status", "failed"),
    "the model": lambda root: root["model"].attrs.__setitem__("config_json", '{"width": [6]}'),
    "a new attribute": lambda root: root.attrs.__setitem__("note", "mine"),
    "a lost metric": lambda root: root["metrics"].__delitem__("rel_l2"),
    "a name": lambda root: root.move("points/momentum", "points/energy"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_texts_and_scalars_have_a_hash(archive, name):
    path = archive
    changed_in_place(path, CHANGES[name])
    with pytest.raises(InputError, match="do not have the hash content_sha256"):
        read_archive(path)


@pytest.mark.parametrize("name", ["a metric", "the status"])
def test_archives_of_earlier_versions_have_none(archive, name):
    path = archive
    changed_in_place(path, lambda root: root.attrs.__delitem__("content_sha256"))
    changed_in_place(path, CHANGES[name])
    assert read_archive(path).metrics["rel_l2"] in (1e-9, 1e-12)


def test_no_flipped_bit_of_a_metric_passes(archive):
    path = archive
    content = path.read_bytes()
    with h5py.File(path) as root:
        places = [root[f"metrics/{name}"].id.get_offset() for name in ("rel_l2", "n_parameters")]
    for bit in range(128):
        place = places[bit // 64] + bit % 64 // 8
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(InputError, match="damaged"):
            read_archive(path)
