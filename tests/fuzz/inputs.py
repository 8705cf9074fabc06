"""Seeded inputs that nobody would write: shipped problems, data files, archives and words, changed at random.

Each generator takes a `random.Random` and gives one input; the same seed gives the same inputs.
"""

from __future__ import annotations

import contextlib
import io
import random
from dataclasses import replace

import h5py
import numpy as np

from kanpde.problems.catalog import problem_names
from kanpde.results.archive import RunData

WORDS = (
    "0", "-1", "1e308", "1e-320", "nan", "inf", ".5", "2**64", "null", "true", "[]", "{}", "[[[[]]]]",
    "{a: {b: c}}", '"', "'", "${seed}", "${oc.env:HOME}", "!!python/object:os.system", "&a", "*a", "u_xx",
    "u_tttttt", "D(u, x, 99)", "auto", "pi", "x**x**x", "1/0", "exp(exp(exp(x)))", "where(x > 0, u, 1/u)",
    "besselj(0, u)", "lap(lap(u))", "div(u*grad(u))", "dn(u)", "u(0, t)", "max(u, x)", "sqrt(-1)", "log(0)",
    "abs(u)", "heaviside(u)", "\x1b[31m", "\x00", "é", "π", "u²", "a" * 300, "{range: [0, 1]}", "{learn: true}",
    "{file: v.npy}", "{random_cells: {cells: [3]}}", "disk(0, 0, 1)", "box - hole",
)  # fmt: skip
SYNTAX = "{}[]():,-+*/^=_\"'#&!|>%@`~ \n\t0123456789xtu"


def problem_text(rng: random.Random) -> str:
    """A shipped problem with one to four changes: words replaced, lines dropped, doubled or swapped, bytes changed."""
    path = rng.choice(sorted(problem_names().values()))
    text = path.read_text(encoding="utf-8")
    for _ in range(rng.randint(1, 4)):
        text = rng.choice((_word, _word, _line, _character))(text, rng)
    return text


def _word(text: str, rng: random.Random) -> str:
    places = [i for i, letter in enumerate(text) if letter in " :,[({=*+-/"]
    start = rng.choice(places) + 1 if places else 0
    end = next((i for i in range(start, len(text)) if text[i] in " :,])}=*+-/\n"), len(text))
    return text[:start] + rng.choice(WORDS) + text[end:]


def _line(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(3):
        case 0:
            del lines[one]
        case 1:
            lines.insert(other, lines[one])
        case _:
            lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines)


