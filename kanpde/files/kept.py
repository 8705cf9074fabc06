"""Arrays kept for next time: .npz files whose content is checked by a hash when they are read again."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kanpde.errors import InputError
from kanpde.files.arrays import read_npz
from kanpde.files.atomic import replace_file
from kanpde.files.regular import Unreadable

CHECKSUM, MOST_BYTES = "sha256", 2**31


def kept_arrays(path: Path, unsummed: bool = False) -> dict[str, np.ndarray]:
    """The arrays of an entry by name.

    Args:
        path: As `keep_arrays` was given it.
        unsummed: Whether entries without a hash count, as earlier versions wrote them.

    Raises:
        Unreadable: There is none, or it is not what was kept.
    """
    members = read_npz(path, MOST_BYTES)
    arrays = {name: members[name] for name in members.names}
    given = arrays.pop(CHECKSUM, None)
    if str(given) != _hash(arrays) and not (unsummed and given is None):
        raise Unreadable("has changed since it was kept")
    return arrays


def keep_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep them; a folder that cannot be written to keeps nothing."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{**arrays, CHECKSUM: np.array(_hash(arrays))})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffer.getvalue())
    except (OSError, InputError):
        return


def _hash(arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        found.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        found.update(values.tobytes())
    return found.hexdigest()
