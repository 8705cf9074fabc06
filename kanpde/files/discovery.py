"""Leaves found where they are defined: a module that is put into a folder is known, and no list has to name it."""

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType


def leaves(package: str, path: Iterable[str], root: type, key: str, first: type | None = None) -> dict[str, type]:
    """The classes derived from `root` in a package's modules, by what their attribute `key` says; `first` leads.

    Only the attribute of the class itself counts, so that a class between root and leaf has no row.
    """
    modules = modules_in(package, path)
    defined = [kind for module in modules for kind in vars(module).values() if _defined_in(module, kind)]
    known = [kind for kind in defined if issubclass(kind, root) and isinstance(vars(kind).get(key), str)]
    ordered = sorted(known, key=lambda kind: (kind is not first, vars(kind)[key]))
    return {vars(kind)[key]: kind for kind in ordered}


def modules_in(package: str, path: Iterable[str]) -> list[ModuleType]:
    """The modules of a package, by name; called with its own `__name__` and `__path__`.

    >>> import kanpde.files
    >>> "kanpde.files.locks" in [module.__name__ for module in modules_in("kanpde.files", kanpde.files.__path__)]
    True
    """
    return [importlib.import_module(f"{package}.{found.name}") for found in pkgutil.iter_modules(path)]


def module_names(folder: Path) -> list[str]:
    """The names of the modules in a folder, none of which is imported.

    >>> "locks" in module_names(Path(__file__).parent)
    True
    """
    return [found.name for found in pkgutil.iter_modules([str(folder)])]


def _defined_in(module: ModuleType, kind: object) -> bool:
    return isinstance(kind, type) and kind.__module__ == module.__name__
