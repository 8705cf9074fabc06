"""The page in a real browser: what people do, by mouse and keyboard, narrow and wide, light and dark."""

import shutil
from collections.abc import Iterator

import pytest

from service.conftest import LONG, SHORT, Served

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
SERIOUS = ("serious", "critical")
expect = playwright.expect


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as found:
        started = found.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser, service: Served) -> Iterator:
    """A page that has the cookie; whatever a script complains of fails the test."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    # that the service refused something is told by the browser as well
    told = lambda said: said.type == "error" and "status of 422" not in said.text  # noqa: E731
    opened.on("console", lambda said: complaints.append(said.text) if told(said) else None)
    opened.goto(f"http://127.0.0.1:{service.port}/?token={service.token}")
    yield opened
    context.close()
    assert not complaints


def at(service: Served, path: str) -> str:
    return f"http://127.0.0.1:{service.port}{path}"


def a_run(service: Served) -> str:
    return service.json("GET", "/runs")["runs"][-1]["run"]


def a_job(service: Served) -> str:
    return service.json("GET", "/jobs")["jobs"][-1]["jobID"]


def test_the_token_leaves_the_address(tab, service):
    assert "token" not in tab.url
    expect(tab.get_by_role("heading", name="Problems")).to_be_visible()


def test_a_problem_from_the_list_to_its_run(tab, service):
    tab.get_by_label("Find").fill("interval poisson")
    assert tab.locator(".problem:visible").count() < 5
    tab.get_by_role("link", name="Poisson equation on an interval").click()
    expect(tab.locator("#verdict")).to_have_text("Every check passed.")
    expect(tab.locator("#equations math").first).to_be_visible()
    expect(tab.locator("#estimate")).to_contain_text("parameters")
    for group in ("model", "training"):
        tab.get_by_role("group", name=group, exact=True).locator("summary").first.click()
    for key, value in (("model.width", "3"), ("model.grid", "4"), ("model.degree", "4"), ("seed", "77"),
                       ("training.stages", "1"), ("training.starts", "1"), ("training.steps", "5")):  # fmt: skip
        tab.locator(f'[data-key="{key}"]').fill(value)
    tab.locator("summary", has_text="As a command line, as Python").click()
    expect(tab.locator("#command")).to_contain_text("model.grid=4")
    expect(tab.locator("#python")).to_contain_text('"grid": 4')
    tab.get_by_role("button", name="Solve", exact=True).click()
    tab.wait_for_url("**/jobs/*")
    expect(tab.locator("#status")).to_have_text("successful")
    expect(tab.locator("#curve canvas")).to_be_visible()
    expect(tab.locator("#latest")).to_contain_text("loss")
    expect(tab.locator("#notes li").first).to_be_visible()
    tab.get_by_role("link", name="Its run").click()
    expect(tab.get_by_role("heading", name="Evaluate here")).to_be_visible()
    tab.get_by_label("Points, a line each: x").fill("0.25\n0.5")
    tab.get_by_label("Expressions, with commas").fill("u, u_x")
    tab.get_by_role("button", name="Evaluate").click()
    expect(tab.locator("#values tbody tr")).to_have_count(2)
    tab.get_by_label("Expressions, with commas").fill("w")
    tab.get_by_role("button", name="Evaluate").click()
    expect(tab.locator("#told")).to_contain_text('"w"')


def test_the_fields_open_in_a_frame_of_no_origin_and_nothing_comes_from_elsewhere(tab, service):
    foreign = []
    own = (at(service, "/"), "data:", "blob:")
    tab.on("request", lambda asked: foreign.append(asked.url) if not asked.url.startswith(own) else None)
    tab.goto(at(service, f"/runs/{a_run(service)}"))
    tab.get_by_role("button", name="Open the fields").click()
    frame = tab.frame_locator("iframe")
    expect(frame.get_by_text("NX Line")).to_be_visible()
    assert tab.locator("iframe").get_attribute("sandbox") == "allow-scripts allow-downloads"
    assert not foreign


def test_a_mistake_is_shown_at_its_line_and_cannot_be_submitted(tab, service):
    tab.goto(at(service, "/new"))
    expect(tab.locator("#verdict")).to_have_text("Every check passed.")
    tab.locator(".cm-content").click()
    tab.keyboard.press("Control+a")
    lines = ["coordinates: {x: [0, 1]}", "fields: [u]", "equations: {a: u_xx = sin(y)}", 'boundary: {"*": u = 0}']
    tab.keyboard.insert_text("\n".join(lines))
    expect(tab.locator("#verdict")).to_contain_text('equations.a uses "y"')
    expect(tab.locator(".cm-lintRange-error, .cm-lintPoint-error").first).to_be_visible()
    expect(tab.get_by_role("button", name="Solve", exact=True)).to_be_disabled()


def test_a_running_job_is_seen_live_and_stopped(tab, service):
    id = service.submit(settings={**LONG, "seed": 31})
    tab.goto(at(service, f"/jobs/{id}"))
    expect(tab.locator("#status")).to_have_text("running")
    expect(tab.locator("#curve canvas")).to_be_visible()
    tab.get_by_role("button", name="Stop").click()
    expect(tab.locator("#status")).to_have_text("dismissed")
    expect(tab.get_by_role("button", name="Stop")).to_be_hidden()


def test_a_study_grows_live(tab, service):
    study = {"steps": 36, "starts": 1, "start_steps": 0, "tuning_seeds": 1, "seeds": 9, "points": 60}
    id = service.json("POST", "/processes/scaling/execution", {"problem": "poisson_1d", "study": study})["jobID"]
    tab.goto(at(service, f"/jobs/{id}"))
    expect(tab.get_by_role("heading", name="Error against size")).to_be_visible()
    expect(tab.locator("#curve .u-legend")).to_contain_text("KAN")
    expect(tab.locator("#status")).to_have_text("running")
    tab.get_by_role("button", name="Stop").click()
    expect(tab.locator("#status")).to_have_text("dismissed")


def test_runs_are_sorted_filtered_and_compared(tab, service):
    for seed in (41, 42):
        service.ended(service.submit(settings={**SHORT, "seed": seed}))
    tab.goto(at(service, "/runs"))
    rows = tab.locator("#runs tbody tr:visible")
    before = rows.count()
    tab.get_by_role("button", name="seed").click()
    seeds = [int(text) for text in tab.locator("#runs tbody tr td:nth-child(5)").all_inner_texts()]
    assert seeds == sorted(seeds) and len(seeds) == before
    tab.get_by_label("Find").fill("nothing has this name")
    expect(rows).to_have_count(0)
    tab.get_by_label("Find").fill("")
    for place in (0, 1):
        rows.nth(place).get_by_role("checkbox").check()
    tab.get_by_role("button", name="Compare the chosen").click()
    expect(tab.get_by_role("heading", name="Compared")).to_be_visible()
    expect(tab.locator("#curve canvas")).to_be_visible()
    expect(tab.locator("#sizes canvas")).to_be_visible()


def test_the_keyboard_reaches_everything(tab, service):
    tab.goto(at(service, "/new"))
    expect(tab.locator("#verdict")).to_have_text("Every check passed.")
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab.locator(".cm-content").click()
    tab.keyboard.press("Escape")
    tab.keyboard.press("Tab")
    expect(tab.locator(".cm-content")).not_to_be_focused()
    tab.get_by_role("button", name="Solve", exact=True).focus()
    expect(tab.get_by_role("button", name="Solve", exact=True)).to_be_focused()


def test_without_javascript_the_pages_can_be_read(browser, service):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(f"http://127.0.0.1:{service.port}/?token={service.token}")
    assert "Viscous Burgers" in opened.locator("main").inner_text()
    opened.goto(at(service, f"/runs/{a_run(service)}"))
    assert "relative L2 error" in opened.locator("main").inner_text()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1400])
def test_every_page_fits_and_is_accessible(browser, service, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    opened.goto(f"http://127.0.0.1:{service.port}/?token={service.token}")
    run, job = a_run(service), a_job(service)
    for path in ("/", "/new", "/jobs", f"/jobs/{job}", "/runs", f"/runs/{run}", f"/compare?run={run}", "/docs"):
        opened.goto(at(service, path))
        opened.wait_for_load_state("networkidle") if "jobs/" not in path else opened.wait_for_timeout(500)
        wide = opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, f"{path} overflows by {wide} pixels"
        found = axe.run(opened).response["violations"]
        serious = [(one["id"], one["nodes"][0]["target"]) for one in found if one["impact"] in SERIOUS]
        assert not serious, (path, serious)
    context.close()


def test_another_site_can_neither_frame_the_page_nor_read_it(browser, service):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"http://127.0.0.1:{service.port}/?token={service.token}")
    stranger = context.new_page()
    stranger.goto("data:text/html,<p>a site</p>")
    answer = stranger.evaluate(
        "async (url) => { try { const a = await fetch(url, {credentials: 'include'}); return a.status } "
        "catch (e) { return 'refused' } }",
        at(service, "/jobs"),
    )
    assert answer == "refused"
    context.close()
