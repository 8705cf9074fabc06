"""Files that somebody else names: plain ones of bounded size, never what a name leads on to.

A link may point at a password file, a FIFO never ends its opening, /dev/zero never ends its reading, and a size that
was asked for may have grown by the time the file is read.
"""

import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from kanpde.errors import InputError

_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
LONGEST_TOLD = 200


class Unreadable(ValueError):
    """A file that is not read; the message is the reason, to follow the file's name."""


class Missing(Unreadable):
    """An array or column that a file lacks; the message names it."""


def read_regular(path: str | os.PathLike[str], most: int, links: bool = False) -> bytes:
    """The content of a plain file of at most `most` bytes; no more than one byte beyond them is ever read.

    >>> read_regular("/dev/zero", 1000)
    Traceback (most recent call last):
    kanpde.files.regular.Unreadable: is no plain file

    Args:
        path: Its name.
        most: Bytes allowed.
        links: Whether the last part of the name may be a link; for names that the user has typed.

    Raises:
        Unreadable: It is missing, a link, a folder, a device or a pipe, may not be read, or is longer.
    """
    with open_regular(path, links) as file:
        content = _read(file, most + 1)
    if len(content) > most:
        raise Unreadable(f"has more than {size_text(most)}")
    return content


def open_regular(path: str | os.PathLike[str], links: bool = False) -> BufferedReader:
    """A plain file opened for reading, see `read_regular`."""
    _check_kind(lambda: os.stat(path) if links else os.lstat(path))  # before opening: that alone can move a tape
    flags = os.O_RDONLY | _NEVER_WAIT | _BINARY | (0 if links else getattr(os, "O_NOFOLLOW", 0))
    try:
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise Unreadable(_reason(error)) from None
    try:
        _check_kind(lambda: os.fstat(handle))  # what was opened, should the name have changed hands meanwhile
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_regular(path: str | os.PathLike[str], most: int | None = None, links: bool = False) -> None:
    """Refuse what `read_regular` would refuse, for libraries that open a file by its name."""
    with open_regular(path, links) as file:
        if most is not None and os.fstat(file.fileno()).st_size > most:
            raise Unreadable(f"has more than {size_text(most)}")


def size_text(count: int) -> str:
    """A size in round numbers.

    >>> size_text(64 * 1024), size_text(20_000_000)
    ('64 kB', '20 MB')
    """
    return f"{count // 10**6} MB" if count >= 10**6 else f"{count // 1024} kB"


def _check_kind(status: Callable[[], os.stat_result]) -> None:
    try:
        mode = status().st_mode
    except (OSError, ValueError) as error:  # a ValueError is a zero byte in the name
        raise Unreadable(_reason(error)) from None
    if stat.S_ISLNK(mode):
        raise Unreadable("is a link, which is not followed")
    if stat.S_ISDIR(mode):
        raise Unreadable("is a folder")
    if not stat.S_ISREG(mode):
        raise Unreadable("is no plain file")


def _read(file: BufferedReader, most: int) -> bytes:
    try:
        return file.read(most)
    except OSError as error:
        raise Unreadable(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "is not there"
    return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def own_path(name: str | os.PathLike[str]) -> Path:
    """A path as people type it, with ~ for a home.

    Raises:
        InputError: There is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise InputError(
            f"{os.fspath(name)}: a path is needed; it begins with the home of an unknown user. Write it in full."
        ) from None


def typed_path(name: str | os.PathLike[str]) -> Path:
    """The path of a file or folder that a command is given, whether or not it is there.

    Raises:
        InputError: There is no such user, or no file can be called so.
    """
    path = own_path(name)
    try:
        path.exists()
    except OSError as error:
        raise InputError(f"{os.fspath(name):.60}…: a path is needed; {error.strerror}. Check it.") from None
    return path


def cut_path(path: str | os.PathLike[str]) -> str:
    """A path for a sentence; of a long one its end.

    >>> cut_path("/srv/v.npy"), len(cut_path("x" * 5000))
    ('/srv/v.npy', 200)
    """
    text = os.fspath(path)
    return text if len(text) <= LONGEST_TOLD else f"…{text[1 - LONGEST_TOLD :]}"


def plain_name(name: str) -> bool:
    """Whether a name says no more than which file of one folder is meant.

    >>> [plain_name(name) for name in ("v.npy", "../v.npy", "/etc/passwd", ".hidden", "a\\\\b")]
    [True, False, False, False, False]
    """
    printable = 0 < len(name) <= 200 and name.isprintable()
    return printable and not name.startswith((".", "~")) and not set(name) & set("/\\:")
