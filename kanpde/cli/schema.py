"""`kanpde schema`: the JSON Schema of problem files and settings."""

import json
from collections.abc import Sequence

from kanpde.cli.parsing import command_parser, say
from kanpde.runs.schema import SCHEMAS


def schema_command(words: Sequence[str]) -> int:
    """print the JSON Schema of problem files or settings, for editors and forms"""
    parser = command_parser(schema_command)
    parser.add_argument("of", nargs="?", choices=list(SCHEMAS), help="both, by name, unless one is chosen")
    chosen = parser.parse_args(words).of
    schemas = {name: make() for name, make in SCHEMAS.items()}
    say(*json.dumps(schemas[chosen] if chosen else schemas, indent=2, ensure_ascii=False).splitlines())
    return 0
