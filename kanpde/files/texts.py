"""Texts from files in sentences and on terminals: quoted, cut, without control characters."""

import difflib
import json
from collections.abc import Iterable


def shortened(value: object, length: int = 60) -> str:
    """A value from a file, quoted for an error message: one line, printable, cut where it is long."""
    spoken = json.dumps if value is None or isinstance(value, bool) else repr  # null and true, as files have them
    text = value if isinstance(value, str) else spoken(value)
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text[: 4 * length].split()))
    return f'"{text[: length - 1]}…"' if len(text) > length else f'"{text}"'


def suggestion(name: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?`, or nothing; between names of one or two letters only capitals count as close."""
    known = list(known)
    same = [word for word in known if word.lower() == name.lower()]
    close = same or (difflib.get_close_matches(name[:60], known, n=1, cutoff=0.6) if len(name) > 2 else [])
    return f' Did you mean "{close[0]}"?' if close else ""


def printable(text: str) -> str:
    """Text without control characters: titles may come from a stranger's file, and a terminal obeys them."""
    return "".join(letter for letter in text if letter.isprintable())
