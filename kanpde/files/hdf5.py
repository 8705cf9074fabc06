"""What a file from a stranger may contain: hard links to plain numbers of bounded size, nothing else.

HDF5 can read other files (external links, external and virtual storage), load libraries (filters), declare
terabytes in a few bytes, and unpack small chunks into large ones. All of it is looked for before a value is read.
"""

import io
import mmap
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from kanpde.files.arrays import unpacked_limit
from kanpde.files.regular import Missing, Unreadable, check_regular

LARGEST_DATASET = 2**30  # bytes, unpacked
LARGEST_TOTAL = 2**32
# h5py cuts what it writes into chunks of at most 1 MiB; gzip packs at most a thousand to one.
LARGEST_CHUNK = 2**21
LARGEST_TEXT = 2**26
MOST_OBJECTS = 100_000
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


# Where HDF5 keeps texts: a header (signature, version, total size), then blocks (index, references, size, content).
TEXT_HEAP = b"GCOL\x01\0\0\0"
HEAP_HEADER, BLOCK_HEADER = 16, struct.Struct("<HHIQ")


DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, AttributeError, OverflowError)
"""What h5py raises over damaged files."""


class Unsafe(ValueError):
    """The file holds something that an archive has no need of; the message names it."""


OPEN_ELSEWHERE = ("file locking flag", "already open")
"""What HDF5 says of a file that this process has open in another way."""


def opened(path: Path) -> h5py.File:
    """A file opened for reading; one that this process has open in another way as it is on the disk."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if not any(words in str(error) for words in OPEN_ELSEWHERE):
            raise
    return h5py.File(io.BytesIO(path.read_bytes()), "r")


def check_texts(path: Path) -> None:
    """Follow the chains of texts in the file, before HDF5 does.

    The library (2.0) never comes back from a chain with a block of size zero, and reads the first text with the
    first attribute; one flipped bit is enough. A search found no other way to make reading hang.

    Raises:
        Unsafe: A chain does not reach its end.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(TEXT_HEAP)
        while start >= 0:
            _follow_heap(content, start)
            start = content.find(TEXT_HEAP, start + 1)


def _follow_heap(content: mmap.mmap, start: int) -> None:
    place = start + HEAP_HEADER
    if place > len(content):
        return
    end = start + int.from_bytes(content[place - 8 : place], "little")
    while place + BLOCK_HEADER.size <= min(end, len(content)):
        index, _, _, size = BLOCK_HEADER.unpack_from(content, place)
        # Index 0 is free space, whose size counts its header; texts are padded to eight bytes.
        step = BLOCK_HEADER.size + (size + 7) // 8 * 8 if index else size
        if not 0 < step <= end - place:
            raise Unsafe("texts in a damaged order")
        place += step


def check_contents(root: h5py.File) -> None:
    """Look at every object in the file without reading any values.

    Raises:
        Unsafe: Something is there that has no place in an archive, or too much of it.
    """
    total = 0
    for count, item in enumerate(_objects(root)):
        if count >= MOST_OBJECTS:
            raise Unsafe(f"more than {MOST_OBJECTS} objects")
        if isinstance(item, h5py.Dataset):
            check_dataset(item)
            total += _size(item)
    if total > LARGEST_TOTAL:
        raise Unsafe(f"{total / 2**30:.3g} GiB of data, where {LARGEST_TOTAL / 2**30:.3g} GiB are allowed")


def _objects(root: h5py.File) -> Iterator[h5py.Group | h5py.Dataset]:
    """Every group and dataset once; hard links may form circles."""
    seen, waiting = set(), [root]
    while waiting:
        item = waiting.pop()
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        yield item
        if isinstance(item, h5py.Group):
            waiting.extend(_open_member(item, name) for name in item)


def _open_member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    where = f"{group.name.rstrip('/')}/{name}"
    # Asked before opening: opening an external link already opens the other file.
    if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise Unsafe(f"{where}, a link to another place or file")
    item = group[name]
    if not isinstance(item, h5py.Group | h5py.Dataset):
        raise Unsafe(f"{where}, which is neither a group nor an array")
    return item


def read_dataset(path: Path, name: str, most: int) -> np.ndarray:
    """One array of a stranger's file, found through hard links alone.

    Raises:
        Unreadable: The file is no plain HDF5 file, it has none of that name, the way to it leads out of the file, or
            it is no plain array of at most `most` bytes.
    """
    with _stranger(path) as root:
        return _plain(_member(root, name), unpacked_limit(path.stat().st_size, most))


def read_datasets(path: Path, names: Sequence[str], axes: Sequence[str], most: int) -> dict[str, np.ndarray]:
    """Arrays of a stranger's file by name: of its group `solution`, where it has one, else of its root.

    An array with the dimension scales `axes`, in whatever order, comes back in theirs.

    Raises:
        Missing: There is none of a name.
        Unreadable: See `read_dataset`; `most` is for all of them together.
    """
    left, found = unpacked_limit(path.stat().st_size, most), {}
    with _stranger(path) as root:
        group = _member(root, "solution") if root.id.links.exists(b"solution") else root
        group = group if isinstance(group, h5py.Group) else root
        for name in names:
            if not group.id.links.exists(name.encode()):
                raise Missing(name)
            item = _open_member(group, name)
            values = _plain(item, left)
            left -= values.nbytes
            labels = _scale_names(item)
            ordered = len(labels) == len(axes) and set(labels) == set(axes)
            found[name] = values.transpose([labels.index(axis) for axis in axes]) if ordered else values
    return found


