"""Data files that nobody would write, wherever a problem or a command names one: a sentence, no warning, no hang."""

import io
import os
import warnings
import zipfile

import numpy as np
import pytest

from kanpde.errors import InputError
from kanpde.files.kept import keep_arrays, kept_arrays
from kanpde.files.regular import Unreadable
from kanpde.files.tables import read_table
from kanpde.problems.catalog import load_problem
from kanpde.references.tables import check_table

LINE = {"coordinates": {"x": [0, 1]}, "fields": ["u"]}
SOLVED = {**LINE, "equations": "u_xx = 1", "boundary": {"*": "u = 0"}}


def npy(shape: str, kind: str = "<f8", rest: bytes = b"") -> bytes:
    """A file that declares a shape, as numpy writes it."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode() + rest


def saved(*values: object, **members: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *values, **members)
    return buffer.getvalue()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


DECLARED = npy("(1000000000000,)")
ODD = {
    "a zip named .npy": ("v.npy", saved(np.ones(9), np.ones(9))),
    "2**64 numbers": ("v.npy", npy("(18446744073709551616,)")),
    "8 TB": ("v.npy", DECLARED),
    "8 TB, zipped": ("v.npz", zipped(**{"values.npy": DECLARED, "x.npy": DECLARED, "u.npy": DECLARED})),
    "a deep header": ("v.npy", npy("(" * 40_000)),
    "a shape without commas": ("v.npy", npy("(3 4,)", rest=bytes(96))),
    "a shape of nothing": ("v.npy", npy("(,)", rest=bytes(8))),
    "a negative shape": ("v.npy", npy("(-1,)")),
    "too many axes": ("v.npy", npy(f"({'1, ' * 40})", rest=bytes(8))),
    "records": ("v.npy", npy("(1,)", "V8", bytes(8))),
    "foreign members": ("v.npz", zipped(**{"a": b"text", "x": b"\0", "u": b""})),
    "objects": ("v.npz", saved(x=np.array([{}], dtype=object), u=np.ones(1))),
    "members of other lengths": ("v.npz", saved(x=np.ones(3), u=np.ones(5), a=np.ones((2, 2)))),
    "rows without names": ("v.npz", saved(data=np.ones((9, 2)), more=np.ones((9, 2)))),
    "no members": ("v.npz", saved()),
    "nothing": ("v.csv", b""),
    "a blank": ("v.csv", b"\n\n \n"),
    "no text": ("v.csv", b"x,u\n\xff,1\n"),
    "an open quote": ("v.csv", b'x,u\n"0\n'),
    "an endless cell": ("v.csv", b"x,u\n" + b"9" * 200_000 + b",1\n"),
    "folders": (".", b""),
    "a name that is too long": ("v" * 5000, b""),
    "a zero byte in its name": ("v\0", b""),
}  # fmt: skip
USES = {
    "coefficients": lambda path: load_problem({**SOLVED, "equations": "u_xx = V", "coefficients": {"V": path}}),
    "data": lambda path: load_problem({**LINE, "fit": True, "data": path}),
    "reference": lambda path: check_table(load_problem({**SOLVED, "reference": {"method": "file", **path}})),
    "tables": lambda path: read_table(path["file"]),
}


CASES = [(name, use) for name in ODD for use in USES]
CASES.remove(("a zip named .npy", "tables"))  # two columns, whatever its name is


@pytest.mark.parametrize(("name", "use"), CASES)
def test_odd_files_are_refused(tmp_path, name, use):
    file, content = ODD[name]
    if content or file == "v.csv":
        (tmp_path / file).write_bytes(content)
    with warnings.catch_warnings(), pytest.raises(InputError) as error:
        warnings.simplefilter("error")
        USES[use]({"file": str(tmp_path / file)})
    assert 0 < len(str(error.value)) < 600


def test_arrays_named_as_another_kind_are_read_by_their_content(tmp_path):
    np.save(tmp_path / "v.npy", np.linspace(0, 1, 9))
    os.rename(tmp_path / "v.npy", tmp_path / "v.npz")
    assert USES["coefficients"]({"file": str(tmp_path / "v.npz")}).samples["coefficients.V.values"].shape == (9,)


def test_what_is_kept_comes_back_and_only_what_was_kept(tmp_path):
    path, arrays = tmp_path / "a" / "kept.npz", {"x": np.arange(3), "kind": np.array("word"), "empty": np.zeros(0)}
    with pytest.raises(Unreadable, match="not there"):
        kept_arrays(path)
    keep_arrays(path, arrays)
    found = kept_arrays(path)
    assert {name: values.tolist() for name, values in found.items()} == {"x": [0, 1, 2], "kind": "word", "empty": []}
    np.savez(path, **{**np.load(path), "x": np.arange(1, 4)})
    with pytest.raises(Unreadable, match="changed"):
        kept_arrays(path)
    np.savez(path, **arrays)
    with pytest.raises(Unreadable, match="changed"):
        kept_arrays(path)
    assert kept_arrays(path, unsummed=True)["x"].tolist() == [0, 1, 2]
    for content in (b"", b"PK\x03\x04 cut", zipped(**{"x.npy": DECLARED})):
        path.write_bytes(content)
        with pytest.raises(Unreadable):
            kept_arrays(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="no plain file"):
        kept_arrays(path)
    keep_arrays(path / "below", arrays)  # keeps nothing, and says nothing
