"""Record -> bytes of an HDF5 file.

    /           attributes: kanpde_schema, title, created, status, stop_reason, seed, config_yaml, …, content_sha256
    /solution   NXdata: coordinates as dimension scales; per field u, u_ref, u_error
    /history    NXdata: step as dimension scale; a column each
    /metrics    scalars
    /model      attributes kind, config_json; parameters/<name>, grids/<name>
    /points     <loss block>
    /coefficients, /spectrum     where there are some: on the axes of /solution; one entry a state
    /symbolic   where formulas were sought: attributes formula_<field>, formula_<field>_latex, structure_<field>, …;
                the networks' arrays
    /samples    <what>.<name>: what the files that the problem names hold, where it names some
    /entry      NXentry: links to /solution and /history, for NeXus viewers
    /VTKHDF     ImageData: links to the fields, for VTK and ParaView

Fields are stored with the axes in reverse order, u[t, y, x] for coordinates x, y, t: the order of the netCDF
conventions (time first), of VTK (x fastest) and of image plots (rows are y). Dimension names say which is which,
and reading turns them back.
"""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from kanpde.files.atomic import replace_file
from kanpde.results.archive.checksums import CHECKSUM, record_sha256
from kanpde.results.archive.record import RunData
from kanpde.results.archive.vtk import link_image

SCHEMA = "1.0"
STEP = "step"
FILTERS = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
MEANINGS = {"_ref": "reference for {}", "_error": "error of {}"}


def write_archive(path: str | Path, data: RunData) -> None:
    """Save a run; a process that is killed in the middle leaves the old file or none.

    Args:
        path: Of the file, by custom `result.h5`; its folder exists.
        data: The run.

    Raises:
        InputError: The folder is missing, not writable or full.

    Example:
        >>> import numpy as np, tempfile
        >>> from kanpde.results.archive import ModelData, RunData, read_archive
        >>> model = ModelData("kan", "{}", {"layer": np.ones((2, 3))}, {})
        >>> x = np.linspace(0, 1, 5)
        >>> run = RunData({"title": "a line"}, {"x": x}, {"u": x}, {}, {"rel_l2": 0.0}, model, {})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_archive(f"{folder}/result.h5", run)
        ...     read_archive(f"{folder}/result.h5").attributes["title"]
        'a line'
    """
    replace_file(path, archive_bytes(data))


def archive_bytes(data: RunData) -> bytes:
    """The whole archive as the bytes of its file, in the format of HDF5 1.10."""
    memory = {"driver": "core", "backing_store": False}
    with h5py.File("memory", "w", libver=("v110", "v110"), track_order=True, **memory) as root:
        _write_root(root, data)
        _write_solution(_group(root, "solution"), data)
        _write_history(_group(root, "history"), data.history)
        _write_scalars(_group(root, "metrics"), data.metrics)
        _write_model(_group(root, "model"), data)
        _write_arrays(_group(root, "points"), data.points)
        if data.coefficients:
            _write_coefficients(_group(root, "coefficients"), root["solution"], data)
        if data.spectrum:
            _write_spectrum(_group(root, "spectrum"), data)
        if data.symbolic_attributes:
            group = _group(root, "symbolic")
            _write_arrays(group, data.symbolic)
            for name, value in data.symbolic_attributes.items():
                group.attrs[name] = value
        if data.samples:
            _write_arrays(_group(root, "samples"), data.samples)
        _link_entry(root, data)
        link_image(root, data)
        root.flush()
        return root.id.get_file_image()


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    # HDF5 forgets the order of names unless told not to; columns and parameters have one.
    return parent.create_group(name, track_order=True)


def _write_root(root: h5py.File, data: RunData) -> None:
    root.attrs["NX_class"] = "NXroot"
    root.attrs["default"] = "entry"
    root.attrs["kanpde_schema"] = SCHEMA
    for name, value in data.attributes.items():
        # h5py keeps text outside the object header, where the limit of 64 kB does not reach.
        root.attrs[name] = value
    root.attrs[CHECKSUM] = record_sha256(data)