def read_columns(path: Path, most: int) -> dict[str, np.ndarray]:
    """All arrays of one axis in the root of a stranger's file, by name.

    Raises:
        Unreadable: See `read_dataset`; `most` is for all of them together.
    """
    left, found = unpacked_limit(path.stat().st_size, most), {}
    with _stranger(path) as root:
        for name in root:
            item = _open_member(root, name)
            if isinstance(item, h5py.Dataset) and item.ndim == 1:
                found[name] = _plain(item, left)
                left -= found[name].nbytes
    return found


@contextmanager
def _stranger(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file opened for reading; whatever is wrong with it comes out as `Unreadable`."""
    check_regular(path)
    try:
        check_texts(path)
        with opened(path) as root:
            yield root
    except Unreadable:
        raise
    except Unsafe as error:
        raise Unreadable(f"holds {error}") from None
    except DAMAGED as error:
        raise Unreadable(f"is no HDF5 file, or a damaged one ({first_line(error)})") from None


def _member(root: h5py.File, name: str) -> h5py.Group | h5py.Dataset:
    item: h5py.Group | h5py.Dataset = root
    for part in filter(None, name.split("/")):
        if not isinstance(item, h5py.Group) or not item.id.links.exists(part.encode()):
            raise Unreadable(f"has no dataset {name!r:.60}")
        item = _open_member(item, part)
    return item


def _plain(item: h5py.Group | h5py.Dataset, most: int) -> np.ndarray:
    if not isinstance(item, h5py.Dataset):
        raise Unsafe(f"{item.name}, a group, where an array is needed")
    check_dataset(item)
    if _size(item) > most:
        raise Unsafe(f"{_size(item)} bytes in {item.name}, where {most} are allowed")
    values = np.asarray(item[()])
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _scale_names(item: h5py.Dataset) -> list[str]:
    """The last part of the name of each axis' scale, or its label."""
    scales = [axis[0].name if len(axis) else axis.label for axis in item.dims]
    return [str(name or "").rpartition("/")[2] for name in scales]


def first_line(error: Exception) -> str:
    """The beginning of what a library says is wrong."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.splitlines()[0].rstrip(".")[:200] if text.strip() else type(error).__name__


def _size(dataset: h5py.Dataset) -> int:
    return int(np.prod([int(n) for n in dataset.shape or ()], dtype=object)) * int(dataset.dtype.itemsize)


def check_dataset(dataset: h5py.Dataset) -> None:
    """Plain numbers, inside this file, packed by known filters, of bounded size.

    Raises:
        Unsafe: One of these does not hold.
    """
    faults = [*_type_faults(dataset), *_storage_faults(dataset), *_size_faults(dataset)]
    if faults:
        raise Unsafe(f"{dataset.name} with {faults[0]}")


def _type_faults(dataset: h5py.Dataset) -> Iterator[str]:
    if dataset.shape is None:
        yield "no values"
    if dataset.id.get_type().get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or dataset.dtype.itemsize > 8:
        yield f"values of type {dataset.dtype}, where plain numbers are needed"


def _storage_faults(dataset: h5py.Dataset) -> Iterator[str]:
    plan = dataset.id.get_create_plist()
    if plan.get_layout() == h5py.h5d.VIRTUAL:
        yield "virtual storage, which reads other files"
    if plan.get_external_count():
        yield "external storage, which reads other files"
    for code, *_ in (plan.get_filter(i) for i in range(plan.get_nfilters())):
        if code not in FILTERS:
            yield f"filter {code}, where only gzip, shuffle and fletcher32 are allowed"


def _size_faults(dataset: h5py.Dataset) -> Iterator[str]:
    if _size(dataset) > LARGEST_DATASET:
        yield f"{_size(dataset) / 2**30:.3g} GiB, where {LARGEST_DATASET / 2**30:.3g} GiB are allowed"
    elif dataset.chunks:
        largest = int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize
        stored = (dataset.id.get_chunk_info(i).size for i in range(dataset.id.get_num_chunks()))
        if max(largest, *stored, 0) > LARGEST_CHUNK:
            yield f"chunks larger than {LARGEST_CHUNK // 2**20} MiB"


def attribute(item: h5py.HLObject, name: str) -> str | int | float:
    """Read one scalar attribute: text or a number.

    Raises:
        KeyError: There is none of that name.
        Unsafe: It is something else, or too long.
    """
    handle = item.attrs.get_id(name)
    text = h5py.check_string_dtype(handle.dtype) is not None
    if handle.shape != () or not (text or handle.dtype.kind in "fiu") or handle.dtype.itemsize > LARGEST_TEXT:
        raise Unsafe(f"attribute {name} of {item.name}, which is neither a text nor a number")
    value = item.attrs[name]
    if isinstance(value, bytes | np.bytes_):
        value = value.decode()
    if isinstance(value, str):
        value.encode()  # h5py lets other bytes pass as halves of surrogates, which no file or terminal takes
    return str(value) if isinstance(value, str) else value.item()
