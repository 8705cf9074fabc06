"""What over- or underdetermines, what is singular inside, and what is complex where real values are needed."""

import json
import subprocess
import sys

import pytest

from kanpde.cli.main import main as command
from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem

POTENTIAL = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["p"], "equations": {"e": "-lap(p) = cos(pi*x)"},
             "boundary": {"*": "dn(p) = 0"}}  # fmt: skip
CABLE = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": {"e": "u_xx = 1"}, "boundary": {"*": "u = 0"}}
WAVE = {"coordinates": {"x": [0, 1]}, "fields": {"psi": "complex"}, "boundary": {"x-": "psi = 1"},
        "equations": {"e": "psi_x = i*psi"}}  # fmt: skip
POLAR = {"coordinates": {"r": [0, 1], "theta": [0, 1]}, "fields": ["u"], "metric": "polar", "equations": "lap(u) = 1",
         "boundary": {"r+": "u = 0", "theta-": "u = 0", "theta+": "u = 0"}}  # fmt: skip
WIRE = {"shapes": {"wire": "disk(0.5, 0.5, 0.1)"}, "coefficients": {"a": {"inside": {"wire": 2}, "else": 1}},
        "equations": {"e": "-div(a*grad(p)) = cos(pi*x)"}}  # fmt: skip
BAD = [
    (POTENTIAL | {"constraints": "mean(p) = 0", "at": {"x": 0, "y": 0, "condition": "p = 1"}}, "it has 2"),
    (POTENTIAL | WIRE | {"constraints": ["mean(p) = 0", "integral(p) = 1"]}, "it has 2"),
    (CABLE | {"constraints": "mean(u) = 3"}, "determine u already"),
    (CABLE | {"at": {"x": 0.5, "condition": "u = 3"}}, "determine u already"),
    (POTENTIAL | {"constraints": "integral(p, wire) = 1"}, 'or a variable with two limits; "wire" is none'),
    (POLAR | {"coordinates": {"r": [-1, 1], "theta": [0, 1]}}, "a volume that is positive inside, r;"),
    (POLAR | {"coordinates": {"r": [0, 1], "theta": [0, 4]}, "metric": "spherical"}, "inside, r**2*sin(theta);"),
    (POLAR | {"metric": {"theta": "r - 1/2"}}, "positive inside, -1/2 + r; in these ranges -1/2 + r passes zero"),
    (POLAR | {"metric": {"x": "r*cos(theta)"}}, "the scale factors of coordinates (r, theta)"),
    (POLAR | {"metric": ["polar"]}, "a name (polar, cylindrical, spherical), or scale factors"),
    (CABLE | {"final": {"u": 0}}, "boundary: {t+: u = 0}"),
    (WAVE | {"equations": {"e": "psi_x = max(psi, 1)"}}, "needs a real value; it has a complex one"),
    (WAVE | {"equations": {"e": "psi_x = where(psi < 1, 1, 2)"}}, "needs a real value; it has a complex one"),
    (CABLE | {"parameters": {"k": {"learn": True, "start": 2, "bounds": [0, 1]}}, "equations": {"e": "u_xx = k"},
              "constraints": "mean(u) = 1"}, "need the start between them"),
    (CABLE | {"units": {"x": "m", "u": "K", "k": "K"}, "parameters": {"k": 1}, "equations": {"e": "u_xx = k"}},
     "needs terms of one unit"),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "reason"), BAD)
def test_refused(problem, reason):
    with pytest.raises(InputError) as refused:
        load_problem(problem)
    said = str(refused.value)
    assert reason in said and said.count(". ") >= 1 and said.endswith(".")


@pytest.mark.parametrize("problem", [
    POTENTIAL | {"constraints": "mean(p) = 0"}, POTENTIAL | WIRE | {"constraints": "integral(inside(wire)*p) = 1"},
    CABLE | {"boundary": {"x-": "u = 0"}, "constraints": "mean(u) = 3"}, POLAR,
    CABLE | {"equations": {"e": "u_xx = 0*u"}, "constraints": "mean(u) = 3"}, POLAR | {"metric": {"theta": "r"}},
])  # fmt: skip
def test_what_is_near_by_and_right(problem):
    assert load_problem(problem)


def test_the_exit_code(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "coordinates: {x: [0, 1]}\nfields: [u]\nequations: u_xx = 1\nboundary: {'*': u = 0}\nconstraints: mean(u) = 3\n"
    )
    words = [sys.executable, "-m", "kanpde", "check", "problem=bad.yaml"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "determine u already" in ended.stderr and "Traceback" not in ended.stderr


def test_nothing_is_overwritten(tmp_path, monkeypatch, capsys):
    """A run of the name before stays as it is, byte for byte, and nothing is begun beside it."""
    monkeypatch.chdir(tmp_path)
    earlier = tmp_path / "outputs" / "bad" / "kan" / "0123456789ab" / "result.h5"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"an earlier result")
    stated = CABLE | {"constraints": "mean(u) = 3"}
    (tmp_path / "bad.yaml").write_text(json.dumps(stated))
    assert command(["solve", "problem=bad.yaml", "rerun=true"]) == 2
    assert "determine u already" in capsys.readouterr().err
    files = {path for path in (tmp_path / "outputs").rglob("*") if path.is_file()}
    assert files == {earlier} and earlier.read_bytes() == b"an earlier result"
