"""Takes the pictures of docs/images/pages: each page at three widths, light and dark, in one PNG."""

import random
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from playwright.sync_api import Browser, Page

from argo.local import run_folder
from argo.view.report import build_report
from job.datasets import DatasetRef, Version, layout
from tests.view.conftest import launch_browser, open_context
from tests.view.site import Site, add_runs, generated, row, served

FOLDER = Path(__file__).parents[2] / "docs/images/pages"
PAGES = {
    "runs": "/",
    "run-succeeded": "/runs/succeeded",
    "run-failed": "/runs/failed",
    "run-running": "/runs/running",
    "datasets": "/datasets",
    "dataset": "/datasets/stories",
    "texts": "/datasets/{after}",
    "text": "/rows/{after}?line=2",
    "compare": "/compare?v={before}&v={after}",
    "file-picture": "/files/{files}?path=loss.svg",
    "file-table": "/files/{files}?path=words.csv",
    "error": "/compare?v={after}",
    "report": "",
}
WIDTHS, HEIGHT = (1400, 800, 360), 860
SENTENCES = (
    " There was a king who kept a horse in the hall.",
    " Nobody in the village had seen such weather since the old mill burnt down.",
    ' "You will not find it there," said the ferryman, and he rowed on.',
    " The queen counted the ships that came in, and those that did not.",
    " It rained for nine days.\n\nOn the tenth, a boy walked up the road with a lantern that was still lit.",
    " She had learnt to read from the labels of jars, and so she read slowly, and believed every word.",
)
TABLE = "word,count,of all texts\nking,42,35 %\nqueen,17,14 %\nlantern,9,7.5 %\n"
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" width="640" height="320" viewBox="0 0 640 320">
<path d="M40 20V280H620M40 60C120 220 300 250 620 262" fill="none" stroke="black" stroke-width="2"/></svg>"""
LINEAGE = {"run": "succeeded", "job": "generate", "repository": {"url": "https://example.org/stories"}}
LOGS = "[...document.querySelectorAll('[data-log][open] .log')].every((log) => log.textContent)"
# What differs each time would make another file.
STEADY = """() => {
  for (const store of document.querySelectorAll(".store")) store.textContent = "s3://team/datasets";
  for (const time of document.querySelectorAll("time"))
    time.textContent = time.title ? "5m ago" : "2026-01-02 03:04 UTC";
  const running = "tr:has(.phase.running) .number, .head:has(.phase.running) .note";
  for (const part of document.querySelectorAll(running))
    for (const text of part.childNodes)
      if (!text.tagName) text.data = text.data.replace(/(\\d+m)?[\\d.]+s/, "12s");
}"""
# Few shades make a file half as large.
SHEET = """<!doctype html><style>body {{ margin: 0; padding: 8px; width: max-content; background: #888;
  display: grid; grid-template-columns: repeat(3, max-content); align-items: start; gap: 8px }}
  img {{ display: block; zoom: 0.4; filter: url(#few) }}</style>
<svg width="0" height="0" style="position: absolute"><filter id="few" color-interpolation-filters="sRGB">
<feComponentTransfer>{shades}</feComponentTransfer></filter></svg>{images}"""


def main() -> None:
    """Take the pictures of all pages."""
    FOLDER.mkdir(exist_ok=True)
    views: dict[str, list[bytes]] = {name: [] for name in PAGES}
    with launch_browser() as browser, open_site() as site:
        report = site.root / "report.html"
        versions = [find_version(site, name) for name in ("after", "before")]
        report.write_text(build_report(site.datasets, *versions), "utf-8")
        for scheme, width in product(("light", "dark"), WIDTHS):
            viewport = {"width": width, "height": HEIGHT}
            with open_context(browser, site, color_scheme=scheme, viewport=viewport) as context:
                page = context.new_page()
                for name, path in PAGES.items():
                    page.goto(site.url + path.format(**site.versions) if path else report.as_uri())
                    views[name].append(take_view(page, width))
        for name in PAGES:
            (FOLDER / f"{name}.png").write_bytes(compose(browser, views[name]))


@contextmanager
def open_site() -> Iterator[Site]:
    """A site with runs, texts and other files, while it is served. Its versions always have the same ids."""
    source = random.Random(1)  # noqa: S311
    ids = mock.patch.object(layout, "new_id", lambda: "".join(source.choices("abcdefghjk23456789", k=12)))
    with TemporaryDirectory() as folder, ids:
        site = Site(Path(folder, "project"), Path(folder, "cache"))
        site.root.mkdir()
        site.commit("before", "stories", generated(write_rows()), LINEAGE)
        site.commit("after", "stories", generated(write_rows(changed=True), temperature=0.7), LINEAGE)
        site.commit("files", "words", {"words.csv": TABLE.encode(), "loss.svg": DRAWING.encode()}, LINEAGE)
        add_runs(site, site.versions["after"])
        with run_folder.hold_lock(site.runs / "running"), served(site):
            yield site


def write_rows(*, changed: bool = False) -> list[dict[str, object]]:
    """Texts of some sentences; the same with other words and without the last sentence, if `changed`."""
    source = random.Random(7)  # noqa: S311
    rows = []
    for number in range(80):
        first, *others = source.choices(SENTENCES, k=source.randint(1, 6))
        text = "".join([first, *others])
        if changed:
            text = "".join([first, *others[:-1]]).replace("king", "queen").replace("a lantern", "an umbrella")
        rows.append(row(f"tale-{number // 4}", text, number % 4 + 1, "It is an old story."))
    return rows


def find_version(site: Site, name: str) -> Version:
    return site.datasets.resolve(DatasetRef.parse(site.versions[name]))


def take_view(page: Page, width: int) -> bytes:
    """What the page shows first, without the empty space below."""
    page.wait_for_function(LOGS)
    page.evaluate(STEADY)
    height = page.evaluate("document.body.getBoundingClientRect().height")
    return page.screenshot(clip={"x": 0, "y": 0, "width": width, "height": min(height, HEIGHT)})


def compose(browser: Browser, views: list[bytes]) -> bytes:
    """All views in one picture."""
    levels = " ".join(str(level / 32) for level in range(33))
    shades = "".join(f'<feFunc{channel} type="discrete" tableValues="{levels}"/>' for channel in "RGB")
    images = "".join(f'<img src="data:image/png;base64,{b64encode(view).decode()}">' for view in views)
    with browser.new_page() as page:
        page.set_content(SHEET.format(shades=shades, images=images))
        return page.locator("body").screenshot()


if __name__ == "__main__":
    main()
