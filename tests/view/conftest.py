"""A browser and a site that all tests of pages share."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from argo.local import run_folder
from tests.view.site import Site, fill, served

_NO_SANDBOX = ["--no-sandbox"]  # root has none
TIMEOUT = 60_000  # milliseconds: the machine may be busy with other tests
expect.set_options(timeout=TIMEOUT)


@dataclass
class Visit:
    """A page of the browser, and what it has done that it must not."""

    site: Site
    page: Page
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a path of the site."""
        self.page.goto(self.site.url + path)
        return self.page

    def watch(self) -> None:
        """Note what the browser complains about, and requests to elsewhere."""
        self.page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", lambda request: self._check(request.url))

    def _check(self, url: str) -> None:
        if not url.startswith(self.site.url):
            self.problems.append(f"request: {url[:200]}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not find_chromium():
        pytest.skip("no Chromium here (apt-get install chromium)")
    with launch_browser() as browser:
        yield browser


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def launch_browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=find_chromium(), args=_NO_SANDBOX)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("view")
    site = Site(folder / "project", folder / "cache")
    site.root.mkdir()
    fill(site)
    with run_folder.hold_lock(site.runs / "running"), served(site) as site:  # one of its runs is alive
        yield site


def open_context(browser: Browser, site: Site, **options: Any) -> BrowserContext:
    """A browser that has the cookie."""
    context = browser.new_context(**options)
    cookie = {"name": f"textgen-{site.url.rpartition(':')[2]}", "value": site.token, "url": site.url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    context.set_default_timeout(TIMEOUT)
    return context


@pytest.fixture(scope="package")
def context(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    with open_context(browser, site) as context:
        yield context


@pytest.fixture
def visit(context: BrowserContext, site: Site) -> Iterator[Visit]:
    """A new page; when the test ends, the browser must have had nothing to complain about."""
    with context.new_page() as page:
        visit = Visit(site, page)
        visit.watch()
        yield visit
        assert visit.problems == []
        assert page.evaluate("typeof window.hacked") == "undefined"


@pytest.fixture
def project(tmp_path: Path) -> Site:
    """A site without anything, and without a server."""
    (tmp_path / "project").mkdir()
    return Site(tmp_path / "project", tmp_path / "cache")
