"""The parts of documents that are made from the code: tables of settings and of functions.

    python tests/documents.py            # brings the documents up to date
    python tests/documents.py --check    # says which are not, exit code 1
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import sympy

from kanpde.problems.geometry.shapes import SHAPES
from kanpde.problems.language import DRAWS, WORDS, ExpressionError, text_of
from kanpde.problems.reading.schema import KEY_SCHEMAS
from kanpde.runs.checked_values import argument_help, described
from kanpde.runs.choices import DEFAULT_CHOICES, LAUNCHERS, group_choices
from kanpde.runs.schema import properties_of, settings_schema
from kanpde.runs.settings import KINDS
from kanpde.solving.training.settings import Training
from kanpde.studies.bench import CLASSICAL, markdown, stored
from kanpde.studies.peers import PEERS
from kanpde.studies.plans import Study

ROOT = Path(__file__).parents[1]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [[*head], ["---"] * len([*head]), *([*row] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def code(value: object) -> str:
    """A value as it is written in a word, set as code."""
    if isinstance(value, (list, tuple)):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{'null' if value is None else str(value).lower() if isinstance(value, bool) else value}`"


def groups() -> str:
    rows = [[f"`{group}`", ", ".join(code(name) for name in group_choices(group))] for group in DEFAULT_CHOICES]
    rows += [["`experiment`", ", ".join(code(name) for name in group_choices("experiment"))]]
    rows += [["`hydra/launcher`", ", ".join(map(code, LAUNCHERS))]]
    return table(["group", "choices, the default first"], [["`problem`", "`kanpde problems`, or a file"], *rows])


def settings() -> str:
    """Every setting of every kind, a table each."""
    kinds = [(group, kind, cls) for group, classes in KINDS.items() for kind, cls in classes.items()]
    parts = [f"### `{group}={kind}`\n\n{_of_class(cls, group)}" for group, kind, cls in kinds]
    return "\n\n".join([*parts, f"### `training=default`\n\n{_of_class(Training, 'training')}"])


def _of_class(cls: type, group: str) -> str:
    rows = ((f"{group}.{name}", schema) for name, schema in properties_of(cls).items())
    return table(["setting", "default", "takes", ""], [_row(name, schema) for name, schema in rows])


def _row(name: str, schema: dict) -> list[str]:
    return [f"`{name}`", code(schema["default"]), described(schema), schema.get("description", "")]


def general() -> str:
    known = settings_schema()["properties"]
    rows = [(name, schema) for name, schema in known.items() if "default" in schema]
    rows += [(f"output.{name}", schema) for name, schema in known["output"]["properties"].items()]
    return table(["setting", "default", "takes", ""], [_row(name, schema) for name, schema in rows])


def study() -> str:
    told = argument_help(Study)
    return table(["setting", ""], [[f"`study.{field.name}`", told[field.name]] for field in fields(Study)])


def functions() -> str:
    """A row a function: how it is called, its meaning, its derivatives."""
    rows = [[f"`{name}({', '.join(row.signature)})`", _meaning(row), _derivatives(row)] for name, row in WORDS.items()]
    drawn = [[f"`{name}({', '.join(row.signature)})`", _meaning(row), ""] for name, row in DRAWS.items()]
    return table(["function", "", "derivative"], [*rows, *drawn])


def _meaning(row: type) -> str:
    return " ".join((row.__doc__ or "").split()).replace(". ", "; ").rstrip(".")


def _derivatives(row: type) -> str:
    """By each argument; none where it jumps."""
    names = [name for name in row.signature if name != "…"]
    symbols = sympy.symbols(names, real=True)
    found = []
    for name, slope in zip(names, row.slopes, strict=True):
        try:
            found.append((name, text_of(slope(*symbols))))
        except ExpressionError:
            continue
    if len(names) == 1:
        return f"`{found[0][1]}`" if found else "none: it jumps"
    return ", ".join(f"`{text}` by {name}" for name, text in found)


def shapes() -> str:
    """How each shape is written."""
    return ", ".join(f"`{shape.form}`" for shape in SHAPES.values()) + "."


def keys() -> str:
    return table(["key", ""], [[f"`{name}`", text] for name, (text, _) in KEY_SCHEMAS.items()])


def bench(folder: str, names: Iterable[str] = ()) -> str:
    """What `kanpde bench` came to, on some problems or all."""
    rows = stored(ROOT / "outputs" / "reference" / folder).rows
    chosen = [row for name in names for row in rows if row.case.problem == name] if names else rows
    return markdown(chosen).rstrip("\n")


def beside(names: Iterable[str], peers: bool) -> str:
    """Our own runs of the standing benchmark with the classical line, or the limits at which peers ran too."""
    rows = stored(ROOT / "outputs" / "reference" / "bench").rows
    shared = {row.case.limit for row in rows if row.case.route in PEERS}
    kept = [row for row in rows if row.case.route == CLASSICAL or (row.case.limit in shared) == peers]
    chosen = [row for name in names for row in kept if row.case.problem == name] if names else kept
    return markdown(chosen).rstrip("\n")


HEADLINE = ("poisson_2d", "poisson_multiscale", "poisson_lshape", "laplace_holes", "poisson_5d",
            "burgers", "allen_cahn", "kdv", "cavity")  # fmt: skip
"""Problems of the table that people see first; the others are below."""


def frontier() -> str:
    return bench("frontier")


def shipped() -> str:
    return bench("shipped")


def headline() -> str:
    return beside(HEADLINE, peers=False)


def asked() -> str:
    return beside((), peers=False)


def others() -> str:
    return beside((), peers=True)


SECTIONS: dict[str, dict[str, Callable[[], str]]] = {
    "conf/README.md": {"groups": groups, "settings": settings, "general": general, "study": study},
    "README.md": {"headline": headline},
    "tests/README.md": {"asked": asked, "frontier": frontier, "shipped": shipped, "peers": others},
    "problems/README.md": {"keys": keys, "functions": functions, "shapes": shapes},
}


def refreshed(path: str) -> str:
    """The text of a document with its sections made anew, each between `<!-- name -->` and `<!-- end of name -->`."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for name, made in SECTIONS[path].items():
        before, first, rest = text.partition(f"<!-- {name} -->\n")
        _, last, after = rest.partition(f"<!-- end of {name} -->")
        assert first and last, f"{path} lacks the section {name}"
        text = f"{before}{first}{made()}\n{last}{after}"
    return text


def main(words: list[str]) -> int:
    stale = [path for path in SECTIONS if refreshed(path) != (ROOT / path).read_text(encoding="utf-8")]
    for path in stale:
        print(f"{path} is {'not up to date' if '--check' in words else 'brought up to date'}")
        if "--check" not in words:
            (ROOT / path).write_text(refreshed(path), encoding="utf-8")
    return 1 if stale and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
