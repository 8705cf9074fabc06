"""Reports: everything in one file, nothing a stranger wrote runs, readable in a real browser on a phone."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

import kanpde
from kanpde.cli.main import main
from kanpde.problems.catalog import load_problem, problem_names
from kanpde.reports.formulas import equation, formula
from kanpde.reports.html import element, page
from kanpde.reports.run_report import measured_against, run_report, run_warnings
from kanpde.reports.sections import problem_section
from kanpde.results.archive import read_archive, write_archive
from kanpde.results.classical import Classical
from kanpde.studies.archive import StudyData
from kanpde.studies.records import Record, Skipped
from kanpde.studies.report import study_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "</title><script>document.title='run'</script><img src=x onerror=alert(1)> & \"quoted\" ' $\\frac"
PHONE = 390


@pytest.fixture(scope="module")
def run():
    model = {"width": [3], "grid": 4, "degree": 5}
    return kanpde.solve("poisson_2d", model=model, training={"stages": 2, "starts": 1, "steps": 4}).data


def records(text: str = "") -> tuple[Record, ...]:
    """A small study: a KAN on five grids and an MLP of five widths, three seeds each, one of them failed."""
    problem = {key: value for key, value in load_problem("poisson_2d").source.items() if key != "title"}
    settings = {"problem": problem, "optimizer": {"kind": "lm"}, "sampling": {"points": 100}, "dtype": "float64"}
    common = {
        "title": f"Poisson {text}", "steps": 60, "points": 100, "heldout": 1e-5, "reference_error": 1e-16,
        "created": "2026-01-01", "sha256": "", "hardware": "{}", "versions": "{}", "commit": "abc",
        "reference": "exact", "settings": json.dumps(settings | {"training": {"steps": 60, "note": text}}),
    }  # fmt: skip
    found = []
    for seed in range(3):
        for i in range(5):
            sized = {"parameters": 100 * 2**i, "flops": 1e6 * 4.0**i, "seconds": 2.0**i, "seed": seed}
            failed = i == 4 and seed == 2
            ended = {"status": "failed" if failed else "done", "stop_reason": f"The run diverged. {text}"}
            kan = {"name": f"KAN degree 5{text}", "model": "kan", "width": (5,), "grid": 2 * 2**i, "degree": 5}
            mlp = {"name": f"MLP depth 2 tanh{text}", "model": "mlp", "width": (8 * 2**i,) * 2, "grid": 0, "degree": 0}
            scatter = 1 + 0.3 * seed
            path = f"{text}/{i}/{seed}/result.h5"
            kan_error = 1.0 if failed else 1e-3 * 3.0**-i * scatter
            found.append(Record(path=path, **kan, **sized, **ended, **common, error=kan_error))
            ended |= {"status": "done"}
            found.append(Record(path=path, **mlp, **sized, **ended, **common, error=1e-2 * 2.0**-i * scatter))
    return tuple(found)


def study(text: str = "") -> StudyData:
    about = {"title": f"Poisson {text}", "created": "2026-01-01", "chosen_json": '{"kan": {"width": 5, "degree": 5}}'}
    about |= {"study_json": '{"steps": 60, "points": 100, "match": ["parameters"]}', "git_commit": f"abc{text}"}
    skipped = (Skipped(f"outputs/{text}/result.h5", f"cut off {text}"),)
    classical = (Classical(f"chebyshev{text}", 100, 1e-4, 0.01), Classical(f"chebyshev{text}", 400, 1e-9, 0.1))
    return StudyData(about, records(text), tuning=records(text)[:4], own=records(text)[:2], skipped=skipped,
                   classical=classical)  # fmt: skip


@pytest.fixture(scope="module")
def pages(run) -> dict[str, str]:
    return {"run": run_report(run), "study": study_report(study())}


# what is in them


def test_a_run_report_says_what_was_asked_and_what_came_out(pages):
    text = html.unescape(pages["run"])
    for words in (
        "Poisson equation on a square", "relative L2 error", "exact solution", "seed 0", "held-out residual",
        "All stages were completed", "kanpde", "-lap(u) = 2*pi**2*sin(pi*x)*sin(pi*y)",
        "at x = -1, x = 1, y = -1, y = 1",
    ):  # fmt: skip
        assert words in text, words
    assert text.count("<figure") == 5


def test_a_study_report_says_who_wins_where_and_what_failed(pages):
    text = html.unescape(pages["study"])
    for words in (
        "At equal parameters: the KAN has the lower error", "1 of 30 runs failed", "α = ", "k + 1", "chebyshev",
        "Left out", "cut off", "Tuning", "own best optimizer", "95%", "Equal for all of these runs", "plateau",
    ):  # fmt: skip
        assert words in text, words
    assert text.count("<figure") == 3


def test_a_run_that_failed_or_parted_warns(run):
    failed = replace(run, attributes={**run.attributes, "status": "failed", "stop_reason": "The run diverged."})
    assert "The run is failed: The run diverged." in run_warnings(failed)
    cheated = replace(run, metrics={**run.metrics, "residual_rms": 1e-9})
    assert "the points were fitted rather than the equation" in run_warnings(cheated)[0]
    below = replace(run, metrics={**run.metrics, "reference_error": 0.9, "rel_l2": 0.5})
    assert "below that of the reference" in run_warnings(below)[0]
    assert run_warnings(run) == []


def test_the_classical_solver_has_its_line(run):
    numbers = {"reference_error": 1e-11, "reference_time_s": 0.4, "reference_unknowns": 784}
    solved = replace(run, attributes={**run.attributes, "reference": "chebyshev"}, metrics={**run.metrics, **numbers})
    assert "chebyshev, 784 unknowns, its own error 1.0·10⁻¹¹, 0.4 s" in measured_against(solved)


def test_reports_are_made_from_archives_alone(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    write_archive(tmp_path / "a" / "result.h5", run)
    assert main(["report", "a"]) == 0
    assert (tmp_path / "a" / "report.html").read_text() == run_report(read_archive(tmp_path / "a" / "result.h5"))
    assert main(["report", "."]) == 0, "a folder of runs"
    assert "single size" in (tmp_path / "report.html").read_text()
    assert main(["report", "nothing"]) == 2


# mathematics


@pytest.mark.parametrize("name", problem_names())
def test_every_shipped_problem_is_typeset(name):
    problem = load_problem(name)
    text = problem_section(problem.yaml(), problem.samples)
    assert "does not read" not in text and "NaN" not in text
    assert text.count("<math ") > 2 and "\\" not in text.partition("<pre>")[0], "LaTeX that was not understood"


def test_formulas_are_mathematics_that_can_be_selected_and_read_aloud():
    half = formula(r"\frac{u_{x x}}{2}", "u_xx/2")
    assert half.startswith("<math ") and 'alttext="u_xx/2"' in half and "<mfrac><mrow><msub><mi>u</mi>" in half
    assert "<mtable>" in formula(r"\begin{cases} 0 & x < 0 \\ 1 & \text{otherwise} \end{cases}", "where")


def test_nothing_in_a_formula_becomes_markup():
    hostile = formula(r"\text{<script>alert(1)</script>} < \pi", HOSTILE)
    assert "<script" not in hostile and "&lt;script&gt;" in hostile and "&lt;</mo>" in hostile and "π" in hostile


def test_known_terms_go_to_the_right():
    problem = load_problem("poisson_1d")
    (residual,) = problem.equations.values()
    left, right = equation(residual).split('alttext="="')
    assert "u_xx" in left and "u_xx" not in right and "pi" in right


def test_a_problem_that_cannot_be_read_is_shown_as_written():
    assert "title: &lt;b&gt;" in problem_section("title: <b>\nequations: {}")


# strangers


def test_elements_escape_what_is_no_markup():
    assert element("p", HOSTILE, title=HOSTILE).count("<") == 2
    assert "<script" not in page(HOSTILE, element("h1", HOSTILE), [HOSTILE, None])


def test_nothing_a_stranger_wrote_becomes_markup(run):
    names = ("title", "stop_reason", "status", "created", "git_commit", "reference", "problem")
    attributes = {**run.attributes, **dict.fromkeys(names, HOSTILE)}
    attributes |= {"versions_json": json.dumps({HOSTILE: HOSTILE}), "problem_yaml": HOSTILE, "config_yaml": HOSTILE}
    model = replace(run.model, kind=HOSTILE, config_json=json.dumps({"design": {HOSTILE: HOSTILE}, "dtype": HOSTILE}))
    spoiled = replace(run, attributes=attributes, model=model, metrics={**run.metrics, "a<b>": 1.0})
    for text in (run_report(spoiled), study_report(study(HOSTILE.replace("/", "")))):
        assert set(re.findall(r"<(\w+)", text)) <= ALLOWED, set(re.findall(r"<(\w+)", text)) - ALLOWED
        assert "&lt;script&gt;" in text and not re.search(r"<[^>]*\sonerror", text)


ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p", "div", "span", "b",
    "ul", "li", "dl", "dt", "dd", "pre", "code", "table", "caption", "thead", "tbody", "tr", "th", "td", "details",
    "summary", "figure", "figcaption", "svg", "g", "path", "defs", "use", "clipPath", "rect", "image", "br",
    "math", "mrow", "mi", "mn", "mo", "msub", "msup", "msubsup", "mfrac", "mtext", "msqrt", "mroot", "mtable", "mtr",
    "mtd", "mover",
}  # fmt: skip


def test_there_is_nothing_outside_the_file(pages):
    for name, text in pages.items():
        references = re.findall(r'(?:src|href|action|data)="([^"]*)"', text) + re.findall(r"url\(([^)]*)\)", text)
        assert all(one.startswith(("#", "data:image/png;base64,")) for one in references), name
        assert "@import" not in text and "<script" not in text and "http-equiv" in text
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert len(ids) == len(set(ids)), f"{name}: ids of one figure are another's"
        used = {one[1:] for one in references if one.startswith("#")}
        assert used <= set(ids), used - set(ids)


# in a browser

PROBE = """<script>
const wide = [...document.querySelectorAll('body *')].filter(e =>
  !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className);
