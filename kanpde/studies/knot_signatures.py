"""The signature of a knot from a planar diagram, by regions in two colors.

A crossing [i, j, k, l] has the labels of its four ends, counterclockwise from where the lower strand comes in; labels
follow the knot. Color the regions like a chessboard. With η = ±1 for which corners of a crossing are black, Goeritz's
matrix on white regions has the entries -Σ η between two of them and rows that sum to zero; one row and column go. Then

    signature = μ - sign(G),    μ = Σ η over crossings where the black surface does not follow the knot's direction

Source: Gordon and Litherland, On the signature of a link, Inventiones mathematicae 47 (1978).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Crossing = Sequence[int]


def diagram_signature(crossings: Sequence[Crossing]) -> int:
    """By Goeritz's matrix; two for the trefoil whose crossings are positive, as SnapPy's Seifert matrices have it.

    >>> diagram_signature([[0, 4, 1, 3], [2, 0, 3, 5], [4, 2, 5, 1]])
    2
    """
    corners = _regions(crossings)
    white = _white(corners)
    matrix, correction = np.zeros((len(white), len(white))), 0
    for (_, j, _, over), own in zip(crossings, corners, strict=True):
        first = 0 if own[0] in white else 1
        sign = 1 if first == 0 else -1
        positive = (j - over) % (2 * len(crossings)) == 1
        correction += sign if (first == 0) == positive else 0
        a, b = white[own[first]], white[own[first + 2]]
        if a != b:
            matrix[[a, b], [b, a]] -= sign
            matrix[[a, b], [a, b]] += sign
    return correction - inertia(matrix[1:, 1:])


def inertia(symmetric: np.ndarray) -> int:
    """How many more eigenvalues are positive than negative."""
    found = np.linalg.eigvalsh(symmetric)
    return int((found > 1e-9).sum() - (found < -1e-9).sum())


def seifert_signature(seifert: np.ndarray) -> int:
    """Of S + Sᵀ for a Seifert matrix, the other route.

    >>> seifert_signature(np.array([[-1.0, 1.0], [0.0, -1.0]]))
    -2
    """
    return inertia(seifert + seifert.T)


def _regions(crossings: Sequence[Crossing]) -> list[list[int]]:
    """The region at each corner of each crossing; corner q lies between the ends q and q + 1."""
    ends: dict[int, list[tuple[int, int]]] = {}
    for c, labels in enumerate(crossings):
        for q, label in enumerate(labels):
            ends.setdefault(label, []).append((c, q))
    parent = list(range(4 * len(crossings)))

    def root(corner: int) -> int:
        while parent[corner] != corner:
            corner = parent[corner]
        return corner

    for (c, q), (d, p) in ends.values():  # what is left of an edge at one end is right of it at the other
        parent[root(4 * c + q)] = root(4 * d + (p - 1) % 4)
        parent[root(4 * c + (q - 1) % 4)] = root(4 * d + p)
    return [[root(4 * c + q) for q in range(4)] for c in range(len(crossings))]


def _white(corners: Iterable[Sequence[int]]) -> dict[int, int]:
    """The regions of one color, numbered: those across a crossing from one of them."""
    across: dict[int, set[int]] = {}
    for own in corners:
        for q in range(4):
            across.setdefault(own[q], set()).add(own[(q + 2) % 4])
    found: dict[int, int] = {}
    left = [min(across)]
    while left:
        region = left.pop()
        if region not in found:
            found[region] = len(found)
            left += across[region]
    return found
