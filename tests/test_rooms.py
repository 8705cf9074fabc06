"""The plan of the package: rooms, and imports that run down only."""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "kanpde"
ROOMS = (
    "cli", "service", "studies", "runs", "reports", "lattices", "symbolic", "results", "solving", "references",
    "problems", "models", "files", "errors",
)  # fmt: skip
"""From the top floor down; a room imports from itself and from those behind it."""

DOORS = {"__init__", "__main__"}
"""Modules that stand above every room: the public names, and the command."""


def rooms_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


@cache
def modules() -> dict[str, Path]:
    found = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


@cache
def imported_modules(path: Path) -> set[str]:
    """The modules of the package that a file imports, or imports names from."""
    tree, known = ast.parse(path.read_text(encoding="utf-8")), modules()
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if name in known else node.module for name in inner]
    return {name for name in names if name in known}


def arrows() -> set[tuple[str, str]]:
    pairs = {(rooms_of(name), rooms_of(other)) for name, path in modules().items() for other in imported_modules(path)}
    return {(a, b) for a, b in pairs if a != b and a not in DOORS}


def test_every_module_is_in_a_room():
    assert {rooms_of(name) for name in modules()} - DOORS <= set(ROOMS)


def test_imports_run_down_only():
    upward = sorted((a, b) for a, b in arrows() if b == "__init__" or ROOMS.index(a) > ROOMS.index(b))
    assert not upward or set(upward) == {("cli", "__init__")}, upward  # the commands print the version and its line


def test_models_and_references_know_nothing_of_each_other():
    assert ("references", "models") not in arrows() and ("models", "problems") not in arrows()


def test_the_package_has_few_entries():
    doors = {"__pycache__", "__init__.py", "__main__.py", "py.typed", "README.md"}
    assert len({path.name for path in PACKAGE.iterdir()} - doors) <= 14


def test_few_arrows_run_between_rooms():
    """Each room raises what `errors` names; that it does says nothing of how the rooms lie."""
    assert len({(a, b) for a, b in arrows() if b not in DOORS | {"errors"}}) <= 58


LIGHT = ("kanpde", "kanpde.cli.main", "kanpde.cli.problems", "kanpde.cli.show")
"""What loads in a moment: nobody waits seconds for a list or a help page."""
HEAVY = {"hydra", "matplotlib", "mlflow", "omegaconf", "pandas", "scipy", "sympy", "torch"}


def imports_of(path: Path) -> set[str]:
    """The modules a file imports when it runs: not those that type checkers alone read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    skipped = {id(inner) for node in typing for inner in ast.walk(node)}
    nodes = [node for node in ast.walk(tree) if id(node) not in skipped]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_what_starts_light_imports_nothing_heavy():
    known, waiting, trails = modules(), list(LIGHT), {name: name for name in LIGHT}
    while waiting:
        name = waiting.pop()
        for other in imports_of(known[name]):
            assert other.split(".")[0] not in HEAVY, f"{trails[name]} -> {other}"
            parents = (other.rsplit(".", depth)[0] for depth in range(other.count(".") + 1))
            for module in parents:  # importing a module runs the packages it lies in
                if module in known and module not in trails:
                    trails[module] = f"{trails[name]} -> {module}"
                    waiting.append(module)
    assert "kanpde.problems.listing" in trails and "kanpde.results.archive.reading" in trails


def test_modules_of_a_room_import_in_no_circle():
    """Each module's imports, followed down, never come back to it."""
    graph = {name: imported_modules(path) for name, path in modules().items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
