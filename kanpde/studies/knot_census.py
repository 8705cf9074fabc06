"""Hyperbolic knots up to 14 crossings out of SnapPy's census: invariants of their geometry, and their signature.

A knot's mirror image has the same volume and cusp, and
opposite signature, real part of the meridian, and Chern–Simons invariant.

Source: Davies and others, Advancing mathematics by guiding human intuition with AI, Nature 600 (2021).
"""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kanpde.errors import InputError
from kanpde.files.arrays import read_npy
from kanpde.files.atomic import replace_file
from kanpde.files.caches import cache_folder
from kanpde.studies.knot_signatures import diagram_signature

INVARIANTS = (
    "longitude", "meridian_real", "meridian_imag", "volume", "cusp_volume", "chern_simons", "symmetries"
)  # fmt: skip
"""Translations and volume of the maximal cusp; volume, Chern–Simons invariant and number of symmetries of the knot."""
ODD = ("meridian_real", "chern_simons")
"""What changes its sign in the mirror image, as the signature does."""
UP_TO_14 = "name not like 'K15%'"
"""In SnapPy's language: with the package snappy_15_knots its census goes further, and rows would be others."""
ORDER_SEED = 0
STEP = 1000
"""Rows between two times that the table is kept."""
MOST_BYTES = 2**26


@dataclass(frozen=True, eq=False)
class Census:
    """A table of knots.

    values: Invariants in the order of `INVARIANTS`, [n, 7].
    signature: Even numbers, [n].
    """

    values: np.ndarray
    signature: np.ndarray

    def column(self, name: str) -> np.ndarray:  # -> [n]
        return self.values[:, INVARIANTS.index(name)]

    @property
    def slope(self) -> np.ndarray:  # -> [n]
        """Re(λ/μ), the natural slope."""
        return np.real(self.column("longitude") / (self.column("meridian_real") + 1j * self.column("meridian_imag")))

    def mirrored(self) -> Census:
        """The mirror images."""
        signs = np.array([-1.0 if name in ODD else 1.0 for name in INVARIANTS])
        return Census(signs * self.values, -self.signature)

    def of(self, rows: np.ndarray) -> Census:
        return Census(self.values[rows], self.signature[rows])

    def with_mirrors(self) -> Census:
        """Each knot and its mirror image."""
        other = self.mirrored()
        return Census(np.concatenate([self.values, other.values]), np.concatenate([self.signature, other.signature]))


def census_path() -> Path:
    return cache_folder() / "knots-14.npy"


def census(watch: Callable[[str], None] = lambda line: None, path: Path | None = None, most: int = 10**6) -> Census:
    """The table: kept, or made now, in minutes; one that was stopped goes on where it was.

    Rows are in a random order that is always the same, so that the first of them are a fair sample.

    Args:
        watch: Told how far it is.
        path: Where the table is kept.
        most: Rows that are enough.

    Raises:
        InputError: SnapPy is not installed.
    """
    path = path or census_path()
    rows = read_npy(path, MOST_BYTES) if path.is_file() else np.zeros((0, len(INVARIANTS) + 2))
    source = _source()
    order = np.random.default_rng(ORDER_SEED).permutation(len(source))[:most]
    while len(rows) < len(order):
        fresh = [row_of(source[int(number)]) for number in order[len(rows) : len(rows) + STEP]]
        rows = np.concatenate([rows, np.array(fresh)])
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, _npy(rows))
        watch(f"{len(rows)} of {len(order)} knots")
    usable = rows[: len(order)][rows[: len(order), -1] == 1]
    return Census(usable[:, :-2], usable[:, -2].astype(int))


def row_of(knot: Any) -> list[float]:
    """Invariants, signature, and 1; zeros where SnapPy has no hyperbolic structure or gives up, one knot in 3000."""
    gives_up = importlib.import_module("snappy.exceptions").SnapPeaFatalError
    if not knot.solution_type().startswith("all tetrahedra"):
        return [0.0] * (len(INVARIANTS) + 2)
    try:
        numbers = _invariants(knot)
    except gives_up:
        return [0.0] * (len(INVARIANTS) + 2)
    return [*numbers, diagram_signature(knot.link().PD_code(min_strand_index=0)), 1.0]


def _invariants(knot: Any) -> list[float]:
    cusp = knot.cusp_neighborhood()
    cusp.set_displacement(cusp.stopping_displacement(0), 0)
    meridian, longitude = (complex(value) for value in cusp.translations(0))
    return [longitude.real, meridian.real, meridian.imag, float(knot.volume()), float(cusp.volume(0)),
            float(knot.chern_simons()), float(knot.symmetry_group().order())]  # fmt: skip


def _source() -> Any:
    if importlib.util.find_spec("snappy") is None:
        raise InputError(
            "The census of knots needs the package snappy, which is not installed. Install it: "
            'pip install "kanpde[knots]".'
        )
    return importlib.import_module("snappy").HTLinkExteriors(cusps=1, filter=UP_TO_14)


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()