def _character(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(SYNTAX) + text[place + rng.randrange(2) :]


def data_file(rng: random.Random) -> bytes:
    """Samples on [0, 1] as .npy, .npz, HDF5 or text, with some of the bytes changed, lost or repeated."""
    content = rng.choice((_npy, _npz, _text, _hdf5))(rng)
    return changed_bytes(content, rng) if rng.random() < 0.9 else content


def _npy(rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    shape = rng.choice([(9,), (0,), (3, 3), (), (1,), (2, 2, 2)])
    np.save(buffer, np.ones(shape, dtype=rng.choice(["f8", ">f4", "i2", "c16", "?", "U3", "S2", "M8[s]"])))
    return buffer.getvalue()


def _npz(rng: random.Random) -> bytes:
    buffer, x = io.BytesIO(), np.linspace(0, 1, rng.randint(1, 12))
    save = rng.choice((np.savez, np.savez_compressed))
    save(buffer, **{rng.choice(("x", "y")): x, rng.choice(("u", "v", "x2")): x})
    return buffer.getvalue()


def _text(rng: random.Random) -> bytes:
    cells = ["0", "1", "0.5", "nan", "inf", "1e999", "", "x", "u", '"', "${oc.env:HOME}", "\x1b[2J", "1_0", "0x1", "#"]
    rows = [",".join(rng.choice(cells) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(0, 8))]
    head = rng.choice((["x,u"], ["x,u"], []))
    return "\n".join(head + rows).encode()


def _hdf5(rng: random.Random) -> bytes:
    with h5py.File("memory", "w", driver="core", backing_store=False) as root:
        root["x"], root["u"] = np.linspace(0, 1, 9), np.ones(rng.choice([9, (3, 3), (0,)]))
        root[rng.choice("ab")] = rng.choice((h5py.SoftLink("/u"), h5py.ExternalLink("v.h5", "/u")))
        root.flush()
        return root.id.get_file_image()


def changed_bytes(content: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, the end cut off, or a piece repeated."""
    if not content:
        return content
    changed = bytearray(content)
    match rng.randrange(4):
        case 0 | 1:
            for _ in range(rng.randint(1, 4)):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        case 2:
            del changed[rng.randrange(len(changed)) :]
        case _:
            start = rng.randrange(len(changed))
            changed[start:start] = changed[start : start + rng.randint(1, 64)]
    return bytes(changed)


TEXTS = (
    "", "{}", "null", "[]", "5", "[" * 50_000, "\x1b[31m", "$\\bad$", "weird", "nan", "1e999",
    "a" * 5000, "<b>&",
)  # fmt: skip
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, 1e-320, 2.0**63)
GROUPS = ("attributes", "metrics", "history", "axes", "fields", "points", "config_json")


def crafted(data: RunData, rng: random.Random) -> RunData:
    """A run of which one to three entries are gone or are others: what a stranger who knows the format might write."""
    for _ in range(rng.randint(1, 3)):
        group = rng.choice(GROUPS)
        if group == "config_json":
            with contextlib.suppress(ValueError):  # texts that no record takes
                data = replace(data, model=replace(data.model, config_json=_other_text(data.model.config_json, rng)))
            continue
        entries = dict(getattr(data, group))
        name = rng.choice(sorted(entries) or ["x"])
        if rng.random() < 0.3:
            entries.pop(name, None)
        else:
            entries[name] = _other(entries.get(name, 0.0), rng)
        with contextlib.suppress(ValueError):  # shapes that no record takes
            data = replace(data, **{group: entries})
    return data


def _other(value: object, rng: random.Random) -> object:
    if isinstance(value, str):
        return _other_text(value, rng)
    if isinstance(value, np.ndarray):
        changed = np.array(value, dtype=float)
        changed[rng.choice((..., 0, -1))] = rng.choice(NUMBERS)
        return changed
    return rng.choice(NUMBERS)


def _other_text(text: str, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(TEXTS)
    parts = text.split(",")
    parts[rng.randrange(len(parts))] = rng.choice(WORDS)
    return ",".join(parts)


KEYS = (
    "problem", "model", "optimizer", "sampling", "training", "seed", "dtype", "device", "threads", "output.folder",
    "model.width", "model.grid", "model.degree", "training.steps", "training.time_limit", "training.windows",
    "sampling.points", "problem.parameters.nu", "problem.coordinates.x", "problem.fields", "problem.equations",
    "hydra/launcher", "hydra.launcher.n_jobs", "hydra.run.dir", "experiment", "rerun", "tracker", "reference", "x", "",
)  # fmt: skip
VALUES = (
    "burgers", "kan", "mlp", "lm", "1", "-1", "0", "1e400", "nan", "[5,5]", "[", "]", "{}", "null", "true", "a,b",
    "range(0,3)", "${seed}", "${x}", "${oc.env:HOME}", "'", '"', "\\", "/dev/zero", "/etc/passwd", "../x.yaml", "é",
    "_target_", "os.system", "9" * 400, "x" * 400, "(" * 200, "choice(1,2)", "glob(*)", "[1e9]", "1e9", " ", "a=b",
    "a b",
)  # fmt: skip


def words(rng: random.Random) -> list[str]:
    """One to three words of a command line."""
    made = ["problem=poisson_1d"] if rng.random() < 0.7 else []
    for _ in range(rng.randint(1, 2)):
        sign = rng.choice(("", "", "", "", "", "+", "++", "~", "-"))
        key = rng.choice(KEYS) + rng.choice(("", "", "", "", "", "", ".x", "._target_", "@problem", "/x"))
        made.append(f"{sign}{key}={rng.choice(VALUES)}" if rng.random() < 0.95 else rng.choice(VALUES))
    return made
