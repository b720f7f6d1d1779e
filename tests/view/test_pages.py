"""Every page in a real browser: what it shows, that nothing on it runs, and that the keyboard is enough."""

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from argo.local import run_folder
from argo.runs import JobRecord, Phase, Progress, RunRecord, now
from job.datasets import DatasetRef
from job.files import locked
from tests.cluster.kubernetes import until
from tests.view.conftest import Visit, open_context
from tests.view.site import HOSTILE, Site, served
from tests.view.test_access import ask

PAGES = (
    "/",
    "/?q=failed&status=Failed",
    "/runs/succeeded",
    "/runs/failed",
    "/runs/killed",
    "/runs/running",
    "/runs/hostile",
    "/datasets",
    "/datasets/stories",
    "/datasets/hostile",
    "/datasets/{after}",
    "/datasets/{after}?q=queen&sort=longest",
    "/datasets/{hostile}",
    "/datasets/{broken}",
    "/datasets/{empty}",
    "/datasets/{blank}",
    "/datasets/{files}",
    "/rows/{after}?line=2",
    "/rows/{hostile}?line=9",
    "/compare?v={before}&v={after}",
    "/compare?v={before}&v={after}&v={hostile}&v={broken}&show=all",
    "/compare?v={hostile}&v={files}",
    "/compare?v={empty}&v={blank}&show=all",
    "/files/{files}?path=picture.png",
    "/files/{files}?path=table.csv",
    "/files/{files}?path=values.json",
    "/files/{files}?path=binary.bin",
    "/files/{empty}?path=table.csv",
    "/files/{files}?path=<img src=x onerror=alert(1)>.txt",
    "/nowhere",
)
# Those with all colours that there are.
DARK = (
    "/",
    "/runs/failed",
    "/runs/running",
    "/datasets/stories",
    "/datasets/{hostile}",
    "/compare?v={before}&v={after}",
)


def press(page: Page, key: str) -> None:
    """Press a key when the page's script listens."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def choose(page: Page, label: str, option: str) -> None:
    """Choose of a list when the page's script listens."""
    page.wait_for_load_state()
    page.get_by_label(label).select_option(option)


def wait_for_texts(page: Page) -> None:
    """Wait until all texts are read: until then the page may load itself again, under what looks at it."""
    unread = re.compile(r"^(Reading the texts|The texts are being compared)")
    expect(page.get_by_role("status").filter(has_text=unread)).to_have_count(0)


def address(site: Site, path: str) -> str:
    return path.format(**site.versions)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_a_heading_and_no_barrier(visit: Visit, path: str) -> None:
    page = visit.open(address(visit.site, path))
    expect(page.locator("h1")).to_have_count(1)
    wait_for_texts(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    violations = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in violations] == []
    visit.problems = [problem for problem in visit.problems if "404 (Not Found)" not in problem]