def _write_array(group: h5py.Group, name: str, values: np.ndarray) -> h5py.Dataset:
    values = np.asarray(values)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{group.name}/{name} needs numbers, but holds {values.dtype}")
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
    # Scalars and empty arrays cannot be cut into chunks, which the filters need.
    return group.create_dataset(name, data=values, **(FILTERS if values.size > 1 else {}))


def _write_arrays(group: h5py.Group, arrays: Mapping[str, np.ndarray]) -> None:
    for name, values in arrays.items():
        _write_array(group, name, values)


def _write_scalars(group: h5py.Group, scalars: Mapping[str, float | int]) -> None:
    for name, value in scalars.items():
        _write_array(group, name, np.asarray(value))


def _write_scale(group: h5py.Group, name: str, values: np.ndarray) -> h5py.Dataset:
    scale = _write_array(group, name, values)
    scale.make_scale(name)
    return scale


def _write_solution(group: h5py.Group, data: RunData) -> None:
    scales = [_write_scale(group, name, values) for name, values in data.axes.items()][::-1]
    for name, values in data.fields.items():
        dataset = _write_on_axes(group, name, values, scales)
        dataset.attrs["long_name"] = _long_name(name, data.solved_fields)
    _mark_plot(group, signal=next(iter(data.solved_fields), None), axes=[*data.axes][::-1])


def _write_on_axes(group: h5py.Group, name: str, values: np.ndarray, scales: list[h5py.Dataset]) -> h5py.Dataset:
    dataset = _write_array(group, name, np.transpose(values))
    for dimension, scale in zip(dataset.dims, scales, strict=True):
        dimension.attach_scale(scale)
    return dataset


def _write_coefficients(group: h5py.Group, solution: h5py.Group, data: RunData) -> None:
    """Known functions on axes of their own, which netCDF wants within the group."""
    scales = [_write_scale(group, name, solution[name][()]) for name in data.axes][::-1]
    for name, values in data.coefficients.items():
        _write_on_axes(group, name, values, scales)


def _write_spectrum(group: h5py.Group, data: RunData) -> None:
    """Arrays, those that are the axes of others as dimension scales."""
    names = {axis for axes in data.spectrum_axes.values() for axis in axes}
    scales = {name: _write_scale(group, name, data.spectrum[name]) for name in data.spectrum if name in names}
    _write_arrays(group, {name: values for name, values in data.spectrum.items() if name not in names})
    for name, axes in data.spectrum_axes.items():
        for dimension, axis in zip(group[name].dims, axes, strict=True):
            dimension.attach_scale(scales[axis])


def _long_name(name: str, solved: tuple[str, ...]) -> str:
    for suffix, meaning in MEANINGS.items():
        if name not in solved and name.endswith(suffix):
            return meaning.format(name.removesuffix(suffix))
    return name


def _write_history(group: h5py.Group, history: Mapping[str, np.ndarray]) -> None:
    scales = {name: _write_scale(group, name, history[name]) for name in history if name == STEP}
    for name, values in history.items():
        if name != STEP:
            dataset = _write_array(group, name, values)
            for scale in scales.values():
                dataset.dims[0].attach_scale(scale)
    _mark_plot(group, signal="loss" if "loss" in history else None, axes=[*scales])


def _mark_plot(group: h5py.Group, signal: str | None, axes: list[str]) -> None:
    """Say what a NeXus viewer should draw."""
    group.attrs["NX_class"] = "NXdata"
    if signal is not None and axes:
        group.attrs["signal"] = signal
        group.attrs["axes"] = axes


def _write_model(group: h5py.Group, data: RunData) -> None:
    group.attrs["kind"] = data.model.kind
    group.attrs["config_json"] = data.model.config_json
    _write_arrays(_group(group, "parameters"), data.model.parameters)
    _write_arrays(_group(group, "grids"), data.model.grids)


def _link_entry(root: h5py.File, data: RunData) -> None:
    """NeXus has data inside an entry inside the root: an entry of links leaves the short paths as they are."""
    entry = _group(root, "entry")
    entry.attrs["NX_class"] = "NXentry"
    entry.attrs["default"] = "solution" if data.fields else "history"
    entry["solution"] = root["solution"]
    entry["history"] = root["history"]
