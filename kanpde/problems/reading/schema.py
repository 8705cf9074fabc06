"""The JSON Schema of problem files: every key once, with what it takes and what it is for.

What a schema cannot say (names that must be known, expressions, corners that agree) is checked when a file is read.
"""

from __future__ import annotations

from kanpde.problems.reading.coefficients import FILE_KEYS
from kanpde.problems.reading.data import FEWEST, MOST_POINTS
from kanpde.problems.reading.lattice_schema import LATTICE_KEYS
from kanpde.problems.reading.metrics import METRICS
from kanpde.problems.reading.reference import LEAST_RESOLVED, MOST_RESOLVED, REFERENCE_METHODS
from kanpde.problems.reading.schema_parts import (
    EXPRESSION,
    NAMES,
    RANGE,
    TEXT,
    WHOLE,
    Schema,
    mapping_of,
    object_of,
    one_or_several,
)
from kanpde.problems.reading.settings import SETTING_GROUPS
from kanpde.problems.tasks import TASKS
from kanpde.problems.tasks.lattice import Lattice

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def problem_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of problem files.

    >>> [one["required"] for one in problem_schema()["anyOf"]]
    [['coordinates', 'fields'], ['lattice']]
    """
    keys = {name: {"description": text, **schema} for name, (text, schema) in KEY_SCHEMAS.items()}
    instead = [{"required": [name]} for name in TASKS if name != Lattice.key]
    fields = {"required": ["coordinates", "fields"], "anyOf": instead, "not": {"required": [Lattice.key]}}
    return {
        "$schema": DIALECT,
        "title": "kanpde problem",
        **object_of(keys),
        "anyOf": [fields, {"required": [Lattice.key]}],
    }


LEARNED = object_of(
    {"value": EXPRESSION, "learn": {"type": "boolean"}, "start": EXPRESSION, "bounds": RANGE, "prior": TEXT}
)
PARAMETER = {"anyOf": [EXPRESSION, LEARNED, object_of({"range": RANGE, "average": {"type": "boolean"}}, ["range"])]}

PART = object_of({"where": TEXT, "condition": TEXT}, ["where", "condition"])
CONDITION = {"anyOf": [TEXT, PART]}
ENTRY = object_of({"on": TEXT, "where": TEXT, "condition": {}}, ["on", "condition"])

RANDOM_CELLS = object_of(
    {
        "cells": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "low": {"type": "number"},
        "high": {"type": "number"},
        "seed": WHOLE,
        "smooth": {"type": "number", "minimum": 0},
    },
    ["cells"],
)
SAMPLES = object_of(dict.fromkeys(sorted(FILE_KEYS), TEXT), ["file"])
SAMPLES["properties"]["interpolation"] = {"enum": ["linear", "cubic"]}
PARTED = object_of({"inside": mapping_of(EXPRESSION), "else": EXPRESSION}, ["inside", "else"])
COEFFICIENT = {"anyOf": [EXPRESSION, PARTED, object_of({"random_cells": RANDOM_CELLS}, ["random_cells"]), SAMPLES]}
OWN = object_of(
    {
        "fields": one_or_several(TEXT),
        "coefficients": mapping_of(EXPRESSION),
        "equations": mapping_of(TEXT),
        "jump": mapping_of(EXPRESSION),
        "rim": one_or_several(TEXT),
    }
)

MEASURED = {"fields": one_or_several(TEXT), "test": {"type": "number", "minimum": 0, "maximum": 0.9}, "seed": WHOLE}
OF = {"anyOf": [one_or_several(TEXT), {"type": "object", "additionalProperties": TEXT}]}
POINTS = {"type": "integer", "minimum": FEWEST, "maximum": MOST_POINTS}
DATA = [
    object_of({"file": TEXT, "sha256": TEXT, "deviations": TEXT, "of": OF, **MEASURED}, ["file"]),
    object_of({"table": TEXT, "deviations": TEXT, "of": OF, **MEASURED}, ["table"]),
    object_of({"points": POINTS, "of": OF, "noise": {"type": "number", "minimum": 0}, **MEASURED}, ["points"]),
]  # fmt: skip

RESOLUTION = {"type": "integer", "minimum": LEAST_RESOLVED, "maximum": MOST_RESOLVED}
METHOD = {"enum": list(REFERENCE_METHODS)}
REFERENCE = object_of(
    {
        "method": METHOD,
        "resolution": RESOLUTION,
        "file": TEXT,
        "sha256": TEXT,
        "error": {"type": "number", "minimum": 0},
    },
    ["method"],
)

SETTING = {"not": {"type": "object"}}
SETTINGS = {group: {"type": "object", "additionalProperties": SETTING} for group in SETTING_GROUPS}

KEY_SCHEMAS: dict[str, tuple[str, Schema]] = {
    "title": ("one line for people", {"type": "string", "minLength": 1, "maxLength": 200}),
    "coordinates": (
        "name and range of each; `t` is time; ends may be expressions, as in `x: [0, 2*pi]`",
        {"type": "object", "additionalProperties": RANGE, "minProperties": 1},
    ),
    "fields": (
        "the unknown functions of the coordinates; `{v: [v1, v2], p: scalar}` makes v a vector in expressions, "
        "`{psi: complex}` a complex field; `{u: [x, y, t], a: [x, y]}` says of which coordinates each is",
        {"anyOf": [TEXT, NAMES, mapping_of({"anyOf": [{"enum": ["scalar", "complex"]}, NAMES]})]},
    ),
    "parameters": (
        "constants: numbers, or expressions in numbers, `pi` and the parameters before; `{value: 0.1, learn: true, "
        "start: 0.5, bounds: [0, 1], prior: normal(0.6, 0.1)}` is learned, `{range: [0.05, 0.2]}` one more coordinate",
        mapping_of(PARAMETER),
    ),
    **{key: (task.about, task.schema) for key, task in TASKS.items()},
    "boundary": (
        'conditions by side: `x-` at the low end of x, `x+` at the high end, `"*"` all that remain; one or a list, '
        "or `{where: y < 0.5, condition: u = 0}`",
        {"anyOf": [mapping_of(one_or_several(CONDITION)), {"type": "array", "items": ENTRY}]},
    ),
    "at": (
        "conditions at points, one or a list: `{x: 0, y: 0, condition: p = 0}`; without t they hold at every time",
        {"anyOf": [one_or_several({"type": "object", "required": ["condition"]}), {"type": "null"}]},
    ),
    "constraints": (
        "what holds of integrals, means and values elsewhere, by name, one or a list: `mean(p) = 0`, "
        "`integral(u, x) = 1`, `u(0) = u(1)`",
        {"anyOf": [one_or_several(TEXT), mapping_of(TEXT), {"type": "null"}]},
    ),
    "initial": (
        "conditions at the start of time, one or a list; a second-order equation takes `u` and `u_t`",
        {"anyOf": [one_or_several(CONDITION), {"type": "null"}]},
    ),
    "history": (
        "what fields were before time began, for delays such as `u(t - 1)`: `{u: cos(t)}`",
        {"anyOf": [mapping_of(EXPRESSION), {"type": "null"}]},
    ),
    "periodic": (
        "space coordinates in which the solution repeats itself exactly; they take no boundary conditions",
        {"anyOf": [TEXT, NAMES, {"type": "null"}]},
    ),
    "metric": (
        "what `lap`, `grad`, `div` and `dn` mean: `polar` (r, theta), `cylindrical` (r, theta, z) or `spherical` (r, "
        "theta from the pole, phi), the coordinates in that order; or scale factors of orthogonal ones, `{theta: r}`",
        {"anyOf": [{"enum": [*METRICS]}, mapping_of(EXPRESSION), {"type": "null"}]},
    ),
    "mapping": (
        "places as functions of the coordinates, `{x: xi*s(t)}` with a field or a known function s: derivatives "
        "u_x and u_t, `lap`, `grad`, `div` and `dn` are those at places, u_t at one x",
        {"anyOf": [mapping_of(EXPRESSION), {"type": "null"}]},
    ),
    "coefficients": (
        'known functions for use in expressions: `{V: "1 + x**2"}`; `{k: {inside: {wire: 400}, else: 1.38}}`, by '
        'shapes; `{V: {random_cells: {cells: [50], low: 0, high: 4, '
        "seed: 0, smooth: 0.25}}}`, uniformly random on equal cells, smoothed over that length; `{V: {file: v.npy, "
        "interpolation: cubic}}` (or `linear`), samples on a regular grid over the whole box (`.npy`, `.csv`, or HDF5 "
        "with `{file: v.h5, dataset: /fields/v}`), the path relative to the problem file",
        mapping_of(COEFFICIENT),
    ),
    "regions": (
        "what shapes have of their own: `{wire: {coefficients: {k: 400}, equations: {heat: …}, jump: {T: 0.1}}}`; "
        "fields and fluxes go on across their rims but for what `jump` says of a field or of an equation's flux; "
        "`{wire: {fields: [a], rim: [a = 3*b, dn(a) = dn(b)]}, else: {fields: [b]}}`: a lives in wire alone, b outside",
        mapping_of(OWN),
    ),
    "units": (
        "units of names, `{x: m, t: s, T: K, k: W/(m*K)}`: terms that are added must have one; numbers take any",
        {"anyOf": [mapping_of(TEXT), {"type": "null"}]},
    ),
    "exact": (
        "the solution, if it is known, of every field; errors are measured against it",
        mapping_of({"anyOf": [EXPRESSION, PARTED]}),
    ),
    "reference": (
        "how the solution to measure against is found where there is no `exact`: by itself, or `{method: lines}`, "
        "with `resolution: 200` if need be; or `{method: file, file: known.npz}`",
        {"anyOf": [METHOD, REFERENCE, {"type": "null"}]},
    ),
    "shapes": (
        'shapes by name: `{hole: "disk(0.3, 0.3, 0.1)"}`, or many in a file, a line of numbers each: '
        "`{holes: {disks: holes.csv}}`; what the triangles or tetrahedra of "
        "Gmsh's ASCII meshes fill: `{part: {mesh: part.msh}}`, whose named groups are sides and regions; "
        "what a comparison says: `{egg: {inside: x^2 + y^4 < 1}}`; any of them drawn out along a third coordinate: "
        '`{bar: {extrude: "triangle(0, 0, 1, 0, 0, 1)", z: [0, 2]}}`, `{part: {mesh: part.msh, z: [0, 2]}}`',
        mapping_of({"anyOf": [TEXT, mapping_of({"anyOf": [TEXT, RANGE]})]}),
    ),
    "domain": ("the box with shapes cut out, added or shared: `box - hole`; `+`, `-`, `&` and brackets", TEXT),
    "data": (
        "measured values to fit: `{file: observations.csv}`, with `deviations: s` where s is a column of standard "
        "deviations, or `{points: 50, of: exact, noise: 0.01, seed: 0}`; of derivatives and fluxes by `of: u_x` or "
        "`of: {q: -k*u_x}`, in columns of those names",
        {"anyOf": DATA},
    ),
    **LATTICE_KEYS,
    "settings": (
        "what suits the problem in place of the defaults of `model=kan`, `optimizer=auto`, `sampling=sobol` and "
        "`training=default`: `{model: {width: [10]}, training: {steps: 100}}`; anything on the command line wins",
        object_of(SETTINGS),
    ),
}
"""Of each key, what it is for and what it takes; the order is that in which documents list them."""

KEYS = tuple(KEY_SCHEMAS)