const cut = [...document.querySelectorAll('.stacked td')].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
const drawn = [...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect().width);
const loaded = performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'));
parent.document.documentElement.setAttribute('data-probe', JSON.stringify({inner: innerWidth,
  scroll: document.documentElement.scrollWidth, wide, cut: cut.length, drawn, loaded,
  size: getComputedStyle(document.body).fontSize}));
</script></body>"""


def browsed(path, *words: str) -> str:
    profile = path.parent / "profile"
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--disable-dev-shm-usage", f"--user-data-dir={profile}", *words, path.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize("kind", ["run", "study"])
def test_a_phone_shows_it_without_scrolling_sideways(tmp_path, pages, kind):
    """The page itself allows no script; the copy that measures it does. An iframe is as wide as a phone."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", pages[kind])
    path = tmp_path / "probed.html"
    inner = html.escape(text.replace("</body>", PROBE))
    path.write_text(f'<!DOCTYPE html><iframe srcdoc="{inner}" style="width: {PHONE}px; height: 900px; border: 0">')
    dumped = browsed(path, "--dump-dom")
    found = json.loads(html.unescape(re.search(r'data-probe="([^"]*)"', dumped).group(1)))
    assert found["inner"] == PHONE
    assert found["scroll"] <= PHONE and not found["wide"] and not found["cut"], found
    assert found["drawn"] and min(found["drawn"]) > 0.8 * PHONE
    assert found["loaded"] == [] and found["size"] == "16px"


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_it_prints(tmp_path, pages):
    path = tmp_path / "report.html"
    path.write_text(pages["study"])
    browsed(path, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}")
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF") and 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 12
