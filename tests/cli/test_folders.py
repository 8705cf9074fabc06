"""What commands say of a folder of runs."""

from dataclasses import replace

import numpy as np
import pytest

import kanpde
from kanpde.cli.main import main
from kanpde.cli.metrics import metric_lines
from kanpde.results.archive import read_archive, write_archive


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Runs of two problems, one of them broken."""
    folder = tmp_path_factory.mktemp("outputs")
    data = kanpde.solve("poisson_1d", model={"width": [3]}, training={"stages": 1, "starts": 1, "steps": 2}).data
    for name in ("one", "two"):
        for seed in range(2):
            own = replace(data, attributes={**data.attributes, "title": f"Problem <{name}>", "seed": seed})
            (folder / name / str(seed)).mkdir(parents=True)
            write_archive(folder / name / str(seed) / "result.h5", own)
    (folder / "two" / "broken").mkdir()
    (folder / "two" / "broken" / "result.h5").write_bytes(b"nothing")
    return folder


def test_show_lists_the_runs_of_a_folder(outputs, capsys):
    assert main(["show", str(outputs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and all("rel_l2" in line for line in lines[:4]) and lines[0].endswith("one/0")


def test_the_report_of_several_problems_is_an_index(outputs, capsys):
    assert main(["report", str(outputs)]) == 0
    text = (outputs / "report.html").read_text()
    assert "4 runs of 2 problems" in text and text.count("data:image/png") == 4 and "Problem &lt;one&gt;" in text
    assert "Left out" in text and "<script" not in text


def test_a_report_of_nowhere_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path / "no")]) == 2
    assert main(["show", str(tmp_path)]) == 2


def test_counts_are_whole_numbers():
    lines = metric_lines({"n_parameters": 123456.0, "rel_l2": 1.25e-7, "steps": 1000000, "n_points": float("inf")})
    assert any(line.endswith(" 123456") for line in lines) and any(line.endswith(" 1000000") for line in lines)
    assert any(line.endswith("1.25e-07") for line in lines)


def test_a_run_that_says_nothing_of_itself_is_listed_and_compared(outputs, tmp_path, capsys):
    data = read_archive(outputs / "one" / "0" / "result.h5")
    bare = {name: value for name, value in data.attributes.items() if name not in ("status", "verdict")}
    endless = {name: np.full_like(values, 1e308) for name, values in data.fields.items()}
    (tmp_path / "run").mkdir()
    write_archive(tmp_path / "run" / "result.h5", replace(data, attributes=bare))
    assert main(["show", str(tmp_path)]) == 0 and "None" in capsys.readouterr().out
    write_archive(tmp_path / "run" / "result.h5", replace(data, fields=endless))
    assert main(["collect", str(tmp_path)]) == 2 and "agrees with itself" in capsys.readouterr().out
