"""Put a finished file in place, whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path

from kanpde.errors import InputError
from kanpde.files.regular import cut_path

DRAFT = ".part"
"""How the name of a file ends that is being written."""


def replace_file(path: str | Path, content: bytes) -> None:
    """Write a file so that whoever looks finds the old one or the new one, whatever happens in between.

    The content goes to a temporary name in the same folder, to the disk, and only then to its name.

    Args:
        path: Where the file belongs; its folder exists.
        content: All of it.

    Raises:
        InputError: The folder is missing, not writable or full, or there is no name.
    """
    path = Path(path)
    if not path.name:
        raise InputError(f"{path}: the name of a file is needed, but this names a folder. Add one, such as result.h5.")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")
    try:
        _write_through(draft, content)
        os.replace(draft, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"{path}: a folder that can be written to is needed, but saving failed: {error.strerror or error}. "
            "Create the folder, free it for writing, or choose another one."
        ) from error
    finally:
        _discard(draft)


def made_folder(folder: str | Path, option: str) -> Path:
    """A folder that is there from now on; `option` is how another one is named.

    Raises:
        InputError: It cannot be made, or is a file.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RecursionError) as error:  # zero bytes in names, thousands of folders
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{cut_path(folder)}: a folder to write in is needed; {reason}. Choose another: {option}."
        ) from error
    return Path(folder)


def sweep_drafts(folder: Path) -> None:
    """Remove the drafts that killed processes have left in a folder; nobody else may be writing in it."""
    for draft in folder.glob(f".*{DRAFT}"):
        _discard(draft)


def _write_through(path: Path, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Without this a power cut can undo the renaming; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(draft: Path) -> None:
    """After a success there is nothing; in a folder that cannot be written to there is nothing to be done."""
    with contextlib.suppress(OSError):
        draft.unlink()
