"""What the JSON Schema of a key is made of."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def object_of(properties: Schema, required: list[str] | None = None) -> Schema:
    """A mapping with these keys and no others."""
    needed = {"required": required} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **needed}


def mapping_of(values: Schema) -> Schema:
    """Names of the user's own, each with such a value; an empty key stands for none."""
    return {"type": ["object", "null"], "additionalProperties": values}


def one_or_several(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]}


TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
EXPRESSION: Schema = {"type": ["string", "number"]}
RANGE: Schema = {"type": "array", "items": EXPRESSION, "minItems": 2, "maxItems": 2}
NAMES: Schema = {"type": "array", "items": TEXT}
