"""JSON Schema of settings and of problem files, for editors that complete them and services that make forms of them."""

from functools import lru_cache
from typing import Any

from kanpde.problems.reading.schema import DIALECT
from kanpde.problems.reading.schema import problem_schema as plain_problem_schema
from kanpde.problems.reading.schema_parts import Schema
from kanpde.runs.checked_values import settings_model
from kanpde.runs.choices import DEFAULT_CHOICES, group_choices, top_defaults
from kanpde.runs.general_settings import Output, Settings
from kanpde.runs.settings import KINDS
from kanpde.solving.training.settings import Training


def settings_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of what `kanpde.solve` and `conf/` take, with help, defaults and choices.

    A group is the name of a choice, `"model": "mlp"`, or a mapping with its `kind` and settings.

    >>> settings_schema()["properties"]["training"]["anyOf"][1]["properties"]["steps"]["default"]
    60
    """
    groups = {name: _group(name) for name in DEFAULT_CHOICES}
    general = _filled(properties_of(Settings), top_defaults())
    output = {"type": "object", "properties": properties_of(Output), "additionalProperties": False}
    problem = {"type": ["string", "object"], "description": "The name of a problem, the path of a file, or its data."}
    return {
        "$schema": DIALECT,
        "title": "kanpde settings",
        "type": "object",
        "properties": {"problem": problem, **groups, **general, "output": output},
        "additionalProperties": False,
    }


def problem_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of problem files, with the settings of each group under `settings`.

    >>> sorted(problem_schema()["properties"]["settings"]["properties"])
    ['model', 'optimizer', 'sampling', 'training']
    """
    schema = plain_problem_schema()
    own = {"type": "object", "properties": {}, "additionalProperties": False}
    groups = {name: {**own, "properties": properties_of(_class(name))} for name in DEFAULT_CHOICES}
    settings = {**schema["properties"]["settings"], "properties": groups}
    return {**schema, "properties": {**schema["properties"], "settings": settings}}


@lru_cache(maxsize=64)
def properties_of(cls: type) -> Schema:
    """The JSON Schema of each setting of a dataclass, by name."""
    return {name: _untitled(schema) for name, schema in settings_model(cls).model_json_schema()["properties"].items()}


SCHEMAS = {"problem": problem_schema, "settings": settings_schema}
"""What `kanpde schema` prints."""


def _class(group: str) -> type:
    """The dataclass of a group's default choice."""
    return Training if group == "training" else KINDS[group][DEFAULT_CHOICES[group]]


def _group(name: str) -> Schema:
    by_name = {"enum": list(group_choices(name))}
    kinds = KINDS.get(name)
    if kinds is None:
        return {"anyOf": [by_name, _mapping_of(_class(name), {})]}
    return {"anyOf": [by_name, *(_mapping_of(cls, {"kind": {"const": kind}}) for kind, cls in kinds.items())]}


def _mapping_of(cls: type, first: Schema) -> Schema:
    needed = {"required": list(first)} if first else {}
    described = settings_model(cls).model_json_schema()
    return {
        "type": "object",
        "description": described.get("description", ""),
        "properties": {**first, **properties_of(cls)},
        "additionalProperties": False,
        **needed,
    }


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes of names."""
    return {key: value for key, value in schema.items() if key != "title"}


def _filled(properties: Schema, defaults: dict[str, Any]) -> Schema:
    return {name: {**schema, "default": defaults[name]} for name, schema in properties.items()}
