"""How much memory crafted inputs of at most 1 MB take, refused or accepted, beyond what is there before.

    python tests/benchmarks/input_memory.py [words of a name …]

Each is read by the command that a user would give, in a process of its own, forked from one that has imported
everything. Asked for is 500 MB at most, a sentence where it is refused, and an end within a minute of CPU time.
"""

import contextlib
import io
import os
import resource
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kanpde.cli.check import check_command
from kanpde.cli.show import show_command
from kanpde.cli.solve import solve_command
from kanpde.errors import InputError
from kanpde.solving.training.memory import forget_peak, peak_memory_mb

MOST_MB, MOST_SECONDS = 500.0, 60
LINE = "coordinates: {x: [0, 1]}\nfields: [u]\nboundary: {'*': u = 0}\n"


def file(text: str) -> Callable[[Path], list[str]]:
    def words(folder: Path) -> list[str]:
        (folder / "own.yaml").write_text(text)
        return ["check", f"problem={folder / 'own.yaml'}"]

    return words


def equation(text: str) -> Callable[[Path], list[str]]:
    return file(f'{LINE}equations: "{text}"\n')


def settings(*given: str) -> Callable[[Path], list[str]]:
    return lambda folder: ["solve", "training.steps=1", f"output.folder={folder}", *given]


def declared(folder: Path) -> list[str]:
    head = np.lib.format.magic(1, 0)
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + "\n"
    (folder / "v.npy").write_bytes(head + len(text).to_bytes(2, "little") + text.encode())
    (folder / "own.yaml").write_text(f"{LINE}coefficients: {{v: {{file: v.npy}}}}\nequations: u_xx = v\n")
    return ["check", f"problem={folder / 'own.yaml'}"]


def bomb(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "v.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive, \
            archive.open("values.npy", "w", force_zip64=True) as member:  # fmt: skip
        text = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000,), }".ljust(117) + "\n"
        member.write(np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode())
        for _ in range(800):
            member.write(bytes(1_000_000))
    (folder / "own.yaml").write_text(f"{LINE}coefficients: {{v: {{file: v.npz}}}}\nequations: u_xx = v\n")
    return ["check", f"problem={folder / 'own.yaml'}"]


def archive(folder: Path) -> list[str]:
    import h5py  # noqa: PLC0415

    with h5py.File(folder / "result.h5", "w") as made:
        made.create_dataset("model/parameters/w", shape=(10**12,), dtype="f8", chunks=(1000,))
        made.create_dataset("history/loss", shape=(10**9,), dtype="f8", chunks=(10**6,), compression="gzip")
    return ["show", str(folder / "result.h5")]


MANY = range(3000)
INPUTS: dict[str, Callable[[Path], list[str]]] = {
    "deep flow sequence": file("a: " + "[" * 200_000),
    "deep block mapping": file("".join(f"{' ' * i}a:\n" for i in range(1200))),
    "aliases that double": file("a: &a [1,1]\n" + "".join(f"b{i}: &b{i} [*{'a' if not i else f'b{i - 1}'}, "
                                f"*{'a' if not i else f'b{i - 1}'}]\n" for i in range(40))),
    "long sum": equation("u_xx = " + "x + " * 50_000 + "1"),
    "long product": equation("u_xx = " + "(x + 1)*" * 20_000 + "1"),
    "deep brackets": equation("u_xx = " + "(" * 50_000 + "x" + ")" * 50_000),
    "nested sines": equation("u_xx = " + "sin(" * 3000 + "x" + ")" * 3000),
    "towers": equation("u_xx = " + "**".join(["9"] * 30)),
    "large power": equation("u_xx = (x + u)**1000000"),
    "derivatives of products": equation("D(" + "*".join(["sin(u*x)"] * 40) + ", x, 6) = 1"),
    "many fields": file("coordinates: {x: [0, 1]}\nfields: [" + ", ".join(f"u{i}" for i in MANY) + "]\nequations:\n"
                        + "".join(f"  e{i}: D(u{i}, x, 2) = 1\n" for i in MANY) + "boundary: {'*': u0 = 0}\n"),
    "many shapes": file("coordinates: {x: [0, 1], y: [0, 1]}\nfields: [u]\nequations: lap(u) = 1\nshapes:\n"
                        + "".join(f"  s{i}: disk({i % 50 / 50}, {i // 50 / 60}, 0.001)\n" for i in MANY)
                        + f"domain: box - {' - '.join(f's{i}' for i in MANY)}\nboundary: {{'*': u = 0}}\n"),
    "many coordinates": file("coordinates: {" + ", ".join(f"x{i}: [0, 1]" for i in range(300)) + "}\nfields: [u]\n"
                             "equations: lap(u) = 1\nboundary: {'*': u = 0}\n"),
    "large reference": file(f"{LINE}equations: u_xx = u**3\nreference: {{method: chebyshev, resolution: 1000000}}\n"),
    "declared 8 TB": declared,
    "unpacks to 800 MB": bomb,
    "archive that declares 8 TB": archive,
    "resolution": settings("problem=heat_3d", "output.resolution=100000"),
    "resolution in three dimensions": settings("problem=heat_3d", "output.resolution=2000", "training.time_limit=1"),
    "grid": settings("problem=poisson_1d", "model.grid=1000000000"),
    "width": settings("problem=poisson_1d", "model.width=[100000,100000]"),
    "points": settings("problem=poisson_1d", "sampling.points=1000000000"),
    "stages": settings("problem=poisson_1d", "training.stages=99", "model.width=[3]"),
    "windows": settings("problem=diffusion_1d", "training.windows=100000000"),
    "starts": settings("problem=poisson_1d", "model.width=[1000000000]"),
}  # fmt: skip
COMMANDS = {"check": check_command, "show": show_command, "solve": solve_command}


def measured(words: list[str]) -> str:
    """What became of it, and the megabytes beyond those there were."""
    forget_peak()
    before, said = peak_memory_mb(), io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = COMMANDS[words[0]](words[1:])
        ended = f"code {code}"
    except InputError as error:
        ended = f"refused: {str(error).replace(str(words), '')[-70:]!r}"
    except BaseException as error:
        ended = f"FAULT {type(error).__name__}: {str(error)[:60]}"
    return f"{peak_memory_mb() - before:.0f} {ended}"


def in_process(make: Callable[[Path], list[str]], folder: Path) -> str:
    reading, writing = os.pipe()
    if (process := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        os.environ["KANPDE_CACHE"] = str(folder / "cache")
        try:
            os.write(writing, measured(make(folder)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    _, _, used = os.wait4(process, 0)
    return text or f"{used.ru_maxrss / 1024:.0f} FAULT no end within {MOST_SECONDS} s"


def main(words: list[str]) -> int:
    faults = 0
    chosen = [name for name in INPUTS if not words or any(word in name for word in words)]
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found = in_process(INPUTS[name], Path(folder))
        over = float(found.split()[0]) > MOST_MB or "FAULT" in found
        faults += over
        print(f"{name}: {found}{' OVER' if over else ''}", flush=True)
    print(f"{faults} of {len(chosen)} over {MOST_MB:.0f} MB, without an end, or without a sentence")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
