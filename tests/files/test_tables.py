"""Tables of strangers: the same columns out of every kind of file, words and missing values told apart from numbers."""

import h5py
import numpy as np
import pytest

from kanpde.errors import InputError
from kanpde.files import tables
from kanpde.files.tables import read_table

A, B = np.array([1.0, 2.5, -3.0]), np.array([4.0, 5.0, 6.0])


def written(folder, kind):
    path = folder / f"table.{kind}"
    if kind == "csv":
        path.write_text("a, b\n1,4\n2.5,5\n-3,6\n")
    elif kind == "npz":
        np.savez(path, a=A, b=B)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["a"], file["b"], file["other"] = A, B, np.zeros((2, 2))
    else:
        arrow = pytest.importorskip("pyarrow", reason="the extra tables is not installed")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table({"a": A, "b": B.astype(int)}), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "npz", "h5", "parquet"])
def test_every_kind_of_file_has_the_same_columns(tmp_path, kind):
    found = read_table(written(tmp_path, kind))
    assert list(found) == ["a", "b"]
    assert found["a"].tolist() == A.tolist() and found["b"].tolist() == B.tolist()


def test_an_array_has_columns_without_names(tmp_path):
    np.save(tmp_path / "t.npy", np.stack([A, B], axis=1))
    assert {name: own.tolist() for name, own in read_table(tmp_path / "t.npy").items()} == {
        "x1": A.tolist(), "x2": B.tolist()
    }  # fmt: skip


def test_words_and_missing_values_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK", 2)  # the last block is not like the first
    path = tmp_path / "t.csv"
    path.write_text("n,w,m\n1,red,1\n,NA,2.0\nnan,blue,x\n1e3,red,\n")
    found = read_table(path)
    assert found["n"][[0, 3]].tolist() == [1, 1000] and np.isnan(found["n"][1:3]).all()
    assert found["w"].tolist() == ["red", "", "blue", "red"] and found["m"].tolist() == ["1", "2", "x", ""]


def test_nulls_of_parquet_are_missing(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="the extra tables is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"n": [1, None, 3], "w": ["a", None, "b"]}), tmp_path / "t.pq")
    found = read_table(tmp_path / "t.pq")
    assert np.isnan(found["n"][1]) and found["n"][[0, 2]].tolist() == [1, 3] and found["w"].tolist() == ["a", "", "b"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"a,b\n1,2\n3\n", "1 values in line 3, where its first line has 2"),
        ("a.csv", b"a,a\n1,2\n", "different names"),
        ("a.csv", b"", "different names|no columns"),
        ("a.csv", b"\xff\xfe\x00", "UTF-8"),
        ("a.npy", b"\x93NUMPY garbage", "npy"),
        ("a.parquet", b"PAR1 no more", "cannot be read|pyarrow"),
        ("a.h5", b"\x89HDF\r\n\x1a\n cut off", "HDF5"),
    ],
)
def test_what_is_no_table_is_refused_by_a_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_table(tmp_path / name)


def test_columns_need_one_length_and_no_more_rows_than_allowed(tmp_path, monkeypatch):
    np.savez(tmp_path / "t.npz", a=A, b=B[:2])
    with pytest.raises(InputError, match="2 lengths"):
        read_table(tmp_path / "t.npz")
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    with pytest.raises(InputError, match="3 rows, where 2"):
        read_table(written(tmp_path, "csv"))
    with pytest.raises(InputError, match="is not there"):
        read_table(tmp_path / "none.csv")
