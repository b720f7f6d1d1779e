"""The report of a version: one file, which is read without a server or a network."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from argo.cli.report import command
from argo.view.report import LARGEST
from tests.view.conftest import TIMEOUT, Visit
from tests.view.site import HOSTILE, Site, encode, row


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_report(site: Site, folder: Path, *words: str) -> Path:
    path = folder / "report.html"
    done = CliRunner().invoke(command, [*words, "--output", str(path), "--store", site.datasets.url])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(str(path))
    return path


def open_offline(browser: Browser, path: Path, problems: list[str], **options: int) -> Page:
    """The file in a browser without a network, which notes what it must not do."""
    context = browser.new_context(offline=True, viewport={"width": options.get("width", 1280), "height": 800})
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith("file:") else problems.append(request.url)
    )
    page.goto(path.as_uri())
    return page


def test_a_report_of_two_versions_opens_without_a_network(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    path = write_report(site, tmp_path, site.versions["after"], "--compare", site.versions["before"])
    problems: list[str] = []
    page = open_offline(browser, path, problems)
    expect(page.get_by_role("row", name="temperature 1.0 0.7")).to_be_visible()
    expect(page.locator(".pairs del").first).to_have_text(" king")
    expect(page.locator(".texts > li")).to_have_count(119)
    page.keyboard.press("/")
    page.keyboard.type("queen horse")
    expect(page.get_by_text("0 of these 119 texts")).to_be_visible()
    page.get_by_placeholder("Search the texts").fill("queen")
    expect(page.get_by_text("40 of these 119 texts")).to_be_visible()
    assert [each["id"] for each in Axe().run(page).response["violations"]] == []
    assert problems == []
    page.context.close()


def test_an_answer_stands_below_the_messages(
    browser: Browser, site: Site, tmp_path: Path, visit: Visit
) -> None:
    page = open_offline(browser, write_report(site, tmp_path, site.versions["chat"]), [])
    pages = [page, visit.open(f"/datasets/{site.versions['chat']}")]
    for each in pages:
        expect(each.locator(".texts .body")).to_have_js_property("innerText", "user: The capital?\n\nParis")
    page.context.close()


def test_a_report_is_printed_dark_on_light_with_its_differences(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    path = write_report(site, tmp_path, site.versions["after"], "--compare", site.versions["before"])
    page = open_offline(browser, path, [])
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("body")).to_have_css("color", "rgb(29, 32, 36)")
    expect(page.locator(".pairs ins").first).to_have_css("print-color-adjust", "exact")
    expect(page.locator(".pairs ins").first).to_have_css("text-decoration-line", "underline")
    page.context.close()


def test_each_link_of_a_report_leads_to_a_part_of_it(browser: Browser, site: Site, tmp_path: Path) -> None:
    for name, other in (("after", "before"), ("files", "hostile")):
        path = write_report(site, tmp_path, site.versions[name], "--compare", site.versions[other])
        page = open_offline(browser, path, [])
        links = page.locator("a").evaluate_all("links => links.map((link) => link.hash.slice(1))")
        assert links
        assert all(page.locator(f"[id={link}]").count() == 1 for link in links)
        page.context.close()


def test_a_row_with_an_error_is_not_counted_as_a_text(
    browser: Browser, site: Site, tmp_path: Path, visit: Visit
) -> None:
    version = site.versions["error"]
    page = open_offline(browser, write_report(site, tmp_path, version, "--compare", version), [])
    for each in (page, visit.open(f"/datasets/{version}")):
        expect(each.get_by_text("2 rows", exact=True)).to_be_visible()  # with the figures
        numbers = each.locator(".numbers p").all_inner_texts()
        assert [text.split("\n") for text in numbers[:3]] == [
            ["1", "text"],
            ["100 %", "ended by themselves"],
            ["1", "error"],
        ]
    expect(page.get_by_role("row", name="texts 1 1")).to_be_visible()
    expect(page.get_by_role("row", name="new tokens of a text 2.0 2.0")).to_be_visible()
    page.context.close()


def test_what_is_in_a_text_does_nothing_in_a_report(browser: Browser, site: Site, tmp_path: Path) -> None:
    path = write_report(site, tmp_path, site.versions["hostile"], "--compare", site.versions["broken"])
    problems: list[str] = []
    page = open_offline(browser, path, problems, width=360)
    expect(page.locator(".texts > li")).to_have_count(len(HOSTILE))
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("a[href]:not([href^='#']), iframe, img, link").count() == 0
    assert problems == []
    page.context.close()


def test_a_version_of_other_files_has_a_report(browser: Browser, site: Site, tmp_path: Path) -> None:
    path = write_report(site, tmp_path, site.versions["files"])
    assert "This version holds no generated texts." in path.read_text("utf-8")


def test_a_report_of_many_files_says_which_are_left_out(project: Site, tmp_path: Path) -> None:
    before = project.commit("before", "many", {"0.txt": b"other"})
    after = project.commit("after", "many", {f"{number}.txt": b"text" for number in range(2001)})
    html = write_report(project, tmp_path, after, "--compare", before).read_text("utf-8")
    assert "These are 500 of 2\u202f001 files that differ." in html
    assert "These are 2\u202f000 of 2\u202f001 files." in html


@pytest.mark.parametrize("text", ["x", "\x01" * 300], ids=["short", "of control characters"])
def test_a_report_is_small_and_says_what_is_left_out(project: Site, tmp_path: Path, text: str) -> None:
    rows = [row(f"row-{n}", f" {text} {n}") for n in range(2500)]
    before = project.commit("before", "many", {"outputs.jsonl": encode(rows)})
    changed = [row(f"row-{n}", f" {n} {text[::-1]} other") for n in range(2500)]
    after = project.commit("after", "many", {"outputs.jsonl": encode(changed)})
    path = write_report(project, tmp_path, after, "--compare", before)
    assert path.stat().st_size < LARGEST
    html = path.read_text("utf-8")
    assert "of 2\u202f500 texts, evenly taken." in html
    assert "most different of 2\u202f500 texts" in html
