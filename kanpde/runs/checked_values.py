"""Plain values → dataclasses, checked by pydantic against the fields' annotations; what it refuses becomes a sentence.

A dataclass is the schema of its settings: names, annotations, defaults and the `Args:` of its docstring are read here
and repeated nowhere.
"""

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic import create_model as pydantic_model

from kanpde.errors import InputError
from kanpde.runs.hydra_composition import near

STRICT = ConfigDict(strict=True, extra="forbid")
WORDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "text"}
EXAMPLES = {"integer": "5", "number": "0.5", "boolean": "true"}


def settings_from(cls: type, values: Any, where: str) -> Any:
    """Make a dataclass of plain values, each checked against its annotation.

    >>> from kanpde.runs.general_settings import Output
    >>> settings_from(Output, {"folder": "runs", "plot": False}, "output")
    Output(folder='runs', plot=False, resolution=None)
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where} needs settings, key: value; {values!r} came. Choose {where}=… and set its keys.")
    model = settings_model(cls)
    try:
        checked = model.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(_sentence(error, values, model.model_json_schema(), where)) from None
    return cls(**{name: getattr(checked, name) for name in checked.model_fields_set})


def typed(value: Any, hint: Any, where: str) -> Any:
    """Check one value against an annotation; a whole float passes for an int, a single value for a list of one.

    >>> typed(5, tuple[int, ...], "model.width"), typed(1, float, "training.time_limit")
    ((5,), 1.0)
    """
    adapter = TypeAdapter(_lenient(hint), config=ConfigDict(strict=True))
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise InputError(_wrong(value, adapter.json_schema(), where)) from None


def check_names(values: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    """Refuse keys that are not among the names."""
    for key in values:
        if key not in names:
            raise InputError(_unknown(key, names, where))


def required(mapping: Mapping[str, Any], name: str) -> Any:
    """The entry of a name that every composition has, unless a word removed it."""
    if name not in mapping:
        raise InputError(_removed(name))
    return mapping[name]


@lru_cache(maxsize=64)
def settings_model(cls: type) -> type[BaseModel]:
    """The pydantic model of a dataclass: what its annotations allow, its defaults, and its docstring's `Args:`."""
    hints, told = get_type_hints(cls), argument_help(cls)
    declared = {
        field.name: (
            _lenient(hints[field.name]),
            Field(... if field.default is MISSING else field.default, description=told.get(field.name)),
        )
        for field in fields(cls)
    }
    line = (inspect.getdoc(cls) or "").partition("\n")[0]
    return pydantic_model(cls.__name__, __config__=STRICT, __doc__=line, **declared)  # type: ignore[call-overload]


@lru_cache(maxsize=64)
def argument_help(cls: type) -> dict[str, str]:
    """What the `Args:` of a class's docstring say of each argument, on one line.

    >>> from kanpde.runs.general_settings import Output
    >>> argument_help(Output)["plot"]
    'Draw a picture beside the archive.'
    """
    _, _, rest = (inspect.getdoc(cls) or "").partition("Args:\n")
    section = re.split(r"\n(?=\S)", rest)[0]
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n     +.*)*)", section, re.M)
    return {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}


# What pydantic takes


def _lenient(hint: Any) -> Any:
    """An annotation that takes what YAML and the command line write: 3.0 for a whole number, 5 for a list of one."""
    if get_origin(hint) in (Union, UnionType):
        union: Any = Union[tuple(map(_lenient, get_args(hint)))]  # noqa: UP007
        several = len(set(get_args(hint)) - {NoneType}) > 1
        return Annotated[union, Field(union_mode="left_to_right")] if several else union
    if get_origin(hint) is tuple:
        return Annotated[tuple[_lenient(get_args(hint)[0]), ...], BeforeValidator(_listed)]  # type: ignore[misc]
    return {int: Annotated[int, BeforeValidator(_whole)], float: Annotated[float, AfterValidator(_number)]}.get(
        hint, hint
    )


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: float) -> float:
    if math.isnan(value):
        raise ValueError("it is not a number")
    return value


def _listed(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(value)
    return value if value is None else (value,)


# Sentences, from the JSON Schema of what is allowed


def _sentence(error: ValidationError, values: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> str:
    """What is wrong first: an unknown key, one that is missing, then a value of the wrong kind."""
    kinds = ("extra_forbidden", "missing")
    first = min(error.errors(), key=lambda one: kinds.index(one["type"]) if one["type"] in kinds else len(kinds))
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return _unknown(name, list(schema["properties"]), where)
    if first["type"] == "missing":
        return _removed(name)
    return _wrong(values[name], schema["properties"][name], joined(where, name))


def _unknown(key: str, names: Sequence[str], where: str) -> str:
    there = f"In {where} there" if where else "There"
    return f"{joined(where, key)}: there is no such setting.{near(key, names)} {there} are {', '.join(names)}."


def _removed(name: str) -> str:
    return f"{name} is needed and was removed. Leave out the override that removes it."


def _wrong(value: Any, schema: Mapping[str, Any], where: str) -> str:
    close = near(str(value), [str(choice) for option in _options(schema) for choice in _choices(option)])
    return f"{where} needs {described(schema)}; {value!r} came. Write {where}={_example(schema)}, say.{close}"


def described(schema: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words.

    >>> described({"anyOf": [{"type": "integer"}, {"type": "null"}]})
    'a whole number or null'
    """
    return " or ".join(map(_described, _options(schema)))


def _described(option: Mapping[str, Any]) -> str:
    if choices := _choices(option):
        return "one of " + ", ".join(map(str, choices))
    if option["type"] == "array":
        return f"a list, each item {described(option['items'])}"
    return str(WORDS.get(option["type"], option["type"]))


def _example(schema: Mapping[str, Any]) -> str:
    option = _options(schema)[0]
    if choices := _choices(option):
        return str(choices[0])
    return f"[{_example(option['items'])}]" if option["type"] == "array" else EXAMPLES.get(option["type"], "text")


def _options(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return list(schema.get("anyOf", [schema]))


def _choices(option: Mapping[str, Any]) -> Sequence[Any]:
    return list(option.get("enum", [option["const"]] if "const" in option else []))


def joined(where: str, name: str) -> str:
    """The full name of a setting.

    >>> joined("model", "width"), joined("", "seed")
    ('model.width', 'seed')
    """
    return f"{where}.{name}" if where else name
