"""YAML from strangers, read as plain data: mappings, lists, strings, numbers, true, false and null, nothing else.

The reading is that of YAML 1.2: `1e-3` is a number, `010` is ten, `y`, `on` and `no` are strings. Tags, anchors,
aliases, duplicate keys and further documents are refused, and so is what Hydra would take for an instruction.
"""

from __future__ import annotations

import math
import numbers
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, overload

import yaml

from kanpde.errors import InputError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12
MAX_NODES = 5000
MAX_DIGITS = 40

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_HYDRA_KEYS = ("defaults", "hydra")

Entries = dict[str, Any]
"""A mapping of plain data, whose values nobody has looked at yet."""


def read_yaml(text: str, label: str) -> object:
    """The plain data in a YAML text.

    >>> read_yaml("{y: [1e-3, 010], on: no}", "example")
    {'y': [0.001, 10], 'on': 'no'}

    Args:
        text: One YAML document.
        label: The file's name, with which an error message begins.

    Raises:
        InputError: it is no YAML, or holds more than plain data.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InputError(f"{label} may have {MAX_BYTES // 1024} kB; it has more. Shorten it.")
    if re.search(r"^\s*#\s*@package", text, re.MULTILINE):
        raise InputError(f'{label} may not direct Hydra; it has a line "# @package". Remove the line.')
    try:
        return _Reading(yaml.parse(text, Loader=yaml.SafeLoader), label).document()
    except yaml.YAMLError as error:
        raise InputError(_syntax_message(error, label)) from None
    except RecursionError:
        raise _too_deep(label) from None


@overload
def plain_data(value: Mapping[Any, Any], label: str) -> Entries: ...
@overload
def plain_data(value: object, label: str) -> object: ...
def plain_data(value: object, label: str) -> object:
    """A copy of data from Python as `read_yaml` would have returned it, under the same limits."""
    return _Copying(label).copy(value, "", 0)


def write_yaml(data: object) -> str:
    """Plain data as YAML that `read_yaml`, and readers of YAML 1.1, understand alike."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)
    return str(text)


def check_string(text: str, place: str) -> str:
    """The string itself, if no reader downstream can take it for anything else."""
    if "${" in text:
        raise InputError(f'{place} may not refer to other settings; it has "${{". Write the value itself.')
    if not all(c.isprintable() or c in "\n\t" for c in text):
        raise InputError(f"{place} needs printable text; it has control characters. Remove them.")
    return text


def check_key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise InputError(f"{place} needs keys that are words; it has {key!r:.60}. Rename it.")
    check_string(key, place)
    if key.startswith("_") or key in _HYDRA_KEYS:
        raise InputError(f'{place} may not direct Hydra; it has the key "{key:.60}". Remove it.')
    return key


def _too_deep(label: str) -> InputError:
    return InputError(f"{label} may nest lists and mappings {MAX_DEPTH} deep; it goes deeper. Write it flatter.")


def _too_many(label: str) -> InputError:
    return InputError(f"{label} may hold {MAX_NODES} values; it holds more. Shorten it.")


def _syntax_message(error: yaml.YAMLError, label: str) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f" in line {mark.line + 1}" if mark else ""
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    starred = "alias" in str(error)
    advice = 'Put quotes around "*"' if starred else "Check the indentation, quotes and colons there"
    return f"{label} needs valid YAML; {problem[:200]}{line}. {advice}."


class _Reading:
    """Builds data while the parser's events come in, so that nothing large is ever built."""

    def __init__(self, events: Iterator[yaml.Event], label: str):
        self.events, self.label, self.count = events, label, 0

    def document(self) -> object:
        data, documents = None, 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise InputError(f"{self.label} needs one YAML document; it has several. Remove the line ---.")
            elif isinstance(event, yaml.NodeEvent):
                data = self.value(event, 0)
        return data

    def value(self, event: yaml.Event, depth: int) -> object:
        self.count += 1
        if self.count > MAX_NODES:
            raise _too_many(self.label)
        if depth > MAX_DEPTH:
            raise _too_deep(self.label)
        self._refuse_references(event)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        return (self.mapping if isinstance(event, yaml.MappingStartEvent) else self.sequence)(event, depth + 1)

    def sequence(self, start: yaml.Event, depth: int) -> list[object]:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, depth))
        return items

    def mapping(self, start: yaml.Event, depth: int) -> dict[str, object]:
        items: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event)
            if key in items:
                raise InputError(
                    f'{self._place(event)} needs each key once; it has "{key:.60}" again. Remove one of the two.'
                )
            items[key] = self.value(next(self.events), depth)
        return items

    def key(self, event: yaml.Event) -> str:
        self._refuse_references(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise InputError(
                f"{self._place(event)} needs keys that are words; it has a list or mapping as a key. Put it in quotes."
            )
        return check_key(event.value, self._place(event))

    def scalar(self, event: yaml.ScalarEvent) -> object:
        text = check_string(event.value, self._place(event))
        return text if event.style else plain_scalar(text)

    def _refuse_references(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(
                f"{self._place(event)} may not use anchors and aliases (& and *); it does. "
                'Write the value out; put "*" in quotes.'
            )
        if getattr(event, "tag", None):
            raise InputError(
                f'{self._place(event)} may hold plain data only; it has the tag "{event.tag:.60}". Remove the tag.'
            )

    def _place(self, event: yaml.Event) -> str:
        return f"{self.label}: line {event.start_mark.line + 1}"


def plain_scalar(text: str) -> object:
    """What an unquoted word of YAML 1.2 stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    return text


class _Copying:
    def __init__(self, label: str):
        self.label, self.count = label, 0

    def copy(self, value: object, key: str, depth: int) -> object:
        self.count += 1
        place = f"{self.label}: {key}" if key else self.label
        if self.count > MAX_NODES:
            raise _too_many(self.label)
        if depth > MAX_DEPTH:
            raise _too_deep(self.label)
        if isinstance(value, Mapping):
            return {check_key(k, place): self.copy(v, f"{key}.{k}".strip("."), depth + 1) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.copy(item, key, depth + 1) for item in value]
        return self._leaf(value, place)

    def _leaf(self, value: object, place: str) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return check_string(str(value), place)
        if isinstance(value, numbers.Integral) and abs(int(value)) < 10**MAX_DIGITS:
            return int(value)
        if isinstance(value, numbers.Real) and abs(value) <= sys.float_info.max:  # type: ignore[operator]
            return float(value)
        raise InputError(
            f"{place} needs plain data (text, finite numbers, lists, mappings); it has {type(value).__name__}. "
            "Convert it first."
        )


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Quotes a string whenever a YAML 1.1 or 1.2 reader would take it for something else."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT.pattern})$"), list("-+.0123456789"))
