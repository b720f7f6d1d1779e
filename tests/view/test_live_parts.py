"""What of a page is asked for again while something goes on."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from argo.local import run_folder
from argo.runs import JobRecord, Phase, RunRecord, now
from job.files import locked
from tests.view.conftest import Visit
from tests.view.site import Site, generated, row

RECORD = RunRecord("", "live", "live.yaml", "sandbox", "", {}, now(), {"say": JobRecord(())}, Phase.RUNNING)


@pytest.fixture
def folder(site: Site) -> Iterator[Path]:
    """The folder of a run that goes on, and whose record tests rewrite."""
    folder = site.add_run("live", RECORD, {"say": "a line\n"})
    with run_folder.hold_lock(folder):
        yield folder
    shutil.rmtree(folder)


def write(folder: Path, record: RunRecord) -> None:
    run_folder.Run(folder, replace(record, name="live"))


def test_figures_of_a_comparison_come_with_its_texts(visit: Visit, site: Site) -> None:
    first = site.commit("first", "pair", generated([row("a", " first")]))
    second = site.commit("second", "pair", generated([row("a", " second")], seed=7))
    cache = site.cache / "textgen" / "texts"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache):
        page = visit.open(f"/compare?v={first}&v={second}")
        expect(page.get_by_role("status")).to_have_text("The texts are being compared.")
    expect(page.locator(".pairs > li")).to_have_count(1)
    expect(page.get_by_role("row", name="texts 1 1")).to_be_visible()


def test_jobs_that_are_known_later_are_shown(visit: Visit, folder: Path) -> None:
    write(folder, replace(RECORD, jobs={}))
    page = visit.open("/runs/live")
    expect(page.get_by_text("Running")).to_be_visible()
    write(folder, RECORD)
    expect(page.locator("#log-say")).to_be_visible()


def test_a_branch_and_a_status_that_are_new_can_be_chosen(visit: Visit, folder: Path) -> None:
    page = visit.open("/")
    expect(page.get_by_label("Branch").locator("option", has_text="kings")).to_have_count(0)
    write(folder, replace(RECORD, phase=Phase.ERROR, branch="kings"))
    expect(page.get_by_label("Branch").locator("option", has_text="kings")).to_have_count(1)
    expect(page.get_by_label("Status").locator("option", has_text="Error")).to_have_count(1)


def test_a_part_that_has_the_focus_goes_on(visit: Visit, folder: Path) -> None:
    page = visit.open("/runs/live")
    link = page.locator(".jobs").get_by_role("link", name="say")
    link.focus()
    expect(page.locator(".jobs")).to_contain_text("Pending")
    write(folder, replace(RECORD, jobs={"say": JobRecord((), Phase.RUNNING, now())}))
    expect(page.locator(".jobs")).to_contain_text("Running")
    expect(link).to_be_focused()


def test_the_line_of_a_job_is_marked_when_it_fails(visit: Visit, folder: Path) -> None:
    jobs = {"generate": JobRecord(())}
    write(folder, replace(RECORD, jobs=jobs))
    page = visit.open("/runs/live")
    expect(page.locator(".source")).to_be_visible()
    failed = {"generate": JobRecord((), Phase.FAILED, now(), now(), message="exit status 1")}
    write(folder, replace(RECORD, jobs=failed))
    expect(page.locator(".source .failing")).to_have_text(re.compile("generate:"))


def test_a_log_that_can_not_be_read_says_so(visit: Visit, folder: Path) -> None:
    write(folder, replace(RECORD, phase=Phase.SUCCEEDED, finished=now()))
    page = visit.open("/runs/live")
    hidden = folder.with_name("hidden")
    folder.rename(hidden)
    page.locator("summary", has_text="say").click()
    expect(page.get_by_label("Log of say")).to_contain_text("This log can not be read.")
    hidden.rename(folder)
    page.locator("summary", has_text="say").click()
    page.locator("summary", has_text="say").click()
    expect(page.get_by_label("Log of say")).to_contain_text("a line")
    visit.problems = [problem for problem in visit.problems if "status of 404" not in problem]


def test_a_page_that_can_not_be_read_again_says_so_until_it_can(visit: Visit, folder: Path) -> None:
    page = visit.open("/runs/live")
    hidden = folder.with_name("hidden")
    folder.rename(hidden)
    expect(page.get_by_role("alert")).to_contain_text("no run 'live'")
    hidden.rename(folder)
    expect(page.get_by_role("alert")).to_have_count(0)
    visit.problems = [problem for problem in visit.problems if "status of 404" not in problem]
