"""Arrays of numbers in files of strangers: .npy, .npz, HDF5 and text, told apart by their content.

What a file declares is believed only within limits: eight terabytes fit in a header of eighty bytes, and a megabyte of
zipped zeros unpacks to a gigabyte.
"""

import csv
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from math import prod

import h5py
import numpy as np

from kanpde.files.regular import Unreadable, check_regular, read_regular

UNPACKED = 2**27
"""Bytes that a packed file may unpack to, however short it is."""
RATIO = 10
"""A long one may unpack to so many times its length."""
MOST_MEMBERS = 1000
BINARY = (".npy", ".npz", ".h5", ".hdf5")
"""Names that no text has; otherwise the content decides."""

_NPY, _ZIP = b"\x93NUMPY", (b"PK\x03\x04", b"PK\x05\x06")
_HEADER = re.compile(
    rb"\{'descr': '(?P<type>[<>|=][fiucbU][0-9]{1,2})', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>(?:[0-9]{1,20}, ?){0,32}(?:[0-9]{1,20})?)\),? *\} *\n?"
)
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


def file_kind(path: str | os.PathLike[str]) -> str:
    """`npy`, `npz`, `hdf5` or, where it begins like none of them, `text`.

    Raises:
        Unreadable: It is no plain file.
    """
    check_regular(path)
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(_NPY):
        return "npy"
    if head.startswith(_ZIP):
        return "npz"
    if h5py.is_hdf5(os.fspath(path)):
        return "hdf5"
    if (ending := os.path.splitext(path)[1].lower()) in BINARY:
        raise Unreadable(f"is no {ending} file")
    return "text"


def unpacked_limit(size: int, most: int) -> int:
    """What a packed file of a size may hold, where a plain one may hold `most`: both in bytes."""
    return min(most, max(UNPACKED, RATIO * size))


def read_npy(path: str | os.PathLike[str], most: int) -> np.ndarray:
    """The numbers of a .npy file.

    Raises:
        Unreadable: It is longer than `most` bytes, cut off, or holds anything but an array of numbers.
    """
    return npy_values(read_regular(path, most))


def npy_values(content: bytes) -> np.ndarray:
    """An array out of the bytes of a .npy file; its header is matched, never evaluated."""
    if not content.startswith(_NPY) or len(content) < 12:
        raise Unreadable("is no .npy file")
    width = 2 if content[6] == 1 else 4
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    found = _HEADER.fullmatch(content[8 + width : start].rstrip(b" \n"))
    if found is None:
        raise Unreadable("holds no plain array of numbers")
    shape = tuple(int(length) for length in found["shape"].split(b",") if length.strip())
    return _array(content, start, found["type"].decode(), shape, found["fortran"] == b"True")


def _array(content: bytes, start: int, kind: str, shape: tuple[int, ...], fortran: bool) -> np.ndarray:
    try:
        dtype = np.dtype(kind)
    except TypeError:
        raise Unreadable(f"holds values of the unknown type {kind}") from None
    if len(content) - start != prod(shape) * dtype.itemsize or len(shape) > 32:
        raise Unreadable("is cut off, or longer than its header says")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
    return values.astype(dtype.newbyteorder("="))


def read_npz(path: str | os.PathLike[str], most: int) -> "Members":
    """The arrays of a .npz file by name.

    Raises:
        Unreadable: It is longer than `most` bytes, damaged, or has too many members.
    """
    content = read_regular(path, most)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _DAMAGED as error:
        raise Unreadable(f"is a damaged .npz file ({error})") from None
    if len(archive.infolist()) > MOST_MEMBERS:
        raise Unreadable(f"holds more than {MOST_MEMBERS} arrays")
    return Members(archive, unpacked_limit(len(content), most))


class Members:
    """The arrays of an open .npz file; those that are read may take so many bytes together."""

    def __init__(self, archive: zipfile.ZipFile, most: int):
        self.archive, self.left = archive, most
        self.places = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.places)

    def __getitem__(self, name: str) -> np.ndarray:
        """One array; a KeyError where there is none of that name.

        Raises:
            Unreadable: It is no array of numbers, packed in a foreign way, damaged or too long.
        """
        info = self.places[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable(f"packs {name:.60} in a way that is not read; np.savez and np.savez_compressed are")
        try:
            with self.archive.open(info) as member:
                content = member.read(self.left + 1)
                rest = member.read(1) if len(content) <= self.left else b""  # at the end the sum is checked
        except _DAMAGED as error:
            raise Unreadable(f"is a damaged .npz file ({error})") from None
        if len(content) > self.left or rest:
            raise Unreadable("unpacks to more than is allowed")
        self.left -= len(content)
        return npy_values(content)


def comma_separated(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table and their numbers, without empty ones.

    >>> list(comma_separated("x,u\\n\\n0, 1\\n"))
    [(1, ['x', 'u']), (3, ['0', ' 1'])]

    Raises:
        Unreadable: The text is no such table.
    """
    reader = csv.reader(io.StringIO(text, newline=""))
    while True:
        try:
            words = next(reader, None)
        except csv.Error as error:
            raise Unreadable(f"is no table: {error} in line {reader.line_num}") from None
        if words is None:
            return
        if any(word.strip() for word in words):
            yield reader.line_num, words


def numbers(text: str) -> np.ndarray:
    """Comma-separated numbers without names, a row a line; what follows # is left out.

    >>> numbers("1, 2 # first\\n3, 4\\n").tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Raises:
        Unreadable: A word is no number, or the lines differ in length.
    """
    lines = [line.partition("#")[0] for line in text.splitlines()]
    rows = [line.split(",") for line in lines if line.strip()]
    if len({len(row) for row in rows}) != 1:
        raise Unreadable("holds lines of different lengths" if rows else "holds no numbers")
    try:
        return np.array([[float(word) for word in row] for row in rows])
    except ValueError:
        raise Unreadable("holds words that are no numbers") from None
