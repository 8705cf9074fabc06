"""The standing benchmark: rows are kept and not made again, what is made of them, and what cannot be used."""

import csv
import json
import math
from dataclasses import replace

import pytest

from kanpde.cli.main import main
from kanpde.errors import InputError
from kanpde.studies import bench, peers
from kanpde.studies.bench import (
    CLASSICAL,
    Bench,
    BenchRow,
    Case,
    csv_text,
    error_figure,
    markdown,
    run_bench,
    stored,
    summary,
)

CASE = Case("poisson_1d", "auto", 0, 60.0)


def row(error: float, word: str = "solved", **changes: object) -> BenchRow:
    return BenchRow(replace(CASE, **changes), error=error, word=word, seconds=2.0)


def test_a_run_is_a_row_with_its_error_over_time_and_is_made_once(tmp_path, monkeypatch):
    said: list[str] = []
    first = run_bench(stored(tmp_path), [CASE], said.append)
    (made,) = first.rows
    assert made.error < 1e-13 and made.word == "solved" and made.whole >= made.seconds > 0
    times, errors = zip(*made.curve, strict=True)
    assert list(times) == sorted(times) and list(errors) == sorted(errors, reverse=True)
    monkeypatch.setattr(bench, "made", lambda case: pytest.fail("made again"))
    again = run_bench(stored(tmp_path), [CASE], said.append)
    assert again.rows == first.rows and len(said) == 1


def test_what_a_route_cannot_serve_and_peers_that_are_missing_are_rows_too(tmp_path, monkeypatch):
    monkeypatch.setattr(peers.PEERS["pykan"], "PACKAGE", "no_such_package_anywhere")
    cases = [Case("landscape_1d_smooth", "least_squares", 0, 1.0), Case("poisson_1d", "pykan", 0, 1.0)]
    refused, missing = run_bench(stored(tmp_path), cases, lambda line: None).rows
    assert refused.word == "refused" and "lowers an energy" in refused.reason and math.isnan(refused.error)
    assert missing.word == "missing" and "pip install" in missing.reason


def test_settings_of_a_file_can_be_left_out(monkeypatch):
    asked = []

    def solve(problem, **words):
        asked.append(problem.settings)
        raise InputError("enough")

    monkeypatch.setattr(bench, "solve", solve)
    assert [bench.made(Case("landscape_1d", "auto", 0, 1.0, bare)).word for bare in (False, True)] == ["refused"] * 2
    assert asked[0] and not asked[1]


def test_a_classical_solver_stands_beside_at_several_resolutions(tmp_path):
    rows = run_bench(stored(tmp_path), [Case("poisson_2d", CLASSICAL, 0, 0.0)], lambda line: None).rows
    assert len(rows) > 2 and min(one.error for one in rows) < 1e-10 and all(one.word == rows[0].word for one in rows)


def test_the_table_has_medians_the_worst_and_the_classical_line():
    rows = [row(1e-3), row(1e-5, seed=1), row(1e-4, "unsure", seed=2), row(2e-1, "unsolved", route="lm")]
    own = Case("poisson_1d", CLASSICAL, 0, 0.0)
    coarse, fine = (BenchRow(own, error=e, word="chebyshev", seconds=s) for e, s in ((1e-6, 0.1), (1e-9, 0.2)))
    head, _, line, *rest = markdown([*rows, coarse, fine]).splitlines()
    assert head == "| problem | limit | auto | lm | classical solver |" and not rest
    assert line == (
        "| `poisson_1d` | 60 s | 1.0e-04 (worst 1.0e-03), 2.0 s, solved | 2.0e-01, 2.0 s, unsolved "
        "| chebyshev: 1.0e-06, 0.1 s; 1.0e-09, 0.2 s |"
    )
    against_itself = markdown([*(replace(one, bar=1e-7) for one in rows), coarse, fine]).splitlines()[2]
    assert against_itself.endswith("| chebyshev: 1.0e-06, 0.1 s |")
    assert summary([row(1e-3), row(0.2), row(0.5, "unsolved")]) == [
        "1 of 3 runs below 1e-2", "called solved and above 5%: poisson_1d (auto, 2.0e-01)",
    ]  # fmt: skip
    table = list(csv.DictReader(csv_text(rows).splitlines()))
    assert [one["error"] for one in table] == ["0.001", "1e-05", "0.0001", "0.2"] and table[3]["route"] == "lm"


def test_a_peer_says_in_what_share_of_its_time_ours_is_as_good():
    ours = [replace(row(1e-9), curve=((0.5, 1e-2), (2.0, 1e-9))), row(1e-2, seed=1)]
    line = markdown([*ours, replace(row(2e-2, "trained", route="pykan"), seconds=25.0)]).splitlines()[2]
    assert line.split(" | ")[3] == "2.0e-02, 25.0 s; auto as good in 1/20 of that"
    better = markdown([*ours, replace(row(1e-12, "trained", route="pykan"), seconds=25.0)]).splitlines()[2]
    assert better.split(" | ")[3] == "1.0e-12, 25.0 s"


def test_the_command_writes_its_files_and_refuses_what_it_cannot_use(tmp_path, capsys):
    Bench(tmp_path).with_rows([row(1e-3)])
    assert main(["bench", "--report", "--folder", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.csv", "bench.png", "bench.md"}
    assert "1 of 1 runs below 1e-2" in capsys.readouterr().out
    for words in (["--routes", "magic"], ["--seeds", "x"], ["--limit", "0"], ["no_such_problem"]):
        assert main(["bench", *words, "--folder", str(tmp_path)]) == 2
    assert main(["bench", "--report", "--folder", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"rows": [{"case": 3}]}), json.dumps({"rows": 5})])
def test_rows_that_cannot_be_read_are_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "bench.json").write_text(content)
    with pytest.raises(InputError, match="rows of a benchmark are needed"):
        stored(tmp_path)


def test_the_figure_has_a_panel_for_each_problem_and_nothing_beside():
    curve = ((0.1, 1e-2), (1.0, 1e-5))
    rows = [replace(row(1e-5, problem=f"problem_{place}"), curve=curve) for place in range(5)]
    figure = error_figure(rows)
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in shown] == [f"problem_{place}" for place in range(5)]
    twice = error_figure([row(1e-5, limit=30.0), row(1e-5)])
    assert [axes.get_title() for axes in twice.axes] == ["poisson_1d, 30 s", "poisson_1d, 60 s"]
    assert len(figure.axes) > 5 and all(axes.get_lines() for axes in shown)
