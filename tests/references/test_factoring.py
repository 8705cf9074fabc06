"""Sparse factorizations, and the memory that they set aside."""

import numpy as np
import pytest
import scipy

from kanpde.problems.catalog import load_problem
from kanpde.references import factoring, reference_of
from kanpde.references.factoring import FILL, factored, lu
from kanpde.references.means import NotOne, OutOfMeans


def banded(count: int) -> scipy.sparse.csc_array:
    return scipy.sparse.csc_array(scipy.sparse.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(count, count)))


def test_a_right_side_is_solved_for():
    matrix, wanted = banded(50), np.sin(np.arange(50))
    for symmetric in (True, False, None):
        assert factored(matrix, symmetric)(matrix @ wanted) == pytest.approx(wanted, abs=1e-13)
    with pytest.raises(NotOne, match="more than one solution"):
        factored(scipy.sparse.csc_array(matrix - 2.5 * scipy.sparse.eye_array(50))[[0, *range(49)]])


def test_what_would_not_get_its_memory_is_not_begun(monkeypatch):
    """SuperLU asks for half as much where it gets none, and where that is too little it may never end."""
    matrix = banded(50)
    needed = FILL * 2 * 12 * matrix.nnz
    monkeypatch.setattr(factoring, "free_memory", lambda: needed)
    lu(matrix)
    monkeypatch.setattr(factoring, "free_memory", lambda: needed - 1)
    with pytest.raises(MemoryError, match="sets 0 MB aside; 0 MB are free"):
        lu(matrix)
    with pytest.raises(OutOfMeans, match="has too little memory"):
        reference_of(load_problem("poisson_lshape"), "finite_elements", 10)
