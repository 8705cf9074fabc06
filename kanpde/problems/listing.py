"""Problem files as they lie in folders: their names, their titles, their plain data; nothing of them is understood yet.

Nothing here needs SymPy or PyTorch, so that a list of problems costs no more than reading them.
"""

import os
from pathlib import Path

from kanpde.errors import InputError
from kanpde.files.regular import Unreadable, cut_path, own_path, read_regular
from kanpde.files.texts import shortened
from kanpde.files.yaml import MAX_BYTES, Entries, read_yaml

SEARCH_PATH = "KANPDE_PROBLEM_PATH"
LONGEST_TITLE = 200


def problem_folders() -> list[Path]:
    """Where problems are looked for: the folders in KANPDE_PROBLEM_PATH, then those that ship with the package."""
    listed = os.environ.get(SEARCH_PATH, "").split(os.pathsep)
    own = [own_path(folder) for folder in listed if folder]
    package = Path(__file__).parents[1]
    installed, checkout = package / "problem_files", package.parent / "problems"
    return [*own, installed if installed.is_dir() else checkout]


def problem_names() -> dict[str, Path]:
    """Every problem that can be called by name, and its file; the first folder wins."""
    names: dict[str, Path] = {}
    for folder in filter(os.path.isdir, problem_folders()):
        for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
            names.setdefault(path.stem, path)
    return dict(sorted(names.items()))


def problem_data(path: Path) -> Entries:
    """What is written in a problem file.

    Raises:
        InputError: it cannot be read, is too long, or is no mapping in safe YAML.
    """
    return read_problem_text(problem_text(path), path.name)


def problem_text(path: Path) -> str:
    """A problem file as it is written.

    Raises:
        InputError: it cannot be read, or is too long.
    """
    try:
        return read_regular(path, MAX_BYTES, links=True).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path.name} needs to be text in UTF-8; it is not. Save it as UTF-8.") from None
    except Unreadable as reason:
        raise InputError(
            f"{cut_path(path)} needs to be a problem file of at most {MAX_BYTES // 1024} kB; it {reason}. "
            "Check the path, or shorten it."
        ) from None


def read_problem_text(text: str, label: str) -> Entries:
    """The plain data of a problem given as YAML text, e.g. out of an archive; see `problem_data`."""
    data = read_yaml(text, label)
    if not isinstance(data, dict):
        came = "is empty" if data is None else f"has {shortened(data)}"
        raise InputError(
            f"{label} needs keys such as coordinates: and equations:; it {came}. Write key: value lines."
        )
    return data


def problem_title(data: Entries, name: str, label: str) -> str:
    """The title of a problem, by default its name.

    >>> problem_title({"title": "Heat in a rod"}, "heat", "heat.yaml")
    'Heat in a rod'
    """
    title = data.get("title", name)
    if not isinstance(title, str) or not 0 < len(title) <= LONGEST_TITLE or "\n" in title.strip():
        raise InputError(
            f"{label}: title needs one line of text, at most {LONGEST_TITLE} characters; it has {shortened(title)}. "
            "Write e.g. Heat in a rod."
        )
    return title.strip()
