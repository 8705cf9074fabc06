"""What an entry of `parameters` may be besides a value: learned, or a range."""

from __future__ import annotations

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.reading.messages import wrong_kind

LEARNED_KEYS = ("value", "learn", "start", "bounds", "prior")


def is_learned(text: object) -> bool:
    """Whether a parameter's entry asks for it to be learned."""
    return isinstance(text, dict) and text.get("learn") is True


def checked_entry(text: Entries, where: str) -> object:
    """The value in a parameter's mapping; for a learned one without, its start."""
    if set(text) - set(LEARNED_KEYS) or text.get("learn", False) not in (True, False):
        raise wrong_kind(where, "a value, with learn: true and a start if it is learned", text,
                         "{value: 0.1, learn: true, start: 0.5}")  # fmt: skip
    if "start" in text and not is_learned(text):
        raise InputError(f"{where} has a start, which needs learn: true; it is not learned. Add learn: true.")
    if "bounds" in text and not is_learned(text):
        raise InputError(f"{where} has bounds, which need learn: true; it is not learned. Add learn: true.")
    if "prior" in text and not is_learned(text):
        raise InputError(f"{where} has a prior, which needs learn: true; it is not learned. Add learn: true.")
    return text.get("value", text.get("start", 1.0) if is_learned(text) else None)


def is_range(text: object) -> bool:
    """Whether a parameter's entry gives a range instead of a value."""
    return isinstance(text, dict) and "range" in text
