"""The key `reference`: what the error is measured against, and how it is found."""

from __future__ import annotations

import math
from pathlib import Path

from kanpde.errors import InputError
from kanpde.problems.language import shortened, suggestion
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

REFERENCE_METHODS = ("exact", "chebyshev", "elements", "finite_elements", "lines", "file")
TABLES = (".npz", ".h5", ".csv")
LEAST_RESOLVED, MOST_RESOLVED = 8, 20_000


def check_reference(statement: Source, exact: dict) -> None:
    """Refuse what no reference can be found by; the file itself is read where it is needed."""
    reference = statement.data.get("reference")
    if reference is None:
        return
    where, asked = statement.where("reference"), reference if isinstance(reference, dict) else {"method": reference}
    method = asked.get("method")
    if not isinstance(method, str) or method not in REFERENCE_METHODS:
        raise wrong_kind(where, f"a method ({', '.join(REFERENCE_METHODS)})", reference, "{method: lines}")
    if method == "exact" and not exact:
        raise InputError(f"{where} needs exact: {{field: …}}; there is none. Add it.")
    known = {"file": ("method", "file", "error"), "exact": ("method",)}.get(method, ("method", "resolution"))
    for key in asked:
        if key not in known:
            hint = suggestion(str(key), known) or " Remove it."
            raise InputError(f"{where} by {method} takes {' and '.join(known)}; it has {shortened(key)}.{hint}")
    if method == "file":
        _check_file(asked, where)
    _check_resolution(asked.get("resolution", LEAST_RESOLVED), f"{where}.resolution")


def _check_file(asked: dict, where: str) -> None:
    name, error = asked.get("file"), asked.get("error", 0.0)
    if not isinstance(name, str) or Path(name).suffix not in TABLES:
        raise wrong_kind(f"{where}.file", f"the name of a file ({', '.join(TABLES)})", name, "file: solution.npz")
    if isinstance(error, bool) or not isinstance(error, (int, float)) or not 0 <= error < math.inf:
        raise wrong_kind(f"{where}.error", "the relative error of the values, a number from 0", error, "error: 1e-6")


def _check_resolution(resolution: object, where: str) -> None:
    if type(resolution) is not int or not LEAST_RESOLVED <= resolution <= MOST_RESOLVED:
        raise wrong_kind(where, f"a whole number from {LEAST_RESOLVED} to {MOST_RESOLVED}", resolution, "64")