def test_every_page_can_be_read_in_the_dark_on_a_phone(browser: Browser, site: Site) -> None:
    with open_context(browser, site, color_scheme="dark", viewport={"width": 360, "height": 700}) as context:
        page = context.new_page()
        for path in PAGES:
            page.goto(site.url + address(site, path))
            wait_for_texts(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            if path in DARK:
                violations = Axe().run(page, options={"runOnly": ["color-contrast"]}).response["violations"]
                assert [[node["html"][:200] for node in each["nodes"]] for each in violations] == [], path


def test_runs_are_listed_newest_first_with_what_differs(visit: Visit) -> None:
    page = visit.open("/")
    names = page.locator("td.name a").all_inner_texts()
    assert names[0] == "running"
    assert set(names) == {"running", "killed", "failed", "succeeded", "hostile"}
    row = page.locator("tr", has_text="succeeded").first
    expect(row).to_contain_text("seed 7")
    expect(row.get_by_role("link", name=visit.site.versions["after"])).to_be_visible()
    expect(page.get_by_text("interrupted: its process is gone")).to_be_visible()


def test_a_long_text_makes_no_run_of_the_list_longer_than_a_screen(visit: Visit) -> None:
    page = visit.open("/")
    row = page.locator("tbody tr", has=page.get_by_role("link", name="hostile"))
    expect(row.locator(".cut")).not_to_have_count(0)
    assert row.evaluate("row => row.offsetHeight < innerHeight / 2")


def test_a_phone_shows_changed_parameters_and_when_jobs_ran(browser: Browser, site: Site) -> None:
    with open_context(browser, site, viewport={"width": 360, "height": 700}) as context:
        page = context.new_page()
        page.goto(site.url)
        expect(page.locator("tr", has_text="succeeded").get_by_text("seed 7")).to_be_visible()
        page.goto(f"{site.url}/runs/succeeded")
        expect(page.get_by_role("img", name="waiting 1.0s, running 57s")).to_be_visible()


def test_runs_are_found_by_text_branch_and_status(visit: Visit) -> None:
    page = visit.open("/")
    press(page, "/")
    page.keyboard.type("seed=7 succeeded")
    press(page, "Enter")
    expect(page.locator("td.name a")).to_have_text("succeeded")
    choose(page, "Status", "Failed")
    expect(page.get_by_text("No run is like that.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("td.name a").first).to_be_visible()
    choose(page, "Branch", "queens")
    expect(page.locator("td.name a")).to_have_text("failed")


def test_a_long_list_of_runs_has_pages(project: Site) -> None:
    for number in range(51):
        project.add_example_run(f"run-{number}")
    with served(project):
        _, _, first = ask(project, "/?q=say&status=Succeeded")
        _, _, second = ask(project, "/?q=say&status=Succeeded&page=2")
    assert [first.count("<tr data-row>"), second.count("<tr data-row>")] == [50, 1]
    assert 'rel="next" href="/?q=say&amp;status=Succeeded&amp;page=2"' in first
    assert "/runs/run-0" in second


def test_a_failed_run_says_why_on_top(visit: Visit) -> None:
    page = visit.open("/runs/failed")
    expect(page.locator(".failure")).to_contain_text("generate exit status 1")
    expect(page.locator(".failure .log")).to_contain_text("ValueError: no prompt in line 4")
    expect(page.locator(".source .failing")).to_have_text(re.compile("generate:"))
    expect(page.locator(".graph a.failed")).to_have_count(1)


def test_of_many_failed_jobs_the_first_ones_show_their_logs(visit: Visit, site: Site) -> None:
    jobs = {
        f"job-{number}": JobRecord((), Phase.FAILED, now(), now() - timedelta(seconds=number))
        for number in range(5)
    }
    record = RunRecord("", "many", "many.yaml", "sandbox", "", {}, now(), jobs, Phase.FAILED, now())
    folder = site.add_run("many", record, dict.fromkeys(jobs, "a line\n"))
    try:
        page = visit.open("/runs/many")
        expect(page.locator(".failure b")).to_have_text(["job-4", "job-3", "job-2", "job-1", "job-0"])
        expect(page.locator(".failure .log")).to_have_count(3)
    finally:
        shutil.rmtree(folder)


def test_the_time_of_a_job_is_drawn(visit: Visit) -> None:
    page = visit.open("/runs/succeeded")
    bars = page.get_by_role("img", name="waiting 1.0s, running 57s")
    expect(bars).to_be_visible()


def test_how_far_a_generation_in_shards_has_come_is_beside_its_status(visit: Visit, site: Site) -> None:
    job = JobRecord((), Phase.SUCCEEDED, now(), now(), progress=Progress(64, 64, 16, 16))
    record = RunRecord("", "shards", "shards.yaml", "sandbox", "", {}, now(), {"write": job}, Phase.SUCCEEDED)
    folder = site.add_run("shards", replace(record, finished=now()), {"write": "a line\n"})
    try:
        row = visit.open("/runs/shards").locator(".jobs [data-row]")
        expect(row).to_contain_text("Succeeded64/64 texts, 16/16 shards")
    finally:
        shutil.rmtree(folder)


def test_a_log_grows_while_its_job_runs(visit: Visit) -> None:
    page = visit.open("/runs/running")
    log = page.get_by_label("Log of generate")
    expect(log).to_have_text("first line")
    path = visit.site.runs / "running/jobs/generate/log"
    with path.open("a") as file:
        file.write("second <b>line</b> \x1b[32mgreen\x1b[0m \x1b[2J\n")
    expect(log).to_have_text("first line second <b>line</b> green ␛[2J", use_inner_text=True)


def test_a_run_of_many_jobs_leaves_the_browser_a_connection_for_pages(visit: Visit, site: Site) -> None:
    jobs = {f"job-{number}": JobRecord((), Phase.RUNNING, now()) for number in range(8)}
    record = RunRecord("", "wide", "wide.yaml", "sandbox", "", {}, now(), jobs, Phase.RUNNING)
    folder = site.add_run("wide", record, dict.fromkeys(jobs, "a line\n"))
    try:
        with run_folder.hold_lock(folder):
            page = visit.open("/runs/wide")
            logs = page.locator(".job-log[open]")
            expect(logs).to_have_count(4)
            expect(logs.last.locator(".log")).to_have_text("a line")
            page.locator("#log-job-7 summary").click()
            expect(page.locator("#log-job-7 .log")).to_have_text("a line")
            expect(logs).to_have_count(4)
            page.get_by_role("link", name="Datasets").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")
    finally:
        shutil.rmtree(folder)


def test_a_log_that_is_asked_for_opens(visit: Visit) -> None:
    page = visit.open("/runs/succeeded")
    page.get_by_role("link", name="check: Succeeded").click()
    expect(page.get_by_label("Log of check", exact=True)).to_have_text("fine")
    page.locator("#log-check").get_by_role("link").click()
    expect(page.locator("body")).to_have_text("fine")


def test_texts_are_searched_filtered_and_opened_with_keys(visit: Visit) -> None:
    page = visit.open(f"/datasets/{visit.site.versions['after']}")
    expect(page.locator(".texts > li")).to_have_count(50)
    press(page, "/")
    page.keyboard.type("queen 3")
    press(page, "Enter")
    expect(page.get_by_text("of 119")).to_be_visible()
    expect(page.locator(".texts mark").first).to_have_text("queen")
    press(page, "j")
    press(page, "j")
    press(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("tale-")
    first = page.url
    press(page, "j")
    expect(page).not_to_have_url(first)
    press(page, "k")
    expect(page).to_have_url(first)
    press(page, "u")
    expect(page.get_by_text("of 119")).to_be_visible()


def test_what_is_in_a_text_is_shown_and_does_nothing(visit: Visit) -> None:
    page = visit.open(f"/datasets/{visit.site.versions['hostile']}")
    bodies = page.locator(".texts .body")
    expect(bodies).to_have_count(len(HOSTILE))
    for number, text in enumerate(HOSTILE[:7]):
        assert text in bodies.nth(number).inner_text()
    expect(bodies.nth(7)).to_contain_text("␛]0;title␇␛[2J␛[31mred␛[0m")
    expect(bodies.nth(8)).to_contain_text("abc[U+202E]def[U+2066]ghi[U+200B][U+FEFF]")
    expect(bodies.nth(8).locator(".control").first).to_have_attribute("title", "RIGHT-TO-LEFT OVERRIDE")
    expect(page.locator("main script, main iframe, main style, main #trap, main link")).to_have_count(0)
    assert page.evaluate("getComputedStyle(document.body).display") == "block"


def test_texts_of_shards_are_one_list_that_grows_while_they_are_read(visit: Visit) -> None:
    cache = visit.site.cache / "textgen" / "texts"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache):  # so that no index of them is made yet
        page = visit.open(f"/datasets/{visit.site.versions['shards']}?page=3")
        expect(page.get_by_role("status")).to_contain_text("Reading the texts")
        expect(page.get_by_role("link", name="tale-0 · 1")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("120 texts")
    expect(page.get_by_text("Page 3 of 3")).to_be_visible()
    expect(page.get_by_role("combobox", name="Ended").get_by_role("option")).to_have_text(["any way", "stop"])
    page.get_by_role("link", name="tale-29 · 4").click()
    expect(page.get_by_text("there was a king number 119 and his horse")).to_be_visible()
    expect(page.get_by_text("line 120 of all files")).to_be_visible()


def test_lines_that_are_no_rows_are_named(visit: Visit) -> None:
    page = visit.open(f"/datasets/{visit.site.versions['broken']}")
    for line in ("2: not JSON", "3: not a JSON object", "4: not JSON", '5: no string "text"'):
        expect(page.get_by_text(f"outputs.jsonl:{line}", exact=True)).to_be_visible()
    page.get_by_role("link", name="long").click()
    expect(
        page.get_by_text("These are the first 200\u202f000 of 3\u202f000\u202f000 characters.")
    ).to_be_visible()


def test_what_is_empty_says_so(visit: Visit) -> None:
    empty, blank = visit.site.versions["empty"], visit.site.versions["blank"]
    page = visit.open(f"/datasets/{empty}")
    expect(page.get_by_text("No text is in this version.")).to_be_visible()
    expect(page.get_by_text("Nothing is recorded of what made it.")).to_be_visible()
    expect(page.get_by_role("search")).to_have_count(0)
    expect(visit.open(f"/files/{empty}?path=table.csv").get_by_text("This file is empty.")).to_be_visible()
    for path in (f"/datasets/{blank}", f"/rows/{blank}?line=1", f"/compare?v={empty}&v={blank}&show=all"):
        expect(visit.open(path).get_by_text("No text.", exact=True)).to_be_visible()
    expect(page.get_by_text("Nothing is recorded of what made them.")).to_be_visible()


def test_versions_are_a_history_of_changes(visit: Visit) -> None:
    page = visit.open("/datasets/stories")
    expect(page.locator(".changes").first).to_contain_text("temperature 1.0 0.7")
    expect(page.locator(".history .title").first).to_contain_text("latest")


def test_a_version_of_a_history_is_opened_with_keys(visit: Visit) -> None:
    page = visit.open("/datasets/stories")
    press(page, "j")
    press(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(visit.site.versions["after"])


def test_many_files_are_on_several_pages(visit: Visit, site: Site) -> None:
    version = site.commit("many", "many", {f"{number:03}.txt": b"text" for number in range(501)})
    page = visit.open(f"/datasets/{version}")
    expect(page.locator(".files tbody tr")).to_have_count(500)
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".files tbody tr")).to_have_text(re.compile("500.txt"))
    page = visit.open(f"/compare?v={version}&v={visit.site.versions['files']}")
    expect(page.get_by_text("These are 500 of 510 files that differ.")).to_be_visible()


def test_a_link_of_a_version_is_shown(visit: Visit, site: Site) -> None:
    source = site.root / "linked"
    source.mkdir()
    (source / "text.txt").write_text("text")
    (source / "latest.txt").symlink_to("text.txt")
    version = site.datasets.commit_version(DatasetRef("linked"), source, lineage={})
    page = visit.open(f"/datasets/{version}")
    expect(page.locator(".files tbody tr").last).to_have_text(
        "latest.txtlink to text.txt", use_inner_text=False
    )


def test_two_versions_are_compared_from_their_dataset_with_keys(visit: Visit) -> None:
    page = visit.open("/datasets/stories")
    press(page, "c")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Compare")
    expect(page.get_by_role("row", name="temperature 1.0 0.7")).to_be_visible()
    expect(page.get_by_role("row", name="texts 120 119")).to_be_visible()
    expect(page.get_by_text("40 changed · 78 the same · 3 in one version only")).to_be_visible()
    cells = page.locator(".pairs > li").first.locator(".cell")
    expect(cells.nth(0).locator("del").first).to_have_text(" king")
    expect(cells.nth(1).locator("ins").first).to_have_text(" queen")
    choose(page, "Show", "only in one")
    expect(page.locator(".pairs > li")).to_have_count(3)


def test_a_picture_is_shown_as_one(visit: Visit) -> None:
    page = visit.open(f"/files/{visit.site.versions['files']}?path=picture.png")
    assert page.evaluate("document.querySelector('main img').naturalWidth") == 2


@pytest.mark.parametrize("name", ["fake.png", "page.html", "drawing.svg", "notes.md", "table.csv"])
def test_a_file_runs_nothing(visit: Visit, name: str) -> None:
    version = visit.site.versions["files"]
    page = visit.open(f"/files/{version}?path={name}")
    expect(page.locator("main script")).to_have_count(0)
    visit.open(f"/raw/{version}?path={name}")
    assert page.evaluate("typeof window.hacked") == "undefined"
    expected = ("404 (Not Found)", "Blocked script execution")
    visit.problems = [problem for problem in visit.problems if not any(each in problem for each in expected)]


def test_a_table_has_its_cells(visit: Visit) -> None:
    page = visit.open(f"/files/{visit.site.versions['files']}?path=table.csv")
    expect(page.get_by_role("cell").nth(1)).to_have_text("<b>bold</b>, and more")


def test_pages_need_no_scripts(browser: Browser, site: Site) -> None:
    path = f"/datasets/{site.versions['after']}?q=queen&format=json"
    until(lambda: json.loads(ask(site, path)[2])["texts"]["total"], "the index", 60)
    with open_context(browser, site, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.url}/datasets/{site.versions['after']}")
        page.get_by_placeholder("Search the texts").fill("queen")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_text("40 texts of 119")).to_be_visible()


def test_every_page_is_json_as_well(visit: Visit) -> None:
    for path in PAGES:
        url = visit.site.url + address(visit.site, path)
        response = visit.page.request.get(url, params={"format": "json"})
        assert response.headers["content-type"] == "application/json"
        assert isinstance(response.json(), dict)


def test_a_run_that_is_written_or_damaged_is_a_line(visit: Visit, site: Site) -> None:
    folder = site.runs / "torn"
    folder.mkdir()
    try:
        (folder / "run.json").write_text('{"name": ')
        page = visit.open("/")
        expect(page.get_by_text("torn/run.json: damaged")).to_be_visible()
        page = visit.open("/runs/torn")
        expect(page.get_by_role("alert")).to_contain_text("damaged")
    finally:
        (folder / "run.json").unlink()
        folder.rmdir()
    visit.problems = [problem for problem in visit.problems if "502 (Bad Gateway)" not in problem]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/runs/succeded", "no run 'succeded'"),
        ("/datasets/nothing", "no dataset 'nothing'"),
        ("/datasets/stories:nothing", "stories:nothing: no such version or tag"),
        ("/datasets/a b", "not a dataset reference"),
        ("/rows/stories:latest?line=99999", "no text in line 99999"),
        ("/rows/stories:latest?line=x", "no text in line 0"),
        ("/datasets/files:latest?page=999999999999", ""),
        ("/datasets/stories:latest?line=3", ""),
        ("/<script>window.hacked=1</script>", "there is no page"),
    ],
)
def test_what_is_not_there_is_one_line(visit: Visit, path: str, line: str) -> None:
    page = visit.open(path)
    if line:
        expect(page.get_by_role("alert")).to_contain_text(line)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    visit.problems = [problem for problem in visit.problems if "status of 40" not in problem]
