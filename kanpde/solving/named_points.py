"""Coordinates by name, numbers and arrays that broadcast, as a table of points and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanpde.errors import InputError


@dataclass(frozen=True)
class Grid:
    """Points [n, d], and what makes of their values an array as the coordinates were.

    >>> grid = Grid.of({"x": np.zeros((2, 1)), "t": np.ones(3)})
    >>> grid.points.shape, grid.shaped(np.zeros(6), "u").shape
    ((6, 2), (2, 3))
    """

    points: np.ndarray
    shaped: Callable[[np.ndarray, str], Any]

    @classmethod
    def of(cls, coordinates: Mapping[str, Any]) -> Grid:
        """From a value or an array for each coordinate, in the order of the problem's.

        Raises:
            InputError: They do not broadcast, or are no numbers.
        """
        xarray = sys.modules.get("xarray")  # whoever gives its arrays has imported it
        if xarray is not None and any(isinstance(value, xarray.DataArray) for value in coordinates.values()):
            return cls._labelled(coordinates, xarray)
        try:
            arrays = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in coordinates.values()))
        except (ValueError, TypeError) as error:
            raise _unfit(coordinates, error) from None
        shape = arrays[0].shape
        return cls(np.stack([array.ravel() for array in arrays], axis=1), lambda values, name: values.reshape(shape))

    @classmethod
    def _labelled(cls, coordinates: Mapping[str, Any], xarray: Any) -> Grid:
        """Arrays broadcast by the names of their dimensions; a plain list stands along the coordinate's own."""
        try:
            labelled = [
                value if isinstance(value, xarray.DataArray) else xarray.DataArray(
                    np.asarray(value, dtype=float), dims=[name] * np.ndim(value),
                    coords={name: value} if np.ndim(value) else None,
                )
                for name, value in coordinates.items()
            ]  # fmt: skip
            arrays = xarray.broadcast(*labelled)
        except (ValueError, TypeError) as error:
            raise _unfit(coordinates, error) from None
        like = arrays[0]
        axes = dict(like.coords) | {
            name: value for name, value in zip(coordinates, labelled, strict=True) if value.dims == (name,)
        }

        def shaped(values: np.ndarray, name: str) -> Any:
            return xarray.DataArray(values.reshape(like.shape), dims=like.dims, coords=axes, name=name)

        return cls(np.stack([np.asarray(array, dtype=float).ravel() for array in arrays], axis=1), shaped)


def _unfit(coordinates: Mapping[str, Any], error: Exception) -> InputError:
    shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in coordinates.items())
    return InputError(
        f"Coordinates by name need numbers and arrays that broadcast; {shapes} came ({str(error)[:80]}). Give "
        "x[:, None] and t for a grid."
    )
